/** Relative priority of VM and checkpoint software (§110): the share of time that the streaming part works, raised in steps the longer it takes. */
import type { HostClock } from './ports.ts';

export interface PaceStep {
  /** From this long after the start… */
  readonly afterMs: number;
  /** …this share of the time, 0 to 1, is spent working. */
  readonly share: number;
}

export const DEFAULT_PACE: readonly PaceStep[] = [
  { afterMs: 0, share: 0.5 },
  { afterMs: 10_000, share: 0.75 },
  { afterMs: 30_000, share: 1 },
];

/** Shorter sleeps than this are saved up. */
const SHORTEST_SLEEP_MS = 2;

export class Pace {
  private readonly clock: HostClock;
  private readonly steps: readonly PaceStep[];
  private readonly urgent: () => boolean;
  private readonly startedMs: number;
  private unitStartedMs: number;
  private owedMs = 0;

  /** `urgent`: copies are about to exhaust the pool, so that finishing soon is what helps the VM most (§111). */
  constructor(clock: HostClock, steps: readonly PaceStep[] = DEFAULT_PACE, urgent: () => boolean = () => false) {
    this.clock = clock;
    this.steps = steps;
    this.urgent = urgent;
    this.startedMs = clock.nowMs();
    this.unitStartedMs = this.startedMs;
  }

  /** Call between bounded units of work. */
  async unitDone(): Promise<void> {
    const nowMs = this.clock.nowMs();
    const { share } = this;
    this.owedMs += (nowMs - this.unitStartedMs) * (1 / share - 1);
    if (share === 1) this.owedMs = 0;
    const sleepMs = this.owedMs >= SHORTEST_SLEEP_MS ? this.owedMs : 0;
    this.owedMs -= sleepMs;
    await this.clock.sleep(sleepMs);
    this.unitStartedMs = this.clock.nowMs();
  }

  /** The share of the time that is spent working now. */
  get share(): number {
    return this.urgent() ? 1 : this.shareAt(this.clock.nowMs() - this.startedMs);
  }

  private shareAt(elapsedMs: number): number {
    return this.steps.findLast(step => elapsedMs >= step.afterMs)?.share ?? 1;
  }
}
