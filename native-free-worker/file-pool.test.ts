import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { descriptorLimit } from './descriptors.ts';
import { budgetFor, filePool } from './file-pool.ts';
import { keptNodeFiles, nodeFiles, storageError } from './node-files.ts';

let folder: string;
const usual = filePool.budget;
beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'cairn-pool-'));
  filePool.budget = 4;
});
afterEach(() => {
  filePool.budget = usual;
  if (filePool.openCount > 0) throw new Error('a descriptor was left behind');
  fs.rmSync(folder, { recursive: true });
});

const pathOf = (name: string | number) => join(folder, String(name));
const put = (name: string | number, text: string) => fs.writeFileSync(pathOf(name), text);
const read = (file: { read(into: Uint8Array, at: number): number }) => {
  const bytes = new Uint8Array(20);
  return new TextDecoder().decode(bytes.subarray(0, file.read(bytes, 0)));
};
/** Makes the pool close what it may. */
function crowd(): void {
  using files = new DisposableStack();
  for (let n = 0; n < 4; n++) {
    put(`other-${n}`, '');
    files.use(nodeFiles.openRead(pathOf(`other-${n}`)));
  }
}
function linkOf(fd: string): string | undefined {
  try {
    return fs.readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return undefined; // the listing's own
  }
}
const descriptors = () => fs.readdirSync('/proc/self/fd').length;

test('hundreds of files are open at once through four descriptors', () => {
  using files = new DisposableStack();
  for (let n = 0; n < 500; n++) put(n, `file ${n}`);
  const before = process.platform === 'linux' ? descriptors() : 0;
  const open = Array.from({ length: 500 }, (_, n) => files.use(nodeFiles.openRead(pathOf(n))));
  for (const n of [0, 499, 250, 0, 1]) expect(read(open[n]!)).toBe(`file ${n}`);
  expect(open.map(read)).toEqual(open.map((_, n) => `file ${n}`));
  expect(filePool.openCount).toBe(4);
  if (process.platform === 'linux') expect(descriptors()).toBe(before + 4);
});

test.runIf(process.platform === 'linux')(
  'what was written and not synced keeps its descriptor, which hears of what the disk could not do',
  () => {
    put('written', 'before');
    using file = nodeFiles.openWrite(pathOf('written'));
    const isOpen = () => fs.readdirSync('/proc/self/fd').some(fd => linkOf(fd) === pathOf('written'));
    for (const change of [() => file.write(new TextEncoder().encode('AFTER!'), 0), () => file.truncate(3), () => file.allocate(5)]) {
      change();
      crowd();
      expect(isOpen()).toBe(true);
      file.sync();
      crowd();
      expect(isOpen()).toBe(false);
    }
    expect(read(file)).toBe('AFT\0\0');
  },
);

test('with more files written to than there is room for, all stay open', () => {
  using files = new DisposableStack();
  const open = Array.from({ length: 9 }, (_, n) => files.use(nodeFiles.createExclusive(pathOf(n))));
  for (const file of open) file.write(Uint8Array.of(65), 0);
  expect(filePool.openCount).toBe(9);
  for (const file of open) file.sync();
  crowd();
  expect(filePool.openCount).toBeLessThanOrEqual(4);
  expect(open.map(read)).toEqual(open.map(() => 'A'));
});

test('another file in its place is an error, never other data; the old one put back is the file again', () => {
  put('file', 'mine');
  using file = nodeFiles.openRead(pathOf('file'));
  crowd();
  fs.renameSync(pathOf('file'), pathOf('aside'));
  expect(() => read(file)).toThrow(expect.objectContaining({ code: 'NO_SUCH_FILE' }));
  put('file', 'other');
  expect(() => read(file)).toThrow(expect.objectContaining({ code: 'FILE_REPLACED', message: expect.stringContaining(pathOf('file')) }));
  fs.renameSync(pathOf('aside'), pathOf('file'));
  expect(read(file)).toBe('mine');
});

test('a file that is kept is read though another process has replaced it', () => {
  put('file', 'mine');
  using file = keptNodeFiles.openRead(pathOf('file'));
  crowd();
  fs.rmSync(pathOf('file'));
  put('file', 'other');
  expect(read(file)).toBe('mine');
});

test('files that this thread renames, replaces or removes while they are open are what they were', () => {
  put('a', 'a');
  put('b', 'b');
  put('c', 'c');
  using a = nodeFiles.openWrite(pathOf('a'));
  using b = nodeFiles.openRead(pathOf('b'));
  using c = nodeFiles.openRead(pathOf('c'));
  crowd();
  nodeFiles.rename(pathOf('a'), pathOf('b'));
  nodeFiles.remove(pathOf('c'));
  crowd();
  expect([read(a), read(b), read(c)]).toEqual(['a', 'b', 'c']);
  nodeFiles.rename(pathOf('b'), pathOf('d'));
  crowd();
  expect(read(a)).toBe('a');
});

test('a host that has no descriptor left gets those of files that nobody uses now', () => {
  using files = new DisposableStack();
  filePool.budget = 100;
  for (let n = 0; n < 5; n++) put(n, `${n}`);
  const open = Array.from({ length: 5 }, (_, n) => files.use(nodeFiles.openRead(pathOf(n))));
  const tooMany = Object.assign(new Error('too many'), { code: 'EMFILE' });
  let refusals = 3;
  const openThen = () => {
    if (refusals-- > 0) throw tooMany;
    return 'open';
  };
  expect([filePool.open(openThen), filePool.openCount]).toEqual(['open', 2]);
  refusals = Infinity;
  expect(() => filePool.open(openThen)).toThrow(tooMany);
  expect(storageError(tooMany, '/vm/file', 'opened')).toMatchObject({
    code: 'TOO_MANY_FILES',
    message:
      '/vm/file cannot be opened: this process may have no more files open (`ulimit -n` says how many): allow it more, and try again.',
  });
  expect(open.map(read)).toEqual(['0', '1', '2', '3', '4']);
});

test('the budget follows what the process may have', () => {
  expect([32, 64, 256, 1024, 1 << 20, Infinity].map(budgetFor)).toEqual([4, 4, 16, 80, 256, 256]);
  expect(descriptorLimit()).toBeGreaterThan(0);
});
