/** A bounded first-in first-out queue of bytes that saves as a fixed-size array plus a length. */
export class ByteQueue {
  private readonly data: Uint8Array;
  private first = 0;
  length = 0;

  constructor(capacity: number) {
    this.data = new Uint8Array(capacity);
  }

  get capacity() {
    return this.data.length;
  }
  get full() {
    return this.length === this.data.length;
  }

  /** False, and nothing changed, when the queue is full. */
  push(byte: number): boolean {
    if (this.full) return false;
    this.data[(this.first + this.length) % this.data.length] = byte;
    this.length++;
    return true;
  }

  /** The oldest byte, or undefined. */
  shift(): number | undefined {
    if (this.length === 0) return undefined;
    const byte = this.data[this.first]!;
    this.first = (this.first + 1) % this.data.length;
    this.length--;
    return byte;
  }

  clear() {
    this.first = 0;
    this.length = 0;
  }

  /** Oldest byte first, zeros after `length`. */
  save(): Uint8Array {
    const out = new Uint8Array(this.data.length);
    for (let i = 0; i < this.length; i++) out[i] = this.data[(this.first + i) % this.data.length]!;
    return out;
  }
  load(bytes: Uint8Array, length: number) {
    this.data.set(bytes);
    this.first = 0;
    this.length = Math.min(length, this.data.length);
  }
}
