import { expect, test } from 'vitest';
import { Bench, deviceContract } from '#test/support/device-contract.ts';
import { Pit } from './pit.ts';
import { Port61 } from './port-61.ts';

const make = (bench: Bench) => new Port61(bench.ports, bench.time, new Pit(bench.ports, bench.time, bench.irq(0)));
deviceContract('port-61', make, [bench => bench.out(0x61, 0x03)]);

test('refresh toggles and OUT2 shows', () => {
  const bench = new Bench();
  make(bench);
  const before = bench.in(0x61) & 0x10;
  bench.pass(15085);
  expect(bench.in(0x61) & 0x10).not.toBe(before);
  bench.out(0x61, 0x01);
  bench.out(0x43, 0xb0);
  bench.out(0x42, 0x10, 0x00);
  expect(bench.in(0x61) & 0x20).toBe(0);
  bench.pass(20000);
  expect(bench.in(0x61) & 0x20).toBe(0x20);
});
