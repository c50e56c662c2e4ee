import { describe, expect, test } from 'vitest';
import { InvariantError } from '#engine/errors/errors.ts';
import { MmioBus } from './mmio-bus.ts';
import { IoPorts } from './port-bus.ts';

describe('ports', () => {
  test('nobody there reads as ones and swallows writes', () => {
    const ports = new IoPorts();
    ports.out(0x1234, 4, 0);
    expect([ports.in(0x1234, 1), ports.in(0x1234, 2), ports.in(0x1234, 4)]).toEqual([0xff, 0xffff, 0xffffffff]);
  });

  test('wide accesses split into bytes, low first', () => {
    const ports = new IoPorts();
    const log: string[] = [];
    for (const port of [0x10, 0x11]) {
      ports.onRead(port, () => port);
      ports.onWrite(port, value => log.push(`${port.toString(16)}=${value.toString(16)}`));
    }
    expect(ports.in(0x10, 4)).toBe(0xffff1110);
    ports.out(0x10, 4, 0xddccbbaa);
    expect(log).toEqual(['10=aa', '11=bb']);
  });

  test('narrow accesses reach into a wide register', () => {
    const ports = new IoPorts();
    let register = 0x11223344;
    ports.onRead(0x600, () => register, 4);
    ports.onWrite(
      0x600,
      value => {
        register = value;
      },
      4,
    );
    expect([ports.in(0x602, 2), ports.in(0x603, 1)]).toEqual([0x1122, 0x11]);
    ports.out(0x601, 1, 0xff);
    expect(register).toBe(0x1122ff44);
  });

  test('a port that wraps past FFFFh does not throw', () => {
    expect(new IoPorts().in(0xffff, 4)).toBe(0xffffffff);
  });

  test('two devices at one port are a bug', () => {
    const ports = new IoPorts();
    ports.onRead(1, () => 0);
    expect(() => ports.onRead(1, () => 0)).toThrow(InvariantError);
  });
});

test('MMIO windows see their addresses; elsewhere is ones', () => {
  const bus = new MmioBus();
  const writes: number[] = [];
  bus.add({ first: 0xa0000, last: 0xaffff, read: gpa => gpa, write: (gpa, size, value) => writes.push(gpa, size, value) });
  expect([bus.read(0xa0010, 4), bus.read(0xb0000, 2)]).toEqual([0xa0010, 0xffff]);
  bus.write(0xaffff, 1, 7);
  bus.write(0xb0000, 1, 7);
  expect(writes).toEqual([0xaffff, 1, 7]);
});
