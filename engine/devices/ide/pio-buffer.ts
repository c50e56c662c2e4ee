/** The buffer behind the data register: what is left of a transfer, block by block; the host moves one block for each DRQ. */
import { bytesUpTo, type FieldType, range, struct } from '../../state/state.ts';
import { MAX_BUFFERED_BYTES } from '../drive.ts';

const place = range(0, MAX_BUFFERED_BYTES);
export const PioBufferState = struct({ bytes: bytesUpTo(MAX_BUFFERED_BYTES), position: place, blockEnd: place, blockBytes: place });

const EMPTY = new Uint8Array(0);

export class PioBuffer {
  bytes: Uint8Array = EMPTY;
  private position = 0;
  private blockEnd = 0;
  private blockBytes = 0;

  /** Begins with the first block still to be opened. */
  begin(bytes: Uint8Array, blockBytes: number) {
    this.bytes = bytes;
    this.position = 0;
    this.blockEnd = 0;
    this.blockBytes = blockBytes;
  }
  clear() {
    this.begin(EMPTY, 0);
  }

  /** The length of the next block. */
  openBlock(): number {
    const length = Math.min(this.blockBytes, this.bytes.length - this.position);
    this.blockEnd = this.position + length;
    return length;
  }

  get blockEnded() {
    return this.position >= this.blockEnd;
  }
  get ended() {
    return this.position >= this.bytes.length;
  }

  /** `size` bytes, little-endian; zeros after the block's end. */
  read(size: number): number {
    const { bytes, position: at, blockEnd } = this;
    this.position = Math.min(at + size, blockEnd);
    if (at + 4 <= blockEnd && size === 4)
      return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
    let value = 0;
    for (let i = 0; i < size && at + i < blockEnd; i++) value |= bytes[at + i]! << (8 * i);
    return value >>> 0;
  }

  write(size: number, value: number) {
    const { bytes, position: at, blockEnd } = this;
    for (let i = 0; i < size && at + i < blockEnd; i++) bytes[at + i] = value >>> (8 * i);
    this.position = Math.min(at + size, blockEnd);
  }

  save(): FieldType<typeof PioBufferState> {
    const { bytes, position, blockEnd, blockBytes } = this;
    return { bytes: bytes.slice(), position, blockEnd, blockBytes };
  }
  /** Places beyond the bytes are brought back to their end. */
  load({ bytes, position, blockEnd, blockBytes }: FieldType<typeof PioBufferState>) {
    this.bytes = bytes.slice();
    this.blockEnd = Math.min(blockEnd, bytes.length);
    this.position = Math.min(position, this.blockEnd);
    this.blockBytes = blockBytes;
  }
}
