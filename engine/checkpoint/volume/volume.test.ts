import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { CheckpointError, StorageError } from '#engine/errors/errors.ts';
import type { HostFile } from '#engine/ports/host-files.ts';
import { crashAtEach } from '#test/support/disk-crash.ts';
import { MemoryFiles, type AfterCrash } from '#test/support/memory-files.ts';
import { folderIn, MemoryUses, openVolume, putVolume, VOLUME, volumeHost } from '#test/support/memory-volume.ts';
import { nodeCodec } from '#worker/node-codec.ts';
import { decodeDirectory, encodeDirectory, isReadable, type Directory } from './directory.ts';
import { VolumeFolder } from './volume-folder.ts';
import { Volume } from './volume.ts';

const MIB = 1 << 20;
const UNIT = 64 << 10;
const AREA = UNIT;
const FOLDER = '/vm/a.cairn/checkpoints';
const at = (name: string) => `${FOLDER}/${name}`;

let files: MemoryFiles;
let uses: MemoryUses;
let folder: VolumeFolder;
beforeEach(() => {
  files = new MemoryFiles();
  uses = new MemoryUses();
  putVolume(files, 2 * MIB);
  folder = folderIn(openVolume(files, uses));
});

const bytesOf = (length: number, seed: number) => Uint8Array.from({ length }, (_, i) => (i * 31 + seed * 7 + (i >> 8)) & 0xff || 1);

function put(name: string, bytes: Uint8Array, into = folder): void {
  const file = into.createExclusive(at(`${name}.part`));
  file.write(bytes, 0);
  file.sync();
  file[Symbol.dispose]();
  into.rename(at(`${name}.part`), at(name));
}

function all(file: HostFile): Uint8Array {
  const bytes = new Uint8Array(file.size());
  expect(file.read(bytes, 0)).toBe(bytes.length);
  return bytes;
}

function get(name: string, from = folder): Uint8Array {
  using file = from.openRead(at(name));
  return all(file);
}

/** As another process finds it. */
const found = (on = files, name = 'a.checkpoints') => new VolumeFolder(openVolume(on), name);
const contents = (from: VolumeFolder) => Object.fromEntries(from.list().map(name => [name, nodeCodec.checksum(get(name, from))]));

describe('a file', () => {
  test('is there for everybody when it gets its name, and for nobody before', () => {
    const bytes = bytesOf(3 * UNIT + 77, 1);
    const file = folder.createExclusive(at('one.part'));
    file.write(bytes.subarray(0, 100_000), 0);
    file.write(bytes.subarray(100_000), 100_000);
    expect(found().list()).toEqual([]);
    expect([folder.exists(at('one.part')), found().exists(at('one.part')), folder.list()]).toEqual([true, false, []]);
    expect(all(file)).toEqual(bytes);
    file[Symbol.dispose]();
    folder.rename(at('one.part'), at('one'));
    expect(get('one', found())).toEqual(bytes);
    expect(found().stat(at('one')).sizeBytes).toBe(bytes.length);
    expect([found().usedBytes(), uses.uses.size, files.open]).toEqual([4 * UNIT, 0, 0]);
  });

  test('while it is written, nothing but its own units is: no directory, no size', () => {
    put('before', bytesOf(UNIT, 1));
    const file = folder.createExclusive(at('one.part'));
    const before = files.get(VOLUME);
    for (let part = 0; part < 6; part++) file.write(bytesOf(UNIT, part), part * UNIT);
    file.sync();
    const after = files.get(VOLUME);
    expect(after.length).toBe(before.length);
    const changed = new Set<number>();
    for (let unit = 0; unit < after.length / UNIT; unit++)
      if (Buffer.compare(before.subarray(unit * UNIT, (unit + 1) * UNIT), after.subarray(unit * UNIT, (unit + 1) * UNIT)) !== 0)
        changed.add(unit);
    expect([...changed]).toEqual([4, 5, 6, 7, 8, 9]); // behind the directory (units 0 to 2) and the file that was there
  });

  test('that is not to be one gives everything back', () => {
    const free = folder.freeBytes();
    const file = folder.createExclusive(at('one.part'));
    file.write(bytesOf(UNIT, 1), 0);
    expect(folder.freeBytes()).toBeLessThan(free);
    folder.remove(at('one.part'));
    expect([folder.freeBytes(), folder.exists(at('one.part')), files.open]).toEqual([free, false, 0]);
  });

  test('replaces another of its name, is renamed, copied and removed, each at once', () => {
    put('one', bytesOf(2 * UNIT, 1));
    put('one', bytesOf(UNIT, 2));
    expect(get('one', found())).toEqual(bytesOf(UNIT, 2));
    folder.rename(at('one'), at('two'));
    expect(folder.clone(at('two'), at('three'))).toBe(true);
    expect([found().list(), found().usedBytes()]).toEqual([['two', 'three'], UNIT]);
    folder.remove(at('two'));
    folder.remove(at('two'));
    expect([get('three', found()), found().usedBytes()]).toEqual([bytesOf(UNIT, 2), UNIT]);
  });

  test('with holes has zeroes there, whatever was on the disk, and takes no room for them', () => {
    const file = folder.createExclusive(at('one.part'));
    file.truncate(20 * UNIT + 5);
    file.write(bytesOf(10, 1), 3 * UNIT + 100);
    file.write(bytesOf(10, 2), 20 * UNIT - 5);
    const expected = new Uint8Array(20 * UNIT + 5);
    expected.set(bytesOf(10, 1), 3 * UNIT + 100);
    expected.set(bytesOf(10, 2), 20 * UNIT - 5);
    expect(all(file)).toEqual(expected);
    file[Symbol.dispose]();
    folder.rename(at('one.part'), at('one'));
    expect(get('one', found())).toEqual(expected);
    expect(found().usedBytes()).toBe(3 * UNIT);
  });

  test('is what a file of the host would be, whatever is written where', () => {
    const size = 6 * UNIT;
    const write = fc.record({ at: fc.nat(size), length: fc.integer({ min: 1, max: 2 * UNIT }) });
    const op = fc.oneof(write, fc.record({ cut: fc.nat(size) }), fc.record({ room: fc.nat(size) }));
    fc.assert(
      fc.property(fc.array(op, { minLength: 1, maxLength: 12 }), ops => {
        files = new MemoryFiles();
        putVolume(files, 2 * MIB);
        folder = folderIn(openVolume(files));
        const real = new MemoryFiles();
        const [file, model] = [folder.createExclusive(at('one.part')), real.createExclusive('/one')];
        ops.forEach((each, seed) => {
          for (const target of [file, model]) {
            if ('cut' in each) target.truncate(each.cut);
            else if ('room' in each) target.allocate(each.room);
            else target.write(bytesOf(each.length, seed), each.at);
          }
        });
        expect(nodeCodec.checksum(all(file))).toBe(nodeCodec.checksum(real.get('/one')));
        folder.rename(at('one.part'), at('one'));
        expect(nodeCodec.checksum(get('one', found()))).toBe(nodeCodec.checksum(real.get('/one')));
        file[Symbol.dispose]();
      }),
      { numRuns: 60 },
    );
  });

  test('that is read stays as it is when it is removed and the room is used up, until it is closed', () => {
    const bytes = bytesOf(5 * UNIT, 1);
    put('one', bytes);
    const reader = found().openRead(at('one'));
    const held = new VolumeFolder(openVolume(files, uses), 'a.checkpoints').openRead(at('one'));
    reader[Symbol.dispose]();
    const other = new VolumeFolder(openVolume(files, uses), 'a.checkpoints');
    other.remove(at('one'));
    const filler = other.createExclusive(at('filler.part'));
    const fill = () => {
      for (let unit = filler.size() / UNIT; unit < 40; unit++) filler.write(bytesOf(UNIT, 9), unit * UNIT);
    };
    expect(fill).toThrow(StorageError);
    expect(all(held)).toEqual(bytes);
    const before = filler.size();
    held[Symbol.dispose]();
    expect(fill).toThrow('the volume is full');
    expect(filler.size()).toBe(before + bytes.length);
  });

  test('that is removed between the look at the directory and the hold is not opened', () => {
    put('one', bytesOf(UNIT, 1));
    const hold = uses.hold.bind(uses);
    uses.hold = (volume, use) => {
      uses.hold = hold;
      new VolumeFolder(openVolume(files, uses), 'a.checkpoints').remove(at('one'));
      return hold(volume, use);
    };
    expect(() => folder.openRead(at('one'))).toThrow(`${at('one')} cannot be opened: it does not exist.`);
    expect([uses.uses.size, files.open]).toEqual([0, 0]);
  });
});

test('two that write at a time take no unit of each other', () => {
  const [a, b] = [folderIn(openVolume(files, uses), 'a.checkpoints'), folderIn(openVolume(files, uses), 'b.checkpoints')];
  const [one, two] = [a.createExclusive(at('one.part')), b.createExclusive(at('two.part'))];
  for (let unit = 0; unit < 8; unit++) {
    one.write(bytesOf(UNIT, unit), unit * UNIT);
    two.write(bytesOf(UNIT, unit + 100), unit * UNIT);
  }
  a.rename(at('one.part'), at('one'));
  b.rename(at('two.part'), at('two'));
  const [gotOne, gotTwo] = [get('one', found()), get('two', found(files, 'b.checkpoints'))];
  for (let unit = 0; unit < 8; unit++) {
    expect(gotOne.subarray(unit * UNIT, (unit + 1) * UNIT)).toEqual(bytesOf(UNIT, unit));
    expect(gotTwo.subarray(unit * UNIT, (unit + 1) * UNIT)).toEqual(bytesOf(UNIT, unit + 100));
  }
});

describe('a volume that is full', () => {
  test('says so, keeps what it has, and lets files be removed and renamed', () => {
    put('one', bytesOf(10 * UNIT, 1));
    const file = folder.createExclusive(at('two.part'));
    expect(() => file.write(bytesOf(25 * UNIT, 2), 0)).toThrow(
      `${VOLUME} cannot be written: the volume is full (2 MiB). Delete checkpoints and try again.`,
    );
    folder.remove(at('two.part'));
    put('two', bytesOf(folder.freeBytes(), 3));
    expect(folder.freeBytes()).toBe(0);
    folder.rename(at('one'), at('three'));
    expect(get('three', found())).toEqual(bytesOf(10 * UNIT, 1));
    folder.remove(at('three'));
    expect(folder.freeBytes()).toBe(10 * UNIT);
  });

  test('of names says so, too, and files can be removed', () => {
    for (let count = 0; ; count++) {
      const [from, to] = [`part${count}`, `${'x'.repeat(200)}${count}`];
      try {
        if (count === 0) put(to, bytesOf(10, 1));
        else folder.clone(at(`${'x'.repeat(200)}0`), at(to));
      } catch (error) {
        expect(from).toBe(`part${count}`);
        expect(error).toMatchObject({ code: 'DISK_FULL', message: expect.stringContaining('its directory is full') });
        break;
      }
    }
    const names = folder.list();
    expect(names.length).toBeGreaterThan(200);
    folder.remove(at(names[0]!));
    expect(found().list()).toEqual(names.slice(1));
  });

  test('of folders says so, and writes nothing that no reader takes', () => {
    put('one', bytesOf(10, 1));
    expect(() => openVolume(files).change(() => folders(4096 + 1))).toThrow('its directory is full');
    expect(found().list()).toEqual(['one']);
    openVolume(files).change(() => folders(4096));
    expect(openVolume(files).look().generation.directory.size).toBe(4096);
  });

  const numbered = <T>(count: number, value: T) => new Map(Array.from({ length: count }, (_, number) => [number.toString(36), value]));
  const folders = (count: number): Directory => numbered(count, new Map());
  const filesIn = (count: number): Directory => new Map([['a', numbered(count, { sizeBytes: 0, extents: [] })]]);

  test.each([folders(4096), folders(4096 + 1), filesIn(65_536), filesIn(65_536 + 1)])(
    'of entries is what a reader says it is (directory %#)',
    directory => {
      const read = decodeDirectory(encodeDirectory(directory), 32, UNIT);
      expect(isReadable(directory)).toBe(typeof read !== 'string');
    },
  );
});

describe('a crash', () => {
  const MODES: readonly AfterCrash[] = ['lost', 'kept', 'torn', { seed: 1 }, { seed: 77 }];

  /** Everything that changes a volume; `states` gets what it holds after each step. */
  function work(on: MemoryFiles, states: Record<string, number>[]): void {
    const target = new VolumeFolder(openVolume(on), 'a.checkpoints');
    const step = (action: () => void, change: (state: Record<string, number>) => void) => {
      const next = { ...states.at(-1) };
      change(next);
      states.push(next); // it may be so from the first write on
      action();
      states.splice(0, states.length - 1); // and is so from now on
    };
    const sum = (length: number, seed: number) => nodeCodec.checksum(bytesOf(length, seed));
    step(
      () => put('one', bytesOf(3 * UNIT + 5, 1), target),
      state => (state['one'] = sum(3 * UNIT + 5, 1)),
    );
    step(
      () => put('two', bytesOf(2 * UNIT, 2), target),
      state => (state['two'] = sum(2 * UNIT, 2)),
    );
    step(
      () => target.remove(at('one')),
      state => delete state['one'],
    );
    step(
      () => put('three', bytesOf(4 * UNIT, 3), target), // where the first was
      state => (state['three'] = sum(4 * UNIT, 3)),
    );
    step(
      () => put('two', bytesOf(UNIT, 4), target),
      state => (state['two'] = sum(UNIT, 4)),
    );
    step(
      () => target.rename(at('three'), at('four')),
      state => {
        state['four'] = state['three']!;
        delete state['three'];
      },
    );
    step(
      () => put('five', bytesOf(3 * UNIT, 5), target),
      state => (state['five'] = sum(3 * UNIT, 5)),
    );
  }

  test('of the host at any operation leaves the volume as it was before a change or as it is after, never a mix', () => {
    const states: Record<string, number>[] = [{}];
    const crashes = crashAtEach(
      files,
      () => work(files, states),
      after => expect(states).toContainEqual(contents(found(after))),
      () => MODES,
    );
    expect(crashes).toBeGreaterThan(100);
  });

  const NEXT: readonly (readonly [string, (next: VolumeFolder) => void])[] = [
    ['writes to units that it freed', next => put('new', bytesOf(3 * UNIT, 2), next)],
    ['only changes the directory', next => next.rename(at('moved'), at('new'))],
  ];
  test.each(NEXT)(
    'of a process before it has synced what it wrote, and of the host while the next one %s: nothing stands on what can be lost',
    (_what, work) => {
      put('old', bytesOf(3 * UNIT, 1));
      put('moved', bytesOf(3 * UNIT, 2));
      for (let more = 0; more < 6; more++) folder.clone(at('moved'), at(String(more).repeat(200))); // the directory takes several sectors
      const whole = files.afterCrash('kept');
      new VolumeFolder(openVolume(whole), 'a.checkpoints').remove(at('old'));
      expect(whole.operations).toBeGreaterThan(8);
      for (let nth = whole.operations - 3; nth < whole.operations; nth++) {
        const disk = files.afterCrash('kept');
        // Killed, not failing: nothing is cleaned up, and what it wrote is in the host's memory.
        disk.failAt(nth, { kind: 'error', code: 'KILLED', lasting: true });
        expect(() => new VolumeFolder(openVolume(disk), 'a.checkpoints').remove(at('old'))).toThrow('cannot be written');
        disk.mend();
        const next = new VolumeFolder(openVolume(disk), 'a.checkpoints');
        const sums = [nodeCodec.checksum(bytesOf(3 * UNIT, 1)), nodeCodec.checksum(bytesOf(3 * UNIT, 2))];
        const crashes = crashAtEach(
          disk,
          () => work(next),
          after => {
            // Nobody has been told that the old one is removed: it may be there again, but then it is whole.
            const { old = sums[0], new: fresh = sums[1], moved = sums[1], ...more } = contents(found(after));
            expect([old, fresh, moved, Object.keys(more).length]).toEqual([sums[0], sums[1], sums[1], 6]);
          },
          crash => ['lost', ...[1, 2, 3, 4].map(n => ({ seed: crash * 4 + n }))],
        );
        expect(crashes).toBeGreaterThan(7);
      }
    },
  );

  test.each([
    ['the same', (same: VolumeFolder) => same],
    ['another', () => new VolumeFolder(openVolume(files, uses), 'a.checkpoints')],
  ])(
    'of the host after a change that failed, though the disk has it, shows no file whose units %s process has given to another',
    (_, who) => {
      let syncs: ('done' | 'done, and told to have failed' | 'failed')[] = [];
      const openWrite = (path: string): HostFile => {
        const device = files.openWrite(path);
        const dataSync = () => {
          const outcome = syncs.shift() ?? 'done';
          if (outcome !== 'failed') device.dataSync();
          if (outcome !== 'done') throw new StorageError('DISK_ERROR', `${path} cannot be written: the disk reports an error.`);
        };
        return { ...device, dataSync };
      };
      const target = new VolumeFolder(new Volume({ ...volumeHost(files, uses), openWrite }, VOLUME), 'a.checkpoints');
      const next = who(target);
      const [one, two] = [bytesOf(3 * UNIT, 1), bytesOf(3 * UNIT, 2)];
      next.createExclusive(at('more.part')).write(one, 0); // so it knows the directory of before to be on the disk
      const file = target.createExclusive(at('one.part'));
      file.write(one, 0);
      file.sync();
      syncs = ['done', 'done, and told to have failed', 'failed']; // the data, the directory, its being taken back
      expect(() => target.rename(at('one.part'), at('one'))).toThrow('the disk reports an error');
      target.remove(at('one.part'));
      const crashes = crashAtEach(
        files,
        () => put('two', two, next),
        after => {
          const { one: appeared = nodeCodec.checksum(one) } = contents(found(after));
          expect(appeared).toBe(nodeCodec.checksum(one));
        },
        crash => [1, 2, 3, 4].map(n => ({ seed: crash * 4 + n })),
      );
      expect([crashes > 10, found().list()]).toEqual([true, ['two']]);
    },
  );

  test('or an error while the directory is written changes nothing', () => {
    put('one', bytesOf(UNIT, 1));
    const before = contents(found());
    let failures = 0;
    for (let nth = 0; ; nth++) {
      files.failAt(files.operations + nth, { kind: 'error', code: 'EIO', lasting: false });
      let failed = false;
      try {
        folder.remove(at('one'));
      } catch (error) {
        expect(error).toBeInstanceOf(StorageError);
        failed = true;
        failures++;
      }
      files.mend();
      if (!failed) break;
      expect([contents(found()), contents(found(files.afterCrash('kept')))]).toEqual([before, before]);
    }
    expect([failures > 5, contents(found()), files.open]).toEqual([true, {}, 0]);
  });
});

describe('a volume that nobody vouches for', () => {
  const HEADER = { unit: 12, size: 16, directory: 24, data: 32, units: 40 };
  function forge(place: number, value: number, wide: boolean): void {
    const bytes = files.get(VOLUME);
    const view = new DataView(bytes.buffer);
    if (wide) view.setBigUint64(place, BigInt(value), true);
    else view.setUint32(place, value, true);
    view.setUint32(60, nodeCodec.checksum(bytes.subarray(0, 60)), true);
    files.put(VOLUME, bytes);
  }
  const expectRefused = (text: string) => {
    expect(() => found().list()).toThrow(CheckpointError);
    expect(() => found().list()).toThrow(`${VOLUME} cannot be used as a checkpoint volume: ${text}`);
  };

  test.each([
    [HEADER.unit, 0, false],
    [HEADER.unit, 65_537, false],
    [HEADER.unit, 2 ** 31, false],
    [HEADER.size, 1, true],
    [HEADER.size, 2 ** 60, true],
    [HEADER.directory, 64, true],
    [HEADER.directory, 2 ** 40, true],
    [HEADER.data, 0, true],
    [HEADER.data, 2 ** 52, true],
    [HEADER.units, 2 ** 32 - 1, false],
  ])('is refused with %i: %i in its header', (place, value, wide) => {
    forge(place, value, wide);
    expectRefused('the sizes in its header are not valid');
  });

  test('is refused when it is none, of another version, damaged, or shorter than it was', () => {
    const whole = files.get(VOLUME);
    forge(8, 2, false);
    expectRefused('it was made by another Cairn: its format is 2, and this one reads 1');
    files.put(VOLUME, whole.with(20, 9));
    expectRefused('its header does not match its checksum');
    files.put(VOLUME, new Uint8Array(4096));
    expectRefused('it does not begin like one');
    files.put(VOLUME, whole.slice(0, 20));
    expectRefused('it is too short to be one');
    files.put(VOLUME, whole.slice(0, -1));
    expectRefused('it is shorter than it was made');
  });

  test('goes back to the directory before when the newest is damaged, and is refused without any', () => {
    put('one', bytesOf(10, 1));
    put('two', bytesOf(10, 2));
    const areas = [4096, 4096 + AREA];
    const bytes = files.get(VOLUME);
    const view = new DataView(bytes.buffer);
    const newest = areas.toSorted((a, b) => Number(view.getBigUint64(b + 8, true) - view.getBigUint64(a + 8, true)));
    bytes[newest[0]! + 70]! ^= 1;
    files.put(VOLUME, bytes);
    expect(found().list()).toEqual(['one']);
    bytes[newest[1]! + 70]! ^= 1;
    files.put(VOLUME, bytes);
    expectRefused('it has no directory that is whole');
  });
});
