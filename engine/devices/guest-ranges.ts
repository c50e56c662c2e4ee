/** Scatter/gather lists in guest physical memory, cut and copied. */
import type { GuestMemory } from './device.ts';
import type { GuestRange } from './drive.ts';

export const totalLength = (ranges: readonly GuestRange[]) => ranges.reduce((sum, { length }) => sum + length, 0);

/** The first `count` bytes and what follows them; all there is, if that is less. */
export function splitRanges(ranges: readonly GuestRange[], count: number): [head: GuestRange[], rest: GuestRange[]] {
  const head: GuestRange[] = [];
  const rest: GuestRange[] = [];
  let left = count;
  for (const { gpa, length } of ranges) {
    const taken = Math.min(left, length);
    if (taken > 0) head.push({ gpa, length: taken });
    if (taken < length) rest.push({ gpa: gpa + taken, length: length - taken });
    left -= taken;
  }
  return [head, rest];
}

/** At most `max` bytes of what the ranges hold. */
export function gather(memory: GuestMemory, ranges: readonly GuestRange[], max: number): Uint8Array {
  const [head] = splitRanges(ranges, max);
  const bytes = new Uint8Array(totalLength(head));
  let at = 0;
  for (const { gpa, length } of head) {
    memory.read(gpa, bytes.subarray(at, at + length));
    at += length;
  }
  return bytes;
}

/** A write to guest memory that is still to be done. */
export interface GuestWrite {
  readonly gpa: number;
  readonly bytes: Uint8Array;
}

/** `bytes` laid over the ranges, as far as both reach. */
export function scatter(ranges: readonly GuestRange[], bytes: Uint8Array): GuestWrite[] {
  let at = 0;
  return splitRanges(ranges, bytes.length)[0].map(({ gpa, length }) => {
    const piece = bytes.slice(at, at + length);
    at += length;
    return { gpa, bytes: piece };
  });
}
