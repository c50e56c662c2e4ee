import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { CheckpointError } from '#engine/errors/errors.ts';
import { deriveReferences, memoryStats } from '#engine/memory/mmm.ts';
import { checkpointName as id, takeCheckpointOf, writeCheckpointOf } from '#test/support/checkpoint-run.ts';
import { FakeVm, testClock } from '#test/support/fake-vm.ts';
import { MemoryFiles, type AfterCrash } from '#test/support/memory-files.ts';
import { nodeCodec } from '#worker/node-codec.ts';
import { baseOf, type Base } from './base.ts';
import { CheckpointReader } from './format/reader.ts';
import { readCheckpointInfo, neededFiles } from './info.ts';
import { inspectCheckpoint } from './inspect.ts';
import { restoreCheckpoint } from './restore.ts';
import { whileStopped } from './stopped.ts';
import { CheckpointStore } from './store.ts';
import type { TakeParts } from './take.ts';

const RAM = 160; // more than two groups, and a hole
const FOLDER = '/vm/checkpoints';

let vm = await FakeVm.create(RAM);
let other = await FakeVm.create(RAM);
let files: MemoryFiles;
let store: CheckpointStore;
beforeEach(() => {
  vm.reset();
  other.reset();
  files = new MemoryFiles();
  store = new CheckpointStore(files, FOLDER);
});

/** Takes a checkpoint while `turn` is the running VM's share of each yield. */
function take(n: number, { turn, ...parts }: Partial<TakeParts> & { turn?: () => void } = {}) {
  const request = { parent: n > 1 ? id(n - 1) : null, title: `No ${n}`, takenAt: '2026-11-22T12:00:00Z' };
  return takeCheckpointOf(vm, n, { store, clock: testClock(turn), request, ...parts });
}
const restore = (n: number, into = other, from = store) => restoreCheckpoint(from, from.pathOf(id(n)), into, nodeCodec);

/** No page held by anything but the live map. */
function expectNoMarks(): void {
  vm.lone.mmm.freePages();
  const references = deriveReferences(vm.lone.memory);
  expect(memoryStats(vm.lone.memory)).toMatchObject({ frozenMaps: 0, usedPages: references.size + 1 });
}

describe('a checkpoint of a running VM', () => {
  test('is the instant of the freeze, whatever the VM writes meanwhile', async () => {
    const write = fc.record({ index: fc.nat(RAM - 1), seed: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 0x7fffffff })) });
    await fc.assert(
      fc.asyncProperty(
        fc.array(write, { maxLength: 60, size: 'max' }),
        fc.array(fc.array(write, { maxLength: 20, size: 'max' }), { maxLength: 6, size: 'max' }),
        async (before, during) => {
          vm.reset();
          other.reset();
          files = new MemoryFiles();
          store = new CheckpointStore(files, FOLDER);
          for (const { index, seed } of before) vm.write(index, seed);
          vm.counter = { value: before.length };
          const instant = vm.contents();
          const turns = [...during];
          const run = () => {
            for (const { index, seed } of turns.shift() ?? []) vm.write(index, seed);
            vm.counter = { value: vm.counter.value + 1 };
          };
          const clock = testClock(run);
          const stopped = whileStopped(vm, clock);
          run(); // the VM goes on at once
          const { info } = await writeCheckpointOf(vm, 1, stopped, { store, clock });
          const ongoing = vm.contents();
          vm.thaw(stopped.slot);
          expect(vm.contents()).toEqual(ongoing);
          expectNoMarks();
          restore(1);
          expect(other.contents()).toEqual(instant);
          expect(info.pages.stored + info.pages.zero).toBe(RAM);
          expect(info.pages).toMatchObject({ absent: 1, pointed: 0 });
        },
      ),
      { numRuns: 60 },
    );
  });

  test('several under way at once keep each its own instant', async () => {
    const clock = testClock();
    const stops = [];
    const instants = [];
    for (let n = 0; n < 8; n++) {
      vm.write(n, n + 1);
      vm.write(99, n + 100);
      instants.push(vm.contents());
      stops.push(whileStopped(vm, clock));
    }
    expect(() => whileStopped(vm, clock)).toThrow('wait until one is done');
    for (const n of [5, 0, 7, 3, 1, 2, 6, 4]) {
      await writeCheckpointOf(vm, n, stops[n]!, { store, clock });
      vm.thaw(stops[n]!.slot);
      vm.write(99, n + 200);
      restore(n);
      expect(other.contents()).toEqual(instants[n]);
    }
    expectNoMarks();
  });

  test('copied originals are given back while the stream runs', async () => {
    for (let index = 0; index < RAM; index++) vm.write(index, index + 1);
    const used = memoryStats(vm.lone.memory).usedPages;
    let most = 0;
    let next = RAM - 1;
    await take(1, {
      turn: () => {
        for (let i = 0; i < 40; i++) vm.write(next--, 7);
        most = Math.max(most, memoryStats(vm.lone.memory).usedPages);
      },
    });
    expect(next).toBeLessThan(RAM - 100);
    expect(most).toBeLessThan(used + RAM - 1 - next);
    expectNoMarks();
  });
});

describe('pointers to earlier checkpoints', () => {
  test('only what changed is stored, chains have depth 1, and each is restored alone', async () => {
    for (let index = 0; index < 100; index++) vm.write(index, index + 1);
    const first = await take(1);
    const instants = [vm.contents()];
    let base: Base | undefined = first.base;
    for (let n = 2; n <= 4; n++) {
      vm.write(n, n * 1000);
      vm.write(120 + n, n);
      vm.write(50 + n, 0);
      instants.push(vm.contents());
      const taken = await take(n, { base, turn: () => vm.write(n, 9) });
      base = taken.base;
      expect(taken.info.pages.stored).toBe(n === 2 ? 2 : 3); // what the turn wrote during the one before is new, too
      expect(taken.info.pages.pointed).toBeGreaterThan(90);
      expect(taken.info.bytesWritten).toBeLessThan(first.info.bytesWritten / 4);
    }
    for (let n = 1; n <= 4; n++) {
      other.reset();
      restore(n);
      expect(other.contents()).toEqual(instants[n - 1]);
    }
    expect(neededFiles(store, id(4), nodeCodec).toSorted()).toEqual([1, 2, 3, 4].map(n => store.pathOf(id(n))));
  });

  test('after a restore the next checkpoint points to the file that was restored', async () => {
    for (let index = 0; index < 100; index++) vm.write(index, index + 1);
    await take(1);
    const { epoch } = restore(1);
    [vm, other] = [other, vm];
    vm.write(3, 77);
    const instant = vm.contents();
    using reader = CheckpointReader.open(files, store.pathOf(id(1)), nodeCodec);
    const { info } = await take(2, { base: baseOf(reader, epoch, FOLDER) });
    expect(info.pages).toEqual({ stored: 1, pointed: 99, zero: RAM - 100, absent: 1 });
    restore(2);
    expect(other.contents()).toEqual(instant);
  });

  test('a base whose file is gone or has changed is not pointed to', async () => {
    vm.write(1, 1);
    const { base } = await take(1);
    const path = store.pathOf(id(1));
    files.put(path, files.get(path).slice(1));
    expect((await take(2, { base })).info.pages).toMatchObject({ stored: 1, pointed: 0 });
    files.remove(path);
    expect((await take(3, { base })).info.pages).toMatchObject({ stored: 1, pointed: 0 });
  });

  test('a checkpoint whose pointed file is gone or another one is refused before anything changes', async () => {
    vm.write(1, 1);
    const { base } = await take(1);
    const instant = vm.contents();
    await take(2, { base });
    other.write(0, 5);
    const untouched = other.contents();
    const path = store.pathOf(id(1));
    const file = files.get(path);
    files.remove(path);
    expect(() => restore(2)).toThrow(`needs ${path}, which is gone`);
    vm.write(9, 9);
    await take(1);
    expect(() => restore(2)).toThrow(`needs ${path} as it was`);
    expect(other.contents()).toEqual(untouched);
    files.put(path, file);
    restore(2);
    expect(other.contents()).toEqual(instant);
  });
});

describe('disks', () => {
  const disks = [{ disk: 'disk0', layer: 'ab'.repeat(16), sizeBytes: 4096 }];

  test('pointers asked for at 832 are in the file', async () => {
    let step = 0;
    const askedAt: number[] = [];
    const ask = async () => {
      askedAt.push(step);
      return disks;
    };
    const { info } = await take(1, { disks: ask, step: number => (step = number) });
    expect(askedAt).toEqual([832]);
    expect(info.disks).toEqual(disks);
    expect(readCheckpointInfo(files, store.pathOf(id(1)), nodeCodec).disks).toEqual(disks);
    expect(inspectCheckpoint(files, store.pathOf(id(1)), nodeCodec).disks).toEqual(disks);
    expect(restore(1).info.disks).toEqual(disks);
  });

  test('pointers that are none end the checkpoint and leave no file', async () => {
    await expect(take(1, { disks: async () => [{ ...disks[0]!, layer: 'top' }] })).rejects.toThrow('not valid');
    await expect(take(1, { disks: () => Promise.reject(new Error('the flush failed')) })).rejects.toThrow('the flush failed');
    expect(files.paths()).toEqual([]);
  });

  test('a read that was pending at the stop ends in the checkpointed memory, too: no page is written before it (822)', async () => {
    vm.write(5, 1);
    const original = vm.page(5);
    const beforePages = async () => {
      await Promise.resolve();
      original.fill(0x5a);
    };
    await take(1, { beforePages });
    restore(1);
    expect(other.page(5).every(byte => byte === 0x5a)).toBe(true);
  });

  test('pages under pending operations are not given back before the map is thawed', async () => {
    for (let index = 0; index < 20; index++) vm.write(index, index + 1);
    const stopped = whileStopped(vm, testClock());
    const frozen = vm.frozen(stopped.slot);
    for (let index = 0; index < 20; index++) vm.write(index, 99);
    await writeCheckpointOf(vm, 1, stopped, { store, pinned: gppn => gppn === vm.gppn(7) });
    expect(Array.from({ length: 20 }, (_, index) => index).filter(index => frozen.ppn(vm.gppn(index)) !== 0)).toEqual([7]);
    vm.thaw(stopped.slot);
    expectNoMarks();
  });
});

describe('restoring', () => {
  test('refuses a machine of another size or memory map and leaves it alone', async () => {
    await take(1);
    const small = await FakeVm.create(RAM / 2);
    small.write(0, 3);
    const before = small.contents();
    expect(() => restore(1, small)).toThrow(CheckpointError);
    expect(small.contents()).toEqual(before);
    other.lone.mmm.mapRam(2, 1);
    expect(() => restore(1)).toThrow('another memory map');
  });

  test('what the file says is what the run said', async () => {
    vm.write(0, 1);
    const { info } = await take(1);
    expect(readCheckpointInfo(files, store.pathOf(id(1)), nodeCodec)).toEqual(info);
    expect(inspectCheckpoint(files, store.pathOf(id(1)), nodeCodec, true)).toMatchObject({
      ...info,
      format: 1,
      vmName: 'Debian',
      pointsTo: [],
      devices: [{ name: 'counter', version: 1, state: { value: 0 } }],
    });
  });
});

describe('failure', () => {
  test('at any step leaves the VM running, no marks and no file', async () => {
    const seen: number[] = [];
    await take(1, { step: step => void seen.push(step) });
    expect([...new Set(seen)]).toEqual([804, 806, 808, 814, 820, 822, 824, 832, 836]);
    const paths = files.paths();
    for (const failing of new Set(seen)) {
      vm.write(4, failing);
      const before = vm.contents();
      const inject = (step: number) => {
        if (step === failing) throw new Error(`injected at ${failing}`);
      };
      await expect(take(2, { step: inject })).rejects.toThrow(`injected at ${failing}`);
      expect(vm.contents()).toEqual(before);
      vm.write(4, failing + 1);
      expectNoMarks();
      expect(files.paths()).toEqual(paths);
      expect(files.open).toBe(0);
    }
  });

  test.each([[false], [true]])(
    'of any file operation is told in one sentence; there is no file, and the earlier checkpoints are as they were (lasting: %s)',
    async lasting => {
      for (let index = 0; index < RAM; index++) vm.write(index, index + 1);
      const first = await take(1);
      const instant = vm.contents();
      vm.write(5, 5);
      const start = files.operations;
      await take(2, { base: first.base });
      const needed = files.operations - start;
      expect(needed).toBeGreaterThan(12);
      files.remove(store.pathOf(id(2)));
      const paths = files.paths();
      for (let nth = 0; nth < needed; nth++) {
        files.failAt(files.operations + nth, { kind: 'error', code: 'DISK_FULL', lasting });
        const failure = await take(2, { base: first.base }).then(
          () => undefined,
          (error: unknown) => error,
        );
        expect(failure).toBeInstanceOf(CheckpointError);
        expect(failure).toMatchObject({
          code: 'DISK_FULL',
          step: expect.any(Number),
          message: expect.stringContaining('The checkpoint “No 2” of Debian was not taken'),
        });
        files.mend();
        if (lasting) store.removeUnfinished();
        expect(files.paths().filter(path => !lasting || path !== store.pathOf(id(2)))).toEqual(paths);
        expect(files.open).toBe(0);
        expectNoMarks();
        files.remove(store.pathOf(id(2)));
      }
      restore(1);
      expect(other.contents()).toEqual(instant);
    },
  );

  test.each(['lost', 'kept', 'torn'] satisfies AfterCrash[])(
    'of the host at any file operation leaves no half file under a final name (%s)',
    async how => {
      for (let index = 0; index < RAM; index++) vm.write(index, index + 1);
      const first = await take(1);
      const instants = new Map([[id(1), vm.contents()]]);
      vm.write(5, 5);
      instants.set(id(2), vm.contents());
      const snapshot = files.afterCrash('kept');
      let taken = false;
      for (let nth = 0; !taken; nth++) {
        const disk = snapshot.afterCrash('kept');
        disk.failAt(disk.operations + nth, { kind: 'crash' });
        taken = await take(2, { base: first.base, store: new CheckpointStore(disk, FOLDER) }).then(
          () => true,
          () => false,
        );
        expect(disk.isDown).toBe(!taken);
        const after = new CheckpointStore(disk.afterCrash(how), FOLDER);
        after.removeUnfinished();
        const ids = after.list();
        expect(ids).toContain(id(1));
        if (taken) expect(ids).toContain(id(2));
        for (const found of ids) {
          other.reset();
          restoreCheckpoint(after, after.pathOf(found), other, nodeCodec);
          expect(other.contents()).toEqual(instants.get(found));
        }
        expect((after.files as MemoryFiles).paths()).toEqual(ids.map(found => after.pathOf(found)));
      }
      expectNoMarks();
    },
  );
});
