import { expect, test } from 'vitest';
import { Bench, deviceContract } from '#test/support/device-contract.ts';
import { Rtc, RtcState } from './rtc.ts';

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
  (_bench, rtc) => rtc.setHostTime(START + 86_400),
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

const clock = (bench: Bench) => [7, 4, 2, 0].map(reg => read(bench, reg).toString(16)).join(' ');

test("follows the host's time, by whole seconds", () => {
  const bench = new Bench();
  const rtc = make(bench);
  bench.pass(1.7e9);
  expect(rtc.hostTime()).toBe(START + 1.7);
  rtc.setHostTime(START + 2.1);
  expect([clock(bench), rtc.hostTime()]).toEqual(['29 23 59 59', START + 1.7]);
  rtc.setHostTime(START + 3_600 + 1.9);
  expect([clock(bench), rtc.hostTime()]).toEqual(['1 0 59 59', START + 3_601.7]);
  bench.pass(1e9);
  expect(clock(bench)).toBe('1 1 0 0');
  rtc.setHostTime(START); // it may be set back, too
  expect(clock(bench)).toBe('29 23 59 57');
});

test('a clock that the guest has set stays as far from the host’s', () => {
  const bench = new Bench();
  const rtc = make(bench);
  write(bench, 0x0b, 0x82);
  write(bench, 4, 0x21); // two hours and more behind
  rtc.setHostTime(START + 600); // while it is being set
  write(bench, 0x0b, 0x02);
  expect(clock(bench)).toBe('29 21 59 58');
  rtc.setHostTime(START + 660);
  expect(clock(bench)).toBe('29 22 0 58');
});

test('an alarm that the time has been moved over has come', () => {
  const bench = new Bench();
  const rtc = make(bench);
  for (const [reg, value] of [
    [1, 0x30],
    [3, 0x10],
    [5, 0x03],
  ] as const)
    write(bench, reg, value); // 03:10:30
  write(bench, 0x0b, 0x22);
  rtc.setHostTime(START + 10_800);
  expect([bench.levels.get(8), read(bench, 0x0c)]).toEqual([false, 0]);
  rtc.setHostTime(START + 14_400);
  expect([bench.levels.get(8), read(bench, 0x0c)]).toEqual([true, 0xa0]);
  rtc.setHostTime(START + 18_000);
  expect(read(bench, 0x0c)).toBe(0);
});

test("a state from before the host's time was told goes on from what it shows", () => {
  const bench = new Bench();
  const { hostSeconds: _, ...old } = { ...make(bench).saveState(), baseSeconds: START - 1000 };
  const rtc = new Rtc(new Bench().ports, bench.time, bench.irq(8), 0);
  rtc.loadState(RtcState.parseVersion(1, old));
  expect(rtc.hostTime()).toBe(START - 1000);
});
