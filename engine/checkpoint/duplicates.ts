/** Duplicate pages are written once (§138): a page equal to one that is in the file already gets its place. Equal means compared byte for byte; the hash only finds candidates. */
import { pageHash, samePages } from './page-hash.ts';
import type { FrozenPages } from './ports.ts';

const EMPTY = 0xffff_ffff;

export class Duplicates {
  private readonly pages: FrozenPages;
  /** Open addressing, never more than half full. */
  private readonly gppns: Uint32Array;
  private readonly hashes: Uint32Array;
  private readonly mask: number;

  constructor(pages: FrozenPages) {
    this.pages = pages;
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(8, pages.limit * 2)));
    this.gppns = new Uint32Array(capacity).fill(EMPTY);
    this.hashes = new Uint32Array(capacity);
    this.mask = capacity - 1;
  }

  /** The GPPN of an equal page that was asked for before; undefined when `gppn` is the first. */
  find(gppn: number): number | undefined {
    const page = this.pages.page(gppn);
    const hash = pageHash(page);
    for (let slot = hash & this.mask; ; slot = (slot + 1) & this.mask) {
      const other = this.gppns[slot]!;
      if (other === EMPTY) {
        this.gppns[slot] = gppn;
        this.hashes[slot] = hash;
        return undefined;
      }
      if (this.hashes[slot] !== hash) continue;
      if (this.pages.ppn(other) === 0) {
        this.gppns[slot] = gppn; // that one was given back: nobody can compare with it any more
        return undefined;
      }
      if (samePages(page, this.pages.page(other))) return other;
    }
  }
}
