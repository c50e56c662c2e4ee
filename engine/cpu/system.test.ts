import { beforeEach, describe, expect, test } from 'vitest';
import * as D from '#test/support/descriptors.ts';
import { LoneSystem, POOL_EXHAUSTED } from '#test/support/lone-system.ts';
import * as F from './bits.ts';
import * as B from './block.ts';

const [ES, CS, SS, DS, FS, GS, TR] = [0, 1, 2, 3, 4, 5, 7] as const;
const [EAX, ECX, EDX, EBX, ESP] = [0, 1, 2, 3, 4] as const;
const KIND = { external: 0, exception: 1, int: 2, trap: 3 };

// Where the tests keep their tables, and what is in the GDT.
const GDT = 0x1000;
const IDT = 0x2000;
const TSS = 0x3000;
const OTHER_TSS = 0x3800;
const STACK0 = 0x6000;
const STACK3 = 0x8000;
const CODE0 = 0x08;
const DATA0 = 0x10;
const CODE3 = 0x1b;
const DATA3 = 0x23;
const TSS_SEL = 0x28;
const OTHER_TSS_SEL = 0x30;
const SPARE = 0x38;
const SPARE2 = 0x40;

let cpu: LoneSystem;

function descriptor(selector: number, [low, high]: D.Dwords): void {
  cpu.poke64(GDT + (selector & 0xfff8), low, high);
}
function idtGate(vector: number, [low, high]: D.Dwords): void {
  cpu.poke64(IDT + vector * 8, low, high);
}

/** Flat protected mode in ring 0 with a TSS; RIP 0x100. */
function enterProtected(): void {
  descriptor(CODE0, D.segment(D.CODE, 0, 0xffff_ffff));
  descriptor(DATA0, D.segment(D.DATA, 0, 0xffff_ffff));
  descriptor(CODE3, D.segment(D.CODE | D.RING3, 0, 0xffff_ffff));
  descriptor(DATA3, D.segment(D.DATA | D.RING3, 0, 0xffff_ffff));
  descriptor(TSS_SEL, D.segment(D.TSS32, TSS, 0x67));
  descriptor(OTHER_TSS_SEL, D.segment(D.TSS32, OTHER_TSS, 0x67));
  cpu.set(B.GDTR_BASE, GDT);
  cpu.set(B.GDTR_LIMIT, 0x47);
  cpu.set(B.IDTR_BASE, IDT);
  cpu.set(B.IDTR_LIMIT, 0x7ff);
  cpu.x.movToCr(0, F.CR0_PE);
  cpu.x.farJump(CODE0, 0x100);
  for (const seg of [ES, SS, DS, FS, GS]) cpu.x.loadSegment(seg, DATA0);
  cpu.setReg(ESP, STACK0);
  cpu.x.ltr(TSS_SEL);
  cpu.poke32(TSS + 4, STACK0);
  cpu.poke16(TSS + 8, DATA0);
}

/** IRET to ring 3 at 0x200 with the stack STACK3. */
function enterRing3(flags = F.FLAG_IF): void {
  const frame = STACK0 - 20;
  [0x200, CODE3, flags, STACK3, DATA3].forEach((value, i) => cpu.poke32(frame + i * 4, value));
  cpu.setReg(ESP, frame);
  cpu.x.iret(true);
}

function stack(count: number): number[] {
  return Array.from({ length: count }, (_, i) => cpu.peek32(cpu.reg(ESP) + i * 4));
}

beforeEach(async () => {
  cpu = await LoneSystem.create();
});

describe('reset and real mode', () => {
  test('starts at F000:FFF0 with the base at the top of memory', () => {
    expect([cpu.selector(CS), cpu.base(CS), cpu.eip, cpu.flags, cpu.get(B.CR0)]).toEqual([0xf000, 0xffff_0000, 0xfff0, 2, 0x6000_0010]);
  });

  test('an interrupt pushes FLAGS, CS, IP and IRET takes them back', () => {
    cpu.poke16(0x80 * 4, 0x1234);
    cpu.poke16(0x80 * 4 + 2, 0x0500);
    cpu.x.loadSegment(SS, 0x0700);
    cpu.setReg(ESP, 0xabcd_0000);
    cpu.set(B.FLAGS, F.FLAG_IF | F.FLAG_TF | 2);
    cpu.x.interrupt(0x80, KIND.int, false, 0);
    expect([cpu.selector(CS), cpu.base(CS), cpu.eip, cpu.flags]).toEqual([0x500, 0x5000, 0x1234, 2]);
    expect(cpu.reg(ESP)).toBe(0xabcd_fffa);
    expect([cpu.peek16(0x16ffa), cpu.peek16(0x16ffc), cpu.peek16(0x16ffe)]).toEqual([0xfff0, 0xf000, 0x302]);
    cpu.x.iret(false);
    expect([cpu.selector(CS), cpu.eip, cpu.flags, cpu.reg(ESP)]).toEqual([0xf000, 0xfff0, 0x302, 0xabcd_0000]);
  });

  test('a vector beyond the IDT limit ends in shutdown', () => {
    cpu.set(B.IDTR_LIMIT, 0x10);
    expect(cpu.fault(() => cpu.x.interrupt(0x80, KIND.int, false, 0))?.vector).toBe(F.VEC_GP);
    cpu.deliver();
    expect(cpu.get(B.SHUTDOWN)).toBe(1);
  });

  test('protected-mode instructions are undefined', () => {
    expect(cpu.fault(() => cpu.x.str())).toEqual({ vector: F.VEC_UD });
    expect(cpu.fault(() => cpu.x.lar(8))).toEqual({ vector: F.VEC_UD });
  });
});

describe('segment loading', () => {
  beforeEach(enterProtected);

  test('fills the cache and marks the descriptor accessed', () => {
    descriptor(SPARE, D.segment(D.DATA, 0x1234_5678, 0x1_2345, false));
    cpu.x.loadSegment(DS, SPARE);
    expect([cpu.base(DS), cpu.limit(DS), cpu.attr(DS)]).toEqual([0x1234_5678, 0x1_2345, 0x9300]);
    expect(cpu.peek8(GDT + SPARE + 5)).toBe(0x93);
  });

  test.each([
    ['beyond the table', DS, 0x48, undefined, F.VEC_GP],
    ['no LDT', DS, SPARE | 4, D.segment(D.DATA, 0, 0xffff), F.VEC_GP],
    ['execute-only into DS', DS, SPARE, D.segment(D.EXECUTE_ONLY, 0, 0xffff), F.VEC_GP],
    ['system segment', ES, SPARE, D.segment(D.LDT, 0, 0xffff), F.VEC_GP],
    ['RPL above DPL', DS, SPARE | 3, D.segment(D.DATA, 0, 0xffff), F.VEC_GP],
    ['absent data', FS, SPARE, D.segment(D.DATA & 0x7f, 0, 0xffff), F.VEC_NP],
    ['absent stack', SS, SPARE, D.segment(D.DATA & 0x7f, 0, 0xffff), F.VEC_SS],
    ['read-only stack', SS, SPARE, D.segment(D.READ_ONLY, 0, 0xffff), F.VEC_GP],
    ['stack of ring 3 in ring 0', SS, SPARE, D.segment(D.DATA | D.RING3, 0, 0xffff), F.VEC_GP],
  ])('%s faults with its selector and changes nothing', (_name, seg, selector, entry, vector) => {
    if (entry) descriptor(selector, entry);
    expect(cpu.fault(() => cpu.x.loadSegment(seg, selector))).toEqual({ vector, error: selector & 0xfffc });
    expect(cpu.selector(seg)).toBe(DATA0);
  });

  test('null is good for data until it is used, never for SS', () => {
    cpu.x.loadSegment(ES, 3);
    expect(cpu.fault(() => cpu.x.segCheck(ES, 0, 1, false))).toEqual({ vector: F.VEC_GP, error: 0 });
    expect(cpu.fault(() => cpu.x.loadSegment(SS, 0))).toEqual({ vector: F.VEC_GP, error: 0 });
  });

  test('limits: expand-up, expand-down, stack', () => {
    descriptor(SPARE, D.segment(D.DATA, 0, 0xfff));
    descriptor(SPARE2, D.segment(D.EXPAND_DOWN, 0, 0xfff, false));
    cpu.x.loadSegment(DS, SPARE);
    cpu.x.loadSegment(ES, SPARE2);
    cpu.x.loadSegment(SS, SPARE);
    const ok = (seg: number, offset: number, size: number) => cpu.fault(() => cpu.x.segCheck(seg, offset, size, true));
    expect(ok(DS, 0xffc, 4)).toBeUndefined();
    expect(ok(DS, 0xffd, 4)).toEqual({ vector: F.VEC_GP, error: 0 });
    expect(ok(ES, 0x1000, 4)).toBeUndefined();
    expect(ok(ES, 0xfff, 1)).toEqual({ vector: F.VEC_GP, error: 0 });
    expect(ok(ES, 0xfffd, 4)).toEqual({ vector: F.VEC_GP, error: 0 });
    expect(ok(SS, 0x1000, 1)).toEqual({ vector: F.VEC_SS, error: 0 });
  });

  test('LAR, LSL, VERR, VERW, ARPL say what loading would', () => {
    descriptor(SPARE, D.segment(D.READ_ONLY, 0, 0x12_3fff));
    expect([cpu.x.lar(SPARE), cpu.x.lsl(SPARE)]).toEqual([0xc0_9000n, 0x12_3fffn]);
    expect(cpu.flags & F.FLAG_ZF).not.toBe(0);
    cpu.x.verr(SPARE);
    expect(cpu.flags & F.FLAG_ZF).not.toBe(0);
    cpu.x.verw(SPARE);
    expect(cpu.flags & F.FLAG_ZF).toBe(0);
    expect(cpu.x.lar(SPARE | 3)).toBe(-1n);
    expect(cpu.x.arpl(0x10, 0x23)).toBe(0x13);
    expect(cpu.flags & F.FLAG_ZF).not.toBe(0);
  });
});

describe('rings', () => {
  beforeEach(enterProtected);

  test('IRET to ring 3 drops ring-0 data segments', () => {
    cpu.x.loadSegment(ES, DATA3);
    enterRing3();
    expect([cpu.cpl, cpu.eip, cpu.selector(CS), cpu.selector(SS), cpu.reg(ESP)]).toEqual([3, 0x200, CODE3, DATA3, STACK3]);
    expect([cpu.selector(ES), cpu.selector(DS), cpu.attr(DS) & F.ATTR_NULL]).toEqual([DATA3, 0, 1]);
    expect(cpu.flags).toBe(F.FLAG_IF | 2);
  });

  test('an exception in ring 3 comes to ring 0 on the stack of the TSS with RF in its image', () => {
    idtGate(F.VEC_GP, D.gate(D.INT32, CODE0, 0x5_0000));
    enterRing3();
    expect(cpu.fault(() => cpu.x.movToCr(0, 0))).toEqual({ vector: F.VEC_GP, error: 0 });
    expect(cpu.deliver()).toEqual([]);
    expect([cpu.cpl, cpu.eip, cpu.selector(CS), cpu.selector(SS)]).toEqual([0, 0x5_0000, CODE0, DATA0]);
    expect(cpu.reg(ESP)).toBe(STACK0 - 24);
    expect(stack(6)).toEqual([0, 0x200, CODE3, F.FLAG_IF | F.FLAG_RF | 2, STACK3, DATA3]);
    expect(cpu.flags).toBe(2);
    cpu.setReg(ESP, cpu.reg(ESP) + 4);
    cpu.x.iret(true);
    expect([cpu.cpl, cpu.eip, cpu.flags]).toEqual([3, 0x200, F.FLAG_IF | 2]); // RF is gone: no breakpoint waits
  });

  test('INT n looks at the DPL of the gate, an external interrupt does not', () => {
    idtGate(0x30, D.gate(D.TRAP32, CODE0, 0x5_0000));
    enterRing3();
    expect(cpu.fault(() => cpu.x.interrupt(0x30, KIND.int, false, 0))).toEqual({ vector: F.VEC_GP, error: 0x30 * 8 + 2 });
    expect(cpu.fault(() => cpu.x.interrupt(0x30, KIND.external, false, 0))).toBeUndefined();
    expect([cpu.cpl, cpu.flags]).toEqual([0, F.FLAG_IF | 2]); // a trap gate keeps IF
  });

  test('a stack that is not there is #TS or #SS with its selector and EXT', () => {
    idtGate(0x30, D.gate(D.INT32, CODE0, 0x5_0000));
    enterRing3();
    cpu.poke16(TSS + 8, DATA3);
    expect(cpu.fault(() => cpu.x.interrupt(0x30, KIND.external, false, 0))).toEqual({ vector: F.VEC_TS, error: (DATA3 & 0xfffc) | 1 });
    descriptor(SPARE, D.segment(D.DATA & 0x7f, 0, 0xffff_ffff));
    cpu.poke16(TSS + 8, SPARE);
    expect(cpu.fault(() => cpu.x.interrupt(0x30, KIND.external, false, 0))).toEqual({ vector: F.VEC_SS, error: SPARE | 1 });
    expect([cpu.cpl, cpu.eip, cpu.reg(ESP)]).toEqual([3, 0x200, STACK3]);
  });

  test('call gate: stack switch, parameters, and RETF n back', () => {
    descriptor(SPARE, D.gate(D.CALL32 | D.RING3, CODE0, 0x7000, 2));
    enterRing3();
    cpu.setReg(ESP, STACK3 - 8);
    cpu.poke32(STACK3 - 8, 0x1111);
    cpu.poke32(STACK3 - 4, 0x2222);
    cpu.x.farCall(SPARE | 3, 0xdead_beef, true);
    expect([cpu.cpl, cpu.eip, cpu.selector(CS), cpu.selector(SS)]).toEqual([0, 0x7000, CODE0, DATA0]);
    expect(stack(6)).toEqual([0x200, CODE3, 0x1111, 0x2222, STACK3 - 8, DATA3]);
    cpu.x.farReturn(true, 8);
    expect([cpu.cpl, cpu.eip, cpu.selector(CS), cpu.selector(SS), cpu.reg(ESP)]).toEqual([3, 0x200, CODE3, DATA3, STACK3]);
  });

  test('a far jump to another ring, past the limit or to data faults', () => {
    expect(cpu.fault(() => cpu.x.farJump(CODE3, 0))).toEqual({ vector: F.VEC_GP, error: CODE3 & 0xfffc });
    expect(cpu.fault(() => cpu.x.farJump(DATA0, 0))).toEqual({ vector: F.VEC_GP, error: DATA0 });
    descriptor(SPARE, D.segment(D.CODE, 0, 0xfff));
    expect(cpu.fault(() => cpu.x.farJump(SPARE, 0x1000))).toEqual({ vector: F.VEC_GP, error: 0 });
    expect([cpu.selector(CS), cpu.eip]).toEqual([CODE0, 0x100]);
  });

  test('conforming code runs at the caller’s ring', () => {
    descriptor(SPARE, D.segment(D.CONFORMING, 0, 0xffff_ffff));
    enterRing3();
    cpu.x.farCall(SPARE, 0x300, true);
    expect([cpu.cpl, cpu.selector(CS), cpu.eip]).toEqual([3, SPARE | 3, 0x300]);
    cpu.x.farReturn(true, 0);
    expect([cpu.cpl, cpu.selector(CS), cpu.eip]).toEqual([3, CODE3, 0x200]);
  });

  test('SYSENTER and SYSEXIT', () => {
    cpu.x.wrmsr(0x174, BigInt(CODE0));
    cpu.x.wrmsr(0x175, 0x5f00n);
    cpu.x.wrmsr(0x176, 0x9000n);
    enterRing3();
    cpu.x.sysenter();
    expect([cpu.cpl, cpu.eip, cpu.reg(ESP), cpu.selector(CS), cpu.selector(SS), cpu.flags]).toEqual([0, 0x9000, 0x5f00, CODE0, DATA0, 2]);
    cpu.setReg(EDX, 0x204);
    cpu.setReg(ECX, 0x7f00);
    cpu.x.sysexit();
    expect([cpu.cpl, cpu.eip, cpu.reg(ESP), cpu.selector(CS), cpu.selector(SS)]).toEqual([3, 0x204, 0x7f00, CODE3, DATA3]);
  });

  test('every way to a user program is noted, and nothing that stays in the kernel', () => {
    idtGate(0x30, D.gate(D.INT32, CODE0, 0x9000));
    cpu.x.wrmsr(0x174, BigInt(CODE0));
    descriptor(SPARE, D.gate(D.CALL32 | D.RING3, CODE0, 0x7000, 0));
    const noted = (step: () => void) => {
      const before = cpu.x.userRuns();
      step();
      return cpu.x.userRuns() !== before;
    };
    const interrupted = () => cpu.x.interrupt(0x30, KIND.external, false, 0);
    expect(noted(interrupted)).toBe(false);
    expect(noted(() => cpu.x.iret(true))).toBe(false);
    expect(noted(enterRing3)).toBe(true);
    expect(noted(interrupted)).toBe(false);
    expect(noted(() => cpu.x.iret(true))).toBe(true);
    expect(noted(() => cpu.x.farCall(SPARE | 3, 0, true))).toBe(false);
    expect(noted(() => cpu.x.farReturn(true, 0))).toBe(true);
    expect(noted(() => cpu.x.sysenter())).toBe(false);
    expect(noted(() => cpu.x.sysexit())).toBe(true);
    interrupted();
    [CODE3, DATA3].forEach((selector, i) => cpu.poke32(OTHER_TSS + 0x4c + i * 4, selector));
    expect(noted(() => cpu.x.farJump(OTHER_TSS_SEL, 0))).toBe(true);
  });

  test('I/O permission bitmap', () => {
    descriptor(TSS_SEL, D.segment(D.TSS32, TSS, 0x68 + 0x40));
    cpu.x.ltr(TSS_SEL);
    cpu.poke16(TSS + 0x66, 0x68);
    for (let i = 0; i <= 0x40; i++) cpu.poke8(TSS + 0x68 + i, 0xff);
    cpu.poke8(TSS + 0x68 + (0x60 >> 3), 0xfe);
    enterRing3();
    expect(cpu.fault(() => cpu.x.checkIo(0x60, 1))).toBeUndefined();
    expect(cpu.fault(() => cpu.x.checkIo(0x60, 2))).toEqual({ vector: F.VEC_GP, error: 0 });
    expect(cpu.fault(() => cpu.x.checkIo(0x3f8, 1))).toEqual({ vector: F.VEC_GP, error: 0 });
  });
});

describe('virtual-8086 mode', () => {
  function enterV86(flags = F.FLAG_IF): void {
    const frame = STACK0 - 36;
    [0x10, 0x4000, F.FLAG_VM | flags, 0xff00, 0x5000, 0x1, 0x2, 0x3, 0x4].forEach((value, i) => cpu.poke32(frame + i * 4, value));
    cpu.setReg(ESP, frame);
    cpu.x.iret(true);
  }

  beforeEach(enterProtected);

  test('IRET enters with nine dwords', () => {
    enterV86();
    expect([cpu.cpl, cpu.eip, cpu.base(CS), cpu.base(SS), cpu.reg(ESP)]).toEqual([3, 0x10, 0x4_0000, 0x5_0000, 0xff00]);
    expect([ES, DS, FS, GS].map(seg => cpu.base(seg))).toEqual([0x10, 0x20, 0x30, 0x40]);
    expect(cpu.flags).toBe(F.FLAG_VM | F.FLAG_IF | 2);
    expect(cpu.attr(CS)).toBe(0xf300);
  });

  test('an interrupt leaves it, saving the data segments', () => {
    idtGate(0x20, D.gate(D.INT32, CODE0, 0x9000));
    enterV86();
    cpu.x.interrupt(0x20, KIND.external, false, 0);
    expect([cpu.cpl, cpu.eip, cpu.flags]).toEqual([0, 0x9000, 2]);
    expect(stack(9)).toEqual([0x10, 0x4000, F.FLAG_VM | F.FLAG_IF | 2, 0xff00, 0x5000, 1, 2, 3, 4]);
    expect([ES, DS, FS, GS].map(seg => cpu.selector(seg))).toEqual([0, 0, 0, 0]);
    cpu.x.iret(true);
    expect([cpu.cpl, cpu.eip, cpu.base(GS)]).toEqual([3, 0x10, 0x40]);
  });

  test('INT n and IRET want IOPL 3, INT3 does not', () => {
    idtGate(3, D.gate(D.TRAP32 | D.RING3, CODE0, 0x9000));
    enterV86();
    expect(cpu.fault(() => cpu.x.interrupt(0x21, KIND.int, false, 0))).toEqual({ vector: F.VEC_GP, error: 0 });
    expect(cpu.fault(() => cpu.x.iret(false))).toEqual({ vector: F.VEC_GP, error: 0 });
    expect(cpu.fault(() => cpu.x.interrupt(3, KIND.trap, false, 0))).toBeUndefined();
  });

  test('with IOPL 3 IRET keeps VM and IOPL', () => {
    enterV86(F.FLAG_IOPL);
    [0x20, 0x4100, 0].forEach((value, i) => cpu.poke16(0x5_ff00 + i * 2, value));
    cpu.x.iret(false);
    expect([cpu.eip, cpu.base(CS), cpu.reg(ESP), cpu.flags]).toEqual([0x20, 0x4_1000, 0xff06, F.FLAG_VM | F.FLAG_IOPL | 2]);
  });
});

describe('double and triple faults', () => {
  beforeEach(enterProtected);

  test('a contributory fault while a contributory fault is delivered is #DF(0)', () => {
    idtGate(F.VEC_DF, D.gate(D.INT32, CODE0, 0xd00));
    expect(cpu.fault(() => cpu.x.loadSegment(DS, 0x100))?.vector).toBe(F.VEC_GP);
    expect(cpu.deliver()).toEqual([F.VEC_GP]);
    expect([cpu.eip, stack(2)]).toEqual([0xd00, [0, 0x100]]);
  });

  test('a benign fault first is no double fault', () => {
    idtGate(F.VEC_NP, D.gate(D.INT32, CODE0, 0xb00));
    idtGate(F.VEC_UD, D.gate(D.INT32 & 0x7f, CODE0, 0x600));
    expect(cpu.fault(() => cpu.x.movToCr(1, 0))).toEqual({ vector: F.VEC_UD });
    expect(cpu.deliver()).toEqual([F.VEC_NP]);
    expect([cpu.eip, stack(1)]).toEqual([0xb00, [F.VEC_UD * 8 + 3]]);
  });

  test('a page fault while a page fault is delivered is #DF', () => {
    idtGate(F.VEC_DF, D.gate(D.TASK_GATE, OTHER_TSS_SEL, 0));
    [DATA0, CODE0, DATA0, DATA0].forEach((selector, seg) => cpu.poke32(OTHER_TSS + 0x48 + seg * 4, selector));
    cpu.poke32(OTHER_TSS + 0x1c, 0x1_0000);
    cpu.poke32(OTHER_TSS + 0x20, 0x8888);
    cpu.poke32(OTHER_TSS + 0x28 + ESP * 4, 0x7000);
    idtGate(F.VEC_PF, D.gate(D.INT32, CODE0, 0xe00));
    cpu.poke32(0x1_0000, 0x1_1003);
    for (let i = 0; i < 0x20; i++) cpu.poke32(0x1_1000 + i * 4, (i << 12) | 3);
    cpu.x.movToCr(3, 0x1_0000);
    cpu.x.movToCr(0, F.CR0_PE | F.CR0_PG);
    cpu.setReg(ESP, 0x40_0000);
    expect(cpu.fault(() => cpu.x.read32(0x10_0000))).toEqual({ vector: F.VEC_PF, error: 0 });
    expect(cpu.deliver()).toEqual([F.VEC_PF]);
    expect([cpu.eip, cpu.get(B.CR2), cpu.get(B.SHUTDOWN), stack(1)]).toEqual([0x8888, 0x3f_fff0, 0, [0]]);
  });

  test('a delivery that finds the pool empty starts again, and is no double fault', () => {
    idtGate(F.VEC_GP, D.gate(D.INT32, CODE0, 0xd00));
    let filled = 0x100;
    while (cpu.x.freePages() > 0) cpu.poke8(filled++ << 12, 1);
    cpu.setReg(ESP, 0xf_f000);
    expect(cpu.fault(() => cpu.x.loadSegment(DS, 0x100))).toEqual({ vector: F.VEC_GP, error: 0x100 });
    expect(() => cpu.x.deliverFault()).toThrow(POOL_EXHAUSTED);
    cpu.x.clearPage(0x100);
    expect(cpu.deliver()).toEqual([]);
    expect([cpu.eip, stack(2)]).toEqual([0xd00, [0x100, 0x100]]);
  });

  test('an acknowledged interrupt that finds the pool empty is not lost', () => {
    idtGate(0x30, D.gate(D.INT32, CODE0, 0xd00));
    let filled = 0x100;
    while (cpu.x.freePages() > 0) cpu.poke8(filled++ << 12, 1);
    cpu.setReg(ESP, 0xf_f000);
    expect(() => cpu.x.deliverExternal(0x30)).toThrow(POOL_EXHAUSTED);
    expect(cpu.get(B.FAULT_VECTOR)).not.toBe(0);
    cpu.x.clearPage(0x100);
    expect(cpu.deliver()).toEqual([]);
    expect([cpu.eip, stack(1), cpu.get(B.FAULT_VECTOR)]).toEqual([0xd00, [0x100], 0]);
  });

  test('a stack outside RAM swallows the frame', () => {
    idtGate(F.VEC_GP, D.gate(D.INT32, CODE0, 0xd00));
    cpu.setReg(ESP, 0x80_0000);
    expect(cpu.fault(() => cpu.x.loadSegment(DS, 0x100))?.vector).toBe(F.VEC_GP);
    expect(cpu.deliver()).toEqual([]);
    expect([cpu.eip, cpu.reg(ESP)]).toEqual([0xd00, 0x80_0000 - 16]);
  });

  test('a fault while #DF is delivered shuts the CPU down', () => {
    cpu.set(B.IDTR_LIMIT, 0);
    expect(cpu.fault(() => cpu.x.loadSegment(DS, 0x100))?.vector).toBe(F.VEC_GP);
    expect(cpu.deliver()).toEqual([F.VEC_GP, F.VEC_GP]);
    expect(cpu.get(B.SHUTDOWN)).toBe(1);
  });
});

describe('task switches', () => {
  beforeEach(() => {
    enterProtected();
    cpu.poke32(OTHER_TSS + 0x20, 0x4444);
    cpu.poke32(OTHER_TSS + 0x24, F.FLAG_IF | 2);
    for (let i = 0; i < 8; i++) cpu.poke32(OTHER_TSS + 0x28 + i * 4, 0x1000 * i + 7);
    cpu.poke32(OTHER_TSS + 0x28 + ESP * 4, 0x7000);
    [DATA0, CODE0, DATA0, DATA0, 0, 0].forEach((selector, seg) => cpu.poke32(OTHER_TSS + 0x48 + seg * 4, selector));
    cpu.poke16(OTHER_TSS + 0x60, 0);
  });

  const busy = (selector: number) => (cpu.peek8(GDT + selector + 5) & 2) !== 0;

  test('CALL nests and IRET comes back', () => {
    cpu.setReg(EBX, 0x1234_5678);
    cpu.x.farCall(OTHER_TSS_SEL, 0, true);
    expect([cpu.eip, cpu.flags, cpu.reg(EAX), cpu.reg(ESP), cpu.get(B.CR0) & F.CR0_TS]).toEqual([
      0x4444,
      F.FLAG_NT | F.FLAG_IF | 2,
      7,
      0x7000,
      F.CR0_TS,
    ]);
    expect([cpu.selector(TR), cpu.peek16(OTHER_TSS), busy(TSS_SEL), busy(OTHER_TSS_SEL)]).toEqual([OTHER_TSS_SEL, TSS_SEL, true, true]);
    expect([cpu.peek32(TSS + 0x20), cpu.peek32(TSS + 0x28 + EBX * 4), cpu.peek16(TSS + 0x4c)]).toEqual([0x100, 0x1234_5678, CODE0]);
    cpu.x.iret(true);
    expect([cpu.eip, cpu.reg(EBX), cpu.flags, cpu.selector(TR)]).toEqual([0x100, 0x1234_5678, 2, TSS_SEL]);
    expect([busy(TSS_SEL), busy(OTHER_TSS_SEL), cpu.peek32(OTHER_TSS + 0x24) & F.FLAG_NT]).toEqual([true, false, 0]);
  });

  test('JMP frees the old task; a busy one is refused', () => {
    cpu.x.farJump(OTHER_TSS_SEL, 0);
    expect([cpu.flags & F.FLAG_NT, busy(TSS_SEL), busy(OTHER_TSS_SEL)]).toEqual([0, false, true]);
    expect(cpu.fault(() => cpu.x.farJump(OTHER_TSS_SEL, 0))).toEqual({ vector: F.VEC_GP, error: OTHER_TSS_SEL });
  });

  test('an exception through a task gate pushes its error code on the new stack', () => {
    idtGate(F.VEC_GP, D.gate(D.TASK_GATE, OTHER_TSS_SEL, 0));
    expect(cpu.fault(() => cpu.x.loadSegment(DS, 0x100))).toEqual({ vector: F.VEC_GP, error: 0x100 });
    expect(cpu.deliver()).toEqual([]);
    expect([cpu.eip, cpu.reg(ESP), stack(1)]).toEqual([0x4444, 0x6ffc, [0x100]]);
    expect(cpu.peek32(TSS + 0x24) & F.FLAG_RF).toBe(F.FLAG_RF);
  });

  test('a bad segment faults in the new task', () => {
    cpu.poke16(OTHER_TSS + 0x48 + DS * 4, 0x100);
    expect(cpu.fault(() => cpu.x.farJump(OTHER_TSS_SEL, 0))).toEqual({ vector: F.VEC_TS, error: 0x100 });
    expect([cpu.eip, cpu.selector(TR), cpu.selector(DS), cpu.attr(DS) & F.ATTR_NULL]).toEqual([0x4444, OTHER_TSS_SEL, 0x100, 1]);
  });

  test('a TSS that is too short is refused before anything changes', () => {
    descriptor(OTHER_TSS_SEL, D.segment(D.TSS32, OTHER_TSS, 0x66));
    expect(cpu.fault(() => cpu.x.farJump(OTHER_TSS_SEL, 0))).toEqual({ vector: F.VEC_TS, error: OTHER_TSS_SEL });
    expect([cpu.selector(TR), cpu.eip, busy(OTHER_TSS_SEL)]).toEqual([TSS_SEL, 0x100, false]);
  });

  test('a 16-bit TSS', () => {
    descriptor(OTHER_TSS_SEL, D.segment(D.TSS16, OTHER_TSS, 0x2b));
    for (let i = 0; i < 0x2c; i += 2) cpu.poke16(OTHER_TSS + i, 0);
    cpu.poke16(OTHER_TSS + 0x0e, 0x2222);
    cpu.poke16(OTHER_TSS + 0x12, 0x9abc);
    [DATA0, CODE0, DATA0, DATA0].forEach((selector, seg) => cpu.poke16(OTHER_TSS + 0x22 + seg * 2, selector));
    cpu.x.farCall(OTHER_TSS_SEL, 0, true);
    expect([cpu.eip, cpu.reg(EAX), cpu.flags, cpu.attr(FS) & F.ATTR_NULL]).toEqual([0x2222, 0xffff_9abc, F.FLAG_NT | 2, 1]);
    cpu.x.iret(true);
    expect([cpu.eip, cpu.selector(TR)]).toEqual([0x100, TSS_SEL]);
  });
});

describe('paging', () => {
  const DIRECTORY = 0x1_0000;
  const TABLE = 0x1_1000;
  beforeEach(enterProtected);

  /** 32-bit paging: the first 4 MiB map to themselves with `rights`, page 0x50 as given. */
  function page32(entry: number, directoryRights = 7): void {
    cpu.poke32(DIRECTORY, TABLE | directoryRights);
    for (let i = 0; i < 0x100; i++) cpu.poke32(TABLE + i * 4, (i << 12) | 7);
    cpu.poke32(TABLE + 0x50 * 4, entry);
    cpu.x.movToCr(3, DIRECTORY);
    cpu.x.movToCr(0, F.CR0_PE | F.CR0_PG | F.CR0_WP);
  }

  function pageFault(meaning: () => void): number | undefined {
    const fault = cpu.fault(meaning);
    if (fault === undefined) return undefined;
    expect(fault.vector).toBe(F.VEC_PF);
    return fault.error;
  }

  test('translates, and sets accessed and dirty where they belong', () => {
    page32(0x60_007);
    cpu.poke32(0x60_010, 0xcafe_f00d);
    expect(cpu.x.read32(0x50_010) >>> 0).toBe(0xcafe_f00d);
    expect([cpu.peek32(DIRECTORY), cpu.peek32(TABLE + 0x50 * 4)]).toEqual([TABLE | 0x27, 0x60_027]);
    cpu.x.write32(0x50_010, 1);
    expect([cpu.peek32(DIRECTORY), cpu.peek32(TABLE + 0x50 * 4), cpu.peek32(0x60_010)]).toEqual([TABLE | 0x27, 0x60_067, 1]);
  });

  test.each([
    ['not present, read, supervisor', 0, false, false, 0],
    ['not present, write, user', 0, true, true, F.PF_WRITE | F.PF_USER],
    ['supervisor page, user read', 0x60_003, false, true, F.PF_PRESENT | F.PF_USER],
    ['read-only page, user write', 0x60_005, true, true, F.PF_PRESENT | F.PF_WRITE | F.PF_USER],
    ['read-only page, supervisor write with WP', 0x60_001, true, false, F.PF_PRESENT | F.PF_WRITE],
  ])('%s', (_name, entry, write, user, error) => {
    page32(entry);
    if (user) enterRing3();
    expect(pageFault(() => (write ? cpu.x.write32(0x50_123, 0) : cpu.x.read32(0x50_123)))).toBe(error);
    expect([cpu.get(B.CR2), cpu.peek32(TABLE + 0x50 * 4)]).toEqual([0x50_123, entry]);
  });

  test('without WP the supervisor writes read-only pages', () => {
    page32(0x60_001);
    cpu.x.movToCr(0, F.CR0_PE | F.CR0_PG);
    expect(pageFault(() => cpu.x.write32(0x50_000, 0))).toBeUndefined();
  });

  test('an access across pages faults at its first byte that is missing, and writes nothing', () => {
    page32(0);
    expect(pageFault(() => cpu.x.write32(0x4f_ffe, 0xffff_ffff))).toBe(F.PF_WRITE);
    expect([cpu.get(B.CR2), cpu.peek16(0x4f_ffe)]).toEqual([0x50_000, 0]);
  });

  test('4 MiB pages with CR4.PSE, whose reserved bits count', () => {
    page32(0x50_007);
    cpu.x.movToCr(4, F.CR4_PSE);
    cpu.poke32(DIRECTORY + 4, 0x0000_0087);
    cpu.poke32(0x12_345, 0x5555_aaaa);
    expect(cpu.x.read32(0x41_2345)).toBe(0x5555_aaaa);
    cpu.poke32(DIRECTORY + 8, 0x0000_2087);
    expect(pageFault(() => cpu.x.read32(0x80_0000))).toBe(F.PF_PRESENT | F.PF_RESERVED);
  });

  describe('PAE', () => {
    const POINTERS = 0x1_2020;

    function pagePae(low: number, high: number): void {
      cpu.poke64(POINTERS, DIRECTORY | 1, 0);
      cpu.poke64(DIRECTORY, TABLE | 7, 0);
      for (let i = 0; i < 0x100; i++) cpu.poke64(TABLE + i * 8, (i << 12) | 7, 0);
      cpu.poke64(TABLE + 0x50 * 8, low, high);
      cpu.x.movToCr(3, POINTERS);
      cpu.x.movToCr(4, F.CR4_PAE);
      cpu.x.movToCr(0, F.CR0_PE | F.CR0_PG | F.CR0_WP);
    }

    test('execute-disable stops fetches alone, with the I/D bit', () => {
      cpu.x.wrmsr(0xc000_0080, 0x800n);
      pagePae(0x60_007, 0x8000_0000);
      expect(pageFault(() => cpu.x.read32(0x50_000))).toBeUndefined();
      expect(pageFault(() => cpu.x.translateFetch(0x50_004, false))).toBe(F.PF_PRESENT | F.PF_FETCH);
      enterRing3();
      expect(pageFault(() => cpu.x.translateFetch(0x50_004, true))).toBe(F.PF_PRESENT | F.PF_USER | F.PF_FETCH);
    });

    test('without NXE bit 63 is reserved', () => {
      pagePae(0x60_007, 0x8000_0000);
      expect(pageFault(() => cpu.x.translateFetch(0x50_004, false))).toBe(F.PF_PRESENT | F.PF_RESERVED);
      expect(pageFault(() => cpu.x.write32(0x50_004, 0))).toBe(F.PF_PRESENT | F.PF_RESERVED | F.PF_WRITE);
    });

    test('address bits that the CPU has not are reserved', () => {
      pagePae(0x60_007, 1);
      expect(pageFault(() => cpu.x.read32(0x50_004))).toBe(F.PF_PRESENT | F.PF_RESERVED);
    });

    test('2 MiB pages', () => {
      pagePae(0x60_007, 0);
      cpu.poke64(DIRECTORY + 8, 0x0000_0087, 0);
      cpu.poke32(0x12_345, 0x5555_aaaa);
      expect(cpu.x.read32(0x21_2345)).toBe(0x5555_aaaa);
    });

    test('the pointers are loaded with CR3 and checked then', () => {
      pagePae(0x60_007, 0);
      cpu.poke64(POINTERS + 8, 0x3, 0);
      expect(cpu.fault(() => cpu.x.movToCr(3, POINTERS))).toEqual({ vector: F.VEC_GP, error: 0 });
      cpu.poke64(POINTERS, 0, 0);
      cpu.poke64(POINTERS + 8, 0, 0);
      cpu.x.flushTlb();
      expect(cpu.x.read32(0x50_000)).toBe(0); // still translated by the old pointer
      cpu.x.movToCr(3, POINTERS);
      expect(pageFault(() => cpu.x.read32(0x50_000))).toBe(0);
    });
  });
});

describe('control, debug and model-specific registers', () => {
  beforeEach(enterProtected);

  test('reserved combinations of CR0 and bits of CR4 are #GP(0)', () => {
    expect(cpu.fault(() => cpu.x.movToCr(0, F.CR0_PG))).toEqual({ vector: F.VEC_GP, error: 0 });
    expect(cpu.fault(() => cpu.x.movToCr(0, F.CR0_PE | F.CR0_NW))).toEqual({ vector: F.VEC_GP, error: 0 });
    expect(cpu.fault(() => cpu.x.movToCr(4, 1))).toEqual({ vector: F.VEC_GP, error: 0 });
    expect(cpu.fault(() => cpu.x.movFromCr(5))).toEqual({ vector: F.VEC_UD });
    cpu.x.lmsw(0);
    expect(cpu.get(B.CR0) & F.CR0_PE).toBe(1);
  });

  test('CPUID names the vendor and the brand', () => {
    cpu.setReg(EAX, 0);
    cpu.x.cpuid();
    const text = (...dwords: number[]) => dwords.map(d => String.fromCharCode(d & 255, (d >> 8) & 255, (d >> 16) & 255, d >>> 24)).join('');
    expect(text(cpu.reg(EBX), cpu.reg(EDX), cpu.reg(ECX))).toBe('GenuineIntel');
    let brand = '';
    for (const leaf of [0x8000_0002, 0x8000_0003, 0x8000_0004]) {
      cpu.setReg(EAX, leaf);
      cpu.x.cpuid();
      brand += text(cpu.reg(EAX), cpu.reg(EBX), cpu.reg(ECX), cpu.reg(EDX));
    }
    expect(brand).toBe('Cairn Virtual CPU'.padEnd(48, '\0'));
  });

  test('an MSR that is not there is #GP(0), as is a bad value', () => {
    expect(cpu.fault(() => cpu.x.rdmsr(0x1b))).toEqual({ vector: F.VEC_GP, error: 0 });
    expect(cpu.fault(() => cpu.x.wrmsr(0xc000_0080, 1n))).toEqual({ vector: F.VEC_GP, error: 0 });
    expect(cpu.fault(() => cpu.x.wrmsr(0x277, 2n))).toEqual({ vector: F.VEC_GP, error: 0 });
    cpu.x.wrmsr(0x20f, 0xf000_0800n);
    expect(cpu.x.rdmsr(0x20f)).toBe(0xf000_0800n);
    cpu.x.wrmsr(0x10, 1000n);
    expect(cpu.x.rdtsc()).toBe(1000n);
  });

  test('machine checks can be turned on, and no bank reports any', () => {
    cpu.x.movToCr(4, F.CR4_MCE);
    expect([cpu.x.rdmsr(0x179), cpu.x.rdmsr(0x17a)]).toEqual([0n, 0n]);
    expect(cpu.fault(() => cpu.x.rdmsr(0x400))).toEqual({ vector: F.VEC_GP, error: 0 });
  });

  test('breakpoints: execution faults, data traps, general detect', () => {
    idtGate(F.VEC_DB, D.gate(D.INT32, CODE0, 0xdb));
    cpu.x.movToDr(0, 0x5000);
    cpu.x.movToDr(1, 0x6000);
    cpu.x.movToDr(7, 0x2 | 0x8 | (0b1101 << 20)); // G0 on execution; G1 on writes of 4 bytes
    expect(cpu.fault(() => cpu.x.checkExecute(0x5000))).toEqual({ vector: F.VEC_DB });
    expect(cpu.x.movFromDr(6) >>> 0).toBe(0xffff_0ff1);
    cpu.x.checkData(0x6002, 1, false);
    cpu.x.takeDebugTrap();
    expect(cpu.eip).toBe(0x100);
    cpu.x.checkData(0x5fff, 2, true);
    cpu.x.takeDebugTrap();
    expect([cpu.eip, cpu.x.movFromDr(6) >>> 0]).toEqual([0xdb, 0xffff_0ff2]);
    cpu.x.movToDr(7, 0x2000);
    expect(cpu.fault(() => cpu.x.movFromDr(0))).toEqual({ vector: F.VEC_DB });
    cpu.deliver();
    expect(cpu.x.movFromDr(6) >>> 0).toBe(0xffff_2ff2);
  });
});
