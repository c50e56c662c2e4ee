import { expect, test } from 'vitest';
import { Bench, deviceContract } from '#test/support/device-contract.ts';
import { Rtc } from './rtc.ts';

const START = Date.UTC(2024, 1, 29, 23, 59, 58) / 1000;
const make = (bench: Bench) => new Rtc(bench.ports, bench.time, bench.irq(8), START);
const read = (bench: Bench, reg: number) => {
  bench.out(0x70, reg);
  return bench.in(0x71);
};
const write = (bench: Bench, reg: number, value: number) => {
  bench.out(0x70, reg);
  bench.out(0x71, value);
};

deviceContract('rtc', make, [
  bench => {
    bench.pass(3e9);
    bench.out(0x70, 0x8a);
    bench.out(0x71, 0x2a);
    write(bench, 0x0b, 0x82);
  },
  bench => {
    write(bench, 0x09, 0x31);
    write(bench, 0x0b, 0x72);
    bench.out(0x70, 0x8c);
  },
]);

test('tells the time in BCD and rolls over a leap day', () => {
  const bench = new Bench();
  make(bench);
  const date = () => [0x32, 9, 8, 7, 4, 2, 0].map(reg => read(bench, reg).toString(16)).join(' ');
  expect(date()).toBe('20 24 2 29 23 59 58');
  bench.pass(2e9);
  expect(date()).toBe('20 24 3 1 0 0 0');
});

test('binary and 12-hour formats', () => {
  const bench = new Bench();
  make(bench);
  write(bench, 0x0b, 0x04);
  expect(read(bench, 4)).toBe(0x8b);
  expect(read(bench, 2)).toBe(59);
});

test('SET holds the time while it is written', () => {
  const bench = new Bench();
  make(bench);
  write(bench, 0x0b, 0x82);
  for (const [reg, value] of [
    [9, 0x99],
    [8, 0x12],
    [7, 0x31],
    [4, 0x23],
    [2, 0x59],
    [0, 0x59],
  ] as const)
    write(bench, reg, value);
  bench.pass(5e9);
  write(bench, 0x0b, 0x02);
  expect(read(bench, 0)).toBe(0x59);
  bench.pass(1e9);
  expect([9, 8, 7].map(reg => read(bench, reg))).toEqual([0x00, 0x01, 0x01]);
  expect(read(bench, 0x32)).toBe(0x21);
});

test('the periodic interrupt runs at its rate while C is read', () => {
  const bench = new Bench();
  make(bench);
  write(bench, 0x0a, 0x2f); // 2 Hz
  write(bench, 0x0b, 0x42);
  for (let i = 0; i < 8; i++) {
    bench.pass(500e6);
    expect(read(bench, 0x0c) & 0xc0).toBe(0xc0);
  }
  expect(bench.edges.get(8)).toBe(8);
});

test('update-ended and alarm interrupts', () => {
  const bench = new Bench();
  make(bench);
  write(bench, 0x0b, 0x12);
  bench.pass(1e9);
  expect(read(bench, 0x0c)).toBe(0x90 | (read(bench, 0x0c) & 0x40) | 0x40);
  write(bench, 1, 0x05);
  write(bench, 3, 0xc0);
  write(bench, 5, 0xc0);
  write(bench, 0x0b, 0x22);
  bench.pass(5e9);
  expect(bench.levels.get(8)).toBe(false);
  bench.pass(1e9);
  expect(read(bench, 0x0c) & 0xa0).toBe(0xa0);
});

test('UIP warns before the update', () => {
  const bench = new Bench();
  make(bench);
  expect(read(bench, 0x0a) & 0x80).toBe(0);
  bench.pass(999e6);
  expect(read(bench, 0x0a) & 0x80).toBe(0x80);
});

test('an alarm at a time that no clock shows costs no more than another', () => {
  const bench = new Bench();
  make(bench);
  write(bench, 5, 0xc0);
  write(bench, 3, 0xc0);
  write(bench, 1, 0x61);
  write(bench, 0x0b, 0x22);
  for (let i = 0; i < 100_000; i++) bench.out(0x71, 0x22); // a search through two days for each is minutes
  bench.pass(100e9);
  expect(read(bench, 0x0c) & 0x20).toBe(0);
});

test.each([
  ['soon past', 0x05, 0x57, 0x23],
  ['at the same second', 0x58, 0x59, 0x23],
  ['tomorrow', 0x57, 0x59, 0x23],
  ['every hour', 0x00, 0x00, 0xc0],
  ['in its minute', 0x30, 0xc0, 0x22],
])('an alarm %s comes at its time', (_name, second, minute, hour) => {
  const bench = new Bench();
  make(bench);
  for (const [reg, value] of [
    [1, second],
    [3, minute],
    [5, hour],
    [0x0b, 0x22],
  ] as const)
    write(bench, reg, value);
  for (let passed = 0; passed < 2 * 86400 && (bench.edges.get(8) ?? 0) === 0; passed++) bench.pass(1e9);
  const matches = [second, minute, hour].map((want, i) => want === 0xc0 || read(bench, [0, 2, 4][i]!) === want);
  expect([bench.edges.get(8), ...matches]).toEqual([1, true, true, true]);
});
