/**
 * The COW-fault throttle (§111): counts COW faults per second of guest execution and the copies that they leave, and slows the VM so that the copies stay within a limit. From half
 * of the limit on the vcpu rests a growing share of the time; past it nearly all, so that the checkpoint software can catch up.
 */
import { PAGE_SIZE } from '../memory/layout.ts';
import type { MemoryStats } from '../memory/mmm.ts';

/** Copies may take this part of the pool unless the user says otherwise. */
const DEFAULT_PART = 4;
/** The share of the limit at which slowing begins. */
const BEGIN = 0.5;
/** The VM is never stopped for good: its devices, and the user, must get somewhere. */
const MOST_REST = 0.98;
/** Rates are those of about the last half second of guest execution. */
const RATE_TIME_NS = 5e8;

export interface ThrottleFigures {
  /** COW faults since the VM began to run here. */
  readonly cowFaults: number;
  /** Copies that the checkpoints under way hold now, in bytes. */
  readonly copiedBytes: number;
  readonly limitBytes: number;
  /** COW faults per second of guest execution. */
  readonly faultsPerSecond: number;
  /** The share of the time that the VM rests for it, 0 to 1. */
  readonly restShare: number;
}

type Stats = Pick<MemoryStats, 'cowFaults' | 'usedPages' | 'livePages' | 'poolPages'> & {
  /** Of the pages in use that the VM itself does not have: those that no checkpoint under way holds. */
  readonly keptPages: number;
};

export class CowThrottle {
  private readonly stats: () => Stats;
  /** Set by the user; undefined: a part of the pool. */
  limitBytes: number | undefined;
  private faultsSeen = 0;
  private faultsPerSecond = 0;

  constructor(stats: () => Stats) {
    this.stats = stats;
  }

  /** The guest has run for `elapsedNs`: how long it must rest before it runs on, in ns. */
  ran(elapsedNs: number): number {
    const { cowFaults } = this.stats();
    const weight = Math.min(1, elapsedNs / RATE_TIME_NS);
    const rate = elapsedNs > 0 ? ((cowFaults - this.faultsSeen) * 1e9) / elapsedNs : this.faultsPerSecond;
    this.faultsPerSecond += (rate - this.faultsPerSecond) * weight;
    this.faultsSeen = cowFaults;
    const { restShare } = this.figures();
    return (elapsedNs * restShare) / (1 - restShare);
  }

  figures(): ThrottleFigures {
    const { cowFaults, usedPages, livePages, keptPages, poolPages } = this.stats();
    const copiedBytes = Math.max(0, usedPages - 1 - livePages - keptPages) * PAGE_SIZE; // the zero page is nobody's
    const limitBytes = this.limitBytes ?? (poolPages / DEFAULT_PART) * PAGE_SIZE;
    const over = (copiedBytes / limitBytes - BEGIN) / (1 - BEGIN);
    return {
      cowFaults,
      copiedBytes,
      limitBytes,
      faultsPerSecond: this.faultsPerSecond,
      restShare: MOST_REST * Math.min(1, Math.max(0, over)),
    };
  }
}
