import { expect, test } from 'vitest';
import { Bench, deviceContract } from '#test/support/device-contract.ts';
import { Uart } from './uart.ts';

const COM1 = 0x3f8;
const make = (bench: Bench, sent: number[] = []) => new Uart(bench.ports, COM1, bench.time, bench.irq(4), byte => sent.push(byte));
const bytes = (text: string) => new TextEncoder().encode(text);

deviceContract('uart', bench => make(bench), [
  bench => {
    bench.out(COM1 + 3, 0x83);
    bench.out(COM1, 0x01);
    bench.out(COM1 + 1, 0x02);
    bench.out(COM1 + 3, 0x03);
    bench.out(COM1 + 7, 0x5a);
  },
  bench => {
    bench.out(COM1 + 4, 0x12);
    bench.out(COM1, 0x41, 0x42);
    bench.out(COM1 + 1, 0x03);
  },
  bench => {
    bench.out(COM1 + 4, 0x0b);
    bench.out(COM1 + 2, 0xc1);
  },
  (_bench, uart) => uart.receive(bytes('a')),
  bench => bench.pass(1e9),
  (_bench, uart) => uart.receive(bytes('typed ahead of the guest, more than its FIFO holds')),
]);

test('output leaves at once and the transmitter stays empty', () => {
  const bench = new Bench();
  const sent: number[] = [];
  make(bench, sent);
  for (const byte of bytes('hello')) {
    expect(bench.in(COM1 + 5) & 0x60).toBe(0x60);
    bench.out(COM1, byte);
  }
  expect(sent).toEqual([...bytes('hello')]);
});

test('THRE interrupts when enabled, after each write, and clears when IIR is read', () => {
  const bench = new Bench();
  make(bench);
  bench.out(COM1 + 4, 0x08);
  bench.out(COM1 + 1, 0x02);
  expect(bench.levels.get(4)).toBe(true);
  expect(bench.in(COM1 + 2)).toBe(0x02);
  expect(bench.in(COM1 + 2)).toBe(0x01);
  expect(bench.levels.get(4)).toBe(false);
  bench.out(COM1, 0x41);
  expect(bench.levels.get(4)).toBe(true);
});

test('enabling THRE again asserts it again', () => {
  const bench = new Bench();
  make(bench);
  bench.out(COM1 + 1, 0x02);
  bench.in(COM1 + 2);
  bench.out(COM1 + 1, 0x00);
  bench.out(COM1 + 1, 0x02);
  expect(bench.in(COM1 + 2)).toBe(0x02);
});

test('received bytes interrupt at the trigger level, or after four characters of silence', () => {
  const bench = new Bench();
  const uart = make(bench);
  bench.out(COM1 + 2, 0x81); // trigger at 8
  bench.out(COM1 + 4, 0x08);
  bench.out(COM1 + 1, 0x01);
  uart.receive(bytes('1234567'));
  expect(bench.in(COM1 + 2)).toBe(0xc1);
  uart.receive(bytes('8'));
  expect(bench.in(COM1 + 2)).toBe(0xc4);
  bench.in(COM1);
  expect(bench.in(COM1 + 2)).toBe(0xc1);
  bench.pass(1e9);
  expect(bench.in(COM1 + 2)).toBe(0xcc);
  expect(bench.levels.get(4)).toBe(true);
  let text = '';
  while ((bench.in(COM1 + 5) & 1) !== 0) text += String.fromCharCode(bench.in(COM1));
  expect(text).toBe('2345678');
  expect(bench.levels.get(4)).toBe(false);
});

test('the host is held back, nothing is lost', () => {
  const bench = new Bench();
  const uart = make(bench);
  bench.out(COM1 + 2, 0x01);
  const flood = new Uint8Array(5000).map((_, i) => i & 0xff);
  const got: number[] = [];
  let sent = 0;
  while (got.length < flood.length) {
    sent += uart.receive(flood.subarray(sent));
    expect(sent - got.length).toBeLessThanOrEqual(1024 + 16);
    got.push(bench.in(COM1));
  }
  expect(got).toEqual([...flood]);
  expect(bench.in(COM1 + 5) & 0x03).toBe(0);
});

test('loopback connects the modem lines crosswise and cuts the cable', () => {
  const bench = new Bench();
  const sent: number[] = [];
  const uart = make(bench, sent);
  bench.out(COM1 + 4, 0x1a);
  expect(bench.in(COM1 + 6) & 0xf0).toBe(0x90);
  bench.out(COM1, 0x77);
  uart.receive(bytes('x'));
  expect(sent).toEqual([]);
  expect(bench.in(COM1)).toBe(0x77);
  bench.out(COM1 + 4, 0x00);
  expect(bench.in(COM1)).toBe('x'.charCodeAt(0));
});

test('the divisor latch hides behind DLAB', () => {
  const bench = new Bench();
  make(bench);
  bench.out(COM1 + 3, 0x80);
  bench.out(COM1, 0x34);
  bench.out(COM1 + 1, 0x12);
  expect([bench.in(COM1), bench.in(COM1 + 1)]).toEqual([0x34, 0x12]);
  bench.out(COM1 + 3, 0x03);
  expect(bench.in(COM1 + 1)).toBe(0);
});

test('a guest that never stops sending still hears of a single received byte', () => {
  const bench = new Bench();
  const uart = make(bench);
  bench.out(COM1 + 2, 0xc1); // FIFOs on, interrupt at 14 bytes
  bench.out(COM1 + 4, 0x08);
  bench.out(COM1 + 1, 0x01);
  uart.receive(bytes('x'));
  for (let i = 0; i < 100 && !bench.levels.get(4); i++) {
    bench.out(COM1, 0x2e);
    bench.pass(100_000);
  }
  expect(bench.in(COM1 + 2) & 0x0f).toBe(0x0c);
});
