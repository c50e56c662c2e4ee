import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MemoryFiles } from '#test/support/memory-files.ts';
import { pattern } from '#test/support/disk-model.ts';
import { fillRing, LOG_GUID, logEntry, seal, type LoggedChange, type LoggedEntry } from '#test/support/vhdx-log.ts';
import { DiskFormatError, InvariantError } from '../../errors/errors.ts';
import { guidAt } from '../fields.ts';
import { MetadataBudget } from '../qcow2/table.ts';
import { replayLog, type LogPlace } from './log.ts';

const MIB = 1 << 20;
const SECTOR = 4096;
const LOG = 2 * MIB;
const SIZE = LOG + MIB;
const place: LogPlace = { guid: guidAt(new DataView(LOG_GUID.buffer), 0), version: 0, offset: LOG, length: MIB };
const sector = (seed: number) => pattern(SECTOR, seed);
const entry = (sequence: number, changes: readonly LoggedChange[], more: Partial<LoggedEntry> = {}) =>
  logEntry({ sequence: BigInt(sequence), tail: 0, changes, flushedOffset: SIZE, ...more });

const noise = pattern(LOG, 99);
const same = (one: Uint8Array, other: Uint8Array) => Buffer.compare(one, other) === 0;

/** A file of noise and then a log, which `write` fills; and what is read of it once that is replayed. */
function replayed(write: (ring: Uint8Array) => void, where: Partial<LogPlace> = {}, ringBytes = MIB) {
  const files = new MemoryFiles();
  const bytes = new Uint8Array(LOG + ringBytes);
  bytes.set(noise);
  write(bytes.subarray(LOG));
  files.put('/vm/disk', bytes);
  const budget = new MetadataBudget(1 << 30, () => expect.unreachable());
  using file = replayLog(files.openRead('/vm/disk'), { ...place, length: ringBytes, ...where }, budget);
  const after = new Uint8Array(file.size());
  expect(file.read(after, 0)).toBe(after.length);
  expect(same(files.get('/vm/disk'), bytes)).toBe(true);
  return { after, before: bytes, file };
}
const inForce = (...entries: Uint8Array[]) => replayed(ring => fillRing(ring, entries));
const refused = (write: (ring: Uint8Array) => void, where: Partial<LogPlace> = {}, ringBytes = MIB) => {
  try {
    replayed(write, where, ringBytes);
  } catch (error) {
    expect(error).toBeInstanceOf(DiskFormatError);
    return (error as DiskFormatError).message;
  }
  return expect.unreachable('it was replayed');
};
const A = MIB;
const B = A + SECTOR;

describe('a log is replayed in memory', () => {
  test('sectors with their first and last bytes, zeroes, and what a later entry says of the same bytes', () => {
    const { after, before, file } = inForce(
      entry(7, [
        { offset: A, bytes: sector(1) },
        { offset: B, bytes: sector(2) },
        { offset: A + 4 * SECTOR, zeroes: 4 * SECTOR },
      ]),
      entry(8, [
        { offset: B, zeroes: SECTOR },
        { offset: A + 6 * SECTOR, bytes: sector(3) },
      ]),
    );
    const wanted = before.slice();
    wanted.set(sector(1), A);
    wanted.fill(0, B, B + SECTOR);
    wanted.fill(0, A + 4 * SECTOR, A + 8 * SECTOR);
    wanted.set(sector(3), A + 6 * SECTOR);
    expect(same(after, wanted)).toBe(true);
    expect(() => file.write(new Uint8Array(1), 0)).toThrow(InvariantError);
  });

  test('whatever overlaps whatever, read in any pieces', () => {
    const change = fc.oneof(
      fc
        .record({ offset: fc.nat(31), bytes: fc.nat(200) })
        .map(({ offset, bytes }) => ({ offset: A + offset * SECTOR, bytes: sector(bytes) })),
      fc
        .record({ offset: fc.nat(31), zeroes: fc.nat(9) })
        .map(({ offset, zeroes }) => ({ offset: A + offset * SECTOR, zeroes: zeroes * SECTOR })),
    );
    fc.assert(
      fc.property(
        fc.array(change, { maxLength: 30 }),
        fc.array(fc.tuple(fc.nat(200_000), fc.nat(9000)), { maxLength: 5 }),
        (changes, reads) => {
          const { after, before, file } = inForce(...changes.map((one, i) => entry(i + 1, [one])), entry(changes.length + 1, []));
          const wanted = before.slice();
          for (const one of changes) wanted.set('bytes' in one ? one.bytes : new Uint8Array(one.zeroes), one.offset);
          expect(same(after, wanted)).toBe(true);
          for (const [at, length] of reads) {
            const part = new Uint8Array(length);
            file.read(part, A + at);
            expect(same(part, wanted.subarray(A + at, A + at + length))).toBe(true);
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test('from the tail that the last entry names, over the end of the ring', () => {
    const at = MIB - 3 * SECTOR;
    const entries = [
      entry(20, [{ offset: A, bytes: sector(1) }], { tail: at }),
      entry(21, [{ offset: B, bytes: sector(2) }], { tail: at + 2 * SECTOR }),
      entry(22, [{ offset: B + SECTOR, bytes: sector(3) }], { tail: at + 2 * SECTOR }),
    ];
    const { after, before } = replayed(ring => fillRing(ring, entries, at));
    expect(after.subarray(A, B)).toEqual(before.subarray(A, B)); // entry 20 was in place
    expect(after.subarray(B, B + 2 * SECTOR)).toEqual(Uint8Array.from([...sector(2), ...sector(3)]));
  });

  test('the run with the highest number; entries of another log, torn ones and those after a gap are none', () => {
    const old = entry(3, [{ offset: A, bytes: sector(9) }]);
    const torn = entry(42, [{ offset: B, bytes: sector(8) }], { tail: 8 * SECTOR });
    torn[torn.length - 100]! ^= 1;
    const other = entry(99, [{ offset: B, bytes: sector(7) }], { tail: 40 * SECTOR });
    other[32]! ^= 1;
    seal(other);
    const { after, before } = replayed(ring => {
      fillRing(ring, [old]);
      fillRing(ring, [entry(41, [{ offset: A, bytes: sector(5) }], { tail: 8 * SECTOR }), torn], 8 * SECTOR);
      fillRing(ring, [entry(43, [], { tail: 8 * SECTOR })], 12 * SECTOR);
      fillRing(ring, [other], 40 * SECTOR);
    });
    expect(after.subarray(A, B)).toEqual(sector(5));
    expect(after.subarray(B, B + SECTOR)).toEqual(before.subarray(B, B + SECTOR));
  });

  test('a run ends where the next number is missing', () => {
    const lost = [
      entry(1, [{ offset: A, bytes: sector(1) }]),
      entry(2, [{ offset: A, bytes: sector(2) }]),
      entry(4, [{ offset: A, bytes: sector(4) }]),
    ];
    expect(inForce(...lost).after.subarray(A, B)).toEqual(sector(2));
  });

  test('a file that is to be longer than it is reads as zeroes there', () => {
    const { after } = inForce(entry(1, [{ offset: SIZE + SECTOR, bytes: sector(1) }], { lastOffset: SIZE + MIB }));
    expect(after.length).toBe(SIZE + MIB);
    expect(after.subarray(SIZE, SIZE + SECTOR).every(byte => byte === 0)).toBe(true);
    expect(after.subarray(SIZE + SECTOR, SIZE + 2 * SECTOR)).toEqual(sector(1));
  });
});

describe('a log that cannot be is refused with a sentence', () => {
  test('without a whole entry, or of a version or at a place that cannot be', () => {
    expect(refused(() => {})).toMatch('its log has no whole entry');
    expect(refused(() => {}, { version: 1 })).toMatch('its log is of version 1, which is not known');
    for (const where of [
      { offset: 0 },
      { offset: MIB + 512 },
      { length: 0 },
      { length: MIB + SECTOR },
      { length: 8 * MIB },
      { offset: Infinity },
    ])
      expect(refused(() => {}, where)).toMatch('Its log is not where it can be');
  });

  test('when the file is shorter than the log knows, or a change is beyond what the log says is its end', () => {
    const one = [{ offset: A, bytes: sector(1) }];
    expect(refused(ring => fillRing(ring, [entry(1, one, { flushedOffset: SIZE + 1, lastOffset: SIZE + MIB })]))).toMatch(
      'a part of it is missing',
    );
    const beyond = 'A change in its log is beyond the end of the file';
    expect(refused(ring => fillRing(ring, [entry(1, [{ offset: SIZE, bytes: sector(1) }])]))).toMatch(beyond);
    expect(refused(ring => fillRing(ring, [entry(1, [{ offset: A, zeroes: 2 ** 52 }])]))).toMatch(beyond);
  });

  test('an entry with a field that cannot be is no entry', () => {
    const broken = (change: (view: DataView) => void, length = 2 * SECTOR) => {
      const bytes = entry(1, [{ offset: A, bytes: sector(1) }]).slice(0, length);
      change(new DataView(bytes.buffer));
      seal(bytes);
      return refused(ring => fillRing(ring, [bytes]));
    };
    const changes: ((view: DataView) => void)[] = [
      view => view.setUint32(8, 0, true),
      view => view.setUint32(8, SECTOR + 1, true),
      view => view.setUint32(8, 2 * MIB, true),
      view => view.setUint32(12, 512, true),
      view => view.setUint32(12, 2 * MIB, true),
      view => view.setUint32(12, SECTOR, true),
      view => view.setBigUint64(16, 0n, true),
      view => view.setUint32(24, 0xffff_ffff, true),
      view => view.setUint32(24, 2, true),
      view => view.setUint32(64, 0, true),
      view => view.setUint32(64 + 16, 512, true),
      view => view.setBigUint64(64 + 16, 1n << 63n, true),
      view => view.setBigUint64(64 + 24, 2n, true),
      view => view.setUint32(SECTOR, 0, true),
      view => view.setUint32(SECTOR + 4, 1, true),
      view => view.setUint32(2 * SECTOR - 4, 2, true),
    ];
    for (const change of changes) expect(broken(change)).toMatch('its log has no whole entry');
    expect(broken(view => view.setUint32(8, SECTOR, true), SECTOR)).toMatch('its log has no whole entry');
  });

  test('entries that lie over each other do not make checking endless', () => {
    // Each sector claims to begin an entry that goes all the way around.
    const message = refused(ring => {
      for (let at = 0; at < ring.length; at += SECTOR) {
        const claim = entry(1, [], { tail: at }).subarray(0, SECTOR);
        new DataView(claim.buffer).setUint32(8, ring.length, true);
        ring.set(claim, at);
      }
    });
    expect(message).toMatch('The entries of its log lie over each other');
  });

  test('that is larger, or has more changes, than any program makes', () => {
    expect(refused(() => {}, {}, 17 * MIB)).toMatch('is larger than the 16777216 that can be replayed');
    const many = Array.from({ length: 32_769 }, () => ({ offset: A, zeroes: SECTOR }));
    const entries = [entry(1, many), entry(2, many)];
    expect(refused(ring => fillRing(ring, entries), {}, 3 * MIB)).toMatch('more than the 65536 changes that can be replayed');
    const { after } = replayed(ring => fillRing(ring, [entry(1, many), entry(2, many.slice(1, -1))]), {}, 3 * MIB);
    expect(after.subarray(A, B).every(byte => byte === 0)).toBe(true);
  });
});
