/** The page index: for each GPPN what it is and where. Two planes of u32, because each compresses better alone. */
import { GROUP_PAGES, GROUP_SHIFT, INDEX_ABSENT, INDEX_POINTED, INDEX_STORED, INDEX_ZERO, MAX_GPPNS } from './layout.ts';

export interface PageCounts {
  readonly stored: number;
  readonly zero: number;
  readonly pointed: number;
  readonly absent: number;
}

/** The planes of the page index of a file that was written or read here. The file's id and the checksum of its commit record say whether it is still that file, and then the index need not be read again. */
export interface KnownIndex {
  readonly id: string;
  readonly commitChecksum: number;
  readonly kinds: Uint32Array;
  readonly places: Uint32Array;
}

export class PageIndex {
  /** INDEX_ABSENT, INDEX_ZERO, INDEX_STORED, or INDEX_POINTED + file. */
  readonly kinds: Uint32Array;
  /** group × GROUP_PAGES + slot of stored and pointed pages. */
  readonly places: Uint32Array;

  constructor(limit: number, kinds: Uint32Array = new Uint32Array(limit), places: Uint32Array = new Uint32Array(limit)) {
    this.kinds = kinds;
    this.places = places;
  }

  /** To be filled, and shared with other threads. */
  static shared(limit: number): PageIndex {
    const plane = () => new Uint32Array(new SharedArrayBuffer(limit * 4));
    return new PageIndex(limit, plane(), plane());
  }

  get limit(): number {
    return this.kinds.length;
  }

  get counts(): PageCounts {
    const { kinds } = this;
    let [stored, zero, absent] = [0, 0, 0];
    for (let gppn = 0; gppn < kinds.length; gppn++) {
      const kind = kinds[gppn]!;
      if (kind === INDEX_ABSENT) absent++;
      else if (kind === INDEX_ZERO) zero++;
      else if (kind === INDEX_STORED) stored++;
    }
    return { stored, zero, pointed: kinds.length - stored - zero - absent, absent };
  }

  /**
   * The first GPPN whose page cannot be where its place is; undefined when all can. `files`: of the file that has kind `first`, and of those that have the next ones, how many pages each group has.
   * Other kinds are not looked at.
   */
  findMisplaced(first: number, files: readonly Uint8Array[]): number | undefined {
    const { kinds, places } = this;
    let lastKind = INDEX_ABSENT;
    let pages: Uint8Array | undefined;
    for (let gppn = 0; gppn < kinds.length; gppn++) {
      const kind = kinds[gppn]!;
      if (kind !== lastKind) pages = files[kind - first];
      lastKind = kind;
      if (pages === undefined) continue;
      const place = places[gppn]!;
      if (!(slotOf(place) < pages[groupOf(place)]!)) return gppn;
    }
    return undefined;
  }

  /** Little-endian, as every host is that runs this. */
  encode(): Uint8Array {
    const words = new Uint32Array(this.limit * 2);
    words.set(this.kinds);
    words.set(this.places, this.limit);
    return new Uint8Array(words.buffer);
  }

  /** Its planes may be `bytes` themselves. Undefined when it is not one. Whether places exist is for the reader of each file to see. */
  static decode(bytes: Uint8Array, files: number): PageIndex | undefined {
    if (bytes.length % 8 !== 0 || bytes.length / 8 > MAX_GPPNS) return undefined;
    const limit = bytes.length / 8;
    const aligned = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice();
    const kinds = new Uint32Array(aligned.buffer, aligned.byteOffset, limit);
    const places = new Uint32Array(aligned.buffer, aligned.byteOffset + limit * 4, limit);
    const end = INDEX_POINTED + files;
    for (let gppn = 0; gppn < limit; gppn++) {
      const kind = kinds[gppn]!;
      if (kind >= end || (kind < INDEX_STORED && places[gppn] !== 0)) return undefined;
    }
    return new PageIndex(limit, kinds, places);
  }
}

export const groupOf = (place: number): number => place >>> GROUP_SHIFT;
export const slotOf = (place: number): number => place & (GROUP_PAGES - 1);
