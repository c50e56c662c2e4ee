/** Work on a disk's files in small steps, between the operations of a guest. */
import type { Layer } from '../block.ts';
import type { CopyJob } from '../copy-job.ts';
import { Qcow2Image } from '../qcow2/image.ts';

export interface JobProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

/**
 * One step of a plan. It can be stopped after any step() and begun anew: what was done is not lost, or is done again without harm. Disposed of before
 * its end it leaves a valid disk.
 */
export interface DiskJob extends Disposable {
  readonly progress: JobProgress;
  /** Copies about `bytes`; true when all is done, and durable. */
  step(bytes: number): boolean;
}

/** How far a copy is; undefined: there was nothing to copy. */
export function progressOf(copy: CopyJob | undefined): JobProgress {
  const { position = 1, totalBytes = 1 } = copy?.progress ?? {};
  return { doneBytes: position, totalBytes };
}

/** A job that is done at once. */
export function atOnce(action: () => void): DiskJob {
  return {
    progress: { doneBytes: 0, totalBytes: 0 },
    step() {
      action();
      return true;
    },
    [Symbol.dispose]() {},
  };
}

/** All that was written is durable, and what was freed is free: as a file should be left. */
export function settle(layer: Layer): void {
  if (layer instanceof Qcow2Image) layer.settle();
  else layer.flush();
}
