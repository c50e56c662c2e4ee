/** The core's promises: exact counts, exact faults, self-modifying code, interrupt shadows, MMIO and ports. */
import { describe, expect, test } from 'vitest';
import { bareCpu, EAX, ECX, EDI, EDX, ESI, ESP } from '#test/support/bare-cpu.ts';
import { CR0, CR2, CR3, HALTED, IDTR_BASE, IDTR_LIMIT, INHIBIT, INTR, LAZY_OP } from './block.ts';
import { STOP_BUDGET, STOP_EXIT, STOP_HALT, STOP_SHUTDOWN } from './core-exports.ts';

const HLT = 0xf4;
const le = (value: number) => [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, (value >>> 24) & 0xff];
/** mov ecx, n; again: add eax, ecx; dec ecx; jnz again; hlt */
const sumLoop = (n: number) => [0xb9, ...le(n), 0x01, 0xc8, 0x49, 0x75, 0xfb, HLT];

/** A 32-bit interrupt gate of ring 0 at `vector` of the IDT at 3000h; the code segment is 8 of a GDT at 2000h. */
function gate(machine: ReturnType<typeof bareCpu>, vector: number, handler: number) {
  machine.poke(0x2000, [0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0]);
  machine.block.setUint32(0x200, 0x2000, true);
  machine.block.setUint32(0x208, 0xf, true);
  machine.block.setUint32(IDTR_BASE, 0x3000, true);
  machine.block.setUint32(IDTR_LIMIT, 0x7ff, true);
  machine.poke(0x3000 + vector * 8, [handler & 0xff, (handler >>> 8) & 0xff, 8, 0, 0, 0x8e, (handler >>> 16) & 0xff, 0]);
}

describe('run(n)', () => {
  test('executes exactly n instructions, whatever n, and the same way', () => {
    const whole = bareCpu();
    whole.start(sumLoop(50));
    expect(whole.cpu.run(1000)).toBe(STOP_HALT);
    expect(whole.count()).toBe(152);
    for (const step of [1, 2, 3, 7, 64]) {
      const machine = bareCpu();
      machine.start(sumLoop(50));
      for (let done = 0; done < 151;) {
        const next = Math.min(step, 151 - done);
        expect(machine.cpu.run(next)).toBe(STOP_BUDGET);
        done += next;
        expect(machine.count()).toBe(done);
      }
      expect(machine.cpu.run(1)).toBe(STOP_BUDGET);
      expect(machine.cpu.run(1)).toBe(STOP_HALT);
      expect(machine.cpu.save()).toEqual(whole.cpu.save());
    }
  });

  test('leaves a canonical block', () => {
    const machine = bareCpu();
    machine.start([0x83, 0xe8, 0x01, 0x90]); // sub eax, 1; nop
    machine.cpu.run(1);
    expect(machine.block.getUint32(LAZY_OP, true)).toBe(0);
    expect(machine.flags() & 0x8d5).toBe(0x95);
  });

  test('a repeated string instruction counts one a page', () => {
    const machine = bareCpu();
    machine.start([0xfc, 0xf3, 0xaa, HLT]); // cld; rep stosb; hlt
    machine.setReg(ECX, 10000);
    machine.setReg(EDI, 0x20800);
    machine.setReg(EAX, 0x11);
    expect(machine.cpu.run(100)).toBe(STOP_HALT);
    // 2048 + 4096 + 3856 bytes
    expect(machine.count()).toBe(1 + 3 + 1);
    expect([machine.reg(ECX), machine.reg(EDI), machine.peek32(0x20800 + 9996)]).toEqual([0, 0x20800 + 10000, 0x11111111]);
  });

  test('an overlapping copy repeats its pattern', () => {
    const machine = bareCpu();
    machine.start([0xf3, 0xa4, HLT]);
    machine.poke(0x20000, [1, 2]);
    machine.setReg(ESI, 0x20000);
    machine.setReg(EDI, 0x20002);
    machine.setReg(ECX, 6);
    machine.cpu.run(100);
    expect(machine.peek32(0x20004)).toBe(0x02010201);
  });
});

describe('self-modifying code', () => {
  test('the very next instruction is seen', () => {
    const machine = bareCpu();
    // mov byte [1000Ah], 0x42 (inc edx → at +10: inc ecx becomes inc edx); nop ×2; inc ecx; hlt
    machine.start([0xc6, 0x05, 0x09, 0x00, 0x01, 0x00, 0x42, 0x90, 0x90, 0x41, HLT]);
    const edx = machine.reg(EDX);
    expect(machine.cpu.run(100)).toBe(STOP_HALT);
    expect([machine.reg(ECX), machine.reg(EDX)]).toEqual([0, edx + 1]);
  });

  test('a loop that rewrites its own immediate', () => {
    const machine = bareCpu();
    // again: add eax, 0; inc dword [10001h+…]; dec ecx; jnz again; hlt
    machine.start([0x05, 0, 0, 0, 0, 0xff, 0x05, 0x01, 0x00, 0x01, 0x00, 0x49, 0x75, 0xf2, HLT]);
    machine.setReg(ECX, 10);
    expect(machine.cpu.run(1000)).toBe(STOP_HALT);
    expect(machine.reg(EAX)).toBe(45);
  });

  test('a write beside the code leaves it alone, a device write drops it', () => {
    const machine = bareCpu();
    machine.start([0xc7, 0x05, 0x00, 0x08, 0x01, 0x00, ...le(7), 0x41, HLT]); // mov dword [10800h], 7; inc ecx; hlt
    machine.cpu.run(100);
    expect([machine.peek32(0x10800), machine.reg(ECX)]).toEqual([7, 1]);
    machine.poke(0x1000a, [0x42]);
    machine.block.setUint32(0x80, 0x1000a, true);
    machine.block.setUint32(HALTED, 0, true);
    const edx = machine.reg(EDX);
    machine.cpu.run(100);
    expect([machine.reg(ECX), machine.reg(EDX)]).toEqual([1, edx + 1]);
  });
});

describe('pages', () => {
  test('an instruction and a datum may cross them', () => {
    const machine = bareCpu();
    machine.start([0xa1, ...le(0x20ffe), HLT], 0x10ffd); // mov eax, [20FFEh]
    machine.poke(0x20ffe, [1, 2, 3, 4]);
    expect(machine.cpu.run(10)).toBe(STOP_HALT);
    expect([machine.reg(EAX), machine.count()]).toEqual([0x04030201, 2]);
  });

  test('a page fault names its address, counts as one and starts the instruction again', () => {
    const machine = bareCpu();
    machine.start([0xbb, ...le(0x200ffe), 0x89, 0x03, 0x8b, 0x0b, HLT]); // mov ebx, …; mov [ebx], eax; mov ecx, [ebx]
    // Page directory at 100000h, tables for the first 4 MiB at 101000h: identity but for 201000h.
    machine.poke(0x100000, le(0x101003));
    for (let page = 0; page < 1024; page++) machine.poke(0x101000 + page * 4, le((page << 12) | (page === 0x201 ? 0 : 3)));
    machine.block.setUint32(CR3, 0x100000, true);
    machine.block.setUint32(CR0, 0x80000011, true);
    gate(machine, 14, 0x18000);
    // mov dword [101804h], 201003h; mov edx, [esp]; add esp, 4; iret
    machine.poke(0x18000, [0xc7, 0x05, ...le(0x101804), ...le(0x201003), 0x8b, 0x14, 0x24, 0x83, 0xc4, 0x04, 0xcf]);
    machine.setReg(EAX, 0xa1b2c3d4);
    machine.cpu.exports.resetDerived();
    expect(machine.cpu.run(100)).toBe(STOP_HALT);
    expect(machine.block.getUint32(CR2, true)).toBe(0x201000);
    expect(machine.reg(EDX)).toBe(2);
    expect([machine.reg(ECX), machine.peek32(0x200ffe) & 0xffff, machine.peek32(0x201000) & 0xffff]).toEqual([0xa1b2c3d4, 0xc3d4, 0xa1b2]);
    expect(machine.count()).toBe(3 + 1 + 4 + 1);
    expect(machine.reg(ESP)).toBe(0x80000);
  });
});

describe('interrupts', () => {
  test('STI holds them off for one instruction', () => {
    const machine = bareCpu();
    machine.start([0xfb, 0x41, 0x41, HLT]); // sti; inc ecx; inc ecx
    gate(machine, 0x20, 0x18000);
    machine.poke(0x18000, [0x89, 0xca, HLT]); // mov edx, ecx
    machine.block.setUint32(INTR, 1, true);
    machine.cpu.run(1);
    expect(machine.block.getUint32(INHIBIT, true)).toBe(1);
    machine.cpu.run(100);
    expect(machine.reg(EDX)).toBe(1);
  });

  test('HLT waits, an interrupt goes on behind it', () => {
    const machine = bareCpu({ acknowledgeInterrupt: () => (machine.block.setUint32(INTR, 0, true), 0x20) });
    machine.start([0xfb, HLT, 0x41, HLT]);
    gate(machine, 0x20, 0x18000);
    machine.poke(0x18000, [0xfa, 0xcf]); // cli; iret
    expect(machine.cpu.run(100)).toBe(STOP_HALT);
    expect(machine.reg(ECX)).toBe(0);
    machine.block.setUint32(INTR, 1, true);
    machine.cpu.run(3);
    expect(machine.reg(ECX)).toBe(1);
  });

  test('a fault without a handler shuts down', () => {
    const machine = bareCpu();
    machine.start([0x0f, 0x0b]);
    machine.block.setUint32(IDTR_LIMIT, 0, true);
    expect(machine.cpu.run(100)).toBe(STOP_SHUTDOWN);
    expect(machine.count()).toBe(0);
  });
});

describe('the outside', () => {
  test('handlers see the exact count; an exit comes right after', () => {
    const machine = bareCpu({
      portOut: (port, _size, value) => {
        machine.log.push([port, value, machine.count()]);
        machine.cpu.exports.requestExit();
      },
    });
    machine.start([0x41, 0xb0, 0x41, 0xe6, 0x80, 0x41, 0xa2, ...le(0xf0000000), 0x41, HLT]);
    expect(machine.cpu.run(100)).toBe(STOP_EXIT);
    expect([machine.log, machine.count(), machine.reg(ECX)]).toEqual([[[0x80, 0x41, 2]], 3, 1]);
    expect(machine.cpu.run(100)).toBe(STOP_HALT);
    expect(machine.log[1]).toEqual(['write', 0xf0000000, 0x41, 4]);
    expect(machine.reg(ECX)).toBe(3);
  });

  test('an interrupt raised by an MMIO access comes after that instruction', () => {
    const machine = bareCpu({ mmioRead: () => (machine.block.setUint32(INTR, 1, true), 7) });
    machine.start([0xfb, 0x90, 0xa0, ...le(0xf0000000), 0x41, HLT]); // sti; nop; mov al, [F0000000h]; inc ecx
    gate(machine, 0x20, 0x18000);
    machine.poke(0x18000, [0x89, 0xca, HLT]);
    machine.cpu.run(100);
    expect([machine.reg(EDX), machine.reg(EAX) & 0xff]).toEqual([0, 7]);
  });
});

describe('what is undefined is what processors do', () => {
  test.each([
    ['shld ax, dx, 24', [0x66, 0x0f, 0xa4, 0xd0, 24], 0x8234_2134],
    ['shrd ax, dx, 19', [0x66, 0x0f, 0xac, 0xd0, 19], 0x8234_2684],
    ['shrd ax, dx, 17; setc al', [0x66, 0x0f, 0xac, 0xd0, 17, 0x0f, 0x92, 0xc0], 0x8234_9a00],
    ['bswap ax', [0x66, 0x0f, 0xc8], 0x8234_0000],
  ])('%s', (_name, code, expected) => {
    const machine = bareCpu();
    machine.start([...code, HLT]);
    machine.setReg(EAX, 0x8234_5679);
    machine.setReg(EDX, 0x813f_3421);
    machine.cpu.run(100);
    expect(machine.reg(EAX).toString(16)).toBe(expected.toString(16));
  });
});
