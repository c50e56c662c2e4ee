import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { nodeFolders } from './node-folders.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-folders-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('a folder is made with those above it, or left as it is', () => {
  const path = join(folder, 'a', 'b', 'c');
  nodeFolders.make(path);
  nodeFolders.make(path);
  expect(existsSync(path)).toBe(true);
  symlinkSync(path, join(folder, 'link'));
  nodeFolders.make(join(folder, 'link', 'd'));
  expect(existsSync(join(path, 'd'))).toBe(true);
});

test.each([
  ['below a file', () => (writeFileSync(join(folder, 'file'), ''), join(folder, 'file', 'x')), 'FILE_EXISTS'],
  ['in the place of a file', () => (writeFileSync(join(folder, 'file'), ''), join(folder, 'file')), 'FILE_EXISTS'],
  [
    'behind a link that leads nowhere',
    () => (symlinkSync(join(folder, 'none'), join(folder, 'link')), join(folder, 'link')),
    'FILE_EXISTS',
  ],
  ['where nobody can make one, which made Node try for ever', () => '/proc/cairn/x', 'NO_SUCH_FILE'],
])('one %s is refused', (_, place, code) => {
  expect(() => nodeFolders.make(place())).toThrow(expect.objectContaining({ code }));
});

test('a new one is new', () => {
  mkdirSync(join(folder, 'a'));
  expect(() => nodeFolders.makeNew(join(folder, 'a'))).toThrow(expect.objectContaining({ code: 'FILE_EXISTS' }));
});

test('a tree is removed, of a link only the link', () => {
  mkdirSync(join(folder, 'a', 'b'), { recursive: true });
  symlinkSync(join(folder, 'a'), join(folder, 'link'));
  nodeFolders.removeTree(join(folder, 'link'));
  expect(existsSync(join(folder, 'a', 'b'))).toBe(true);
  nodeFolders.removeTree(join(folder, 'a'));
  nodeFolders.removeTree(join(folder, 'a'));
  expect(existsSync(join(folder, 'a'))).toBe(false);
});
