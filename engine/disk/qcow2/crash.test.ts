import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AFTER_CRASH, History, crashEverywhere } from '#test/support/disk-crash.ts';
import { checkFile, diskOperations, expectClean, expectReads, memoryHost, pattern } from '#test/support/disk-model.ts';
import { MemoryFiles } from '#test/support/memory-files.ts';
import { createCowDisk, dropParent } from '../chain.ts';
import { CopyJob } from '../copy-job.ts';
import { diskInfo } from '../info.ts';
import { openDisk } from '../open.ts';
import { RawImage } from '../raw.ts';
import { createQcow2 } from './create.ts';
import { Qcow2Image } from './image.ts';

const open = (files: MemoryFiles, path: string, writable = false) =>
  openDisk(memoryHost(files), path, { format: 'qcow2', writable, allow: { folders: ['/vm'] } });

test.each([
  ['a base disk', false, 512, false],
  ['a COW disk', true, 512, false],
  ['a COW disk of larger clusters', true, 4096, false],
  ['a disk with lazy counts', false, 512, true],
  ['a COW disk with lazy counts', true, 512, true],
])('a crash at any operation of %s leaves at most leaks and loses nothing that was flushed', (_, cow, clusterBytes, lazyRefcounts) => {
  const sizeBytes = clusterBytes * 50;
  const base = cow ? pattern(sizeBytes, 99) : new Uint8Array(sizeBytes);
  let crashes = 0;
  fc.assert(
    fc.property(diskOperations(sizeBytes, clusterBytes, 10), operations => {
      crashes += crashEverywhere(
        files => {
          files.put('/vm/base', base);
          createQcow2(files, memoryHost(files).codec, '/vm/disk', {
            sizeBytes,
            clusterBytes,
            lazyRefcounts,
            ...(cow ? { backing: { name: 'base', format: 'raw' } } : {}),
          });
        },
        (files, history) => {
          const disk = open(files, '/vm/disk', true);
          history.run(operations, disk);
          history.run([{ kind: 'flush' }, { kind: 'discard', at: 0, length: clusterBytes * 9 }, { kind: 'flush' }], disk);
          const where = { kind: 'write', at: 700, length: clusterBytes * 5 } as const;
          history.run([{ ...where, seed: 4 }, { kind: 'flush' }, { ...where, seed: 5 }, { kind: 'flush' }, { ...where, seed: 6 }], disk);
        },
        () => new History(base),
        (found, history) => {
          // Lazy counts are right again once the image has been opened for writing.
          using disk = open(found, '/vm/disk', lazyRefcounts);
          history.assertPossible(disk);
          if (lazyRefcounts) (disk as Qcow2Image).settle();
          expectClean(memoryHost(found), '/vm/disk', 'some');
        },
        AFTER_CRASH,
      );
    }),
    { numRuns: clusterBytes > 512 ? 3 : 6 },
  );
  expect(crashes).toBeGreaterThan(50);
});

test('a crash while the table of reference counts moves, or the disk grows, leaves at most leaks', () => {
  const first = new MemoryFiles();
  createQcow2(first, memoryHost(first).codec, '/vm/disk', { sizeBytes: 1 << 20, clusterBytes: 512, refcountBits: 64 });
  {
    using disk = open(first, '/vm/disk', true);
    disk.resize(2 << 20);
    disk.write(0, pattern(1_970_000, 3));
    (disk as Qcow2Image).settle();
  }
  const bytes = first.get('/vm/disk');
  const crashes = crashEverywhere(
    files => files.put('/vm/disk', bytes),
    files => {
      const disk = open(files, '/vm/disk', true) as Qcow2Image;
      const { refcountTableOffset } = disk.header;
      disk.write(1_970_000, pattern(120_000, 3));
      disk.settle();
      expect(disk.header.refcountTableOffset).not.toBe(refcountTableOffset);
      disk.resize(3 << 20);
      disk.settle();
    },
    () => {},
    found => {
      expectClean(memoryHost(found), '/vm/disk', 'some');
      using disk = open(found, '/vm/disk');
      const part = new Uint8Array(4096);
      disk.read(1_900_000, part);
      expect(part).toEqual(pattern(1_970_000, 3).subarray(1_900_000, 1_904_096));
    },
    [{ seed: 5 }],
  );
  expect(crashes).toBeGreaterThan(10);
});

test('a crash while an image is made leaves no image, or a whole one', () => {
  let whole = 0;
  crashEverywhere(
    () => {},
    files => createQcow2(files, memoryHost(files).codec, '/vm/disk', { sizeBytes: 1 << 20, clusterBytes: 4096 }),
    () => {},
    found => {
      if (!found.paths().includes('/vm/disk')) return;
      try {
        open(found, '/vm/disk')[Symbol.dispose]();
      } catch (error) {
        expect(error).toMatchObject({ code: 'DISK_NOT_QCOW2' });
        return;
      }
      whole++;
      expectClean(memoryHost(found), '/vm/disk');
    },
  );
  expect(whole).toBeGreaterThan(0);
});

/** base ← lower ← upper, each with data of its own. */
function makeChain(files: MemoryFiles): Uint8Array {
  const model = pattern(40_960, 7);
  files.put('/vm/base', model);
  const host = memoryHost(files);
  const lower = createCowDisk(host, '/vm/lower', new RawImage(files, '/vm/base', false), { clusterBytes: 4096, parentName: 'base' });
  lower.write(5000, pattern(9000, 1));
  lower.writeZeroes(20_480, 8192, true);
  lower.settle();
  const upper = createCowDisk(host, '/vm/upper', lower, { clusterBytes: 512, parentName: 'lower' });
  upper.write(6000, pattern(700, 2));
  upper.settle();
  upper.read(0, model);
  upper[Symbol.dispose]();
  return model;
}

test('a crash anywhere in a commit and re-parenting loses nothing, and doing it again ends it', () => {
  const model = makeChain(new MemoryFiles());
  const eliminate = (files: MemoryFiles) => {
    const upper = open(files, '/vm/upper', true);
    if (upper.parent?.path === '/vm/lower') {
      upper.parent.parent!.setWritable(true);
      const job = CopyJob.commit(upper.parent);
      while (!job.finished) {
        job.step(4096);
        job.checkpoint();
      }
      dropParent(upper, 'base')[Symbol.dispose]();
    }
    return upper;
  };
  const crashes = crashEverywhere(
    makeChain,
    eliminate,
    () => {},
    found => {
      {
        using before = open(found, '/vm/upper');
        expectReads(before, model);
      }
      using after = eliminate(found);
      expectReads(after, model);
      expect(after.parent?.path).toBe('/vm/base');
      expect(checkFile(memoryHost(found), '/vm/upper')).toMatchObject({ corruptions: 0, leaks: 0 });
      expect(diskInfo(memoryHost(found), '/vm/upper', 'qcow2').qcow2?.backing).toEqual({ name: 'base', format: 'raw' });
    },
  );
  expect(crashes).toBeGreaterThan(20);
});
