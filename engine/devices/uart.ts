/**
 * The 16550A serial port (National Semiconductor PC16550D data sheet). Characters leave in no time: the transmitter is
 * always empty, so that output is as fast as the guest writes. Input waits in a bounded queue behind the 16-byte receive FIFO.
 *
 *   +0 RBR/THR (DLL) · +1 IER (DLM) · +2 IIR/FCR · +3 LCR · +4 MCR · +5 LSR · +6 MSR · +7 SCR
 */
import { bool, bytes, defineState, f64, range, type StateOf, u16, u8 } from '../state/state.ts';
import { ByteQueue } from './byte-queue.ts';
import type { Device, IrqLine, PortBus, Timer, Timers } from './device.ts';

const IER_RX = 1 << 0;
const IER_THRE = 1 << 1;
const IER_LINE = 1 << 2;
const IER_MODEM = 1 << 3;

const IIR_NONE = 0x01;
const IIR_MODEM = 0x00;
const IIR_THRE = 0x02;
const IIR_RX = 0x04;
const IIR_LINE = 0x06;
const IIR_TIMEOUT = 0x0c;
const IIR_FIFOS = 0xc0;

const FCR_ENABLE = 1 << 0;
const FCR_CLEAR_RX = 1 << 1;
const FCR_TRIGGER_SHIFT = 6;
const TRIGGERS = [1, 4, 8, 14] as const;

const LCR_DLAB = 1 << 7;

const MCR_DTR = 1 << 0;
const MCR_RTS = 1 << 1;
const MCR_OUT1 = 1 << 2;
const MCR_OUT2 = 1 << 3;
const MCR_LOOP = 1 << 4;

const LSR_DATA = 1 << 0;
const LSR_OVERRUN = 1 << 1;
const LSR_EMPTY = 0x60; // THRE, TEMT

const MSR_DELTA_CTS = 1 << 0;
const MSR_DELTA_DSR = 1 << 1;
const MSR_TRAILING_RI = 1 << 2;
const MSR_DELTA_DCD = 1 << 3;
const MSR_CTS = 1 << 4;
const MSR_DSR = 1 << 5;
const MSR_RI = 1 << 6;
const MSR_DCD = 1 << 7;
/** The host's end of the cable is always there. */
const CONNECTED = MSR_CTS | MSR_DSR | MSR_DCD;

const FIFO_BYTES = 16;
const QUEUE_BYTES = 1024;
const CLOCK_HZ = 115200; // 1.8432 MHz / 16
const FRAME_BITS = 10;

export const UartState = defineState('uart-16550a', 1, {
  divisor: u16,
  ier: u8,
  fcr: u8,
  lcr: u8,
  mcr: u8,
  scr: u8,
  lineErrors: u8,
  modemDelta: u8,
  modemLines: u8,
  threPending: bool,
  timeoutPending: bool,
  /** Virtual time at which unread bytes below the trigger level interrupt; -1 = none. */
  timeoutNs: f64,
  fifo: bytes(FIFO_BYTES),
  fifoLength: range(0, FIFO_BYTES),
  queue: bytes(QUEUE_BYTES),
  queueLength: range(0, QUEUE_BYTES),
});

export class Uart implements Device<StateOf<typeof UartState>> {
  private divisor = 12;
  private ier = 0;
  private fcr = 0;
  private lcr = 0;
  private mcr = 0;
  private scr = 0;
  private lineErrors = 0;
  private modemDelta = 0;
  private modemLines = CONNECTED;
  private threPending = false;
  private timeoutPending = false;
  private readonly fifo = new ByteQueue(FIFO_BYTES);
  private readonly queue = new ByteQueue(QUEUE_BYTES);
  private readonly timer: Timer;
  private readonly time: Timers;
  private readonly irq: IrqLine;
  private readonly output: (byte: number) => void;

  constructor(ports: PortBus, base: number, time: Timers, irq: IrqLine, output: (byte: number) => void) {
    this.time = time;
    this.irq = irq;
    this.output = output;
    this.timer = time.create(() => {
      this.timeoutPending = this.fifo.length > 0;
      this.update();
    });
    ports.onRead(base, () => this.readData());
    ports.onWrite(base, value => this.writeData(value));
    ports.onRead(base + 1, () => (this.dlab ? this.divisor >> 8 : this.ier));
    ports.onWrite(base + 1, value => this.writeIer(value));
    ports.onRead(base + 2, () => this.readIir());
    ports.onWrite(base + 2, value => this.writeFcr(value));
    ports.onRead(base + 3, () => this.lcr);
    ports.onWrite(base + 3, value => {
      this.lcr = value;
    });
    ports.onRead(base + 4, () => this.mcr);
    ports.onWrite(base + 4, value => this.writeMcr(value));
    ports.onRead(base + 5, () => this.readLsr());
    ports.onRead(base + 6, () => this.readMsr());
    ports.onRead(base + 7, () => this.scr);
    ports.onWrite(base + 7, value => {
      this.scr = value;
    });
  }

  /** Bytes from the host; returns how many were taken. */
  receive(data: Uint8Array): number {
    let taken = 0;
    while (taken < data.length && this.queue.push(data[taken]!)) taken++;
    if (taken > 0) this.refill();
    return taken;
  }

  private get dlab() {
    return (this.lcr & LCR_DLAB) !== 0;
  }
  private get loopback() {
    return (this.mcr & MCR_LOOP) !== 0;
  }
  private get fifoDepth() {
    return (this.fcr & FCR_ENABLE) !== 0 ? FIFO_BYTES : 1;
  }
  private get trigger() {
    return (this.fcr & FCR_ENABLE) !== 0 ? TRIGGERS[(this.fcr >> FCR_TRIGGER_SHIFT) as 0 | 1 | 2 | 3] : 1;
  }

  // --- data ---------------------------------------------------------------------------------------------------------

  private readData(): number {
    if (this.dlab) return this.divisor & 0xff;
    const byte = this.fifo.shift() ?? 0;
    this.timeoutPending = false;
    this.refill();
    return byte;
  }

  private writeData(value: number) {
    if (this.dlab) {
      this.divisor = (this.divisor & 0xff00) | value;
      return;
    }
    this.threPending = false;
    this.update();
    this.threPending = true; // sent already: a new edge on the line
    if (!this.loopback) {
      this.output(value);
      this.update(); // and not refill(): what is sent must not put off the timeout of what was received
      return;
    }
    if (this.fifo.length >= this.fifoDepth) this.lineErrors |= LSR_OVERRUN;
    else this.fifo.push(value);
    this.refill();
  }

  /** Moves waiting input into the FIFO; the cable is cut in loopback. */
  private refill() {
    while (!this.loopback && this.fifo.length < this.fifoDepth && this.queue.length > 0) this.fifo.push(this.queue.shift()!);
    if (this.fifo.length > 0 && this.fifo.length < this.trigger) {
      this.timer.arm(this.time.nowNs() + (4 * FRAME_BITS * 1e9 * Math.max(1, this.divisor)) / CLOCK_HZ);
    } else {
      this.timer.disarm();
    }
    this.update();
  }

  // --- registers ----------------------------------------------------------------------------------------------------

  private writeIer(value: number) {
    if (this.dlab) {
      this.divisor = (this.divisor & 0xff) | (value << 8);
      return;
    }
    const enabled = value & ~this.ier;
    this.ier = value & 0x0f;
    if ((enabled & IER_THRE) !== 0) this.threPending = true; // the transmitter is empty
    this.update();
  }

  private readIir(): number {
    const cause = this.cause();
    if (cause === IIR_THRE) {
      this.threPending = false;
      this.update();
    }
    return cause | ((this.fcr & FCR_ENABLE) !== 0 ? IIR_FIFOS : 0);
  }

  private writeFcr(value: number) {
    if (((value ^ this.fcr) & FCR_ENABLE) !== 0 || (value & FCR_CLEAR_RX) !== 0) {
      this.fifo.clear();
      this.timeoutPending = false;
    }
    this.fcr = (value & FCR_ENABLE) !== 0 ? value & 0xc9 : 0;
    this.refill();
  }

  private writeMcr(value: number) {
    this.mcr = value & 0x1f;
    const lines = this.loopback
      ? ((value & MCR_RTS) !== 0 ? MSR_CTS : 0) |
        ((value & MCR_DTR) !== 0 ? MSR_DSR : 0) |
        ((value & MCR_OUT1) !== 0 ? MSR_RI : 0) |
        ((value & MCR_OUT2) !== 0 ? MSR_DCD : 0)
      : CONNECTED;
    const changed = lines ^ this.modemLines;
    if ((changed & MSR_CTS) !== 0) this.modemDelta |= MSR_DELTA_CTS;
    if ((changed & MSR_DSR) !== 0) this.modemDelta |= MSR_DELTA_DSR;
    if ((changed & MSR_DCD) !== 0) this.modemDelta |= MSR_DELTA_DCD;
    if ((changed & MSR_RI) !== 0 && (lines & MSR_RI) === 0) this.modemDelta |= MSR_TRAILING_RI;
    this.modemLines = lines;
    this.refill();
  }

  private readLsr(): number {
    const value = LSR_EMPTY | this.lineErrors | (this.fifo.length > 0 ? LSR_DATA : 0);
    this.lineErrors = 0;
    this.update();
    return value;
  }

  private readMsr(): number {
    const value = this.modemLines | this.modemDelta;
    this.modemDelta = 0;
    this.update();
    return value;
  }

  // --- interrupt (data sheet table IV: priorities) --------------------------------------------------------------------

  private cause(): number {
    if ((this.ier & IER_LINE) !== 0 && this.lineErrors !== 0) return IIR_LINE;
    if ((this.ier & IER_RX) !== 0) {
      if (this.fifo.length >= this.trigger) return IIR_RX;
      if (this.timeoutPending) return IIR_TIMEOUT;
    }
    if ((this.ier & IER_THRE) !== 0 && this.threPending) return IIR_THRE;
    if ((this.ier & IER_MODEM) !== 0 && this.modemDelta !== 0) return IIR_MODEM;
    return IIR_NONE;
  }

  /** On a PC, OUT2 connects the interrupt to the bus; loopback forces it off. */
  private update() {
    this.irq.set((this.mcr & MCR_OUT2) !== 0 && !this.loopback && this.cause() !== IIR_NONE);
  }

  // --- state --------------------------------------------------------------------------------------------------------

  /** Master reset (data sheet table I); divisor, scratch and the host's queue keep their values. */
  reset() {
    this.ier = 0;
    this.fcr = 0;
    this.lcr = 0;
    this.mcr = 0;
    this.lineErrors = 0;
    this.modemDelta = 0;
    this.modemLines = CONNECTED;
    this.threPending = false;
    this.timeoutPending = false;
    this.fifo.clear();
    this.timer.disarm();
    this.update();
  }
  saveState() {
    const { divisor, ier, fcr, lcr, mcr, scr, lineErrors, modemDelta, modemLines, threPending, timeoutPending } = this;
    return {
      divisor,
      ier,
      fcr,
      lcr,
      mcr,
      scr,
      lineErrors,
      modemDelta,
      modemLines,
      threPending,
      timeoutPending,
      timeoutNs: this.timer.deadlineNs ?? -1,
      fifo: this.fifo.save(),
      fifoLength: this.fifo.length,
      queue: this.queue.save(),
      queueLength: this.queue.length,
    };
  }
  loadState(raw: unknown) {
    const state = UartState.parse(raw);
    this.divisor = state.divisor;
    this.ier = state.ier;
    this.fcr = state.fcr;
    this.lcr = state.lcr;
    this.mcr = state.mcr;
    this.scr = state.scr;
    this.lineErrors = state.lineErrors;
    this.modemDelta = state.modemDelta;
    this.modemLines = state.modemLines;
    this.threPending = state.threPending;
    this.timeoutPending = state.timeoutPending;
    this.fifo.load(state.fifo, state.fifoLength);
    this.queue.load(state.queue, state.queueLength);
    if (state.timeoutNs < 0) this.timer.disarm();
    else this.timer.arm(state.timeoutNs);
    this.update();
  }
}
