import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readBounded, readBoundedText } from './bounded-read.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-bounded-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('a file of at most the size is read whole', () => {
  const path = join(folder, 'file');
  writeFileSync(path, 'zwölf');
  expect(readBoundedText(path, 6)).toBe('zwölf');
  expect(readBounded(path, 6)).toHaveLength(6);
});

test('a larger one is not read at all, however large it says to be', () => {
  const path = join(folder, 'file');
  writeFileSync(path, 'x');
  truncateSync(path, 2 ** 40);
  expect(() => readBounded(path, 1000)).toThrow(
    expect.objectContaining({ code: 'FILE_TOO_LARGE', message: expect.stringContaining('1099511627776 bytes') }),
  );
});
