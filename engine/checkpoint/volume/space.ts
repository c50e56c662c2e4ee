/** Which units of a volume are free: those that no file has and nobody holds. Nothing is kept that could be wrong after a crash: it is found anew from the directory each time. */
import type { Directory, Extent } from './directory.ts';

/** Units of the volume: from `unit` on, `count` of them. */
export type Run = Pick<Extent, 'unit' | 'count'>;

export function runsOf(directory: Directory): Run[] {
  return [...directory.values()].flatMap(files => [...files.values()].flatMap(({ extents }) => extents));
}

/** Those that are in none of `used`, ascending. */
export function freeRuns(used: readonly Run[], units: number): Run[] {
  const free: Run[] = [];
  let next = 0;
  for (const { unit, count } of used.toSorted((a, b) => a.unit - b.unit)) {
    if (unit > next) free.push({ unit: next, count: unit - next });
    next = Math.max(next, unit + count);
  }
  if (next < units) free.push({ unit: next, count: units - next });
  return free;
}

export function countUnits(runs: readonly Run[]): number {
  return runs.reduce((sum, { count }) => sum + count, 0);
}

/** How many units its files have; one that several have counts once. */
export function usedUnits(directory: Directory, units: number): number {
  return units - countUnits(freeRuns(runsOf(directory), units));
}

/** The first `wanted` units of `free`, or all of them. */
export function takeUnits(free: readonly Run[], wanted: number): Run[] {
  const taken: Run[] = [];
  let left = wanted;
  for (const { unit, count } of free) {
    if (left === 0) break;
    const part = Math.min(left, count);
    taken.push({ unit, count: part });
    left -= part;
  }
  return taken;
}
