/**
 * Looks for equal pages in the memory of a running VM (§138), in passes over its live map, on the checkpoint worker. The guest writes meanwhile, so what is found are hints: mergePages()
 * compares again. A page is looked into only when it was not written during the whole pass before, and hashed once for each time that it was written.
 */
import { PAGE_SIZE, POOL_BASE } from '../memory/layout.ts';
import { MMM_EPOCH, NOT_LOADED } from '../memory/mmm-block.ts';
import { LiveMap } from '../memory/mmm.ts';
import { Duplicates } from './duplicates.ts';
import { pageHash } from './page-hash.ts';

/** Looking at this many map entries costs about as much as hashing a page. */
const ENTRIES_PER_PAGE = 64;

export interface FoundPages {
  /** GPPN, GPPN of an equal page, GPPN, … */
  readonly pairs: Uint32Array<ArrayBuffer>;
  /** What it cost, in pages hashed. */
  readonly cost: number;
  /** The pass is over. */
  readonly isOver: boolean;
}

export class EqualPages {
  private readonly memory: SharedArrayBuffer;
  /** By PPN: the hash, and the epoch of the contents that have it. */
  private readonly hashes: Uint32Array;
  private readonly hashedEpochs: Uint32Array;
  private live: LiveMap;
  private seen: Duplicates;
  private at = 0;
  private hashed = 0;
  /** The epochs that the last two passes began in. */
  private begunIn = 0;
  private settledBefore = 0;

  constructor(memory: SharedArrayBuffer) {
    this.memory = memory;
    const poolPages = (memory.byteLength - POOL_BASE) / PAGE_SIZE;
    this.hashes = new Uint32Array(poolPages);
    this.hashedEpochs = new Uint32Array(poolPages);
    this.live = new LiveMap(memory);
    this.seen = this.nothingSeen();
  }

  /** Begins a pass, right after an epoch was ended for it. */
  begin(): void {
    this.settledBefore = this.begunIn;
    this.begunIn = new Uint32Array(this.memory)[MMM_EPOCH >>> 2]!;
    this.live = new LiveMap(this.memory);
    this.at = 0;
    this.seen = this.nothingSeen();
  }

  /** The next piece of the pass, of about `pages` pages hashed at most. */
  next(pages: number): FoundPages {
    const { live } = this;
    const pairs: number[] = [];
    const from = this.at;
    this.hashed = 0;
    const cost = () => this.hashed + (this.at - from) / ENTRIES_PER_PAGE;
    while (this.at < live.limit && cost() < pages) {
      const gppn = this.at++;
      if (!this.isSettled(gppn)) continue;
      const equal = this.seen.find(gppn);
      if (equal !== undefined && live.ppn(equal) !== live.ppn(gppn)) pairs.push(gppn, equal);
    }
    return { pairs: Uint32Array.from(pairs), cost: cost(), isOver: this.at >= live.limit };
  }

  private nothingSeen(): Duplicates {
    return new Duplicates(this.live, gppn => this.hash(gppn));
  }

  private isSettled(gppn: number): boolean {
    const ppn = this.live.ppn(gppn);
    return ppn !== 0 && ppn < NOT_LOADED && this.live.writtenEpoch(ppn) < this.settledBefore;
  }

  private hash(gppn: number): number {
    const ppn = this.live.ppn(gppn);
    const epoch = this.live.writtenEpoch(ppn); // before the contents: what is written meanwhile has a newer one
    if (this.hashedEpochs[ppn] === epoch && epoch !== 0) return this.hashes[ppn]!;
    this.hashed++;
    this.hashedEpochs[ppn] = epoch;
    return (this.hashes[ppn] = pageHash(this.live.page(gppn)));
  }
}
