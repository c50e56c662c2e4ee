import { expect, test } from 'vitest';
import { FIXED_GENERATION, generationBytes, newGeneration, randomSource } from './outside.ts';

const draw = (source: (into: Uint8Array) => void, length = 40) => {
  const bytes = new Uint8Array(length);
  source(bytes);
  return Buffer.from(bytes).toString('hex');
};

test('generations are 16 bytes, and no two alike', () => {
  const made = Array.from({ length: 100 }, newGeneration);
  expect(new Set(made).size).toBe(100);
  expect(made.every(digits => generationBytes(digits).length === 16)).toBe(true);
  expect(generationBytes(FIXED_GENERATION)).toEqual(new Uint8Array(16));
});

test('random numbers are the host’s', () => {
  const sources = [randomSource('host', () => 0), randomSource('host', () => 0)];
  expect(new Set(sources.flatMap(source => [draw(source), draw(source)])).size).toBe(4);
});

test('in a run that is repeated they follow from virtual time and nothing else', () => {
  const times = [5, 5, 7, 2 ** 52, 2 ** 52];
  const run = () => {
    let at = 0;
    const source = randomSource('virtual', () => times[at]!);
    return times.map((_, i) => ((at = i), draw(source)));
  };
  const first = run();
  expect(new Set(first).size).toBe(times.length);
  expect(run()).toEqual(first);
});
