/** Equal pages that share one (METHOD § 138). */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loneMmm } from '#test/support/lone-mmm.ts';
import { stampedPages } from '#test/support/stamped-pages.ts';
import { PAGE_SIZE, POOL_BASE } from './layout.ts';
import { deriveReferences, FrozenMap, livePpn, memoryStats } from './mmm.ts';

const RAM = 4;
const POOL = 200;

const lone = await loneMmm(POOL);
const { write, valueAt, read } = stampedPages(lone);

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
