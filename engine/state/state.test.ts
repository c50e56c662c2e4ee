import fc from 'fast-check';
import { expect, test } from 'vitest';
import { StateError } from '#engine/errors/errors.ts';
import {
  bool,
  bytes,
  bytesUpTo,
  decodeState,
  defineState,
  encodeState,
  f64,
  i32,
  list,
  oneOf,
  optional,
  struct,
  text,
  u16,
  u32,
  u53,
  u8,
  type StateOf,
} from './state.ts';

const Cmos = defineState('cmos', 1, { index: u8, nmiMasked: bool, ram: bytes(4) });
const Everything = defineState('everything', 1, {
  a: u8,
  b: u16,
  c: u32,
  d: i32,
  e: u53,
  f: f64,
  g: bool,
  h: bytes(3),
  i: bytesUpTo(5),
  j: text(8),
  k: list(u8, 3),
  l: optional(u8),
  m: struct({ n: oneOf('x', 'y') }),
});
const everything: StateOf<typeof Everything> = {
  a: 255,
  b: 65535,
  c: 0xffff_ffff,
  d: -0x8000_0000,
  e: 2 ** 53 - 1,
  f: -1.5,
  g: true,
  h: new Uint8Array([1, 2, 3]),
  i: new Uint8Array(),
  j: 'text',
  k: [1, 2],
  m: { n: 'x' },
};

const good = { index: 3, nmiMasked: true, ram: new Uint8Array(4) };

test.each([
  ['a missing field', { index: 3, ram: new Uint8Array(4) }, 'cmos.nmiMasked is missing.'],
  ['an unknown field', { ...good, more: 1 }, 'cmos.more is not known.'],
  ['an ill-typed field', { ...good, index: '3' }, 'cmos.index should be an integer from 0 to 255, but is "3".'],
  ['a value out of range', { ...good, index: 256 }, 'cmos.index should be an integer from 0 to 255, but is 256.'],
  ['bytes of another length', { ...good, ram: new Uint8Array(5) }, 'cmos.ram should be 4 bytes, but is 5 bytes.'],
  ['a list instead of an object', [], 'cmos should be an object, but is a list of 0.'],
  ['null', null, 'cmos should be an object, but is null.'],
  ['an inherited property', { __proto__: good }, 'cmos should be an object'],
])('%s is refused with the path', (_, raw, message) => {
  expect(() => Cmos.parse(raw)).toThrow(StateError);
  expect(() => Cmos.parse(raw)).toThrow(message);
});

test('every field of every type survives encoding, and dropping any but the optional one is refused', () => {
  const back = Everything.parse(decodeState(encodeState(everything), 'state'));
  expect(back).toEqual(everything);
  for (const key of Object.keys(everything)) {
    const { [key as 'a']: _, ...rest } = everything;
    expect(() => Everything.parse(rest)).toThrow(`everything.${key} is missing.`);
  }
  expect(Everything.parse({ ...everything, l: 7 }).l).toBe(7);
});

test('paths reach into lists and structs', () => {
  expect(() => Everything.parse({ ...everything, k: [1, 2, 300] })).toThrow('everything.k[2] should be');
  expect(() => Everything.parse({ ...everything, k: [1, 2, 3, 4] })).toThrow(
    'everything.k should be a list of at most 3, but is a list of 4.',
  );
  expect(() => Everything.parse({ ...everything, m: { n: 'z' } })).toThrow('everything.m.n should be "x" or "y", but is "z".');
});

test('the encoding does not depend on the order of the fields', () => {
  expect(encodeState({ b: 1, a: 2, cc: 3 })).toEqual(encodeState({ cc: 3, a: 2, b: 1 }));
});

test('states migrate one version at a time', () => {
  const Timer = defineState(
    'timer',
    3,
    { ns: u53, armed: bool },
    { 1: old => ({ us: old['time'] }), 2: old => ({ ns: Number(old['us']) * 1000, armed: true }) },
  );
  expect(Timer.parseVersion(1, { time: 5 })).toEqual({ ns: 5000, armed: true });
  expect(Timer.parseVersion(2, { us: 6 })).toEqual({ ns: 6000, armed: true });
  expect(Timer.parseVersion(3, { ns: 7, armed: false })).toEqual({ ns: 7, armed: false });
  expect(() => Timer.parseVersion(4, {})).toThrow('by a newer Cairn');
  expect(() => Timer.parseVersion(0, {})).toThrow(StateError);
  expect(() => Timer.parseVersion(1, { time: 'x' })).toThrow('timer.ns should be');
});

test('any bytes decode or are refused with StateError', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), raw => {
      try {
        decodeState(raw, 'state');
      } catch (error) {
        expect(error).toBeInstanceOf(StateError);
      }
    }),
    { numRuns: 3000 },
  );
});

test('bytes that nest or claim too much are refused', () => {
  expect(() => decodeState(new Uint8Array(100_000).fill(0x81), 'state')).toThrow(StateError);
  expect(() => decodeState(new Uint8Array([0x9b, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), 'state')).toThrow(StateError);
  expect(() => decodeState(new Uint8Array([0x5b, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), 'state')).toThrow(StateError);
});
