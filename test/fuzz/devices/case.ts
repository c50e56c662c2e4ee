/** One case: a run of operations from power-on, and if it fails the shortest run that is found to fail alike. */
import { Random } from '../random.ts';
import type { Coverage } from './coverage.ts';
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

/** Runs of which no part can be left out that the search finds. After a failure there are new machines: it may have left anything behind. */
export function shorten(operations: readonly Operation[], error: CaseError, coverage: Coverage, tries = 4000): Operation[] {
  const kind = kindOf(error);
  let left = tries;
  let pair = new Pair(coverage);
  const failure = (run: readonly Operation[]): CaseError | undefined => {
    try {
      left--;
      runCase(pair, run);
    } catch (thrown) {
      pair = new Pair(coverage);
      if (thrown instanceof CaseError && kindOf(thrown) === kind) return thrown;
    }
    return undefined;
  };
  let run = operations.slice(0, error.applied);
  for (let size = run.length >> 1; size >= 1 && left > 0; size = size === 1 ? 0 : Math.max(1, size >> 1)) {
    for (let at = run.length - size; at > -size && left > 0; at -= size) {
      const shorter = [...run.slice(0, Math.max(0, at)), ...run.slice(at + size)];
      const failed = shorter.length < run.length ? failure(shorter) : undefined;
      if (failed) run = shorter.slice(0, failed.applied);
    }
  }
  return run;
}
