import { describe, expect, test } from 'vitest';
import { Bench, deviceContract } from '#test/support/device-contract.ts';
import { Pit, PIT_HZ } from './pit.ts';
import { nsOfTick, ticksAt } from './ticks.ts';

const makePit = (bench: Bench) => new Pit(bench.ports, bench.time, bench.irq(0));
const tickNs = (ticks: number) => nsOfTick(ticks, PIT_HZ);

const PORTS = [0x40, 0x41, 0x42] as const;
deviceContract(
  'pit',
  makePit,
  [
    bench => {
      for (const [i, port] of PORTS.entries()) {
        bench.out(0x43, (i << 6) | 0x34);
        bench.out(port, 0x10, 0x27);
      }
    },
    (bench, pit) => {
      bench.pass(tickNs(500));
      pit.setGate2(true);
      pit.setGate2(false);
      bench.out(0x40, 0x20, 0x30);
      bench.out(0x41, 0x20, 0x30);
    },
    bench => {
      bench.pass(tickNs(50));
      bench.out(0x43, 0xce, 0xee);
    },
    (bench, pit) => {
      pit.setGate2(true);
      bench.out(0x42, 0x20, 0x30);
    },
    bench => {
      for (const [i, port] of PORTS.entries()) {
        bench.out(0x43, (i << 6) | 0x3b);
        bench.out(port, 0x12);
        bench.in(port);
      }
    },
    (bench, pit) => {
      bench.out(0x43, 0x90);
      bench.out(0x42, 100);
      bench.pass(tickNs(9));
      pit.setGate2(false);
    },
    bench => {
      for (const [i] of PORTS.entries()) bench.out(0x43, (i << 6) | 0x12);
    },
  ],
  ['channel0.gate', 'channel1.gate', 'channel0.heldTicks', 'channel1.heldTicks', 'channel0.held', 'channel1.held'],
);

test('ticks and nanoseconds agree over years', () => {
  for (const tick of [0, 1, 7, 1193182, 1193183, 1e12 + 12345]) {
    expect(ticksAt(nsOfTick(tick, PIT_HZ), PIT_HZ)).toBe(tick);
    expect(ticksAt(nsOfTick(tick + 1, PIT_HZ) - 1, PIT_HZ)).toBe(tick);
  }
});

describe('counter 0', () => {
  test('mode 2 interrupts once a period', () => {
    const bench = new Bench();
    makePit(bench);
    bench.out(0x43, 0x34);
    bench.out(0x40, 11932 & 0xff, 11932 >> 8);
    bench.pass(1e9);
    expect(bench.edges.get(0)).toBe(100);
  });

  test('mode 0 interrupts once, and again only after a new count', () => {
    const bench = new Bench();
    makePit(bench);
    bench.out(0x43, 0x30);
    expect(bench.levels.get(0)).toBe(false);
    bench.out(0x40, 0xe8, 0x03);
    bench.pass(tickNs(1000));
    expect(bench.edges.get(0)).toBeUndefined();
    bench.pass(tickNs(3));
    expect(bench.edges.get(0)).toBe(1);
    bench.pass(1e9);
    expect(bench.edges.get(0)).toBe(1);
    bench.out(0x40, 0xe8, 0x03);
    bench.pass(1e9);
    expect(bench.edges.get(0)).toBe(2);
  });

  test('mode 4 strobes for one tick', () => {
    const bench = new Bench();
    makePit(bench);
    bench.out(0x43, 0x38);
    bench.out(0x40, 0x64, 0x00);
    bench.pass(tickNs(101) + 1);
    expect(bench.levels.get(0)).toBe(false);
    bench.pass(tickNs(1));
    expect(bench.levels.get(0)).toBe(true);
  });

  test.each([
    ['0', 0x30],
    ['4', 0x38],
  ])('mode %s interrupts although the clock jumps by minutes, as it does when the host was suspended', (_, control) => {
    const bench = new Bench();
    makePit(bench);
    bench.out(0x43, control);
    bench.out(0x40, 0x10, 0x27);
    const before = bench.edges.get(0) ?? 0;
    bench.time.advance(300e9);
    bench.time.fireDue();
    expect(bench.edges.get(0)).toBe(before + 1);
  });

  test('mode 3 spends half of an even period high', () => {
    const bench = new Bench();
    makePit(bench);
    bench.out(0x43, 0x36);
    bench.out(0x40, 100, 0);
    bench.pass(tickNs(26));
    bench.out(0x43, 0xe2); // status of counter 0
    expect(bench.in(0x40) & 0x80).toBe(0x80);
    bench.pass(tickNs(50));
    bench.out(0x43, 0xe2);
    expect(bench.in(0x40) & 0x80).toBe(0);
  });
});

test('the latch holds the count until both bytes are read', () => {
  const bench = new Bench();
  makePit(bench);
  bench.out(0x43, 0x34);
  bench.out(0x40, 0x00, 0x10);
  bench.pass(tickNs(17));
  bench.out(0x43, 0x00);
  bench.pass(tickNs(100));
  expect(bench.in(0x40) | (bench.in(0x40) << 8)).toBe(0x1000 - 16);
  expect(bench.in(0x40) | (bench.in(0x40) << 8)).toBe(0x1000 - 116);
});

test('a new count in mode 2 waits for the end of the period', () => {
  const bench = new Bench();
  makePit(bench);
  bench.out(0x43, 0x14);
  bench.out(0x40, 100);
  bench.pass(tickNs(51));
  bench.out(0x40, 10);
  bench.pass(tickNs(25));
  expect(bench.in(0x40)).toBe(25);
  bench.pass(tickNs(27));
  expect(bench.in(0x40)).toBeLessThanOrEqual(10);
});

test('counter 2 counts only with its gate', () => {
  const bench = new Bench();
  const pit = makePit(bench);
  pit.setGate2(true);
  bench.out(0x43, 0xb0);
  bench.out(0x42, 100, 0);
  bench.pass(tickNs(51));
  pit.setGate2(false);
  bench.pass(tickNs(1000));
  expect(pit.out2()).toBe(false);
  pit.setGate2(true);
  bench.pass(tickNs(52));
  expect(pit.out2()).toBe(true);
});

test.each([1, 2, 3, 1000, 0])('an hour that passes at once is one interrupt and a few steps: periodic, count %d', count => {
  for (const mode of [2, 3]) {
    const bench = new Bench();
    const { set } = bench.irq(0);
    let steps = 0;
    const counted = (level: boolean) => {
      steps++;
      set(level);
    };
    expect(new Pit(bench.ports, bench.time, { set: counted }).out2()).toBe(false);
    bench.out(0x43, 0x30 | (mode << 1));
    bench.out(0x40, count & 0xff, count >> 8);
    bench.count += 1;
    bench.time.fireDue();
    const before = bench.edges.get(0)!;
    bench.count += 3600e9;
    steps = 0;
    bench.time.fireDue();
    expect([mode, steps < 12, bench.edges.get(0)! > before]).toEqual([mode, true, mode === 3 || count !== 1]); // which mode 2 has no room for
  }
});

test('a count of 1 in mode 2 has its level at once, as after a load, and asks for no more time', () => {
  const bench = new Bench();
  const pit = makePit(bench);
  bench.out(0x43, 0x34);
  bench.out(0x40, 1, 0);
  expect(bench.levels.get(0)).toBe(true);
  bench.pass(tickNs(1));
  const level = bench.levels.get(0);
  pit.loadState(structuredClone(pit.saveState()));
  expect([level, bench.levels.get(0), bench.time.nextDeadlineNs()]).toEqual([false, false, undefined]);
});
