/**
 * Virtual time and its timers. One instruction is one nanosecond; `skewNs` is what the clock-adjustment events added
 * (host pacing, idle time skipped). Timers fire between instructions, in deadline order, so that a run can be repeated exactly.
 */
import { ERA_SECONDS, type Timer, type Timers } from '../devices/device.ts';
import { defineState, range, type StateOf } from '../state/state.ts';

const ERA_NS = ERA_SECONDS * 1e9;

/** Version 2: eras are taken off, so that it may be negative. */
export const ClockState = defineState(
  'clock',
  2,
  { skewNs: range(-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER) },
  { 1: old => ({ ...old }) },
);

class VirtualTimer implements Timer {
  deadlineNs: number | undefined;
  patient = false;
  private readonly time: VirtualTime;
  readonly onExpire: (nowNs: number) => void;

  constructor(time: VirtualTime, onExpire: (nowNs: number) => void) {
    this.time = time;
    this.onExpire = onExpire;
  }

  arm(deadlineNs: number, patient = false) {
    this.deadlineNs = Math.ceil(deadlineNs);
    this.patient = patient;
    this.time.armed(this.deadlineNs);
  }

  disarm() {
    this.deadlineNs = undefined;
  }
}

export class VirtualTime implements Timers {
  private readonly timers: VirtualTimer[] = [];
  private readonly shifts: (() => void)[] = [];
  private skewNs = 0;
  /** All eras that were taken off since this was made. */
  takenOffNs = 0;
  private readonly instructionCount: () => number;
  /** The running slice ends there; a timer armed for sooner calls `onEarlier`. */
  sliceEndNs = -Infinity;
  private readonly onEarlier: () => void;
  private readonly onFire: () => void;

  constructor(instructionCount: () => number, onEarlier: () => void, onFire: () => void = () => {}) {
    this.instructionCount = instructionCount;
    this.onEarlier = onEarlier;
    this.onFire = onFire;
  }

  nowNs() {
    return this.instructionCount() + this.skewNs;
  }

  /** Until an era is taken off. */
  get untilEraNs() {
    return 2 * ERA_NS - this.nowNs();
  }

  /** At most an era at once. */
  advance(deltaNs: number) {
    this.skewNs += deltaNs;
  }

  onEra(shift: () => void) {
    this.shifts.push(shift);
  }

  create(onExpire: (nowNs: number) => void): Timer {
    const timer = new VirtualTimer(this, onExpire);
    this.timers.push(timer);
    return timer;
  }

  armed(deadlineNs: number) {
    if (deadlineNs < this.sliceEndNs) this.onEarlier();
  }

  nextDeadlineNs(): number | undefined {
    return this.earliest()?.deadlineNs;
  }

  /** The next deadline when patient timers may be `patienceNs` late. */
  nextDeadlineWithin(patienceNs: number): number | undefined {
    let next: number | undefined;
    for (const { deadlineNs, patient } of this.timers) {
      if (deadlineNs === undefined) continue;
      next = Math.min(next ?? Infinity, patient ? deadlineNs + patienceNs : deadlineNs);
    }
    return next;
  }

  /** Fires what is due; a handler may arm its timer again. Ties go to the timer created first. A timer whose handler throws is due again. */
  fireDue() {
    if (this.untilEraNs <= 0) this.takeOffAnEra();
    const nowNs = this.nowNs();
    for (;;) {
      const timer = this.earliest();
      if (timer?.deadlineNs === undefined || timer.deadlineNs > nowNs) return;
      const { deadlineNs, patient } = timer;
      timer.disarm();
      this.onFire();
      try {
        timer.onExpire(nowNs);
      } catch (thrown) {
        timer.arm(deadlineNs, patient);
        throw thrown;
      }
    }
  }

  /** Time goes on over a reset. */
  reset() {}
  saveState(): StateOf<typeof ClockState> {
    return { skewNs: this.skewNs };
  }

  loadState(raw: unknown) {
    this.skewNs = ClockState.parse(raw).skewNs;
  }

  private takeOffAnEra() {
    for (const shift of this.shifts) shift();
    this.skewNs -= ERA_NS;
    this.takenOffNs += ERA_NS;
    for (const timer of this.timers) if (timer.deadlineNs !== undefined) timer.deadlineNs -= ERA_NS;
  }

  private earliest(): VirtualTimer | undefined {
    let first: VirtualTimer | undefined;
    for (const timer of this.timers) {
      if (timer.deadlineNs !== undefined && (first?.deadlineNs === undefined || timer.deadlineNs < first.deadlineNs)) first = timer;
    }
    return first;
  }
}
