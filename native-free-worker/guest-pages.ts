/** Guest physical ranges as machine pages: where the disk worker reads and writes. Resolved when an operation is submitted. */
import type { GuestRange } from '#engine/devices/drive.ts';
import { DISK_ONES_PAGE, DISK_VOID_PAGE, LIVE_MAP, PAGE_SIZE, POOL_BASE } from '#engine/memory/layout.ts';
import { MMM_NOT_LOADED_COUNT, MMM_POOL_PAGES } from '#engine/memory/mmm-block.ts';
import type { CoreExports } from '#engine/cpu/core-exports.ts';
import type { Gppn, Ppn } from '#engine/memory/mmm.ts';
import type { Segment } from './drive-protocol.ts';

export type PageExports = Pick<CoreExports, 'pageForRead' | 'pageForWrite' | 'freePages' | 'dropCode' | 'pinPage' | 'unpinPage'>;

/** A part of a request within one guest page. */
export interface PagePart {
  readonly gppn: Gppn;
  /** Undefined outside RAM, where reads by the disk see ones and writes are dropped. */
  ppn: Ppn | undefined;
  /** In the shared memory. */
  address: number;
  /** In the request. */
  readonly at: number;
  readonly length: number;
}

export class GuestPages {
  private readonly core: PageExports;
  private readonly words: Uint32Array;

  constructor(core: PageExports, memory: ArrayBufferLike) {
    this.core = core;
    this.words = new Uint32Array(memory);
    new Uint8Array(memory, DISK_ONES_PAGE, PAGE_SIZE).fill(0xff);
  }

  get free(): number {
    return this.core.freePages();
  }

  /** Of a request: a pool is more than twice the guest's RAM, so that so many become free in the end. One of more would wait for ever, and hold off every checkpoint. */
  get most(): number {
    return this.words[MMM_POOL_PAGES >>> 2]! / 2;
  }

  /** The most free pages that resolve() takes: for what the disk reads into, and for what is to be loaded first. */
  needed(ranges: readonly GuestRange[], into: boolean): number {
    return into || this.words[MMM_NOT_LOADED_COUNT >>> 2] !== 0 ? countPages(ranges) : 0;
  }

  /**
   * The pages are pinned until release(). Step 816: what the disk reads into is made the live map's own first, so that no checkpoint's original changes. Takes at most one free page for each part.
   * Undefined, with nothing pinned, when the free pages are used up before the end: what loads pages late (904) takes some, too.
   */
  resolve(ranges: readonly GuestRange[], into: boolean): PagePart[] | undefined {
    const parts: PagePart[] = [];
    return this.unlessExhausted(parts, () => {
      let at = 0;
      for (const { gpa, length } of ranges) {
        for (let done = 0; done < length;) {
          const inPage = (gpa + done) % PAGE_SIZE;
          const part = Math.min(PAGE_SIZE - inPage, length - done);
          parts.push({ ...this.page(Math.floor((gpa + done) / PAGE_SIZE), inPage, into), at, length: part });
          done += part;
          at += part;
        }
      }
    });
  }

  /** Step 815: a read's pages that the live map no longer has, for a COW fault has copied them since. */
  stale(parts: readonly PagePart[]): PagePart[] {
    return parts.filter(({ gppn, ppn }) => ppn !== undefined && this.words[(LIVE_MAP >>> 2) + gppn] !== ppn);
  }

  /** Points them at the pages that the live map has now. False, with nothing changed, when there are no free pages for it. */
  renew(parts: readonly PagePart[]): boolean {
    const fresh: Pick<PagePart, 'gppn' | 'ppn' | 'address'>[] = [];
    const found = this.unlessExhausted(fresh, () => {
      for (const part of parts) fresh.push(this.page(part.gppn, part.address % PAGE_SIZE, true));
    });
    if (found === undefined) return false;
    this.release(parts);
    for (const [i, part] of parts.entries()) {
      part.ppn = fresh[i]!.ppn;
      part.address = fresh[i]!.address;
    }
    return true;
  }

  /** Lets go of what was pinned so far when the core finds no page. */
  private unlessExhausted<P extends Pick<PagePart, 'ppn'>>(parts: P[], pin: () => void): P[] | undefined {
    try {
      pin();
      return parts;
    } catch (thrown) {
      const isExhausted = this.free === 0;
      this.release(parts);
      if (!isExhausted) throw thrown;
      return undefined;
    }
  }

  /** Nobody reads or writes them any more: who frees one frees it. */
  release(parts: readonly Pick<PagePart, 'ppn'>[]): void {
    for (const { ppn } of parts) if (ppn) this.core.unpinPage(ppn);
  }

  /** The pages have other contents now: what was decoded from them meanwhile is not theirs. */
  dropCode(parts: readonly PagePart[]): void {
    for (const { ppn } of parts) if (ppn !== undefined) this.core.dropCode(ppn);
  }

  private page(gppn: Gppn, inPage: number, into: boolean): Pick<PagePart, 'gppn' | 'ppn' | 'address'> {
    const host = (into ? this.core.pageForWrite(gppn) : this.core.pageForRead(gppn)) >>> 0;
    if (host === 0) return { gppn, ppn: undefined, address: (into ? DISK_VOID_PAGE : DISK_ONES_PAGE) + inPage };
    const ppn = (host - POOL_BASE) / PAGE_SIZE;
    if (ppn !== 0) this.core.pinPage(ppn); // the zero page is nobody's
    return { gppn, ppn, address: host + inPage };
  }
}

export function countPages(ranges: readonly GuestRange[]): number {
  return ranges.reduce((sum, { gpa, length }) => sum + Math.ceil(((gpa % PAGE_SIZE) + length) / PAGE_SIZE), 0);
}

/** A run of parts that follow each other in the request, as segments: neighbours in memory are one. */
export interface Stretch {
  readonly at: number;
  length: number;
  readonly segments: Segment[];
}

/** `parts` in ascending order. A stretch has at most `mostSegments`. */
export function stretches(parts: readonly PagePart[], mostSegments: number): Stretch[] {
  const all: Stretch[] = [];
  for (const { at, address, length } of parts) {
    const stretch = all.at(-1);
    const last = stretch?.segments.at(-1);
    if (stretch === undefined || last === undefined || stretch.at + stretch.length !== at) {
      all.push({ at, length, segments: [{ address, length }] });
    } else if (last.address + last.length === address) {
      stretch.segments[stretch.segments.length - 1] = { address: last.address, length: last.length + length };
      stretch.length += length;
    } else if (stretch.segments.length < mostSegments) {
      stretch.segments.push({ address, length });
      stretch.length += length;
    } else all.push({ at, length, segments: [{ address, length }] });
  }
  return all;
}
