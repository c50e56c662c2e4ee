/**
 * When a halted guest may be woken late. A kernel without tickless idle asks for a timer interrupt every few milliseconds for ever, each of which
 * costs the host a thread switch and cold caches. Once nothing has happened for seconds, timers that the guest re-arms itself after each
 * interrupt (Timer.arm, `patient`) wait for company: it sees one late interrupt, and its clocks are right, for they don't count interrupts.
 * A program that does something every second or two keeps the guest awake, and its seconds even.
 */
const MS = 1_000_000;
const QUIET_AFTER_NS = 2000 * MS;
/** How late, as a part of how long it has been quiet: a sleep that was long is a little longer. */
const LATE_SHARE = 1 / 16;
export const LONGEST_PATIENCE_NS = 250 * MS;
/** More than a timer interrupt with the housekeeping of a kernel takes. */
const WORK_INSTRUCTIONS = 100_000;

export class Quiet {
  private sinceNs = 0;
  private haltCount = 0;

  /** Somebody gave the guest something to do. */
  disturb(hostNs: number): void {
    this.sinceNs = hostNs;
  }

  /** The guest halted at instruction `count`. */
  halted(hostNs: number, count: number): void {
    if (count - this.haltCount > WORK_INSTRUCTIONS) this.sinceNs = hostNs;
    this.haltCount = count;
  }

  /** How much later than asked the guest may be woken. */
  patienceNs(hostNs: number): number {
    const quietNs = hostNs - this.sinceNs;
    return quietNs < QUIET_AFTER_NS ? 0 : Math.min(quietNs * LATE_SHARE, LONGEST_PATIENCE_NS);
  }
}
