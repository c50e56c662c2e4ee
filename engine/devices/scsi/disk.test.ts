import { describe, expect, test } from 'vitest';
import { FakeDrive } from '#test/support/fake-drive.ts';
import { FlatRam } from '#test/support/flat-ram.ts';
import { cdbLength, CDB_BYTES, Op } from './cdb.ts';
import { ScsiDisk } from './disk.ts';
import type { ScsiStep } from './step.ts';

const cdb = (...bytes: number[]) => Uint8Array.from({ length: CDB_BYTES }, (_, i) => bytes[i] ?? 0);
const u64 = (value: number) => [...u32(Math.floor(value / 2 ** 32)), ...u32(value)];
const u32 = (value: number) => [24, 16, 8, 0].map(shift => (value >>> shift) & 0xff);

function start(options: ConstructorParameters<typeof FakeDrive>[1] = {}) {
  const disk = new ScsiDisk(new FakeDrive(new FlatRam(0), options));
  disk.execute(cdb(Op.TestUnitReady)); // takes the power-on attention
  return { disk, run: (...bytes: number[]) => disk.execute(cdb(...bytes)) };
}
/** A step as a short text: `check 5/2400` or what it is. */
function told(step: ScsiStep) {
  if (step.kind === 'check') return `check ${step.sense.key}/${step.sense.code.toString(16).padStart(4, '0')}`;
  return step.kind;
}
function bytesOf(step: ScsiStep) {
  return step.kind === 'data-in' ? [...step.bytes] : told(step);
}
const INVALID_FIELD = 'check 5/2400';
const OUT_OF_RANGE = 'check 5/2100';
const INVALID_PARAMETER = 'check 5/2600';
const LIST_LENGTH = 'check 5/1a00';
const PROTECTED = 'check 7/2700';

describe('unit attention', () => {
  test('power-on is told once, to a command that hears of such things', () => {
    const disk = new ScsiDisk(new FakeDrive(new FlatRam(0)));
    expect(told(disk.execute(cdb(Op.Inquiry, 0, 0, 0, 36)))).toBe('data-in');
    expect(told(disk.execute(cdb(Op.Read10)))).toBe('check 6/2900');
    expect(told(disk.execute(cdb(Op.Read10)))).toBe('good');
    disk.reset();
    expect(told(disk.execute(cdb(Op.TestUnitReady)))).toBe('check 6/2900');
  });

  test('REQUEST SENSE tells it as data, in both formats', () => {
    const disk = new ScsiDisk(new FakeDrive(new FlatRam(0)));
    expect(bytesOf(disk.execute(cdb(Op.RequestSense, 1, 0, 0, 18)))).toEqual([0x72, 6, 0x29, 0, 0, 0, 0, 0]);
    expect(bytesOf(disk.execute(cdb(Op.RequestSense, 0, 0, 0, 14)))).toEqual([0x70, 0, 0, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0, 0]);
  });
});

describe('INQUIRY', () => {
  test('a disk, cut to the allocation length', () => {
    const { run } = start();
    const bytes = bytesOf(run(Op.Inquiry, 0, 0, 0, 36)) as number[];
    expect(bytes.slice(0, 8)).toEqual([0, 0, 6, 2, 31, 0, 0, 2]);
    expect(String.fromCharCode(...bytes.slice(8))).toBe('CAIRN   Virtual disk    1.0 ');
    expect(bytesOf(run(Op.Inquiry, 0, 0, 0, 5))).toHaveLength(5);
    expect(told(run(Op.Inquiry, 0, 0, 0, 0))).toBe('good');
    expect(told(run(Op.Inquiry, 0, 0x80, 0, 36))).toBe(INVALID_FIELD);
  });

  test('vital product data', () => {
    const { run } = start();
    const page = (code: number) => bytesOf(run(Op.Inquiry, 1, code, 0, 255)) as number[];
    expect(page(0x00)).toEqual([0, 0, 0, 6, 0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2]);
    expect(String.fromCharCode(...page(0x80).slice(4))).toBe('CAIRN-0123456789');
    expect(page(0x83).slice(0, 8)).toEqual([0, 0x83, 0, 28, 2, 1, 0, 24]);
    const limits = page(0xb0);
    expect(limits).toHaveLength(64);
    expect(limits.slice(4, 8)).toEqual([1, 0, 0, 128]);
    expect(limits.slice(20, 36)).toEqual([...u32(1 << 22), ...u32(256), ...u32(128), 0x80, 0, 0, 0]);
    expect(limits.slice(36, 44)).toEqual(u64(16384));
    expect(page(0xb1).slice(4, 6)).toEqual([0, 1]);
    expect(page(0xb2)).toEqual([0, 0xb2, 0, 4, 0, 0xe4, 2, 0]);
    expect(page(0x89)).toBe(INVALID_FIELD);
  });

  test('a disk that is only read promises no unmapping', () => {
    const { run } = start({ readOnly: true });
    expect(bytesOf(run(Op.Inquiry, 1, 0xb2, 0, 255))).toEqual([0, 0xb2, 0, 4, 0, 0, 0, 0]);
    expect((bytesOf(run(Op.ServiceActionIn16, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32)) as number[])[14]).toBe(0);
  });
});

describe('capacity', () => {
  test('READ CAPACITY in both forms', () => {
    const { run } = start();
    expect(bytesOf(run(Op.ReadCapacity10))).toEqual([...u32(2047), ...u32(512)]);
    const long = bytesOf(run(Op.ServiceActionIn16, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32)) as number[];
    expect(long.slice(0, 16)).toEqual([...u64(2047), ...u32(512), 0, 0, 0xc0, 0]);
    expect(told(run(Op.ServiceActionIn16, 0x12))).toBe(INVALID_FIELD);
  });

  test('more than 32 bits', () => {
    const drive = Object.assign(Object.create(new FakeDrive(new FlatRam(0))) as FakeDrive, {});
    Object.defineProperty(drive, 'sizeBytes', { value: 2 ** 42 });
    const disk = new ScsiDisk(drive);
    disk.execute(cdb(Op.TestUnitReady));
    expect(bytesOf(disk.execute(cdb(Op.ReadCapacity10)))).toEqual([...u32(0xffffffff), ...u32(512)]);
    const last = cdb(Op.Read16, 0, ...u64(2 ** 33 - 1), ...u32(1));
    expect(disk.execute(last)).toEqual({ kind: 'read', offset: 2 ** 42 - 512, length: 512 });
  });
});

describe('reads and writes', () => {
  test.each([
    ['READ (6)', [Op.Read6, 0x00, 0x01, 0x02, 3], { kind: 'read', offset: 258 * 512, length: 1536 }],
    ['READ (6) of 256', [Op.Read6, 0, 0, 0, 0], { kind: 'read', offset: 0, length: 131072 }],
    ['READ (10)', [Op.Read10, 0, ...u32(5), 0, 0, 2], { kind: 'read', offset: 2560, length: 1024 }],
    ['READ (12)', [Op.Read12, 0, ...u32(5), ...u32(2)], { kind: 'read', offset: 2560, length: 1024 }],
    ['READ (16)', [Op.Read16, 0, ...u64(5), ...u32(2)], { kind: 'read', offset: 2560, length: 1024 }],
    ['WRITE (10)', [Op.Write10, 0, ...u32(5), 0, 0, 2], { kind: 'write', offset: 2560, length: 1024, durable: false }],
    ['WRITE (16) with FUA', [Op.Write16, 8, ...u64(5), ...u32(2)], { kind: 'write', offset: 2560, length: 1024, durable: true }],
    ['the last block', [Op.Read10, 0, ...u32(2047), 0, 0, 1], { kind: 'read', offset: 2047 * 512, length: 512 }],
    ['nothing', [Op.Read10, 0, ...u32(2048), 0, 0, 0], { kind: 'good' }],
    ['VERIFY', [Op.Verify10, 0, ...u32(5), 0, 0, 2], { kind: 'good' }],
  ] as [string, number[], ScsiStep][])('%s', (_name, bytes, step) => {
    expect(start().run(...bytes)).toEqual(step);
  });

  test.each([
    [[Op.Read10, 0, ...u32(2047), 0, 0, 2]],
    [[Op.Read16, 0, ...u64(2 ** 63), ...u32(1)]],
    [[Op.Write16, 0, ...u64(0), ...u32(0xffffffff)]],
    [[Op.Verify16, 0, ...u64(2048), ...u32(1)]],
    [[Op.SynchronizeCache10, 0, ...u32(2049), 0, 0, 0]],
    [[Op.WriteSame10, 0, ...u32(2048), 0, 0, 1]],
  ])('outside the disk: %j', bytes => {
    expect(told(start().run(...bytes))).toBe(OUT_OF_RANGE);
  });

  test('nothing is written to a disk that is only read', () => {
    const { run } = start({ readOnly: true });
    expect(told(run(Op.Write10, 0, 0, 0, 0, 0, 0, 0, 1))).toBe(PROTECTED);
    expect(told(run(Op.Unmap, 0, 0, 0, 0, 0, 0, 0, 24))).toBe(PROTECTED);
    expect(told(run(Op.WriteSame16, 0, ...u64(0), ...u32(1)))).toBe(PROTECTED);
    expect((bytesOf(run(Op.ModeSense6, 0, 0x3f, 0, 255)) as number[])[2]).toBe(0x90);
  });

  test('SYNCHRONIZE CACHE flushes', () => {
    expect(start().run(Op.SynchronizeCache16)).toEqual({ kind: 'requests', requests: [{ kind: 'flush' }], durable: false });
  });

  test('comparing VERIFY, unknown commands and vendor CDBs are refused', () => {
    const { run } = start();
    expect(told(run(Op.Verify10, 2))).toBe(INVALID_FIELD);
    expect(told(run(0x3b))).toBe('check 5/2000');
    expect(told(run(0xff))).toBe('check 5/2000');
  });

  test('what a failed request is told as', () => {
    const { disk } = start();
    expect(disk.failure({ kind: 'read', offset: 5120, length: 512 })).toEqual({ key: 3, code: 0x1100, block: 10 });
    expect(disk.failure({ kind: 'write', offset: 5120, length: 512, durable: false })).toEqual({ key: 3, code: 0x0c00, block: 10 });
    expect(disk.failure({ kind: 'requests', requests: [], durable: false })).toEqual({ key: 3, code: 0x0c00 });
  });
});

describe('UNMAP', () => {
  const unmap = (disk: ScsiDisk, list: number[]) => {
    const command = cdb(Op.Unmap, 0, 0, 0, 0, 0, 0, list.length >> 8, list.length & 0xff);
    const step = disk.execute(command);
    return step.kind === 'data-out' ? disk.parameters(command, Uint8Array.from(list)) : step;
  };
  const list = (...ranges: [number, number][]) => {
    const body = ranges.flatMap(([block, count]) => [...u64(block), ...u32(count), 0, 0, 0, 0]);
    return [0, body.length + 6, body.length >> 8, body.length & 0xff, 0, 0, 0, 0, ...body];
  };

  test('discards each range', () => {
    const { disk } = start();
    expect(unmap(disk, list([8, 8], [5, 0], [2047, 1]))).toEqual({
      kind: 'requests',
      durable: false,
      requests: [
        { kind: 'discard', offset: 4096, length: 4096 },
        { kind: 'discard', offset: 2047 * 512, length: 512 },
      ],
    });
    expect(told(unmap(disk, []))).toBe('good');
    expect(told(unmap(disk, list()))).toBe('good');
  });

  test('follows none if one is bad', () => {
    const { disk, run } = start();
    expect(told(unmap(disk, list([0, 1], [2047, 2])))).toBe(OUT_OF_RANGE);
    expect(told(unmap(disk, [0, 0, 0, 0]))).toBe(LIST_LENGTH);
    expect(told(unmap(disk, list(...Array.from({ length: 257 }, (): [number, number] => [0, 1]))))).toBe(INVALID_PARAMETER);
    expect(told(run(Op.Unmap, 1, 0, 0, 0, 0, 0, 0, 24))).toBe(INVALID_FIELD);
  });

  test('more blocks than the limit', () => {
    const drive = new FakeDrive(new FlatRam(0));
    Object.defineProperty(drive, 'sizeBytes', { value: 2 ** 40 });
    const disk = new ScsiDisk(drive);
    disk.execute(cdb(Op.TestUnitReady));
    expect(told(unmap(disk, list([0, 1 << 22])))).toBe('requests');
    expect(told(unmap(disk, list([0, 1 << 22], [1 << 23, 1])))).toBe(INVALID_PARAMETER);
  });

  test('a list that promises more than it has ends where it ends', () => {
    const { disk } = start();
    const short = list([8, 8], [16, 8]).slice(0, 30);
    expect(unmap(disk, short)).toMatchObject({ requests: [{ offset: 4096 }] });
  });
});

describe('WRITE SAME', () => {
  const same = (bytes: number[], block: Uint8Array) => {
    const { disk } = start({ sizeBytes: 16 << 20 });
    const command = cdb(...bytes);
    const step = disk.execute(command);
    return step.kind === 'data-out' ? disk.parameters(command, block) : step;
  };
  const ZEROS = new Uint8Array(512);

  test('of zeros writes zeros, unmapping if asked', () => {
    const zeroes = (unmap: boolean) => ({
      kind: 'requests',
      durable: false,
      requests: [{ kind: 'write-zeroes', offset: 4096, length: 8192, unmap }],
    });
    expect(same([Op.WriteSame16, 0x00, ...u64(8), ...u32(16)], ZEROS)).toEqual(zeroes(false));
    expect(same([Op.WriteSame16, 0x08, ...u64(8), ...u32(16)], ZEROS)).toEqual(zeroes(true));
    expect(same([Op.WriteSame16, 0x09, ...u64(8), ...u32(16)], ZEROS)).toEqual(zeroes(true));
    expect(same([Op.WriteSame10, 0x08, ...u32(8), 0, 0, 16], ZEROS)).toEqual(zeroes(true));
  });

  test('of anything else writes it over and over, 64 KiB at a time', () => {
    const block = Uint8Array.from({ length: 512 }, (_, i) => i & 0xff);
    const step = same([Op.WriteSame16, 0x08, ...u64(1), ...u32(200)], block);
    if (step.kind !== 'requests') throw new Error(told(step));
    const pieces = step.requests.map(request => (request.kind === 'write-bytes' ? request : undefined)!);
    expect(pieces.map(({ offset, bytes }) => [offset, bytes.length])).toEqual([
      [512, 65536],
      [512 + 65536, 200 * 512 - 65536],
    ]);
    expect(pieces.every(({ bytes }) => bytes.every((byte, i) => byte === (i & 0xff)))).toBe(true);
  });

  test('anchors, protection, a count of 0 and more than the limit are refused', () => {
    for (const [flags, count] of [
      [0x10, 1],
      [0x02, 1],
      [0x04, 1],
      [0, 0],
      [0, 16385],
    ] as const) {
      expect(told(same([Op.WriteSame16, flags, ...u64(0), ...u32(count)], ZEROS))).toBe(INVALID_FIELD);
    }
    expect(told(same([Op.WriteSame16, 0, ...u64(0), ...u32(1)], new Uint8Array(100)))).toBe(LIST_LENGTH);
  });
});

describe('mode pages', () => {
  const CACHING = [0x08, 0x12];
  const caching = (run: ReturnType<typeof start>['run'], control = 0) =>
    (bytesOf(run(Op.ModeSense6, 0x08, (control << 6) | 0x08, 0, 255)) as number[]).slice(4);
  const select = (disk: ScsiDisk, list: number[], flags = 0x10) => {
    const command = cdb(Op.ModeSelect6, flags, 0, 0, list.length);
    const step = disk.execute(command);
    return step.kind === 'data-out' ? disk.parameters(command, Uint8Array.from(list)) : step;
  };
  const page = (wce: number) => [0, 0, 0, 0, ...CACHING, wce, ...Array<number>(17).fill(0)];

  test('MODE SENSE in both forms, with and without the block descriptor', () => {
    const { run } = start();
    const short = bytesOf(run(Op.ModeSense6, 0, 0x3f, 0, 255)) as number[];
    expect(short.slice(0, 12)).toEqual([short.length - 1, 0, 0x10, 8, ...u32(2048), ...u32(512)]);
    expect(short.slice(12, 14)).toEqual([0x01, 0x0a]);
    const long = bytesOf(run(Op.ModeSense10, 0x08, 0x3f, 0xff, 0, 0, 0, 1, 0)) as number[];
    expect(long.slice(0, 8)).toEqual([0, long.length - 2, 0, 0x10, 0, 0, 0, 0]);
    expect(told(run(Op.ModeSense6, 0, 0x05, 0, 255))).toBe(INVALID_FIELD);
    expect(told(run(Op.ModeSense6, 0, 0x08, 1, 255))).toBe(INVALID_FIELD);
    expect(told(run(Op.ModeSense6, 0, 0xc8, 0, 255))).toBe('check 5/3900');
  });

  test('the write cache is on, and can be turned off: then writes are durable', () => {
    const { disk, run } = start();
    expect([0, 1, 2].map(control => caching(run, control)[2])).toEqual([4, 4, 4]);
    expect(caching(run, 1)[3]).toBe(0);
    expect(select(disk, page(0))).toEqual({ kind: 'requests', requests: [{ kind: 'flush' }], durable: false });
    expect([0, 2].map(control => caching(run, control)[2])).toEqual([0, 4]);
    expect(run(Op.Write10, 0, 0, 0, 0, 0, 0, 0, 1)).toMatchObject({ durable: true });
    expect(told(select(disk, page(4)))).toBe('good');
    expect(run(Op.Write10, 0, 0, 0, 0, 0, 0, 0, 1)).toMatchObject({ durable: false });
  });

  test('a drive that writes through has no cache and needs no flush', () => {
    const { run } = start({ writeThrough: true });
    expect([0, 2].map(control => caching(run, control)[2])).toEqual([0, 0]);
    expect(run(Op.Write10, 8, 0, 0, 0, 0, 0, 0, 1)).toMatchObject({ durable: false });
  });

  test('the 10-byte form, with a block descriptor', () => {
    const { disk } = start();
    const list = [0, 0, 0, 0, 0, 0, 0, 8, ...Array<number>(8).fill(0), ...page(0).slice(4)];
    const command = cdb(Op.ModeSelect10, 0x10, 0, 0, 0, 0, 0, 0, list.length);
    expect(disk.execute(command)).toEqual({ kind: 'data-out', length: list.length });
    expect(told(disk.parameters(command, Uint8Array.from(list)))).toBe('requests');
  });

  test('a list that changes what cannot be changed, or is cut, changes nothing', () => {
    const { disk, run } = start();
    const other = page(0);
    other[7] = 1;
    expect(told(select(disk, other))).toBe(INVALID_PARAMETER);
    expect(told(select(disk, page(0).slice(0, 10)))).toBe(LIST_LENGTH);
    expect(told(select(disk, [0, 0]))).toBe(LIST_LENGTH);
    expect(told(select(disk, [0, 0, 0, 3, ...page(0).slice(4)]))).toBe(INVALID_PARAMETER);
    expect(told(select(disk, [0, 0, 0, 0, 0x1c, 0x0a]))).toBe(INVALID_PARAMETER);
    expect(told(select(disk, page(0), 0x11))).toBe(INVALID_FIELD);
    expect(told(select(disk, page(0), 0))).toBe(INVALID_FIELD);
    expect(told(select(disk, []))).toBe('good');
    expect(caching(run)[2]).toBe(4);
  });
});

describe('REPORT SUPPORTED OPERATION CODES', () => {
  const report = (run: ReturnType<typeof start>['run'], options: number, opcode = 0, action = 0) =>
    bytesOf(run(Op.MaintenanceIn, 0x0c, options, opcode, action >> 8, action & 0xff, ...u32(4096)));

  test('lists every command; each one can be asked for, with the length that its group says', () => {
    const { run } = start();
    const all = report(run, 0) as number[];
    const opcodes = all.slice(4).filter((_, i) => i % 8 === 0);
    expect(opcodes).toContain(Op.WriteSame16);
    expect(all.slice(0, 4)).toEqual(u32(opcodes.length * 8));
    for (const opcode of opcodes) {
      const action = opcode === Op.MaintenanceIn ? 0x0c : opcode === Op.ServiceActionIn16 ? 0x10 : 0;
      const one = report(run, 3, opcode, action) as number[];
      expect(one.slice(0, 5), opcode.toString(16)).toEqual([0, 3, 0, cdbLength(opcode), opcode]);
      expect(one).toHaveLength(4 + cdbLength(opcode)!);
    }
  });

  test('one command', () => {
    const { run } = start();
    expect(report(run, 1, 0x3b)).toEqual([0, 1, 0, 0]);
    expect((report(run, 2, Op.ServiceActionIn16, 0x10) as number[])[1]).toBe(3);
    expect(report(run, 2, Op.ServiceActionIn16, 0x12)).toEqual([0, 1, 0, 0]);
    expect(report(run, 1, Op.ServiceActionIn16)).toBe(INVALID_FIELD);
    expect(report(run, 2, Op.Read10)).toBe(INVALID_FIELD);
    expect(report(run, 4, Op.Read10)).toBe(INVALID_FIELD);
  });
});

test('state: attention, held sense and write cache', () => {
  const { disk } = start();
  disk.hold({ key: 5, code: 0x2000 });
  const command = cdb(Op.ModeSelect6, 0x10, 0, 0, 24);
  disk.parameters(command, Uint8Array.from([0, 0, 0, 0, 0x08, 0x12, ...Array<number>(18).fill(0)]));
  const other = new ScsiDisk(disk.drive);
  other.load(disk.save());
  expect(other.save()).toEqual(disk.save());
  expect(other.save()).toEqual({ unit: { attention: 0, held: { key: 5, code: 0x2000 } }, writeCache: false });
});
