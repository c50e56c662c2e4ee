/**
 * The real-time clock and CMOS RAM behind ports 70h/71h (Motorola MC146818 data sheet). The time is `startSeconds` plus virtual time, and what
 * the host's clock is told to be ahead (setHostTime): after a pause, or in a machine that has gone back. Its interrupt is IRQ8. The century
 * lies at 32h, as the ACPI FADT says.
 *
 *   A  UIP DV2-0 RS3-0 · B  SET PIE AIE UIE SQWE DM 24/12 DSE · C  IRQF PF AF UF 0000 · D  VRT 0000000
 */
import { bool, bytes, defineState, f64, range, type StateOf } from '../state/state.ts';
import { ERA_SECONDS, type Device, type IrqLine, type PortBus, type Timer, type Timers } from './device.ts';
import { nsOfTick, ticksAt } from './ticks.ts';

const PORT_INDEX = 0x70; // W: bits 6-0 RAM address, bit 7 NMI mask
const PORT_DATA = 0x71;
const NMI_MASK = 1 << 7;

const Reg = {
  Seconds: 0,
  SecondsAlarm: 1,
  Minutes: 2,
  MinutesAlarm: 3,
  Hours: 4,
  HoursAlarm: 5,
  WeekDay: 6,
  Day: 7,
  Month: 8,
  Year: 9,
  A: 10,
  B: 11,
  C: 12,
  D: 13,
  Century: 0x32,
} as const;
const UIP = 0x80;
const RATE = 0x0f;
const SET = 0x80;
const PIE = 0x40;
const AIE = 0x20;
const UIE = 0x10;
const BINARY = 0x04;
const HOURS24 = 0x02;
const IRQF = 0x80;
const PF = 0x40;
const AF = 0x20;
const UF = 0x10;
const VRT = 0x80;
const PM = 0x80;

const SECOND_NS = 1e9;
/** UIP rises 244 µs before the update, which takes 1984 µs (data sheet table 6); the new second is what follows. */
const UPDATE_NS = 2228e3;
const XTAL_HZ = 32768;
const DAY_SECONDS = 86400;
/** To the hour, the minute and the second of an alarm, and once more where the first of them had passed; one that no clock shows is never found. */
const MOST_ALARM_STEPS = 2 * (24 + 60 + 60);

const fields = {
  index: range(0, 127),
  nmiMasked: bool,
  ram: bytes(128),
  /** Unix time shown at virtual time 0, moved when the guest sets the clock. */
  baseSeconds: f64,
  /** The host's Unix time at virtual time 0, by what was told last. */
  hostSeconds: f64,
  /** Unix time while SET holds the update. */
  heldSeconds: f64,
  /** Flags are known up to this virtual time. */
  seenNs: f64,
};
/** Version 1 did not know the host's time: it is taken to be what the clock shows. */
export const RtcState = defineState('rtc', 2, fields, { 1: old => ({ ...old, hostSeconds: old['baseSeconds'] }) });

export class Rtc implements Device<StateOf<typeof RtcState>> {
  private index = 0;
  private nmiMasked = false;
  private readonly ram = new Uint8Array(128);
  private baseSeconds: number;
  private hostSeconds: number;
  private heldSeconds = 0;
  private seenNs = 0;
  private readonly time: Timers;
  private readonly irq8: IrqLine;
  private readonly timer: Timer;

  constructor(ports: PortBus, time: Timers, irq8: IrqLine, startSeconds: number) {
    this.time = time;
    this.irq8 = irq8;
    this.baseSeconds = startSeconds;
    this.hostSeconds = startSeconds;
    this.timer = time.create(() => this.schedule());
    time.onEra(() => this.shiftByEra());
    ports.onWrite(PORT_INDEX, value => {
      this.index = value & ~NMI_MASK;
      this.nmiMasked = (value & NMI_MASK) !== 0;
    });
    ports.onRead(PORT_DATA, () => this.read(this.index));
    ports.onWrite(PORT_DATA, value => this.write(this.index, value));
    this.ram[Reg.A] = 0x26; // 32.768 kHz, 1.024 kHz
    this.ram[Reg.B] = HOURS24;
    this.ram[Reg.D] = VRT;
  }

  /** What the firmware leaves in the RAM: memory sizes, equipment. */
  setRam(address: number, value: number) {
    this.ram[address] = value;
  }

  /** Unix time of the host as far as it was told, going on with virtual time. */
  hostTime(): number {
    return this.hostSeconds + this.time.nowNs() / SECOND_NS;
  }

  /** The host's Unix time is this now. The clock moves by whole seconds, and stays as far from it as the guest has set it; an alarm in between has come. */
  setHostTime(unixSeconds: number) {
    const shift = Math.round(unixSeconds - this.hostTime());
    this.catchUp();
    const shown = this.baseSeconds + Math.floor(this.time.nowNs() / SECOND_NS);
    const passed = (this.registerB & SET) === 0 && this.nextAlarm(shown + 1) <= shown + shift;
    this.hostSeconds += shift;
    this.baseSeconds += shift;
    if (passed) this.ram[Reg.C]! |= AF;
    this.schedule();
  }

  private get registerB() {
    return this.ram[Reg.B]!;
  }

  private read(address: number): number {
    switch (address) {
      case Reg.A: {
        const updating = (this.registerB & SET) === 0 && this.time.nowNs() % SECOND_NS >= SECOND_NS - UPDATE_NS;
        return this.ram[Reg.A]! | (updating ? UIP : 0);
      }
      case Reg.C: {
        this.catchUp();
        const flags = this.ram[Reg.C]!;
        this.ram[Reg.C] = 0;
        this.irq8.set(false);
        return flags;
      }
      default:
        return isTime(address) ? this.encode(address, this.seconds()) : this.ram[address]!;
    }
  }

  private write(address: number, value: number) {
    this.catchUp();
    if (address === Reg.C || address === Reg.D) return;
    if (address === Reg.A) this.ram[Reg.A] = value & ~UIP;
    else if (address === Reg.B) this.writeB(value);
    else if (isTime(address)) this.setTime(address, value);
    else this.ram[address] = value;
    this.schedule();
  }

  private writeB(value: number) {
    const was = this.registerB;
    if ((value & SET) !== 0 && (was & SET) === 0) this.heldSeconds = this.seconds();
    this.ram[Reg.B] = (value & SET) === 0 ? value : value & ~UIE; // SET clears UIE
    if ((value & SET) === 0 && (was & SET) !== 0) this.startAt(this.heldSeconds);
  }

  private seconds(): number {
    if ((this.registerB & SET) !== 0) return this.heldSeconds;
    return this.baseSeconds + Math.floor(this.time.nowNs() / SECOND_NS);
  }
  private startAt(seconds: number) {
    this.baseSeconds = seconds - Math.floor(this.time.nowNs() / SECOND_NS);
  }

  // --- time registers -----------------------------------------------------------------------------------------------

  private encode(address: number, unixSeconds: number): number {
    const date = new Date(unixSeconds * 1000);
    switch (address) {
      case Reg.Seconds:
        return this.toBcd(date.getUTCSeconds());
      case Reg.Minutes:
        return this.toBcd(date.getUTCMinutes());
      case Reg.Hours:
        return this.encodeHours(date.getUTCHours());
      case Reg.WeekDay:
        return this.toBcd(date.getUTCDay() + 1);
      case Reg.Day:
        return this.toBcd(date.getUTCDate());
      case Reg.Month:
        return this.toBcd(date.getUTCMonth() + 1);
      case Reg.Year:
        return this.toBcd(date.getUTCFullYear() % 100);
      default:
        return this.toBcd(Math.floor(date.getUTCFullYear() / 100));
    }
  }

  private encodeHours(hours: number) {
    if ((this.registerB & HOURS24) !== 0) return this.toBcd(hours);
    return this.toBcd(hours % 12 === 0 ? 12 : hours % 12) | (hours >= 12 ? PM : 0);
  }
  private decodeHours(value: number) {
    if ((this.registerB & HOURS24) !== 0) return this.fromBcd(value);
    return (this.fromBcd(value & ~PM) % 12) + ((value & PM) !== 0 ? 12 : 0);
  }

  private setTime(address: number, value: number) {
    const now = this.seconds();
    const date = new Date(now * 1000);
    const plain = this.fromBcd(value);
    const year = date.getUTCFullYear();
    switch (address) {
      case Reg.Seconds:
        date.setUTCSeconds(plain);
        break;
      case Reg.Minutes:
        date.setUTCMinutes(plain);
        break;
      case Reg.Hours:
        date.setUTCHours(this.decodeHours(value));
        break;
      case Reg.Day:
        date.setUTCDate(plain);
        break;
      case Reg.Month:
        date.setUTCMonth(plain - 1);
        break;
      case Reg.Year:
        date.setUTCFullYear(year - (year % 100) + plain);
        break;
      case Reg.Century:
        date.setUTCFullYear(plain * 100 + (year % 100));
        break;
      default: // the day of the week follows from the date
    }
    const seconds = Math.floor(date.getTime() / 1000);
    if (!Number.isFinite(seconds)) return;
    if ((this.registerB & SET) !== 0) this.heldSeconds = seconds;
    else this.startAt(seconds);
  }

  private toBcd(value: number) {
    return (this.registerB & BINARY) !== 0 ? value : (Math.floor(value / 10) << 4) | (value % 10);
  }
  private fromBcd(value: number) {
    return (this.registerB & BINARY) !== 0 ? value : (value >> 4) * 10 + (value & 15);
  }

  // --- interrupts ---------------------------------------------------------------------------------------------------

  /** Sets the flags of everything that happened since they were last looked at. */
  private catchUp() {
    const nowNs = this.time.nowNs();
    const from = this.seenNs;
    this.seenNs = nowNs;
    let flags = 0;
    const hertz = this.periodicHertz();
    if (hertz > 0 && ticksAt(nowNs, hertz) > ticksAt(from, hertz)) flags |= PF;
    const first = Math.floor(from / SECOND_NS) + 1;
    const last = Math.floor(nowNs / SECOND_NS);
    if ((this.registerB & SET) === 0 && last >= first) {
      flags |= UF;
      if (this.nextAlarm(this.baseSeconds + first) <= this.baseSeconds + last) flags |= AF;
    }
    this.ram[Reg.C] = (this.ram[Reg.C]! | flags) & ~IRQF;
    if ((this.ram[Reg.C]! & this.registerB & (PF | AF | UF)) !== 0) this.ram[Reg.C]! |= IRQF;
    this.irq8.set((this.ram[Reg.C]! & IRQF) !== 0);
  }

  private shiftByEra() {
    this.catchUp();
    this.seenNs -= ERA_SECONDS * SECOND_NS;
    this.baseSeconds += ERA_SECONDS;
    this.hostSeconds += ERA_SECONDS;
  }

  /** Arms the timer for the next event that an enable bit asks for. */
  private schedule() {
    this.catchUp();
    this.armTimer();
  }

  private armTimer() {
    const nowNs = this.time.nowNs();
    let next = Infinity;
    const hertz = this.periodicHertz();
    if ((this.registerB & PIE) !== 0 && hertz > 0) next = nsOfTick(ticksAt(nowNs, hertz) + 1, hertz);
    if ((this.registerB & SET) === 0) {
      const second = Math.floor(nowNs / SECOND_NS) + 1;
      if ((this.registerB & UIE) !== 0) next = Math.min(next, second * SECOND_NS);
      if ((this.registerB & AIE) !== 0) {
        next = Math.min(next, (this.nextAlarm(this.baseSeconds + second) - this.baseSeconds) * SECOND_NS);
      }
    }
    if (next === Infinity) this.timer.disarm();
    else this.timer.arm(next);
  }

  private periodicHertz() {
    const rate = this.ram[Reg.A]! & RATE;
    if (rate === 0) return 0;
    return XTAL_HZ >> ((rate <= 2 ? rate + 7 : rate) - 1);
  }

  /** First Unix second from `from` on at which the alarm registers match; a register with the two top bits set matches always. */
  private nextAlarm(from: number): number {
    const wants = [Reg.SecondsAlarm, Reg.MinutesAlarm, Reg.HoursAlarm].map(r => this.ram[r]!);
    const any = (value: number) => (value & 0xc0) === 0xc0;
    const [s, m, h] = wants as [number, number, number];
    const second = any(s) ? -1 : this.fromBcd(s);
    const minute = any(m) ? -1 : this.fromBcd(m);
    const hour = any(h) ? -1 : this.decodeHours(h);
    let at = from;
    for (let step = 0; step < MOST_ALARM_STEPS; step++) {
      const ofDay = ((at % DAY_SECONDS) + DAY_SECONDS) % DAY_SECONDS;
      if (hour >= 0 && Math.floor(ofDay / 3600) !== hour) at += 3600 - (ofDay % 3600);
      else if (minute >= 0 && Math.floor(ofDay / 60) % 60 !== minute) at += 60 - (ofDay % 60);
      else if (second >= 0 && ofDay % 60 !== second) at += 1;
      else return at;
    }
    return Infinity;
  }

  /** The battery keeps time and RAM: RESET# clears the interrupt enables and flags only (data sheet, "RESET"). */
  reset() {
    this.index = 0;
    this.nmiMasked = false;
    this.ram[Reg.B]! &= ~(PIE | AIE | UIE | 0x08);
    this.ram[Reg.C] = 0;
    this.timer.disarm();
    this.irq8.set(false);
  }
  saveState() {
    const { index, nmiMasked, baseSeconds, hostSeconds, heldSeconds, seenNs } = this;
    return { index, nmiMasked, ram: this.ram.slice(), baseSeconds, hostSeconds, heldSeconds, seenNs };
  }
  loadState(raw: unknown) {
    const state = RtcState.parse(raw);
    this.index = state.index;
    this.nmiMasked = state.nmiMasked;
    this.ram.set(state.ram);
    this.baseSeconds = state.baseSeconds;
    this.hostSeconds = state.hostSeconds;
    this.heldSeconds = state.heldSeconds;
    this.seenNs = state.seenNs;
    this.irq8.set((this.ram[Reg.C]! & IRQF) !== 0);
    this.armTimer();
  }
}

const isTime = (address: number) =>
  address === Reg.Century ||
  (address <= Reg.Year && address !== Reg.SecondsAlarm && address !== Reg.MinutesAlarm && address !== Reg.HoursAlarm);
