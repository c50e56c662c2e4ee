/** What every device must show: state that survives save and load exactly, and that refuses anything else without changing. */
import { describe, expect, test } from 'vitest';
import type { Device, IrqLine } from '#engine/devices/device.ts';
import { StateError } from '#engine/errors/errors.ts';
import { MmioBus } from '#engine/machine/mmio-bus.ts';
import { IoPorts } from '#engine/machine/port-bus.ts';
import { VirtualTime } from '#engine/machine/virtual-time.ts';

/** A board with one device on it. */
export class Bench {
  readonly ports = new IoPorts();
  readonly mmio = new MmioBus();
  count = 0;
  readonly time = new VirtualTime(
    () => this.count,
    () => {},
  );
  /** Rising edges seen on each line, and its level now. */
  readonly edges = new Map<number, number>();
  readonly levels = new Map<number, boolean>();

  irq(line: number): IrqLine {
    return {
      set: level => {
        if (level && this.levels.get(line) !== true) this.edges.set(line, (this.edges.get(line) ?? 0) + 1);
        this.levels.set(line, level);
      },
    };
  }

  /** Lets virtual time pass, firing each timer at its own instant. */
  pass(ns: number) {
    const end = this.count + ns;
    for (;;) {
      const next = this.time.nextDeadlineNs();
      if (next === undefined || next > end) break;
      this.count = Math.max(this.count, next);
      this.time.fireDue();
    }
    this.count = end;
  }

  out(port: number, ...values: number[]) {
    for (const value of values) this.ports.out8(port, value);
  }
  in(port: number) {
    return this.ports.in8(port);
  }
}

export type Modify<D> = (bench: Bench, device: D) => void;

/** Every field of the state must differ from the power-on state after at least one of the `steps`; `wired` names those the board holds constant. */
export function deviceContract<D extends Device>(
  name: string,
  make: (bench: Bench) => D,
  steps: readonly Modify<D>[],
  wired: readonly string[] = [],
) {
  const walk = (visit: (bench: Bench, device: D) => void) => {
    const bench = new Bench();
    const device = make(bench);
    for (const step of steps) {
      step(bench, device);
      visit(bench, device);
    }
  };
  const freshAt = (count: number) => {
    const bench = new Bench();
    const device = make(bench);
    bench.count = count;
    return device;
  };

  describe(`${name}: device contract`, () => {
    test('a saved state, loaded into a new device, is saved the same', () => {
      walk((bench, device) => {
        const saved = structuredClone(device.saveState());
        const other = freshAt(bench.count);
        other.loadState(saved);
        expect(other.saveState()).toEqual(saved);
      });
    });

    test('the steps touch every field', () => {
      const initial = leaves(make(new Bench()).saveState());
      const untouched = new Set(initial.keys());
      walk((_bench, device) => {
        for (const [path, value] of leaves(device.saveState())) if (value !== initial.get(path)) untouched.delete(path);
      });
      expect([...untouched].sort()).toEqual([...wired].sort());
    });

    test('a missing or ill-typed field is refused and changes nothing', () => {
      const bench = new Bench();
      const device = make(bench);
      for (const step of steps) step(bench, device);
      const before = structuredClone(device.saveState()) as object;
      const target = freshAt(bench.count);
      const untouched = structuredClone(target.saveState());
      for (const path of paths(before)) {
        for (const damage of [deleteAt, (state: object, at: string[]) => setAt(state, at, new Map())]) {
          const damaged = structuredClone(before);
          damage(damaged, path);
          expect(() => target.loadState(damaged), path.join('.')).toThrow(StateError);
          expect(target.saveState()).toEqual(untouched);
        }
      }
    });

    test('a saved state is a copy', () => {
      const bench = new Bench();
      const device = make(bench);
      const saved = device.saveState();
      const copy = structuredClone(saved);
      for (const step of steps) step(bench, device);
      expect(saved).toEqual(copy);
    });
  });
}

const isPlain = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);

function* paths(state: unknown, prefix: string[] = []): Generator<string[]> {
  if (!isPlain(state)) return;
  for (const [key, value] of Object.entries(state)) {
    yield [...prefix, key];
    yield* paths(value, [...prefix, key]);
  }
}

function leaves(state: unknown): Map<string, string> {
  const out = new Map<string, string>();
  for (const path of paths(state)) {
    const value = path.reduce<unknown>((at, key) => (at as Record<string, unknown>)[key], state);
    if (!isPlain(value)) out.set(path.join('.'), value instanceof Uint8Array ? value.toString() : JSON.stringify(value));
  }
  return out;
}

const parentOf = (state: object, path: string[]) =>
  path.slice(0, -1).reduce<Record<string, unknown>>((at, key) => at[key] as Record<string, unknown>, state as Record<string, unknown>);
function deleteAt(state: object, path: string[]) {
  delete parentOf(state, path)[path.at(-1)!];
}
function setAt(state: object, path: string[], value: unknown) {
  parentOf(state, path)[path.at(-1)!] = value;
}
