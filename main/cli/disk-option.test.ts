import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseDisk } from './disk-option.ts';

let folder: string;
const said: string[] = [];
const parse = (text: string) => parseDisk(join(folder, text), sentence => said.push(sentence));

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-disk-option-'));
  const qcow2 = Buffer.from('514649fb00000003', 'hex');
  for (const name of ['a.qcow2', 'plain', 'cloud.img']) writeFileSync(join(folder, name), qcow2);
  for (const name of ['b.img', 'c.iso', 'odd', 'with,comma.raw']) writeFileSync(join(folder, name), 'anything');
});
afterAll(() => rmSync(folder, { recursive: true }));

test('defaults and every option', () => {
  expect(parse('a.qcow2')).toEqual({
    ...{ path: join(folder, 'a.qcow2'), format: 'qcow2', interface: 'virtio', media: 'disk' },
    ...{ readonly: false, cache: 'writeback', writeBase: false },
  });
  expect(parse('b.img,if=scsi,format=raw,readonly,cache=unsafe,media=disk')).toMatchObject({
    ...{ interface: 'scsi', format: 'raw', readonly: true, cache: 'unsafe', media: 'disk' },
  });
  expect(parse('a.qcow2,write-base')).toMatchObject({ writeBase: true });
  expect(parse('c.iso')).toMatchObject({ format: 'raw', interface: 'ide', media: 'cdrom', readonly: true });
  expect(parse('with,,comma.raw,if=ide')).toMatchObject({ path: join(folder, 'with,comma.raw'), interface: 'ide' });
});

test('a format is assumed only where nothing speaks against it, and it is said', () => {
  said.length = 0;
  expect(parse('plain').format).toBe('qcow2');
  expect(said).toEqual(['plain is taken for a qcow2 image: say format=raw if it is none.']);
  expect(() => parse('odd')).toThrow('odd does not look like an image of any kind: say format=raw');
  expect(() => parse('cloud.img')).toThrow('say which it is');
  expect(parse('odd,format=raw').format).toBe('raw');
  expect(parse('cloud.img,format=qcow2').format).toBe('qcow2');
});

test('what is no option is refused by name', () => {
  for (const word of ['if=nvme', 'fromat=raw', 'readonly=yes', 'cache'])
    expect(() => parse(`a.qcow2,${word}`)).toThrow(`“${word}” is none of its options: if=virtio|ide|scsi`);
  expect(() => parseDisk(',if=ide', () => {})).toThrow('names no file');
  expect(() => parse('nowhere.img')).toThrow('does not exist');
});

test('none is an empty CD-ROM drive, and nothing else', () => {
  const say = () => expect.fail('there is nothing to assume');
  expect(parseDisk('none,media=cdrom', say)).toMatchObject({ path: '', media: 'cdrom', interface: 'ide', readonly: true, format: 'raw' });
  expect(parseDisk('none,media=cdrom,if=scsi', say)).toMatchObject({ path: '', interface: 'scsi' });
  for (const text of ['none', 'none,media=disk', 'none,media=cdrom,if=virtio'])
    expect(() => parseDisk(text, say)).toThrow(/without a disc: write/);
});
