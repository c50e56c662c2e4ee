/** Damaged disk images, checkpoint files and volumes, one after the other; the same numbers give the same cases. */
import { fuzzCheckpoint, makeCheckpoint } from './checkpoint-target.ts';
import { makeDiskSeeds } from './disk-seeds.ts';
import { fuzzDisk } from './disk-target.ts';
import { Random } from './random.ts';
import { fuzzVolume, makeVolumeSeed } from './volume-target.ts';

export interface FuzzRequest {
  readonly cases: number;
  readonly seed: number;
  /** The first case. */
  readonly from?: number;
  /** Beginnings of targets' names; all of them without. */
  readonly only?: string;
  readonly onCase?: (done: number) => void;
}

export interface FuzzReport {
  /** By target: how many cases, and how many of them were taken for good in all that was done. */
  readonly targets: Readonly<Record<string, { cases: number; good: number }>>;
}

interface Target {
  readonly name: string;
  readonly run: (random: Random) => boolean;
}

function targets(): Target[] {
  const checkpoint = makeCheckpoint();
  const volume = makeVolumeSeed(checkpoint);
  return [
    ...makeDiskSeeds().map(seed => ({ name: seed.name, run: (random: Random) => fuzzDisk(seed, random) })),
    { name: 'checkpoint', run: random => fuzzCheckpoint(checkpoint, random) },
    { name: 'volume', run: random => fuzzVolume(volume, random) },
  ];
}

/** Throws what a case threw, with its number in the message: what comes out of a case is an error of Cairn's for its user, or a bug. */
export function fuzz({ cases, seed, from = 0, only = '', onCase = () => {} }: FuzzRequest): FuzzReport {
  const chosen = targets().filter(({ name }) => name.startsWith(only));
  const report: Record<string, { cases: number; good: number }> = Object.fromEntries(
    chosen.map(({ name }) => [name, { cases: 0, good: 0 }]),
  );
  for (let number = from; number < from + cases; number++) {
    const { name, run } = chosen[number % chosen.length]!;
    try {
      const good = run(new Random(Math.imul(seed, 0x9e3779b1) + number));
      report[name]!.cases++;
      if (good) report[name]!.good++;
    } catch (cause) {
      const again = `--seed ${seed} --from ${number} --cases 1${only === '' ? '' : ` --only "${only}"`}`;
      throw new Error(`${name}, case ${number} (${again}): ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    }
    onCase(number - from + 1);
  }
  return { targets: report };
}
