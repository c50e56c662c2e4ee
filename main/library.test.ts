import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { smallConfig } from '#test/support/vm-config.ts';
import { Bundle } from './bundle.ts';
import { readCheckpointInfo } from './checkpoint-files.ts';
import { vmName } from './ipc/contract.ts';
import { Library } from './library.ts';

let home: string;
let elsewhere: string;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-library-'));
  elsewhere = mkdtempSync(join(tmpdir(), 'cairn-elsewhere-'));
});
afterEach(() => [home, elsewhere].forEach(folder => rmSync(folder, { recursive: true, force: true })));

const at = (name: string) => join(home, name);

function moveAway(name: string): string {
  const place = join(elsewhere, name);
  renameSync(at(name), place);
  symlinkSync(place, at(name));
  return place;
}

test('a link to a bundle is a VM like others', () => {
  Bundle.create(at('here.cairn'), smallConfig);
  Bundle.create(at('moved.cairn'), smallConfig);
  moveAway('moved.cairn');
  expect(new Library(home).names()).toEqual(['here', 'moved']);
});

test('a bundle with several names is counted once, by the name of its folder if that is in the library', () => {
  Bundle.create(at('one.cairn'), smallConfig);
  symlinkSync('one.cairn', at('also-one.cairn'));
  Bundle.create(at('two.cairn'), smallConfig);
  symlinkSync(moveAway('two.cairn'), at('zwei.cairn'));
  expect(new Library(home).names()).toEqual(['one', 'two']);
});

test('links that lead nowhere, in a circle or to a file are no VMs, and hold up nobody', () => {
  symlinkSync('nowhere', at('gone.cairn'));
  symlinkSync('b.cairn', at('a.cairn'));
  symlinkSync('a.cairn', at('b.cairn'));
  writeFileSync(at('text'), '');
  symlinkSync('text', at('file.cairn'));
  mkdirSync(at('folder'));
  expect(new Library(home).names()).toEqual([]);
  Bundle.create(at('new.cairn'), smallConfig);
  expect(new Library(home).names()).toEqual(['new']);
});

test('a linked bundle is deleted whole where it is, with every link of the library that led there', async () => {
  Bundle.create(at('moved.cairn'), smallConfig);
  symlinkSync(moveAway('moved.cairn'), at('other-name.cairn'));
  const bundle = (await Bundle.open(at('moved.cairn'), readCheckpointInfo))!;
  expect(bundle.delete()).toBeUndefined();
  expect(readdirSync(home)).toEqual([]);
  expect(readdirSync(elsewhere)).toEqual([]);
});

test('a VM that is deleted by a second name of its folder is deleted, not only the name', async () => {
  Bundle.create(at('one.cairn'), smallConfig);
  symlinkSync('one.cairn', at('also-one.cairn'));
  const bundle = (await Bundle.open(at('also-one.cairn'), readCheckpointInfo))!;
  bundle.delete();
  expect(existsSync(at('one.cairn'))).toBe(false);
  expect(readdirSync(home)).toEqual([]);
});

test('names of any script are names of VMs; what could lead elsewhere or be mistaken is none', () => {
  for (const name of ['Größe', '日本 1', 'über.alt', 'Привет', 'e\u0301te']) expect(vmName.safeParse(name).success, name).toBe(true);
  for (const name of ['', '.a', ' a', 'a/b', 'a\\b', 'a\u0000', 'a\u202eb', 'a\nb', '日'.repeat(65), '😀', '\u{20000}'.repeat(60)])
    expect(vmName.safeParse(name).success, JSON.stringify(name)).toBe(false);
});
