/**
 * Duplicate pages are written once (§138): a page equal to one that is in the file already gets its place. Equal means the same machine page, or compared byte for byte; the hash only finds
 * candidates.
 */
import { pageHash, samePages } from './page-hash.ts';
import type { FrozenPages } from './ports.ts';

const EMPTY = 0xffff_ffff;
/** Machine pages remembered, each in the place that its number ends with. */
const PPN_MASK = 0xffff;

export class Duplicates {
  private readonly pages: Pick<FrozenPages, 'limit' | 'ppn' | 'page'>;
  private readonly hashOf: (gppn: number) => number;
  /** Open addressing, never more than half full. */
  private readonly gppns: Uint32Array;
  private readonly hashes: Uint32Array;
  private readonly mask: number;
  private readonly byPpn = new Uint32Array(PPN_MASK + 1).fill(EMPTY);

  /** `hashOf`: a page's pageHash(), for who remembers it. */
  constructor(pages: Pick<FrozenPages, 'limit' | 'ppn' | 'page'>, hashOf = (gppn: number) => pageHash(pages.page(gppn))) {
    this.pages = pages;
    this.hashOf = hashOf;
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(8, pages.limit * 2)));
    this.gppns = new Uint32Array(capacity).fill(EMPTY);
    this.hashes = new Uint32Array(capacity);
    this.mask = capacity - 1;
  }

  /** The GPPN of an equal page that was asked for before; undefined when `gppn` is the first. */
  find(gppn: number): number | undefined {
    const ppn = this.pages.ppn(gppn);
    const shared = this.byPpn[ppn & PPN_MASK]!;
    if (shared !== EMPTY && this.pages.ppn(shared) === ppn) return shared;
    this.byPpn[ppn & PPN_MASK] = gppn;
    return this.findEqual(gppn, this.hashOf(gppn));
  }

  private findEqual(gppn: number, hash: number): number | undefined {
    const page = this.pages.page(gppn);
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
