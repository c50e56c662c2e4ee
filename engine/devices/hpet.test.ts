import { describe, expect, test } from 'vitest';
import { Bench, deviceContract } from '#test/support/device-contract.ts';
import { Hpet, HPET_BASE } from './hpet.ts';
import { ReplacedLine } from './replaced-line.ts';

const GEN_CONF = 0x10;
const GINTR_STA = 0x20;
const MAIN_CNT = 0xf0;
const conf = (n: number) => 0x100 + 0x20 * n;
const cmp = (n: number) => 0x108 + 0x20 * n;

const ENABLE = 1;
const LEGACY = 2;
const LEVEL = 1 << 1;
const INT_ENB = 1 << 2;
const PERIODIC = 1 << 3;
const VAL_SET = 1 << 6;
const MODE32 = 1 << 8;
const ROUTE_5 = 5 << 9;

function board(bench: Bench) {
  const irq0 = new ReplacedLine(bench.irq(0));
  const irq8 = new ReplacedLine(bench.irq(8));
  return { irq0, irq8, hpet: new Hpet(bench.time, { irq0, irq8, line: irq => bench.irq(irq) }) };
}
const make = (bench: Bench) => board(bench).hpet;

function set(hpet: Hpet, offset: number, low: number, high?: number) {
  hpet.write(HPET_BASE + offset, 4, low);
  if (high !== undefined) hpet.write(HPET_BASE + offset + 4, 4, high);
}
const get = (hpet: Hpet, offset: number) => hpet.read(HPET_BASE + offset, 4);
const get64 = (hpet: Hpet, offset: number) => BigInt(get(hpet, offset)) | (BigInt(get(hpet, offset + 4)) << 32n);

const timerSteps = [0, 1, 2].map(n => (_bench: Bench, hpet: Hpet) => {
  set(hpet, conf(n), PERIODIC | LEVEL | INT_ENB);
  set(hpet, cmp(n), 0x10, 0x20);
  set(hpet, conf(n), PERIODIC | VAL_SET);
  set(hpet, cmp(n), 0x100, 0x200);
});
deviceContract('hpet', make, [
  ...timerSteps,
  (bench, hpet) => {
    set(hpet, MAIN_CNT, 7, 9);
    set(hpet, GEN_CONF, ENABLE | LEGACY);
    set(hpet, conf(2), LEVEL | MODE32);
    bench.pass(3000);
    get(hpet, GINTR_STA);
  },
]);

describe('registers', () => {
  test('capabilities: 10 ns, three timers, legacy replacement', () => {
    const hpet = make(new Bench());
    expect(get(hpet, 4)).toBe(10_000_000);
    expect(get(hpet, 0)).toBe(0x8086a201);
    expect(hpet.read(HPET_BASE + 2, 2)).toBe(0x8086);
    expect(hpet.read(HPET_BASE + 1, 1) & 0xff).toBe(0xa2);
  });

  test('the counter counts tens of nanoseconds while it is enabled, and past 32 bits', () => {
    const bench = new Bench();
    const hpet = make(bench);
    bench.pass(1000);
    expect(get64(hpet, MAIN_CNT)).toBe(0n);
    set(hpet, MAIN_CNT, 0xffff_fff0, 1);
    set(hpet, GEN_CONF, ENABLE);
    bench.pass(170);
    expect(get64(hpet, MAIN_CNT)).toBe(0x2_0000_0001n);
    set(hpet, GEN_CONF, 0);
    bench.pass(1000);
    expect(get64(hpet, MAIN_CNT)).toBe(0x2_0000_0001n);
  });

  test('a route that the timer lacks reads back as another', () => {
    const hpet = make(new Bench());
    expect(get(hpet, conf(2) + 4)).toBe((1 << 5) | (1 << 10) | (1 << 11));
    set(hpet, conf(2), ROUTE_5);
    expect(get(hpet, conf(2)) & 0x3e00).toBe(ROUTE_5);
    set(hpet, conf(2), 9 << 9);
    expect(get(hpet, conf(2)) & 0x3e00).toBe(0);
  });
});

describe('matches', () => {
  test('a one-shot timer interrupts once, at its instant, and in 32-bit mode again after a turn of the counter', () => {
    const bench = new Bench();
    const hpet = make(bench);
    set(hpet, GEN_CONF, ENABLE);
    set(hpet, conf(0), INT_ENB | MODE32 | ROUTE_5);
    set(hpet, cmp(0), 1000);
    bench.pass(9_999);
    expect(bench.edges.get(5)).toBe(undefined);
    bench.pass(1);
    expect(bench.edges.get(5)).toBe(1);
    bench.pass(1e9);
    expect(bench.edges.get(5)).toBe(1);
    bench.pass(2 ** 32 * 10 - 1e9);
    expect(bench.edges.get(5)).toBe(2);
  });

  test('a 64-bit comparator is not met by its low half', () => {
    const bench = new Bench();
    const hpet = make(bench);
    set(hpet, GEN_CONF, ENABLE);
    set(hpet, conf(0), INT_ENB | ROUTE_5);
    set(hpet, cmp(0), 1000, 1);
    bench.pass(42e9);
    expect(bench.edges.get(5)).toBe(undefined);
    bench.pass(1e9);
    expect(bench.edges.get(5)).toBe(1);
  });

  test('a periodic timer: VAL_SET writes the accumulator, the next write the period alone', () => {
    const bench = new Bench();
    const hpet = make(bench);
    set(hpet, GEN_CONF, ENABLE);
    set(hpet, conf(0), INT_ENB | PERIODIC | VAL_SET | MODE32 | ROUTE_5);
    set(hpet, cmp(0), 500);
    expect(get(hpet, conf(0)) & VAL_SET).toBe(0);
    set(hpet, cmp(0), 100);
    bench.pass(4_999);
    expect(bench.edges.get(5)).toBe(undefined);
    bench.pass(1);
    expect(bench.edges.get(5)).toBe(1);
    bench.pass(10_000);
    expect(bench.edges.get(5)).toBe(11);
    expect(get(hpet, cmp(0))).toBe(500 + 11 * 100);
  });

  test('both halves of one 64-bit access are an accumulator, not so a later one', () => {
    const bench = new Bench();
    const hpet = make(bench);
    set(hpet, conf(0), PERIODIC | VAL_SET);
    set(hpet, cmp(0), 5, 6);
    bench.pass(1);
    set(hpet, cmp(0), 7, 8);
    expect(get64(hpet, cmp(0))).toBe(0x6_0000_0005n);
  });

  test('time that jumps over many periods gives one interrupt, and the next one in step', () => {
    const bench = new Bench();
    const hpet = make(bench);
    set(hpet, GEN_CONF, ENABLE);
    set(hpet, conf(0), INT_ENB | PERIODIC | VAL_SET | ROUTE_5);
    set(hpet, cmp(0), 100, 0);
    bench.count = 10_550;
    bench.time.fireDue();
    expect(bench.edges.get(5)).toBe(1);
    expect(bench.time.nextDeadlineNs()).toBe(11_000);
  });

  test('a level stays until its status bit is cleared; status shows without the interrupt too', () => {
    const bench = new Bench();
    const hpet = make(bench);
    set(hpet, GEN_CONF, ENABLE);
    set(hpet, conf(1), INT_ENB | LEVEL | ROUTE_5);
    set(hpet, conf(2), LEVEL);
    set(hpet, cmp(1), 10, 0);
    set(hpet, cmp(2), 20, 0);
    bench.pass(1000);
    expect(bench.levels.get(5)).toBe(true);
    expect(get(hpet, GINTR_STA)).toBe(0b110);
    set(hpet, GINTR_STA, 0b010);
    expect(bench.levels.get(5)).toBe(false);
    expect(get(hpet, GINTR_STA)).toBe(0b100);
  });

  test('a halted counter interrupts nobody', () => {
    const bench = new Bench();
    const hpet = make(bench);
    set(hpet, conf(0), INT_ENB | ROUTE_5);
    set(hpet, cmp(0), 10, 0);
    expect(bench.time.nextDeadlineNs()).toBe(undefined);
  });
});

test('legacy replacement: timers 0 and 1 drive IRQ0 and IRQ8, whose owners are cut off until it ends', () => {
  const bench = new Bench();
  const { hpet, irq0, irq8 } = board(bench);
  irq0.original.set(true);
  set(hpet, GEN_CONF, ENABLE | LEGACY);
  expect(bench.levels.get(0)).toBe(false);
  irq8.original.set(true);
  expect(bench.levels.get(8)).toBe(false);
  irq8.original.set(false);
  for (const n of [0, 1]) {
    set(hpet, conf(n), INT_ENB | MODE32 | ROUTE_5);
    set(hpet, cmp(n), 100);
  }
  bench.pass(2000);
  expect([bench.edges.get(0), bench.edges.get(8), bench.edges.get(5)]).toEqual([2, 1, undefined]);
  set(hpet, GEN_CONF, ENABLE);
  expect([bench.levels.get(0), bench.levels.get(8)]).toEqual([true, false]);
});

test('the route and a pending match survive a save', () => {
  const bench = new Bench();
  const saved = board(bench);
  set(saved.hpet, GEN_CONF, ENABLE | LEGACY);
  set(saved.hpet, conf(0), INT_ENB | MODE32);
  set(saved.hpet, cmp(0), 100);
  bench.pass(400);
  const other = new Bench();
  other.count = 400;
  const { hpet, irq0 } = board(other);
  hpet.loadState(saved.hpet.saveState());
  irq0.original.set(true);
  expect(other.edges.get(0)).toBe(undefined);
  other.pass(600);
  expect(other.edges.get(0)).toBe(1);
});
