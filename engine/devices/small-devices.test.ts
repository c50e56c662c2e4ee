import { describe, expect, test } from 'vitest';
import { Bench, deviceContract } from '#test/support/device-contract.ts';
import { connectDebugExit } from './debug-exit.ts';
import { Dma } from './dma.ts';
import { Port92 } from './port-92.ts';

const makeDma = (bench: Bench) => new Dma(bench.ports);
const fill = (bench: Bench, base: number, stride: number) => {
  for (let i = 0; i < 8; i++) bench.out(base + i * stride, 0x12 + i, 0x34);
  bench.out(base + 8 * stride, 0x10);
  bench.out(base + 9 * stride, 0x05);
  bench.out(base + 10 * stride, 0x02);
  for (let i = 0; i < 4; i++) bench.out(base + 11 * stride, 0x58 | i);
  bench.out(base, 0x99);
};
deviceContract('dma', makeDma, [
  bench => {
    fill(bench, 0x00, 1);
    fill(bench, 0xc0, 2);
    bench.out(0x87, 0x42);
  },
]);

test('DMA registers go through the byte flip-flop', () => {
  const bench = new Bench();
  makeDma(bench);
  bench.out(0x0c, 0);
  bench.out(0x02, 0x34, 0x12);
  expect([bench.in(0x02), bench.in(0x02)]).toEqual([0x34, 0x12]);
  bench.out(0x80, 0x5a);
  expect(bench.in(0x80)).toBe(0x5a);
});

const makePort92 = (bench: Bench, log: string[] = []) =>
  new Port92(bench.ports, { onA20: on => log.push(`a20 ${on}`), requestReset: () => log.push('reset') });
deviceContract('port-92', bench => makePort92(bench), [bench => bench.out(0x92, 0x01)]);

describe('port 92h', () => {
  test('gates A20 and resets on a rising bit 0', () => {
    const bench = new Bench();
    const log: string[] = [];
    makePort92(bench, log);
    bench.out(0x92, 0x00, 0x02, 0x03, 0x03);
    expect(log).toEqual(['a20 false', 'a20 true', 'reset']);
  });
});

test('debug exit code is (value << 1) | 1 in every width', () => {
  const bench = new Bench();
  const codes: number[] = [];
  connectDebugExit(bench.ports, code => codes.push(code));
  bench.ports.out(0xf4, 1, 0x10);
  bench.ports.out(0xf4, 4, 0);
  expect(codes).toEqual([0x21, 1]);
});
