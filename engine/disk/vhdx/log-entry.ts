/**
 * One entry of a VHDX log (MS-VHDX 2.3.1), little-endian, in sectors of 4096 bytes of a ring:
 *
 *   | header 64, descriptors of 32 each … | data sector | data sector | …     as many as there are data descriptors
 *
 *   header            0 "loge"   4 CRC-32C of the entry   8 length   12 tail   16 sequence number   24 descriptors   32 GUID   48 flushed file offset   56 last file offset
 *   zero descriptor   0 "zero"                            8 length             16 file offset       24 sequence number
 *   data descriptor   0 "desc"   4 last 4 bytes           8 first 8 bytes      16 file offset       24 sequence number
 *   data sector       0 "data"   4 sequence number, high  8 the bytes between                     4092 sequence number, low
 */
import { asciiAt, guidAt, littleU64 } from '../fields.ts';
import { checksumIsRight } from './crc32c.ts';

export const SECTOR = 4096;
const HEADER_BYTES = 64;
const DESCRIPTOR_BYTES = 32;
const LEADING_BYTES = 8;
const TRAILING_AT = SECTOR - 4;

/** What an entry does to the file: a sector's bytes, or zeroes without any. */
export interface Change {
  readonly offset: number;
  readonly length: number;
  readonly bytes: Uint8Array | undefined;
}

export interface LogEntry {
  /** Where it is in the ring. */
  readonly at: number;
  readonly length: number;
  /** Where the oldest entry is that was not in place when this one was written. */
  readonly tail: number;
  readonly sequence: bigint;
  /** The file was at least that long on the disk then; all that is in use ends before `lastOffset`. */
  readonly flushedOffset: number;
  readonly lastOffset: number;
  readonly changes: readonly Change[];
}

/** The length that the entry at `at` claims to have, when it could be one of the log `guid`; checking it costs as much. */
export function claimedLength(ring: DataView, at: number, guid: string): number | undefined {
  if (asciiAt(ring, at, 4) !== 'loge' || guidAt(ring, at + 32) !== guid) return undefined;
  const length = ring.getUint32(at + 8, true);
  return length < SECTOR || length % SECTOR !== 0 || length > ring.byteLength ? undefined : length;
}

/** The entry of `length` bytes at `at`; undefined unless every part of it is whole. */
export function readEntry(ring: DataView, at: number, length: number): LogEntry | undefined {
  const view = unrolled(ring, at, length);
  const tail = view.getUint32(12, true);
  const sequence = view.getBigUint64(16, true);
  const count = view.getUint32(24, true);
  const dataAt = Math.ceil((HEADER_BYTES + count * DESCRIPTOR_BYTES) / SECTOR) * SECTOR;
  if (sequence === 0n || tail % SECTOR !== 0 || tail >= ring.byteLength || dataAt > length || !checksumIsRight(view)) return undefined;
  const changes: Change[] = [];
  let next = dataAt;
  for (let i = 0; i < count; i++) {
    const descriptor = HEADER_BYTES + i * DESCRIPTOR_BYTES;
    const change = readChange(view, descriptor, next, sequence);
    if (change === undefined) return undefined;
    if (change.bytes !== undefined) next += SECTOR;
    changes.push(change);
  }
  return { at, length, tail, sequence, flushedOffset: littleU64(view, 48), lastOffset: littleU64(view, 56), changes };
}

function readChange(view: DataView, at: number, dataAt: number, sequence: bigint): Change | undefined {
  const offset = littleU64(view, at + 16);
  if (offset % SECTOR !== 0 || view.getBigUint64(at + 24, true) !== sequence) return undefined;
  const signature = asciiAt(view, at, 4);
  if (signature === 'zero') {
    const length = littleU64(view, at + 8);
    return length % SECTOR === 0 ? { offset, length, bytes: undefined } : undefined;
  }
  if (signature !== 'desc' || dataAt + SECTOR > view.byteLength || asciiAt(view, dataAt, 4) !== 'data') return undefined;
  const told = (BigInt(view.getUint32(dataAt + 4, true)) << 32n) | BigInt(view.getUint32(dataAt + TRAILING_AT, true));
  if (told !== sequence) return undefined;
  const part = (from: number, length: number) => new Uint8Array(view.buffer, view.byteOffset + from, length);
  const bytes = part(dataAt, SECTOR).slice();
  bytes.set(part(at + 8, LEADING_BYTES), 0);
  bytes.set(part(at + 4, SECTOR - TRAILING_AT), TRAILING_AT);
  return { offset, length: SECTOR, bytes };
}

/** A copy of `length` bytes of the ring, over its end. */
function unrolled(ring: DataView, at: number, length: number): DataView {
  const bytes = new Uint8Array(length);
  const first = Math.min(length, ring.byteLength - at);
  bytes.set(new Uint8Array(ring.buffer, ring.byteOffset + at, first));
  bytes.set(new Uint8Array(ring.buffer, ring.byteOffset, length - first), first);
  return new DataView(bytes.buffer);
}
