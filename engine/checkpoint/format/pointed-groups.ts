/** Which page groups of a file others point to: sets of group numbers, and how the files table has them (docs/formats/checkpoint.md). */
import { INDEX_POINTED, MAX_GROUPS } from './layout.ts';
import { groupOf, type PageIndex } from './page-index.ts';

/** For each of the `files` that `index` points into, in the order of the files table, its groups. What points to no file of the table is left out. */
export function pointedGroups({ kinds, places }: PageIndex, files: number): ReadonlySet<number>[] {
  const groups = Array.from({ length: files }, () => new Set<number>());
  let lastKind = 0;
  let lastGroup = 0;
  for (let gppn = 0; gppn < kinds.length; gppn++) {
    const kind = kinds[gppn]!;
    if (kind < INDEX_POINTED) continue;
    const group = groupOf(places[gppn]!);
    // Neighbours are in one group nearly always.
    if (kind !== lastKind || group !== lastGroup) groups[kind - INDEX_POINTED]?.add(group);
    [lastKind, lastGroup] = [kind, group];
  }
  return groups;
}

/** Ascending, each as its distance to the one before (the first to −1) less one, in LEB128: seven bits a byte, low ones first, the top bit says that more follow. */
export function encodeGroupNumbers(groups: ReadonlySet<number>): Uint8Array {
  const bytes: number[] = [];
  let before = -1;
  for (const group of Uint32Array.from(groups).sort()) {
    let distance = group - before - 1;
    for (; distance > 0x7f; distance >>>= 7) bytes.push((distance & 0x7f) | 0x80);
    bytes.push(distance);
    before = group;
  }
  return Uint8Array.from(bytes);
}

/** Undefined when it is not such a list: a number is MAX_GROUPS or more, or the last is cut off. */
export function decodeGroupNumbers(bytes: Uint8Array): ReadonlySet<number> | undefined {
  const groups = new Set<number>();
  let before = -1;
  let distance = 0;
  let shift = 0;
  for (const byte of bytes) {
    distance |= (byte & 0x7f) << shift;
    shift += 7;
    if (byte > 0x7f && shift < 28) continue;
    before += distance + 1;
    if (byte > 0x7f || before >= MAX_GROUPS) return undefined;
    groups.add(before);
    [distance, shift] = [0, 0];
  }
  return shift === 0 ? groups : undefined;
}
