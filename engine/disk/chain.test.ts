import fc from 'fast-check';
import { expect, test } from 'vitest';
import { apply, diskOperations, expectClean, expectReads, memoryHost, pattern } from '#test/support/disk-model.ts';
import { MemoryFiles } from '#test/support/memory-files.ts';
import { ChainDisk, type Layer } from './block.ts';
import { createCowDisk, dropParent, layersOf, mapChain } from './chain.ts';
import { firstDifference } from './compare.ts';
import { CopyJob } from './copy-job.ts';
import { openDisk } from './open.ts';
import { createQcow2 } from './qcow2/create.ts';
import { Qcow2Image } from './qcow2/image.ts';
import { RawImage, createRaw } from './raw.ts';

const SIZE = 40_960;

const step = fc.oneof(
  { weight: 5, arbitrary: diskOperations(SIZE, 4096, 5).map(operations => ({ kind: 'use' as const, operations })) },
  { weight: 3, arbitrary: fc.constantFrom(512, 1024, 4096).map(clusterBytes => ({ kind: 'push' as const, clusterBytes })) },
  { weight: 2, arbitrary: fc.nat(9).map(at => ({ kind: 'eliminate' as const, at })) },
);

test('chains that grow, are used, and lose any of their layers read as a plain array does', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 3, maxLength: 14 }), steps => {
      const files = new MemoryFiles();
      const host = memoryHost(files);
      const model = pattern(SIZE, 9);
      files.put('/vm/base', model);
      let top: Layer = new RawImage(files, '/vm/base', false);
      let made = 0;
      const push = (clusterBytes: number) => {
        if (top.writable) (top as Qcow2Image).settle();
        top.setWritable(false);
        top = createCowDisk(host, `/vm/${++made}`, top, { clusterBytes });
      };
      push(4096);
      for (const todo of steps) {
        if (todo.kind === 'push') push(todo.clusterBytes);
        else if (todo.kind === 'use') for (const operation of todo.operations) apply(operation, top, model);
        else {
          const layers = layersOf(top);
          if (layers.length < 3) continue;
          const above = layers[todo.at % (layers.length - 2)]!;
          const gone = above.parent!;
          above.setWritable(true);
          gone.parent!.setWritable(true);
          CopyJob.commit(gone).run();
          const dropped = dropParent(above, gone.parent!.path);
          dropped[Symbol.dispose]();
          files.remove(dropped.path);
          above.parent!.setWritable(false);
          if (above !== top) above.setWritable(false);
        }
        expectReads(top, model);
      }
      (top as Qcow2Image).settle();
      const paths = layersOf(top).map(({ path }) => path);
      expect([...mapChain(top)].reduce((sum, { length }) => sum + length, 0)).toBe(SIZE);
      top[Symbol.dispose]();
      expect(files.open).toBe(0);
      for (const path of paths.slice(0, -1)) expectClean(host, path);
      using again = openDisk(host, paths[0]!, { format: 'qcow2', writable: false, allow: { folders: ['/vm'] } });
      expectReads(again, model);
    }),
    { numRuns: 60 },
  );
});

test('a map says which layer each byte comes from', () => {
  const files = new MemoryFiles();
  const host = memoryHost(files);
  createQcow2(files, host.codec, '/vm/base', { sizeBytes: 8192, clusterBytes: 512 });
  const base = openDisk(host, '/vm/base', { format: 'qcow2', writable: true });
  base.write(0, new Uint8Array(1024));
  const cow = createCowDisk(host, '/vm/cow', base, { clusterBytes: 512 });
  cow.resize(16_384);
  cow.write(512, new Uint8Array(512));
  expect([...mapChain(cow)].map(({ offset, length, kind, depth }) => [offset, length, kind, depth])).toEqual([
    [0, 512, 'data', 1],
    [512, 512, 'data', 0],
    [1024, 15_360, 'hole', undefined],
  ]);
});

test('a conversion takes no room for zeroes, goes on where it stopped, and reads the same', () => {
  const files = new MemoryFiles();
  const host = memoryHost(files);
  createRaw(files, '/vm/raw', 4 << 20);
  const source = new RawImage(files, '/vm/raw', true);
  source.write(3_000_000, pattern(300_000, 1));
  createQcow2(files, host.codec, '/vm/new', { sizeBytes: 4 << 20 });
  const target = openDisk(host, '/vm/new', { format: 'qcow2', writable: true });
  const first = CopyJob.convert(source, target);
  first.step(1);
  const position = first.checkpoint();
  expect(position).toBeGreaterThan(0);
  expect(first.finished).toBe(false);
  expect(firstDifference(source, target)).toBe(3_000_000);
  CopyJob.convert(source, target, position).run();
  expect(firstDifference(source, target)).toBeUndefined();
  expect(files.get('/vm/new').length).toBeLessThan(1 << 20);
  source.write(3_100_000, new Uint8Array(1));
  expect(firstDifference(target, source)).toBe(3_100_000);
});

test('a disk goes on with another top between two operations', async () => {
  const files = new MemoryFiles();
  const host = memoryHost(files);
  createRaw(files, '/vm/base', 8192, true);
  const base = new RawImage(files, '/vm/base', true);
  const disk = new ChainDisk(base);
  await disk.write(0, pattern(8192, 1));
  await disk.writeZeroes(4096, 1024, false);
  await disk.flush();
  base.setWritable(false);
  disk.top = createCowDisk(host, '/vm/cow', base, { clusterBytes: 512 });
  await disk.write(100, pattern(50, 7));
  await disk.discard(512, 512);
  await disk.flush();
  const bytes = new Uint8Array(disk.sizeBytes);
  await disk.read(0, bytes);
  const expected = pattern(8192, 1);
  expected.fill(0, 4096, 5120);
  expect(files.get('/vm/base')).toEqual(expected);
  expected.set(pattern(50, 7), 100);
  expected.fill(0, 512, 1024);
  expect(bytes).toEqual(expected);
  expect(() => base.write(0, bytes)).toThrow('open for reading only');
  await expect(disk.read(8000, bytes)).rejects.toThrow('are not on /vm/cow, which has 8192');
});
