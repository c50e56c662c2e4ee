/** A chain of layers: COW disks, each with its parent below, down to the base disk. */
import { ConfigError, InvariantError } from '../errors/errors.ts';
import { isChainFormat, type Extent, type Layer } from './block.ts';
import type { DiskHost } from './open.ts';
import { createQcow2, type Qcow2CreateOptions } from './qcow2/create.ts';
import { Qcow2Image } from './qcow2/image.ts';

/** Looked at in one go: an upper layer's long hole is not looked over again for each extent below it. */
const LOOK_BYTES = 4 << 20;

/** From the top to the base. */
export function layersOf(top: Layer): Layer[] {
  const layers: Layer[] = [];
  for (let layer: Layer | undefined = top; layer !== undefined; layer = layer.parent) layers.push(layer);
  return layers;
}

export interface MappedExtent extends Extent {
  /** The layer that says so: 0 is the top. undefined for a hole that reaches through the whole chain. */
  readonly depth: number | undefined;
}

/** Where the bytes of a range come from. */
export function* mapChain(top: Layer, offset = 0, length = top.sizeBytes - offset): Generator<MappedExtent> {
  const layers = layersOf(top);
  let pending: MappedExtent | undefined;
  for (let at = offset; at < offset + length;) {
    const found = resolve(layers, at, Math.min(offset + length - at, LOOK_BYTES));
    if (pending !== undefined && pending.kind === found.kind && pending.depth === found.depth)
      pending = { ...pending, length: pending.length + found.length };
    else {
      if (pending !== undefined) yield pending;
      pending = found;
    }
    at += found.length;
  }
  if (pending !== undefined) yield pending;
}

/** What the first of the layers that says something says at `offset`, at most `most` bytes of it. */
export function resolve(layers: readonly Layer[], offset: number, most: number): MappedExtent {
  let length = most;
  for (const [depth, layer] of layers.entries()) {
    if (offset >= layer.sizeBytes) break;
    const extent = layer.status(offset, Math.min(length, layer.sizeBytes - offset));
    if (extent.kind !== 'hole') return { ...extent, depth };
    length = extent.length;
  }
  return { offset, length, kind: 'hole', depth: undefined };
}

export interface CowOptions {
  readonly clusterBytes?: number;
  readonly identity?: NonNullable<Qcow2CreateOptions['identity']>;
  /** The parent's path as it is to stand in the new file; its own path when not given. */
  readonly parentName?: string;
}

/** Step 802: a new COW disk on top of a parent, which nothing may write from now on. */
export function createCowDisk(
  host: DiskHost,
  path: string,
  parent: Layer,
  { parentName = parent.path, ...options }: CowOptions = {},
): Qcow2Image {
  const { format } = parent;
  if (!isChainFormat(format))
    throw new ConfigError(
      'DISK_BACKING_FORMAT',
      `${parent.path} is a ${format} image, and only raw and qcow2 can be below a COW disk: convert it first (\`cairn disk convert\`).`,
    );
  createQcow2(host.files, host.codec, path, {
    ...options,
    sizeBytes: parent.sizeBytes,
    backing: { name: parentName, format },
  });
  const disk = new Qcow2Image(host.files, host.codec, path, { writable: true });
  disk.attachParent(parent);
  return disk;
}

/** Every extent of `top` alone that is not a hole. */
export function* ownExtents(layer: Layer, from = 0): Generator<Extent> {
  for (let at = from; at < layer.sizeBytes;) {
    const extent = layer.status(at, layer.sizeBytes - at);
    if (extent.kind !== 'hole') yield extent;
    at += extent.length;
  }
}

/** Puts `upper` on its grandparent, whose contents must by now include the parent's (commit it first). Answers the layer that dropped out, still open. */
export function dropParent(upper: Layer, grandparentName: string): Layer {
  const dropped = upper.parent;
  if (!(upper instanceof Qcow2Image) || dropped?.parent === undefined)
    throw new InvariantError(`${upper.path} has no grandparent to be put on.`);
  upper.reparent(dropped.parent, grandparentName);
  if (dropped instanceof Qcow2Image) dropped.attachParent(undefined);
  return dropped;
}
