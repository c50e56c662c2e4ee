/**
 * The PCI interrupt router of the 82371SB (data sheet § 2.3.13 PIRQRC[A:D]): functions that share a PIRQ are wired together, and each PIRQ
 * goes to the IRQ that its register says, or to none.
 */
import type { IrqLine } from './device.ts';
import { PIRQ_OFF } from './pci-chipset.ts';

export const PIRQS = 4;
/** IRQs that can be level-triggered; the reserved values route nowhere. */
const ROUTABLE = 0b1101_1110_1111_1000;

/** Which PIRQ a slot's INTA# is wired to: one further with each slot, so that neighbours share none. */
export const pirqOf = (device: number) => device % PIRQS;

export class PirqRouter {
  private readonly holders = new Uint8Array(PIRQS);
  private readonly routes = new Uint8Array(PIRQS).fill(PIRQ_OFF);
  private readonly lines: readonly IrqLine[];

  /** `line` gives a driver of the IRQ that nobody else has. */
  constructor(line: (irq: number) => IrqLine) {
    this.lines = Array.from({ length: 16 }, (_, irq) => line(irq));
  }

  /** A new driver of the PIRQ. */
  input(pirq: number): IrqLine {
    let driven = false;
    return {
      set: level => {
        if (level === driven) return;
        driven = level;
        this.holders[pirq]! += level ? 1 : -1;
        this.drive();
      },
    };
  }

  route(pirq: number, register: number) {
    this.routes[pirq] = register;
    this.drive();
  }

  private drive() {
    let raised = 0;
    for (let pirq = 0; pirq < PIRQS; pirq++) {
      if (this.holders[pirq]! > 0 && (this.routes[pirq]! & PIRQ_OFF) === 0) raised |= 1 << (this.routes[pirq]! & 0x0f);
    }
    for (const [irq, line] of this.lines.entries()) line.set((raised & ROUTABLE & (1 << irq)) !== 0);
  }
}
