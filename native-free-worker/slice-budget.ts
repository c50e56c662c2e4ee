/** How many instructions a slice may have: about a quarter of a millisecond's worth on this host, so that time passes smoothly (pacer.ts), or a fixed grid of counts where runs must be exact. */
import type { Pacing } from './protocol.ts';

const TARGET_NS = 250_000;
const SMALLEST = 5_000;
const LARGEST = 4_000_000;
const FIRST = 25_000;
/** Slice boundaries of exact runs lie at multiples of this, whatever else cuts a slice short. */
const GRID = 250_000;
/** A slice this short says nothing about speed. */
const SMALLEST_SAMPLE = 2_000;

export class SliceBudget {
  private readonly pacing: Pacing;
  private current = FIRST;

  constructor(pacing: Pacing) {
    this.pacing = pacing;
  }

  next(count: number): number {
    return this.pacing === 'virtual' ? GRID - (count % GRID) : Math.floor(this.current);
  }

  /** True where input that waits for the guest may be given to it: an exact run must not depend on what else cut a slice short. */
  atBoundary(count: number): boolean {
    return this.pacing !== 'virtual' || count % GRID === 0;
  }

  ran(instructions: number, elapsedNs: number): void {
    if (instructions < SMALLEST_SAMPLE || elapsedNs <= 0) return;
    const wanted = (instructions * TARGET_NS) / elapsedNs;
    // Half way each time: one slice that the host interrupted does not spoil the next.
    this.current = Math.max(SMALLEST, Math.min(LARGEST, (this.current + wanted) / 2));
  }
}
