/**
 * When a halted guest may be woken late. A kernel without tickless idle asks for a timer interrupt every few milliseconds for ever, each of which
 * costs the host a thread switch and cold caches. Once nothing has happened for a while, timers that the guest re-arms itself after each
 * interrupt (Timer.arm, `patient`) wait for company: it sees one late interrupt, and its clocks are right, for they don't count interrupts.
 */
const MS = 1_000_000;
/** How much later than asked such a guest may be woken. */
export const PATIENCE_NS = 50 * MS;
const QUIET_AFTER_NS = 500 * MS;
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

  patienceNs(hostNs: number): number {
    return hostNs - this.sinceNs >= QUIET_AFTER_NS ? PATIENCE_NS : 0;
  }
}
