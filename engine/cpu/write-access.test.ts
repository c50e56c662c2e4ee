/**
 * Instructions that read and write an operand need the right to write it though they change nothing (SDM 2A and 2B, exceptions: "if the destination
 * is located in a non-writable segment"). QEMU does not look at the kind of a segment.
 */
import { expect, test } from 'vitest';
import { bareCpu, EAX, EBX, ECX, EDX, ESI } from '#test/support/bare-cpu.ts';
import * as B from './block.ts';

const CODE = 0x10000;
const DATA = 0x5000;
const READ_ONLY = 0xc09100;
const WRITABLE = 0xc09300;
const IDT = 0x3000;
const HANDLER = 0x4000;
const HLT = 0xf4;

/** With ESI at a dword of 13h and a clear one behind it, EAX = 5, EBX = 0, CL = 0, EDX = 0. */
const INSTRUCTIONS: [string, number[]][] = [
  ['ARPL that raises nothing', [0x63, 0x1e]],
  ['CMPXCHG that differs', [0x0f, 0xb1, 0x1e]],
  ['CMPXCHG of a byte that differs', [0x0f, 0xb0, 0x1e]],
  ['CMPXCHG8B that differs', [0x0f, 0xc7, 0x0e]],
  ['BTS of a bit that is set', [0x0f, 0xab, 0x1e]],
  ['BTR of a bit that is clear', [0x0f, 0xba, 0x36, 3]],
  ['SHLD by 0', [0x0f, 0xa5, 0x1e]],
  ['SHRD by 0', [0x0f, 0xac, 0x1e, 0]],
  ['SHL by 0', [0xd3, 0x26]],
  ['ROR of a byte by 0', [0xd2, 0x0e]],
  ['XADD of 0', [0x0f, 0xc1, 0x1e]],
  ['OR with 0', [0x09, 0x1e]],
  ['AND with ones', [0x83, 0x26, 0xff]],
  ['ADD of 0 to a word', [0x66, 0x01, 0x1e]],
];

function run(code: number[], attr: number) {
  const machine = bareCpu();
  machine.start([...code, HLT]);
  const put = (field: number, value: number) => machine.block.setUint32(field, value, true);
  put(B.SEG_DS + B.SEG_ATTR, attr);
  put(B.IDTR_BASE, IDT);
  put(B.IDTR_LIMIT, 0x7ff);
  put(B.GDTR_BASE, 0x2000);
  put(B.GDTR_LIMIT, 0xf);
  machine.poke(0x2008, [0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0]);
  machine.poke(IDT + 8 * 13, [HANDLER & 0xff, HANDLER >> 8, 8, 0, 0, 0x8e, 0, 0]);
  machine.poke(HANDLER, [HLT]);
  machine.poke(DATA, [0x13, 0, 0, 0, 0, 0, 0, 0]);
  for (const [register, value] of [
    [EAX, 5],
    [EBX, 0],
    [ECX, 0],
    [EDX, 0],
    [ESI, DATA],
  ] as const)
    machine.setReg(register, value);
  machine.cpu.exports.resetDerived();
  machine.cpu.run(10);
  return { at: machine.eip() - 1, data: machine.peek32(DATA) };
}

test.each(INSTRUCTIONS)('%s', (_name, code) => {
  expect(run(code, READ_ONLY)).toEqual({ at: HANDLER, data: 0x13 });
  expect(run(code, WRITABLE)).toEqual({ at: CODE + code.length, data: 0x13 });
});

test('BT only reads', () => {
  expect(run([0x0f, 0xa3, 0x1e], READ_ONLY)).toEqual({ at: CODE + 3, data: 0x13 });
});
