/** A virtual disk comes into being: its files first, its descriptor last. What a crash leaves without a descriptor is no disk. */
import { ConfigError } from '../../errors/errors.ts';
import type { ChainFormat, Layer } from '../block.ts';
import { layersOf } from '../chain.ts';
import { openDisk } from '../open.ts';
import type { BackingPolicy } from '../paths.ts';
import { clusterBytesFor } from '../qcow2/cluster-size.ts';
import { createQcow2 } from '../qcow2/create.ts';
import { idBytes } from '../qcow2/identity.ts';
import type { DiskBase, DiskDescriptor, DiskMode, LayerId } from './descriptor.ts';
import { DiskFolder } from './disk-folder.ts';
import { createLayer } from './layer-file.ts';
import { OpenLayers } from './open-layers.ts';

export interface NewDisk {
  readonly mode?: DiskMode;
  /** Of COW disk files, a power of two from 512 to 2097152; when not given, as the base and the size want it. */
  readonly clusterBytes?: number;
  readonly settings?: DiskDescriptor['settings'];
}

/** An empty disk of the VM's own: one file, on which the VM begins. */
export function createBlankDisk(folder: DiskFolder, sizeBytes: number, options: NewDisk & { readonly preallocate?: boolean } = {}): void {
  refuseExisting(folder);
  const id = folder.host.newLayerId();
  const { clusterBytes = clusterBytesFor(sizeBytes), preallocate = false } = options;
  createQcow2(folder.host.files, folder.host.codec, folder.layerPath(id), {
    sizeBytes,
    clusterBytes,
    identity: { id: idBytes(id) },
    ...(preallocate ? { preallocation: 'full' as const } : {}),
  });
  folder.write(describeDisk(folder, { ...options, clusterBytes }, { sizeBytes, top: id }));
}

export interface AttachedImage {
  /** Absolute. */
  readonly path: string;
  readonly format: ChainFormat;
  /** The user's word that Cairn may write the file: it then ends up with what the guest wrote, as the mode says. */
  readonly writeBase?: boolean;
  /** Which backing files of the image may be followed. */
  readonly allow?: BackingPolicy;
}

/** A disk over the user's file, which stays where it lies. In the first implementation, with the user's word, the VM runs on the file itself. */
export function attachDisk(folder: DiskFolder, image: AttachedImage, options: NewDisk = {}): void {
  refuseExisting(folder);
  const { files } = folder.host;
  const { path, format, writeBase = false, allow } = image;
  using layer = openDisk(folder.host, path, { format, writable: false, ...(allow === undefined ? {} : { allow }) });
  const below = layersOf(layer).slice(1);
  const base: DiskBase = {
    path,
    format,
    kind: 'attached',
    content: folder.host.newLayerId(),
    seen: files.stat(path),
    ...(below.length === 0 ? {} : { allow: below.map(parent => files.realPath(parent.path)) }),
  };
  if (writeBase && options.mode === 'full-copy')
    folder.write(
      describeDisk(folder, { clusterBytes: clustersOver(layer), ...options }, { sizeBytes: layer.sizeBytes, top: 'base', writeBase, base }),
    );
  else startOn(folder, layer, base, writeBase, options);
}

/**
 * A disk of another VM that begins as a state of this one's: a new COW file over the layer in the other bundle, which is only read, and is needed from
 * now on. `sourceFolder` is as it is to stand in the descriptor: absolute, or relative to the new disk's folder.
 */
export function linkDisk(
  folder: DiskFolder,
  source: { readonly folder: string; readonly disk: string },
  state: LayerId,
  options: NewDisk = {},
): void {
  refuseExisting(folder);
  const from = new DiskFolder(folder.host, folder.pathOf(source.folder), source.disk);
  const descriptor = from.read();
  using layers = new OpenLayers(from, () => descriptor);
  const place = layers.place(state);
  const layer = layers.open(place);
  const there = descriptor.base?.path;
  const path =
    place !== 'base' ? `${source.folder}/${from.layerName(place)}` : from.pathOf(there!) === there ? there : `${source.folder}/${there!}`;
  startOn(folder, layer, { path, format: layer.format as ChainFormat, kind: 'linked', content: state, source }, false, options);
}

function startOn(folder: DiskFolder, layer: Layer, base: DiskBase, writeBase: boolean, options: NewDisk): void {
  const top = folder.host.newLayerId();
  const { clusterBytes = clustersOver(layer) } = options;
  createLayer(folder, top, { parent: layer, parentId: base.content, parentName: base.path, clusterBytes });
  folder.write(describeDisk(folder, { ...options, clusterBytes }, { sizeBytes: layer.sizeBytes, top, writeBase, base }));
}

/** Of a COW file over the layer. */
const clustersOver = ({ sizeBytes, format, clusterBytes }: Layer): number =>
  clusterBytesFor(sizeBytes, format === 'qcow2' ? clusterBytes : undefined);

export function refuseExisting(folder: DiskFolder): void {
  if (folder.host.files.exists(folder.descriptorPath))
    throw new ConfigError('DISK_EXISTS', `There is a ${folder.disk} already: ${folder.descriptorPath} is not overwritten.`);
}

type Described = Pick<DiskDescriptor, 'sizeBytes' | 'top'> & { readonly writeBase?: boolean; readonly base?: DiskBase };

export function describeDisk(
  { disk }: DiskFolder,
  { mode = 'chain', clusterBytes, settings = {} }: NewDisk,
  { sizeBytes, top, writeBase = false, base }: Described,
): DiskDescriptor {
  return {
    version: 1,
    disk,
    mode,
    sizeBytes,
    clusterBytes: clusterBytes ?? clusterBytesFor(sizeBytes),
    top,
    writeBase,
    ...(base === undefined ? {} : { base }),
    settings,
  };
}
