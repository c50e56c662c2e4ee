import { describe, expect, test } from 'vitest';
import { StateError } from '#engine/errors/errors.ts';
import { defineState, u8 } from '../state/state.ts';
import { readyAll, type StatefulDevice } from './saved-machine.ts';
import { StateHash } from './state-hash.ts';

const Byte = defineState('byte', 2, { value: u8 }, { 1: old => ({ value: (old['half'] as number) * 2 }) });

function board() {
  const values: Record<string, number> = { a: 0, b: 0 };
  const device = (name: string): StatefulDevice => ({
    name,
    definition: Byte,
    device: {
      reset() {},
      saveState: () => ({ value: values[name] }),
      loadState: raw => {
        values[name] = Byte.parse(raw).value;
      },
    },
  });
  return { values, devices: [device('a'), device('b')] };
}

const loadAll = (...of: Parameters<typeof readyAll>) => readyAll(...of)();

describe('loading a machine', () => {
  test('takes older versions', () => {
    const { values, devices } = board();
    loadAll(devices, [
      { name: 'b', version: 1, state: { half: 4 } },
      { name: 'a', version: 2, state: { value: 3 } },
    ]);
    expect(values).toEqual({ a: 3, b: 8 });
  });

  test.each([
    ['a device is missing', [{ name: 'a', version: 2, state: { value: 3 } }]],
    [
      'a device is unknown',
      [
        { name: 'a', version: 2, state: { value: 3 } },
        { name: 'b', version: 2, state: { value: 3 } },
        { name: 'c', version: 2, state: {} },
      ],
    ],
    [
      'a device is there twice',
      [
        { name: 'a', version: 2, state: { value: 3 } },
        { name: 'a', version: 2, state: { value: 3 } },
      ],
    ],
    [
      'the last one is damaged',
      [
        { name: 'a', version: 2, state: { value: 3 } },
        { name: 'b', version: 2, state: { value: 300 } },
      ],
    ],
    [
      'a version is newer',
      [
        { name: 'a', version: 2, state: { value: 3 } },
        { name: 'b', version: 3, state: { value: 3 } },
      ],
    ],
  ])('changes nothing when %s', (_name, saved) => {
    const { values, devices } = board();
    expect(() => loadAll(devices, saved)).toThrow(StateError);
    expect(values).toEqual({ a: 0, b: 0 });
  });
});

test('the digest tells apart order, position and single bits', () => {
  const digest = (...words: number[]) => {
    const hash = new StateHash();
    hash.words(Uint32Array.from(words));
    return hash.hex();
  };
  const all = [digest(), digest(0), digest(0, 0), digest(1, 2), digest(2, 1), digest(1), digest(0x80000001)];
  expect(new Set(all).size).toBe(all.length);
  expect(digest(1, 2)).toBe(digest(1, 2));
});
