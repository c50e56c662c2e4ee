import { expect, test } from 'vitest';
import { Bench, deviceContract } from '#test/support/device-contract.ts';
import { Vga } from './vga.ts';

const make = (bench: Bench) => new Vga(bench.ports, bench.time);
const crtc = (bench: Bench, index: number, value: number) => {
  bench.out(0x3d4, index);
  bench.out(0x3d5, value);
};
const ram = (text: string) => ({
  read(gpa: number, into: Uint8Array) {
    const offset = gpa - 0xb8000;
    for (let i = 0; i < into.length; i++) into[i] = ((offset + i) & 1) === 1 ? 0x07 : text.charCodeAt((offset + i) >> 1) || 0x20;
  },
  write() {},
});

deviceContract('vga', make, [
  bench => {
    bench.out(0x3c4, 2, 3);
    bench.out(0x3c5, 0x55);
    bench.out(0x3ce, 4);
    bench.out(0x3cf, 0x02);
    bench.out(0x3c0, 0x05, 0x33, 0x11);
    bench.out(0x3c0, 0x07, 0x06);
    bench.out(0x3da, 0x01);
    bench.out(0x3c6, 0x0f);
    bench.out(0x3c8, 0x10);
    bench.out(0x3c9, 1);
    bench.out(0x3c7, 0x21);
    bench.in(0x3c9);
    crtc(bench, 0x0c, 0x12);
    bench.out(0x3c2, 0x63);
  },
  bench => {
    bench.in(0x3da);
    bench.out(0x3c0, 0x05);
    bench.out(0x3c0, 0x09);
    bench.out(0x3c0, 0x01);
  },
]);

test('mode 3 at power-on, and the page moves with the start address', () => {
  const bench = new Bench();
  const vga = make(bench);
  crtc(bench, 0x0c, 0);
  crtc(bench, 0x0d, 3);
  crtc(bench, 0x0e, 0);
  crtc(bench, 0x0f, 5);
  const screen = vga.screen(ram('abcdef'));
  expect([screen.columns, screen.rows, screen.cursor]).toEqual([80, 25, 2]);
  expect([...screen.cells.subarray(0, 4)]).toEqual([0x64, 7, 0x65, 7]);
  crtc(bench, 0x0a, 0x20);
  expect(vga.screen(ram('')).cursor).toBe(-1);
});

test('the DAC keeps six bits and steps through components', () => {
  const bench = new Bench();
  make(bench);
  bench.out(0x3c8, 7);
  bench.out(0x3c9, 0xff, 0x10, 0x20, 0x01);
  bench.out(0x3c7, 7);
  expect([bench.in(0x3c9), bench.in(0x3c9), bench.in(0x3c9), bench.in(0x3c9)]).toEqual([0x3f, 0x10, 0x20, 0x01]);
});

test('retrace comes and goes', () => {
  const bench = new Bench();
  make(bench);
  const seen = new Set<number>();
  for (let i = 0; i < 200; i++) {
    bench.pass(100e3);
    seen.add(bench.in(0x3da));
  }
  expect([...seen].sort()).toEqual([0, 1, 9]);
});
