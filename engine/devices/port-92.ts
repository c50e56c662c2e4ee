/**
 * Port 92h, system control port A (82371SB PIIX3 data sheet § 2.5.8.3): fast A20 and fast reset. It is the A20 gate itself too: the
 * keyboard controller's output port drives the same line.
 */
import { bool, defineState, type StateOf } from '../state/state.ts';
import type { Device, PortBus } from './device.ts';

const PORT_A = 0x92;
const FAST_INIT = 1 << 0; // 0 → 1 resets the CPU
const FAST_A20 = 1 << 1;

export const Port92State = defineState('port-92', 1, { a20: bool, init: bool });

export interface Port92Pins {
  onA20(enabled: boolean): void;
  requestReset(): void;
}

export class Port92 implements Device<StateOf<typeof Port92State>> {
  /** Firmware leaves A20 on. */
  private enabled = true;
  private init = false;
  private readonly pins: Port92Pins;

  constructor(ports: PortBus, pins: Port92Pins) {
    this.pins = pins;
    ports.onRead(PORT_A, () => (this.enabled ? FAST_A20 : 0) | (this.init ? FAST_INIT : 0));
    ports.onWrite(PORT_A, value => {
      this.setA20((value & FAST_A20) !== 0);
      const init = (value & FAST_INIT) !== 0;
      if (init && !this.init) pins.requestReset();
      this.init = init;
    });
  }

  get a20() {
    return this.enabled;
  }
  setA20(enabled: boolean) {
    if (enabled === this.enabled) return;
    this.enabled = enabled;
    this.pins.onA20(enabled);
  }

  reset() {
    this.init = false;
    this.setA20(true);
  }
  saveState() {
    return { a20: this.enabled, init: this.init };
  }
  loadState(raw: unknown) {
    const state = Port92State.parse(raw);
    this.init = state.init;
    this.setA20(state.a20);
  }
}
