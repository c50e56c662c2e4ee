/**
 * Which checkpoints a world's memory descends from, each with the epoch up to which what was written is what the checkpoint has: a page of the live map that is not newer is what it was there
 * (docs/decisions/0001-epochs-not-counters.md). So going back to one of them loads only what was written since.
 */
export class Lineage {
  private readonly epochs = new Map<string, number>();

  /** The memory is that of the checkpoint `id`, and what was written by now has at most `epoch`. */
  isAt(id: string, epoch: number): void {
    this.epochs.set(id, epoch);
  }

  /** 0: nothing is known to be what it was at that checkpoint. */
  unchangedSince(id: string): number {
    return this.epochs.get(id) ?? 0;
  }

  /** Memory has gone back to what it was when `epoch` ended: it descends from no later checkpoint. */
  wentBack(epoch: number): void {
    for (const [id, newest] of this.epochs) if (newest > epoch) this.epochs.delete(id);
  }

  /** Nobody goes back to it any more. */
  forget(id: string): void {
    this.epochs.delete(id);
  }
}
