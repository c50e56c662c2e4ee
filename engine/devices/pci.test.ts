import { expect, test } from 'vitest';
import { Bench, deviceContract } from '#test/support/device-contract.ts';
import { Pci } from './pci.ts';

const make = (bench: Bench, onReset = () => {}) => new Pci(bench.ports, onReset);
const select = (bench: Bench, devfn: number, reg: number) => bench.ports.out(0xcf8, 4, (0x80000000 | (devfn << 8) | reg) >>> 0);

deviceContract('pci', bench => make(bench), [
  bench => {
    select(bench, 0x00, 0x58);
    bench.ports.out(0xcfd, 1, 0x33);
    select(bench, 0x08, 0x60);
    bench.ports.out(0xcfc, 4, 0x0b0a0905);
    select(bench, 0x0b, 0x04);
    bench.ports.out(0xcfc, 2, 0);
    bench.out(0xcf9, 0x02);
  },
]);

test('the three functions answer; other slots do not', () => {
  const bench = new Bench();
  make(bench);
  const id = (devfn: number) => {
    select(bench, devfn, 0);
    return bench.ports.in(0xcfc, 4);
  };
  expect([0x00, 0x08, 0x0b, 0x10].map(id)).toEqual([0x12378086, 0x70008086, 0x71138086, 0xffffffff]);
  select(bench, 0x08, 0x0c);
  expect(bench.ports.in(0xcfe, 1)).toBe(0x80);
});

test('the address register takes whole dwords only', () => {
  const bench = new Bench();
  make(bench);
  select(bench, 0x08, 0x60);
  bench.out(0xcf8, 0x00);
  bench.ports.out(0xcfa, 2, 0);
  expect(bench.ports.in(0xcf8, 4)).toBe(0x80000860);
});

test('CF9h resets on a rising bit 2', () => {
  const bench = new Bench();
  let resets = 0;
  make(bench, () => {
    resets++;
  });
  bench.out(0xcf9, 0x02, 0x06);
  expect(resets).toBe(1);
});
