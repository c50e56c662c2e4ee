import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { deriveReferences, memoryStats } from '#engine/memory/mmm.ts';
import { checkpointName as id, takeCheckpointOf, writeCheckpointOf } from '#test/support/checkpoint-run.ts';
import { FakeVm, testClock } from '#test/support/fake-vm.ts';
import { MemoryFiles } from '#test/support/memory-files.ts';
import { nodeCodec } from '#worker/node-codec.ts';
import { baseOf, type Base } from './base.ts';
import { eliminateCheckpoints } from './eliminate.ts';
import { PageSource } from './page-source.ts';
import { Prefetch } from './prefetch.ts';
import { COMMIT_SIZE } from './format/layout.ts';
import type { KnownIndex } from './format/page-index.ts';
import { decodeCommit, type SectionRecords } from './format/sections.ts';
import { ReadyRestore, restoreCheckpoint } from './restore.ts';
import { whileStopped } from './stopped.ts';
import { CheckpointStore } from './store.ts';
import type { TakeParts } from './take.ts';

const RAM = 200;
const FOLDER = '/vm/checkpoints';

const vm = await FakeVm.create(RAM);
const other = await FakeVm.create(RAM);
const third = await FakeVm.create(RAM);
let files: MemoryFiles;
let store: CheckpointStore;
let instants: ReturnType<FakeVm['contents']>[];
let base: Base | undefined;

const take = (n: number, from: FakeVm, parts: Partial<TakeParts> = {}) =>
  takeCheckpointOf(from, n, { store, base, request: { takenAt: `2026-11-22T12:00:0${n}Z` }, ...parts });

/** Two checkpoints, the second pointing into the first; equal pages in both. */
beforeEach(async () => {
  vm.reset();
  other.reset();
  third.reset();
  files = new MemoryFiles();
  store = new CheckpointStore(files, FOLDER);
  base = undefined;
  for (let index = 0; index < RAM - 20; index++) vm.write(index, (index % 90) + 1);
  instants = [vm.contents()];
  ({ base } = await take(1, vm));
  for (let index = 30; index < 110; index++) vm.write(index, 500 + (index % 70));
  instants.push(vm.contents());
  await take(2, vm);
});

const restoreLazily = (n = 2, into = other) => restoreCheckpoint(store, store.pathOf(id(n)), into, nodeCodec, { lazy: true });
const notLoaded = () => memoryStats(other.lone.memory).notLoaded;

test('nothing is loaded before it is touched; whatever is touched or written in whatever order, memory is what it was', () => {
  const access = fc.record({ index: fc.nat(RAM - 1), seed: fc.option(fc.integer({ min: 0, max: 5000 })) });
  fc.assert(
    fc.property(fc.array(access, { maxLength: 40, size: 'max' }), accesses => {
      other.reset();
      third.reset();
      using later = restoreLazily().later;
      expect(later).toBeDefined();
      expect(memoryStats(other.lone.memory)).toMatchObject({ usedPages: 1, notLoaded: RAM - 20 });
      restoreCheckpoint(store, store.pathOf(id(2)), third, nodeCodec);
      for (const { index, seed } of accesses) {
        if (seed !== null) for (const each of [other, third]) each.write(index, seed);
        else expect(Buffer.compare(other.page(index), third.page(index))).toBe(0);
      }
      expect(other.contents()).toEqual(third.contents());
      expect(notLoaded()).toBe(0);
      deriveReferences(other.lone.memory);
    }),
    { numRuns: 30 },
  );
});

test('what is touched comes with its neighbours in the file, but only itself when the pool is short', () => {
  restoreLazily();
  other.page(0);
  const loaded = RAM - 20 - notLoaded();
  expect(loaded).toBeGreaterThan(20);
  other.hasRoom = () => false;
  try {
    other.page(RAM - 21);
    expect(notLoaded()).toBe(RAM - 20 - loaded - 1);
  } finally {
    Reflect.deleteProperty(other, 'hasRoom');
  }
});

test('pending operations end once memory is there', () => {
  let seen: Uint8Array | undefined;
  other.endPending = () => {
    seen = other.page(3).slice();
    other.write(3, 4);
  };
  try {
    restoreLazily();
    expect(seen).toEqual(vm.page(3));
    vm.write(3, 4);
    expect(other.contents()).toEqual(vm.contents());
  } finally {
    Reflect.deleteProperty(other, 'endPending');
  }
});

test('without a reader of its own it is loaded group by group, and its files are closed', () => {
  const open = files.open;
  const { later } = restoreLazily();
  expect(files.open).toBe(open + 2);
  let groups = 0;
  while (later!.loadNext()) groups++;
  expect(groups).toBe(4);
  expect(notLoaded()).toBe(0);
  later![Symbol.dispose]();
  expect(files.open).toBe(open);
  expect(other.contents()).toEqual(instants[1]);
});

test('the background reader fills reserved pages, newest file first, and what the VM was faster with is given back', async () => {
  const { memory, mmm } = other.lone;
  restoreLazily();
  using source = PageSource.open(store, store.pathOf(id(2)), nodeCodec);
  const prefetch = new Prefetch(source, memory);
  const reserve = (count: number) => Uint32Array.from({ length: count }, () => mmm.reservePage());
  let reads = 0;
  const first = await prefetch.fill(reserve(10), async () => void reads++);
  expect([...first.pairs].filter((_, at) => at % 2 === 0)).toEqual(Array.from({ length: 10 }, (_, at) => other.gppn(30 + at)));
  expect(reads).toBe(1);
  other.write(30, 77); // before the page that was filled for it is adopted
  other.page(35);
  for (let at = 0; at < first.pairs.length; at += 2) mmm.adoptPage(first.pairs[at]!, first.pairs[at + 1]!);
  while (!prefetch.done) {
    const { pairs, unused } = await prefetch.fill(reserve(7), async () => {});
    for (let at = 0; at < pairs.length; at += 2) mmm.adoptPage(pairs[at]!, pairs[at + 1]!);
    for (const ppn of unused) mmm.returnPage(ppn);
  }
  expect(notLoaded()).toBe(0);
  vm.write(30, 77);
  expect(other.contents()).toEqual(vm.contents());
  expect(memoryStats(memory).usedPages).toBe(deriveReferences(memory).size + 1);
});

describe('a checkpoint taken before everything is loaded', () => {
  test('points to where its pages are, and is restored bit for bit', async () => {
    using later = restoreLazily().later;
    using source = PageSource.open(store, store.pathOf(id(2)), nodeCodec);
    base = baseOf(source.reader, memoryStats(other.lone.memory).epoch - 1, FOLDER);
    other.write(3, 4);
    const before = notLoaded();
    expect(before).toBeGreaterThan(50);
    const { info } = await take(3, other);
    expect(notLoaded()).toBe(before);
    expect(info.pages).toMatchObject({ stored: 1, pointed: RAM - 21 });
    expect(later).toBeDefined();
    restoreCheckpoint(store, store.pathOf(id(3)), third, nodeCodec);
    expect(third.contents()).toEqual(other.contents());
  });

  test('while pages are loaded into the frozen map', async () => {
    using later = restoreLazily().later;
    using source = PageSource.open(store, store.pathOf(id(2)), nodeCodec);
    base = baseOf(source.reader, memoryStats(other.lone.memory).epoch - 1, FOLDER);
    const clock = testClock(() => void later!.loadNext());
    const stopped = whileStopped(other, clock);
    other.write(100, 1);
    other.write(0, 1);
    await writeCheckpointOf(other, 3, stopped, { store, clock, base });
    other.thaw(stopped.slot);
    restoreCheckpoint(store, store.pathOf(id(3)), third, nodeCodec);
    expect(third.contents()).toEqual(instants[1]);
    expect(notLoaded()).toBeLessThan(RAM - 100);
    for (const each of [vm, other]) for (const index of [0, 100]) each.write(index, 1);
    expect(other.contents()).toEqual(vm.contents());
    other.lone.mmm.freePages();
    deriveReferences(other.lone.memory);
  });

  test('stores them when the file that it was restored from has been eliminated', async () => {
    restoreLazily();
    using source = PageSource.open(store, store.pathOf(id(2)), nodeCodec);
    base = baseOf(source.reader, memoryStats(other.lone.memory).epoch - 1, FOLDER);
    eliminateCheckpoints(store, [id(1), id(2)], nodeCodec);
    const unloaded = (gppn: number) => source.pageIn(source.read(source.fileOf(gppn), source.groupOf(gppn)), gppn);
    await expect(take(3, other)).rejects.toMatchObject({ code: 'STILL_LOADING' });
    const { info } = await take(4, other, { unloaded });
    expect(info.pages).toMatchObject({ pointed: 0, stored: RAM - 20 });
    restoreCheckpoint(store, store.pathOf(id(4)), third, nodeCodec);
    expect(third.contents()).toEqual(instants[1]);
    expect(other.contents()).toEqual(instants[1]);
  });
});

test('a damaged page group is found when it is touched, and the machine is not changed by it', () => {
  const path = store.pathOf(id(2));
  const bytes = files.get(path);
  using source = PageSource.open(store, path, nodeCodec);
  const group = source.reader.groups[0]!;
  bytes[group.offset + 50]! ^= 1;
  files.put(path, bytes);
  restoreLazily();
  expect(() => other.page(40)).toThrow(`${path} is damaged (the page group 0 does not match its checksum)`);
  expect(() => other.write(40, 1)).toThrow('damaged');
  expect(notLoaded()).toBe(RAM - 20);
  expect(other.page(0)).toEqual(vm.page(0));
});

test('a checkpoint that does not fit leaves nothing open', () => {
  const open = files.open;
  other.lone.mmm.mapRam(2, 1);
  expect(() => restoreLazily()).toThrow('another memory map');
  files.remove(store.pathOf(id(1)));
  other.reset();
  expect(() => restoreLazily()).toThrow('which is gone');
  expect(files.open).toBe(open);
});

test('the page index is not read again of the file that it is known to be of, and of no other', async () => {
  const openWith = (n: number, known: KnownIndex | undefined, open = store) => {
    using ready = ReadyRestore.open(open, open.pathOf(id(n)), other, nodeCodec, known);
    ready.restore();
    return other.contents();
  };
  const [first, second] = [1, 2].map(n => {
    using source = PageSource.open(store, store.pathOf(id(n)), nodeCodec);
    return source.reader.known;
  });
  expect([openWith(1, second), openWith(2, first), openWith(2, second)]).toEqual([instants[0], instants[1], instants[1]]);

  // Other memory under the same id: it is another file.
  const elsewhere = new CheckpointStore(new MemoryFiles(), FOLDER);
  vm.reset();
  vm.write(5, 5);
  await take(2, vm, { store: elsewhere, base: undefined });
  expect(openWith(2, second, elsewhere)).toEqual(vm.contents());

  // Its index is damaged; whoever knows it does not need it.
  const bytes = files.get(store.pathOf(id(2)));
  const { index } = decodeCommit(bytes.subarray(-COMMIT_SIZE), bytes.length, nodeCodec, false) as SectionRecords;
  bytes[index.offset]! ^= 1;
  files.put(store.pathOf(id(2)), bytes);
  expect(() => openWith(2, first)).toThrow('“index” does not match its checksum');
  expect(openWith(2, second)).toEqual(instants[1]);
});
