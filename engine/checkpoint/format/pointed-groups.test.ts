import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MAX_GROUPS } from './layout.ts';
import { decodeGroupNumbers, encodeGroupNumbers } from './pointed-groups.ts';

describe('group numbers', () => {
  test('come back as they were, whatever their order', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(MAX_GROUPS - 1)), groups => {
        expect(decodeGroupNumbers(encodeGroupNumbers(new Set(groups)))).toEqual(new Set(groups.toSorted((a, b) => a - b)));
      }),
    );
  });

  test('take a byte each where they lie close together', () => {
    expect(encodeGroupNumbers(new Set([0, 1, 2, 130]))).toEqual(Uint8Array.of(0, 0, 0, 127));
    expect(encodeGroupNumbers(new Set([128]))).toEqual(Uint8Array.of(0x80, 1));
  });

  test.each([
    ['cut off', [0x80]],
    ['longer than any number', [0x80, 0x80, 0x80, 0x80, 1]],
    ['past the last group', [...encodeGroupNumbers(new Set([MAX_GROUPS - 1])), 0]],
  ])('are refused when they are %s', (_, bytes) => {
    expect(decodeGroupNumbers(Uint8Array.from(bytes))).toBeUndefined();
  });
});
