import { expect, test } from 'vitest';
import { pattern } from '#test/support/disk-model.ts';
import { MemoryFiles } from '#test/support/memory-files.ts';
import type { DiskFormat } from './block.ts';
import { namedFormat } from './named-format.ts';

/** The beginnings by which formats are known; a fixed VHD by its end. */
const CONTENTS: Readonly<Record<DiskFormat, Uint8Array>> = {
  raw: pattern(4096, 1),
  qcow2: start(0, 0x51, 0x46, 0x49, 0xfb),
  vmdk: start(0, ...ascii('KDMV')),
  vdi: start(64, 0x7f, 0x10, 0xda, 0xbe),
  vpc: start(4096 - 512, ...ascii('conectix')),
  vhdx: start(0, ...ascii('vhdxfile')),
};

function ascii(text: string): number[] {
  return [...text].map(char => char.charCodeAt(0));
}

function start(at: number, ...bytes: number[]): Uint8Array {
  const file = pattern(4096, 1);
  file.set(bytes, at);
  return file;
}

const said: string[] = [];
function formatOf(name: string, contents: Uint8Array): DiskFormat {
  const files = new MemoryFiles();
  files.put(`/vm/${name}`, contents);
  said.length = 0;
  return namedFormat(files, `/vm/${name}`, { how: format => `--format ${format}`, say: sentence => said.push(sentence) });
}

const NAMES: readonly [string, DiskFormat][] = [
  ['a.qcow2', 'qcow2'],
  ['A.QCOW2', 'qcow2'],
  ['a.vmdk', 'vmdk'],
  ['a.vdi', 'vdi'],
  ['a.vhd', 'vpc'],
  ['a.vhdx', 'vhdx'],
  ['a.img', 'raw'],
  ['a.raw', 'raw'],
  ['a.iso', 'raw'],
];

test.each(NAMES)('%s is what its contents and its name say together, and nothing where they differ', (name, promised) => {
  for (const [format, contents] of Object.entries(CONTENTS) as [DiskFormat, Uint8Array][]) {
    if (format === promised) expect(formatOf(name, contents)).toBe(format);
    else if (promised === 'raw') expect(() => formatOf(name, contents)).toThrow(`say which it is with --format raw or --format ${format}`);
    else if (format === 'raw')
      expect(() => formatOf(name, contents)).toThrow('it is damaged, was cut, or has a wrong name. Say --format raw');
    else expect(() => formatOf(name, contents)).toThrow(`say --format ${format} if you trust it`);
    expect(said).toEqual([]);
  }
});

test('a name that says nothing: what looks like an image is taken for one, and that is said; what looks like nothing is not guessed', () => {
  for (const [format, contents] of Object.entries(CONTENTS) as [DiskFormat, Uint8Array][]) {
    if (format === 'raw')
      expect(() => formatOf('disk', contents)).toThrow('disk does not look like an image of any kind: say --format raw');
    else {
      expect(formatOf('disk', contents)).toBe(format);
      expect(said).toEqual([expect.stringMatching(/^disk is taken for a .* image: say --format raw if it is none\.$/)]);
    }
  }
});

test('an empty file, and a part of a VMDK image', () => {
  expect(() => formatOf('a.qcow2', new Uint8Array())).toThrow('its contents are not one’s');
  for (const name of ['win-flat.vmdk', 'win-f001.vmdk'])
    expect(() => formatOf(name, CONTENTS.raw)).toThrow('name the small file that belongs to it, win.vmdk');
});
