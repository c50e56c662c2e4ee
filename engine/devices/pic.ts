/**
 * The 8259A interrupt controller pair of a PC (Intel 8259A data sheet 231468; edge/level registers: 82371SB PIIX3 data sheet § 2.5.5).
 * The slave's output is the master's IRQ2. A line that falls before its acknowledge gives the spurious vector 7 or 15.
 *
 *   ICW1 0001 LxSI   L level (all lines), S single, I ICW4 follows
 *   OCW2 RSE0 0LLL   R rotate, S specific, E end of interrupt
 *   OCW3 0MM0 1PRR   M special mask, P poll, R read select
 */
import { bool, defineState, type FieldType, range, type StateOf, struct, u8 } from '../state/state.ts';
import type { Device, IrqLine, PortBus } from './device.ts';

const CASCADE = 2;
const SPURIOUS = 7;

const ICW1 = 1 << 4;
const ICW1_ICW4 = 1 << 0;
const ICW1_SINGLE = 1 << 1;
const ICW1_LEVEL = 1 << 3;
const ICW4_AUTO_EOI = 1 << 1;
const ICW4_NESTED = 1 << 4;
const OCW3 = 1 << 3;

/** Command half of OCW2. */
const Ocw2 = { RotateAutoClear: 0, Eoi: 1, SpecificEoi: 3, RotateAutoSet: 4, RotateEoi: 5, SetPriority: 6, RotateSpecificEoi: 7 } as const;

const ChipState = struct({
  irr: u8,
  imr: u8,
  isr: u8,
  lines: u8,
  elcr: u8,
  base: u8,
  /** Line with the lowest priority. */
  lowest: range(0, 7),
  /** 0 = operational, else the ICW expected next (2-4). */
  icw: range(0, 4),
  icw1: u8,
  icw4: u8,
  readIsr: bool,
  poll: bool,
  specialMask: bool,
  rotateAuto: bool,
});
type ChipState = FieldType<typeof ChipState>;

/** One 8259A. `output` follows the INT pin. */
class Pic8259 {
  private s: ChipState = zeroChip();
  private readonly elcrMask: number;
  private readonly isMaster: boolean;
  private readonly output: (level: boolean) => void;

  constructor(isMaster: boolean, output: (level: boolean) => void) {
    this.isMaster = isMaster;
    this.elcrMask = isMaster ? 0xf8 : 0xde; // IRQ0, 1, 2, 8 and 13 are always edges
    this.output = output;
  }

  reset() {
    this.s = { ...zeroChip(), lines: this.s.lines };
    this.output(false);
  }

  setLine(line: number, level: boolean) {
    const s = this.s;
    const bit = 1 << line;
    if (level) {
      if (this.isLevel(bit) || (s.lines & bit) === 0) s.irr |= bit;
      s.lines |= bit;
    } else {
      s.lines &= ~bit;
      if (this.isLevel(bit)) s.irr &= ~bit;
      else if ((s.irr & bit) !== 0 && line === CASCADE && this.isMaster) s.irr &= ~bit; // the slave took its request back
    }
    this.update();
  }

  /** Highest-priority request that may interrupt now, or -1. */
  private pending(): number {
    const s = this.s;
    const requests = s.irr & ~s.imr;
    if (requests === 0) return -1;
    const served = s.specialMask ? s.isr & ~s.imr : s.isr;
    for (let i = 1; i <= 8; i++) {
      const line = (s.lowest + i) & 7;
      const bit = 1 << line;
      // Special fully nested: a slave already in service may interrupt again with a higher line of its own.
      const nestedCascade = (s.icw4 & ICW4_NESTED) !== 0 && this.isMaster && line === CASCADE;
      if ((served & bit) !== 0 && !nestedCascade) {
        if (!s.specialMask) return -1;
        continue;
      }
      if ((requests & bit) !== 0) return line;
    }
    return -1;
  }

  private update() {
    this.output(this.s.icw === 0 && this.pending() >= 0);
  }

  /** INTA: the line to serve, or -1 when the request has gone. */
  acknowledge(): number {
    const line = this.pending();
    if (line < 0) return -1;
    const s = this.s;
    const bit = 1 << line;
    if (!this.isLevel(bit)) s.irr &= ~bit;
    if ((s.icw4 & ICW4_AUTO_EOI) === 0) s.isr |= bit;
    else if (s.rotateAuto) s.lowest = line;
    return line;
  }

  vector(line: number) {
    return this.s.base | (line < 0 ? SPURIOUS : line);
  }

  /** INT falls during the acknowledge, so that a request still pending makes a new edge at the master. */
  afterAcknowledge() {
    this.output(false);
    this.update();
  }

  readCommand(): number {
    if (this.s.poll) return this.pollRead();
    return this.s.readIsr ? this.s.isr : this.s.irr;
  }

  readData(): number {
    return this.s.poll ? this.pollRead() : this.s.imr;
  }

  private pollRead(): number {
    this.s.poll = false;
    const line = this.acknowledge();
    this.afterAcknowledge();
    return line < 0 ? 0 : 0x80 | line;
  }

  writeCommand(value: number) {
    const s = this.s;
    if ((value & ICW1) !== 0) {
      // ICW1 clears the mask, the edge latches and the modes; the initialization sequence follows on the data port.
      this.s = { ...zeroChip(), lines: s.lines, elcr: s.elcr, base: s.base, icw: 2, icw1: value };
      this.requestLevels();
    } else if ((value & OCW3) !== 0) {
      if ((value & 0x40) !== 0) s.specialMask = (value & 0x20) !== 0;
      if ((value & 0x04) !== 0) s.poll = true;
      else if ((value & 0x02) !== 0) s.readIsr = (value & 0x01) !== 0;
    } else {
      this.ocw2(value >> 5, value & 7);
    }
    this.update();
  }

  private ocw2(command: number, level: number) {
    const s = this.s;
    switch (command) {
      case Ocw2.RotateAutoClear:
      case Ocw2.RotateAutoSet:
        s.rotateAuto = command === Ocw2.RotateAutoSet;
        return;
      case Ocw2.Eoi:
      case Ocw2.RotateEoi: {
        const line = this.highestInService();
        if (line < 0) return;
        s.isr &= ~(1 << line);
        if (command === Ocw2.RotateEoi) s.lowest = line;
        return;
      }
      case Ocw2.SpecificEoi:
      case Ocw2.RotateSpecificEoi:
        s.isr &= ~(1 << level);
        if (command === Ocw2.RotateSpecificEoi) s.lowest = level;
        return;
      case Ocw2.SetPriority:
        s.lowest = level;
        return;
      default:
    }
  }

  private highestInService(): number {
    const s = this.s;
    // A masked level in special mask mode is not ended by a non-specific EOI.
    const served = s.specialMask ? s.isr & ~s.imr : s.isr;
    for (let i = 1; i <= 8; i++) {
      const line = (s.lowest + i) & 7;
      if ((served & (1 << line)) !== 0) return line;
    }
    return -1;
  }

  writeData(value: number) {
    const s = this.s;
    switch (s.icw) {
      case 0:
        s.imr = value;
        break;
      case 2:
        s.base = value & 0xf8;
        s.icw = (s.icw1 & ICW1_SINGLE) === 0 ? 3 : this.afterIcw3();
        break;
      case 3: // The cascade wiring of a PC is fixed.
        s.icw = this.afterIcw3();
        break;
      default:
        s.icw4 = value;
        s.icw = 0;
    }
    this.update();
  }

  private afterIcw3() {
    return (this.s.icw1 & ICW1_ICW4) !== 0 ? 4 : 0;
  }

  readElcr() {
    return this.s.elcr;
  }
  writeElcr(value: number) {
    this.s.elcr = value & this.elcrMask;
    this.requestLevels();
    this.update();
  }

  /** A level-triggered line requests for as long as it is up. */
  private requestLevels() {
    const s = this.s;
    const level = (s.icw1 & ICW1_LEVEL) !== 0 ? 0xff : s.elcr;
    s.irr = (s.irr & ~level) | (s.lines & level);
  }

  private isLevel(bit: number) {
    return (this.s.elcr & bit) !== 0 || (this.s.icw1 & ICW1_LEVEL) !== 0;
  }

  save(): ChipState {
    return { ...this.s };
  }
  /** State already parsed. */
  load(state: ChipState) {
    this.s = { ...state };
    this.update();
  }
}

function zeroChip(): ChipState {
  return {
    irr: 0,
    imr: 0,
    isr: 0,
    lines: 0,
    elcr: 0,
    base: 0,
    lowest: 7,
    icw: 0,
    icw1: 0,
    icw4: 0,
    readIsr: false,
    poll: false,
    specialMask: false,
    rotateAuto: false,
  };
}

export const PicState = defineState('pic', 1, { master: ChipState, slave: ChipState });

export class PicPair implements Device<StateOf<typeof PicState>> {
  private readonly master: Pic8259;
  private readonly slave: Pic8259;
  private intr = false;
  /** How many drivers hold each line up. */
  private readonly raised = new Uint8Array(16);

  constructor(ports: PortBus, onIntr: (level: boolean) => void) {
    this.master = new Pic8259(true, level => {
      if (level === this.intr) return;
      this.intr = level;
      onIntr(level);
    });
    this.slave = new Pic8259(false, level => this.master.setLine(CASCADE, level));
    for (const [chip, command, elcr] of [
      [this.master, 0x20, 0x4d0],
      [this.slave, 0xa0, 0x4d1],
    ] as const) {
      ports.onRead(command, () => chip.readCommand());
      ports.onWrite(command, value => chip.writeCommand(value));
      ports.onRead(command + 1, () => chip.readData());
      ports.onWrite(command + 1, value => chip.writeData(value));
      ports.onRead(elcr, () => chip.readElcr());
      ports.onWrite(elcr, value => chip.writeElcr(value));
    }
  }

  /** A new driver of the line, which is up while any of its drivers is. */
  line(irq: number): IrqLine {
    const chip = irq < 8 ? this.master : this.slave;
    let driven = false;
    return {
      set: level => {
        if (level === driven) return;
        driven = level;
        const others = level ? this.raised[irq]!++ : --this.raised[irq]!;
        if (others === 0) chip.setLine(irq & 7, level);
      },
    };
  }

  /** The two INTA cycles: the vector that the CPU gets. */
  acknowledge(): number {
    const line = this.master.acknowledge();
    let vector = this.master.vector(line);
    if (line === CASCADE) {
      vector = this.slave.vector(this.slave.acknowledge());
      this.slave.afterAcknowledge();
    }
    this.master.afterAcknowledge();
    return vector;
  }

  reset() {
    this.slave.reset();
    this.master.reset();
  }
  saveState() {
    return { master: this.master.save(), slave: this.slave.save() };
  }
  loadState(raw: unknown) {
    const state = PicState.parse(raw);
    this.slave.load(state.slave);
    this.master.load(state.master);
  }
}
