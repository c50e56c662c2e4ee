/** One virtual disk in the disk worker: its queue, and the layer that each generation of operations goes to (METHOD.md step 810). */
import type { Layer } from '#engine/disk/block.ts';
import { DiskQueue, changes, type QueuedOperation } from '#engine/disk/queue.ts';
import { InvariantError } from '#engine/errors/errors.ts';
import type { DiskSpec, OpenedDisk } from './disk-protocol.ts';
import type { RingOperation } from './drive-protocol.ts';

export class ServedDisk {
  readonly spec: DiskSpec;
  readonly queue: DiskQueue<RingOperation>;
  /** By generation. */
  private readonly layers: Layer[];
  /** Step 802: COW disks over the top that no marker has made the top yet. */
  private readonly prepared = new Map<number, Layer>();

  constructor(spec: DiskSpec, top: Layer) {
    this.spec = spec;
    this.layers = [top];
    this.queue = new DiskQueue(top.clusterBytes);
  }

  get top(): Layer {
    return this.layers.at(-1)!;
  }

  describe(): OpenedDisk {
    const { name, interface: bus, media, serial } = this.spec;
    const { sizeBytes, clusterBytes, writable } = this.top;
    return { name, interface: bus, media, serial, sizeBytes, clusterBytes, readOnly: !writable };
  }

  layerOf(generation: number): Layer {
    const layer = this.layers[generation];
    if (layer === undefined) throw new InvariantError(`${this.spec.name} has no generation ${generation}`);
    return layer;
  }

  prepare(number: number, layer: Layer): void {
    this.prepared.set(number, layer);
  }

  takePrepared(number: number): Layer {
    const layer = this.prepared.get(number);
    if (layer === undefined) throw new InvariantError(`${this.spec.name} has no prepared layer ${number}`);
    this.prepared.delete(number);
    return layer;
  }

  /** Step 810: operations that come from now on go to the layer prepared as `number`. */
  switchTo(number: number): void {
    const layer = this.takePrepared(number);
    this.layers.push(layer);
    this.queue.marker(layer.clusterBytes);
  }

  /** Returns the bytes of a read that names no segments. Throws as Layer does. */
  execute({ operation, generation }: QueuedOperation<RingOperation>, memory: ArrayBufferLike): Uint8Array | undefined {
    const layer = this.layerOf(generation);
    const { kind, offset, length } = operation;
    let answer: Uint8Array | undefined;
    if (kind === 'flush') this.flush(generation);
    else if (kind === 'read') answer = read(layer, operation, memory);
    else if (kind === 'write') write(layer, operation, memory);
    else if (kind === 'write-zeroes') layer.writeZeroes(offset, length, operation.unmap);
    else layer.discard(offset, length);
    if (this.spec.cache === 'writethrough' && changes(operation)) layer.flush();
    return answer;
  }

  /** At the end of the world: a second flush also writes which clusters the first one freed. */
  close(): void {
    try {
      for (const layer of this.layers) {
        if (!layer.writable) continue;
        layer.flush();
        layer.flush();
      }
    } finally {
      this.top[Symbol.dispose]();
    }
  }

  /** What was written before a marker and after it is flushed in that order: the top says nothing without what is below it. */
  private flush(generation: number): void {
    if (this.spec.cache === 'unsafe') return;
    for (const layer of this.layers.slice(0, generation + 1)) if (layer.writable) layer.flush();
  }
}

function read(layer: Layer, { offset, length, segments }: RingOperation, memory: ArrayBufferLike): Uint8Array | undefined {
  if (segments.length === 0) {
    const bytes = new Uint8Array(length);
    layer.read(offset, bytes);
    return bytes;
  }
  let at = offset;
  for (const { address, length } of segments) {
    layer.read(at, new Uint8Array(memory, address, length));
    at += length;
  }
  return undefined;
}

function write(layer: Layer, { offset, segments, bytes }: RingOperation, memory: ArrayBufferLike): void {
  if (segments.length === 0) layer.write(offset, bytes);
  let at = offset;
  for (const { address, length } of segments) {
    layer.write(at, new Uint8Array(memory, address, length));
    at += length;
  }
}
