/** Memory that is loaded late. */
import { beforeEach, describe, expect, test } from 'vitest';
import { loneMmm } from '#test/support/lone-mmm.ts';
import { stampedPages } from '#test/support/stamped-pages.ts';
import { PAGE_SIZE, POOL_BASE } from './layout.ts';
import { NOT_LOADED } from './mmm-block.ts';
import { deriveReferences, FrozenMap, livePpn, memoryStats } from './mmm.ts';

const RAM = 4;
const POOL = 200;

const lone = await loneMmm(POOL);
const { fill, write, valueAt, read } = stampedPages(lone);

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
      fill(lone.mmm.placePage(gppn), PAGES[gppn]!);
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
    for (const ppn of [first, second]) fill(POOL_BASE + ppn * PAGE_SIZE, 33);
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

  test('do not wait for a map that is being freed: it is freed in pieces all the same, and a page that was loaded meanwhile is written, frozen and freed as any', () => {
    write(0, 5);
    write(2, 6);
    lone.mmm.freeze(0);
    write(0, 7);
    write(2, 8);
    lone.mmm.thaw(0);
    expect([read(1), lone.mmm.reclaim(0, 1)]).toEqual([11, RAM - 1]);
    lone.mmm.freeze(1);
    write(1, 12);
    expect(valueAt(POOL_BASE + new FrozenMap(lone.memory, 1).ppn(1) * PAGE_SIZE)).toBe(11);
    for (const slot of [0, 1]) {
      if (slot === 1) lone.mmm.thaw(slot);
      while (lone.mmm.reclaim(slot, 1) > 0);
      deriveReferences(lone.memory);
    }
    expect([[0, 1, 2, 3].map(read), memoryStats(lone.memory).usedPages]).toEqual([[7, 12, 8, 33], 5]);
  });

  test('cannot be told from others where there is nothing to be loaded', () => {
    expect([lone.mmm.placePage(0), lone.mmm.placePage(RAM), lone.mmm.placePage(0xffffffff)]).toEqual([0, 0, 0]);
    expect(() => lone.mmm.expectPages(1, 1)).toThrow(WebAssembly.RuntimeError);
    expect(() => lone.mmm.expectPages(0, 1)).toThrow(WebAssembly.RuntimeError); // another epoch than those that are awaited
    lone.loadPage = () => {};
    expect(() => lone.mmm.pageForRead(1)).toThrow(WebAssembly.RuntimeError); // the host brought nothing
  });
});
