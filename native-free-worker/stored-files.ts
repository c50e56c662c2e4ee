/**
 * Checkpoint files wherever they are: in a folder of the host's, or in a volume (engine/checkpoint/volume). In a volume are those whose folder is VOLUME/NAME, or a link to it, where VOLUME is
 * a file or a block device; such a link leads to nothing that the host knows.
 */
import { lstatSync, readlinkSync, statSync, type Stats } from 'node:fs';
import { basename, dirname, resolve } from 'node:path';
import type { VolumeHost } from '#engine/checkpoint/volume/ports.ts';
import { Volume } from '#engine/checkpoint/volume/volume.ts';
import { VolumeFolder } from '#engine/checkpoint/volume/volume-folder.ts';
import type { HostFiles } from '#engine/ports/host-files.ts';
import { nodeCodec } from './node-codec.ts';
import { nodeFiles, openDevice } from './node-files.ts';
import { NodeVolumeUses } from './volume-uses.ts';

export const volumeHost: VolumeHost = {
  openRead: path => openDevice(path, 'read'),
  openWrite: path => openDevice(path, 'write'),
  checksum: nodeCodec.checksum,
  uses: new NodeVolumeUses(),
};

/** Of this thread: what is being written is known to one of them only. */
const volumes = new Map<string, Volume>();

export function volumeAt(path: string): Volume {
  const known = volumes.get(path) ?? new Volume(volumeHost, path);
  volumes.set(path, known);
  return known;
}

/** Undefined when `folder` is one of the host's, or nothing. */
export function volumeFolderAt(folder: string): VolumeFolder | undefined {
  const stat = lookAt(() => lstatSync(folder, { throwIfNoEntry: false }));
  if (stat?.isDirectory() === true) return undefined;
  const target = stat?.isSymbolicLink() === true ? resolve(dirname(folder), readlinkSync(folder)) : resolve(folder);
  return isVolumePath(dirname(target)) ? new VolumeFolder(volumeAt(dirname(target)), basename(target)) : undefined;
}

/** Whether a store at `path` can only be a volume. */
export function isVolumePath(path: string): boolean {
  const stat = lookAt(() => statSync(path, { throwIfNoEntry: false }));
  return stat !== undefined && (stat.isFile() || stat.isBlockDevice());
}

/** What is under a file, or where nobody may look, is not there. */
function lookAt(look: () => Stats | undefined): Stats | undefined {
  try {
    return look();
  } catch {
    return undefined;
  }
}

function filesAt(folder: string): HostFiles {
  return volumeFolderAt(folder) ?? nodeFiles;
}

const filesOf = (path: string): HostFiles => filesAt(dirname(path));

export const storedFiles: HostFiles = {
  openRead: path => filesOf(path).openRead(path),
  openWrite: path => filesOf(path).openWrite(path),
  createExclusive: path => filesOf(path).createExclusive(path),
  rename: (from, to) => filesOf(to).rename(from, to),
  syncFolder: folder => filesAt(folder).syncFolder(folder),
  remove: path => filesOf(path).remove(path),
  exists: path => filesOf(path).exists(path),
  stat: path => filesOf(path).stat(path),
  clone(from, to) {
    const [source, target] = [volumeFolderAt(dirname(from)), volumeFolderAt(dirname(to))];
    if (source === undefined && target === undefined) return nodeFiles.clone(from, to);
    if (source === undefined || source.volume !== target?.volume) return false;
    source.cloneTo(from, target, to);
    return true;
  },
  realPath: path => filesOf(path).realPath(path),
  list: folder => filesAt(folder).list(folder),
  freeBytes: folder => filesAt(folder).freeBytes(folder),
};
