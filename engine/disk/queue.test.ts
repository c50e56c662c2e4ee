import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { DiskQueue, hasReadThenWrite, type BlockRange, type QueuedOperation } from './queue.ts';

const SIZE = 32;
const GROUP = 4;

interface Operation extends BlockRange {
  readonly id: number;
}
type Step = Operation | 'marker';

/** A byte array that is a chain: each generation is a COW disk that copies whole groups from the one below. */
class Model {
  readonly layers: Map<number, Uint8Array>[] = [new Map()];
  private readonly base = new Uint8Array(SIZE).map((_, i) => 200 + i);

  /** Step 802: a new COW disk on top. */
  push(): void {
    this.layers.push(new Map());
  }

  read(generation: number, at: number): number {
    for (let layer = generation; layer >= 0; layer--) {
      const group = this.layers[layer]!.get(Math.floor(at / GROUP));
      if (group) return group[at % GROUP]!;
    }
    return this.base[at]!;
  }

  write(generation: number, at: number, value: number): void {
    const layer = this.layers[generation]!;
    const group = Math.floor(at / GROUP);
    if (!layer.has(group)) {
      layer.set(
        group,
        new Uint8Array(GROUP).map((_, i) => this.read(generation, group * GROUP + i)),
      );
    }
    layer.get(group)![at % GROUP] = value;
  }

  /** Bytes that a read has seen. */
  execute({ operation: { id, kind, offset, length }, generation }: QueuedOperation<Operation>): number[] {
    const seen = [];
    for (let at = offset; at < offset + length; at++) {
      if (kind === 'read') seen.push(this.read(generation, at));
      else if (kind !== 'flush') this.write(generation, at, kind === 'write' ? id : 0);
    }
    return seen;
  }

  contents(generation: number): number[] {
    return Array.from({ length: SIZE }, (_, at) => this.read(generation, at));
  }
}

const range = fc
  .tuple(fc.nat(SIZE - 1), fc.integer({ min: 1, max: 9 }))
  .map(([offset, length]) => ({ offset, length: Math.min(length, SIZE - offset) }));
const step = fc.oneof(
  { weight: 4, arbitrary: range.map(where => ({ kind: 'read' as const, ...where })) },
  { weight: 5, arbitrary: range.map(where => ({ kind: 'write' as const, ...where })) },
  { weight: 1, arbitrary: range.map(where => ({ kind: 'discard' as const, ...where })) },
  { weight: 1, arbitrary: fc.constant({ kind: 'flush' as const, offset: 0, length: 0 }) },
  { weight: 1, arbitrary: fc.constant('marker' as const) },
);
const steps = fc.array(step, { maxLength: 24 }).map(all => all.map((one, id): Step => (one === 'marker' ? one : { id: id + 1, ...one })));

function inTurn(all: Step[]) {
  const model = new Model();
  const reads = new Map<number, number[]>();
  let generation = 0;
  for (const one of all) {
    if (one === 'marker') {
      model.push();
      generation++;
    } else reads.set(one.id, model.execute({ operation: one, generation }));
  }
  return { model, reads };
}

describe('whatever the executor picks', () => {
  test('reads and contents of every layer are those of executing one after the other', () => {
    fc.assert(
      fc.property(steps, fc.infiniteStream(fc.nat()), fc.boolean(), (all, choices, greedy) => {
        const queue = new DiskQueue<Operation>(GROUP);
        const model = new Model();
        const reads = new Map<number, number[]>();
        const choose = (from: number) => choices.next().value! % from;
        const left = [...all];
        const started: QueuedOperation<Operation>[] = [];
        while (left.length > 0 || queue.length > 0) {
          const adding = left.length > 0 && (greedy || choose(3) > 0 || queue.length === 0);
          if (adding) {
            const one = left.shift()!;
            if (one === 'marker') {
              model.push();
              queue.marker(GROUP);
            } else queue.add(one);
            continue;
          }
          const ready = queue.ready();
          expect(ready.length + started.length).toBeGreaterThan(0);
          if (ready.length > 0 && (started.length === 0 || choose(2) === 0)) {
            const picked = ready[choose(ready.length)]!;
            queue.start(picked);
            started.push(picked);
            continue;
          }
          const [ending] = started.splice(choose(started.length), 1);
          if (choose(8) === 0) {
            queue.held(ending!);
            queue.retry();
            continue;
          }
          reads.set(ending!.operation.id, model.execute(ending!));
          queue.ended(ending!);
        }
        const reference = inTurn(all);
        expect([...reads].toSorted(([a], [b]) => a - b)).toEqual([...reference.reads].toSorted(([a], [b]) => a - b));
        for (const generation of model.layers.keys()) expect(model.contents(generation)).toEqual(reference.model.contents(generation));
      }),
      { numRuns: 2000 },
    );
  });
});

const operation = (id: number, kind: Operation['kind'], offset = 0, length = 0): Operation => ({ id, kind, offset, length });
const ids = (queued: readonly QueuedOperation<Operation>[]) => queued.map(({ operation: { id } }) => id);

describe('the order', () => {
  test('reads go first, but not for ever', () => {
    const queue = new DiskQueue<Operation>(GROUP);
    queue.add(operation(0, 'write', 0, 4));
    for (let id = 1; id < 50; id++) queue.add(operation(id, 'read', 8, 4));
    const order = [];
    for (let next = queue.next(); next !== undefined; next = queue.next()) {
      order.push(next.operation.id);
      queue.ended(next);
    }
    expect(order.indexOf(0)).toBe(32);
  });

  test('a flush waits for the changes before it, and holds nothing up', () => {
    const queue = new DiskQueue<Operation>(GROUP);
    queue.add(operation(1, 'write', 0, 4));
    queue.add(operation(2, 'flush'));
    queue.add(operation(3, 'write', 8, 4));
    expect(ids(queue.ready())).toEqual([1, 3]);
    const [first] = queue.ready();
    queue.start(first!);
    queue.ended(first!);
    expect(ids(queue.ready())).toEqual([2, 3]);
  });

  test('step 854: a new write waits for an old one of the same block group, a step that sequence alone does not ask for', () => {
    const queue = new DiskQueue<Operation>(GROUP);
    queue.add(operation(1, 'write', 0, 1));
    queue.marker(GROUP);
    queue.add(operation(2, 'write', 3, 1)); // the same group of four
    queue.add(operation(3, 'write', 4, 1)); // the next one
    queue.add(operation(4, 'read', 3, 1)); // what 2 writes
    expect(ids(queue.ready())).toEqual([1, 3]);

    // What it is for: executed first, the copy of the group would keep byte 0 as it was.
    const model = new Model();
    model.push();
    model.write(1, 3, 2);
    model.write(0, 0, 1);
    expect(model.read(1, 0)).not.toBe(1);
  });

  test('step 854 counts in groups of the new disk, whatever the old one has', () => {
    const queue = new DiskQueue<Operation>(1);
    queue.add(operation(1, 'write', 0, 1));
    queue.marker(16);
    queue.add(operation(2, 'discard', 15, 1));
    queue.marker(2);
    queue.add(operation(3, 'write', 2, 1));
    expect(ids(queue.ready())).toEqual([1, 3]);
  });

  test('step 815: an old read is done again from its own layer, before or after a new write', () => {
    const queue = new DiskQueue<Operation>(GROUP);
    queue.marker(GROUP);
    queue.add(operation(1, 'write', 0, 4));
    queue.add(operation(2, 'read', 0, 4), 0);
    queue.add(operation(3, 'read', 0, 4));
    expect(ids(queue.ready())).toEqual([1, 2]);
    expect(queue.uses(0)).toBe(true);
    expect(() => queue.add(operation(4, 'write', 0, 4), 0)).toThrow('generation');
  });

  test('a held operation holds up what depends on it, until it is tried again or given up', () => {
    const queue = new DiskQueue<Operation>(GROUP);
    queue.add(operation(1, 'write', 0, 4));
    queue.add(operation(2, 'read', 0, 4));
    queue.add(operation(3, 'read', 8, 4));
    const [write] = queue.ready();
    queue.start(write!);
    queue.held(write!);
    expect(ids(queue.ready())).toEqual([3]);
    queue.retry();
    expect(ids(queue.ready())).toEqual([1, 3]);
    queue.start(write!);
    queue.held(write!);
    expect(ids(queue.takeHeld())).toEqual([1]);
    expect(ids(queue.ready())).toEqual([2, 3]);
  });
});

test('step 812: a read followed by a change of the same blocks, and nothing else', () => {
  const on = (disk: number, kind: Operation['kind'], offset: number, length: number) => ({ disk, kind, offset, length });
  expect(hasReadThenWrite([on(0, 'read', 0, 8), on(0, 'write', 4, 8)])).toBe(true);
  expect(hasReadThenWrite([on(0, 'read', 0, 8), on(0, 'write-zeroes', 7, 1)])).toBe(true);
  expect(hasReadThenWrite([on(0, 'write', 4, 8), on(0, 'read', 0, 8)])).toBe(false);
  expect(hasReadThenWrite([on(0, 'read', 0, 8), on(0, 'write', 8, 8)])).toBe(false);
  expect(hasReadThenWrite([on(0, 'read', 0, 8), on(1, 'write', 4, 8)])).toBe(false);
  expect(hasReadThenWrite([on(0, 'read', 0, 8), on(0, 'read', 4, 8), on(0, 'flush', 0, 0)])).toBe(false);
});
