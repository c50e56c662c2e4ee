import { expect, test } from 'vitest';
import { DEFAULT_DEPTH, deepestChain, LEAST_DEPTH, shortening } from './depth.ts';
import type { PlannedLayer } from './plan.ts';

/** Layers that are put on the last one, one after the other, and chains that are shortened whenever that can be done. */
class Growing {
  layers: PlannedLayer[] = [];
  copiedBytes = 0;
  private readonly depth: number;

  constructor(depth: number) {
    this.depth = depth;
  }

  put(on: string, fileBytes = 1): string {
    const id = String(this.layers.length);
    this.layers.push({ id, on: on as 'base', parentId: undefined, carries: id, fileBytes, hasSum: true });
    return id;
  }

  /** What the guest writes is the last layer, and it may not change. */
  tidy(): void {
    const top = this.layers.at(-1);
    for (;;) {
      const found = shortening(this.layers, { depth: this.depth, mayChange: layer => layer !== top, mayDrop: () => true });
      if (found === undefined) return;
      const { layer, through } = found;
      let added = 0;
      let at: string = layer.on;
      for (let below = ''; below !== through.id; at = this.layers[Number(below)]!.on) {
        below = at;
        added += this.layers[Number(below)]!.fileBytes;
      }
      this.copiedBytes += added;
      this.layers[Number(layer.id)] = { ...layer, on: through.on, fileBytes: layer.fileBytes + added };
    }
  }
}

test.each([
  [DEFAULT_DEPTH, 1500, 3],
  [16, 1500, 5],
  [LEAST_DEPTH, 500, 6],
])('chains of at most %i files: of %i layers of one size each is copied %i times at most', (depth, count, times) => {
  const growing = new Growing(depth);
  let tip = growing.put('base');
  for (let n = 1; n < count; n++) {
    tip = growing.put(tip);
    growing.tidy();
    expect(deepestChain(growing.layers)).toBeLessThanOrEqual(depth);
  }
  expect(growing.copiedBytes).toBeGreaterThan(0);
  expect(growing.copiedBytes).toBeLessThanOrEqual(times * count);
});

test('a chain that is far too long becomes short, whatever is small and large in it', () => {
  const growing = new Growing(DEFAULT_DEPTH);
  let tip = growing.put('nothing', 1_000_000);
  for (let n = 1; n < 3000; n++) tip = growing.put(tip, (n * 7919) % 100);
  growing.tidy();
  expect(deepestChain(growing.layers)).toBeLessThanOrEqual(DEFAULT_DEPTH);
  expect(growing.copiedBytes).toBeLessThan(3000 * 50 * 3);
});

test('every branch becomes short', () => {
  const growing = new Growing(16);
  for (let n = 0; n < 200; n++) growing.put(n === 0 ? 'base' : String(n - 1));
  for (let from = 10; from < 200; from += 10) for (let n = 0, on = String(from); n < 20; n++) on = growing.put(on);
  growing.tidy();
  expect(deepestChain(growing.layers)).toBeLessThanOrEqual(16);
});

test('what hangs in a circle is no chain', () => {
  const growing = new Growing(4);
  growing.put('1');
  growing.put('0');
  growing.tidy();
  expect([deepestChain(growing.layers), growing.copiedBytes]).toEqual([0, 0]);
});
