/** What a checkpoint that is being written waits for while its VM has disks: steps 822 and 832. */
import type { DiskPointer } from '#engine/checkpoint/format/schemas.ts';
import { CheckpointError } from '#engine/errors/errors.ts';

interface Waits {
  readonly reads: PromiseWithResolvers<void>;
  readonly pointers: PromiseWithResolvers<readonly DiskPointer[]>;
}

export class DiskWaits {
  private readonly waits = new Map<string, Waits>();
  private finished = false;

  /** Of the checkpoint `id`; who waits may come after what it waits for. */
  of(id: string): Waits {
    const known = this.waits.get(id);
    if (known !== undefined) return known;
    const waits: Waits = { reads: Promise.withResolvers(), pointers: Promise.withResolvers() };
    waits.pointers.promise.catch(() => {}); // it may have failed before anybody waits
    this.waits.set(id, waits);
    if (this.finished) this.end(waits);
    return waits;
  }

  /** The checkpoint is done, or has failed. */
  forget(id: string): void {
    this.waits.delete(id);
  }

  /** The VM has ended, and its disk operations with it. */
  finish(): void {
    this.finished = true;
    for (const waits of this.waits.values()) this.end(waits);
  }

  private end({ reads, pointers }: Waits): void {
    reads.resolve();
    pointers.reject(new CheckpointError('CHECKPOINT_LOST', 'the VM ended before its disks were safe.', { step: 832 }));
  }
}
