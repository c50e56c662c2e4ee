import { expect, test } from 'vitest';
import { Bench, deviceContract } from '#test/support/device-contract.ts';
import { KeyboardController } from './keyboard-controller.ts';

function make(bench: Bench, log: string[] = []) {
  return new KeyboardController(bench.ports, {
    irq1: bench.irq(1),
    irq12: bench.irq(12),
    setA20: on => log.push(`a20 ${on}`),
    a20: () => true,
    requestReset: () => log.push('reset'),
  });
}
const readAll = (bench: Bench) => {
  const out: number[] = [];
  while ((bench.in(0x64) & 1) !== 0) out.push(bench.in(0x60));
  return out;
};

deviceContract('keyboard-controller', bench => make(bench), [
  (_bench, kbd) => kbd.type(Uint8Array.of(0x1e, 0x9e, 0x1f)),
  bench => {
    bench.in(0x60);
    bench.out(0x64, 0x60);
    bench.out(0x60, 0x10);
    bench.out(0x64, 0x65);
    bench.out(0x60, 0x77);
  },
  bench => bench.out(0x60, 0xed, 0x07, 0xf3, 0x20, 0xf0, 0x01),
  bench => bench.out(0x60, 0xf5, 0xed),
  bench => {
    readAll(bench);
    bench.out(0x64, 0xd3);
    bench.out(0x60, 0x44);
  },
  bench => {
    bench.out(0x64, 0xad, 0xd3);
    bench.out(0x60, 0x12);
    bench.out(0x64, 0xd3);
    bench.out(0x60, 0x13);
    bench.out(0x64, 0xd1);
    bench.out(0x60, 0x03);
    bench.out(0x64, 0xd1);
  },
  bench => {
    bench.out(0x64, 0xff);
    readAll(bench);
    bench.out(0x64, 0x60);
    bench.out(0x60, 0x41);
    bench.out(0x60, 0xf0, 0x01, 0xf6);
    readAll(bench);
  },
  (bench, kbd) => {
    kbd.type(Uint8Array.of(0x9e));
    bench.out(0x60, 0xed);
    bench.in(0x60);
    bench.out(0x64, 0xd3);
    bench.out(0x60, 0x55);
  },
  (bench, kbd) => {
    readAll(bench);
    bench.out(0x64, 0x60);
    bench.out(0x60, 0x01);
    kbd.type(Uint8Array.of(0x9e));
    bench.in(0x60);
    bench.out(0x64, 0x60);
    bench.out(0x60, 0x41);
  },
  (bench, kbd) => {
    kbd.type(Uint8Array.of(0x9e, 0x1e, 0x9e));
    readAll(bench);
    bench.out(0x64, 0x60);
    bench.out(0x60, 0x41);
  },
  bench => {
    bench.out(0x60, 0xf0, 0x01, 0xf5, 0xf0, 0x01);
  },
]);

test('keys arrive as set 1 with IRQ1, one byte at a time', () => {
  const bench = new Bench();
  const kbd = make(bench);
  const keys = [0x1e, 0x9e, 0xe0, 0x48, 0xe0, 0xc8, 0x57, 0x41, 0xc1];
  kbd.type(Uint8Array.from(keys));
  expect(bench.levels.get(1)).toBe(true);
  expect(readAll(bench)).toEqual(keys);
  expect(bench.edges.get(1)).toBe(keys.length);
});

test('without translation the guest sees set 2', () => {
  const bench = new Bench();
  const kbd = make(bench);
  bench.out(0x64, 0x60);
  bench.out(0x60, 0x01);
  kbd.type(Uint8Array.of(0x1e, 0x9e));
  expect(readAll(bench)).toEqual([0x1c, 0xf0, 0x1c]);
});

test('self tests, identity, LEDs, reset', () => {
  const bench = new Bench();
  const kbd = make(bench);
  bench.out(0x64, 0xaa);
  expect(readAll(bench)).toEqual([0x55]);
  bench.out(0x64, 0xae, 0xab);
  expect(readAll(bench)).toEqual([0x00]);
  bench.out(0x60, 0xed);
  expect(readAll(bench)).toEqual([0xfa]);
  bench.out(0x60, 0x02);
  expect(readAll(bench)).toEqual([0xfa]);
  expect(kbd.leds).toBe(2);
  bench.out(0x60, 0xff);
  expect(readAll(bench)).toEqual([0xfa, 0xaa]);
  bench.out(0x60, 0xf2);
  expect(readAll(bench)).toEqual([0xfa, 0xab, 0x41]);
});

test('A20 and reset pins', () => {
  const bench = new Bench();
  const log: string[] = [];
  make(bench, log);
  bench.out(0x64, 0xd1);
  bench.out(0x60, 0xdd);
  bench.out(0x64, 0xd1);
  bench.out(0x60, 0xdf);
  bench.out(0x64, 0xfe);
  expect(log).toEqual(['a20 false', 'a20 true', 'reset']);
});

test('a mouse does not answer', () => {
  const bench = new Bench();
  make(bench);
  bench.out(0x64, 0xd4);
  bench.out(0x60, 0xf2);
  expect(readAll(bench)).toEqual([]);
});
