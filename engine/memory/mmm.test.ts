/** One map of memory, frozen, copied and gone back to. What is loaded late, shared, and done in any order has files of its own. */
import { beforeEach, describe, expect, test } from 'vitest';
import { loneMmm, PoolExhausted } from '#test/support/lone-mmm.ts';
import { stampedPages } from '#test/support/stamped-pages.ts';
import { PAGE_SIZE, POOL_BASE } from './layout.ts';
import { CHUNK_ENTRIES, NOT_RAM } from './mmm-block.ts';
import { copyLiveMap, deriveReferences, findEmptySlot, FrozenMap, livePpn, memoryStats } from './mmm.ts';

const RAM = 4;
const POOL = 200;

const lone = await loneMmm(POOL);
const { write, valueAt, read } = stampedPages(lone);

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
    for (const take of [() => lone.mmm.pageForWrite(2), () => lone.mmm.installPage(0)]) expect(take).toThrow(PoolExhausted);
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
