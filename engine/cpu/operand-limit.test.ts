/** x87 and SSE memory operands at the edge of a segment: what counts is the operand's true size. */
import { describe, expect, test } from 'vitest';
import { CODE, UserMachine } from '#test/support/user-machine.ts';
import { CR0_NE, CR0_TS, CR4_OSFXSR, VEC_GP, VEC_NM } from './bits.ts';
import { CR0, CR4 } from './block.ts';

const HLT = 0xf4;
const READ_ONLY = 0xc0_9100;
/** Operands end here. */
const END = 0x20400;

function run(
  opcode: readonly number[],
  address: number,
  limit: number,
  { attr = undefined as number | undefined, cr0 = 0x11 | CR0_NE } = {},
) {
  const machine = new UserMachine();
  const modrm = opcode.at(-1)!;
  machine.start([...opcode.slice(0, -1), modrm, address & 0xff, (address >>> 8) & 0xff, address >>> 16, 0, HLT, HLT], 0); // the first may be an immediate byte
  machine.set(CR0, cr0);
  machine.set(CR4, CR4_OSFXSR);
  machine.limitData(limit, attr);
  return machine.fault();
}

/** Opcode bytes up to ModRM, which names [disp32]. */
const operands: readonly [name: string, size: number, opcode: readonly number[], stores: boolean][] = [
  ['fadd m32', 4, [0xd8, 0x05], false],
  ['fiadd m32', 4, [0xda, 0x05], false],
  ['fadd m64', 8, [0xdc, 0x05], false],
  ['fiadd m16', 2, [0xde, 0x05], false],
  ['fst m32', 4, [0xd9, 0x15], true],
  ['fldenv 28', 28, [0xd9, 0x25], false],
  ['fldenv 14', 14, [0x66, 0xd9, 0x25], false],
  ['fldcw', 2, [0xd9, 0x2d], false],
  ['fnstenv', 28, [0xd9, 0x35], true],
  ['fnstcw', 2, [0xd9, 0x3d], true],
  ['fld m80', 10, [0xdb, 0x2d], false],
  ['fstp m80', 10, [0xdb, 0x3d], true],
  ['fstp m64', 8, [0xdd, 0x1d], true],
  ['frstor', 108, [0xdd, 0x25], false],
  ['fnsave', 108, [0xdd, 0x35], true],
  ['fnsave 94', 94, [0x66, 0xdd, 0x35], true],
  ['fnstsw', 2, [0xdd, 0x3d], true],
  ['fild m16', 2, [0xdf, 0x05], false],
  ['fild m64', 8, [0xdf, 0x2d], false],
  ['fbstp', 10, [0xdf, 0x35], true],
  ['movups load', 16, [0x0f, 0x10, 0x05], false],
  ['movups store', 16, [0x0f, 0x11, 0x05], true],
  ['movss', 4, [0xf3, 0x0f, 0x10, 0x05], false],
  ['movsd', 8, [0xf2, 0x0f, 0x11, 0x05], true],
  ['movlps', 8, [0x0f, 0x12, 0x05], false],
  ['cvtps2pd', 8, [0x0f, 0x5a, 0x05], false],
  ['movq mm', 8, [0x0f, 0x6f, 0x05], false],
  ['movd store', 4, [0x0f, 0x7e, 0x05], true],
  ['pinsrw', 2, [0x0f, 0xc4, 0x05], false],
  ['ldmxcsr', 4, [0x0f, 0xae, 0x15], false],
  ['fxsave', 512, [0x0f, 0xae, 0x05], true],
];

describe.each(operands)('%s: %i bytes', (_name, size, opcode, stores) => {
  const address = END - size;
  const gp = { vector: VEC_GP, eip: CODE, error: 0 };
  test('fits to the last byte and not one less', () => {
    expect(run(opcode, address, END - 1)).not.toMatchObject({ vector: VEC_GP });
    expect(run(opcode, address, END - 2)).toEqual(gp);
  });
  test('into a read-only segment', () => {
    expect(run(opcode, address, 0xffff_ffff, { attr: READ_ONLY })?.vector === VEC_GP).toBe(stores);
  });
});

test('#NM comes before the limit', () => {
  expect(run([0xdc, 0x05], END, END - 1, { cr0: 0x11 | CR0_TS })).toEqual({ vector: VEC_NM, eip: CODE });
  expect(run([0x0f, 0x10, 0x05], END, END - 1, { cr0: 0x11 | CR0_TS })).toEqual({ vector: VEC_NM, eip: CODE });
});
