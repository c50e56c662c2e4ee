/**
 * The high precision event timers (IA-PC HPET Specification 1.0a): a main counter at 100 MHz, 64 bits wide, and three comparators, each
 * of which can interrupt once or periodically. Nothing counts: the counter is a function of virtual time.
 *
 *   000 GCAP_ID     period in fs (63:32) vendor (31:16) LEG_RT_CAP 15 COUNT_SIZE_CAP 13 last timer (12:8) revision (7:0)
 *   010 GEN_CONF    LEG_RT_CNF 1, ENABLE_CNF 0
 *   020 GINTR_STA   one bit for each level-triggered timer, cleared by writing 1
 *   0F0 MAIN_CNT
 *   100 + 20n Tn_CONF   INT_ROUTE_CAP (63:32) INT_ROUTE 13:9, 32MODE 8, VAL_SET 6, SIZE_CAP 5, PER_INT_CAP 4, TYPE 3, INT_ENB 2, INT_TYPE 1
 *   108 + 20n Tn_CMP
 *
 * The legacy replacement route (§ 2.4.3) puts timers 0 and 1 in the place of the interval timer and the clock at IRQ0 and IRQ8.
 */
import { defineState, range, type StateOf, struct, u32, u53 } from '../state/state.ts';
import { ERA_SECONDS, type AccessSize, type Device, type IrqLine, type Timer, type Timers } from './device.ts';
import { ReplacedLine } from './replaced-line.ts';

export const HPET_BASE = 0xfed00000;
export const HPET_BYTES = 0x400;
/** The shortest period whose interrupts a guest can be sure to see one by one, in counter ticks (§ 3.2.4): told by the ACPI table. */
export const HPET_MINIMUM_TICK = 1000;

const TICK_NS = 10;
const ERA_TICKS = (ERA_SECONDS * 1e9) / TICK_NS;
const TICK_FS = 10_000_000;
const TIMERS = 3;

const GCAP_ID = 0x000;
const GEN_CONF = 0x010;
const GINTR_STA = 0x020;
const MAIN_CNT = 0x0f0;
const TIMER_BLOCKS = 0x100;
const TIMER_BLOCK_BYTES = 0x20;
const TN_CONF = 0x00;
const TN_CMP = 0x08;

/** Low half of GCAP_ID: Intel, legacy replacement, 64 bits, three timers, revision 1. */
export const HPET_ID = (0x80860000 | (1 << 15) | (1 << 13) | ((TIMERS - 1) << 8) | 1) >>> 0;

const ENABLE_CNF = 1 << 0;
const LEG_RT_CNF = 1 << 1;

const INT_TYPE = 1 << 1; // 1 = level
const INT_ENB = 1 << 2;
const TYPE = 1 << 3; // 1 = periodic
const PER_INT_CAP = 1 << 4;
const SIZE_CAP = 1 << 5;
const VAL_SET = 1 << 6;
const MODE32 = 1 << 8;
const ROUTE_SHIFT = 9;
const ROUTE = 0x1f << ROUTE_SHIFT;
const WRITABLE = INT_TYPE | INT_ENB | TYPE | VAL_SET | MODE32 | ROUTE;
/** Where there is no I/O APIC: the ISA interrupts that nothing else has. */
const ROUTES = [5, 10, 11] as const;
const ROUTE_CAP = ROUTES.reduce((mask, irq) => mask | (1 << irq), 0);

/** Beyond this a deadline is beyond any virtual time. */
const FARTHEST_TICKS = 2n ** 49n;
const ALL_ONES = 2n ** 64n - 1n;

const U64State = struct({ low: u32, high: u32 });
const TimerState = struct({ config: range(0, WRITABLE), comparator: U64State, period: U64State });

export const HpetState = defineState('hpet', 1, {
  config: range(0, ENABLE_CNF | LEG_RT_CNF),
  status: range(0, (1 << TIMERS) - 1),
  /** Running: what is to be added to the ticks of virtual time. Halted: the count. */
  counter: U64State,
  /** Matches are known up to this tick. */
  seenTick: u53,
  timer0: TimerState,
  timer1: TimerState,
  timer2: TimerState,
});

interface Comparator {
  config: number;
  comparator: bigint;
  /** What a periodic timer adds at each match. */
  period: bigint;
}

export interface HpetLines {
  /** For the legacy replacement route. */
  readonly irq0: ReplacedLine;
  readonly irq8: ReplacedLine;
  readonly line: (irq: number) => IrqLine;
}

export class Hpet implements Device<StateOf<typeof HpetState>> {
  private config = 0;
  private status = 0;
  private base = 0n;
  private seenTick = 0;
  private timers: readonly Comparator[] = Array.from({ length: TIMERS }, powerOn);
  /** The virtual time at which VAL_SET let the low half of an accumulator be written: the high half of that same access is let too. */
  private valueSetNs = -1;
  private readonly time: Timers;
  private readonly timer: Timer;
  private readonly legacy: readonly ReplacedLine[];
  private readonly routes: ReadonlyMap<number, IrqLine>;
  private readonly outputs: readonly IrqLine[];

  constructor(time: Timers, { irq0, irq8, line }: HpetLines) {
    this.time = time;
    this.timer = time.create(() => this.update());
    time.onEra(() => this.shiftByEra());
    this.legacy = [irq0, irq8];
    this.routes = new Map(ROUTES.map(irq => [irq, line(irq)]));
    this.outputs = [irq0.replacement, irq8.replacement, ...this.routes.values()];
  }

  // --- registers ----------------------------------------------------------------------------------------------------

  /** Accesses have 32 bits (wider ones come in halves); narrower reads find their part in the low bits. */
  read(gpa: number, size: AccessSize): number {
    const offset = gpa - HPET_BASE;
    const value = this.readRegister(offset & ~7);
    const half = (offset & 4) === 0 ? value : value >> 32n;
    return Number(BigInt.asUintN(32, half)) >>> (8 * (offset & (4 - size)));
  }

  /** What a narrower write does is not specified: nothing. */
  write(gpa: number, size: AccessSize, value: number) {
    const offset = gpa - HPET_BASE;
    if (size !== 4 || (offset & 3) !== 0) return;
    this.catchUp();
    this.writeRegister(offset & ~7, (offset & 4) !== 0, value >>> 0);
    this.update();
  }

  private readRegister(register: number): bigint {
    switch (register) {
      case GCAP_ID:
        return (BigInt(TICK_FS) << 32n) | BigInt(HPET_ID);
      case GEN_CONF:
        return BigInt(this.config);
      case GINTR_STA:
        this.update();
        return BigInt(this.status);
      case MAIN_CNT:
        return this.counterAt(this.tick());
    }
    const timer = this.timerAt(register);
    if (!timer) return 0n;
    switch (register % TIMER_BLOCK_BYTES) {
      case TN_CONF:
        return (BigInt(ROUTE_CAP) << 32n) | BigInt(timer.config | PER_INT_CAP | SIZE_CAP);
      case TN_CMP:
        this.update();
        return timer.comparator;
      default: // no FSB route
        return 0n;
    }
  }

  private writeRegister(register: number, high: boolean, value: number) {
    switch (register) {
      case GEN_CONF:
        if (!high) this.configure(value & (ENABLE_CNF | LEG_RT_CNF));
        return;
      case GINTR_STA:
        if (!high) this.status &= ~value;
        return;
      case MAIN_CNT: {
        const tick = this.tick();
        const count = withHalf(this.counterAt(tick), high, value);
        this.base = this.running ? BigInt.asUintN(64, count - BigInt(tick)) : count;
        return;
      }
    }
    const timer = this.timerAt(register);
    if (!timer) return;
    const which = register % TIMER_BLOCK_BYTES;
    if (which === TN_CONF && !high) this.configureTimer(timer, value);
    else if (which === TN_CMP) this.setComparator(timer, high, value);
  }

  private configure(config: number) {
    const tick = this.tick();
    const count = this.counterAt(tick);
    this.config = config;
    this.base = this.running ? BigInt.asUintN(64, count - BigInt(tick)) : count;
    this.seenTick = tick;
  }

  private configureTimer(timer: Comparator, value: number) {
    timer.config = value & WRITABLE;
    if ((ROUTE_CAP & (1 << routeOf(timer))) === 0) timer.config &= ~ROUTE; // reads back other than it was written
    if ((timer.config & TYPE) === 0) timer.config &= ~VAL_SET;
    if ((timer.config & MODE32) !== 0) {
      timer.comparator = BigInt.asUintN(32, timer.comparator);
      timer.period = BigInt.asUintN(32, timer.period);
    }
  }

  /** § 2.3.9.2: a write to a periodic timer sets its period; the accumulator with it only after VAL_SET. */
  private setComparator(timer: Comparator, high: boolean, value: number) {
    if (high && (timer.config & MODE32) !== 0) return;
    const periodic = (timer.config & TYPE) !== 0;
    const nowNs = this.time.nowNs();
    if (!periodic || (timer.config & VAL_SET) !== 0 || (high && this.valueSetNs === nowNs)) {
      timer.comparator = withHalf(timer.comparator, high, value);
      if (!high && (timer.config & VAL_SET) !== 0) this.valueSetNs = nowNs;
      timer.config &= ~VAL_SET;
    }
    if (periodic) timer.period = withHalf(timer.period, high, value);
  }

  private timerAt(register: number): Comparator | undefined {
    return register < TIMER_BLOCKS ? undefined : this.timers[Math.floor((register - TIMER_BLOCKS) / TIMER_BLOCK_BYTES)];
  }

  // --- counting -----------------------------------------------------------------------------------------------------

  private get running() {
    return (this.config & ENABLE_CNF) !== 0;
  }
  private tick() {
    return Math.floor(this.time.nowNs() / TICK_NS);
  }
  private counterAt(tick: number): bigint {
    return this.running ? BigInt.asUintN(64, this.base + BigInt(tick)) : this.base;
  }

  /** Ticks from `seenTick` to the next match, at least 1. */
  private untilMatch(timer: Comparator): bigint {
    const width = (timer.config & MODE32) !== 0 ? 32 : 64;
    return BigInt.asUintN(width, timer.comparator - this.counterAt(this.seenTick) - 1n) + 1n;
  }

  /** Handles every match since the last look; several of one timer are one interrupt. */
  private catchUp() {
    const tick = this.tick();
    if (this.running) {
      const passed = BigInt(tick - this.seenTick);
      for (const [i, timer] of this.timers.entries()) {
        const until = this.untilMatch(timer);
        if (until > passed) continue;
        if ((timer.config & TYPE) !== 0 && timer.period > 0n) {
          const periods = (passed - until) / timer.period + 1n;
          timer.comparator = BigInt.asUintN((timer.config & MODE32) !== 0 ? 32 : 64, timer.comparator + periods * timer.period);
        }
        this.matched(i, timer);
      }
    }
    this.seenTick = tick;
  }

  private matched(i: number, timer: Comparator) {
    if ((timer.config & INT_TYPE) !== 0) this.status |= 1 << i;
    else if ((timer.config & INT_ENB) !== 0) {
      const line = this.lineOf(i, timer);
      line?.set(true);
      line?.set(false);
    }
  }

  private lineOf(i: number, timer: Comparator): IrqLine | undefined {
    const legacy = (this.config & LEG_RT_CNF) === 0 ? undefined : this.legacy[i];
    return legacy?.replacement ?? this.routes.get(routeOf(timer));
  }

  private update() {
    this.catchUp();
    this.drive();
  }

  /** The lines as routes and status say, and the timer on the next match that interrupts. */
  private drive() {
    for (const line of this.legacy) line.connectReplacement((this.config & LEG_RT_CNF) !== 0);
    const raised = new Set<IrqLine>();
    let next = FARTHEST_TICKS;
    let patient = true;
    for (const [i, timer] of this.timers.entries()) {
      const line = this.lineOf(i, timer);
      if (!this.running || (timer.config & INT_ENB) === 0 || !line) continue;
      if ((timer.config & INT_TYPE) !== 0 && (this.status & (1 << i)) !== 0) raised.add(line);
      if ((timer.config & TYPE) !== 0) patient = false;
      const until = this.untilMatch(timer);
      if (until < next) next = until;
    }
    for (const line of this.outputs) line.set(raised.has(line));
    if (next === FARTHEST_TICKS) this.timer.disarm();
    else this.timer.arm((this.seenTick + Number(next)) * TICK_NS, patient);
  }

  // --- state --------------------------------------------------------------------------------------------------------

  reset() {
    this.config = 0;
    this.status = 0;
    this.base = 0n;
    this.seenTick = this.tick();
    this.timers = Array.from({ length: TIMERS }, powerOn);
    this.drive();
  }
  private shiftByEra() {
    this.update();
    this.seenTick -= ERA_TICKS;
    if (this.running) this.base = BigInt.asUintN(64, this.base + BigInt(ERA_TICKS));
  }
  saveState() {
    const timer = ({ config, comparator, period }: Comparator) => ({ config, comparator: halves(comparator), period: halves(period) });
    const [timer0, timer1, timer2] = this.timers as [Comparator, Comparator, Comparator];
    const { config, status, seenTick } = this;
    return { config, status, counter: halves(this.base), seenTick, timer0: timer(timer0), timer1: timer(timer1), timer2: timer(timer2) };
  }
  loadState(raw: unknown) {
    const state = HpetState.parse(raw);
    this.config = state.config;
    this.status = state.status;
    this.base = whole(state.counter);
    this.seenTick = state.seenTick;
    this.timers = [state.timer0, state.timer1, state.timer2].map(({ config, comparator, period }) => ({
      config,
      comparator: whole(comparator),
      period: whole(period),
    }));
    this.drive();
  }
}

const powerOn = (): Comparator => ({ config: 0, comparator: ALL_ONES, period: 0n });
const routeOf = (timer: Comparator) => (timer.config & ROUTE) >> ROUTE_SHIFT;

const halves = (value: bigint) => ({ low: Number(BigInt.asUintN(32, value)), high: Number(value >> 32n) });
const whole = ({ low, high }: { low: number; high: number }) => (BigInt(high) << 32n) | BigInt(low);
function withHalf(value: bigint, high: boolean, half: number): bigint {
  const { low, high: top } = halves(value);
  return high ? whole({ low, high: half }) : whole({ low: half, high: top });
}
