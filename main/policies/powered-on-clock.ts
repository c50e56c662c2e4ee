/** How long a VM has been powered on in its life: the time that policies count in. Pauses do not count, nor does the host's sleep (its monotonic clock stands still). */
export class PoweredOnClock {
  private readonly nowMs: () => number;
  private beforeMs: number;
  private sinceMs: number | undefined;

  constructor(beforeMs: number, nowMs: () => number = () => performance.now()) {
    this.beforeMs = beforeMs;
    this.nowMs = nowMs;
  }

  get ms(): number {
    return this.beforeMs + (this.sinceMs === undefined ? 0 : this.nowMs() - this.sinceMs);
  }

  run(running: boolean): void {
    this.beforeMs = this.ms;
    this.sinceMs = running ? this.nowMs() : undefined;
  }
}
