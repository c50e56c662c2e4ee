/** A CPU in flat protected mode with descriptor tables for both rings, in which every exception's handler halts: for tests of faults. */
import * as block from '#engine/cpu/block.ts';
import { bareCpu, ESP, type BareCpu } from './bare-cpu.ts';
import * as D from './descriptors.ts';

export const CODE0 = 0x08;
export const DATA0 = 0x10;
export const CODE3 = 0x1b;
export const DATA3 = 0x23;
export const TSS_SELECTOR = 0x28;
/** Free GDT slots from here. */
export const SPARE = 0x30;
const GDT = 0x2000;
const GDT_LIMIT = 0xff;
const IDT = 0x3000;
const TSS = 0x3800;
/** Handler of vector n: HLT at HANDLERS + n. */
const HANDLERS = 0x4000;
const STACK0 = 0x7000;
export const CODE = 0x10000;
const HLT = 0xf4;

const le32 = (value: number) => [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, (value >>> 24) & 0xff];

export interface Fault {
  readonly vector: number;
  readonly eip: number;
  /** Absent for the exceptions that push none. */
  readonly error?: number;
}
const WITH_ERROR = new Set([8, 10, 11, 12, 13, 14, 17]);

export class UserMachine {
  readonly cpu: BareCpu;

  constructor() {
    this.cpu = bareCpu();
  }

  set(field: number, value: number) {
    this.cpu.block.setUint32(field, value >>> 0, true);
  }
  get(field: number) {
    return this.cpu.block.getUint32(field, true);
  }
  descriptor(selector: number, [low, high]: D.Dwords) {
    this.cpu.poke(GDT + (selector & 0xfff8), [...le32(low), ...le32(high)]);
  }

  /** Points everything at `code`, in ring 3 or 0. */
  start(code: readonly number[], ring: 0 | 3 = 3) {
    const { cpu } = this;
    cpu.start(code, CODE);
    this.descriptor(CODE0, D.segment(D.CODE | 1, 0, 0xffff_ffff));
    this.descriptor(DATA0, D.segment(D.DATA | 1, 0, 0xffff_ffff));
    this.descriptor(CODE3, D.segment(D.CODE | D.RING3 | 1, 0, 0xffff_ffff));
    this.descriptor(DATA3, D.segment(D.DATA | D.RING3 | 1, 0, 0xffff_ffff));
    for (let vector = 0; vector < 256; vector++) {
      const [low, high] = D.gate(D.INT32, CODE0, HANDLERS + vector);
      cpu.poke(IDT + vector * 8, [...le32(low), ...le32(high)]);
      cpu.poke(HANDLERS + vector, [HLT]);
    }
    cpu.poke(TSS + 4, [...le32(STACK0), ...le32(DATA0)]);
    this.set(block.GDTR_BASE, GDT);
    this.set(block.GDTR_LIMIT, GDT_LIMIT);
    this.set(block.IDTR_BASE, IDT);
    this.set(block.IDTR_LIMIT, 0x7ff);
    this.set(block.SEG_TR + block.SEG_SELECTOR, TSS_SELECTOR);
    this.set(block.SEG_TR + block.SEG_ATTR, 0x8b00);
    this.set(block.SEG_TR + block.SEG_BASE, TSS);
    this.set(block.SEG_TR + block.SEG_LIMIT, 0x67);
    this.set(block.CPL, ring);
    for (const seg of [block.SEG_ES, block.SEG_CS, block.SEG_SS, block.SEG_DS]) {
      const isCode = seg === block.SEG_CS;
      this.set(seg + block.SEG_SELECTOR, isCode ? (ring ? CODE3 : CODE0) : ring ? DATA3 : DATA0);
      this.set(seg + block.SEG_ATTR, (isCode ? 0xc09b00 : 0xc09300) | (ring << 13));
    }
    cpu.cpu.exports.resetDerived();
  }

  /** Narrows DS. */
  limitData(limit: number, attr = this.get(block.SEG_DS + block.SEG_ATTR)) {
    this.set(block.SEG_DS + block.SEG_LIMIT, limit);
    this.set(block.SEG_DS + block.SEG_ATTR, attr);
    this.cpu.cpu.exports.resetDerived();
  }

  /** Runs until the HLT of a handler, or of the code in ring 0 (undefined). */
  fault(budget = 10_000): Fault | undefined {
    this.cpu.cpu.run(budget);
    const at = this.cpu.eip() - 1 - HANDLERS;
    if (at < 0 || at > 255) return undefined;
    const esp = this.cpu.reg(ESP);
    if (!WITH_ERROR.has(at)) return { vector: at, eip: this.cpu.peek32(esp) };
    return { vector: at, eip: this.cpu.peek32(esp + 4), error: this.cpu.peek32(esp) };
  }
}
