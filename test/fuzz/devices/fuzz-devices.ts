/** Cases for the devices of a whole PC, one after the other; the same numbers give the same cases. */
import { BOARDS } from './boards.ts';
import { CaseError, makeCase, runCase, shorten } from './case.ts';
import { Coverage } from './coverage.ts';
import { type Figure, largest } from './meter.ts';
import { printed } from './operation.ts';
import { Pair } from './pair.ts';

/** Of one case. */
export const CASE_OPERATIONS = 2000;

export interface DeviceFuzzRequest {
  readonly operations: number;
  readonly seed: number;
  /** The first case. */
  readonly from?: number;
  /** Beginnings of generators' names; all of them without. */
  readonly only?: string;
  readonly onCase?: (operations: number) => void;
}

export interface DeviceFuzzReport {
  readonly operations: number;
  /** What the devices saw, and how often. */
  readonly coverage: ReadonlyMap<string, number>;
  /** The most that one operation made the devices do. */
  readonly most: Readonly<Record<Figure, number>>;
}

/** Throws at the first bug, with the case's numbers and a short run that shows it in the message. */
export function fuzzDevices({ operations, seed, from = 0, only = '', onCase = () => {} }: DeviceFuzzRequest): DeviceFuzzReport {
  const coverage = new Coverage();
  const pairs = BOARDS.map(board => new Pair(board, coverage));
  let done = 0;
  for (let number = from; done < operations; number++) {
    const pair = pairs[number % pairs.length]!;
    const run = makeCase(Math.imul(seed, 0x9e3779b1) + number, CASE_OPERATIONS, pair.places, only);
    try {
      runCase(pair, run);
    } catch (error) {
      if (!(error instanceof CaseError)) throw error;
      const again = `--seed ${seed} --from ${number} --operations 1${only === '' ? '' : ` --only ${only}`}`;
      const short = shorten(pair.board, run, error);
      throw new Error([`case ${number} (${again}): ${error.message}`, ...short.map(printed)].join('\n'), { cause: error });
    }
    done += run.length;
    onCase(done);
  }
  return { operations: done, coverage: coverage.counts, most: largest(pairs.flatMap(({ most }) => most)) };
}
