/**
 * A lost descriptor is made anew from the files (`cairn repair`): layers say what they are and what they lie on. What no file says is told: which of
 * several ends was the VM's, the mode, the settings, and whether the user's file might be written (it may not, from now on). An image of the user's
 * that has backing files of its own must be attached anew.
 */
import { ConfigError } from '../../errors/errors.ts';
import { isChainFormat, type ChainFormat } from '../block.ts';
import { backingPath, folderOf } from '../paths.ts';
import { readHeader } from '../qcow2/header.ts';
import { identityOf } from '../qcow2/identity.ts';
import { Qcow2Image } from '../qcow2/image.ts';
import type { DiskBase, LayerId } from './descriptor.ts';
import { describeDisk, refuseExisting } from './create.ts';
import type { DiskFolder } from './disk-folder.ts';
import { createLayer } from './layer-file.ts';
import type { Needs } from './scan.ts';

interface Found {
  readonly id: LayerId;
  readonly parentId: LayerId | undefined;
  readonly below: string | undefined;
  readonly format: string | undefined;
  readonly sizeBytes: number;
  readonly clusterBytes: number;
  readonly modifiedMs: number;
}

/** Writes a descriptor. Answers what was decided without knowing, in sentences for the user. */
export function rebuildDescriptor(folder: DiskFolder, needs: Needs): string[] {
  refuseExisting(folder);
  const layers = folder.layerIds().map(id => lookAt(folder, id));
  const isFree = ({ id }: Found) => !needs.pointed.has(id) && !needs.pinned.has(id);
  const lower = new Set(layers.map(({ below }) => below));
  const ends = layers.filter(({ id }) => !lower.has(folder.layerPath(id)));
  const free = ends.filter(isFree);
  const end = newest(free.length > 0 ? free : ends);
  if (end === undefined)
    throw new ConfigError(
      'DISK_LOST',
      `${folder.folder} has no layer of ${folder.disk} that others do not lie on. Restore it from a backup.`,
    );
  const told = [`The settings of ${folder.disk} are those of a new disk, and the user’s file, if it is on one, is only read.`];
  if (free.length > 1) told.push(`${free.length} layers could be the present state of ${folder.disk}; the newest was taken.`);
  if (free.length === 0) told.push(`The present state of ${folder.disk} is lost; it goes on from a checkpoint.`);
  const base = baseOf(folder, layers, needs, told);
  const { sizeBytes, clusterBytes } = end;
  const top = isFree(end) ? end.id : cowOver(folder, end);
  folder.write(describeDisk(folder, { clusterBytes }, { sizeBytes, top, ...(base === undefined ? {} : { base }) }));
  return told;
}

/** A checkpoint's layer must not be written. */
function cowOver(folder: DiskFolder, { id: parentId, clusterBytes }: Found): LayerId {
  const id = folder.host.newLayerId();
  const { files, codec } = folder.host;
  using parent = new Qcow2Image(files, codec, folder.layerPath(parentId), { writable: false });
  createLayer(folder, id, { parent, parentId, parentName: folder.layerName(parentId), clusterBytes });
  return id;
}

function lookAt(folder: DiskFolder, id: LayerId): Found {
  const path = folder.layerPath(id);
  using file = folder.host.files.openRead(path);
  const header = readHeader(file);
  return {
    id,
    parentId: identityOf(header.extensions)?.parentId,
    below: header.backing === undefined ? undefined : backingPath(path, header.backing),
    format: header.backingFormat,
    sizeBytes: header.sizeBytes,
    clusterBytes: header.geometry.clusterBytes,
    modifiedMs: folder.host.files.stat(path).modifiedMs,
  };
}

const newest = (layers: readonly Found[]) => layers.toSorted((a, b) => b.modifiedMs - a.modifiedMs)[0];

/** What lies below layers and is none of them. */
function baseOf(folder: DiskFolder, layers: readonly Found[], needs: Needs, told: string[]): DiskBase | undefined {
  const own = new Set(layers.map(({ id }) => folder.layerPath(id)));
  const above = layers.filter(({ below }) => below !== undefined && !own.has(below));
  const path = above[0]?.below;
  if (path === undefined) return undefined;
  if (above.some(({ below }) => below !== path))
    throw new ConfigError(
      'DISK_BASE',
      `The layers of ${folder.disk} in ${folder.folder} lie on several base disks. Restore it from a backup.`,
    );
  const format = above.map(layer => layer.format).find((said): said is ChainFormat => said !== undefined && isChainFormat(said));
  if (format === undefined) throw new ConfigError('DISK_BACKING_FORMAT', `No layer of ${folder.disk} says what format ${path} has.`);
  const ids = new Set(above.map(({ id }) => id));
  const contents = [...new Set(above.map(({ parentId }) => parentId))].filter(id => id !== undefined);
  // A layer that was committed into the base is still on it, with what lies on that state.
  const content = contents.find(id => ids.has(id)) ?? contents[0];
  if (content === undefined) throw new ConfigError('DISK_BASE', `No layer of ${folder.disk} says which state ${path} is.`);
  const inFolder = folderOf(path) === folder.folder;
  const only = above.length === 1 ? above[0] : undefined;
  // Perhaps a commit was under way: to finish it does no harm, and to read the base without its layer might.
  const becoming = inFolder && only !== undefined && !needs.pointed.has(content) && !needs.pinned.has(content) ? only.id : undefined;
  if (!inFolder) told.push(`${path} was taken as it is now: whether others changed it is not known.`);
  return {
    path: inFolder ? path.slice(folder.folder.length + 1) : path,
    format,
    kind: inFolder ? 'own' : 'attached',
    content,
    ...(becoming === undefined ? {} : { becoming }),
    ...(inFolder ? {} : { seen: folder.host.files.stat(path) }),
  };
}
