/**
 * The coprocessor error logic of a PC (82371SB PIIX3 data sheet, signals FERR# and IGNNE#, port F0h): FERR# raises IRQ13 until the handler writes F0h,
 * which lets x87 instructions go on (IGNNE#) until the processor takes FERR# back. IGNNE# is kept by the processor.
 */
import { bool, defineState, type StateOf } from '../state/state.ts';
import type { Device, IrqLine, PortBus } from './device.ts';

const PORT_CLEAR = 0xf0; // W: any value

export const CoprocessorErrorState = defineState('coprocessor-error', 1, { interrupting: bool });

export interface CoprocessorPins {
  readonly irq13: IrqLine;
  /** IGNNE#, if FERR# is asserted. */
  ignoreErrors(): void;
}

export class CoprocessorError implements Device<StateOf<typeof CoprocessorErrorState>> {
  private interrupting = false;
  private readonly pins: CoprocessorPins;

  constructor(ports: PortBus, pins: CoprocessorPins) {
    this.pins = pins;
    ports.onWrite(PORT_CLEAR, () => {
      this.set(false);
      pins.ignoreErrors();
    });
  }

  /** FERR# is asserted and an x87 instruction waits. */
  signal() {
    this.set(true);
  }

  private set(level: boolean) {
    this.interrupting = level;
    this.pins.irq13.set(level);
  }

  reset() {
    this.set(false);
  }
  saveState() {
    return { interrupting: this.interrupting };
  }
  loadState(raw: unknown) {
    this.set(CoprocessorErrorState.parse(raw).interrupting);
  }
}
