/** What only shows with the interpreter running: traps after instructions, and guests that never get to execute one. */
import { beforeEach, describe, expect, test } from 'vitest';
import { coreModule } from '#test/support/core-module.ts';
import * as B from './block.ts';
import { FLAG_IF, FLAG_TF, VEC_DB, VEC_UD } from './bits.ts';
import { STOP_BUDGET } from './core-exports.ts';
import { Cpu } from './cpu.ts';
import { CPU_BLOCK, PAGE_SIZE, POOL_BASE } from '../memory/layout.ts';

const POOL_PAGES = 64;
const CODE = 0x1000;
/** Handler of vector n: a HLT at HANDLERS + n. */
const HANDLERS = 0x2000;
const HLT = 0xf4;

let cpu: Cpu;
let view: DataView;

const get = (field: number) => view.getUint32(CPU_BLOCK + field, true);
const set = (field: number, value: number) => view.setUint32(CPU_BLOCK + field, value, true);
const host = (pa: number) => cpu.exports.pageForWrite(pa >>> 12) + (pa & 0xfff);
const poke = (pa: number, ...bytes: number[]) => bytes.forEach((byte, i) => view.setUint8(host(pa + i), byte));
const peek16 = (pa: number) => view.getUint16(host(pa), true);

/** Real mode, code at 0:CODE, stack below 0:8000h, every vector to a HLT of its own. */
beforeEach(() => {
  const memory = new WebAssembly.Memory({ initial: (POOL_BASE + POOL_PAGES * PAGE_SIZE) / 0x1_0000, maximum: 65536, shared: true });
  view = new DataView(memory.buffer);
  cpu = new Cpu(coreModule(), memory, {
    portIn: () => 0xff,
    portOut: () => {},
    mmioRead: () => 0xff,
    mmioWrite: () => {},
    acknowledgeInterrupt: () => 0x20,
    fpuError: () => {},
    poolExhausted: () => {},
  });
  cpu.exports.init(POOL_PAGES - 1, POOL_PAGES);
  cpu.exports.mapRam(0, POOL_PAGES - 1);
  for (let vector = 0; vector < 256; vector++) {
    poke(vector * 4, (HANDLERS + vector) & 0xff, (HANDLERS + vector) >>> 8, 0, 0);
    poke(HANDLERS + vector, HLT);
  }
  set(B.SEG_CS + B.SEG_SELECTOR, 0);
  set(B.SEG_CS + B.SEG_BASE, 0);
  set(B.RIP, CODE);
  set(B.REGS + 4 * 8, 0x8000);
  cpu.exports.resetDerived();
});

/** The vector whose handler halted, and the return address that it was given. */
function trapped(): [vector: number, from: number] {
  cpu.run(1000);
  return [get(B.RIP) - 1 - HANDLERS, peek16(get(B.REGS + 4 * 8))];
}

describe('traps', () => {
  test('TF traps after each instruction', () => {
    poke(CODE, 0x90, 0x90);
    set(B.FLAGS, FLAG_TF | 2);
    expect(trapped()).toEqual([VEC_DB, CODE + 1]);
    expect(get(B.DR + 6 * 8)).toBe(0xffff_4ff0);
  });

  test('the instruction after STI runs before an interrupt is taken', () => {
    poke(CODE, 0xfb, 0x40, 0x40); // sti; inc ax; inc ax
    set(B.INTR, 1);
    expect(trapped()).toEqual([0x20, CODE + 2]);
    expect(get(B.FLAGS) & FLAG_IF).toBe(0);
  });

  test('TF traps after each element of a repeated string instruction', () => {
    poke(CODE, 0xf3, 0xa4); // rep movsb
    set(B.FLAGS, FLAG_TF | 2);
    set(B.REGS + 8, 3);
    expect(trapped()).toEqual([VEC_DB, CODE]);
    expect(get(B.REGS + 8)).toBe(2);
  });

  test.each([
    ['MOV SS', [0x8e, 0xd0]], // mov ss, ax
    ['POP SS', [0x17]],
  ])('TF traps only after the instruction that follows %s', (_name, code) => {
    poke(CODE, ...code, 0x90, 0x90);
    set(B.FLAGS, FLAG_TF | 2);
    expect(trapped()).toEqual([VEC_DB, CODE + code.length + 1]);
  });

  test('TF traps after STI', () => {
    poke(CODE, 0xfb, 0x90);
    set(B.FLAGS, FLAG_TF | 2);
    expect(trapped()).toEqual([VEC_DB, CODE + 1]);
  });

  test('a data breakpoint of MOV SS waits for the instruction that follows', () => {
    poke(CODE, 0x8e, 0x16, 0x00, 0x50, 0x90, 0x90); // mov ss, [5000h]
    set(B.DR, 0x5000);
    set(B.DR + 7 * 8, 0x402 | (0b1111 << 16));
    cpu.exports.resetDerived();
    expect([...trapped(), get(B.DR + 6 * 8) & 0xf]).toEqual([VEC_DB, CODE + 5, 1]);
  });

  const SS_LOADS: [string, number[]][] = [
    ['MOV SS', [0x8e, 0x16, 0x00, 0x50]], // mov ss, [5000h]
    ['POP SS', [0x17]],
  ];
  /** A breakpoint at `at`: type and length as in DR7. */
  function breakAt(index: number, at: number, type: number) {
    set(B.DR + index * 8, at);
    set(B.DR + 7 * 8, get(B.DR + 7 * 8) | 0x400 | (2 << (2 * index)) | (type << (16 + 4 * index)));
    cpu.exports.resetDerived();
  }
  const EXECUTE = 0b0000;
  const READ_WRITE_2 = 0b0111;

  test.each(SS_LOADS)('an instruction breakpoint behind %s is held off, the next one is not', (_name, code) => {
    poke(CODE, ...code, 0x40, 0x40, 0x40);
    breakAt(0, CODE + code.length, EXECUTE);
    breakAt(1, CODE + code.length + 1, EXECUTE);
    expect([...trapped(), get(B.DR + 6 * 8) & 0xf]).toEqual([VEC_DB, CODE + code.length + 1, 2]);
  });

  test('an instruction breakpoint behind STI is not held off', () => {
    poke(CODE, 0xfb, 0x40);
    breakAt(0, CODE + 1, EXECUTE);
    expect(trapped()).toEqual([VEC_DB, CODE + 1]);
  });

  test.each([
    ['INT1', [0xf1], 1],
    ['INT1 behind STI', [0xfb, 0xf1], undefined],
    ['a move of SS from a register', [0x8e, 0xd0], 2],
    ['STI', [0xfb], 1],
    ['NOP', [0x90], 1],
  ])('a data breakpoint of MOV SS with %s behind it is told once', (_name, code, behind) => {
    // The handler counts, and goes on.
    poke(HANDLERS + VEC_DB, 0x36, 0xff, 0x06, 0x00, 0x60, 0xcf); // inc word ss:[6000h]; iret
    poke(CODE, 0x8e, 0x16, 0x00, 0x50, ...code, 0x90, HLT);
    breakAt(0, 0x5000, READ_WRITE_2);
    set(B.SEG_DS + B.SEG_BASE, 0);
    cpu.run(1000);
    expect(get(B.RIP)).toBe(CODE + 4 + code.length + 2);
    expect([peek16(0x6000), get(B.DR + 6 * 8) & 0xf]).toEqual([behind === undefined ? 2 : 1, 1]);
  });

  test('data breakpoints of two loads of SS in a row are told together', () => {
    poke(CODE, 0x8e, 0x16, 0x00, 0x50, 0x8e, 0x16, 0x10, 0x50, 0x90);
    breakAt(0, 0x5000, READ_WRITE_2);
    breakAt(1, 0x5010, READ_WRITE_2);
    expect([...trapped(), get(B.DR + 6 * 8) & 0xf]).toEqual([VEC_DB, CODE + 8, 3]);
  });

  test('a data breakpoint of MOV SS behind STI is told', () => {
    poke(CODE, 0xfb, 0x8e, 0x16, 0x00, 0x50, 0x90);
    breakAt(0, 0x5000, READ_WRITE_2);
    expect([...trapped(), get(B.DR + 6 * 8) & 0xf]).toEqual([VEC_DB, CODE + 5, 1]);
  });

  test('with BTF, TF traps after the next branch that is taken, and BTF is off then', () => {
    poke(CODE, 0x0f, 0x30, 0x9d, 0x40, 0x75, 0x00, 0xf3, 0xaa, 0xeb, 0x02); // wrmsr; popf; inc ax; jnz +0; rep stosb; jmp +2
    poke(0x7ffe, FLAG_TF & 0xff, FLAG_TF >>> 8);
    set(B.REGS, 2);
    set(B.REGS + 1 * 8, 0x1d9);
    set(B.REGS + 2 * 8, 0);
    set(B.REGS + 7 * 8, 0x5000);
    set(B.REGS + 4 * 8, 0x7ffe);
    expect(trapped()).toEqual([VEC_DB, CODE + 12]);
    expect([get(B.DEBUGCTL), get(B.DR + 6 * 8)]).toEqual([0, 0xffff_4ff0]);
  });

  test.each([
    ['a write', [0xa2, 0x02, 0x50], 0b01, CODE + 3], // mov [5002h], al
    ['a wider write that ends there', [0xa3, 0xff, 0x4f], 0b01, CODE + 3], // mov [4fffh], ax
    ['a read, where reads count', [0xa0, 0x03, 0x50], 0b11, CODE + 3], // mov al, [5003h]
    ['a repeated store', [0xf3, 0xaa], 0b01, CODE], // rep stosb: from the element that touched it
  ])('a data breakpoint traps after %s', (_name, code, type, next) => {
    poke(CODE, ...code, 0x90, 0x90);
    set(B.REGS + 7 * 8, 0x4ff0);
    set(B.REGS + 1 * 8, 0x20);
    set(B.DR, 0x5000);
    set(B.DR + 7 * 8, 0x402 | (type << 16) | (0b11 << 18));
    cpu.exports.resetDerived();
    expect([...trapped(), get(B.DR + 6 * 8) & 0xf]).toEqual([VEC_DB, next, 1]);
  });

  test('a data breakpoint that nothing touches changes nothing', () => {
    poke(CODE, 0xa2, 0x04, 0x50, HLT); // mov [5004h], al
    set(B.DR, 0x5000);
    set(B.DR + 7 * 8, 0x402 | (0b1101 << 16));
    cpu.exports.resetDerived();
    cpu.run(1000);
    expect(get(B.RIP)).toBe(CODE + 4);
  });
});

describe('progress', () => {
  test('a handler that faults at once, for ever, uses up the budget', () => {
    poke(CODE, 0x0f, 0x0b); // ud2
    poke(VEC_UD * 4, CODE & 0xff, CODE >>> 8);
    expect(cpu.run(10_000)).toBe(STOP_BUDGET);
    expect(cpu.exports.instructionCount()).toBe(10_000);
  });
});
