/**
 * ACPI fixed hardware (ACPI Specification 6.4 § 4.8; register block as in the 82371AB PIIX4 data sheet § 7.2): PM1a event and
 * control, the PM timer, the power button, general-purpose events. The machine starts with ACPI enabled; the SMI command port only changes SCI_EN.
 *
 *   +0 PM1_STS  WAK … PWRBTN(8) … GBL(5) … TMR(0)     +2 PM1_EN      +4 PM1_CNT  SLP_EN(13) SLP_TYP(12-10) … SCI_EN(0)     +8 PM_TMR
 *   +C GPE0_STS (two bytes)                           +E GPE0_EN
 */
import { defineState, range, type StateOf, u16, u53 } from '../state/state.ts';
import { ERA_SECONDS, type Device, type IrqLine, type PortBus, type Timer, type Timers } from './device.ts';
import { nsOfTick, ticksAt } from './ticks.ts';

export const PM_TIMER_HZ = 3579545;
/** SLP_TYP of \_S5, in the DSDT too. */
export const S5_SLEEP_TYPE = 5;
export const SMI_COMMAND_PORT = 0xb2;
export const ACPI_ENABLE = 0xf1;
export const ACPI_DISABLE = 0xf0;

const TMR = 1 << 0;
const GBL = 1 << 5;
const PWRBTN = 1 << 8;
const STATUS_BITS = TMR | GBL | PWRBTN | 0x8410;
const EVENTS = TMR | GBL | PWRBTN;
/** Sleep button and RTC can be enabled too; they never happen. */
const ENABLE_BITS = EVENTS | 0x0600;
const SCI_EN = 1 << 0;
const SLP_TYP_SHIFT = 10;
const SLP_EN = 1 << 13;
/** From the start of the block; GPE0_EN follows GPE0_STS. */
export const GPE0 = 0x0c;
export const GPE0_BYTES = 4;

/** The timer is 24 bits wide; its status bit follows the top bit's changes. */
const TIMER_MASK = 0xffffff;
const HALF_PERIOD = 0x800000;

/** The version of the state that has general-purpose events. */
export const EVENTS_SINCE = 3;
/** `base`: what the PM timer had counted before the eras that were taken off virtual time, but for whole turns. Version 1 had none; 2 had no general-purpose events. */
export const AcpiPmState = defineState(
  'acpi-pm',
  3,
  { status: u16, enable: u16, control: u16, eventStatus: u16, eventEnable: u16, seenTick: u53, base: range(0, 2 * HALF_PERIOD - 1) },
  { 1: old => ({ ...old, base: 0 }), 2: old => ({ ...old, eventStatus: 0, eventEnable: 0 }) },
);

export class AcpiPm implements Device<StateOf<typeof AcpiPmState>> {
  private status = 0;
  private enable = 0;
  private control = SCI_EN;
  private eventStatus = 0;
  private eventEnable = 0;
  /** The timer's top bit is followed up to here. */
  private seenTick = 0;
  private base = 0;
  private readonly time: Timers;
  private readonly sci: IrqLine;
  private readonly timer: Timer;

  constructor(ports: PortBus, base: number, time: Timers, sci: IrqLine, powerOff: () => void) {
    this.time = time;
    this.sci = sci;
    this.timer = time.create(() => this.update());
    time.onEra(() => this.shiftByEra());
    ports.onRead(
      base,
      () => {
        this.update();
        return this.status;
      },
      2,
    );
    ports.onWrite(
      base,
      value => {
        this.catchUp();
        this.status &= ~value;
        this.update();
      },
      2,
    );
    ports.onRead(base + 2, () => this.enable, 2);
    ports.onWrite(
      base + 2,
      value => {
        this.enable = value & ENABLE_BITS;
        this.update();
      },
      2,
    );
    ports.onRead(base + 4, () => this.control, 2);
    ports.onWrite(
      base + 4,
      value => {
        this.control = (value & 0x1c00) | (this.control & SCI_EN);
        if ((value & SLP_EN) !== 0 && ((value >> SLP_TYP_SHIFT) & 7) === S5_SLEEP_TYPE) powerOff();
      },
      2,
    );
    ports.onRead(base + 8, () => this.tick() & TIMER_MASK, 4);
    this.connectEvents(ports, base + GPE0);
    ports.onWrite(SMI_COMMAND_PORT, value => {
      if (value === ACPI_ENABLE) this.control |= SCI_EN;
      else if (value === ACPI_DISABLE) this.control &= ~SCI_EN;
      this.update();
    });
  }

  /** Byte by byte, as operating systems access them (§ 4.8.4.1). */
  private connectEvents(ports: PortBus, base: number) {
    for (const shift of [0, 8]) {
      const at = base + shift / 8;
      ports.onRead(at, () => (this.eventStatus >> shift) & 0xff);
      ports.onWrite(at, value => {
        this.eventStatus &= ~(value << shift);
        this.update();
      });
      ports.onRead(at + 2, () => (this.eventEnable >> shift) & 0xff);
      ports.onWrite(at + 2, value => {
        this.eventEnable = (this.eventEnable & (0xff00 >> shift)) | (value << shift);
        this.update();
      });
    }
  }

  /** The general-purpose event `number`, 0 to 15, has happened; its method says what it is (acpi-tables.ts). */
  raiseEvent(number: number) {
    this.eventStatus |= 1 << number;
    this.update();
  }

  pressPowerButton() {
    this.catchUp();
    this.status |= PWRBTN;
    this.update();
  }

  private tick() {
    return this.base + ticksAt(this.time.nowNs(), PM_TIMER_HZ);
  }

  private catchUp() {
    const tick = this.tick();
    if (Math.floor(tick / HALF_PERIOD) !== Math.floor(this.seenTick / HALF_PERIOD)) this.status |= TMR;
    this.seenTick = tick;
  }

  private shiftByEra() {
    this.update();
    const base = (this.base + ERA_SECONDS * PM_TIMER_HZ) % (2 * HALF_PERIOD);
    this.seenTick -= this.base + ERA_SECONDS * PM_TIMER_HZ - base;
    this.base = base;
  }

  private update() {
    this.catchUp();
    this.drive();
  }

  /** SCI is a level; with the timer event on, the next change of the top bit is waited for. */
  private drive() {
    const events = (this.status & this.enable & EVENTS) | (this.eventStatus & this.eventEnable);
    this.sci.set((this.control & SCI_EN) !== 0 && events !== 0);
    if ((this.enable & TMR) === 0) this.timer.disarm();
    else this.timer.arm(nsOfTick((Math.floor(this.tick() / HALF_PERIOD) + 1) * HALF_PERIOD - this.base, PM_TIMER_HZ));
  }

  reset() {
    this.status = 0;
    this.enable = 0;
    this.control = SCI_EN;
    this.eventStatus = 0;
    this.eventEnable = 0;
    this.seenTick = this.tick();
    this.drive();
  }
  saveState() {
    const { status, enable, control, eventStatus, eventEnable, seenTick, base } = this;
    return { status, enable, control, eventStatus, eventEnable, seenTick, base };
  }
  loadState(raw: unknown) {
    const state = AcpiPmState.parse(raw);
    this.status = state.status & STATUS_BITS;
    this.enable = state.enable;
    this.control = state.control;
    this.eventStatus = state.eventStatus;
    this.eventEnable = state.eventEnable;
    this.seenTick = state.seenTick;
    this.base = state.base;
    this.drive();
  }
}
