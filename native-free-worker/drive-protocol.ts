/**
 * What the vcpu thread and the disk worker say to each other: messages of two rings in shared memory (world-block.ts). Little-endian.
 *
 *   operation   { f64 id, f64 offset, f64 length, u16 disk, u16 flags, u32 generation } then segments { u32 address, u32 length }… or the bytes to write
 *   marker      { u16 disk }
 *   done        { f64 id } then the bytes of a read that named no segments, or in words why it is held
 *
 * A segment lies in the world's shared memory. The segments of an operation add up to its length; a read without any answers its bytes in the message.
 */
import { InvariantError } from '#engine/errors/errors.ts';
import type { BlockRange, OperationKind } from '#engine/disk/queue.ts';
import type { Message } from './ring.ts';

/** vcpu → disk worker: operations, by kind, then orders. */
const KINDS: readonly OperationKind[] = ['read', 'write', 'write-zeroes', 'discard', 'flush'];
/** Step 810: what follows goes to the COW disk that 802 made. */
export const DISK_MARKER = 16;
/** Operations that the host's storage failed are tried again. */
export const DISK_RETRY = 17;
/** Those of this disk are given up: they end with an error. */
export const DISK_GIVE_UP = 18;
/** The disk's drive has let go of its disc: what follows goes to the one that was opened beside it. */
export const DISK_MEDIUM = 19;

/** disk worker → vcpu. */
export const DONE_OK = 1;
/** The image is damaged there. */
export const DONE_ERROR = 2;
/** Not done: the host's storage failed, and the operation waits for DISK_RETRY or DISK_GIVE_UP. */
export const DONE_HELD = 3;

export interface Segment {
  readonly address: number;
  readonly length: number;
}

export interface RingOperation extends BlockRange {
  readonly id: number;
  readonly disk: number;
  /** Meant only where `again` is set: a read that is done again (step 815) from the layer it had. */
  readonly generation: number;
  readonly again: boolean;
  /** write-zeroes: the room may be given back. */
  readonly unmap: boolean;
  readonly segments: readonly Segment[];
  /** What to write where there are no segments. */
  readonly bytes: Uint8Array;
}

const HEADER = 32;
const FLAG_AGAIN = 1;
const FLAG_UNMAP = 2;
const FLAG_INLINE = 4;
const NO_BYTES = new Uint8Array();

/** Segments of one operation: its message stays far below a ring's size. */
export const MOST_SEGMENTS = 1024;

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

export function encodeOperation(operation: RingOperation): Message {
  const { segments, bytes } = operation;
  const inline = segments.length === 0;
  const payload = new Uint8Array(HEADER + (inline ? bytes.length : segments.length * 8));
  const view = viewOf(payload);
  view.setFloat64(0, operation.id, true);
  view.setFloat64(8, operation.offset, true);
  view.setFloat64(16, operation.length, true);
  view.setUint16(24, operation.disk, true);
  view.setUint16(26, (operation.again ? FLAG_AGAIN : 0) | (operation.unmap ? FLAG_UNMAP : 0) | (inline ? FLAG_INLINE : 0), true);
  view.setUint32(28, operation.generation, true);
  if (inline) payload.set(bytes, HEADER);
  segments.forEach(({ address, length }, index) => {
    view.setUint32(HEADER + index * 8, address, true);
    view.setUint32(HEADER + index * 8 + 4, length, true);
  });
  return { kind: KINDS.indexOf(operation.kind), payload };
}

/** Undefined when the message is an order. */
export function decodeOperation({ kind, payload }: Message): RingOperation | undefined {
  const name = KINDS[kind];
  if (name === undefined) return undefined;
  if (payload.length < HEADER) throw new InvariantError(`a disk operation of ${payload.length} bytes`);
  const view = viewOf(payload);
  const flags = view.getUint16(26, true);
  const segments: Segment[] = [];
  if ((flags & FLAG_INLINE) === 0) {
    for (let at = HEADER; at < payload.length; at += 8)
      segments.push({ address: view.getUint32(at, true), length: view.getUint32(at + 4, true) });
  }
  return {
    id: view.getFloat64(0, true),
    kind: name,
    offset: view.getFloat64(8, true),
    length: view.getFloat64(16, true),
    disk: view.getUint16(24, true),
    generation: view.getUint32(28, true),
    again: (flags & FLAG_AGAIN) !== 0,
    unmap: (flags & FLAG_UNMAP) !== 0,
    segments,
    bytes: (flags & FLAG_INLINE) === 0 ? NO_BYTES : payload.subarray(HEADER),
  };
}

/** DISK_MARKER, DISK_GIVE_UP and DISK_MEDIUM. */
export function encodeOrder(kind: number, disk: number): Message {
  const payload = new Uint8Array(2);
  viewOf(payload).setUint16(0, disk, true);
  return { kind, payload };
}
/** The disk. */
export const decodeOrder = ({ payload }: Message): number => viewOf(payload).getUint16(0, true);

export interface Completion {
  /** DONE_*. */
  readonly kind: number;
  readonly id: number;
  readonly bytes: Uint8Array;
}

export function encodeCompletion({ kind, id, bytes }: Completion): Message {
  const payload = new Uint8Array(8 + bytes.length);
  viewOf(payload).setFloat64(0, id, true);
  payload.set(bytes, 8);
  return { kind, payload };
}
export function decodeCompletion({ kind, payload }: Message): Completion {
  return { kind, id: viewOf(payload).getFloat64(0, true), bytes: payload.subarray(8) };
}
