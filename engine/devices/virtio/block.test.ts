import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Bench, deviceContract } from '#test/support/device-contract.ts';
import { FakeDrive } from '#test/support/fake-drive.ts';
import { boardOf, PciAccess } from '#test/support/pci-bench.ts';
import { EVENT_IDX, VirtioDriver } from '#test/support/virtio-driver.ts';
import { BlockFeature, VirtioBlock, VirtioBlockState } from './block.ts';
import { decodeState } from '../../state/state.ts';
import { TURN_NS } from './turns.ts';

const SLOT = 3;
const { Flush, ConfigWce, ReadOnly, Discard, WriteZeroes } = BlockFeature;
const IN = 0;
const OUT = 1;
const FLUSH = 4;
const GET_ID = 8;
const DISCARD = 11;
const WRITE_ZEROES = 13;
const [OK, IO_ERROR, UNSUPPORTED] = [0, 1, 2];

function plug(bench: Bench, options: { sizeBytes?: number; readOnly?: boolean } = {}) {
  const { pci, ram } = boardOf(bench);
  const drive = new FakeDrive(ram, options);
  return { drive, disk: new VirtioBlock({ bus: pci, memory: ram, time: bench.time, slot: SLOT }, drive) };
}

function setUp(options: { sizeBytes?: number; readOnly?: boolean; features?: readonly number[] } = {}) {
  const bench = new Bench();
  const made = plug(bench, options);
  new PciAccess(bench, 1).write(0x60, 0x0b0b0b0b);
  const driver = new VirtioDriver(bench, SLOT);
  const [queue] = driver.start(options.features ?? [Flush], 1, 64);
  return { bench, ...made, driver, queue: queue!, irq: () => bench.levels.get(11) };
}
type Board = ReturnType<typeof setUp>;

const header = (type: number, sector = 0, sectorHigh = 0) => new Uint8Array(new Uint32Array([type, 0, sector, sectorHigh]).buffer);
const segment = (sector: number, sectors: number, flags = 0, high = 0) =>
  new Uint8Array(new Uint32Array([sector, high, sectors, flags]).buffer);
const pattern = (length: number, seed: number) => Uint8Array.from({ length }, (_, i) => (i * 7 + seed) & 0xff);
/** Makes the request, ends whatever it asks of the drive, and returns its status byte. */
function run(board: Board, readable: readonly Uint8Array[], writable: readonly number[]) {
  const made = board.queue.request(readable, writable);
  board.drive.completeAll();
  board.driver.settle();
  return { ...made, status: board.driver.bytesAt(made.buffers.at(-1)!).at(-1), used: board.queue.used() };
}

const drives = new WeakMap<VirtioBlock, FakeDrive>();
deviceContract(
  'virtio block',
  bench => {
    const { disk, drive } = plug(bench);
    drives.set(disk, drive);
    return disk;
  },
  [
    (bench, disk) => {
      const driver = new VirtioDriver(bench, SLOT);
      const [queue] = driver.start([Flush, ConfigWce, EVENT_IDX], 1);
      driver.setCommon(0x00, 4, 1);
      driver.setCommon(0x08, 4, 1);
      driver.setDeviceConfig(32, 1, 0);
      bench.pass(TURN_NS);
      for (let i = 0; i < 3; i++) queue!.request([header(IN, i)], [512, 1]);
      drives.get(disk)!.complete();
      drives.get(disk)!.complete();
      driver.settle();
      driver.notify(0);
    },
    (bench, disk) => {
      const driver = new VirtioDriver(bench, SLOT);
      driver.status = 0;
      disk.reset();
      for (const reg of [0x24, 0x2c, 0x34]) driver.setCommon(reg, 4, 1);
      driver.setCommon(0x1c, 2, 1);
      driver.setCommon(0x16, 2, 5);
    },
  ],
  ['transport.generation'],
);

test('the driver reads what the disk is', () => {
  const { driver } = setUp({ sizeBytes: 3 << 20 });
  expect(driver.config.read(0)).toBe(0x10421af4);
  expect([driver.deviceConfig(0, 4), driver.deviceConfig(4, 4)]).toEqual([6144, 0]);
  expect([driver.deviceConfig(8, 4), driver.deviceConfig(12, 4), driver.deviceConfig(20, 4)]).toEqual([65536, 254, 512]);
  expect([driver.deviceConfig(24, 1), driver.deviceConfig(26, 2), driver.deviceConfig(28, 4)]).toEqual([3, 8, 128]);
  expect([driver.deviceConfig(36, 4), driver.deviceConfig(44, 4), driver.deviceConfig(56, 1)]).toEqual([1 << 21, 128, 1]);
  const offered = driver.offered();
  expect(offered).toEqual(expect.arrayContaining([Flush, ConfigWce, Discard, WriteZeroes]));
  expect(offered).not.toContain(ReadOnly);
});

describe('requests', () => {
  test('write and read scattered data', () => {
    const board = setUp();
    const data = pattern(2048, 3);
    const out = run(board, [header(OUT, 8), data.subarray(0, 700), data.subarray(700)], [1]);
    expect([out.status, out.used]).toEqual([OK, [[out.head, 1]]]);
    expect(board.drive.content.subarray(4096, 6144)).toEqual(data);
    const back = run(board, [header(IN, 8)], [100, 1948, 1]);
    expect([back.status, back.used]).toEqual([OK, [[back.head, 2049]]]);
    expect([...back.buffers.slice(1, 3).flatMap(buffer => [...board.driver.bytesAt(buffer)])]).toEqual([...data]);
  });

  test('are framed as the driver likes: header in pieces, data and status in one', () => {
    const board = setUp();
    board.drive.content.set(pattern(512, 9), 512);
    const bytes = header(IN, 1);
    const { status, buffers } = run(board, [bytes.subarray(0, 5), bytes.subarray(5)], [513]);
    expect(status).toBe(OK);
    expect(board.driver.bytesAt(buffers[2]!).subarray(0, 512)).toEqual(pattern(512, 9));
  });

  test('are under way together and end in any order', () => {
    const { driver, drive, queue, irq } = setUp();
    const heads = [0, 1, 2].map(sector => queue.request([header(IN, sector)], [512, 1]).head);
    expect(drive.requests.map(request => request.kind === 'read' && request.offset)).toEqual([0, 512, 1024]);
    drive.complete(2);
    drive.complete(0);
    driver.settle();
    expect([queue.used().map(([head]) => head), irq()]).toEqual([[heads[2], heads[0]], true]);
  });

  test('an error of the drive is an error of the request', () => {
    const { driver, drive, queue } = setUp();
    const { head, buffers } = queue.request([header(IN)], [512, 1]);
    drive.complete(0, 'error');
    driver.settle();
    expect([queue.used(), driver.bytesAt(buffers[2]!)]).toEqual([[[head, 1]], Uint8Array.of(IO_ERROR)]);
  });

  test('the serial number', () => {
    const board = setUp();
    const { status, buffers, used } = run(board, [header(GET_ID)], [20, 1]);
    expect([status, new TextDecoder().decode(board.driver.bytesAt(buffers[1]!)), used[0]![1]]).toEqual([
      OK,
      'CAIRN-0123456789\0\0\0\0',
      21,
    ]);
  });

  test('discard and write zeroes, several segments at a time', () => {
    const { driver, drive, queue } = setUp();
    const { buffers } = queue.request([header(DISCARD), segment(0, 128), segment(256, 1)], [1]);
    queue.request([header(WRITE_ZEROES), segment(8, 8, 1), segment(64, 2)], [1]);
    expect(drive.requests).toEqual([
      { kind: 'discard', offset: 0, length: 65536 },
      { kind: 'discard', offset: 131072, length: 512 },
      { kind: 'write-zeroes', offset: 4096, length: 4096, unmap: true },
      { kind: 'write-zeroes', offset: 32768, length: 1024, unmap: false },
    ]);
    drive.complete(0, 'error');
    driver.settle();
    expect(queue.used()).toEqual([]);
    drive.complete(0);
    driver.settle();
    expect([queue.used().length, driver.bytesAt(buffers.at(-1)!)]).toEqual([1, Uint8Array.of(IO_ERROR)]);
  });

  test.each<[string, number, readonly Uint8Array[], readonly number[]]>([
    ['an unknown type', UNSUPPORTED, [header(99)], [1]],
    ['beyond the end', IO_ERROR, [header(IN, 2047)], [1024, 1]],
    ['a sector above 2^32', IO_ERROR, [header(IN, 0, 1)], [512, 1]],
    ['a part of a sector', IO_ERROR, [header(OUT), new Uint8Array(500)], [1]],
    ['a discard beyond the end', IO_ERROR, [header(DISCARD), segment(2048, 1)], [1]],
    ['a discard with a flag', UNSUPPORTED, [header(DISCARD), segment(0, 1, 1)], [1]],
    ['a zero-write with an unknown flag', UNSUPPORTED, [header(WRITE_ZEROES), segment(0, 1, 2)], [1]],
    ['a discard of half a segment', IO_ERROR, [header(DISCARD), new Uint8Array(8)], [1]],
    ['a discard of nothing', IO_ERROR, [header(DISCARD)], [1]],
    ['a discard of too many segments', IO_ERROR, [header(DISCARD), new Uint8Array(33 * 16)], [1]],
    ['a discard that is too long', IO_ERROR, [header(DISCARD), segment(0, 0xffffffff)], [1]],
    ['nothing to write', OK, [header(OUT)], [1]],
  ])('%s', (_name, expected, readable, writable) => {
    const board = setUp();
    expect([run(board, readable, writable).status, board.driver.status]).toEqual([expected, 0x0f]);
  });

  test.each<[string, readonly Uint8Array[], readonly number[]]>([
    ['without a whole header', [new Uint8Array(15)], [1]],
    ['without a status', [header(FLUSH)], []],
  ])('%s the device wants a reset', (_name, readable, writable) => {
    const board = setUp();
    board.queue.request(readable, writable);
    expect([board.driver.status, board.drive.held.length]).toEqual([0x4f, 0]);
  });

  test('more bytes than the limits allow are refused', () => {
    const { driver, drive, queue } = setUp();
    queue.descriptor(0, 0x40000, 16, 1, 1);
    driver.ram.bytes.set(header(IN), 0x40000);
    queue.descriptor(1, 0x50000, 0x2000_0000, 3, 2);
    queue.descriptor(2, 0x41000, 1, 2);
    queue.offer(0);
    driver.notify(0);
    driver.settle();
    expect([queue.used(), drive.held.length, driver.ram.bytes[0x41000]]).toEqual([[[0, 1]], 0, IO_ERROR]);
  });
});

test('a read-only disk takes no change', () => {
  const board = setUp({ readOnly: true });
  expect(board.driver.offered()).toContain(ReadOnly);
  expect(board.driver.offered()).not.toContain(Discard);
  expect(run(board, [header(OUT), new Uint8Array(512)], [1]).status).toBe(IO_ERROR);
  expect(run(board, [header(DISCARD), segment(0, 8)], [1]).status).toBe(IO_ERROR);
  expect(run(board, [header(IN)], [512, 1]).status).toBe(OK);
});

describe('the cache', () => {
  const kinds = (board: Board) => board.drive.requests.map(({ kind }) => kind);

  test('is flushed when the driver says so', () => {
    const board = setUp();
    board.queue.request([header(OUT), new Uint8Array(512)], [1]);
    board.drive.complete();
    board.driver.settle();
    expect([board.queue.used().length, kinds(board)]).toEqual([1, []]);
    board.queue.request([header(FLUSH)], [1]);
    expect(kinds(board)).toEqual(['flush']);
  });

  test.each<[string, readonly number[], (board: Board) => void]>([
    ['a driver without FLUSH', [], () => {}],
    ['a driver that switches it off', [Flush, ConfigWce], ({ driver }) => driver.setDeviceConfig(32, 1, 0)],
  ])('%s: a write ends when it is durable', (_name, features, prepare) => {
    const board = setUp({ features });
    prepare(board);
    expect(board.driver.deviceConfig(32, 1)).toBe(0);
    board.queue.request([header(OUT), new Uint8Array(512)], [1]);
    board.drive.complete();
    board.driver.settle();
    expect([board.queue.used(), kinds(board)]).toEqual([[], ['flush']]);
    board.drive.complete();
    board.driver.settle();
    expect(board.queue.used().length).toBe(1);
  });

  test('stays on for a driver that did not take up the switch', () => {
    const { driver } = setUp();
    driver.setDeviceConfig(32, 1, 0);
    expect(driver.deviceConfig(32, 1)).toBe(1);
  });
});

test('a reset waits for what is under way, and tells nobody of it', () => {
  const { driver, drive, queue } = setUp();
  queue.request([header(OUT, 3), pattern(512, 1)], [1]);
  driver.status = 0;
  driver.settle();
  expect([drive.held.length, queue.used(), driver.isr()]).toEqual([0, [], 0]);
  expect(drive.content.subarray(1536, 2048)).toEqual(pattern(512, 1));
});

test('what was pending when the state was saved has ended well after the restore, with an interrupt', () => {
  const { disk, queue, driver } = setUp();
  const made = [0, 1].map(sector => queue.request([header(OUT, sector), new Uint8Array(512)], [1]));
  const saved = structuredClone(disk.saveState());

  const other = setUp();
  other.driver.ram.bytes.set(driver.ram.bytes);
  other.disk.loadState(saved);
  expect(other.disk.saveState()).toEqual(saved);
  other.disk.restored();
  expect(other.queue.used()).toEqual([]); // guest memory is filled after the devices
  other.driver.settle();
  expect(other.queue.used()).toEqual(made.map(({ head }) => [head, 1]));
  expect(made.map(({ buffers }) => other.driver.bytesAt(buffers.at(-1)!)[0])).toEqual([OK, OK]);
  expect([other.irq(), other.driver.isr(), other.drive.held.length]).toEqual([true, 1, 0]);
});

test('a state saved by version 1 is taken', () => {
  const hex = readFileSync(new URL('../../../test/golden/states/virtio-blk-1.hex', import.meta.url), 'utf8').replaceAll('\n', '');
  const device = plug(new Bench()).disk;
  device.loadState(VirtioBlockState.parseVersion(1, decodeState(new Uint8Array(Buffer.from(hex, 'hex')), 'virtio-blk')));
  expect(device.saveState()).toMatchObject({ writeback: false, transport: { started: [{ head: 0 }], turns: { turn: 0, spent: 0 } } });
});
