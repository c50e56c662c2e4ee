import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Bench, deviceContract } from '#test/support/device-contract.ts';
import { FakeDrive } from '#test/support/fake-drive.ts';
import { boardOf, PciAccess } from '#test/support/pci-bench.ts';
import { EVENT_IDX, type DriverQueue, VirtioDriver } from '#test/support/virtio-driver.ts';
import { decodeState } from '../../state/state.ts';
import { Op } from '../scsi/cdb.ts';
import { ScsiCdrom } from '../scsi/cdrom.ts';
import { ScsiDisk } from '../scsi/disk.ts';
import { VirtioScsi } from './scsi.ts';
import { TURN_NS } from './turns.ts';

const SLOT = 3;
const RESPONSE_BYTES = 12 + 96;
const GOOD = 0;
const CHECK = 2;
/** Responses. */
const [OK, OVERRUN, BAD_TARGET, REJECTED, INCORRECT_LUN] = [0, 1, 3, 11, 12];

/** Target 0: disks at LUN 0 and 300. Target 5: a CD-ROM at LUN 1. */
function plug(bench: Bench) {
  const { pci, ram } = boardOf(bench);
  const disk = new FakeDrive(ram);
  const other = new FakeDrive(ram, { readOnly: true });
  const disc = new FakeDrive(ram, { readOnly: true });
  const cdrom = new ScsiCdrom('CD-1', disc);
  const host = new VirtioScsi({ bus: pci, memory: ram, time: bench.time, slot: SLOT }, [
    [{ target: 0, lun: 0 }, new ScsiDisk(disk)],
    [{ target: 0, lun: 300 }, new ScsiDisk(other)],
    [{ target: 5, lun: 1 }, cdrom],
  ]);
  return { disk, other, disc, cdrom, host };
}

function setUp() {
  const bench = new Bench();
  const made = plug(bench);
  new PciAccess(bench, 1).write(0x60, 0x0b0b0b0b);
  const driver = new VirtioDriver(bench, SLOT);
  const [control, , commands] = driver.start([], 3, 64);
  const board = { bench, ...made, driver, control: control!, commands: commands!, irq: () => bench.levels.get(11) };
  for (const place of [at(0), at(0, 300), at(5, 1)]) run(board, place, [Op.TestUnitReady]); // takes the power-on attention
  return board;
}
type Board = ReturnType<typeof setUp>;

const at = (target: number, lun = 0) => [1, target, 0x40 | (lun >> 8), lun & 0xff, 0, 0, 0, 0];
const u32 = (value: number) => [24, 16, 8, 0].map(shift => (value >>> shift) & 0xff);
const header = (place: readonly number[], cdb: readonly number[]) => {
  const bytes = new Uint8Array(19 + 32);
  bytes.set(place);
  bytes.set(cdb, 19);
  return bytes;
};
const submit = (
  queue: DriverQueue,
  place: readonly number[],
  cdb: readonly number[],
  dataOut: readonly Uint8Array[] = [],
  dataIn: number[] = [],
) => queue.request([header(place, cdb), ...dataOut], [RESPONSE_BYTES, ...dataIn]);

/** Takes a response apart, and the data after it. */
function read(board: Board, made: ReturnType<DriverQueue['chain']>, dataIn: readonly number[]) {
  const buffers = made.buffers.slice(made.buffers.length - 1 - dataIn.length).map(buffer => board.driver.bytesAt(buffer));
  const response = buffers[0]!;
  const view = new DataView(response.buffer);
  const senseLength = view.getUint32(0, true);
  return {
    status: response[10],
    response: response[11],
    residual: view.getUint32(4, true),
    sense: senseLength === 0 ? '' : `${response[14]}/${view.getUint16(24).toString(16).padStart(4, '0')}`,
    data: buffers.slice(1).flatMap(bytes => [...bytes]),
    used: board.commands.used().find(([head]) => head === made.head)?.[1],
  };
}
function run(
  board: Pick<Board, 'disk' | 'other' | 'disc' | 'driver' | 'commands'>,
  place: readonly number[],
  cdb: readonly number[],
  { out = [], dataIn = [] }: { out?: Uint8Array[]; dataIn?: number[] } = {},
) {
  const made = submit(board.commands, place, cdb, out, dataIn);
  for (const drive of [board.disk, board.other, board.disc]) drive.completeAll();
  board.driver.settle();
  return read(board as Board, made, dataIn);
}
const pattern = (length: number, seed: number) => Uint8Array.from({ length }, (_, i) => (i * 7 + seed) & 0xff);

const drives = new WeakMap<VirtioScsi, FakeDrive>();
deviceContract(
  'virtio scsi',
  bench => {
    const { host, disk } = plug(bench);
    drives.set(host, disk);
    return host;
  },
  [
    (bench, host) => {
      const driver = new VirtioDriver(bench, SLOT);
      const [, , commands] = driver.start([EVENT_IDX], 3);
      for (const place of [at(0), at(0, 300), at(5, 1)]) submit(commands!, place, [Op.TestUnitReady]);
      submit(commands!, at(5, 1), [Op.PreventAllowRemoval, 0, 0, 0, 1]);
      submit(commands!, at(0), [Op.SynchronizeCache10]);
      submit(commands!, at(0), [Op.Read10, 0, 0, 0, 0, 0, 0, 0, 1], [], [512]);
      const page = Uint8Array.of(0, 0, 0, 0, 0x08, 0x12, ...Array<number>(18).fill(0));
      submit(commands!, at(0), [Op.ModeSelect6, 0x10, 0, 0, page.length], [page]);
      submit(commands!, at(0, 300), [Op.ModeSelect6, 0x10, 0, 0, page.length], [page]);
      drives.get(host)!.complete();
      bench.pass(TURN_NS);
      driver.settle();
      driver.setDeviceConfig(20, 4, 100);
      driver.setDeviceConfig(24, 4, 40);
      driver.setCommon(0x00, 4, 1);
      driver.setCommon(0x08, 4, 1);
      driver.notify(2);
    },
    bench => {
      const driver = new VirtioDriver(bench, SLOT);
      const [control, , commands] = driver.start([EVENT_IDX], 3);
      submit(commands!, at(5, 1), [Op.TestUnitReady]);
      submit(commands!, at(5, 1), [Op.PreventAllowRemoval]);
      submit(commands!, at(5, 1), [Op.StartStopUnit, 0, 0, 0, 2]);
      control!.request([new Uint8Array(24)], [1]);
    },
    bench => {
      const driver = new VirtioDriver(bench, SLOT);
      driver.status = 0;
      for (let queue = 0; queue < 3; queue++) {
        driver.setCommon(0x16, 2, queue);
        driver.setCommon(0x18, 2, 8);
        for (const register of [0x20, 0x24, 0x28, 0x2c, 0x30, 0x34]) driver.setCommon(register, 4, 0x1000);
      }
      driver.setCommon(0x1c, 2, 1);
    },
    bench => {
      const driver = new VirtioDriver(bench, SLOT);
      driver.status = 0;
      for (let queue = 0; queue < 3; queue++) {
        driver.setCommon(0x16, 2, queue);
        for (const register of [0x20, 0x28, 0x30]) driver.setCommon(register, 4, 0x1000);
        driver.setCommon(0x1c, 2, 1);
      }
    },
  ],
  [
    'transport.generation',
    ...['taken', 'returned', 'signalled'].map(field => `transport.queues.queue1.${field}`), // no events
    ...['target0-lun0', 'target0-lun300', 'target5-lun1'].flatMap(unit => [`units.${unit}.unit.held.key`, `units.${unit}.unit.held.code`]), // sense data goes with the status
    'units.target5-lun1.mediumBytes',
    'units.target5-lun1.medium',
  ],
);

test('the driver reads what the host is', () => {
  const { driver } = setUp();
  expect(driver.config.read(0)).toBe(0x10481af4);
  expect([0, 4, 8, 12, 16, 20, 24, 32].map(offset => driver.deviceConfig(offset, 4))).toEqual([1, 254, 65535, 128, 16, 96, 32, 300]);
  expect([driver.deviceConfig(28, 2), driver.deviceConfig(30, 2)]).toEqual([0, 5]);
});

describe('commands', () => {
  test('write and read scattered data', () => {
    const board = setUp();
    const data = pattern(2048, 3);
    const place = [...u32(8), 0, 0, 4];
    const out = run(board, at(0), [Op.Write10, 0, ...place], { out: [data.subarray(0, 700), data.subarray(700)] });
    expect(out).toMatchObject({ status: GOOD, response: OK, residual: 0, sense: '', used: RESPONSE_BYTES });
    expect(board.disk.content.subarray(4096, 6144)).toEqual(data);
    const back = run(board, at(0), [Op.Read10, 0, ...place], { dataIn: [100, 1948] });
    expect(back).toMatchObject({ status: GOOD, residual: 0, used: RESPONSE_BYTES + 2048 });
    expect(back.data).toEqual([...data]);
    expect(board.irq()).toBe(true);
  });

  test('are under way together and end in any order', () => {
    const { driver, disk, commands } = setUp();
    commands.used();
    const heads = [0, 1, 2].map(block => submit(commands, at(0), [Op.Read10, 0, ...u32(block), 0, 0, 1], [], [512]).head);
    expect(disk.requests.map(request => request.kind === 'read' && request.offset)).toEqual([0, 512, 1024]);
    disk.complete(2);
    disk.complete(0);
    driver.settle();
    expect(commands.used().map(([head]) => head)).toEqual([heads[2], heads[0]]);
  });

  test('answers from memory, and what was left of the room for them', () => {
    const board = setUp();
    const inquiry = run(board, at(0), [Op.Inquiry, 0, 0, 0, 36], { dataIn: [16, 48] });
    expect(inquiry).toMatchObject({ status: GOOD, residual: 28, used: RESPONSE_BYTES + 36 });
    expect(String.fromCharCode(...inquiry.data.slice(8, 32))).toBe('CAIRN   Virtual disk    ');
    expect(inquiry.data.slice(36)).toEqual(Array(28).fill(0xee));
  });

  test('errors come with sense data', () => {
    const board = setUp();
    expect(run(board, at(0), [0xc0])).toMatchObject({ status: CHECK, response: OK, sense: '5/2000' });
    const made = submit(board.commands, at(0), [Op.Read10, 0, ...u32(7), 0, 0, 1], [], [512]);
    board.disk.complete(0, 'error');
    board.driver.settle();
    expect(read(board, made, [512])).toMatchObject({ status: CHECK, sense: '3/1100', residual: 512, used: RESPONSE_BYTES });
  });

  test('parameter lists: UNMAP, WRITE SAME, MODE SELECT', () => {
    const board = setUp();
    board.disk.content.fill(9);
    const list = Uint8Array.of(0, 22, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, ...u32(4), ...u32(2), 0, 0, 0, 0);
    expect(run(board, at(0), [Op.Unmap, 0, 0, 0, 0, 0, 0, 0, 24], { out: [list] })).toMatchObject({ status: GOOD, residual: 0 });
    run(board, at(0), [Op.WriteSame10, 0, ...u32(10), 0, 0, 3], { out: [new Uint8Array(512).fill(5)] });
    expect([3, 4, 5, 6, 9, 10, 12, 13].map(block => board.disk.content[block * 512])).toEqual([9, 0, 0, 9, 9, 5, 5, 9]);
    const page = Uint8Array.of(0, 0, 0, 0, 0x08, 0x12, ...Array<number>(18).fill(0));
    run(board, at(0), [Op.ModeSelect6, 0x10, 0, 0, page.length], { out: [page] });
    submit(board.commands, at(0), [Op.Write10, 0, ...u32(0), 0, 0, 1], [new Uint8Array(512)]);
    board.disk.complete();
    expect(board.disk.requests).toEqual([{ kind: 'flush' }]); // the write cache is off
  });

  test('a buffer too small for the transfer', () => {
    const board = setUp();
    expect(run(board, at(0), [Op.Read10, 0, ...u32(0), 0, 0, 2], { dataIn: [1023] })).toMatchObject({
      response: OVERRUN,
      used: RESPONSE_BYTES,
    });
    expect(run(board, at(0), [Op.Write10, 0, ...u32(0), 0, 0, 1])).toMatchObject({ response: OVERRUN });
    expect(board.disk.held).toEqual([]);
  });

  test('a request without room for the response, or without its CDB, breaks the queue', () => {
    for (const [readable, writable] of [
      [header(at(0), []), RESPONSE_BYTES - 1],
      [header(at(0), []).subarray(0, 50), RESPONSE_BYTES],
    ] as const) {
      const { driver, commands } = setUp();
      commands.request([readable], [writable]);
      expect(driver.status & 0x40).toBe(0x40);
    }
  });

  test('longer and shorter CDBs and sense data, as the driver says', () => {
    const board = setUp();
    board.driver.setDeviceConfig(20, 4, 20);
    board.driver.setDeviceConfig(24, 4, 16);
    const made = board.commands.request([header(at(0), [0xc0]).subarray(0, 35)], [32, 0]);
    expect(board.driver.bytesAt(made.buffers[1]!)[0]).toBe(18);
    for (const [offset, value] of [
      [20, 17],
      [20, 253],
      [24, 15],
      [24, 65],
    ] as const) {
      board.driver.setDeviceConfig(offset, 4, value);
    }
    expect([20, 24].map(offset => board.driver.deviceConfig(offset, 4))).toEqual([20, 16]);
    board.driver.start([], 3);
    expect([20, 24].map(offset => board.driver.deviceConfig(offset, 4))).toEqual([96, 32]);
  });
});

test('commands that write a block over and over are taken as others end: their copies have a bound', () => {
  const { bench, commands, driver, disk } = setUp();
  submit(commands, at(0), [Op.TestUnitReady]);
  const block = new Uint8Array(512).fill(1);
  const { head } = commands.chain([header(at(0), [Op.WriteSame10, 0, ...u32(0), 0, 0x08, 0]), block], [RESPONSE_BYTES]);
  const pending = () => disk.requests.reduce((sum, request) => sum + (request.kind === 'write-bytes' ? request.bytes.length : 0), 0);
  let most = 0;
  for (let i = 0; i < 63; i++) commands.offer(head);
  driver.notify(2);
  bench.pass(1e7);
  most = Math.max(most, pending());
  for (let ended = 0; ended < 200; ended++) if (disk.held.length > 0) disk.complete();
  bench.pass(1e7);
  most = Math.max(most, pending());
  expect(most).toBeLessThanOrEqual(34 << 20);
  while (disk.held.length > 0) {
    disk.completeAll();
    bench.pass(1e7);
  }
  expect([commands.used().length, driver.status]).toEqual([64, 0x0f]);
});

describe('targets and LUNs', () => {
  test('who is not there', () => {
    const board = setUp();
    expect(run(board, at(1), [Op.Inquiry, 0, 0, 0, 36], { dataIn: [36] })).toMatchObject({ response: BAD_TARGET });
    expect(run(board, [2, 0, 0, 0, 0, 0, 0, 0], [Op.TestUnitReady])).toMatchObject({ response: BAD_TARGET });
    expect(run(board, at(5, 0), [Op.TestUnitReady])).toMatchObject({ status: CHECK, sense: '5/2500' });
    expect(run(board, [1, 0, 0x40, 0, 0, 1, 0, 0], [Op.TestUnitReady])).toMatchObject({ sense: '5/2500' });
    expect(run(board, [1, 0, 0xc1, 1, 0, 0, 0, 0], [Op.TestUnitReady])).toMatchObject({ sense: '5/2500' });
    expect(run(board, at(5, 0), [Op.Inquiry, 0, 0, 0, 36], { dataIn: [36] }).data[0]).toBe(0x7f);
  });

  test('REPORT LUNS, of any LUN of the target', () => {
    const board = setUp();
    const luns = (target: number, report = 0) =>
      run(board, at(target, 7), [Op.ReportLuns, 0, report, 0, 0, 0, 0, 0, 0, 64], { dataIn: [24] });
    expect(luns(0).data).toEqual([...u32(16), ...u32(0), 0, 0, ...u32(0), 0, 0, 0x41, 0x2c, ...u32(0), 0, 0]);
    expect(luns(5)).toMatchObject({ residual: 8 });
    expect(luns(0, 1).data.slice(0, 4)).toEqual(u32(0));
    expect(luns(0, 3).sense).toBe('5/2400');
  });

  test('each has its own disk, flat or peripheral', () => {
    const board = setUp();
    board.disk.content.fill(1);
    board.other.content.fill(2);
    board.disc.content.fill(3);
    const read10 = [Op.Read10, 0, ...u32(0), 0, 0, 1];
    expect(run(board, at(0, 300), read10, { dataIn: [512] }).data[0]).toBe(2);
    expect(run(board, [1, 0, 0, 0, 0, 0, 0, 0], read10, { dataIn: [512] }).data[0]).toBe(1);
    expect(run(board, at(5, 1), read10, { dataIn: [2048] }).data[2047]).toBe(3);
    expect(run(board, at(0, 300), [Op.Write10, 0, ...u32(0), 0, 0, 1], { out: [new Uint8Array(512)] }).sense).toBe('7/2700');
  });

  test('a disc is changed', () => {
    const board = setUp();
    submit(board.commands, at(5, 1), [Op.Read10, 0, ...u32(0), 0, 0, 1], [], [2048]);
    board.cdrom.insert(undefined);
    expect(board.disc.held).toEqual([]);
    expect(run(board, at(5, 1), [Op.TestUnitReady]).sense).toBe('2/3a01');
    board.cdrom.insert(board.disc);
    expect(run(board, at(5, 1), [Op.TestUnitReady]).sense).toBe('6/2800');
  });
});

test('a state saved by version 1 is taken', () => {
  const hex = readFileSync(new URL('../../../test/golden/states/virtio-scsi-1.hex', import.meta.url), 'utf8').replaceAll('\n', '');
  const { host } = plug(new Bench());
  host.loadState(host.definition.parseVersion(1, decodeState(new Uint8Array(Buffer.from(hex, 'hex')), 'virtio-scsi')));
  expect(host.saveState().units['target5-lun1']).toMatchObject({ mediumBytes: 1 << 20, event: 0 });
});

describe('the control queue', () => {
  const manage = (board: Board, task: number, place: readonly number[]) => {
    const bytes = new Uint8Array(24);
    bytes[4] = task;
    bytes.set(place, 8);
    const { buffers } = board.control.request([bytes], [1]);
    board.driver.settle();
    return board.driver.bytesAt(buffers[1]!)[0];
  };

  test('a LUN reset waits for its commands, which end before it; then the unit says so', () => {
    const board = setUp();
    board.commands.used();
    const { head } = submit(board.commands, at(0), [Op.Read10, 0, ...u32(0), 0, 0, 1], [], [512]);
    expect(manage(board, 5, at(0))).toBe(OK);
    expect([board.disk.held, board.commands.used()]).toEqual([[], [[head, RESPONSE_BYTES + 512]]]);
    expect(run(board, at(0), [Op.TestUnitReady]).sense).toBe('6/2900');
    expect(run(board, at(0, 300), [Op.TestUnitReady]).sense).toBe('');
  });

  test('aborts wait, a nexus reset resets all of the target, queries are refused', () => {
    const board = setUp();
    for (const task of [0, 1, 3]) {
      submit(board.commands, at(0), [Op.SynchronizeCache10]);
      expect([manage(board, task, at(0)), board.disk.held.length]).toEqual([OK, 0]);
    }
    expect(run(board, at(0), [Op.TestUnitReady]).sense).toBe('');
    expect(manage(board, 4, at(0))).toBe(OK);
    expect([at(0), at(0, 300), at(5, 1)].map(place => run(board, place, [Op.TestUnitReady]).sense)).toEqual(['6/2900', '6/2900', '']);
    expect([manage(board, 6, at(0)), manage(board, 5, at(0, 1)), manage(board, 5, at(9))]).toEqual([REJECTED, INCORRECT_LUN, BAD_TARGET]);
  });

  test('no notifications; what is no control request', () => {
    const { control, driver } = setUp();
    const ask = (bytes: number[], room: number) => [...driver.bytesAt(control.request([Uint8Array.from(bytes)], [room]).buffers[1]!)];
    expect(ask([1, 0, 0, 0, ...at(0), 0xff, 0xff, 0, 0], 5)).toEqual([0, 0, 0, 0, OK]);
    expect(ask([7, 0, 0, 0], 1)).toEqual([REJECTED]);
    expect(driver.status & 0x40).toBe(0);
    ask([0, 0, 0, 0, 5], 1);
    expect(driver.status & 0x40).toBe(0x40);
  });
});

test('a reset by the driver waits for the disks and resets the units', () => {
  const board = setUp();
  submit(board.commands, at(0), [Op.Read10, 0, ...u32(0), 0, 0, 1], [], [512]);
  board.driver.status = 0;
  expect(board.disk.held).toEqual([]);
  const [, , commands] = board.driver.start([], 3, 64);
  expect(run({ ...board, commands: commands! }, at(0), [Op.TestUnitReady]).sense).toBe('6/2900');
});

test('what was pending when the state was saved has ended well in the restored machine', () => {
  const board = setUp();
  board.commands.used();
  const { head, buffers } = submit(board.commands, at(0), [Op.Read10, 0, ...u32(0), 0, 0, 1], [], [512]);
  const bench = new Bench();
  const { host, disk } = plug(bench);
  const { ram, pci } = boardOf(bench);
  ram.bytes.set(board.driver.ram.bytes);
  pci.loadState(structuredClone(boardOf(board.bench).pci.saveState()));
  host.loadState(structuredClone(board.host.saveState()));
  host.restored();
  bench.time.fireDue();
  expect([disk.held.length, bench.levels.get(11)]).toEqual([0, true]);
  const used = board.commands.base + 0x3000;
  const index = ram.view.getUint16(used + 2, true);
  expect([ram.view.getUint32(used + 4 + 8 * ((index - 1) % 64), true), ram.bytes[buffers[1]!.gpa + 10]]).toEqual([head, GOOD]);
});

test('a reset by the driver also waits for what is read from a disc that it has put out meanwhile', () => {
  const board = setUp();
  submit(board.commands, at(5, 1), [Op.Read10, 0, ...u32(0), 0, 0, 1], [], [2048]);
  submit(board.commands, at(5, 1), [Op.StartStopUnit, 0, 0, 0, 2]);
  expect([board.cdrom.isOpen, board.disc.held.length]).toEqual([true, 1]);
  board.driver.status = 0; // its memory is the guest's again
  expect(board.disc.held).toEqual([]);
});
