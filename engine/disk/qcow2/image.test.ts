import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { apply, contents, diskOperations, expectClean, expectReads, memoryHost, pattern } from '#test/support/disk-model.ts';
import { MemoryFiles } from '#test/support/memory-files.ts';
import type { DiskHost } from '../open.ts';
import { createQcow2 } from './create.ts';
import { Qcow2Image } from './image.ts';

const PATH = '/vm/disk.qcow2';
let files: MemoryFiles;
let host: DiskHost;
beforeEach(() => {
  files = new MemoryFiles();
  host = memoryHost(files);
});

function create(sizeBytes: number, clusterBytes: number): Qcow2Image {
  createQcow2(host.files, host.codec, PATH, { sizeBytes, clusterBytes });
  return open();
}

function open(writable = true): Qcow2Image {
  return new Qcow2Image(host.files, host.codec, PATH, { writable });
}

describe.each([512, 1024, 4096, 65536])('clusters of %d bytes', clusterBytes => {
  const sizeBytes = clusterBytes * 70 + 512;

  test('what is written is read, now and after opening again, and every cluster is counted right', () => {
    fc.assert(
      fc.property(diskOperations(sizeBytes, clusterBytes, clusterBytes > 4096 ? 12 : 40), operations => {
        files.remove(PATH);
        const model = new Uint8Array(sizeBytes);
        {
          using disk = create(sizeBytes, clusterBytes);
          for (const operation of operations) apply(operation, disk, model);
          expectReads(disk, model);
          disk.settle();
        }
        expectClean(host, PATH);
        using again = open(false);
        expectReads(again, model);
      }),
      { numRuns: clusterBytes > 4096 ? 10 : 40 },
    );
    expect(files.open).toBe(0);
  });
});

test('a small cluster image grows its table of reference counts', () => {
  const model = new Uint8Array(9 << 20);
  {
    using disk = create(512, 512);
    disk.resize(model.length);
    for (let at = 0; at < model.length; at += 150_000) {
      const bytes = pattern(Math.min(150_000, model.length - at), at & 0xff);
      disk.write(at, bytes);
      model.set(bytes, at);
      if (at % 3 === 0) disk.flush();
    }
    disk.settle();
    expect(disk.header.refcountTableOffset).not.toBe(512);
  }
  expectClean(host, PATH);
  using again = open();
  expectReads(again, model);
});

test('a disk grows, and what is new reads as zeroes', () => {
  using disk = create(4096, 512);
  disk.write(0, pattern(4096, 5));
  disk.resize(1 << 20);
  disk.settle();
  expectClean(host, PATH);
  const model = new Uint8Array(1 << 20);
  model.set(pattern(4096, 5));
  expectReads(disk, model);
  expect(() => disk.resize(4096)).toThrow('can only be made larger');
});

test.each(['tables', 'full'] as const)('a preallocated image (%s) needs no change of its tables', preallocation => {
  createQcow2(host.files, host.codec, PATH, { sizeBytes: 300_032, clusterBytes: 4096, preallocation });
  using disk = open();
  const size = files.get(PATH).length;
  disk.write(0, new Uint8Array(1)); // the tables are in memory now
  const before = files.operations;
  disk.write(100, pattern(200_000, 3));
  disk.flush();
  expect(files.operations - before).toBe(2); // one write, one sync
  expect(files.get(PATH).length).toBe(size);
  expect(contents(disk).subarray(0, 100)).toEqual(new Uint8Array(100));
  expectClean(host, PATH);
});

test('discarded clusters are used again, and only after the flush that forgets them', () => {
  using disk = create(1 << 20, 4096);
  disk.write(0, pattern(1 << 19, 1));
  disk.flush();
  const size = files.get(PATH).length;
  disk.discard(0, 1 << 19);
  disk.write(1 << 19, pattern(4096, 2));
  expect(files.get(PATH).length).toBe(size + 4096);
  disk.flush();
  disk.write((1 << 19) + 4096, pattern(1 << 18, 2));
  disk.settle();
  expect(files.get(PATH).length).toBe(size + 4096);
  expectClean(host, PATH);
});

test('a full disk stops a write and nothing else: when there is room it goes on', () => {
  using disk = create(1 << 20, 4096);
  disk.write(0, pattern(10_000, 1));
  disk.flush();
  const model = contents(disk);
  files.failAt(files.operations, { kind: 'error', code: 'DISK_FULL', lasting: true });
  expect(() => disk.write(100_000, pattern(50_000, 2))).toThrow('disk is full');
  expectThrowsEachFlush(disk);
  files.mend();
  disk.write(100_000, pattern(50_000, 3));
  model.set(pattern(50_000, 3), 100_000);
  disk.settle();
  expectReads(disk, model);
  expectClean(host, PATH);
});

function expectThrowsEachFlush(disk: Qcow2Image): void {
  disk.discard(0, 4096 * 2);
  expect(() => disk.flush()).toThrow('disk is full');
  files.mend();
  disk.write(0, pattern(8192, 1));
}

test('after a sync failed with an error of the disk, no flush says that all is well', () => {
  using disk = create(1 << 20, 4096);
  disk.write(0, pattern(4096, 1));
  files.failAt(
    files.operations + 1, // the sync after the counts
    { kind: 'error', code: 'DISK_ERROR', lasting: false },
  );
  expect(() => disk.flush()).toThrow('cannot be written');
  files.mend();
  expect(() => disk.flush()).toThrow('cannot be written');
});
