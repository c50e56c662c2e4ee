/** One virtual disk in the disk worker: its queue, and the layer that each generation of operations goes to (METHOD.md step 810). */
import type { Layer } from '#engine/disk/block.ts';
import { DiskQueue, changes, type QueuedOperation } from '#engine/disk/queue.ts';
import { InvariantError } from '#engine/errors/errors.ts';
import type { DiskSpec, OpenedDisk } from './disk-protocol.ts';
import { fingerprintOf } from './fingerprint.ts';
import type { RingOperation } from './drive-protocol.ts';

/** The files behind a disk. */
export interface DiskBacking extends Disposable {
  /** What is read and written now. */
  readonly top: Layer;
  readonly inCheckpoints: boolean;
  /** Step 810. Answers the old top, to which what was begun before may still be written. */
  switchTop(): Layer;
  /** A flush of the guest's: also of what it wrote before the last switch. */
  flush(): void;
  /** Durable and closed. */
  close(): void;
}

export class ServedDisk {
  readonly spec: DiskSpec;
  backing: DiskBacking;
  readonly queue: DiskQueue<RingOperation>;
  /** The disc that the drive gets next. */
  private next: DiskBacking | undefined;
  /** The top of the generation before, while operations may still go to it. */
  private before: Layer | undefined;

  constructor(spec: DiskSpec, backing: DiskBacking) {
    this.spec = spec;
    this.backing = backing;
    this.queue = new DiskQueue(backing.top.clusterBytes);
  }

  describe(): OpenedDisk {
    return this.describeAs(this.backing);
  }

  private describeAs({ inCheckpoints, top }: DiskBacking): OpenedDisk {
    const { name, interface: bus, media, serial, cache } = this.spec;
    const fingerprint = media === 'cdrom' ? fingerprintOf(top) : '';
    const { sizeBytes, clusterBytes } = top;
    const place = { name, interface: bus, media, serial };
    return {
      ...place,
      sizeBytes,
      clusterBytes,
      readOnly: !top.writable,
      writeThrough: cache === 'writethrough',
      inCheckpoints,
      fingerprint,
    };
  }

  /** A disc that was opened for the drive. */
  offer(disc: DiskBacking): OpenedDisk {
    this.withdraw();
    this.next = disc;
    return this.describeAs(disc);
  }
  /** Nobody wants it. */
  withdraw(): void {
    this.next?.[Symbol.dispose]();
    this.next = undefined;
  }
  get isOffered(): boolean {
    return this.next !== undefined;
  }
  /** The drive has let go of the old one: nothing is pending. */
  takeOffered(): void {
    if (this.next === undefined || this.queue.length > 0) throw new InvariantError(`the disc of ${this.spec.name} cannot be changed now`);
    this.backing[Symbol.dispose]();
    this.backing = this.next;
    this.next = undefined;
  }

  /** Step 810: operations that come from now on go to the COW disk that 802 made. */
  switchTop(): void {
    this.before = this.backing.switchTop();
    this.queue.marker(this.backing.top.clusterBytes);
  }

  /** The disk has gone back, and its guest is about to: whatever is queued is nobody's any more. */
  dropSubmitted(): void {
    this.before = undefined;
    this.queue.drop(this.backing.top.clusterBytes);
  }

  /** Whether an operation from before the last switch has not ended (822, 830). */
  get isSettling(): boolean {
    return this.queue.generation > 0 && this.queue.uses(this.queue.generation - 1);
  }

  /** Returns the bytes of a read that names no segments. Throws as Layer does. */
  execute({ operation, generation }: QueuedOperation<RingOperation>, memory: ArrayBufferLike): Uint8Array | undefined {
    const layer = this.layerOf(generation);
    const { kind, offset, length } = operation;
    let answer: Uint8Array | undefined;
    if (kind === 'flush') this.flush();
    else if (kind === 'read') answer = read(layer, operation, memory);
    else if (kind === 'write') write(layer, operation, memory);
    else if (kind === 'write-zeroes') layer.writeZeroes(offset, length, operation.unmap);
    else layer.discard(offset, length);
    if (this.spec.cache === 'writethrough' && changes(operation)) layer.flush();
    return answer;
  }

  private layerOf(generation: number): Layer {
    if (generation === this.queue.generation) return this.backing.top;
    if (generation === this.queue.generation - 1 && this.before !== undefined) return this.before;
    throw new InvariantError(`${this.spec.name} has no generation ${generation} any more`);
  }

  private flush(): void {
    if (this.spec.cache !== 'unsafe') this.backing.flush();
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
