/**
 * Port 61h, system control port B (82371SB PIIX3 data sheet § 2.5.6): the speaker gate, counter 2's output and the refresh toggle.
 *
 *   7 SERR# · 6 IOCHK# · 5 OUT2 (RO) · 4 refresh toggle (RO) · 3 IOCHK# off · 2 SERR# off · 1 speaker · 0 GATE2
 */
import { defineState, range, type StateOf } from '../state/state.ts';
import type { Clock, Device, PortBus } from './device.ts';

const PORT_B = 0x61;
const GATE2 = 1 << 0;
const REFRESH = 1 << 4;
const OUT2 = 1 << 5;
const WRITABLE = 0x0f;
const REFRESH_NS = 15085;

export const Port61State = defineState('port-61', 1, { control: range(0, WRITABLE) });

interface Counter2 {
  setGate2(level: boolean): void;
  out2(): boolean;
}

export class Port61 implements Device<StateOf<typeof Port61State>> {
  private control = 0;
  private readonly counter: Counter2;

  constructor(ports: PortBus, clock: Clock, counter: Counter2) {
    this.counter = counter;
    ports.onRead(PORT_B, () => {
      const refresh = Math.floor(clock.nowNs() / REFRESH_NS) % 2 === 1 ? REFRESH : 0;
      return this.control | refresh | (counter.out2() ? OUT2 : 0);
    });
    ports.onWrite(PORT_B, value => {
      this.control = value & WRITABLE;
      counter.setGate2((value & GATE2) !== 0);
    });
  }

  reset() {
    this.control = 0;
    this.counter.setGate2(false);
  }
  saveState() {
    return { control: this.control };
  }
  /** GATE2 is part of the counter's own state. */
  loadState(raw: unknown) {
    this.control = Port61State.parse(raw).control;
  }
}
