import { describe, expect, test } from 'vitest';
import type { Drive } from '../drive.ts';
import { ScsiCdrom } from './cdrom.ts';
import { CDB_BYTES, cdbLength, Op } from './cdb.ts';
import type { ScsiStep } from './step.ts';

const BLOCK = 2048;
const cdb = (...bytes: number[]) => Uint8Array.from({ length: CDB_BYTES }, (_, i) => bytes[i] ?? 0);
const disc = (blocks: number, fingerprint = 'disc'): Drive => ({
  name: 'disk0',
  sizeBytes: blocks * BLOCK + 512, // what is left over is no block
  readOnly: true,
  writeThrough: false,
  clusterBytes: 65536,
  serial: '',
  fingerprint,
  submit: () => {},
  drain: () => {},
});
function start(blocks = 1000) {
  const drive = new ScsiCdrom('CD-1', blocks === 0 ? undefined : disc(blocks));
  drive.execute(cdb(Op.TestUnitReady));
  return { drive, run: (...bytes: number[]) => drive.execute(cdb(...bytes)) };
}
function told(step: ScsiStep) {
  return step.kind === 'check' ? `check ${step.sense.key}/${step.sense.code.toString(16).padStart(4, '0')}` : step.kind;
}
const bytesOf = (step: ScsiStep) => (step.kind === 'data-in' ? [...step.bytes] : told(step));
const NOT_READY = 'check 2/3a01';
const TRAY_OPEN = 'check 2/3a02';
const INVALID_FIELD = 'check 5/2400';
const eject = [Op.StartStopUnit, 0, 0, 0, 2];
const close = [Op.StartStopUnit, 0, 0, 0, 3];
const event = (run: ReturnType<typeof start>['run']) => bytesOf(run(Op.GetEventStatus, 1, 0, 0, 0x10, 0, 0, 0, 8));

test('INQUIRY: a removable CD-ROM', () => {
  const { run } = start();
  const bytes = bytesOf(run(Op.Inquiry, 0, 0, 0, 36)) as number[];
  expect(bytes.slice(0, 2)).toEqual([5, 0x80]);
  expect(String.fromCharCode(...bytes.slice(8))).toBe('CAIRN   Virtual CD-ROM  1.0 ');
  expect(bytesOf(run(Op.Inquiry, 1, 0, 0, 36))).toEqual([5, 0, 0, 3, 0, 0x80, 0x83]);
});

describe('reading', () => {
  test.each([
    [[Op.Read10, 0, 0, 0, 0, 7, 0, 0, 2], { kind: 'read', offset: 7 * BLOCK, length: 2 * BLOCK }],
    [[Op.Read12, 0, 0, 0, 0, 7, 0, 0, 0, 2], { kind: 'read', offset: 7 * BLOCK, length: 2 * BLOCK }],
    [[Op.ReadCd, 0, 0, 0, 0, 7, 0, 0, 2, 0x10], { kind: 'read', offset: 7 * BLOCK, length: 2 * BLOCK }],
    [[Op.ReadCd, 0, 0, 0, 0, 7, 0, 0, 2, 0], { kind: 'good' }],
    [[Op.Read10, 0, 0, 0, 3, 0xe7, 0, 0, 1], { kind: 'read', offset: 999 * BLOCK, length: BLOCK }],
    [[Op.Read10, 0, 0, 0, 0, 7, 0, 0, 0], { kind: 'good' }],
    [[Op.Seek10, 0, 0, 0, 3, 0xe7], { kind: 'good' }],
    [[Op.SetCdSpeed], { kind: 'good' }],
  ] as [number[], ScsiStep][])('%j', (bytes, step) => {
    expect(start().run(...bytes)).toEqual(step);
  });

  test.each([
    [[Op.Read10, 0, 0, 0, 3, 0xe7, 0, 0, 2], 'check 5/2100'],
    [[Op.Read12, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 'check 5/2100'],
    [[Op.ReadCd, 0, 0, 0, 3, 0xe8, 0, 0, 1, 0x10], 'check 5/2100'],
    [[Op.ReadCd, 0, 0, 0, 0, 7, 0, 0, 2, 0xf8], INVALID_FIELD],
    [[Op.Seek10, 0, 0, 0, 3, 0xe8], 'check 5/2100'],
    [[Op.Write10], 'check 5/2000'],
  ])('%j is refused', (bytes, sense) => {
    expect(told(start().run(...bytes))).toBe(sense);
  });

  test('without a disc', () => {
    const { run } = start(0);
    for (const opcode of [Op.TestUnitReady, Op.Read10, Op.ReadCd, Op.Seek10, Op.ReadCapacity10, Op.ReadToc, Op.ReadDiscInformation]) {
      expect(told(run(opcode)), opcode.toString(16)).toBe(NOT_READY);
    }
  });
});

describe('what the disc holds', () => {
  test('READ CAPACITY', () => {
    expect(bytesOf(start().run(Op.ReadCapacity10))).toEqual([0, 0, 3, 0xe7, 0, 0, 8, 0]);
  });

  test('READ TOC: one data track and the lead-out, in blocks or in minutes', () => {
    const { run } = start(75 * 60);
    const toc = (...rest: number[]) => bytesOf(run(Op.ReadToc, ...rest));
    expect(toc(0, 0, 0, 0, 0, 0, 0, 100)).toEqual([0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x14, 0xaa, 0, 0, 0, 0x11, 0x94]);
    expect(toc(2, 0, 0, 0, 0, 0xaa, 0, 100)).toEqual([0, 10, 1, 1, 0, 0x14, 0xaa, 0, 0, 1, 2, 0]);
    expect(toc(0, 1, 0, 0, 0, 0, 0, 100)).toEqual([0, 10, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0]);
    expect(toc(0, 0, 0, 0, 0, 0, 0, 100, 0x40)).toEqual([0, 10, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0]);
    expect(toc(2, 2, 0, 0, 0, 0, 0, 100)).toHaveLength(4 + 4 * 11);
    expect(toc(0, 0, 0, 0, 0, 2, 0, 100)).toBe(INVALID_FIELD);
    expect(toc(0, 5, 0, 0, 0, 0, 0, 100)).toBe(INVALID_FIELD);
    expect(toc(0, 0, 0, 0, 0, 0, 0, 4)).toEqual([0, 18, 1, 1]);
  });

  test('a large disc is a DVD', () => {
    const cd = start(1000).run;
    const dvd = start(400_000).run;
    const profile = (run: typeof cd) => (bytesOf(run(Op.GetConfiguration, 0, 0, 0, 0, 0, 0, 0, 8)) as number[])[7];
    expect([profile(cd), profile(dvd), profile(start(0).run)]).toEqual([0x08, 0x10, 0]);
    expect(told(cd(Op.ReadDvdStructure, 0, 0, 0, 0, 0, 0, 0, 8, 4))).toBe('check 5/2000');
    const structure = bytesOf(dvd(Op.ReadDvdStructure, 0, 0, 0, 0, 0, 0, 0, 8, 4)) as number[];
    expect(structure).toHaveLength(2052);
    expect(structure.slice(8, 16)).toEqual([0, 3, 0, 0, 0, 9, 0x1a, 0x7f]);
    expect(told(dvd(Op.ReadDvdStructure, 0, 0, 0, 0, 0, 0, 1, 8, 4))).toBe(INVALID_FIELD);
  });

  test('READ DISC INFORMATION: complete, one track', () => {
    const bytes = bytesOf(start().run(Op.ReadDiscInformation, 0, 0, 0, 0, 0, 0, 0, 34)) as number[];
    expect(bytes.slice(0, 8)).toEqual([0, 32, 0x0e, 1, 1, 1, 1, 0x20]);
  });
});

describe('GET CONFIGURATION', () => {
  const features = (...bytes: number[]) => {
    const answer = bytesOf(start().run(Op.GetConfiguration, ...bytes)) as number[];
    const codes: number[] = [];
    for (let at = 8; at < answer.length; at += 4 + answer[at + 3]!) codes.push((answer[at]! << 8) | answer[at + 1]!);
    expect((answer[2]! << 8) | answer[3]!).toBe(answer.length - 4);
    return codes;
  };

  test('all, current, one', () => {
    expect(features(0, 0, 0, 0, 0, 0, 1, 0)).toEqual([0, 1, 3, 0x10, 0x1e, 0x1f]);
    expect(features(1, 0, 0, 0, 0, 0, 1, 0)).toEqual([0, 1, 3, 0x10, 0x1e]);
    expect(features(2, 0, 3, 0, 0, 0, 1, 0)).toEqual([3]);
    expect(features(2, 0, 2, 0, 0, 0, 1, 0)).toEqual([]);
    expect(features(0, 0, 4, 0, 0, 0, 1, 0)).toEqual([0x10, 0x1e, 0x1f]);
  });
});

describe('tray and events', () => {
  test('eject and load', () => {
    const { run } = start();
    expect(told(run(...eject))).toBe('good');
    expect(told(run(Op.TestUnitReady))).toBe(TRAY_OPEN);
    expect(event(run)).toEqual([0, 6, 4, 0x10, 3, 1, 0, 0]);
    expect(event(run)).toEqual([0, 6, 4, 0x10, 0, 1, 0, 0]);
    expect(bytesOf(run(Op.MechanismStatus, 0, 0, 0, 0, 0, 0, 0, 0, 8))).toEqual([0, 0x10, 0, 0, 0, 0, 0, 0]);
    expect(told(run(...close))).toBe('good');
    expect(event(run)).toEqual([0, 6, 4, 0x10, 2, 2, 0, 0]);
    expect(told(run(Op.TestUnitReady))).toBe('check 6/2800');
    expect(told(run(Op.TestUnitReady))).toBe('good');
  });

  test('a locked tray stays shut, until the lock or a reset opens it', () => {
    const { run, drive } = start();
    const capabilities = () => (bytesOf(run(Op.ModeSense10, 0, 0x2a, 0, 0, 0, 0, 0, 100)) as number[])[8 + 6];
    run(Op.PreventAllowRemoval, 0, 0, 0, 1);
    expect([told(run(...eject)), capabilities()]).toEqual(['check 5/5302', 0x2b]);
    run(Op.PreventAllowRemoval, 0, 0, 0, 0);
    expect([told(run(...eject)), capabilities()]).toEqual(['good', 0x29]);
    run(...close);
    run(Op.TestUnitReady);
    run(Op.PreventAllowRemoval, 0, 0, 0, 1);
    drive.reset();
    run(Op.TestUnitReady);
    expect(told(run(...eject))).toBe('good');
  });

  test('the user changes the disc', () => {
    const { drive, run } = start();
    run(...eject);
    drive.insert(disc(50));
    expect(event(run)).toEqual([0, 6, 4, 0x10, 2, 2, 0, 0]);
    expect(told(run(Op.Read10, 0, 0, 0, 0, 0, 0, 0, 1))).toBe('check 6/2800');
    expect(bytesOf(run(Op.ReadCapacity10))).toEqual([0, 0, 0, 49, 0, 0, 8, 0]);
    drive.insert(undefined);
    expect(event(run)).toEqual([0, 6, 4, 0x10, 3, 0, 0, 0]);
    expect(told(run(Op.TestUnitReady))).toBe(NOT_READY);
  });

  test('the button of a locked tray asks the guest to let go', () => {
    const { drive, run } = start();
    run(Op.PreventAllowRemoval, 0, 0, 0, 1);
    drive.pressEject();
    expect([drive.isLocked, drive.isOpen]).toEqual([true, false]);
    expect(event(run)).toEqual([0, 6, 4, 0x10, 1, 2, 0, 0]);
    run(Op.PreventAllowRemoval, 0, 0, 0, 0);
    run(...eject);
    expect([drive.isLocked, drive.isOpen]).toEqual([false, true]);
  });

  describe('a saved state meets', () => {
    const saved = (medium: Drive | undefined, open = false) => {
      const drive = new ScsiCdrom('CD-1', medium);
      drive.execute(cdb(Op.TestUnitReady));
      if (open) drive.execute(cdb(...eject));
      return drive.save();
    };
    const loaded = (state: object, medium: Drive | undefined) => {
      const drive = new ScsiCdrom('CD-1', medium);
      const isOther = drive.load(state);
      const told = [event((...bytes) => drive.execute(cdb(...bytes)))].flat()[4];
      const step = drive.execute(cdb(Op.TestUnitReady));
      return [isOther, told, step.kind === 'check' ? step.sense.code.toString(16) : step.kind];
    };
    test('its own disc: nothing to tell', () => {
      expect(loaded(saved(disc(50)), disc(50))).toEqual([false, 0, 'good']);
      expect(loaded(saved(undefined), undefined)).toEqual([false, 0, '3a01']);
    });
    test('another of the same size, or none: told as if it had been changed', () => {
      expect(loaded(saved(disc(50)), disc(50, 'another'))).toEqual([true, 2, '2800']);
      expect(loaded(saved(undefined), disc(50))).toEqual([true, 2, '2800']);
      expect(loaded(saved(disc(50)), undefined)).toEqual([true, 3, '3a01']);
    });
    test('another disc, and the tray was open then: it is shut now', () => {
      expect(loaded(saved(disc(50), true), disc(50, 'another'))).toEqual([true, 2, '2800']);
      expect(loaded(saved(disc(50), true), disc(50))).toEqual([false, 3, '3a02']);
    });
    test('a state without a fingerprint is known by the size alone', () => {
      expect(loaded({ ...saved(disc(50)), medium: '' }, disc(50))).toEqual([false, 0, 'good']);
      expect(loaded({ ...saved(disc(50)), medium: '' }, disc(51))).toEqual([true, 2, '2800']);
    });
  });

  test('events of other classes, and waiting for events', () => {
    const { run } = start();
    expect(bytesOf(run(Op.GetEventStatus, 1, 0, 0, 0x02, 0, 0, 0, 8))).toEqual([0, 2, 0x80, 0x10]);
    expect(told(run(Op.GetEventStatus, 0, 0, 0, 0x10, 0, 0, 0, 8))).toBe(INVALID_FIELD);
  });

  test('spinning up and down, and power conditions, do nothing', () => {
    const { run } = start();
    for (const what of [0, 1, 0x20, 0x32]) expect(told(run(Op.StartStopUnit, 0, 0, 0, what))).toBe('good');
    expect(told(run(Op.TestUnitReady))).toBe('good');
  });
});

test('MODE SENSE has no block descriptor', () => {
  const { run } = start();
  expect((bytesOf(run(Op.ModeSense6, 0, 0x3f, 0, 255)) as number[]).slice(0, 6)).toEqual([33, 0, 0, 0, 0x01, 0x06]);
});

test('every CDB is as long as its group says', () => {
  expect([Op.Inquiry, Op.Read10, Op.GetConfiguration, Op.Read12, Op.ReadCd, Op.Read16, 0xff, 0x7f].map(cdbLength)).toEqual([
    6,
    10,
    10,
    12,
    12,
    16,
    undefined,
    undefined,
  ]);
});
