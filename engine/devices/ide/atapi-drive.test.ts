import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { deviceContract } from '#test/support/device-contract.ts';
import { FakeDrive } from '#test/support/fake-drive.ts';
import { IdeBench } from '#test/support/ide-bench.ts';
import { decodeState } from '../../state/state.ts';
import { type AtapiDrive, AtapiDriveState } from './atapi-drive.ts';

const IDLE = 0x50;
const BUSY = 0x80;
const DATA = 0x58;
const CHECK = 0x51;
const RESULT = 0x80000;
const BLOCK = 2048;
/** Interrupt reasons. */
const PACKET = 1;
const TO_HOST = 2;
const ENDED = 3;

const TEST_UNIT_READY = [0x00];
const READ_CAPACITY = [0x25];
const INQUIRY = [0x12, 0, 0, 0, 36];
const REQUEST_SENSE = [0x03, 0, 0, 0, 18];
const read10 = (block: number, count: number) => [0x28, 0, 0, 0, block >> 8, block & 0xff, 0, count >> 8, count & 0xff];

/** A drive on the secondary channel, with a disc whose block n is filled with n; its power-on attention has been taken. */
function start({ disc = true, attention = false, fingerprint = 'disc' } = {}) {
  let drive!: FakeDrive;
  const bench = new IdeBench(memory => {
    drive = new FakeDrive(memory, { sizeBytes: 400 * BLOCK, readOnly: true, fingerprint });
    return new Map([[2, { kind: 'cdrom', serial: 'CD-1', medium: disc ? drive : undefined }]]);
  }, 1);
  for (let block = 0; block < 400; block++) drive.content.fill(block & 0xff, block * BLOCK, (block + 1) * BLOCK);
  const device = bench.ide.devices[0]!.device as AtapiDrive;
  bench.out(0x376, 4, 0);
  if (!attention) bench.packet(TEST_UNIT_READY);
  bench.acknowledge();
  return { bench, drive, device };
}
/** Sense key and code, as REQUEST SENSE tells them. */
function sense(bench: IdeBench) {
  bench.packet(REQUEST_SENSE);
  const { bytes } = bench.packetData();
  return [bytes[2], ((bytes[12]! << 8) | bytes[13]!).toString(16)];
}

{
  const benches = new WeakMap<object, IdeBench>();
  const of = (bench: object) => benches.get(bench)!;
  deviceContract(
    'atapi-drive',
    bench => {
      const { bench: board, device } = start({ attention: true });
      benches.set(bench, board);
      return device;
    },
    [
      bench => {
        of(bench).packet(TEST_UNIT_READY); // fails: what it holds is the sense data
      },
      bench => {
        of(bench).command(0xef, [0x03, 0x45]);
        of(bench).packet([0x1b, 0, 0, 0, 2]);
        of(bench).packet([0x1e, 0, 0, 0, 1]);
      },
      bench => {
        of(bench).packet([0x1b, 0, 0, 0, 3]);
        of(bench).packet(INQUIRY, { dma: true, byteCount: 0x1234 });
      },
      bench => {
        of(bench).regions([[RESULT, 36]]);
        of(bench).start();
      },
      bench => {
        of(bench).out(0x376, 4, 0);
        of(bench).packet(TEST_UNIT_READY);
        of(bench).packet(read10(3, 4));
      },
      bench => {
        of(bench).out(0x376, 4, 0);
        of(bench).command(0xec, [1, 2, 3, 4, 5, 6]);
      },
      bench => {
        of(bench).command(0xa0, [0, 0, 0, 0x80, 0]);
        of(bench).writeData(Uint8Array.of(0x25, 0, 0, 0));
      },
    ],
    ['unit.mediumBytes', 'unit.medium'], // the disc that was put in
  );
}

test('a reset shows the signature; only IDENTIFY PACKET DEVICE identifies', () => {
  const { bench } = start();
  bench.out(0x376, 4, 0);
  expect([bench.status, ...[2, 3, 4, 5].map(i => bench.register(i))]).toEqual([0, 1, 1, 0x14, 0xeb]);
  bench.command(0xec);
  expect([bench.acknowledge(), bench.error, bench.register(4), bench.register(5)]).toEqual([CHECK, 0x04, 0x14, 0xeb]);
  bench.command(0xa1);
  expect(bench.acknowledge()).toBe(DATA);
  const ids = new Uint16Array(bench.readData(512, 4).slice().buffer);
  expect([ids[0], ids[49], ids[53]]).toEqual([0x85c0, 0x0f00, 0x0006]);
  expect([bench.status, bench.interrupting]).toEqual([IDLE, false]);
  bench.command(0x08);
  expect([bench.status, bench.register(4), bench.interrupting]).toEqual([0, 0x14, false]);
});

describe('PACKET by PIO', () => {
  test('the phases: packet, data, status', () => {
    const { bench } = start();
    bench.command(0xa0, [0, 0, 0, 0x00, 0x02, 0xa0]);
    expect([bench.status, bench.register(2), bench.interrupting]).toEqual([DATA, PACKET, false]);
    bench.writeData(Uint8Array.from({ length: 12 }, (_, i) => READ_CAPACITY[i] ?? 0));
    expect([bench.interrupting, bench.acknowledge(), bench.register(2)]).toEqual([true, DATA, TO_HOST]);
    expect([bench.register(4), bench.register(5)]).toEqual([8, 0]);
    expect([...bench.readData(8)]).toEqual([0, 0, 1, 0x8f, 0, 0, 8, 0]);
    expect([bench.interrupting, bench.acknowledge(), bench.register(2)]).toEqual([true, IDLE, ENDED]);
  });

  test.each([
    [512, Array<number>(12).fill(512)],
    [0xfffe, [3 * BLOCK]],
    [0xffff, [3 * BLOCK]],
    [0, [3 * BLOCK]],
    [4001, [4000, 2144]],
    [1, Array<number>((3 * BLOCK) / 2).fill(2)],
  ])('blocks of at most %i bytes', (byteCount, blocks) => {
    const { bench, drive } = start();
    bench.packet(read10(7, 3), { byteCount });
    drive.complete();
    const data = bench.packetData();
    expect(data.blocks).toEqual(blocks);
    expect([0, BLOCK, 2 * BLOCK, 3 * BLOCK - 1].map(at => data.bytes[at])).toEqual([7, 8, 9, 9]);
    expect(bench.register(2)).toBe(ENDED);
  });

  test('an odd answer is read in words, the last half empty', () => {
    const { bench } = start();
    bench.packet([0x12, 0, 0, 0, 5]);
    expect(bench.acknowledge()).toBe(DATA);
    expect(bench.register(4)).toBe(5);
    expect([...bench.readData(6)].slice(4)).toEqual([31, 0]);
    expect(bench.acknowledge()).toBe(IDLE);
  });

  test('a read of more than 64 KiB takes several requests', () => {
    const { bench, drive } = start();
    bench.packet(read10(0, 70), { byteCount: BLOCK });
    const seen: number[] = [];
    for (let block = 0; block < 70; block++) {
      drive.completeAll();
      bench.acknowledge();
      seen.push(bench.readData(BLOCK, 4)[5]!);
    }
    expect(seen).toEqual(Array.from({ length: 70 }, (_, i) => i));
    expect(bench.acknowledge()).toBe(IDLE);
  });

  test('errors wait for REQUEST SENSE, once', () => {
    const { bench, drive } = start();
    bench.packet([0xfe]);
    expect([bench.acknowledge(), bench.error]).toEqual([CHECK, 0x54]);
    expect(sense(bench)).toEqual([5, '2000']);
    expect(sense(bench)).toEqual([0, '0']);
    bench.packet(read10(399, 2));
    expect(sense(bench)).toEqual([5, '2100']);
    bench.packet(read10(5, 1));
    drive.complete(0, 'error');
    expect([bench.acknowledge(), bench.error]).toEqual([CHECK, 0x34]);
    expect(sense(bench)).toEqual([3, '1100']);
    bench.packet([0xfe]);
    bench.packet(TEST_UNIT_READY);
    expect(sense(bench)).toEqual([0, '0']);
  });

  test('overlapped commands are refused', () => {
    const { bench } = start();
    bench.command(0xa0, [2]);
    expect([bench.acknowledge(), bench.error]).toEqual([CHECK, 0x04]);
  });
});

describe('PACKET by DMA', () => {
  test('a read goes into the guest, in one request', () => {
    const { bench, drive } = start();
    bench.regions([
      [RESULT, BLOCK],
      [RESULT + 8192, 29 * BLOCK],
      [RESULT + 0x20000, 10 * BLOCK],
    ]);
    bench.packet(read10(10, 40), { dma: true });
    expect([bench.status, drive.held.length]).toEqual([BUSY, 0]);
    bench.start();
    expect(drive.requests).toMatchObject([{ kind: 'read', offset: 10 * BLOCK }]);
    drive.complete();
    expect([bench.busMasterStatus, bench.acknowledge(), bench.register(2)]).toEqual([4, IDLE, ENDED]);
    expect([RESULT, RESULT + 8192, RESULT + 0x20000].map(at => bench.memory.bytes[at])).toEqual([10, 11, 40]);
  });

  test('an answer is written by a timer, never by the port that starts the bus master', () => {
    const { bench } = start();
    bench.regions([
      [RESULT, 10],
      [RESULT + 100, 26],
    ]);
    bench.packet(INQUIRY, { dma: true });
    bench.start();
    expect([bench.memory.bytes[RESULT], bench.status]).toEqual([0, BUSY]);
    bench.pass(20_000);
    expect([bench.busMasterStatus, bench.acknowledge(), bench.register(2)]).toEqual([4, IDLE, ENDED]);
    const text = String.fromCharCode(...bench.memory.bytes.subarray(RESULT + 8, RESULT + 10), bench.memory.bytes[RESULT + 100]!);
    expect([bench.memory.bytes[RESULT], text]).toEqual([5, 'CAI']);
  });

  test('an error needs no bus master', () => {
    const { bench } = start();
    bench.packet([0xfe], { dma: true });
    expect([bench.interrupting, bench.acknowledge()]).toEqual([true, CHECK]);
  });

  test('a table that is too short ends it without an interrupt', () => {
    const { bench, drive } = start();
    bench.out(bench.busMaster + 2, 4);
    bench.regions([[RESULT, 1026]]);
    bench.packet(read10(0, 1), { dma: true });
    bench.start();
    expect(drive.requests).toMatchObject([{ ranges: [{ length: 1024 }] }]);
    drive.complete();
    expect([bench.interrupting, bench.busMasterStatus, bench.status]).toEqual([false, 0, IDLE]);
  });

  test('stopped before its answer went out, it waits for the next start', () => {
    const { bench } = start();
    bench.regions([[RESULT, 36]]);
    bench.packet(INQUIRY, { dma: true });
    bench.start();
    bench.stop();
    bench.pass(50_000);
    expect([bench.memory.bytes[RESULT], bench.interrupting]).toEqual([0, false]);
    bench.start();
    bench.pass(50_000);
    expect([bench.memory.bytes[RESULT], bench.interrupting]).toEqual([5, true]);
  });

  test('a failing read', () => {
    const { bench, drive } = start();
    bench.regions([[RESULT, BLOCK]]);
    bench.packet(read10(0, 1), { dma: true });
    bench.start();
    drive.complete(0, 'error');
    expect([bench.interrupting, bench.acknowledge(), bench.error]).toEqual([true, CHECK, 0x34]);
  });
});

describe('discs', () => {
  test('an empty drive is not ready; a new disc is told once', () => {
    const { bench, device, drive } = start({ disc: false });
    bench.packet(TEST_UNIT_READY);
    expect(sense(bench)).toEqual([2, '3a01']);
    device.insert(drive);
    bench.packet(TEST_UNIT_READY);
    expect(sense(bench)).toEqual([6, '2800']);
    bench.packet(TEST_UNIT_READY);
    expect(bench.acknowledge()).toBe(IDLE);
  });

  test('a disc that is taken out under a read: what is pending ends, what follows fails', () => {
    const { bench, drive, device } = start();
    bench.packet(read10(0, 64), { byteCount: 0xfffe });
    device.insert(undefined);
    expect(drive.held).toEqual([]);
    expect(bench.packetData().bytes).toHaveLength(65536);
    expect(bench.status).toBe(CHECK);
    expect(sense(bench)).toEqual([2, '3a01']);
  });

  test('taken out between command and bus master', () => {
    const { bench, device } = start();
    bench.regions([[RESULT, BLOCK]]);
    bench.packet(read10(0, 1), { dma: true });
    device.insert(undefined);
    bench.start();
    expect([bench.interrupting, bench.acknowledge()]).toEqual([true, CHECK]);
  });
});

describe('a disc that is changed for another under a read', () => {
  const other = (from: FakeDrive) => {
    const drive = new FakeDrive({ read() {}, write() {} }, { sizeBytes: 500 * BLOCK, readOnly: true, fingerprint: 'other' });
    drive.content.fill(0xee);
    drive.submit = () => expect.fail('the new disc is read for a command that was given to the old one');
    expect(from.fingerprint).not.toBe(drive.fingerprint);
    return drive;
  };

  test('by PIO: what was asked for comes from the old disc, the rest from none', () => {
    const { bench, drive, device } = start();
    bench.packet(read10(7, 64), { byteCount: 0xfffe });
    device.insert(other(drive));
    expect(drive.held).toEqual([]);
    const { bytes } = bench.packetData();
    expect([bytes.length, bytes[0], bytes.at(-1)]).toEqual([65536, 7, 38]);
    expect(bench.status).toBe(CHECK);
    expect(sense(bench)).toEqual([2, '3a01']);
    bench.packet(TEST_UNIT_READY);
    expect(sense(bench)).toEqual([6, '2800']);
  });

  test('between command and bus master', () => {
    const { bench, drive, device } = start();
    bench.regions([[RESULT, BLOCK]]);
    bench.packet(read10(0, 1), { dma: true });
    device.insert(other(drive));
    bench.start();
    expect([bench.interrupting, bench.acknowledge()]).toEqual([true, CHECK]);
    expect(sense(bench)).toEqual([2, '3a01']);
  });
});

describe('resets', () => {
  test('SRST and DEVICE RESET end what is pending', () => {
    for (const reset of [(bench: IdeBench) => bench.out(0x376, 4, 0), (bench: IdeBench) => bench.out(bench.base + 7, 0x08)]) {
      const { bench, drive } = start();
      bench.packet(read10(0, 4));
      reset(bench);
      expect([drive.held.length, bench.status, bench.interrupting]).toEqual([0, 0, false]);
      bench.regions([[RESULT, 36]]);
      bench.packet(INQUIRY, { dma: true });
      bench.start();
      reset(bench);
      bench.pass(50_000);
      expect([bench.memory.bytes[RESULT], bench.status, bench.interrupting]).toEqual([0, 0, false]);
    }
  });
});

describe('a state saved under a pending command', () => {
  const move = (from: ReturnType<typeof start>) => {
    const to = start();
    to.bench.count = from.bench.count;
    to.bench.ide.loadState(structuredClone(from.bench.ide.saveState()));
    to.bench.pci.loadState(structuredClone(from.bench.pci.saveState()));
    to.bench.memory.bytes.set(from.bench.memory.bytes);
    to.device.loadState(structuredClone(from.device.saveState()));
    to.device.restored();
    return to;
  };

  test('a read by DMA is done, and interrupts', () => {
    const from = start();
    from.bench.regions([[RESULT, BLOCK]]);
    from.bench.packet(read10(0, 1), { dma: true });
    from.bench.start();
    const { bench, drive } = move(from);
    expect([drive.held.length, bench.busMasterStatus, bench.acknowledge(), bench.register(2)]).toEqual([0, 4, IDLE, ENDED]);
  });

  test('an answer goes out at its time', () => {
    const from = start();
    from.bench.regions([[RESULT, 36]]);
    from.bench.packet(INQUIRY, { dma: true });
    from.bench.start();
    const { bench } = move(from);
    bench.pass(20_000);
    expect([bench.memory.bytes[RESULT], bench.acknowledge()]).toEqual([5, IDLE]);
  });

  test('a read by PIO is made again', () => {
    const from = start();
    from.bench.packet(read10(9, 1));
    const { bench, drive } = move(from);
    drive.complete();
    expect(bench.packetData().bytes[100]).toBe(9);
  });

  test('a read by PIO is not made again from another disc', () => {
    const from = start();
    from.bench.packet(read10(9, 1));
    const to = start({ fingerprint: 'other' });
    to.bench.ide.loadState(structuredClone(from.bench.ide.saveState()));
    to.device.loadState(structuredClone(from.device.saveState()));
    to.device.restored();
    expect([to.drive.held.length, to.bench.status]).toEqual([0, CHECK]);
    expect(sense(to.bench)).toEqual([2, '3a01']);
    to.bench.packet(TEST_UNIT_READY);
    expect(sense(to.bench)).toEqual([6, '2800']);
  });

  test('a state saved by version 1 is taken', () => {
    const hex = readFileSync(new URL('../../../test/golden/states/atapi-drive-1.hex', import.meta.url), 'utf8').replaceAll('\n', '');
    const { device, bench } = start();
    device.loadState(AtapiDriveState.parseVersion(1, decodeState(new Uint8Array(Buffer.from(hex, 'hex')), 'atapi-drive')));
    expect(device.unit.isLocked).toBe(true);
    bench.packet(TEST_UNIT_READY);
    expect(bench.acknowledge()).toBe(IDLE);
  });

  test('another disc than the saved one is a changed disc', () => {
    const from = start();
    const to = start({ disc: false });
    to.device.loadState(from.device.saveState());
    to.bench.packet(TEST_UNIT_READY);
    expect(sense(to.bench)).toEqual([2, '3a01']);
  });
});
