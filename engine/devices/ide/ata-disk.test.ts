import { describe, expect, test } from 'vitest';
import { deviceContract } from '#test/support/device-contract.ts';
import { FakeDrive } from '#test/support/fake-drive.ts';
import { FlatRam } from '#test/support/flat-ram.ts';
import { disk, IdeBench, numberSectors } from '#test/support/ide-bench.ts';
import type { GuestRange } from '../drive.ts';
import type { AtaDisk } from './ata-disk.ts';

const IDLE = 0x50;
const BUSY = 0x80;
const DATA = 0x58;
const FAILED = 0x51;
const ABRT = 0x04;
const IDNF = 0x10;
const UNC = 0x40;
const RESULT = 0x80000;

function start(options: ConstructorParameters<typeof FakeDrive>[1] = {}) {
  let drive!: FakeDrive;
  const bench = new IdeBench(memory => {
    drive = new FakeDrive(memory, options);
    return new Map([[0, disk(drive)]]);
  });
  numberSectors(drive.content);
  return { bench, drive, device: bench.ide.devices[0]!.device as AtaDisk };
}
const words = (bytes: Uint8Array) => new Uint32Array(bytes.slice().buffer);
/** The sector numbers that `bytes` were numbered with. */
const sectorsIn = (bytes: Uint8Array) => [...words(bytes)].filter((_, i) => i % 128 === 0);
/** Where the pending DMA request moves its data. */
function rangesOf(drive: FakeDrive): readonly GuestRange[] {
  const request = drive.requests[0];
  return request && 'ranges' in request ? request.ranges : [];
}
const identify = (bench: IdeBench) => {
  bench.command(0xec);
  const bytes = bench.readData(512);
  return new Uint16Array(bytes.slice().buffer);
};
const text = (ids: Uint16Array, first: number, last: number) =>
  String.fromCharCode(...[...ids.subarray(first, last + 1)].flatMap(word => [word >> 8, word & 0xff])).trim();

{
  const benches = new WeakMap<object, IdeBench>();
  const of = (bench: object) => benches.get(bench)!;
  deviceContract(
    'ata-disk',
    bench => {
      const { bench: board, device } = start();
      benches.set(bench, board);
      return device;
    },
    [
      bench => {
        of(bench).command(0xef, [0x82]); // write cache off: a flush is pending
      },
      bench => of(bench).out(0x3f6, 4, 0),
      bench => of(bench).command(0xef, [0x55]),
      bench => of(bench).command(0xef, [0x03, 0x45]),
      bench => of(bench).command(0x91, [0, 17, 0, 0, 0, 0xa7]),
      bench => of(bench).command(0xc6, [0, 8]),
      bench => of(bench).sectorsExt(0x39, 0x100, 200), // 200 sectors by PIO
      bench => of(bench).writeData(new Uint8Array(4098).fill(0xee)),
      bench => of(bench).out(0x3f6, 4, 0),
      bench => of(bench).command(0x99, [1, 2, 3, 4, 5, 6]),
    ],
  );
}

describe('IDENTIFY DEVICE', () => {
  test('says what is there', () => {
    const { bench } = start({ sizeBytes: 200 << 20 });
    const ids = identify(bench);
    expect(bench.interrupting).toBe(true);
    expect(bench.acknowledge()).toBe(IDLE);
    expect(text(ids, 10, 19)).toBe('CAIRN-0123456789');
    expect(text(ids, 27, 46)).toBe('Cairn virtual disk');
    expect([ids[1], ids[3], ids[6]]).toEqual([406, 16, 63]);
    expect(ids[60]! + ids[61]! * 0x10000).toBe(409600);
    expect(ids[100]! + ids[101]! * 0x10000).toBe(409600);
    expect(ids[83]! & 0x0400).toBe(0x0400);
    expect([ids[63], ids[88]]).toEqual([0x0407, 0x003f]);
    expect(ids[85]! & 0x20).toBe(0x20);
    expect([...new Uint8Array(ids.buffer)].reduce((sum, byte) => sum + byte, 0) & 0xff).toBe(0);
  });

  test('28-bit and cylinder counts of a large disk are the largest there are', () => {
    const huge = { ...new FakeDrive(new FlatRam(0), { readOnly: true }), sizeBytes: 2 ** 45, submit: () => {}, drain: () => {} };
    const bench = new IdeBench(() => new Map([[0, disk(huge)]]));
    const ids = identify(bench);
    expect([ids[1], ids[60], ids[61]]).toEqual([16383, 0xffff, 0x0fff]);
    expect([...ids.subarray(100, 104)]).toEqual([0, 0, 16, 0]);
    expect(ids[169]).toBe(0); // nothing to trim on a disk that is only read
  });

  test('follows SET FEATURES, SET MULTIPLE and INITIALIZE DEVICE PARAMETERS', () => {
    const { bench, drive } = start();
    bench.command(0xef, [0x03, 0x42]);
    bench.command(0xef, [0x82]);
    drive.complete(); // what is in the cache is made durable
    bench.command(0xc6, [0, 4]);
    bench.command(0x91, [0, 32, 0, 0, 0, 0xa7]);
    const ids = identify(bench);
    expect([ids[63], ids[88]! >> 8, ids[85]! & 0x20, ids[59]]).toEqual([0x0007, 4, 0, 0x0104]);
    expect([ids[54], ids[55], ids[56]]).toEqual([8, 8, 32]);
  });
});

describe('reading by PIO', () => {
  test('READ SECTORS: an interrupt for each sector, none at the end', () => {
    const { bench, drive } = start();
    bench.sectors(0x20, 5, 3);
    expect(bench.status).toBe(BUSY);
    expect(drive.requests).toEqual([{ kind: 'read-bytes', offset: 2560, length: 1536 }]);
    drive.complete();
    for (const sector of [5, 6, 7]) {
      expect(bench.interrupting).toBe(true);
      expect(bench.acknowledge()).toBe(DATA);
      expect(bench.interrupting).toBe(false);
      expect(sectorsIn(bench.readData(512))).toEqual([sector]);
    }
    expect([bench.status, bench.interrupting]).toEqual([IDLE, false]);
    expect(bench.ports.in(0x1f0, 2)).toBe(0xffff);
  });

  test('READ SECTORS EXT past 64 KiB takes several requests', () => {
    const { bench, drive } = start();
    bench.sectorsExt(0x24, 100, 300);
    const seen: number[] = [];
    for (let i = 0; i < 300; i++) {
      drive.completeAll();
      expect(bench.acknowledge()).toBe(DATA);
      seen.push(...sectorsIn(bench.readData(512, 4)));
    }
    expect(seen).toEqual(Array.from({ length: 300 }, (_, i) => 100 + i));
    expect(bench.acknowledge()).toBe(IDLE);
  });

  test('READ MULTIPLE: an interrupt for each block, the last one short', () => {
    const { bench, drive } = start();
    bench.command(0xc6, [0, 8]);
    bench.acknowledge();
    const before = bench.edges.get(14)!;
    bench.sectors(0xc4, 0, 20);
    drive.complete();
    for (const block of [8, 8, 4]) {
      bench.acknowledge();
      expect(sectorsIn(bench.readData(512 * block, 4))).toHaveLength(block);
    }
    expect(bench.status).toBe(IDLE);
    expect(bench.edges.get(14)! - before).toBe(3);
  });

  test('READ MULTIPLE before SET MULTIPLE, and a multiple that is no power of two, are refused', () => {
    const { bench } = start();
    bench.sectors(0xc4, 0, 1);
    expect([bench.acknowledge(), bench.error]).toEqual([FAILED, ABRT]);
    bench.command(0xc6, [0, 6]);
    expect([bench.acknowledge(), bench.error]).toEqual([FAILED, ABRT]);
    bench.command(0xc6, [0, 32]);
    expect([bench.acknowledge(), bench.error]).toEqual([FAILED, ABRT]);
  });

  test('a count of 0 is 256, or 65536', () => {
    const { bench, drive } = start({ sizeBytes: 64 << 20 });
    bench.sectors(0x20, 0, 0);
    expect(drive.requests).toEqual([{ kind: 'read-bytes', offset: 0, length: 65536 }]);
    bench.out(0x3f6, 4, 0);
    bench.sectorsExt(0x25, 0, 0);
    bench.regions(Array.from({ length: 512 }, () => [0x100000, 0] as const));
    bench.start();
    expect(drive.requests[0]).toMatchObject({ kind: 'read', offset: 0 });
    expect(rangesOf(drive).reduce((sum, { length }) => sum + length, 0)).toBe(32 << 20);
  });

  test('cylinder, head and sector', () => {
    const { bench, drive } = start();
    bench.command(0x91, [0, 10, 0, 0, 0, 0xa3]); // 4 heads of 10 sectors
    bench.command(0x20, [0, 1, 3, 2, 0, 0xa1]); // (2 × 4 + 1) × 10 + 3 - 1
    expect(drive.requests).toEqual([{ kind: 'read-bytes', offset: 92 * 512, length: 512 }]);
    drive.complete();
    bench.readData(512);
    for (const place of [
      [0, 1, 0, 2, 0, 0xa1],
      [0, 1, 11, 2, 0, 0xa1],
      [0, 1, 1, 2, 0, 0xa4],
    ]) {
      bench.command(0x20, place);
      expect([bench.acknowledge(), bench.error]).toEqual([FAILED, IDNF]);
    }
  });

  test('sectors past the end are no address; the last one is', () => {
    const { bench, drive } = start();
    for (const [command, lba, count] of [
      [0x20, 2048, 1],
      [0x20, 2047, 2],
      [0x40, 2047, 2],
      [0xc8, 2047, 2],
    ] as const) {
      bench.sectors(command, lba, count);
      expect([bench.acknowledge(), bench.error]).toEqual([FAILED, IDNF]);
    }
    bench.sectorsExt(0x24, 2 ** 47, 1);
    expect([bench.acknowledge(), bench.error]).toEqual([FAILED, IDNF]);
    bench.sectors(0x20, 2047, 1);
    drive.complete();
    expect(sectorsIn(bench.readData(512))).toEqual([2047]);
  });

  test('what cannot be read: UNC, with its address in both halves', () => {
    const { bench, drive } = start({ sizeBytes: 16 << 20 });
    bench.sectorsExt(0x24, 0x1234, 4);
    drive.complete(0, 'error');
    expect([bench.acknowledge(), bench.error]).toEqual([FAILED, UNC]);
    expect([3, 4, 5].map(i => bench.register(i))).toEqual([0x34, 0x12, 0]);
    bench.out(0x3f6, 0x80);
    expect([3, 4, 5].map(i => bench.register(i))).toEqual([0, 0, 0]);
  });
});

describe('writing by PIO', () => {
  test('WRITE SECTORS: no interrupt before the first sector, one after each', () => {
    const { bench, drive } = start();
    bench.sectors(0x30, 9, 2);
    expect([bench.status, bench.interrupting]).toEqual([DATA, false]);
    bench.writeData(new Uint8Array(512).fill(1));
    expect([bench.status, bench.interrupting]).toEqual([DATA, true]);
    bench.acknowledge();
    bench.writeData(new Uint8Array(512).fill(2), 4);
    expect([bench.status, bench.interrupting]).toEqual([BUSY, false]);
    drive.complete();
    expect([bench.status, bench.interrupting]).toEqual([IDLE, true]);
    expect([...drive.content.subarray(9 * 512 + 510, 9 * 512 + 514)]).toEqual([1, 1, 2, 2]);
  });

  test('WRITE MULTIPLE EXT past 64 KiB', () => {
    const { bench, drive } = start();
    bench.command(0xc6, [0, 16]);
    bench.sectorsExt(0x39, 0, 200);
    for (let block = 0; block < 13; block++) {
      expect(bench.status).toBe(DATA);
      bench.acknowledge();
      bench.writeData(new Uint8Array(512 * Math.min(16, 200 - 16 * block)).fill(block + 1), 4);
      drive.completeAll();
    }
    expect(bench.acknowledge()).toBe(IDLE);
    expect([0, 127, 128, 191, 192, 199, 200].map(sector => drive.content[sector * 512])).toEqual([1, 8, 9, 12, 13, 13, 200]);
  });

  test('without the write cache, and with FUA, a write ends after a flush', () => {
    const { bench, drive } = start();
    bench.command(0xef, [0x82]);
    drive.completeAll();
    bench.acknowledge();
    bench.sectors(0x30, 0, 1);
    bench.writeData(new Uint8Array(512));
    drive.complete();
    expect([bench.status, drive.requests]).toEqual([BUSY, [{ kind: 'flush' }]]);
    drive.complete();
    expect([bench.status, bench.interrupting]).toEqual([IDLE, true]);

    bench.command(0xef, [0x02]);
    bench.regions([[RESULT, 512]]);
    bench.sectorsExt(0x3d, 0, 1);
    bench.start(true);
    drive.complete();
    expect([bench.status, drive.requests]).toEqual([BUSY, [{ kind: 'flush' }]]);
  });

  test('a drive that writes through has no cache and needs no flush', () => {
    const { bench, drive } = start({ writeThrough: true });
    expect(identify(bench)[85]! & 0x20).toBe(0);
    bench.sectors(0x30, 0, 1);
    bench.writeData(new Uint8Array(512));
    drive.complete();
    expect([bench.status, drive.held.length]).toEqual([IDLE, 0]);
  });

  test('a disk that is only read refuses', () => {
    const { bench } = start({ readOnly: true });
    bench.sectors(0x30, 0, 1);
    expect([bench.acknowledge(), bench.error]).toEqual([FAILED, ABRT]);
  });

  test('what cannot be written', () => {
    const { bench, drive } = start();
    bench.sectors(0x30, 77, 1);
    bench.writeData(new Uint8Array(512));
    drive.complete(0, 'error');
    expect([bench.acknowledge(), bench.error, bench.register(3)]).toEqual([FAILED, ABRT, 77]);
  });
});

describe('DMA', () => {
  test('READ DMA: the command first or the bus master first', () => {
    for (const commandFirst of [true, false]) {
      const { bench, drive } = start();
      bench.regions([[RESULT, 1024]]);
      if (!commandFirst) bench.start();
      bench.sectors(0xc8, 3, 2);
      if (commandFirst) bench.start();
      expect([bench.status, bench.busMasterStatus]).toEqual([BUSY, 1]);
      drive.complete();
      expect([bench.interrupting, bench.busMasterStatus]).toEqual([true, 4]);
      expect(bench.acknowledge()).toBe(IDLE);
      expect(sectorsIn(bench.memory.bytes.subarray(RESULT, RESULT + 1024))).toEqual([3, 4]);
      bench.out(bench.busMaster + 2, 4);
      bench.stop();
      expect(bench.busMasterStatus).toBe(0);
    }
  });

  test('WRITE DMA EXT from scattered memory of odd addresses and counts', () => {
    const { bench, drive } = start();
    bench.memory.bytes.fill(1, 0x20000, 0x20000 + 6);
    bench.memory.bytes.fill(2, 0x30000, 0x30000 + 1018);
    bench.regions([
      [0x20001, 7], // bit 0 of address and count does not count
      [0x30000, 1018],
    ]);
    bench.sectorsExt(0x35, 0x10, 2);
    bench.start(true);
    expect(drive.requests).toEqual([
      {
        kind: 'write',
        offset: 0x2000,
        ranges: [
          { gpa: 0x20000, length: 6 },
          { gpa: 0x30000, length: 1018 },
        ],
      },
    ]);
    drive.complete();
    expect([...drive.content.subarray(0x2000 + 4, 0x2000 + 8)]).toEqual([1, 1, 2, 2]);
    expect(bench.acknowledge()).toBe(IDLE);
  });

  test('a count of 0 is 64 KiB; neighbours are joined', () => {
    const { bench, drive } = start();
    bench.regions([
      [0x100000, 0],
      [0x110000, 0],
    ]);
    bench.sectors(0xc8, 0, 0);
    bench.start();
    expect(drive.requests).toMatchObject([{ ranges: [{ gpa: 0x100000, length: 0x20000 }] }]);
    drive.complete();
    expect(bench.busMasterStatus).toBe(4);
  });

  test('a table that is longer than the command stays active', () => {
    const { bench, drive } = start();
    bench.regions([
      [RESULT, 1024],
      [RESULT + 4096, 512],
    ]);
    bench.sectors(0xc8, 0, 1);
    bench.start();
    expect(drive.requests).toMatchObject([{ ranges: [{ gpa: RESULT, length: 512 }] }]);
    drive.complete();
    expect([bench.busMasterStatus, bench.acknowledge()]).toEqual([5, IDLE]);
    bench.stop();
    expect(bench.busMasterStatus).toBe(4);
  });

  test('a table that is shorter moves whole sectors, stops, and interrupts nobody', () => {
    const { bench, drive } = start();
    bench.regions([[RESULT, 1000]]);
    bench.sectors(0xc8, 0, 4);
    bench.start();
    expect(drive.requests).toMatchObject([{ ranges: [{ gpa: RESULT, length: 512 }] }]);
    drive.complete();
    expect([bench.interrupting, bench.busMasterStatus, bench.status]).toEqual([false, 0, IDLE]);
    bench.stop();
    bench.regions([[RESULT, 510]]);
    bench.sectors(0xc8, 0, 1);
    bench.start();
    expect([drive.held.length, bench.interrupting, bench.busMasterStatus]).toEqual([0, false, 0]);
  });

  test('a table without an end is read to the 64 KiB boundary and no further', () => {
    const { bench, drive } = start({ sizeBytes: 32 << 20 });
    const table = 0x2ff00; // 32 descriptors up to the boundary
    bench.regions(
      Array.from({ length: 64 }, (_, i) => [0x100000 + i * 1024, 512] as const),
      { end: false, table },
    );
    bench.sectors(0xc8, 0, 64);
    bench.start();
    expect(rangesOf(drive)).toHaveLength(32);
    drive.complete();
    expect([bench.interrupting, bench.busMasterStatus]).toEqual([false, 0]);
  });

  test('an error interrupts, and the bus master may be stopped and used again', () => {
    const { bench, drive } = start();
    bench.regions([[RESULT, 512]]);
    bench.sectors(0xc8, 6, 1);
    bench.start();
    drive.complete(0, 'error');
    expect([bench.interrupting, bench.acknowledge(), bench.error]).toEqual([true, FAILED, UNC]);
    bench.stop();
    bench.sectors(0xc8, 6, 1);
    bench.start();
    drive.complete();
    expect(bench.acknowledge()).toBe(IDLE);
  });

  test('stopping the bus master under a transfer waits for it', () => {
    const { bench, drive } = start();
    bench.regions([[RESULT, 512]]);
    bench.sectors(0xc8, 6, 1);
    bench.start();
    bench.stop();
    expect([drive.held.length, bench.acknowledge(), bench.busMasterStatus & 1]).toEqual([0, IDLE, 0]);
  });

  test('DATA SET MANAGEMENT trims the ranges of its list', () => {
    const { bench, drive } = start();
    const list = new DataView(bench.memory.bytes.buffer, RESULT, 512);
    list.setUint32(0, 8, true);
    list.setUint16(6, 16, true);
    list.setUint32(8, 100, true);
    list.setUint16(14, 1, true);
    const trim = () => {
      bench.regions([[RESULT, 512]]);
      bench.out(bench.base + 2, 0); // the count has 16 bits
      bench.command(0x06, [1, 1]);
      bench.start(true);
    };
    trim();
    expect(drive.requests).toEqual([
      { kind: 'discard', offset: 8 * 512, length: 16 * 512 },
      { kind: 'discard', offset: 100 * 512, length: 512 },
    ]);
    drive.complete(1);
    expect(bench.interrupting).toBe(false);
    drive.complete();
    expect([bench.acknowledge(), bench.busMasterStatus]).toEqual([IDLE, 4]);
    bench.stop();
    list.setUint16(12, 1, true); // 2^32 + 100
    trim();
    expect([drive.held.length, bench.acknowledge(), bench.error]).toEqual([0, FAILED, IDNF]);
    bench.stop();
    bench.command(0x06, [1, 2]);
    expect([bench.acknowledge(), bench.error]).toEqual([FAILED, ABRT]);
  });
});

describe('commands without data', () => {
  test.each([
    ['RECALIBRATE', 0x10, [], IDLE],
    ['SEEK', 0x70, [0, 0, 5], IDLE],
    ['SEEK past the end', 0x70, [0, 0, 0, 0, 1, 0xe0], FAILED],
    ['READ VERIFY SECTORS', 0x40, [0, 5], IDLE],
    ['IDLE IMMEDIATE', 0xe1, [], IDLE],
    ['READ LOOK-AHEAD off', 0xef, [0x55], IDLE],
    ['a feature that is not there', 0xef, [0x90], FAILED],
    ['a transfer mode that is not there', 0xef, [0x03, 0x46], FAILED],
    ['NOP', 0x00, [], FAILED],
    ['SMART', 0xb0, [], FAILED],
    ['PACKET', 0xa0, [], FAILED],
    ['IDENTIFY PACKET DEVICE', 0xa1, [], FAILED],
  ])('%s', (_name, command, registers, status) => {
    const { bench } = start();
    bench.command(command, registers);
    expect([bench.interrupting, bench.acknowledge()]).toEqual([true, status]);
  });

  test.each([0xe7, 0xea, 0xe0])('%i flushes', command => {
    const { bench, drive } = start();
    bench.command(command);
    expect([bench.status, drive.requests]).toEqual([BUSY, [{ kind: 'flush' }]]);
    drive.complete();
    expect([bench.interrupting, bench.acknowledge()]).toEqual([true, IDLE]);
  });

  test('CHECK POWER MODE: active', () => {
    const { bench } = start();
    bench.command(0xe5);
    expect(bench.register(2)).toBe(0xff);
  });

  test('a busy disk hears neither registers nor commands', () => {
    const { bench, drive } = start();
    bench.sectors(0x20, 1, 1);
    bench.sectors(0x20, 2, 1);
    bench.command(0x08); // DEVICE RESET is for ATAPI devices
    bench.command(0x90);
    expect(drive.requests).toEqual([{ kind: 'read-bytes', offset: 512, length: 512 }]);
    drive.complete();
    expect(bench.acknowledge()).toBe(DATA);
    bench.sectors(0x20, 2, 1);
    expect([sectorsIn(bench.readData(512)), bench.status]).toEqual([[1], IDLE]);
  });
});

describe('resets', () => {
  test('SRST under a pending request: it is waited for, its outcome is dropped, the signature shows', () => {
    const { bench, drive } = start();
    bench.regions([[RESULT, 512]]);
    bench.sectors(0xc8, 6, 1);
    bench.start();
    bench.out(0x3f6, 0x04);
    expect([drive.held.length, bench.status, bench.interrupting]).toEqual([0, BUSY, false]);
    bench.out(0x3f6, 0x00);
    expect([bench.status, bench.error, ...[2, 3, 4, 5, 6].map(i => bench.register(i))]).toEqual([IDLE, 1, 1, 1, 0, 0, 0]);
    expect(bench.interrupting).toBe(false);
  });

  test('a reset of the machine in the middle of a PIO transfer', () => {
    const { bench, drive, device } = start();
    bench.sectors(0x20, 0, 2);
    drive.complete();
    bench.readData(100);
    bench.ide.reset();
    device.reset();
    expect([bench.status, bench.interrupting, bench.ports.in(0x1f0, 2)]).toEqual([IDLE, false, 0xffff]);
  });
});

describe('a state saved under a pending request', () => {
  const move = (from: ReturnType<typeof start>) => {
    const to = start();
    to.drive.content.set(from.drive.content);
    to.bench.memory.bytes.set(from.bench.memory.bytes);
    to.bench.ide.loadState(structuredClone(from.bench.ide.saveState()));
    to.bench.pci.loadState(structuredClone(from.bench.pci.saveState()));
    to.device.loadState(structuredClone(from.device.saveState()));
    to.device.restored();
    return to;
  };

  test('DMA is done, and interrupts', () => {
    const from = start();
    from.bench.regions([[RESULT, 512]]);
    from.bench.sectors(0xca, 6, 1);
    from.bench.start(true);
    const { bench, drive } = move(from);
    expect([drive.held.length, bench.interrupting, bench.busMasterStatus, bench.acknowledge()]).toEqual([0, true, 4, IDLE]);
  });

  test('DMA that waits for the bus master goes on waiting', () => {
    const from = start();
    from.bench.regions([[RESULT, 512]]);
    from.bench.sectors(0xc8, 6, 1);
    const { bench, drive } = move(from);
    expect([bench.status, bench.interrupting]).toEqual([BUSY, false]);
    bench.start();
    drive.complete();
    expect(bench.acknowledge()).toBe(IDLE);
  });

  test('a flush is done, and interrupts', () => {
    const from = start();
    from.bench.command(0xe7);
    const { bench, drive } = move(from);
    expect([drive.held.length, bench.interrupting, bench.acknowledge()]).toEqual([0, true, IDLE]);
  });

  test('a read into the buffer is made again', () => {
    const from = start();
    from.bench.sectors(0x20, 6, 1);
    const { bench, drive } = move(from);
    expect([bench.status, drive.requests]).toEqual([BUSY, [{ kind: 'read-bytes', offset: 3072, length: 512 }]]);
    drive.complete();
    expect(bench.interrupting).toBe(true);
    expect(sectorsIn(bench.readData(512))).toEqual([6]);
  });

  test('a write from the buffer is made again', () => {
    const from = start();
    from.bench.sectors(0x30, 6, 1);
    from.bench.writeData(new Uint8Array(512).fill(0x77));
    const { bench, drive } = move(from);
    expect(bench.status).toBe(BUSY);
    drive.complete();
    expect([bench.acknowledge(), drive.content[3072]]).toEqual([IDLE, 0x77]);
  });

  test('a sector half read goes on where it was', () => {
    const from = start();
    from.bench.sectors(0x20, 6, 2);
    from.drive.complete();
    from.bench.readData(256);
    const { bench } = move(from);
    expect(words(bench.readData(256)).every(word => word === 6)).toBe(true);
    expect(sectorsIn(bench.readData(512))).toEqual([7]);
    expect(bench.status).toBe(IDLE);
  });

  test('a buffer that fits no command of this disk is not written', () => {
    const { bench, drive, device } = start();
    bench.sectors(0x30, 6, 1);
    bench.writeData(new Uint8Array(512));
    const saved = device.saveState();
    drive.completeAll();
    device.loadState({ ...saved, left: 0 });
    device.restored();
    expect([drive.held.length, bench.status]).toEqual([0, FAILED]);
  });
});
