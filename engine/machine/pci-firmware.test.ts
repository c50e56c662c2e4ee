import { expect, test } from 'vitest';
import { Bench } from '#test/support/device-contract.ts';
import type { PciFunctionModel } from '../devices/pci-function.ts';
import { Pci } from '../devices/pci.ts';
import { assignPci } from './pci-firmware.ts';

const bar = (space: 'io' | 'memory', bytes: number) => ({ space, bytes, read: (offset: number) => offset, write: () => {} });
const device = (slot: number, ...bars: NonNullable<PciFunctionModel['bars']>): PciFunctionModel => ({
  device: slot,
  function: 0,
  vendorId: 1,
  deviceId: 2,
  classCode: 0,
  revision: 0,
  intA: true,
  bars,
});

test('windows lie naturally aligned behind one another and answer; interrupts are routed and level-triggered', () => {
  const bench = new Bench();
  const pci = new Pci({ ports: bench.ports, memory: bench.mmio, line: irq => bench.irq(irq), requestReset: () => {} });
  const levels: number[] = [];
  for (const port of [0x4d0, 0x4d1]) bench.ports.onWrite(port, value => levels.push(value));
  const slot = pci.add(device(4, bar('io', 256), bar('memory', 4096)));
  pci.add(device(3, bar('io', 16), bar('memory', 16)));
  pci.reset();
  assignPci(pci, bench.ports);

  const config = (devfn: number, reg: number) => {
    bench.ports.out(0xcf8, 4, (0x80000000 | (devfn << 8) | reg) >>> 0);
    return bench.ports.in(0xcfc, 4);
  };
  expect([0x10, 0x14].map(reg => config(0x18, reg))).toEqual([0xc001, 0xc0000000]);
  expect([0x10, 0x14].map(reg => config(0x20, reg))).toEqual([0xc101, 0xc0001000]);
  expect([config(0x18, 0x04) & 7, config(0x18, 0x3c) & 0xff, config(0x20, 0x3c) & 0xff]).toEqual([7, 11, 10]);
  expect(config(0x0b, 0x3c) & 0xff).toBe(9);
  expect([bench.in(0xc10f), bench.mmio.read(0xc0001020, 1)]).toEqual([0x0f, 0x20]);
  expect(levels).toEqual([0x00, 0x0c]);
  slot.intx.set(true);
  expect(bench.levels.get(10)).toBe(true);
});
