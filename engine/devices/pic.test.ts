import { expect, test } from 'vitest';
import { Bench, deviceContract } from '#test/support/device-contract.ts';
import type { IrqLine } from './device.ts';
import { PicPair } from './pic.ts';

function setUp() {
  const bench = new Bench();
  const pins = { intr: false };
  const pic = new PicPair(bench.ports, level => {
    pins.intr = level;
  });
  return { bench, pins, pic };
}

const drivers = new WeakMap<PicPair, IrqLine[]>();
/** The test's own driver of the line. */
function line(pic: PicPair, irq: number): IrqLine {
  const own = drivers.get(pic) ?? [];
  drivers.set(pic, own);
  return (own[irq] ??= pic.line(irq));
}

/** As Linux does: vectors 30h and 38h, nothing masked. */
function initialize(bench: Bench, icw4 = 1) {
  bench.out(0x20, 0x11);
  bench.out(0x21, 0x30, 0x04, icw4, 0x00);
  bench.out(0xa0, 0x11);
  bench.out(0xa1, 0x38, 0x02, icw4, 0x00);
}

deviceContract('pic', bench => new PicPair(bench.ports, () => {}), [
  bench => {
    bench.out(0x20, 0x19);
    bench.out(0xa0, 0x19);
  },
  bench => {
    initialize(bench, 0x03);
    bench.out(0x4d0, 0xf8);
    bench.out(0x4d1, 0xde);
    bench.out(0x21, 0x55);
    bench.out(0xa1, 0xaa);
  },
  (_bench, pic) => {
    line(pic, 1).set(true);
    line(pic, 12).set(true);
    line(pic, 8).set(true);
  },
  bench => {
    for (const port of [0x20, 0xa0]) bench.out(port, 0x0b, 0x68, 0x80, 0xc3);
  },
  bench => {
    for (const port of [0x20, 0xa0]) bench.out(port, 0x0c);
  },
  (bench, pic) => {
    initialize(bench);
    line(pic, 9).set(false);
    line(pic, 9).set(true);
    pic.acknowledge();
  },
]);

test('an edge interrupts once, with the vector of its line', () => {
  const { bench, pins, pic } = setUp();
  initialize(bench);
  line(pic, 4).set(true);
  expect(pins.intr).toBe(true);
  expect(pic.acknowledge()).toBe(0x34);
  expect(pins.intr).toBe(false);
  bench.out(0x20, 0x20);
  expect(pins.intr).toBe(false);
});

test('a slave line comes through the cascade and wants two EOIs', () => {
  const { bench, pins, pic } = setUp();
  initialize(bench);
  line(pic, 8).set(true);
  expect(pic.acknowledge()).toBe(0x38);
  line(pic, 9).set(true);
  expect(pins.intr).toBe(false);
  bench.out(0xa0, 0x20);
  bench.out(0x20, 0x20);
  expect(pins.intr).toBe(true);
  expect(pic.acknowledge()).toBe(0x39);
});

test('a higher slave line waiting while a lower one is acknowledged is not lost', () => {
  const { bench, pins, pic } = setUp();
  initialize(bench);
  line(pic, 12).set(true);
  line(pic, 14).set(true);
  expect(pic.acknowledge()).toBe(0x3c);
  bench.out(0xa0, 0x20);
  bench.out(0x20, 0x20);
  expect(pins.intr).toBe(true);
  expect(pic.acknowledge()).toBe(0x3e);
});

test('a level line that falls before its acknowledge gives the spurious vectors 7 and 15', () => {
  const { bench, pic } = setUp();
  initialize(bench);
  expect(pic.acknowledge()).toBe(0x37);
  bench.out(0x20, 0x0b);
  expect(bench.in(0x20)).toBe(0);
});

test('a higher line interrupts a lower one in service, not the other way', () => {
  const { bench, pins, pic } = setUp();
  initialize(bench);
  line(pic, 3).set(true);
  expect(pic.acknowledge()).toBe(0x33);
  line(pic, 5).set(true);
  expect(pins.intr).toBe(false);
  line(pic, 1).set(true);
  expect(pins.intr).toBe(true);
});

test('special mask mode lets lower lines in while a masked one is in service', () => {
  const { bench, pins, pic } = setUp();
  initialize(bench);
  line(pic, 3).set(true);
  pic.acknowledge();
  bench.out(0x21, 0x08);
  line(pic, 5).set(true);
  expect(pins.intr).toBe(false);
  bench.out(0x20, 0x68);
  expect(pins.intr).toBe(true);
});

test('poll mode acknowledges by a read', () => {
  const { bench, pic } = setUp();
  initialize(bench);
  line(pic, 6).set(true);
  bench.out(0x20, 0x0c);
  expect(bench.in(0x20)).toBe(0x86);
  bench.out(0x20, 0x0b);
  expect(bench.in(0x20)).toBe(0x40);
});

test('a level-triggered line asks again until it falls', () => {
  const { bench, pins, pic } = setUp();
  initialize(bench);
  bench.out(0x4d1, 0x02);
  line(pic, 9).set(true);
  expect(pic.acknowledge()).toBe(0x39);
  bench.out(0xa0, 0x20);
  bench.out(0x20, 0x20);
  expect(pins.intr).toBe(true);
  line(pic, 9).set(false);
  expect(pins.intr).toBe(false);
});

test('a line with several drivers is up while one of them holds it', () => {
  const { bench, pins, pic } = setUp();
  initialize(bench);
  bench.out(0x4d1, 0x04);
  const [one, other] = [pic.line(10), pic.line(10)];
  one.set(true);
  other.set(true);
  expect(pic.acknowledge()).toBe(0x3a);
  one.set(false);
  bench.out(0xa0, 0x20);
  bench.out(0x20, 0x20);
  expect(pins.intr).toBe(true);
  other.set(false);
  expect(pins.intr).toBe(false);
});

test('a line that is up when it becomes level-triggered requests again, also after a new initialization', () => {
  const { bench, pins, pic } = setUp();
  initialize(bench);
  pic.line(10).set(true);
  pic.acknowledge();
  bench.out(0xa0, 0x20);
  bench.out(0x20, 0x20);
  expect(pins.intr).toBe(false);
  bench.out(0x4d1, 0x04);
  expect(pins.intr).toBe(true);
  initialize(bench);
  expect(pins.intr).toBe(true);
});
