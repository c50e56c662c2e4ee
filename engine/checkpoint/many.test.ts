/** Hundreds of checkpoints, each with a page that only it has and pages of all before it. */
import { expect, test } from 'vitest';
import { checkpointName as id, CheckpointRun } from '#test/support/checkpoint-run.ts';
import { FakeVm } from '#test/support/fake-vm.ts';
import { nodeCodec } from '#worker/node-codec.ts';
import { MOST_POINTED } from './base.ts';
import { eliminateCheckpoints } from './eliminate.ts';
import { CheckpointReader } from './format/reader.ts';
import { restoreCheckpoint } from './restore.ts';

const PAGES = 400;
const COUNT = 300;

test('point to a bounded number of files, store little twice, and go one by one or all at once', async () => {
  const run = new CheckpointRun(await FakeVm.create(PAGES));
  const { vm, files, store, instants } = run;
  const other = await FakeVm.create(PAGES);
  for (let index = 0; index < PAGES; index++) vm.write(index, index + 1);
  await run.take(0);
  const looked = [0, 1, 6, 8, 9, MOST_POINTED, 200, COUNT - 10, COUNT - 1];
  let stored = 0;
  for (let n = 1; n < COUNT; n++) {
    vm.write(n, n + 5000);
    await run.take(n);
    if (!looked.includes(n)) instants.delete(id(n)); // a copy of all memory
    using reader = CheckpointReader.open(files, run.pathOf(n), nodeCodec);
    expect(reader.files.length).toBeLessThanOrEqual(MOST_POINTED);
    stored += reader.meta.pages.stored;
  }
  expect(stored).toBeGreaterThan(COUNT - 2);
  expect(stored).toBeLessThan(COUNT * 4);
  const expectRestorable = (n: number) => {
    other.reset();
    restoreCheckpoint(store, run.pathOf(n), other, nodeCodec);
    expect(other.contents()).toEqual(instants.get(id(n)));
  };
  for (const n of [0, 1, MOST_POINTED, 200, COUNT - 1]) expectRestorable(n);
  eliminateCheckpoints(store, [id(7)], nodeCodec);
  const doomed = Array.from({ length: COUNT - 20 }, (_, n) => id(n + 10));
  eliminateCheckpoints(store, doomed, nodeCodec);
  expect(store.list()).toHaveLength(19);
  for (const n of [0, 6, 8, 9, COUNT - 10, COUNT - 1]) expectRestorable(n);
  eliminateCheckpoints(store, store.list(), nodeCodec);
  expect(files.paths()).toEqual([]);
});
