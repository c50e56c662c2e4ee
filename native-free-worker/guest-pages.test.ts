import { beforeAll, describe, expect, test } from 'vitest';
import { PAGE_PINS } from '#engine/memory/layout.ts';
import { livePpn } from '#engine/memory/mmm.ts';
import { loneMmm, type LoneMmm } from '#test/support/lone-mmm.ts';
import { GuestPages } from './guest-pages.ts';

const POOL = 8;
const RAM = 16;

let lone: LoneMmm;
beforeAll(async () => {
  lone = await loneMmm(POOL);
});

/** Guest pages over a pool of seven pages. */
function guestPages(): GuestPages {
  lone.mmm.initMemory(POOL);
  lone.mmm.mapRam(0, RAM);
  return new GuestPages({ ...lone.mmm, dropCode: () => {} }, lone.memory);
}
const pins = () => [...new Uint32Array(lone.memory, PAGE_PINS, POOL)];
const range = (gppn: number, pages: number) => [{ gpa: gppn * 4096, length: pages * 4096 }];

describe('a pool that is used up half-way', () => {
  test('leaves nothing pinned where a request is resolved', () => {
    const pages = guestPages();
    expect(pages.resolve(range(0, 8), true)).toBeUndefined();
    expect(pins()).toEqual(Array.from({ length: POOL }, () => 0));
    expect(pages.resolve(range(0, 7), true)).toHaveLength(7);
    expect(pins().filter(count => count === 1)).toHaveLength(7);
  });

  test('changes nothing where a read is to be done again', () => {
    const pages = guestPages();
    const parts = pages.resolve(range(0, 4), true)!;
    const before = parts.map(({ ppn, address }) => ({ ppn, address }));
    lone.mmm.freeze(0);
    for (let gppn = 0; gppn < 2; gppn++) lone.mmm.pageForWrite(gppn); // 6 of 7 pages are used
    expect(pages.renew(pages.stale(parts))).toBe(true);
    expect(parts[0]!.ppn).toBe(livePpn(lone.memory, 0));
    const shared = parts.slice(2);
    expect(pages.renew(shared)).toBe(false); // two pages of the frozen map, one free page
    expect(shared.map(({ ppn, address }) => ({ ppn, address }))).toEqual(before.slice(2));
    expect(shared.map(({ ppn }) => pins()[ppn!])).toEqual([1, 1]);
  });

  test('is nothing to wait for where the core fails for another reason', () => {
    const pages = guestPages();
    const failing = new GuestPages(
      {
        ...lone.mmm,
        dropCode: () => {},
        pageForWrite: () => {
          throw new Error('not for want of pages');
        },
      },
      lone.memory,
    );
    expect(pages.free).toBe(POOL - 1);
    expect(() => failing.resolve(range(0, 1), true)).toThrow('not for want of pages');
  });
});
