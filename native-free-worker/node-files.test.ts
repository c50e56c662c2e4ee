import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { StorageError } from '#engine/errors/errors.ts';
import { nodeFiles, openDevice, requireFile, storageError } from './node-files.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-files-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('views of shared memory are written and read, anywhere in the file', () => {
  const path = join(folder, 'file');
  const shared = new Uint8Array(new SharedArrayBuffer(3000)).map((_, index) => index * 7);
  {
    using file = nodeFiles.createExclusive(path);
    file.write(shared.subarray(1000), 500);
    file.write(shared.subarray(0, 500), 0);
    file.sync();
    expect(file.size()).toBe(2500);
  }
  using file = nodeFiles.openRead(path);
  const back = new Uint8Array(new SharedArrayBuffer(4000));
  expect(file.read(back, 0)).toBe(2500);
  expect([...back.subarray(0, 2500)]).toEqual([...shared.subarray(0, 500), ...shared.subarray(1000)]);
  expect(file.read(back, 2400)).toBe(100);
  expect(file.read(back, 9999)).toBe(0);
  expect(nodeFiles.freeBytes(folder)).toBeGreaterThan(0);
});

test('rename replaces, remove forgives, list lists', () => {
  for (const name of ['a', 'b']) nodeFiles.createExclusive(join(folder, name))[Symbol.dispose]();
  nodeFiles.rename(join(folder, 'a'), join(folder, 'b'));
  nodeFiles.syncFolder(folder);
  expect(nodeFiles.list(folder)).toEqual(['b']);
  expect([nodeFiles.exists(join(folder, 'a')), nodeFiles.exists(join(folder, 'b'))]).toEqual([false, true]);
  nodeFiles.remove(join(folder, 'b'));
  nodeFiles.remove(join(folder, 'b'));
  expect(nodeFiles.list(folder)).toEqual([]);
});

test.each<[string, (path: string) => unknown, string, string]>([
  ['a missing file', path => nodeFiles.openRead(path), 'NO_SUCH_FILE', 'cannot be opened: it does not exist.'],
  [
    'a file in a missing folder',
    path => nodeFiles.createExclusive(join(path, 'x')),
    'NO_SUCH_FILE',
    'cannot be created: it does not exist.',
  ],
  ['a missing folder', path => nodeFiles.list(path), 'NO_SUCH_FILE', 'cannot be listed: it does not exist.'],
  ['renaming a missing file', path => nodeFiles.rename(path, `${path}2`), 'NO_SUCH_FILE', 'cannot be written: it does not exist.'],
])('%s is one sentence', (_, act, code, words) => {
  const path = join(folder, 'missing');
  expect(() => act(path)).toThrow(StorageError);
  expect(() => act(path)).toThrow(expect.objectContaining({ code, message: expect.stringContaining(words) }));
});

test('a folder is not a file, and an existing file is not created', () => {
  const path = join(folder, 'there');
  mkdirSync(path);
  expect(() => nodeFiles.openRead(path)).toThrow(expect.objectContaining({ code: 'NOT_A_FILE' }));
  expect(() => nodeFiles.createExclusive(path)).toThrow(expect.objectContaining({ code: 'FILE_EXISTS' }));
});

test('writing to a file that is open for reading fails, and closing twice does not', () => {
  const path = join(folder, 'file');
  nodeFiles.createExclusive(path)[Symbol.dispose]();
  const file = nodeFiles.openRead(path);
  expect(() => file.write(new Uint8Array(1), 0)).toThrow(StorageError);
  file[Symbol.dispose]();
  expect(() => file[Symbol.dispose]()).not.toThrow();
});

test('what the system says of a full disk is said in words', () => {
  expect(storageError(Object.assign(new Error('x'), { code: 'ENOSPC' }), '/a/b', 'written')).toMatchObject({
    code: 'DISK_FULL',
    message: '/a/b cannot be written: the disk is full: make room and try again.',
  });
});

test('an existing file is changed where it is, cut, and made longer with room and without', () => {
  const path = join(folder, 'file');
  nodeFiles.createExclusive(path)[Symbol.dispose]();
  using file = nodeFiles.openWrite(path);
  file.write(new Uint8Array(10).fill(1), 0);
  file.allocate(3_000_000);
  expect(file.size()).toBe(3_000_000);
  file.allocate(100); // it has room for that
  expect(file.size()).toBe(3_000_000);
  file.truncate(5);
  file.truncate(20);
  file.dataSync();
  const bytes = new Uint8Array(30);
  expect(file.read(bytes, 0)).toBe(20);
  expect([...bytes.subarray(0, 20)]).toEqual([...Array.from({ length: 5 }, () => 1), ...Array.from({ length: 15 }, () => 0)]);
});

test('a symbolic link has the path of what it leads to', () => {
  const path = join(folder, 'file');
  nodeFiles.createExclusive(path)[Symbol.dispose]();
  symlinkSync('file', join(folder, 'link'));
  expect(nodeFiles.realPath(join(folder, 'link'))).toBe(nodeFiles.realPath(path));
  expect(() => nodeFiles.realPath(join(folder, 'none'))).toThrow('it does not exist');
  expect(() => nodeFiles.openWrite(join(folder, 'none'))).toThrow('it does not exist');
});

test('a file is looked at, and cloned where the storage can; never over another', () => {
  const path = join(folder, 'file');
  {
    using file = nodeFiles.createExclusive(path);
    file.write(new Uint8Array(5000).fill(3), 0);
  }
  const { sizeBytes, modifiedMs } = nodeFiles.stat(path);
  expect(sizeBytes).toBe(5000);
  expect(Math.abs(modifiedMs - Date.now())).toBeLessThan(60_000);
  const cloned = nodeFiles.clone(path, `${path}2`);
  expect(nodeFiles.exists(`${path}2`)).toBe(cloned);
  if (cloned) expect(nodeFiles.stat(`${path}2`).sizeBytes).toBe(5000);
  else nodeFiles.createExclusive(`${path}2`)[Symbol.dispose]();
  expect(() => nodeFiles.clone(path, `${path}2`)).toThrow(expect.objectContaining({ code: 'FILE_EXISTS' }));
  expect(() => nodeFiles.clone(join(folder, 'none'), `${path}3`)).toThrow(StorageError);
  expect(() => nodeFiles.stat(join(folder, 'none'))).toThrow('it does not exist');
});

test.each<[string, (path: string) => void, string]>([
  ['a pipe', path => void execFileSync('mkfifo', [path]), 'it is a pipe, not a regular file'],
  ['an endless device', path => symlinkSync('/dev/zero', path), 'it is a device, not a regular file'],
  ['a pipe behind a link', path => void (execFileSync('mkfifo', [`${path}.pipe`]), symlinkSync(`${path}.pipe`, path)), 'it is a pipe'],
  ['a folder', path => mkdirSync(path), 'it is a folder'],
])('%s is refused without being waited for', (_, make, words) => {
  const path = join(folder, 'odd');
  make(path);
  const refused = expect.objectContaining({ code: 'NOT_A_FILE', message: expect.stringContaining(words) });
  for (const open of [nodeFiles.openRead, nodeFiles.openWrite, requireFile, (from: string) => nodeFiles.clone(from, join(folder, 'copy'))])
    expect(() => open(path)).toThrow(refused);
  expect(() => openDevice(path, 'read')).toThrow(expect.objectContaining({ code: 'NOT_A_FILE' }));
});

test('a file that may be missing is no failure', () => {
  for (const path of [join(folder, 'missing'), join(folder, 'missing', 'deeper')]) expect(() => requireFile(path)).not.toThrow();
});
