/** Writes logs into VHDX images (MS-VHDX 2.3), as a program leaves them that was stopped before its changes were in place. */
import { crc32c } from '#engine/disk/vhdx/crc32c.ts';

const SECTOR = 4096;
const HEADERS = [65_536, 131_072];
export const LOG_GUID = Uint8Array.from({ length: 16 }, (_, i) => 0x10 + i);

export type LoggedChange = { readonly offset: number; readonly bytes: Uint8Array } | { readonly offset: number; readonly zeroes: number };

export interface LoggedEntry {
  readonly sequence: bigint;
  /** Where the oldest entry is that is to be replayed with this one. */
  readonly tail: number;
  readonly changes: readonly LoggedChange[];
  readonly flushedOffset: number;
  readonly lastOffset?: number;
}

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const put = (bytes: Uint8Array, at: number, text: string) => bytes.set(new TextEncoder().encode(text), at);

/** Writes the checksum at byte 4. */
export function seal(bytes: Uint8Array): void {
  viewOf(bytes).setUint32(4, 0, true);
  viewOf(bytes).setUint32(4, crc32c(bytes), true);
}

export function logEntry({ sequence, tail, changes, flushedOffset, lastOffset = flushedOffset }: LoggedEntry): Uint8Array {
  const sectors = changes.flatMap(change => ('bytes' in change ? [change.bytes] : []));
  const dataAt = Math.ceil((64 + 32 * changes.length) / SECTOR) * SECTOR;
  const entry = new Uint8Array(dataAt + sectors.length * SECTOR);
  const view = viewOf(entry);
  put(entry, 0, 'loge');
  view.setUint32(8, entry.length, true);
  view.setUint32(12, tail, true);
  view.setBigUint64(16, sequence, true);
  view.setUint32(24, changes.length, true);
  entry.set(LOG_GUID, 32);
  view.setBigUint64(48, BigInt(flushedOffset), true);
  view.setBigUint64(56, BigInt(lastOffset), true);
  for (const [i, change] of changes.entries()) {
    const at = 64 + 32 * i;
    put(entry, at, 'bytes' in change ? 'desc' : 'zero');
    if ('bytes' in change) {
      entry.set(change.bytes.subarray(SECTOR - 4), at + 4);
      entry.set(change.bytes.subarray(0, 8), at + 8);
    } else view.setBigUint64(at + 8, BigInt(change.zeroes), true);
    view.setBigUint64(at + 16, BigInt(change.offset), true);
    view.setBigUint64(at + 24, sequence, true);
  }
  for (const [i, bytes] of sectors.entries()) {
    const at = dataAt + i * SECTOR;
    entry.set(bytes, at);
    put(entry, at, 'data');
    view.setUint32(at + 4, Number(sequence >> 32n), true);
    view.setUint32(at + SECTOR - 4, Number(sequence & 0xffff_ffffn), true);
  }
  seal(entry);
  return entry;
}

/** Puts `entries` one after the other into the ring, from `from` on and over its end. */
export function fillRing(ring: Uint8Array, entries: readonly Uint8Array[], from = 0): void {
  let at = from;
  for (const entry of entries) {
    for (let done = 0; done < entry.length; done += SECTOR) {
      ring.set(entry.subarray(done, done + SECTOR), at);
      at = (at + SECTOR) % ring.length;
    }
  }
}

/** The log of an image, which says from now on that there is something in it. */
export function openLog(image: Uint8Array): Uint8Array {
  const headers = HEADERS.map(at => image.subarray(at, at + SECTOR));
  for (const header of headers) {
    if (viewOf(header).getUint32(0, true) === 0) continue; // only one has been written
    header.set(LOG_GUID, 48);
    seal(header);
  }
  const view = viewOf(headers[0]!);
  const offset = Number(view.getBigUint64(72, true));
  return image.subarray(offset, offset + view.getUint32(68, true));
}
