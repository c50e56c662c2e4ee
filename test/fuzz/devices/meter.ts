/** Counts what an operation makes the devices do. Steps and bytes, never seconds: a bound does not depend on the host. */
import { POOL_EXHAUSTED } from '#engine/cpu/cpu.ts';
import type { GuestMemory } from '#engine/devices/device.ts';

/** Of one operation, with all that is due after it; the largest of each is printed with the coverage. */
export const BOUNDS = {
  /** Of bus masters. */
  accesses: 24_000,
  bytes: 1 << 20,
  released: 8192,
  submitted: 4500,
  fired: 2000,
} as const;
export type Figure = keyof typeof BOUNDS;

export class Meter {
  readonly now: Record<Figure, number> = { accesses: 0, bytes: 0, released: 0, submitted: 0, fired: 0 };
  readonly most: Record<Figure, number> = { ...this.now };
  /** While set, so many accesses find their page. */
  pagesLeft: number | undefined;

  begin() {
    for (const figure of FIGURES) this.now[figure] = 0;
  }
  /** The first bound that was passed. */
  end(): Figure | undefined {
    let passed: Figure | undefined;
    for (const figure of FIGURES) {
      if (this.now[figure] > this.most[figure]) this.most[figure] = this.now[figure];
      if (this.now[figure] > BOUNDS[figure]) passed ??= figure;
    }
    return passed;
  }
  count(figure: Figure, by = 1) {
    this.now[figure] += by;
    // Far beyond the bound it may never end.
    if (this.now[figure] > 50 * BOUNDS[figure]) throw new Error(`${figure}: more than ${this.now[figure]} in one operation`);
  }

  /** The same memory, for devices. */
  watch(memory: GuestMemory): GuestMemory {
    const plain: GuestMemory = { read: memory.read.bind(memory), write: memory.write.bind(memory) };
    const access = (length: number) => {
      if (this.pagesLeft !== undefined && this.pagesLeft-- <= 0) throw POOL_EXHAUSTED;
      this.count('accesses');
      this.count('bytes', length);
    };
    memory.read = (gpa, into) => {
      access(into.length);
      plain.read(gpa, into);
    };
    memory.write = (gpa, bytes) => {
      access(bytes.length);
      plain.write(gpa, bytes);
    };
    return plain;
  }
}
const FIGURES = Object.keys(BOUNDS) as Figure[];

/** Of each figure. */
export function largest(all: readonly Readonly<Record<Figure, number>>[]): Record<Figure, number> {
  return Object.fromEntries(FIGURES.map(figure => [figure, Math.max(...all.map(each => each[figure]))])) as Record<Figure, number>;
}
