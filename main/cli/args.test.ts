import { describe, expect, test } from 'vitest';
import { parseBytes, parseMemory, readArguments } from './args.ts';

describe('sizes', () => {
  test.each([
    ['1.5G', 1.5 * 2 ** 30],
    ['1,5G', 1.5 * 2 ** 30],
    ['0.5T', 2 ** 39],
    ['1.5 GiB', 1.5 * 2 ** 30],
    ['1.125g', 1.125 * 2 ** 30],
    ['64K', 65_536],
    ['65536', 65_536],
    ['512B', 512],
    ['10GB', 10 * 2 ** 30],
  ])('%s is %i bytes', (text, bytes) => expect(parseBytes('--size', text)).toBe(bytes));

  test.each([
    ['1.5G', 1536],
    ['0,5G', 512],
    ['64', 64],
    ['1T', 2 ** 20],
    ['2048K', 2],
  ])('%s of memory are %i MiB', (text, mib) => expect(parseMemory('--memory', text)).toBe(mib));

  test.each([
    ['1,024M', /^--size 1,024M is no size: write it as 512M, 2G or 1.5G, or in bytes\.$/],
    ['0.3G', /not a whole number of bytes: write it in a smaller unit/],
    ['1.5', /not a whole number of bytes/],
    ['999999999999999T', /is too large/],
    ['-1G', /is no size/],
    ['1.5.5G', /is no size/],
    ['.5G', /is no size/],
    ['5iB', /is no size/],
  ])('%s is refused in a sentence', (text, words) => expect(() => parseBytes('--size', text)).toThrow(words));

  test('half a MiB of memory, and a byte, are refused', () => {
    expect(() => parseMemory('the size', '1.5')).toThrow('the size 1.5 is not a whole number of MiB.');
    expect(() => parseMemory('the size', '512B')).toThrow('the size 512B is not a whole number of MiB.');
  });
});

test.each([
  [['--foo'], 'there is no option --foo'],
  [['-x'], 'there is no option -x'],
  [['--memory'], '--memory needs a value'],
  [['--memory', '--json'], '--memory needs a value'],
  [['--json=1'], '--json takes no value'],
])('%j is refused in our own words', (argv, words) => {
  expect(() => readArguments('run', argv, ['[FILE]'], { memory: { type: 'string' } })).toThrow(words);
});
