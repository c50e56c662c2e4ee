/** #AC: with CR0.AM, EFLAGS.AC and CPL 3, an access that is not aligned to its size (SDM 3A 6.15). */
import { beforeEach, expect, test } from 'vitest';
import { ECX, EDI, ESI } from '#test/support/bare-cpu.ts';
import { CODE, UserMachine } from '#test/support/user-machine.ts';
import { CR0_AM, CR0_PG, CR4_PSE, FLAG_AC, VEC_AC, VEC_GP, VEC_PF } from './bits.ts';
import { CR0, CR3, CR4, FLAGS } from './block.ts';

const HLT = 0xf4;
/** HLT faults in ring 3: the code before it went well. */
const WENT_WELL = { vector: VEC_GP, error: 0 };
let machine: UserMachine;

function start(code: readonly number[], { ring = 3 as 0 | 3, flags = FLAG_AC, am = true } = {}) {
  machine.start([...code, HLT], ring);
  machine.set(CR0, 0x11 | (am ? CR0_AM : 0));
  machine.set(FLAGS, flags | 2);
  machine.cpu.cpu.exports.resetDerived();
}

beforeEach(() => {
  machine = new UserMachine();
});

const at = (address: number) => [address & 0xff, (address >>> 8) & 0xff, (address >>> 16) & 0xff, address >>> 24];

test.each([
  ['mov [20002h], eax', [0xa3, ...at(0x20002)]],
  ['mov eax, [20001h]', [0xa1, ...at(0x20001)]],
  ['mov ax, [20001h]', [0x66, 0xa1, ...at(0x20001)]],
  ['add [20003h], eax', [0x01, 0x05, ...at(0x20003)]],
  ['inc dword [20002h]', [0xff, 0x05, ...at(0x20002)]],
  ['fld qword [20004h]', [0xdd, 0x05, ...at(0x20004)]],
  ['mov eax, [20ffeh], across pages', [0xa1, ...at(0x20ffe)]],
])('%s is #AC(0)', (_name, code) => {
  start(code);
  expect(machine.fault()).toEqual({ vector: VEC_AC, eip: CODE, error: 0 });
});

test.each([
  ['aligned accesses', [0xa1, ...at(0x20004), 0x66, 0xa1, ...at(0x20002)], {}],
  ['a byte anywhere', [0xa0, ...at(0x20003)], {}],
  ['FNSAVE aligned to 4', [0xdd, 0x35, ...at(0x20004)], {}],
  ['FRSTOR aligned to 4', [0xdd, 0x25, ...at(0x20004)], {}],
  ['without EFLAGS.AC', [0xa1, ...at(0x20001)], { flags: 0 }],
  ['without CR0.AM', [0xa1, ...at(0x20001)], { am: false }],
])('%s is none', (_name, code, options) => {
  start(code, options);
  expect(machine.fault()).toMatchObject(WENT_WELL);
});

test('the supervisor is not checked', () => {
  start([0xa1, ...at(0x20001)], { ring: 0 });
  expect(machine.fault()).toBeUndefined();
});

test('POPF turns it on and off, whatever was accessed before', () => {
  const access = [0xa3, ...at(0x20001)];
  const popf = (flags: number) => [0x68, ...at(flags), 0x9d];
  start([...access, ...popf(FLAG_AC), ...access], { flags: 0 });
  expect(machine.fault()).toEqual({ vector: VEC_AC, eip: CODE + access.length + 6, error: 0 });
  start([...popf(0), ...access]);
  expect(machine.fault()).toMatchObject(WENT_WELL);
});

test('a repeated string instruction', () => {
  start([0xf3, 0xa5]); // rep movsd
  machine.cpu.setReg(ESI, 0x20000);
  machine.cpu.setReg(EDI, 0x21002);
  machine.cpu.setReg(ECX, 16);
  expect(machine.fault()).toEqual({ vector: VEC_AC, eip: CODE, error: 0 });
  expect(machine.cpu.reg(ECX)).toBe(16);
});

test('a page fault comes first', () => {
  start([0xa1, ...at(0x40_0002)]);
  machine.cpu.poke(0x30_0000, [0x87, 0, 0, 0, 0, 0, 0, 0]); // 4 MiB page at 0 for users, then none
  machine.set(CR3, 0x30_0000);
  machine.set(CR4, CR4_PSE);
  machine.set(CR0, CR0_PG | CR0_AM | 0x11);
  machine.cpu.cpu.exports.resetDerived();
  expect(machine.fault()).toEqual({ vector: VEC_PF, eip: CODE, error: 4 });
});
