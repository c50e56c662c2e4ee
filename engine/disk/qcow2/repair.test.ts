import { beforeEach, expect, test } from 'vitest';
import { checkFile, contents, memoryHost, pattern } from '#test/support/disk-model.ts';
import { MemoryFiles } from '#test/support/memory-files.ts';
import { createQcow2 } from './create.ts';
import { Qcow2Image } from './image.ts';
import { repairQcow2 } from './repair.ts';

const PATH = '/vm/disk';
let files: MemoryFiles;
let made: Qcow2Image;
beforeEach(() => {
  files = new MemoryFiles();
  createQcow2(files, memoryHost(files).codec, PATH, { sizeBytes: 1 << 20, clusterBytes: 4096 });
  made = new Qcow2Image(files, memoryHost(files).codec, PATH, { writable: true });
  made.write(0, pattern(100_000, 1));
});

function patch(change: (view: DataView) => void): void {
  const bytes = files.get(PATH);
  change(new DataView(bytes.buffer));
  files.put(PATH, bytes);
}

function expectRepaired(damage: { corruptions: number; leaks: number }): void {
  const { before, after } = repairQcow2(memoryHost(files), PATH);
  expect(before).toMatchObject(damage);
  expect(after).toMatchObject({ corruptions: 0, leaks: 0 });
  using again = new Qcow2Image(files, memoryHost(files).codec, PATH, { writable: true });
  expect(contents(again).subarray(0, 100_000)).toEqual(pattern(100_000, 1));
}

test('clusters that a crash leaked are given back', () => {
  made.settle();
  made.write(200_000, pattern(20_000, 2));
  made.refcounts!.writeCounts(
    () => made.file.sync(),
    () => {},
  );
  expectRepaired({ corruptions: 0, leaks: 6 });
});

test('counts that are too low, and marks that are wrong, in an image that is marked as damaged', () => {
  made.settle();
  const table = made.mapping.table(0)!;
  const block = made.refcounts!.blockOffset(0);
  patch(view => {
    view.setUint16(block + 2 * 10, 0);
    view.setUint16(block + 2 * 11, 3);
    view.setUint8(table.offset + 16, 0); // no COPIED mark
    view.setUint32(76, 2);
  });
  expectRepaired({ corruptions: 4, leaks: 1 });
});

test('an entry that no image can have is left as it is, and told', () => {
  made.settle();
  const table = made.mapping.table(0)!;
  patch(view => view.setUint32(table.offset + 4, 0x1002));
  const before = files.get(PATH);
  expect(() => repairQcow2(memoryHost(files), PATH)).toThrow('a level 2 entry is not possible');
  expect(files.get(PATH)).toEqual(before);
  expect(checkFile(memoryHost(files), PATH).problems[0]).toContain('a level 2 entry is not possible');
});
