/** The background reader of a lazy restore (step 904), on the checkpoint worker: fills machine pages that the vcpu thread has reserved, the likeliest to be needed first. */
import { LIVE_MAP, PAGE_SIZE, POOL_BASE } from '../memory/layout.ts';
import { NOT_LOADED } from '../memory/mmm-block.ts';
import { PageOrder } from './page-order.ts';
import type { PageSource } from './page-source.ts';

/** Filled pages, as the vcpu thread takes them over. */
export interface Filled {
  /** GPPN, PPN, GPPN, PPN… */
  readonly pairs: Uint32Array;
  /** Reserved pages that were not needed. */
  readonly unused: Uint32Array;
}

export class Prefetch {
  private readonly order: PageOrder;
  private readonly words: Uint32Array;
  private readonly bytes: Uint8Array;
  private nextGroup = 0;
  /** What is left of the group that was begun. */
  private waiting: number[] = [];
  private pages: Uint8Array = new Uint8Array();

  constructor(source: PageSource, memory: SharedArrayBuffer) {
    this.order = new PageOrder(source);
    this.words = new Uint32Array(memory);
    this.bytes = new Uint8Array(memory);
  }

  /** Whether everything has been filled or was loaded otherwise. */
  get done(): boolean {
    return this.waiting.length === 0 && this.nextGroup === this.order.length;
  }

  /** Fills the reserved pages `ppns`; ends sooner only when it is done. Calls `unitDone` after each group read. Throws CheckpointError when a group is damaged. */
  async fill(ppns: Uint32Array, unitDone: () => Promise<void>): Promise<Filled> {
    const pairs = new Uint32Array(ppns.length * 2);
    let used = 0;
    while (used < ppns.length && !this.done) {
      if (this.waiting.length === 0) {
        if (this.beginGroup()) await unitDone();
        continue;
      }
      const gppn = this.waiting.pop()!;
      if (!this.isAwaited(gppn)) continue;
      const ppn = ppns[used]!;
      this.bytes.set(this.order.source.pageIn(this.pages, gppn), POOL_BASE + ppn * PAGE_SIZE);
      pairs.set([gppn, ppn], used++ * 2);
    }
    return { pairs: pairs.slice(0, used * 2), unused: ppns.slice(used) };
  }

  /** True when the next group had to be read. */
  private beginGroup(): boolean {
    const awaited = Array.from(this.order.gppnsOf(this.nextGroup)).filter(gppn => this.isAwaited(gppn));
    if (awaited.length > 0) this.pages = this.order.read(this.nextGroup);
    this.nextGroup++;
    this.waiting = awaited.toReversed();
    return awaited.length > 0;
  }

  private isAwaited(gppn: number): boolean {
    return Atomics.load(this.words, (LIVE_MAP >>> 2) + gppn) === NOT_LOADED;
  }
}
