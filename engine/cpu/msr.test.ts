/** Model-specific registers: each bit that is written is kept, or the write is #GP(0). */
import { beforeEach, expect, test } from 'vitest';
import { LoneSystem } from '#test/support/lone-system.ts';
import * as F from './bits.ts';

let cpu: LoneSystem;
beforeEach(async () => {
  cpu = await LoneSystem.create();
});
const GP = { vector: F.VEC_GP, error: 0 };

/** Every register that there is. */
const REGISTERS = [
  0,
  1,
  0x10,
  0x17,
  0x8b,
  0xfe,
  0x174,
  0x175,
  0x176,
  0x179,
  0x17a,
  0x1a0,
  0x1d9,
  0x250,
  0x258,
  0x259,
  0x277,
  0x2ff,
  0xc000_0080,
  ...Array.from({ length: 16 }, (_, i) => 0x200 + i),
  ...Array.from({ length: 8 }, (_, i) => 0x268 + i),
];

test.each(REGISTERS.map(index => [index.toString(16), index] as const))('register %sh drops no bit in silence', (_name, index) => {
  const read = () => BigInt.asUintN(64, cpu.x.rdmsr(index));
  const before = read();
  for (let bit = 0n; bit < 64n; bit++) {
    const value = before ^ (1n << bit);
    const refused = cpu.fault(() => cpu.x.wrmsr(index, value));
    if (refused !== undefined) {
      expect(refused).toEqual(GP);
      continue;
    }
    expect(read()).toBe(value);
    cpu.x.wrmsr(index, before);
  }
});

test('IA32_MISC_ENABLE: fast strings can be turned off and on, and nothing else', () => {
  expect(cpu.x.rdmsr(0x1a0)).toBe(0x1801n);
  cpu.x.wrmsr(0x1a0, 0x1800n);
  expect(cpu.x.rdmsr(0x1a0)).toBe(0x1800n);
  for (const value of [0n, 0x1000n, 0x41801n, 0x401801n, 0x4_0000_1801n]) expect(cpu.fault(() => cpu.x.wrmsr(0x1a0, value))).toEqual(GP);
  cpu.x.wrmsr(0x1a0, 0x1801n);
  expect(cpu.x.rdmsr(0x1a0)).toBe(0x1801n);
});
