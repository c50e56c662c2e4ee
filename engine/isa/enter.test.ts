/** ENTER (SDM 2A) where stacks end: it looks at the new top before it is done, and SP alone moves on a 16-bit stack. */
import { beforeEach, expect, test } from 'vitest';
import * as B from '#engine/cpu/block.ts';
import { VEC_PF, VEC_SS } from '#engine/cpu/bits.ts';
import { bareCpu, type BareCpu, ESP } from '#test/support/bare-cpu.ts';

const EBP = 5;
const CODE = 0x10000;
const IDT = 0x3000;
const HANDLERS = 0x4000;
const PAGE_DIRECTORY = 0x20000;
const PAGE_TABLE = 0x21000;
const STACK_32 = 0xc09300;
const STACK_16 = 0x009300;
const EXPAND_DOWN = 0x409700;
const HLT = 0xf4;
const le32 = (value: number) => [value & 0xff, (value >>> 8) & 0xff, (value >>> 16) & 0xff, value >>> 24];

let machine: BareCpu;
const put = (field: number, value: number) => machine.block.setUint32(field, value >>> 0, true);

/** Runs `code` with SS so; every vector has a HLT of its own, on the same stack. */
function run(code: number[], { attr = STACK_32, limit = 0xffffffff, esp = 0x80000, ebp = 0x1234 } = {}) {
  machine.start([...code, HLT]);
  put(B.SEG_SS + B.SEG_ATTR, attr);
  put(B.SEG_SS + B.SEG_LIMIT, limit);
  put(B.IDTR_BASE, IDT);
  put(B.IDTR_LIMIT, 0x7ff);
  put(B.GDTR_BASE, 0x2000);
  put(B.GDTR_LIMIT, 0xf);
  machine.poke(0x2008, [0xff, 0xff, 0, 0, 0, 0x9b, 0xcf, 0]);
  for (const vector of [VEC_SS, VEC_PF]) {
    machine.poke(IDT + 8 * vector, [...le32((8 << 16) | (HANDLERS + vector)), ...le32(0x8e00)]);
    machine.poke(HANDLERS + vector, [HLT]);
  }
  machine.setReg(ESP, esp);
  machine.setReg(EBP, ebp);
  machine.cpu.exports.resetDerived();
  machine.cpu.run(100);
}
const halted = () => machine.eip() - 1;
const handler = (vector: number) => HANDLERS + vector;

beforeEach(() => {
  machine = bareCpu();
});

test.each([
  ['32-bit operand', [0xc8, 0x00, 0x10, 0]],
  ['16-bit operand', [0x66, 0xc8, 0x00, 0x10, 0]],
])('a new top outside the stack segment is #SS, and nothing has changed (%s)', (_, code) => {
  run(code, { attr: EXPAND_DOWN, limit: 0x7f7ff, esp: 0x80000 }); // enter 1000h, 0: to below 7f800h
  expect(halted()).toBe(handler(VEC_SS));
  expect(machine.reg(EBP)).toBe(0x1234);
  expect(machine.peek32(machine.reg(ESP))).toBe(0); // the error code
  expect(machine.peek32(machine.reg(ESP) + 4)).toBe(CODE);
  expect(machine.reg(ESP) + 16).toBe(0x80000);
});

test.each([
  ['not present', 0],
  ['read-only', 1],
])('a new top in a page that is %s is #PF', (_, entry) => {
  const pages = Array.from({ length: 1024 }, (_v, i) => le32(i === 0x7e ? (i << 12) | entry : (i << 12) | 3)).flat();
  machine.poke(PAGE_TABLE, pages);
  machine.poke(PAGE_DIRECTORY, le32(PAGE_TABLE | 3));
  machine.start([0xc8, 0x00, 0x10, 0, HLT]);
  const code = [0xb8, ...le32(PAGE_DIRECTORY), 0x0f, 0x22, 0xd8, 0x0f, 0x20, 0xc0, 0x0d, ...le32(0x80010000), 0x0f, 0x22, 0xc0]; // CR3; CR0.PG and WP
  run([...code, 0xc8, 0x00, 0x10, 0], { esp: 0x7f800 });
  expect(halted()).toBe(handler(VEC_PF));
  expect([machine.reg(EBP), machine.block.getUint32(B.CR2, true)]).toEqual([0x1234, 0x7f800 - 4 - 0x1000]);
  expect(machine.peek32(machine.reg(ESP) + 4)).toBe(CODE + code.length);
  expect(machine.reg(ESP) + 16).toBe(0x7f800);
});

test.each([
  [0, 0x56780000, 0x5678fffc, 0x5678fff4],
  [0, 0x56780002, 0x5678fffe, 0x5678fff6],
  [1, 0x56780004, 0x56780000, 0x5678fff4],
  [2, 0x56780008, 0x56780004, 0x5678fff4],
])('on a 16-bit stack that wraps, level %i: SP alone moves', (level, esp, frame, top) => {
  const limit = esp % 4 === 0 ? 0xffff : 0xffffffff;
  run([0xc8, 8, 0, level], { attr: STACK_16, limit, esp, ebp: 0x9abc0010 });
  expect(halted()).toBe(CODE + 4);
  expect([machine.reg(EBP), machine.reg(ESP)].map(value => value.toString(16))).toEqual([frame, top].map(value => value.toString(16)));
  if (level > 0) expect(machine.peek32((top + 8) & 0xffff).toString(16)).toBe(frame.toString(16)); // the frame pointer in the display
});

test('on a 16-bit stack ENTER and LEAVE of 16 bits give everything back', () => {
  run([0x66, 0xc8, 8, 0, 0, 0x66, 0xc9], { attr: STACK_16, limit: 0xffff, esp: 0x56780000, ebp: 0x9abc1234 });
  expect(halted()).toBe(CODE + 7);
  expect([machine.reg(EBP), machine.reg(ESP)]).toEqual([0x9abc1234, 0x56780000]);
});
