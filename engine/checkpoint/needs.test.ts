import { describe, expect, test } from 'vitest';
import { checkpointName, CheckpointRun } from '#test/support/checkpoint-run.ts';
import { FakeVm } from '#test/support/fake-vm.ts';
import { MemoryFiles } from '#test/support/memory-files.ts';
import { nodeCodec } from '#worker/node-codec.ts';
import { INDEX_POINTED, MAX_FILES, MAX_GPPNS } from './format/layout.ts';
import { PageIndex } from './format/page-index.ts';
import { pointedGroups } from './format/pointed-groups.ts';
import { PointingReader } from './format/pointing-reader.ts';
import { CheckpointReader } from './format/reader.ts';
import type { CheckpointMeta, PointedFile } from './format/schemas.ts';
import { CheckpointWriter } from './format/writer.ts';
import { Needs } from './needs.ts';
import { CheckpointStore } from './store.ts';

const META: Omit<CheckpointMeta, 'pages'> = {
  id: 'checkpoint1',
  vmName: 'box',
  title: '',
  takenAt: '2026-11-22T12:00:00Z',
  ramBytes: 1 << 20,
  epoch: 1,
  running: true,
  pauseMs: 0,
  totalMs: 0,
};

/** A checkpoint without pages of its own. */
function pointing(index: PageIndex, files: readonly PointedFile[]): CheckpointStore {
  const store = new CheckpointStore(new MemoryFiles(), '/vm/checkpoints');
  using unpublished = store.begin(META.id);
  const writer = new CheckpointWriter(unpublished.file, nodeCodec);
  writer.writeDevices([]);
  writer.writeDisks([]);
  writer.finish({ ...META, pages: index.counts }, files, index);
  unpublished.publish();
  return store;
}

describe('what checkpoints need of others', () => {
  test('is what their page indices point to', async () => {
    const run = await CheckpointRun.ofThreeGenerations(await FakeVm.create(200));
    const needs = new Needs(run.store, nodeCodec);
    for (const n of [1, 2, 3]) {
      using reader = CheckpointReader.open(run.files, run.pathOf(n), nodeCodec);
      const groups = pointedGroups(reader.index, reader.files.length);
      expect(needs.ofCheckpoint(checkpointName(n))).toEqual(new Map(reader.files.map(({ id }, file) => [id, groups[file]])));
    }
    expect(needs.ofFile(checkpointName(1))).toEqual(new Set([1, 2, 3]));
    expect(needs.ofFile(checkpointName(1), new Set([checkpointName(2)]))).toEqual(new Set([2, 3]));
    expect(needs.ofFile(checkpointName(3))).toEqual(new Set());
  });

  test('is found in the page index where the files table has no room for it', () => {
    const index = new PageIndex(MAX_GPPNS);
    for (let gppn = 0; gppn < MAX_GPPNS; gppn++) {
      index.kinds[gppn] = INDEX_POINTED + (gppn % MAX_FILES);
      index.places[gppn] = Math.floor(gppn / MAX_FILES) * 16400 * 64; // three bytes from group to group
    }
    const earlier = (n: number) => `earlier${n}`.padEnd(32, 'x');
    const files = Array.from({ length: MAX_FILES }, (_, n) => ({ id: earlier(n), sizeBytes: 1, commitChecksum: 1 }));
    const store = pointing(index, files);
    using reader = PointingReader.openPointing(store.files, store.pathOf(META.id), nodeCodec);
    expect(reader.neededGroups[0]).toBeUndefined();
    expect(new Needs(store, nodeCodec).ofFile(earlier(7))).toEqual(new Set(Array.from({ length: 64 }, (_, n) => n * 16400)));
  });

  test('a table that names other groups than the index does is damage', () => {
    const [said, meant] = [new PageIndex(4), new PageIndex(4)];
    for (const [index, group] of [
      [said, 1],
      [meant, 2],
    ] as const) {
      index.kinds[0] = INDEX_POINTED;
      index.places[0] = group * 64;
    }
    said.encode = () => meant.encode();
    const store = pointing(said, [{ id: 'earlier01', sizeBytes: 1, commitChecksum: 1 }]);
    using reader = CheckpointReader.open(store.files, store.pathOf(META.id), nodeCodec);
    expect(() => reader.verify()).toThrow('does not name the groups');
  });
});
