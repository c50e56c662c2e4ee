/** A seeded generator (mulberry32) and the values at which arithmetic goes wrong. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  u32(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let x = this.#state;
    x = Math.imul(x ^ (x >>> 15), x | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return (x ^ (x >>> 14)) >>> 0;
  }

  below(n: number): number {
    return this.u32() % n;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T;
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  /** A 32-bit value, often an edge of 8, 16 or 32 bits, sometimes one edge above another. */
  edge(): number {
    switch (this.below(4)) {
      case 0:
        return this.u32();
      case 1:
        return ((this.u32() & 0xffff0000) | (this.pick(edges) & 0xffff)) >>> 0;
      case 2:
        return ((this.u32() & 0xffffff00) | (this.pick(edges) & 0xff)) >>> 0;
      default:
        return this.pick(edges);
    }
  }
}

const edges = [
  0, 1, 2, 3, 7, 9, 0x0a, 0x0f, 0x10, 0x1f, 0x20, 0x7f, 0x80, 0x81, 0x99, 0xfe, 0xff, 0x100, 0x7fff, 0x8000, 0x8001, 0xfffe, 0xffff,
  0x10000, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff,
] as const;
