import { expect, test } from 'vitest';
import { Bench, deviceContract } from '#test/support/device-contract.ts';
import { readFileSync } from 'node:fs';
import { decodeState } from '../state/state.ts';
import type { PciFunctionModel } from './pci-function.ts';
import { Pci } from './pci.ts';

const make = (bench: Bench, requestReset = () => {}) =>
  new Pci({ ports: bench.ports, memory: bench.mmio, line: irq => bench.irq(irq), requestReset });
const select = (bench: Bench, devfn: number, reg: number) => bench.ports.out(0xcf8, 4, (0x80000000 | (devfn << 8) | reg) >>> 0);

deviceContract('pci', bench => make(bench), [
  (bench, pci) => {
    pci.reset();
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

/** One I/O BAR and one memory BAR that keep what is written, a capability with a byte to write, an interrupt pin. */
function plug(pci: Pci, device: number, more: Partial<PciFunctionModel> = {}) {
  const written: string[] = [];
  const bar = (space: 'io' | 'memory', bytes: number) => ({
    space,
    bytes,
    read: (offset: number, size: number) => offset * 0x100 + size,
    write: (offset: number, size: number, value: number) => written.push(`${space} ${offset}:${size}=${value.toString(16)}`),
  });
  const slot = pci.add({
    device,
    function: 0,
    vendorId: 0x1af4,
    deviceId: 0x1042,
    classCode: 0x010000,
    revision: 1,
    subsystem: { vendorId: 0x1af4, id: 2 },
    intA: true,
    bars: [bar('io', 64), undefined, bar('memory', 4096)],
    capabilities: [
      { id: 9, body: [5, 1, 2, 3] },
      { id: 9, body: [4, 0, 0], writable: [[3, 4, 0x0f]] },
    ],
    ...more,
  });
  return { slot, written };
}
const readConfig = (bench: Bench, devfn: number, reg: number, size: 1 | 2 | 4 = 4) => {
  select(bench, devfn, reg & 0xfc);
  return bench.ports.in(0xcfc + (reg & 3), size);
};
const writeConfig = (bench: Bench, devfn: number, reg: number, value: number, size: 1 | 2 | 4 = 4) => {
  select(bench, devfn, reg & 0xfc);
  bench.ports.out(0xcfc + (reg & 3), size, value);
};

function withDevice(more: Partial<PciFunctionModel> = {}) {
  const bench = new Bench();
  const pci = make(bench);
  return { bench, pci, ...plug(pci, 3, more) };
}

deviceContract(
  'pci with a device',
  bench => {
    const pci = make(bench);
    plug(pci, 3);
    return pci;
  },
  [
    (bench, pci) => {
      pci.reset();
      for (const devfn of [0x00, 0x08]) writeConfig(bench, devfn, 0x60, 0x04030201);
      writeConfig(bench, 0x0b, 0x3c, 7, 1);
      writeConfig(bench, 0x18, 0x10, 0xc000);
      bench.out(0xcf9, 0x02);
    },
  ],
);

test('a function says who it is, and where its capabilities are', () => {
  const { bench, slot } = withDevice();
  expect([0x00, 0x08, 0x2c].map(reg => readConfig(bench, 0x18, reg))).toEqual([0x10421af4, 0x01000001, 0x00021af4]);
  expect(readConfig(bench, 0x18, 0x06, 2)).toBe(0x10);
  expect(readConfig(bench, 0x18, 0x3d, 1)).toBe(1);
  expect(slot.capabilities).toEqual([0x40, 0x48]);
  expect(readConfig(bench, 0x18, 0x34, 1)).toBe(0x40);
  expect([readConfig(bench, 0x18, 0x40), readConfig(bench, 0x18, 0x48)]).toEqual([0x01054809, 0x00040009]);
  writeConfig(bench, 0x18, 0x48, 0xffffffff);
  expect(readConfig(bench, 0x18, 0x48)).toBe(0x0f040009);
});

test('BARs are sized by writing ones, and their windows follow them and the command register', () => {
  const { bench, written } = withDevice();
  for (const reg of [0x10, 0x14, 0x18]) writeConfig(bench, 0x18, reg, 0xffffffff);
  expect([0x10, 0x14, 0x18].map(reg => readConfig(bench, 0x18, reg))).toEqual([0xffffffc1, 0, 0xfffff000]);
  writeConfig(bench, 0x18, 0x10, 0xd000);
  writeConfig(bench, 0x18, 0x18, 0xe0000000);
  expect(bench.ports.in(0xd004, 4)).toBe(0xffffffff);
  writeConfig(bench, 0x18, 0x04, 0x0007, 2);
  expect([bench.ports.in(0xd004, 4), bench.mmio.read(0xe0000010, 2)]).toEqual([0x404, 0x1002]);
  bench.ports.out(0xd03f, 1, 0x7f);
  bench.ports.out(0xd03e, 4, 0x44332211);
  bench.mmio.write(0xe0000ffc, 4, 1);
  expect(written).toEqual(['io 63:1=7f', 'io 62:2=2211', 'memory 4092:4=1']);
  writeConfig(bench, 0x18, 0x10, 0xd040);
  expect([bench.ports.in(0xd004, 1), bench.ports.in(0xd044, 1)]).toEqual([0xff, 0x01]);
  writeConfig(bench, 0x18, 0x04, 0, 2);
  expect([bench.ports.in(0xd044, 1), bench.mmio.read(0xe0000010, 2)]).toEqual([0xff, 0xffff]);
});

test('functions that share a PIRQ hold its IRQ together, and the router and the disable bit cut them off', () => {
  const { bench, pci, slot } = withDevice();
  const { slot: neighbour } = plug(pci, 7);
  pci.reset();
  slot.intx.set(true);
  neighbour.intx.set(true);
  expect(bench.levels.get(11)).toBe(false);
  writeConfig(bench, 0x08, 0x63, 11, 1);
  expect(bench.levels.get(11)).toBe(true);
  slot.intx.set(false);
  expect(bench.levels.get(11)).toBe(true);
  expect([readConfig(bench, 0x18, 6, 1), readConfig(bench, 0x38, 6, 1)]).toEqual([0x10, 0x18]);
  writeConfig(bench, 0x38, 4, 0x400, 2);
  expect(bench.levels.get(11)).toBe(false);
  writeConfig(bench, 0x38, 4, 0, 2);
  writeConfig(bench, 0x08, 0x63, 10, 1);
  expect([bench.levels.get(10), bench.levels.get(11)]).toEqual([true, false]);
  writeConfig(bench, 0x08, 0x63, 0x80, 1);
  expect(bench.levels.get(10)).toBe(false);
});

test('hooks see whole accesses', () => {
  const seen: string[] = [];
  const { bench } = withDevice({
    onConfigRead: (offset, size) => (offset === 0x48 ? size : undefined),
    onConfigWrite: (offset, size) => seen.push(`${offset.toString(16)}:${size}`),
  });
  expect([readConfig(bench, 0x18, 0x48, 2), readConfig(bench, 0x18, 0x49, 1)]).toEqual([2, 0]);
  writeConfig(bench, 0x18, 0x4a, 0, 2);
  expect(seen).toEqual(['4a:2']);
});

test('a state saved by version 1 is taken', () => {
  const hex = readFileSync(new URL('../../test/golden/states/pci-1.hex', import.meta.url), 'utf8').replaceAll('\n', '');
  const bench = new Bench();
  const pci = make(bench);
  pci.loadState(pci.definition.parseVersion(1, decodeState(new Uint8Array(Buffer.from(hex, 'hex')), 'pci')));
  expect(readConfig(bench, 0x00, 0x59, 1)).toBe(0x33);
  expect(readConfig(bench, 0x08, 0x60)).toBe(0x0b0a0905);
  expect([readConfig(bench, 0x0b, 0x04, 2), readConfig(bench, 0x0b, 0x3c, 1)]).toEqual([0, 0x0a]);
  expect(bench.in(0xcf9)).toBe(2);
});

test('a saved state cannot change what a function is', () => {
  const { bench, pci } = withDevice();
  const saved = pci.saveState();
  saved.functions['03.0']!.fill(0xff);
  pci.loadState(saved);
  expect([readConfig(bench, 0x18, 0), readConfig(bench, 0x18, 0x10)]).toEqual([0x10421af4, 0xffffffc1]);
});
