/**
 * What DATA SET MANAGEMENT trims (ATA8-ACS § 7.10): a block of little-endian entries, of which a count of 0 makes none.
 *
 *   63-48 count of sectors   47-0 first sector
 */
import { SECTOR_BYTES } from './registers.ts';

const ENTRY_BYTES = 8;

export interface ByteRange {
  readonly offset: number;
  readonly length: number;
}

/** Not checked against the disk's size. */
export function trimmedRanges(list: Uint8Array): ByteRange[] {
  const view = new DataView(list.buffer, list.byteOffset, list.length);
  const ranges: ByteRange[] = [];
  for (let at = 0; at + ENTRY_BYTES <= list.length; at += ENTRY_BYTES) {
    const first = view.getUint32(at, true) + view.getUint16(at + 4, true) * 2 ** 32;
    const count = view.getUint16(at + 6, true);
    if (count > 0) ranges.push({ offset: first * SECTOR_BYTES, length: count * SECTOR_BYTES });
  }
  return ranges;
}
