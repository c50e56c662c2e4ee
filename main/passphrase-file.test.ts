import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { passphraseOfEnvironment, readPassphrase } from './passphrase-file.ts';

let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'cairn-passphrase-'))));
afterAll(() => rmSync(folder, { recursive: true }));
function file(contents: string | Uint8Array): string {
  const path = join(folder, 'secret');
  writeFileSync(path, contents);
  return path;
}

test.each([
  ['a file without a line end', 'open sesame', 'open sesame'],
  ['a line end of this system', ' öffne dich \n', ' öffne dich '],
  ['a line end of another', 'open\r\nmore', 'open'],
])('%s', (_, contents, passphrase) => {
  expect(readPassphrase(file(contents))).toBe(passphrase);
});

test.each([
  ['nothing', '', 'a passphrase is not empty'],
  ['an empty line', '\nlate', 'a passphrase is not empty'],
  ['too much', 'x'.repeat(1025), 'at most 1024 characters'],
  ['no text', Uint8Array.of(0xff, 0xfe, 0x41), 'it is not UTF-8 text'],
])('%s is refused, and not told', (_, contents, why) => {
  const path = file(contents);
  expect(() => readPassphrase(path)).toThrow(`the first line of ${path} is no passphrase`);
  expect(() => readPassphrase(path)).toThrow(why);
});

test('a file that is not there', () => {
  expect(() => readPassphrase(join(folder, 'nowhere'))).toThrow('nowhere cannot be read: it does not exist');
});

test('the environment names a file, or none', () => {
  expect(passphraseOfEnvironment({})).toBeUndefined();
  expect(passphraseOfEnvironment({ CAIRN_PASSPHRASE_FILE: '' })).toBeUndefined();
  expect(passphraseOfEnvironment({ CAIRN_PASSPHRASE_FILE: file('secret\n') })).toBe('secret');
});

test('standard input gives its first line, and leaves the rest for others', () => {
  const program = `
    import { readPassphrase } from ${JSON.stringify(new URL('./passphrase-file.ts', import.meta.url).href)};
    import { readFileSync } from 'node:fs';
    console.log(JSON.stringify([readPassphrase('-'), readFileSync(0, 'utf8')]));`;
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', program], { input: 'pass phrase\nfor the guest\n' });
  expect(JSON.parse(said.toString())).toEqual(['pass phrase', 'for the guest\n']);
});
