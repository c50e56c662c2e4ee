/** One case: a run of operations from power-on, and if it fails the shortest run that is found to fail alike. */
import { Random } from '../random.ts';
import type { Board } from './boards.ts';
import { Coverage } from './coverage.ts';
import { Emit, type Place } from './emit.ts';
import { generators } from './generators/all.ts';
import type { Operation } from './operation.ts';
import { Pair } from './pair.ts';

/** The same for the same seed; `only` as the generators' names begin. */
export function makeCase(seed: number, count: number, places: readonly Place[], only = ''): Operation[] {
  const emit = new Emit(new Random(seed), places);
  const chosen = generators().filter(({ name, weight }) => weight > 0 && (name.startsWith(only) || ALWAYS.has(name)));
  const total = chosen.reduce((sum, { weight }) => sum + weight, 0);
  while (emit.operations.length < count) {
    let at = emit.random.below(total);
    const next = chosen.find(({ weight }) => (at -= weight) < 0)!;
    next.make(emit);
  }
  emit.add({ kind: 'reload' });
  return emit.operations;
}
const ALWAYS = new Set(['storage', 'time', 'machine', 'pic']);

/** What went wrong with the last operation that was applied. */
export class CaseError extends Error {
  readonly applied: number;

  constructor(applied: number, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.applied = applied;
  }
}

export function runCase(pair: Pair, operations: readonly Operation[]) {
  pair.begin();
  for (const [i, operation] of operations.entries()) {
    try {
      pair.apply(operation);
    } catch (cause) {
      throw new CaseError(i + 1, cause);
    }
  }
}

/** Failures that differ in figures only are one. */
const kindOf = (error: CaseError) => error.message.replace(/[0-9]+/g, '#').slice(0, 60);

/** Looks for what of a run can be left out. After a failure there are new machines: it may have left anything behind. */
class Search {
  private readonly board: Board;
  private readonly kind: string;
  private readonly coverage: Coverage;
  private pair: Pair;
  private triesLeft: number;

  constructor(board: Board, kind: string, coverage: Coverage, tries: number) {
    this.board = board;
    this.kind = kind;
    this.coverage = coverage;
    this.pair = new Pair(board, coverage);
    this.triesLeft = tries;
  }

  get isOver() {
    return this.triesLeft <= 0;
  }

  /** As much of the run as it takes to fail alike; undefined when it does not. */
  failing(run: readonly Operation[]): readonly Operation[] | undefined {
    this.triesLeft--;
    try {
      runCase(this.pair, run);
    } catch (thrown) {
      this.pair = new Pair(this.board, this.coverage);
      if (thrown instanceof CaseError && kindOf(thrown) === this.kind) return run.slice(0, thrown.applied);
    }
    return undefined;
  }

  /** Without as many pieces of `size` as possible, from the end on. */
  without(size: number, whole: readonly Operation[]): readonly Operation[] {
    let run = whole;
    for (let at = run.length - size; at > -size && !this.isOver; at -= size) {
      const shorter = [...run.slice(0, Math.max(0, at)), ...run.slice(at + size)];
      run = this.failing(shorter) ?? run;
    }
    return run;
  }
}

/** A run that fails like `operations`, and of which no piece can be left out, as far as so many tries tell. */
export function shorten(board: Board, operations: readonly Operation[], error: CaseError, tries = 4000): readonly Operation[] {
  const search = new Search(board, kindOf(error), new Coverage(), tries);
  let run: readonly Operation[] = operations.slice(0, error.applied);
  for (let size = run.length >> 1; size >= 1; size >>= 1) run = search.without(Math.min(size, run.length), run);
  return run;
}
