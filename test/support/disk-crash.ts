/** Crashes of the host at every operation of something done to disk images, and what may be left. */
import type { Layer } from '#engine/disk/block.ts';
import { apply, contents, sameBytes, type DiskOperation } from './disk-model.ts';
import { HostCrash, MemoryFiles, type AfterCrash } from './memory-files.ts';

export const AFTER_CRASH: readonly AfterCrash[] = ['lost', 'kept', 'torn', { seed: 1 }, { seed: 77 }];

/**
 * Runs `work` on a copy of the disk as `prepare` leaves it, once for every operation that the host can go down at, and gives what is found then
 * to `verify`. Answers how many crashes there were.
 */
export function crashEverywhere<T>(
  prepare: (files: MemoryFiles) => void,
  work: (files: MemoryFiles, progress: T) => void,
  start: () => T,
  verify: (found: MemoryFiles, progress: T) => void,
  modes: readonly AfterCrash[] = AFTER_CRASH,
): number {
  for (let n = 0; ; n++) {
    const files = new MemoryFiles();
    prepare(files);
    const progress = start();
    files.failAt(files.operations + n, { kind: 'crash' });
    try {
      work(files, progress);
      return n;
    } catch (error) {
      if (!(error instanceof HostCrash)) throw error;
    }
    for (const how of modes) verify(files.afterCrash(how), progress);
  }
}

/**
 * The same in one run of `work`: at every operation `verify` gets the disk as that crash would leave it. For long work. Answers how many there were.
 */
export function crashAtEach(
  files: MemoryFiles,
  work: () => void,
  verify: (found: MemoryFiles) => void,
  modes: (crash: number) => readonly AfterCrash[],
): number {
  let crashes = 0;
  let failure: { readonly error: unknown } | undefined;
  files.onOperation = () => {
    try {
      // The first is told at the end: the work may catch what is thrown here.
      if (failure === undefined) for (const how of modes(crashes)) verify(files.afterCrash(how));
    } catch (error) {
      failure = { error };
    }
    crashes++;
  };
  work();
  files.onOperation = undefined;
  if (failure !== undefined) throw failure.error;
  return crashes;
}

/** What a guest may read after a crash: at each byte what was there at the last flush that ended, or anything written since. */
export class History {
  private states: Uint8Array[];

  constructor(model: Uint8Array) {
    this.states = [model.slice()];
  }

  run(operations: readonly DiskOperation[], disk: Layer): void {
    const model = this.states.at(-1)!.slice();
    for (const operation of operations) {
      const next = model.slice();
      // The model first: an operation that does not end may have been done in part.
      apply(operation, modelOnly(disk), next);
      this.states.push(next);
      apply(operation, disk, model);
      if (operation.kind === 'flush') this.states = [model.slice()];
    }
  }

  /** The disk is about to have these contents instead, at once (a revert). */
  mayBecome(bytes: Uint8Array): void {
    this.states.push(bytes.slice());
  }

  /** It has them, durably. */
  became(bytes: Uint8Array): void {
    this.states = [bytes.slice()];
  }

  /** As the guest wrote it last. */
  get latest(): Uint8Array {
    return this.states.at(-1)!;
  }

  assertPossible(disk: Layer): void {
    const bytes = contents(disk);
    if (this.states.some(state => sameBytes(state, bytes))) return;
    const wrong = bytes.findIndex((byte, i) => !this.states.some(state => state[i] === byte));
    if (wrong !== -1) throw new Error(`byte ${wrong} is ${bytes[wrong]}, of ${this.states.map(state => state[wrong]).join(', ')}`);
  }
}

/** A layer of which only the sizes are real. */
function modelOnly(disk: Layer): Layer {
  const nothing = () => {};
  return {
    ...disk,
    clusterBytes: disk.clusterBytes,
    sizeBytes: disk.sizeBytes,
    write: nothing,
    writeZeroes: nothing,
    discard: nothing,
    flush: nothing,
  } as Layer;
}
