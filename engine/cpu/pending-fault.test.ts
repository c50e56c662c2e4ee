/** A fault whose delivery finds the pool empty is delivered by the next run(), #DE too, and a double fault stays one. */
import { beforeEach, expect, test } from 'vitest';
import { coreModule } from '#test/support/core-module.ts';
import { CPU_BLOCK, PAGE_SIZE, POOL_BASE } from '../memory/layout.ts';
import { FLAG_TF, VEC_DB, VEC_DE, VEC_DF, VEC_NP } from './bits.ts';
import * as B from './block.ts';
import { STOP_HALT } from './core-exports.ts';
import { Cpu, STOP_POOL_EXHAUSTED } from './cpu.ts';

const POOL_PAGES = 64;
const RAM_PAGES = 200;
const CODE = 0x1000;
const HANDLERS = 0x2000;
const HLT = 0xf4;
/** A stack in a page that nobody has written. */
const STACK = 0x9_0000;
const SPENT = 0x2_0000;

let cpu: Cpu;
let memory: WebAssembly.Memory;
let view: DataView;
const get = (field: number) => view.getUint32(CPU_BLOCK + field, true);
const set = (field: number, value: number) => view.setUint32(CPU_BLOCK + field, value, true);
const poke = (pa: number, ...bytes: number[]) =>
  bytes.forEach((byte, i) => view.setUint8(cpu.exports.pageForWrite((pa + i) >>> 12) + ((pa + i) & 0xfff), byte));

/** A core over the same memory that has executed nothing. */
function otherCpu() {
  return new Cpu(coreModule(), memory, {
    portIn: () => 0xff,
    portOut: () => {},
    mmioRead: () => 0xff,
    mmioWrite: () => {},
    acknowledgeInterrupt: () => 0x20,
    fpuError: () => {},
    poolExhausted: () => {},
  });
}

beforeEach(() => {
  memory = new WebAssembly.Memory({ initial: (POOL_BASE + POOL_PAGES * PAGE_SIZE) / 0x1_0000, maximum: 65536, shared: true });
  view = new DataView(memory.buffer);
  cpu = otherCpu();
  cpu.exports.init(RAM_PAGES, POOL_PAGES);
  cpu.exports.mapRam(0, RAM_PAGES);
  for (let vector = 0; vector < 32; vector++) {
    poke(vector * 4, (HANDLERS + vector) & 0xff, (HANDLERS + vector) >>> 8, 0, 0);
    poke(HANDLERS + vector, HLT);
  }
  set(B.SEG_CS + B.SEG_SELECTOR, 0);
  set(B.SEG_CS + B.SEG_BASE, 0);
  set(B.SEG_SS + B.SEG_SELECTOR, STACK >>> 4);
  set(B.SEG_SS + B.SEG_BASE, STACK);
  set(B.REGS + 4 * 8, 0x100);
  set(B.RIP, CODE);
  poke(CODE, 0xd4, 0x00, HLT); // aam 0: #DE
  for (let gppn = SPENT >>> 12; cpu.exports.freePages() > 0; gppn++) cpu.exports.pageForWrite(gppn);
  cpu.exports.resetDerived();
});

test('#DE waits for a page', () => {
  expect(cpu.run(100)).toBe(STOP_POOL_EXHAUSTED);
  expect(cpu.run(100)).toBe(STOP_POOL_EXHAUSTED);
  cpu.exports.clearPage(SPENT >>> 12);
  expect(cpu.run(100)).toBe(STOP_HALT);
  expect(get(B.RIP)).toBe(HANDLERS + 1);
});

test('in a machine that its state is loaded into, a fault in the delivery still makes a double fault', () => {
  cpu.exports.clearPage(SPENT >>> 12); // for the tables
  const GDT = 0x3000;
  poke(GDT + 8, 0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0);
  for (const vector of [VEC_DE, VEC_DF, VEC_NP])
    poke(GDT + 0x100 + vector * 8, (HANDLERS + vector) & 0xff, HANDLERS >>> 8, 8, 0, 0, 0x8e, 0, 0);
  set(B.CR0, 0x11);
  set(B.GDTR_BASE, GDT);
  set(B.GDTR_LIMIT, 0xf);
  set(B.IDTR_BASE, GDT + 0x100);
  set(B.IDTR_LIMIT, 0x7ff);
  cpu.exports.resetDerived();
  expect(cpu.run(100)).toBe(STOP_POOL_EXHAUSTED);

  const saved = cpu.save();
  const other = otherCpu();
  other.load(saved);
  poke(GDT + 0x105, 0x0e); // the gate of #DE is not present any more
  other.exports.clearPage((SPENT >>> 12) + 1);
  expect(other.run(100)).toBe(STOP_HALT);
  expect(get(B.RIP)).toBe(HANDLERS + VEC_DF + 1);
});

test('a debug trap waits too, also in a machine that its state is loaded into', () => {
  set(B.FLAGS, FLAG_TF | 2);
  poke(CODE, 0x40, HLT); // inc ax
  expect(cpu.run(100)).toBe(STOP_POOL_EXHAUSTED);
  const saved = cpu.save();
  const other = otherCpu();
  other.load(saved);
  other.exports.clearPage(SPENT >>> 12);
  expect(other.run(100)).toBe(STOP_HALT);
  const pushed = view.getUint16(other.exports.pageForRead(STACK >>> 12) + 0x100 - 6, true);
  expect([get(B.RIP), pushed]).toEqual([HANDLERS + VEC_DB + 1, CODE + 1]);
});
