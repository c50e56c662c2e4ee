/**
 * A single-producer, single-consumer ring of byte messages in shared memory: the action ring (kernel → VMM), the event ring and the serial ring (VMM → kernel).
 *
 *   +0   u32  head: where the writer writes next, an offset into the data
 *   +4   u32  tail: where the reader reads next; head = tail means empty, so one byte always stays free
 *   +8   u32  1 = the writer waits for space: the reader rings the writer's doorbell after its next read
 *   +64  data: messages { u32 length, u8 kind, length - 1 bytes }, each wrapping at the end
 *
 * Head and tail are published with Atomics after (before) the bytes they cover, so neither side needs a lock.
 */
import { InvariantError } from '#engine/errors/errors.ts';

const HEAD = 0;
const TAIL = 1;
const SPACE_WANTED = 2;
export const RING_HEADER_SIZE = 64;
const LENGTH_SIZE = 4;

export interface RingPlace {
  readonly buffer: SharedArrayBuffer;
  readonly offset: number;
  readonly size: number;
}

export interface Message {
  readonly kind: number;
  readonly payload: Uint8Array;
}

abstract class Ring {
  protected readonly control: Int32Array;
  protected readonly data: Uint8Array;
  protected readonly capacity: number;

  constructor(place: RingPlace) {
    this.control = new Int32Array(place.buffer, place.offset, 3);
    this.data = new Uint8Array(place.buffer, place.offset + RING_HEADER_SIZE, place.size - RING_HEADER_SIZE);
    this.capacity = this.data.length;
  }

  /** A word that the other side writes: never trusted beyond the ring's own bytes. */
  protected position(word: number): number {
    const value = Atomics.load(this.control, word);
    if (value < 0 || value >= this.capacity)
      throw new InvariantError(`a ring of this world is damaged: position ${value} of ${this.capacity}`);
    return value;
  }
}

export class RingWriter extends Ring {
  /** The most payload bytes one message can ever carry. */
  get largestPayload(): number {
    return this.capacity - 1 - LENGTH_SIZE - 1;
  }

  /** Payload bytes that a message written now may carry; below zero when not even an empty one fits. */
  get room(): number {
    const used = (this.position(HEAD) - this.position(TAIL) + this.capacity) % this.capacity;
    return this.capacity - 1 - used - LENGTH_SIZE - 1;
  }

  /** False (and nothing is written) when the message does not fit now. */
  write(kind: number, payload: Uint8Array): boolean {
    if (payload.length > this.largestPayload)
      throw new InvariantError(`a message of ${payload.length} bytes can never fit a ring of ${this.capacity}`);
    if (payload.length > this.room) return false;
    let head = this.position(HEAD);
    const length = payload.length + 1;
    for (const byte of [length & 0xff, (length >> 8) & 0xff, (length >> 16) & 0xff, length >>> 24, kind]) {
      this.data[head] = byte;
      head = head + 1 === this.capacity ? 0 : head + 1;
    }
    const first = Math.min(payload.length, this.capacity - head);
    this.data.set(payload.subarray(0, first), head);
    this.data.set(payload.subarray(first), 0);
    Atomics.store(this.control, HEAD, (head + payload.length) % this.capacity);
    return true;
  }

  /** Takes what fits now off the front of `waiting`; true when that was something. While anything is left, the reader rings this side's doorbell after its next read. */
  writeFrom(waiting: Message[]): boolean {
    const sent = waiting.findIndex(message => !this.writeOrWant(message));
    return waiting.splice(0, sent === -1 ? waiting.length : sent).length > 0;
  }

  private writeOrWant({ kind, payload }: Message): boolean {
    if (this.write(kind, payload)) return true;
    Atomics.store(this.control, SPACE_WANTED, 1);
    return this.write(kind, payload); // the reader may have read before it could see the wish
  }
}

export class RingReader extends Ring {
  /** The next message as a copy, or undefined when the ring is empty. */
  read(): Message | undefined {
    let tail = this.position(TAIL);
    const used = (this.position(HEAD) - tail + this.capacity) % this.capacity;
    if (used === 0) return undefined;
    const header = [0, 0, 0, 0, 0];
    for (let i = 0; i < header.length; i++) {
      header[i] = this.data[tail]!;
      tail = tail + 1 === this.capacity ? 0 : tail + 1;
    }
    const [b0, b1, b2, b3, kind] = header as [number, number, number, number, number];
    const length = (b0 | (b1 << 8) | (b2 << 16) | (b3 << 24)) >>> 0;
    if (length === 0 || length + LENGTH_SIZE > used)
      throw new InvariantError(`a ring of this world is damaged: a message of ${length} bytes in ${used}`);
    const payload = new Uint8Array(length - 1);
    const first = Math.min(payload.length, this.capacity - tail);
    payload.set(this.data.subarray(tail, tail + first));
    payload.set(this.data.subarray(0, payload.length - first), first);
    Atomics.store(this.control, TAIL, (tail + payload.length) % this.capacity);
    return { kind, payload };
  }

  get empty(): boolean {
    return this.position(HEAD) === this.position(TAIL);
  }

  /** True once after the writer asked for space: the caller rings the writer's doorbell. */
  takeSpaceWanted(): boolean {
    return Atomics.exchange(this.control, SPACE_WANTED, 0) === 1;
  }
}
