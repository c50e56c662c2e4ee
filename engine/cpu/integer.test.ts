/** Integer instructions against a real processor: test/golden/integer/cases.txt, made by the programs beside it. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { bareCpu } from '#test/support/bare-cpu.ts';
import { FLAGS, HALTED, RIP } from './block.ts';
import { STOP_HALT } from './core-exports.ts';

const cases = readFileSync(new URL('../../test/golden/integer/cases.txt', import.meta.url), 'utf8')
  .trim()
  .split('\n');
const REGISTERS = [0, 1, 2, 3, 5, 6, 7];
const ARITHMETIC = 0xcd5;
const CODE = 0x10000;
const DATA = 0x20100;
const HLT = 0xf4;

function run(machine: ReturnType<typeof bareCpu>, line: string, step: number): string {
  const [input, output] = line.split(' = ').map(part => part.split(' ')) as [string[], string[]];
  const code = input[0]!.match(/../g)!.map(byte => Number.parseInt(byte, 16));
  const [mask, ...values] = input.slice(1).map(word => Number.parseInt(word, 16)) as [number, ...number[]];
  const { block } = machine;
  machine.poke(CODE, [...code, HLT]);
  machine.poke(
    DATA - 32,
    Array.from({ length: 80 }, () => 0),
  );
  machine.poke(DATA, [...new Uint8Array(Uint32Array.from(values.slice(8)).buffer)]);
  REGISTERS.forEach((register, i) => machine.setReg(register, values[i]!));
  machine.setReg(4, 0x80000);
  block.setUint32(FLAGS, values[7]! | 2, true);
  block.setUint32(RIP, CODE, true);
  block.setUint32(HALTED, 0, true);
  for (let i = 0; i < 100 && machine.cpu.run(step) !== STOP_HALT; i++);
  const expected = output.map(word => Number.parseInt(word, 16));
  const got = [...REGISTERS.map(machine.reg), machine.flags() & ARITHMETIC, ...[0, 4, 8, 12].map(at => machine.peek32(DATA + at))];
  got[7]! &= mask;
  expected[7]! &= mask;
  return got.join() === expected.join() ? '' : `${line}\n  got ${got.map(value => (value >>> 0).toString(16)).join(' ')}`;
}

for (const [name, step] of [
  ['in one go, fused', 100],
  ['one at a time', 1],
] as const) {
  test(`${cases.length} vectors ${name}`, () => {
    const machine = bareCpu();
    machine.start([HLT], CODE);
    const wrong = cases.map(line => run(machine, line, step)).filter(Boolean);
    expect(wrong.slice(0, 10)).toEqual([]);
  });
}
