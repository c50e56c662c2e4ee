/** Pages of which every word is the same, so that one number says what is in a page. */
import { PAGE_SIZE } from '#engine/memory/layout.ts';
import type { LoneMmm } from './lone-mmm.ts';

/** `address`: in the memory of `lone`, as its exports answer it. */
export function stampedPages({ memory, mmm }: LoneMmm) {
  const words = (address: number) => new Uint32Array(memory, address, PAGE_SIZE / 4);
  const fill = (address: number, value: number): void => void words(address).fill(value);
  /** -1 where the words differ. */
  const valueAt = (address: number): number => {
    const page = words(address);
    return page[0] === page[PAGE_SIZE / 4 - 1] ? page[0]! : -1;
  };
  const write = (gppn: number, value: number) => fill(mmm.pageForWrite(gppn), value);
  const read = (gppn: number) => valueAt(mmm.pageForRead(gppn));
  return { fill, write, valueAt, read };
}
