/**
 * When a halted guest may be woken late. A kernel without tickless idle asks for a timer interrupt every few milliseconds for ever, each of which
 * costs the host a thread switch and cold caches. Once nothing has happened for seconds, timers that the guest re-arms itself after each
 * interrupt (Timer.arm, `patient`) wait for company: it sees one late interrupt, and its clocks are right, for they don't count interrupts.
 *
 * What happens is input, a wake in which the guest does much, and a user program that runs again within some two seconds, however little it does:
 * what a program sleeps for may be late then, and a kernel cannot say which of its interrupts it wants for that. So a program that sleeps
 * shortly, or does something every second or two, keeps the guest awake, and its seconds even. A daemon that looks around every few seconds does not
 * keep it awake, and sleeps a little longer.
 */
const MS = 1_000_000;
const QUIET_AFTER_NS = 2000 * MS;
/** How late, as a part of how long it has been quiet: a sleep that was long is a little longer. */
const LATE_SHARE = 1 / 16;
export const LONGEST_PATIENCE_NS = 250 * MS;
/** More than a timer interrupt with the housekeeping of a kernel takes. */
const WORK_INSTRUCTIONS = 100_000;
/** A user program that runs again within this keeps the guest awake. It may have been woken late. */
const PROGRAM_WITHIN_NS = QUIET_AFTER_NS + LONGEST_PATIENCE_NS;

export class Quiet {
  private sinceNs = 0;
  private haltCount = 0;
  private userRuns = 0;
  /** When a user program ran last. */
  private programNs = -Infinity;

  /** Somebody gave the guest something to do. */
  disturb(hostNs: number): void {
    this.sinceNs = hostNs;
  }

  /** The guest halted at instruction `count`; `userRuns` as Machine.userRuns() tells. */
  halted(hostNs: number, count: number, userRuns: number): void {
    if (count - this.haltCount > WORK_INSTRUCTIONS) this.sinceNs = hostNs;
    this.haltCount = count;
    if (userRuns === this.userRuns) return;
    this.userRuns = userRuns;
    if (hostNs - this.programNs < PROGRAM_WITHIN_NS) this.sinceNs = hostNs;
    this.programNs = hostNs;
  }

  /** How much later than asked the guest may be woken. */
  patienceNs(hostNs: number): number {
    const quietNs = hostNs - this.sinceNs;
    return quietNs < QUIET_AFTER_NS ? 0 : Math.min(quietNs * LATE_SHARE, LONGEST_PATIENCE_NS);
  }
}
