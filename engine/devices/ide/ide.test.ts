import { describe, expect, test } from 'vitest';
import { Bench, deviceContract } from '#test/support/device-contract.ts';
import { FakeDrive } from '#test/support/fake-drive.ts';
import { disk, IdeBench } from '#test/support/ide-bench.ts';
import { FlatRam } from '#test/support/flat-ram.ts';
import { Pci } from '../pci.ts';
import { Ide, type IdePlace, IdeState } from './ide.ts';

const IDLE = 0x50;

function start(...places: IdePlace[]) {
  const drives: FakeDrive[] = [];
  const bench = new IdeBench(
    memory =>
      new Map(
        places.map(place => {
          const drive = new FakeDrive(memory);
          drives.push(drive);
          return [place, disk(drive)];
        }),
      ),
  );
  return { bench, drives };
}

const BUS_MASTER = 0xc000;
const parts = new WeakMap<Ide, { memory: FlatRam }>();
const lone = (bench: Bench) => {
  const memory = new FlatRam(1 << 20);
  const pci = new Pci({ ports: bench.ports, memory: bench.mmio, line: irq => bench.irq(irq), requestReset: () => {} });
  const ide = new Ide(
    { ports: bench.ports, pci, memory, time: bench.time, irq14: bench.irq(14), irq15: bench.irq(15) },
    new Map([
      [0, disk(new FakeDrive(memory))],
      [3, disk(new FakeDrive(memory))],
    ] as const),
  );
  bench.ports.out(0xcf8, 4, 0x80000920);
  bench.ports.out(0xcfc, 4, BUS_MASTER);
  bench.ports.out(0xcf8, 4, 0x80000904);
  bench.ports.out(0xcfc, 2, 0x05);
  parts.set(ide, { memory });
  return ide;
};
deviceContract('ide', lone, [
  bench => {
    for (const [base, control, busMaster] of [
      [0x1f0, 0x3f6, BUS_MASTER],
      [0x170, 0x376, BUS_MASTER + 8],
    ] as const) {
      bench.out(base + 6, 0xf0);
      bench.out(base + 7, 0xec);
      bench.ports.out(busMaster + 4, 4, 0x12345678);
      bench.out(busMaster + 2, 0x60);
      bench.out(control, 0x80);
      bench.out(base + 6, base === 0x1f0 ? 0xe0 : 0xf0);
      bench.out(base + 7, 0xec);
      bench.out(control, 0x80);
    }
  },
  bench => {
    for (const [base, control, busMaster] of [
      [0x1f0, 0x3f6, BUS_MASTER],
      [0x170, 0x376, BUS_MASTER + 8],
    ] as const) {
      bench.out(control, 0x04, 0x00);
      bench.out(base + 6, base === 0x1f0 ? 0xe0 : 0xf0);
      bench.out(base + 2, 1);
      bench.out(base + 7, 0xc8);
      bench.out(busMaster, 0x09);
    }
  },
  (bench, ide) => {
    const { memory } = parts.get(ide)!;
    memory.read = () => {
      throw new Error('no page is free');
    };
    for (const [base, busMaster] of [
      [0x1f0, BUS_MASTER],
      [0x170, BUS_MASTER + 8],
    ] as const) {
      bench.out(base + 6, base === 0x1f0 ? 0xe0 : 0xf0);
      bench.out(busMaster, 0x00, 0x09);
      bench.out(base + 7, 0xc8);
    }
  },
]);

test('a state saved by version 1 is taken', () => {
  const { primary, secondary } = lone(new Bench()).saveState();
  const older = structuredClone({ primary, secondary }) as { primary: object; secondary: object };
  for (const channel of [older.primary, older.secondary]) Reflect.deleteProperty(channel, 'again');
  expect(IdeState.parseVersion(1, older)).toEqual({ primary, secondary });
});

describe('who is there', () => {
  test('a channel without devices reads as zeros and takes nothing', () => {
    const { bench } = start();
    bench.out(0x1f2, 0x55);
    bench.out(0x1f3, 0xaa);
    expect([1, 2, 3, 4, 5, 6, 7].map(i => bench.register(i))).toEqual([0, 0, 0, 0, 0, 0, 0]);
    bench.command(0xec);
    expect([bench.status, bench.interrupting, bench.ports.in(0x1f0, 2)]).toEqual([0, false, 0]);
    bench.out(0x3f6, 4, 0);
    expect(bench.status).toBe(0);
  });

  test('for an absent device 1, device 0 answers with zeros', () => {
    const { bench } = start(0);
    bench.command(0xec, [0, 0, 0, 0, 0, 0xf0]);
    expect([bench.status, bench.register(2), bench.interrupting]).toEqual([0, 0, false]);
    bench.out(0x1f6, 0xe0);
    expect(bench.status).toBe(IDLE);
  });

  test('both hear the registers, the selected one the command; only its interrupt shows', () => {
    const { bench, drives } = start(0, 1);
    bench.command(0x20, [0, 1, 7, 0, 0, 0xf0]);
    expect([drives[0]!.held.length, drives[1]!.held.length]).toEqual([0, 1]);
    bench.out(0x1f6, 0xe0);
    expect(bench.register(3)).toBe(7);
    drives[1]!.complete();
    expect(bench.interrupting).toBe(false);
    bench.out(0x1f6, 0xf0);
    expect(bench.interrupting).toBe(true);
  });

  test('the secondary channel has its own ports and line', () => {
    const { bench } = start(3);
    bench.out(0x176, 0xf0);
    bench.out(0x177, 0xec);
    expect([bench.levels.get(15), bench.in(0x376), bench.in(0x3f6)]).toEqual([true, 0x58, 0]);
  });
});

describe('device control', () => {
  test('nIEN holds the interrupt back', () => {
    const { bench } = start(0);
    bench.out(0x3f6, 0x02);
    bench.command(0xec);
    expect([bench.interrupting, bench.busMasterStatus]).toEqual([false, 0]);
    bench.out(0x3f6, 0);
    expect([bench.interrupting, bench.busMasterStatus]).toEqual([true, 4]);
  });

  test('the alternate status takes no interrupt back; a command does', () => {
    const { bench } = start(0);
    bench.command(0x10);
    expect([bench.status, bench.interrupting]).toEqual([IDLE, true]);
    bench.command(0x20, [0, 1]);
    expect(bench.interrupting).toBe(false);
  });

  test('HOB shows what was written before, until the next write', () => {
    const { bench } = start(0);
    bench.out(0x1f3, 0x12, 0x34);
    bench.out(0x3f6, 0x80);
    expect(bench.register(3)).toBe(0x12);
    bench.out(0x1f3, 0x56);
    expect(bench.register(3)).toBe(0x56);
  });

  test('SRST selects device 0 and shows both signatures', () => {
    const { bench } = start(0, 1);
    bench.out(0x1f6, 0xf0);
    bench.out(0x3f6, 4, 0);
    expect(bench.register(6)).toBe(0);
    for (const device of [0xa0, 0xb0]) {
      bench.out(0x1f6, device);
      expect([bench.status, ...[1, 2, 3, 4, 5].map(i => bench.register(i))]).toEqual([IDLE, 1, 1, 1, 0, 0]);
    }
  });

  test('EXECUTE DEVICE DIAGNOSTIC: both pass, one interrupts', () => {
    const { bench } = start(0, 1);
    bench.command(0x90, [0, 0, 0, 0, 0, 0xf0]);
    expect([bench.interrupting, bench.register(6), bench.error, bench.acknowledge()]).toEqual([true, 0, 1, IDLE]);
    bench.out(0x1f6, 0xf0);
    expect([bench.interrupting, bench.error]).toEqual([false, 1]);
  });
});

/** Of the controller and what hangs on it, in the order in which a machine loads them. */
const states = ({ ide }: IdeBench) => structuredClone([ide.saveState(), ...ide.devices.map(({ device }) => device.saveState())]);
function load({ ide }: IdeBench, [controller, ...devices]: readonly unknown[]) {
  ide.loadState(controller);
  for (const [i, { device }] of ide.devices.entries()) device.loadState(devices[i]);
}

describe('an interrupt that waits is neither lost nor doubled', () => {
  test.each<[string, IdePlace[]]>([
    ['an absent device 1', [0]],
    ['device 1', [0, 1]],
  ])('EXECUTE DEVICE DIAGNOSTIC for %s while device 0 has data', (_name, places) => {
    const { bench } = start(...places);
    bench.command(0xec);
    bench.out(0x1f6, 0x10);
    expect(bench.interrupting).toBe(false);
    bench.out(0x1f7, 0x90);
    expect([bench.status, bench.interrupting]).toEqual([0x58, true]);
    const { bench: other } = start(...places);
    const saved = states(bench);
    load(other, saved);
    expect([states(other), other.interrupting]).toEqual([saved, true]);
  });

  test.each([0, 1] as const)('a state is loaded where device %d interrupts and the host has cleared the bus master bit', device => {
    const { bench } = start(0, 1);
    bench.command(0xec, [0, 0, 0, 0, 0, 0xe0 | (device << 4)]);
    bench.out(bench.busMaster + 2, 0x04);
    expect([bench.interrupting, bench.busMasterStatus]).toEqual([true, 0]);
    const saved = states(bench);
    for (const other of [start(0, 1).bench, bench]) {
      load(other, saved);
      expect([states(other), other.interrupting, other.busMasterStatus]).toEqual([saved, true, 0]);
    }
  });
});

test.each(['the bus master is started', 'the command is written'])('a table that is not loaded yet is read again: %s last', last => {
  const { bench, drives } = start(0);
  const { memory } = bench;
  bench.regions([[0x2000, 512]]);
  let isLoaded = false;
  const read = memory.read.bind(memory);
  memory.read = (gpa, into) => {
    if (!isLoaded) throw new Error('no page is free');
    read(gpa, into);
  };
  if (last === 'the command is written') bench.start();
  bench.sectors(0xc8, 3, 1);
  if (last !== 'the command is written') bench.start();
  expect([bench.status, drives[0]!.held.length]).toEqual([0x80, 0]);
  expect(() => bench.time.fireDue()).toThrow('no page is free');
  const saved = states(bench);
  isLoaded = true;
  bench.time.fireDue();
  expect(drives[0]!.requests).toEqual([{ kind: 'read', offset: 3 * 512, ranges: [{ gpa: 0x2000, length: 512 }] }]);
  const other = start(0);
  other.bench.memory.bytes.set(memory.bytes);
  load(other.bench, saved);
  other.bench.time.fireDue();
  expect(other.drives[0]!.requests).toEqual(drives[0]!.requests);
});

test('registers in words', () => {
  const { bench } = start(0);
  bench.ports.out(0x1f2, 2, 0x3412);
  bench.ports.out(0x1f4, 4, 0xe0e07856);
  expect([bench.ports.in(0x1f2, 2), bench.ports.in(0x1f4, 2), bench.register(6)]).toEqual([0x3412, 0x7856, 0xe0]);
});

test('the bus master: bits that stay, bits cleared by ones, the table in bytes', () => {
  const { bench } = start(0);
  bench.command(0x10);
  bench.out(bench.busMaster + 2, 0x60);
  expect(bench.in(bench.busMaster + 2)).toBe(0x64);
  bench.out(bench.busMaster + 2, 0x64);
  expect(bench.in(bench.busMaster + 2)).toBe(0x60);
  bench.out(bench.busMaster, 0xff);
  expect(bench.ports.in(bench.busMaster, 4)).toBe(0x00610009);
  bench.ports.out(bench.busMaster + 4, 4, 0xffffffff);
  bench.out(bench.busMaster + 5, 0x12);
  expect(bench.ports.in(bench.busMaster + 4, 4)).toBe(0xffff12fc);
  expect(bench.in(bench.busMaster + 8)).toBe(0);
});

test('a PCI function of the PIIX3 that firmware has enabled', () => {
  const { bench } = start(0);
  const config = (register: number) => {
    bench.ports.out(0xcf8, 4, 0x80000900 | register);
    return bench.ports.in(0xcfc, 4);
  };
  expect([0x00, 0x08, 0x40].map(config)).toEqual([0x70108086, 0x01018000, 0x80008000]);
});
