/** The page index: for each GPPN what it is and where. Two planes of u32, because each compresses better alone. */
import { GROUP_PAGES, INDEX_ABSENT, INDEX_POINTED, INDEX_STORED, INDEX_ZERO, MAX_GPPNS } from './layout.ts';

export interface PageCounts {
  readonly stored: number;
  readonly zero: number;
  readonly pointed: number;
  readonly absent: number;
}

export class PageIndex {
  /** INDEX_ABSENT, INDEX_ZERO, INDEX_STORED, or INDEX_POINTED + file. */
  readonly kinds: Uint32Array;
  /** group × GROUP_PAGES + slot of stored and pointed pages. */
  readonly places: Uint32Array;

  constructor(limit: number, kinds = new Uint32Array(limit), places = new Uint32Array(limit)) {
    this.kinds = kinds;
    this.places = places;
  }

  get limit(): number {
    return this.kinds.length;
  }

  counts(): PageCounts {
    const counts = { stored: 0, zero: 0, pointed: 0, absent: 0 };
    for (const kind of this.kinds) {
      if (kind === INDEX_ABSENT) counts.absent++;
      else if (kind === INDEX_ZERO) counts.zero++;
      else if (kind === INDEX_STORED) counts.stored++;
      else counts.pointed++;
    }
    return counts;
  }

  encode(): Uint8Array {
    const bytes = new Uint8Array(this.limit * 8);
    const view = new DataView(bytes.buffer);
    for (let gppn = 0; gppn < this.limit; gppn++) {
      view.setUint32(gppn * 4, this.kinds[gppn]!, true);
      view.setUint32((this.limit + gppn) * 4, this.places[gppn]!, true);
    }
    return bytes;
  }

  /** Undefined when it is not one. Whether places exist is for the reader of each file to see. */
  static decode(bytes: Uint8Array, files: number): PageIndex | undefined {
    if (bytes.length % 8 !== 0 || bytes.length / 8 > MAX_GPPNS) return undefined;
    const index = new PageIndex(bytes.length / 8);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    for (let gppn = 0; gppn < index.limit; gppn++) {
      const kind = view.getUint32(gppn * 4, true);
      const place = view.getUint32((index.limit + gppn) * 4, true);
      if (kind >= INDEX_POINTED + files || (kind < INDEX_STORED && place !== 0)) return undefined;
      index.kinds[gppn] = kind;
      index.places[gppn] = place;
    }
    return index;
  }
}

export const groupOf = (place: number): number => Math.floor(place / GROUP_PAGES);
export const slotOf = (place: number): number => place % GROUP_PAGES;
