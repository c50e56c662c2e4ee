import fc from 'fast-check';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { FROZEN_MAPS, FROZEN_MAP_STRIDE, LIVE_MAP, PAGE_EPOCHS, PAGE_SHARES, PAGE_SIZE, POOL_BASE } from './layout.ts';
import { CHUNK_ENTRIES, MMM_LOADED_EPOCH, NOT_LOADED, NOT_RAM } from './mmm-block.ts';
import { copyLiveMap, deriveReferences, findEmptySlot, FrozenMap, livePpn, memoryStats } from './mmm.ts';
import { loneMmm, PoolExhausted, type LoneMmm } from '#test/support/lone-mmm.ts';

const RAM = 4;
const POOL = 200;

let lone: LoneMmm;
beforeAll(async () => {
  lone = await loneMmm(POOL);
});

/** Every word of a page is the same. */
function write(gppn: number, value: number): void {
  new Uint32Array(lone.memory, lone.mmm.pageForWrite(gppn), PAGE_SIZE / 4).fill(value);
}
function valueAt(address: number): number {
  const page = new Uint32Array(lone.memory, address, PAGE_SIZE / 4);
  return page[0] === page[PAGE_SIZE / 4 - 1] ? page[0]! : -1;
}
const read = (gppn: number) => valueAt(lone.mmm.pageForRead(gppn));

describe('one map', () => {
  beforeEach(() => {
    lone.mmm.initMemory(POOL);
    lone.mmm.mapRam(0, RAM);
    Object.assign(lone.dropped, { pages: [], code: [], writes: 0 });
  });

  test('what is not RAM has no page', () => {
    for (const gppn of [RAM, 0xfffff, 0x100000, 0xffffffff]) {
      expect(lone.mmm.pageForRead(gppn)).toBe(0);
      expect(lone.mmm.pageForWrite(gppn)).toBe(0);
      expect(lone.mmm.installPage(gppn)).toBe(0);
    }
  });

  test('fresh RAM shares the zero page, and the first write takes a page', () => {
    expect(lone.mmm.pageForRead(3)).toBe(POOL_BASE);
    write(3, 7);
    expect([read(3), read(4)]).toEqual([7, 0]);
    expect(memoryStats(lone.memory)).toMatchObject({ usedPages: 2, zeroFaults: 1, cowFaults: 0 });
    expect(lone.mmm.freePages()).toBe(POOL - 2);
  });

  test('a write after a freeze copies once and drops the translations of the original', () => {
    write(1, 5);
    const original = livePpn(lone.memory, 1);
    expect(lone.mmm.freeze(0)).toBe(1);
    expect(lone.dropped.writes).toBe(1);
    lone.dropped.pages = [];
    write(1, 6);
    expect(lone.dropped.pages).toEqual([original]);
    expect(lone.dropped.code).toContain(original);
    write(1, 7);
    expect(memoryStats(lone.memory).cowFaults).toBe(1);
    const frozen = new FrozenMap(lone.memory, 0);
    expect([frozen.ppn(1), frozen.ppn(0), frozen.ppn(RAM), frozen.epoch, frozen.limit]).toEqual([original, 0, NOT_RAM, 1, RAM]);
    expect(new Uint32Array(frozen.page(1).slice().buffer)[0]).toBe(5);
  });

  test('a map that was copied before the stop is frozen as it is at the stop', () => {
    lone.mmm.initMemory(POOL);
    lone.mmm.mapRam(0, 3 * CHUNK_ENTRIES);
    const far = 2 * CHUNK_ENTRIES + 1;
    write(1, 5);
    lone.mmm.prepareFreeze(0);
    write(2, 6);
    copyLiveMap(lone.memory, 0);
    write(far, 7);
    lone.mmm.clearPage(1);
    lone.mmm.freeze(0);
    write(far, 8);
    const frozen = new FrozenMap(lone.memory, 0);
    const valueOf = (gppn: number) => valueAt(POOL_BASE + frozen.ppn(gppn) * PAGE_SIZE);
    expect([1, 2, far, CHUNK_ENTRIES].map(valueOf)).toEqual([0, 6, 7, 0]);
    expect(frozen.limit).toBe(3 * CHUNK_ENTRIES);
    deriveReferences(lone.memory);
  });

  test('a copy of the map is for its slot and for one freeze only', () => {
    lone.mmm.prepareFreeze(1);
    copyLiveMap(lone.memory, 1);
    write(1, 5);
    lone.mmm.freeze(0);
    expect(new FrozenMap(lone.memory, 0).ppn(1)).toBe(livePpn(lone.memory, 1));
    write(1, 6);
    lone.mmm.freeze(1);
    expect(new FrozenMap(lone.memory, 1).ppn(1)).toBe(livePpn(lone.memory, 1));
    expect(() => lone.mmm.prepareFreeze(1)).toThrow(WebAssembly.RuntimeError);
    deriveReferences(lone.memory);
  });

  test('after a thaw the remaining marks are gone: pages are written in place and noted dirty', () => {
    write(1, 5);
    lone.mmm.freeze(0);
    lone.mmm.thaw(0);
    const page = lone.mmm.pageForRead(1);
    write(1, 6);
    expect(lone.mmm.pageForRead(1)).toBe(page);
    expect(memoryStats(lone.memory)).toMatchObject({ cowFaults: 0, dirtyNotes: 1 });
  });

  test('a revert brings the frozen contents back, as often as wanted, and frees what came after', () => {
    write(1, 5);
    write(2, 6);
    lone.mmm.freeze(0);
    const used = memoryStats(lone.memory).usedPages;
    for (const value of [7, 8]) {
      write(1, value);
      write(3, value);
      lone.mmm.clearPage(2);
      expect(lone.mmm.restoreFrozen(0)).toBeTruthy();
      lone.mmm.endEpoch();
      expect([0, 1, 2, 3].map(read)).toEqual([0, 5, 6, 0]);
      expect(memoryStats(lone.memory).usedPages).toBe(used);
    }
    deriveReferences(lone.memory);
  });

  test('a revert waits for newer maps to go', () => {
    write(1, 5);
    lone.mmm.freeze(0);
    write(1, 6);
    lone.mmm.freeze(1);
    write(1, 7);
    expect(lone.mmm.restoreFrozen(0)).toBeFalsy();
    lone.mmm.thaw(1);
    expect(lone.mmm.restoreFrozen(0)).toBeFalsy(); // its pages are not freed yet
    expect(read(1)).toBe(7);
    while (lone.mmm.reclaim(1, 1) > 0);
    expect(lone.mmm.restoreFrozen(0)).toBeTruthy();
    expect(read(1)).toBe(5);
    expect(() => lone.mmm.restoreFrozen(1)).toThrow(WebAssembly.RuntimeError);
  });

  test('a guest that finds no page is stopped before anything changes', () => {
    lone.mmm.initMemory(3);
    lone.mmm.mapRam(0, RAM);
    write(0, 1);
    write(1, 2);
    expect(() => lone.mmm.pageForWrite(2)).toThrow(PoolExhausted);
    expect([read(0), read(1), read(2)]).toEqual([1, 2, 0]);
    lone.mmm.clearPage(0);
    write(2, 3);
    expect([read(0), read(1), read(2)]).toEqual([0, 2, 3]);
  });

  test('a pinned page is not handed out again, whoever frees it, before its last pin is gone', () => {
    lone.mmm.initMemory(4);
    lone.mmm.mapRam(0, RAM);
    write(0, 1);
    const pinned = livePpn(lone.memory, 0);
    lone.mmm.pinPage(pinned);
    lone.mmm.pinPage(pinned);
    lone.mmm.clearPage(0);
    write(1, 2);
    write(2, 3);
    deriveReferences(lone.memory);
    expect(() => lone.mmm.pageForWrite(3)).toThrow(PoolExhausted);
    lone.mmm.unpinPage(pinned);
    expect(() => lone.mmm.pageForWrite(3)).toThrow(PoolExhausted);
    lone.mmm.unpinPage(pinned);
    write(3, 4);
    expect(livePpn(lone.memory, 3)).toBe(pinned);
    expect(() => lone.mmm.unpinPage(pinned)).toThrow(WebAssembly.RuntimeError);
    expect(() => lone.mmm.pinPage(1000)).toThrow(WebAssembly.RuntimeError);
  });

  test('a slot in use is not frozen over, and an unfrozen one is not thawed', () => {
    lone.mmm.freeze(0);
    expect(() => lone.mmm.freeze(0)).toThrow(WebAssembly.RuntimeError);
    expect(() => lone.mmm.thaw(1)).toThrow(WebAssembly.RuntimeError);
    expect(() => lone.mmm.reclaim(0, 1)).toThrow(WebAssembly.RuntimeError);
    expect(findEmptySlot(lone.memory)).toBe(1);
  });
});

describe('pages that are loaded later', () => {
  const PAGES = [0, 11, 0, 33];
  let asked: number[];
  /** GPPNs 1 and 3 are to be loaded. */
  beforeEach(() => {
    lone.mmm.initMemory(POOL);
    lone.mmm.mapRam(0, RAM);
    asked = [];
    lone.loadPage = gppn => {
      asked.push(gppn);
      new Uint32Array(lone.memory, lone.mmm.placePage(gppn), PAGE_SIZE / 4).fill(PAGES[gppn]!);
    };
    lone.mmm.expectPages(1, 1);
    lone.mmm.expectPages(3, 1);
    lone.mmm.endEpoch();
  });

  test('come when they are touched, once, and belong to the epoch in which they were expected', () => {
    expect(memoryStats(lone.memory)).toMatchObject({ notLoaded: 2, usedPages: 1 });
    expect([read(0), read(1), read(1), read(2)]).toEqual([0, 11, 11, 0]);
    write(3, 34);
    expect(read(3)).toBe(34);
    expect(asked).toEqual([1, 3]);
    expect(memoryStats(lone.memory)).toMatchObject({ notLoaded: 0, cowFaults: 0, dirtyNotes: 1 });
    lone.mmm.freeze(0);
    const frozen = new FrozenMap(lone.memory, 0);
    expect([frozen.writtenEpoch(1), frozen.writtenEpoch(3)]).toEqual([1, 2]);
  });

  test('come into every frozen map that waits for them, and a write is a COW fault', () => {
    lone.mmm.freeze(0);
    lone.mmm.freeze(1);
    const maps = [0, 1].map(slot => new FrozenMap(lone.memory, slot));
    expect(maps.map(map => [map.ppn(1), map.writtenEpoch(1), map.freeOriginal(1)])).toEqual([
      [NOT_LOADED, 1, false],
      [NOT_LOADED, 1, false],
    ]);
    write(1, 12);
    expect(memoryStats(lone.memory).cowFaults).toBe(1);
    for (const map of maps) expect([valueAt(POOL_BASE + map.ppn(1) * PAGE_SIZE), map.writtenEpoch(1)]).toEqual([11, 1]);
    expect(read(1)).toBe(12);
    deriveReferences(lone.memory);
  });

  test('a page that a frozen map waits for is loaded before it is cleared; one that nobody waits for is not', () => {
    lone.mmm.clearPage(3);
    expect([asked, read(3)]).toEqual([[], 0]);
    lone.mmm.freeze(0);
    lone.mmm.clearPage(1);
    expect([asked, read(1)]).toEqual([[1], 0]);
    const frozen = new FrozenMap(lone.memory, 0);
    expect(valueAt(POOL_BASE + frozen.ppn(1) * PAGE_SIZE)).toBe(11);
  });

  test('that the background reader brings are adopted, unless the guest was faster', () => {
    const [first, second, third] = [lone.mmm.reservePage(), lone.mmm.reservePage(), lone.mmm.reservePage()];
    for (const ppn of [first, second]) new Uint32Array(lone.memory, POOL_BASE + ppn * PAGE_SIZE, PAGE_SIZE / 4).fill(33);
    write(3, 34);
    lone.mmm.adoptPage(3, first);
    lone.mmm.adoptPage(1, second);
    lone.mmm.returnPage(third);
    expect([asked, read(1), read(3)]).toEqual([[3], 33, 34]);
    expect(memoryStats(lone.memory)).toMatchObject({ notLoaded: 0, usedPages: 3 });
    deriveReferences(lone.memory);
  });

  test('are not taken for those of a thawed map that had their machine pages before', () => {
    write(0, 5);
    const page = livePpn(lone.memory, 0);
    lone.mmm.freeze(0);
    lone.mmm.thaw(0);
    write(0, 6); // in place: the thawed map still names the page
    lone.mmm.clearPage(0);
    expect([read(1), livePpn(lone.memory, 1)]).toEqual([11, page]);
    while (lone.mmm.reclaim(0, 1) > 0);
    deriveReferences(lone.memory);
  });

  test('cannot be told from others where there is nothing to be loaded', () => {
    expect([lone.mmm.placePage(0), lone.mmm.placePage(RAM), lone.mmm.placePage(0xffffffff)]).toEqual([0, 0, 0]);
    expect(() => lone.mmm.expectPages(1, 1)).toThrow(WebAssembly.RuntimeError);
    expect(() => lone.mmm.expectPages(0, 1)).toThrow(WebAssembly.RuntimeError); // another epoch than those that are awaited
    lone.loadPage = () => {};
    expect(() => lone.mmm.pageForRead(1)).toThrow(WebAssembly.RuntimeError); // the host brought nothing
  });
});

describe('equal pages', () => {
  const ppnAt = (gppn: number) => livePpn(lone.memory, gppn);
  const merge = (gppn: number, withGppn: number) => !!lone.mmm.mergePages(gppn, withGppn);
  const valueIn = (map: FrozenMap, gppn: number) => valueAt(POOL_BASE + map.ppn(gppn) * PAGE_SIZE);
  /** 1 and 2 are equal, 3 differs. */
  beforeEach(() => {
    lone.mmm.initMemory(POOL);
    lone.mmm.mapRam(0, RAM);
    write(1, 7);
    write(2, 7);
    write(3, 8);
    lone.mmm.endEpoch();
    lone.dropped.pages = [];
  });
  afterEach(() => void deriveReferences(lone.memory));

  test('become one, and translations to the one that goes are dropped', () => {
    const [gone, kept] = [ppnAt(1), ppnAt(2)];
    expect(merge(1, 2)).toBeTruthy();
    expect([ppnAt(1), ppnAt(2), read(1), read(2)]).toEqual([kept, kept, 7, 7]);
    expect(lone.dropped.pages).toEqual([gone]);
    expect(memoryStats(lone.memory)).toMatchObject({ usedPages: 3, livePages: 2, savedPages: 1 });
    expect(merge(2, 1)).toBeFalsy();
  });

  test('a write to one is a COW fault, also when no checkpoint is there, and in every epoch after', () => {
    merge(1, 2);
    write(1, 9);
    expect([read(1), read(2)]).toEqual([9, 7]);
    expect(memoryStats(lone.memory)).toMatchObject({ cowFaults: 1, usedPages: 4, livePages: 3, savedPages: 0 });
    write(2, 10); // the last that has it
    expect([read(1), read(2)]).toEqual([9, 10]);
    expect(memoryStats(lone.memory)).toMatchObject({ cowFaults: 2, usedPages: 4 });
  });

  test('of any number share one, and a third joins the shared page, not the other way round', () => {
    write(0, 7);
    lone.mmm.endEpoch();
    merge(1, 2);
    const shared = ppnAt(1);
    expect(merge(2, 0)).toBeTruthy();
    expect([0, 1, 2].map(ppnAt)).toEqual([shared, shared, shared]);
    expect(memoryStats(lone.memory)).toMatchObject({ livePages: 2, savedPages: 2 });
  });

  test('pages that differ in one byte, that were just written, or that no one has stay apart', () => {
    expect(merge(1, 3)).toBeFalsy();
    new Uint8Array(lone.memory, lone.mmm.pageForWrite(3), PAGE_SIZE).fill(7);
    expect([merge(0, 1), merge(1, RAM), merge(0xffffffff, 1), merge(1, 1)]).toEqual([false, false, false, false]);
    write(3, 7);
    expect(merge(1, 3)).toBeFalsy(); // in this epoch: it may be written without anybody being asked
    lone.mmm.endEpoch();
    expect(merge(1, 3)).toBeTruthy();
    new Uint8Array(lone.memory, lone.mmm.pageForWrite(2), PAGE_SIZE)[PAGE_SIZE - 1] = 1;
    lone.mmm.endEpoch();
    expect(merge(1, 2)).toBeFalsy();
  });

  test('a page that a pending operation reads or writes stays apart', () => {
    for (const [pinned, other] of [
      [1, 2],
      [2, 1],
    ] as const) {
      lone.mmm.pinPage(ppnAt(pinned));
      expect([merge(pinned, other), merge(other, pinned)]).toEqual([false, false]);
      lone.mmm.unpinPage(ppnAt(pinned));
    }
    expect(merge(1, 2)).toBeTruthy();
  });

  test('a page that is still to be loaded stays apart', () => {
    lone.mmm.expectPages(0, 1);
    lone.mmm.endEpoch();
    expect([merge(0, 1), merge(1, 0)]).toEqual([false, false]);
  });

  test('frozen maps keep what they have, and a dead shared page is kept for them', () => {
    lone.mmm.freeze(0);
    merge(1, 2);
    lone.mmm.freeze(1);
    write(1, 9);
    write(2, 9);
    const [first, second] = [0, 1].map(slot => new FrozenMap(lone.memory, slot));
    for (const map of [first!, second!]) expect([1, 2, 3].map(gppn => valueIn(map, gppn))).toEqual([7, 7, 8]);
    expect([first!.freeOriginal(2), second!.freeOriginal(2), second!.freeOriginal(1)]).toEqual([false, false, false]);
    expect(first!.freeOriginal(1)).toBeTruthy(); // only ever at one GPPN
    for (const slot of [0, 1]) {
      lone.mmm.thaw(slot);
      expect(memoryStats(lone.memory).usedPages).toBe(5);
      while (lone.mmm.reclaim(slot, 1) > 0);
    }
    expect(memoryStats(lone.memory).usedPages).toBe(4);
  });

  test('a shared page that a map from before has goes with that map, in bounded pieces', () => {
    merge(1, 2);
    lone.mmm.freeze(0);
    write(1, 9);
    write(2, 9);
    lone.mmm.thaw(0);
    expect(Array.from({ length: RAM + 1 }, () => lone.mmm.reclaim(0, 1))).toEqual([3, 2, 1, 1, 0]);
    expect(memoryStats(lone.memory).usedPages).toBe(4);
  });

  test('a revert brings a shared page back to life, as often as wanted', () => {
    merge(1, 2);
    lone.mmm.freeze(0);
    for (const value of [9, 10]) {
      write(1, value);
      write(2, value);
      expect(lone.mmm.restoreFrozen(0)).toBeTruthy();
      lone.mmm.endEpoch();
      expect([read(1), read(2), ppnAt(1)]).toEqual([7, 7, ppnAt(2)]);
      expect(memoryStats(lone.memory)).toMatchObject({ savedPages: 1, livePages: 2 });
      deriveReferences(lone.memory);
    }
    lone.mmm.thaw(0);
    while (lone.mmm.reclaim(0, 1) > 0);
    expect([memoryStats(lone.memory).usedPages, read(1)]).toEqual([3, 7]);
  });

  test('one that changed since a checkpoint never looks unchanged at either place', () => {
    const { epoch } = new FrozenMap(lone.memory, 0);
    const before = lone.mmm.freeze(0);
    write(2, 8);
    lone.mmm.endEpoch();
    expect(merge(2, 3)).toBeTruthy(); // 3 was 8 all along, 2 was not
    lone.mmm.freeze(1);
    const map = new FrozenMap(lone.memory, 1);
    expect([epoch, map.writtenEpoch(1) <= before, map.writtenEpoch(2) > before]).toEqual([0, true, true]);
  });
});

type Op = {
  op:
    | ('write' | 'read' | 'merge' | 'clear' | 'install' | 'early' | 'pin' | 'unpin')
    | ('prepare' | 'copy' | 'freeze' | 'thaw' | 'reclaim' | 'endEpoch' | 'revert')
    | ('expect' | 'reserve' | 'fill' | 'adopt' | 'revertToFile' | 'rewind');
  /** Among those of RAM. */
  page: number;
  slot: number;
};

/** RAM lies in two chunks of the map. */
const FIRST = CHUNK_ENTRIES - RAM / 2;
const TIGHT_POOL = 14;

/** What a checkpoint may be pointed to for: its epoch, and what it has. */
type Base = { epoch: number; pages: number[] };
/** Slots as the model sees them: what each frozen map must keep, `undefined` where it was given back early. */
type Model = {
  live: number[];
  /** The epoch of the last pages that were expected. */
  expectedIn: number;
  slots: Map<number, { frozen: boolean; passed: boolean; pages: (number | undefined)[]; bases: Base[] }>;
  /** The slot that the next freeze is for, and what its map may have: each entry as it was once since prepareFreeze(). */
  prepared: { slot: number; isCopied: boolean; seen: number[] } | undefined;
  /** Pages of pending operations, each with the only GPPN that may have it: undefined when it was shared already. */
  pins: { ppn: number; gppn: number | undefined }[];
  /** Pages that the background reader has: filled, for which page, and whether the file that they are from is still the one. */
  reserved: { ppn: number; page: number | undefined; isWanted: boolean }[];
  /** Every checkpoint that the next one may point to. */
  bases: Base[];
};

/** Few, so that pages are often equal; one is what zero pages are. */
const valueOf = (stamp: number) => stamp % 3;
const shareOf = (ppn: number) => new Uint32Array(lone.memory, PAGE_SHARES, POOL)[ppn]!;
const fillPage = (address: number, value: number) => new Uint32Array(lone.memory, address, PAGE_SIZE / 4).fill(value);
const mapOf = (address: number) => new Uint32Array(lone.memory, address + 4 * FIRST, RAM);
const slotMap = (slot: number) => mapOf(FROZEN_MAPS + slot * FROZEN_MAP_STRIDE);

function apply(model: Model, { op, page, slot }: Op, stamp: number): void {
  const { mmm, memory } = lone;
  const gppn = FIRST + page;
  const target = model.slots.get(slot);
  switch (op) {
    case 'read':
      expect(read(gppn)).toBe(model.live[page]);
      break;
    case 'expect': {
      const { epoch, notLoaded } = memoryStats(memory);
      if (livePpn(memory, gppn) !== 0 || (notLoaded > 0 && model.expectedIn !== epoch)) break;
      mmm.expectPages(gppn, 1);
      model.expectedIn = epoch;
      model.live[page] = valueOf(stamp);
      // Expecting is for a machine that is just filled.
      model.bases = [];
      for (const each of model.reserved) each.isWanted = false;
      break;
    }
    case 'reserve': {
      const ppn = mmm.reservePage();
      if (ppn !== 0) model.reserved.push({ ppn, page: undefined, isWanted: true });
      break;
    }
    case 'fill': {
      const reserved = model.reserved[slot];
      if (reserved === undefined || livePpn(memory, gppn) !== NOT_LOADED) break;
      fillPage(POOL_BASE + reserved.ppn * PAGE_SIZE, reserved.isWanted ? model.live[page]! : 0xbad);
      reserved.page = page;
      break;
    }
    case 'adopt': {
      const reserved = model.reserved.shift();
      if (reserved?.page !== undefined && reserved.isWanted) mmm.adoptPage(FIRST + reserved.page, reserved.ppn);
      else if (reserved) mmm.returnPage(reserved.ppn);
      break;
    }
    case 'write':
      write(gppn, valueOf(stamp));
      model.live[page] = valueOf(stamp);
      break;
    case 'merge': {
      const other = (page + 1 + slot) % RAM;
      if (stamp % 4 > 0) mmm.endEpoch();
      const isMerged = !!mmm.mergePages(gppn, FIRST + other);
      if (isMerged) expect(model.live[page]).toBe(model.live[other]);
      if (isMerged) merges++;
      break;
    }
    case 'clear':
      mmm.clearPage(gppn);
      model.live[page] = 0;
      break;
    case 'install':
      if (mmm.freePages() < 2) break; // restoring into a machine whose pages do not suffice ends it
      fillPage(mmm.installPage(gppn), valueOf(stamp));
      model.live[page] = valueOf(stamp);
      break;
    case 'prepare':
      if (target !== undefined || model.prepared !== undefined) break;
      mmm.prepareFreeze(slot);
      model.prepared = { slot, isCopied: false, seen: [...mapOf(LIVE_MAP)] };
      break;
    case 'copy':
      if (model.prepared === undefined || model.prepared.isCopied) break;
      copyLiveMap(memory, model.prepared.slot);
      slotMap(model.prepared.slot).set(model.prepared.seen.filter((_, i) => i < page)); // these were copied first
      model.prepared.isCopied = true;
      break;
    case 'freeze':
      if (target !== undefined || model.prepared?.isCopied === false) break;
      model.prepared = undefined;
      model.bases.push({ epoch: mmm.freeze(slot), pages: model.live.slice() });
      model.slots.set(slot, { frozen: true, passed: false, pages: model.live.slice(), bases: model.bases.slice() });
      break;
    case 'revert': {
      if (target?.frozen !== true || target.pages.includes(undefined)) break;
      const newest = Math.max(...[...model.slots.keys()].map(each => new FrozenMap(memory, each).epoch));
      const isNewest = new FrozenMap(memory, slot).epoch === newest;
      expect(!!mmm.restoreFrozen(slot)).toBe(isNewest);
      if (!isNewest) break;
      mmm.endEpoch();
      model.live = target.pages.map(value => value!);
      model.bases = target.bases.slice();
      break;
    }
    case 'rewind': {
      const base = model.bases[page % Math.max(1, model.bases.length)];
      if (base === undefined) break;
      leaveOtherFiles(model);
      mmm.forgetSince(base.epoch);
      if (model.live.some((value, i) => value !== 0 && livePpn(memory, FIRST + i) !== NOT_LOADED)) rewinds++; // some stay
      model.live = base.pages.slice();
      model.live.forEach((value, i) => {
        const ppn = livePpn(memory, FIRST + i);
        if (value !== 0 && ppn === 0) mmm.expectPages(FIRST + i, 1);
        if (value === 0 && ppn === NOT_LOADED) mmm.clearPage(FIRST + i);
      });
      model.expectedIn = memoryStats(memory).epoch;
      model.bases = model.bases.filter(({ epoch }) => epoch <= base.epoch);
      model.bases.push({ epoch: mmm.endEpoch(), pages: model.live.slice() });
      break;
    }
    case 'revertToFile':
      leaveOtherFiles(model);
      mmm.clearRam();
      expect(memoryStats(memory).notLoaded).toBe(0);
      model.live = model.live.map((_, i) => valueOf(stamp + i * (slot + 1)));
      model.live.forEach((value, i) => value !== 0 && mmm.expectPages(FIRST + i, 1));
      model.expectedIn = memoryStats(memory).epoch;
      model.bases = [{ epoch: mmm.endEpoch(), pages: model.live.slice() }];
      break;
    case 'thaw':
      if (target?.frozen !== true) break;
      mmm.thaw(slot);
      target.frozen = false;
      break;
    case 'reclaim':
      if (target?.frozen !== false) break;
      if (mmm.reclaim(slot, target.passed ? page + 1 : FIRST + page) === 0) model.slots.delete(slot);
      target.passed = true;
      break;
    case 'early':
      if (target?.frozen === true && new FrozenMap(memory, slot).freeOriginal(gppn)) target.pages[page] = undefined;
      break;
    case 'endEpoch':
      mmm.endEpoch();
      break;
    case 'pin': {
      const ppn = livePpn(memory, gppn);
      if (ppn === 0 || ppn === NOT_LOADED) break;
      mmm.pinPage(ppn);
      model.pins.push({ ppn, gppn: shareOf(ppn) === 0 ? gppn : undefined });
      break;
    }
    case 'unpin': {
      const pin = model.pins.shift();
      if (pin) mmm.unpinPage(pin.ppn);
      break;
    }
  }
}

/** Before the machine is filled from another file: no map waits for a page, and none is being freed. */
function leaveOtherFiles(model: Model): void {
  const { mmm, memory } = lone;
  for (const [slot, { frozen }] of model.slots) {
    if (frozen && (!slotMap(slot).includes(NOT_LOADED) || memoryStats(memory).notLoaded === 0)) continue;
    if (frozen) mmm.thaw(slot);
    while (mmm.reclaim(slot, 3 * CHUNK_ENTRIES) > 0);
    model.slots.delete(slot);
  }
  for (const each of model.reserved) each.isWanted = false;
}

function check(model: Model): void {
  const { memory } = lone;
  model.live.forEach((value, page) => {
    if (livePpn(memory, FIRST + page) !== NOT_LOADED) expect(read(FIRST + page)).toBe(value);
  });
  for (const [slot, { frozen, pages }] of model.slots) {
    if (!frozen) continue;
    const map = new FrozenMap(memory, slot);
    pages.forEach((value, page) => {
      const ppn = map.ppn(FIRST + page);
      if (value !== undefined && ppn !== NOT_LOADED) expect(valueAt(POOL_BASE + ppn * PAGE_SIZE)).toBe(value);
      if (ppn === NOT_LOADED) expect(model.live[page]).toBe(value);
    });
  }
  for (const { ppn, gppn } of model.pins)
    for (let other = FIRST; other < FIRST + RAM; other++)
      if (gppn !== undefined && other !== gppn) expect(livePpn(memory, other)).not.toBe(ppn);
  deriveReferences(memory, new Set(model.reserved.map(({ ppn }) => ppn)));
  expect(memoryStats(memory).notLoaded).toBe(mapOf(LIVE_MAP).filter(ppn => ppn === NOT_LOADED).length);
  for (const { epoch, pages } of model.bases) {
    pages.forEach((value, page) => {
      if (writtenEpoch(FIRST + page) <= epoch) expect(model.live[page]).toBe(value);
    });
  }
}

/** As FrozenMap.writtenEpoch() would have it after a freeze now. The zero page tells nothing. */
function writtenEpoch(gppn: number): number {
  const ppn = livePpn(lone.memory, gppn);
  if (ppn === NOT_LOADED) return new Uint32Array(lone.memory)[MMM_LOADED_EPOCH / 4]!;
  return ppn === 0 ? Infinity : new Uint32Array(lone.memory, PAGE_EPOCHS, POOL)[ppn]!;
}

const anyOp: fc.Arbitrary<Op> = fc.record({
  op: fc.oneof(
    { weight: 6, arbitrary: fc.constant('write' as const) },
    { weight: 3, arbitrary: fc.constantFrom('freeze' as const, 'thaw' as const, 'reclaim' as const, 'early' as const) },
    { weight: 5, arbitrary: fc.constant('merge' as const) },
    { weight: 3, arbitrary: fc.constantFrom('revert' as const, 'prepare' as const, 'copy' as const, 'copy' as const) },
    { weight: 2, arbitrary: fc.constantFrom('pin' as const, 'pin' as const, 'unpin' as const) },
    { weight: 2, arbitrary: fc.constantFrom('clear' as const, 'install' as const, 'endEpoch' as const) },
    {
      weight: 3,
      arbitrary: fc.constantFrom(
        'expect' as const,
        'expect' as const,
        'read' as const,
        'read' as const,
        'revertToFile' as const,
        'rewind' as const,
      ),
    },
    { weight: 3, arbitrary: fc.constantFrom('reserve' as const, 'fill' as const, 'fill' as const, 'adopt' as const) },
  ),
  page: fc.nat(RAM - 1),
  slot: fc.nat(2),
});

let merges = 0;
let rewinds = 0;
let exhausted = 0;
test('whatever is written, loaded, merged, frozen, thawed, reverted and reclaimed: frozen maps keep their contents, no page leaks, none is freed twice', () => {
  fc.assert(
    fc.property(fc.constantFrom(POOL, TIGHT_POOL), fc.array(anyOp, { minLength: 1, maxLength: 150, size: 'max' }), (pool, ops) => {
      lone.mmm.initMemory(pool);
      lone.mmm.mapRam(FIRST, RAM);
      const live = Array.from({ length: RAM }, () => 0);
      const model: Model = { live, expectedIn: 0, slots: new Map(), prepared: undefined, pins: [], reserved: [], bases: [] };
      lone.loadPage = gppn => void fillPage(lone.mmm.placePage(gppn), model.live[gppn - FIRST]!);
      ops.forEach((op, index) => {
        try {
          apply(model, op, index + 1);
        } catch (thrown) {
          if (!(thrown instanceof PoolExhausted)) throw thrown;
          expect(lone.mmm.freePages()).toBe(0);
          exhausted++;
        }
        check(model);
      });
      for (const { ppn } of model.pins) lone.mmm.unpinPage(ppn);
      for (const { ppn } of model.reserved.splice(0)) lone.mmm.returnPage(ppn);
      for (const [slot, { frozen }] of model.slots) {
        if (frozen) lone.mmm.thaw(slot);
        while (lone.mmm.reclaim(slot, 3 * CHUNK_ENTRIES) > 0);
      }
      for (let page = 0; page < RAM; page++) expect(read(FIRST + page)).toBe(model.live[page]);
      lone.mmm.freePages();
      const references = deriveReferences(lone.memory);
      expect(memoryStats(lone.memory).usedPages).toBe(references.size + 1);
      for (const [ppn, count] of references) if (count > 1) expect(shareOf(ppn)).not.toBe(0);
    }),
    { numRuns: 800 },
  );
  expect([merges > 200, rewinds > 50, exhausted > 5]).toEqual([true, true, true]);
});
