/**
 * One counter of the 8254 (Intel 8254 data sheet 231164). Nothing counts: the count and OUT are functions of the ticks
 * since the count was loaded.
 *
 *   mode 0 interrupt on terminal count   OUT low, high from terminal count on; GATE holds the count
 *   mode 1 one-shot                      GATE edge starts; OUT low until terminal count
 *   mode 2 rate generator                OUT low for the last tick of each period; GATE edge reloads
 *   mode 3 square wave                   OUT high for the first half of each period; GATE edge reloads
 *   mode 4 software strobe               OUT low for the one tick after terminal count; GATE holds the count
 *   mode 5 hardware strobe               as 4, GATE edge starts
 */
import { bool, type FieldType, range, struct, u16, u8 } from '../state/state.ts';

/** A time in ticks. A count that is loaded into a stopped counter lies up to one period back. */
const ticks = range(-0x10000, Number.MAX_SAFE_INTEGER);
export const ChannelState = struct({
  mode: range(0, 5),
  access: range(1, 3),
  bcd: bool,
  gate: bool,
  /** Last complete count written, 1-65536 (or 10000). */
  reload: range(1, 0x10000),
  /** The count in effect, and the tick at which it was loaded. */
  active: range(1, 0x10000),
  startTick: ticks,
  counting: bool,
  /** Ticks already counted when GATE stopped the counter (modes 0, 4). */
  heldTicks: ticks,
  held: bool,
  /** Modes 2 and 3: `reload` takes effect at this tick. */
  switchTick: ticks,
  switching: bool,
  writeLow: u8,
  writeHighNext: bool,
  readHighNext: bool,
  latch: u16,
  latched: bool,
  status: u8,
  statusLatched: bool,
});
export type ChannelState = FieldType<typeof ChannelState>;

const Access = { Low: 1, High: 2, LowHigh: 3 } as const;

export class PitChannel {
  private s: ChannelState;
  private readonly nowTick: () => number;

  constructor(nowTick: () => number, gate: boolean) {
    this.nowTick = nowTick;
    this.s = initial(gate);
  }

  reset(gate: boolean) {
    this.s = initial(gate);
  }

  // --- control word -------------------------------------------------------------------------------------------------

  control(access: number, mode: number, bcd: boolean) {
    const { gate, reload } = this.s;
    this.s = { ...initial(gate), access, mode: mode > 5 ? mode & 3 : mode, bcd, reload };
  }

  latchCount() {
    if (this.s.latched) return;
    this.s.latch = this.count();
    this.s.latched = true;
  }

  latchStatus() {
    const s = this.s;
    if (s.statusLatched) return;
    s.status = (this.out() ? 0x80 : 0) | (s.counting && !s.switching ? 0 : 0x40) | (s.access << 4) | (s.mode << 1) | (s.bcd ? 1 : 0);
    s.statusLatched = true;
  }

  // --- count register -----------------------------------------------------------------------------------------------

  read(): number {
    const s = this.s;
    if (s.statusLatched) {
      s.statusLatched = false;
      return s.status;
    }
    const value = s.latched ? s.latch : this.count();
    const high = s.access === Access.High || (s.access === Access.LowHigh && s.readHighNext);
    if (s.access === Access.LowHigh) s.readHighNext = !s.readHighNext;
    if (s.access !== Access.LowHigh || high) s.latched = false;
    return high ? value >> 8 : value & 0xff;
  }

  write(value: number) {
    const s = this.s;
    if (s.access === Access.Low) this.loadCount(value);
    else if (s.access === Access.High) this.loadCount(value << 8);
    else if (s.writeHighNext) {
      s.writeHighNext = false;
      this.loadCount(s.writeLow | (value << 8));
    } else {
      s.writeLow = value;
      s.writeHighNext = true;
      if (s.mode === 0) s.counting = false; // the first byte disables counting
    }
  }

  private loadCount(raw: number) {
    const s = this.s;
    this.settle();
    const count = s.bcd ? fromBcd(raw) : raw;
    s.reload = count === 0 ? (s.bcd ? 10000 : 0x10000) : count;
    if (s.mode === 1 || s.mode === 5) return; // waits for the gate
    if (s.counting && (s.mode === 2 || s.mode === 3)) {
      s.switching = true;
      s.switchTick = this.nextReloadTick();
      return;
    }
    this.start();
  }

  private start() {
    const s = this.s;
    s.active = s.reload;
    s.startTick = this.nowTick() + 1;
    s.counting = true;
    s.switching = false;
    s.held = !s.gate && !isEdgeMode(s.mode);
    s.heldTicks = 0;
  }

  // --- gate and output ----------------------------------------------------------------------------------------------

  setGate(level: boolean) {
    const s = this.s;
    if (level === s.gate) return;
    this.settle();
    s.gate = level;
    if (s.mode === 1 || s.mode === 5) {
      if (level) this.start();
    } else if (s.mode === 2 || s.mode === 3) {
      if (level && s.counting) this.start();
      else s.held = !level;
    } else if (!level) {
      s.heldTicks = this.sameElapsed(this.elapsed());
      s.held = true;
    } else if (s.held) {
      s.startTick = this.nowTick() - s.heldTicks;
      s.held = false;
    }
  }

  out(tick = this.nowTick()): boolean {
    this.settle(tick);
    const s = this.s;
    if (!s.counting) return s.mode !== 0;
    const e = this.elapsed(tick);
    switch (s.mode) {
      case 0:
      case 1:
        return e >= s.active;
      case 2:
        return s.held || e < 0 || e % s.active !== s.active - 1;
      case 3:
        return s.held || e < 0 || e % s.active < highHalf(s.active);
      default:
        return e !== s.active;
    }
  }

  get periodic() {
    return this.s.mode === 2 || this.s.mode === 3;
  }
  /** In ticks, with the count that is in effect at `tick`. */
  periodAt(tick: number) {
    const { switching, switchTick, reload, active } = this.s;
    return switching && tick >= switchTick ? reload : active;
  }

  /** The next tick after `tick` at which OUT changes; undefined when it stays. */
  nextEdge(tick: number): number | undefined {
    this.settle(tick);
    const s = this.s;
    if (!s.counting || s.held) return undefined;
    const e = Math.max(this.elapsed(tick), s.mode === 2 || s.mode === 3 ? 0 : -1);
    switch (s.mode) {
      case 0:
      case 1:
        return e < s.active ? s.startTick + s.active : undefined;
      case 2:
      case 3: {
        const edge = this.nextPeriodicEdge(tick, e);
        return s.switching ? Math.min(edge ?? Infinity, Math.max(s.switchTick, tick + 1)) : edge;
      }
      default:
        if (e < s.active) return s.startTick + s.active;
        return e === s.active ? s.startTick + s.active + 1 : undefined;
    }
  }

  /** A period of one tick, which the data sheet does not allow in mode 2, has no room for a pulse. */
  private nextPeriodicEdge(tick: number, elapsed: number): number | undefined {
    const { mode, active, startTick } = this.s;
    if (active === 1) return tick < startTick ? startTick : undefined;
    const fall = mode === 2 ? active - 1 : highHalf(active);
    return startTick + elapsed - (elapsed % active) + (elapsed % active < fall ? fall : active);
  }

  private elapsed(tick = this.nowTick()): number {
    return this.s.held ? this.s.heldTicks : tick - this.s.startTick;
  }

  /** The counter as the guest reads it. */
  private count(): number {
    this.settle();
    const s = this.s;
    const e = Math.max(0, s.counting ? this.elapsed() : 0);
    let value: number;
    if (s.mode === 2) value = s.active - (e % s.active);
    else if (s.mode === 3) {
      const phase = e % s.active;
      const half = highHalf(s.active);
      value = (s.active - 2 * (phase < half ? phase : phase - half)) & ~1;
    } else value = s.active - e;
    if (!s.bcd) return value & 0xffff;
    return toBcd(((value % 10000) + 10000) % 10000);
  }

  /** End of the period (mode 2) or of the half period (mode 3) that runs now. */
  private nextReloadTick(): number {
    const s = this.s;
    const e = Math.max(0, this.elapsed());
    const phase = e % s.active;
    const half = highHalf(s.active);
    return s.startTick + e - phase + (s.mode === 3 && phase < half ? half : s.active);
  }

  /** Puts a count that was waiting for the end of the period in effect. */
  private settle(tick = this.nowTick()) {
    const s = this.s;
    if (!s.switching || tick < s.switchTick) return;
    const e = s.switchTick - s.startTick;
    const lowHalfNext = s.mode === 3 && e % s.active !== 0;
    s.active = s.reload;
    s.startTick = s.switchTick - (lowHalfNext ? highHalf(s.active) : 0);
    s.switching = false;
  }

  /** The clock is about to go back by so many ticks. Of a count that ended long ago it only matters where in its turn the counter is. */
  shift(ticks: number) {
    this.settle();
    const s = this.s;
    const elapsed = this.sameElapsed(this.elapsed());
    if (s.held) s.heldTicks = elapsed;
    s.startTick = s.counting && !s.held ? this.nowTick() - elapsed - ticks : 0;
    s.switchTick = s.switching ? s.switchTick - ticks : 0;
  }

  /** The least with which the counter and OUT are, and go on, as with `elapsed`. */
  private sameElapsed(elapsed: number): number {
    const { mode, active, bcd } = this.s;
    if (mode === 2 || mode === 3) return elapsed < 0 ? elapsed : elapsed % active;
    const ended = active + 2;
    return elapsed < ended ? elapsed : ended + ((elapsed - ended) % (bcd ? 10000 : 0x10000));
  }

  saveState(): ChannelState {
    return { ...this.s };
  }
  /** State already parsed. */
  loadState(state: ChannelState) {
    this.s = { ...state };
  }
}

const isEdgeMode = (mode: number) => mode === 1 || mode === 5;
const highHalf = (count: number) => (count + 1) >> 1;

function fromBcd(raw: number) {
  return (raw >> 12) * 1000 + ((raw >> 8) & 15) * 100 + ((raw >> 4) & 15) * 10 + (raw & 15);
}
function toBcd(value: number) {
  return (Math.floor(value / 1000) << 12) | ((Math.floor(value / 100) % 10) << 8) | ((Math.floor(value / 10) % 10) << 4) | (value % 10);
}

function initial(gate: boolean): ChannelState {
  return {
    mode: 0,
    access: Access.LowHigh,
    bcd: false,
    gate,
    reload: 0x10000,
    active: 0x10000,
    startTick: 0,
    counting: false,
    heldTicks: 0,
    held: false,
    switchTick: 0,
    switching: false,
    writeLow: 0,
    writeHighNext: false,
    readHighNext: false,
    latch: 0,
    latched: false,
    status: 0,
    statusLatched: false,
  };
}
