/**
 * Virtual time along the host's clock (DESIGN.md section 3). An instruction is a virtual nanosecond; what the host's clock has gained on the
 * guest is given to it between slices as a clock adjustment. What it could not use while paused is never given.
 *
 * A busy guest gets it in jumps far below the 10 ms over which Linux compares TSC and PIT (pit_calibrate_tsc): one jump over the
 * whole of that would end the comparison unnoticed and make the TSC a hundred times too slow, while many small ones are seen and it asks the PM timer instead.
 */
const MS = 1_000_000;
/** The most that a guest which was busy is moved forward at once. */
const LARGEST_JUMP_NS = MS / 2;
/** A debt beyond this is forgotten: the host slept, or was too busy for long. */
const LARGEST_DEBT_NS = 1000 * MS;
/** A guest that is further ahead of the host's clock than this waits. */
const LARGEST_LEAD_NS = 1 * MS;

export class Pacer {
  /** Host time minus virtual time, as it should be. */
  private offsetNs = 0;

  /** Start, resume and restore: from now on the two clocks run together. */
  anchor(hostNs: number, virtualNs: number): void {
    this.offsetNs = hostNs - virtualNs;
  }

  /** Virtual time counts from a later instant by so much. */
  shift(byNs: number): void {
    this.offsetNs += byNs;
  }

  /** How far a guest that has been running is to be moved forward now. */
  jumpNs(hostNs: number, virtualNs: number): number {
    const debt = this.debtNs(hostNs, virtualNs);
    if (debt > LARGEST_DEBT_NS) this.offsetNs += debt - LARGEST_DEBT_NS;
    return Math.max(0, Math.min(debt, LARGEST_JUMP_NS));
  }

  /** How far a halted guest is to be moved forward: all that has passed, for it lost nothing by it. */
  idleJumpNs(hostNs: number, virtualNs: number): number {
    return Math.max(0, this.debtNs(hostNs, virtualNs));
  }

  /** How long the guest must wait for the host's clock, 0 when it need not. */
  leadNs(hostNs: number, virtualNs: number): number {
    const lead = -this.debtNs(hostNs, virtualNs);
    return lead > LARGEST_LEAD_NS ? lead : 0;
  }

  /** Host time from now until the virtual time `deadlineNs`. */
  untilNs(hostNs: number, deadlineNs: number): number {
    return Math.max(0, deadlineNs + this.offsetNs - hostNs);
  }

  private debtNs(hostNs: number, virtualNs: number): number {
    return Math.floor(hostNs - virtualNs - this.offsetNs);
  }
}
