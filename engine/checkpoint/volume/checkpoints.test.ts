/** The checkpoint software on a volume: what is written against a folder works there, too. */
import { beforeEach, expect, test } from 'vitest';
import { CheckpointRun, checkpointName as id } from '#test/support/checkpoint-run.ts';
import { FakeVm } from '#test/support/fake-vm.ts';
import { MemoryFiles, type AfterCrash } from '#test/support/memory-files.ts';
import { folderIn, openVolume, putVolume } from '#test/support/memory-volume.ts';
import { nodeCodec } from '#worker/node-codec.ts';
import { eliminateCheckpoints, tidyEliminated } from '../eliminate.ts';
import { inspectPages } from '../inspect.ts';
import { restoreCheckpoint } from '../restore.ts';
import { CheckpointStore } from '../store.ts';
import { verifyCheckpoints } from '../verify.ts';
import { VolumeFolder } from './volume-folder.ts';

const FOLDER = '/vm/a.cairn/checkpoints';

const vm = await FakeVm.create(200);
const other = await FakeVm.create(200);
let run: CheckpointRun;
let folder: VolumeFolder;
beforeEach(() => {
  const files = new MemoryFiles();
  putVolume(files, 1 << 20);
  folder = folderIn(openVolume(files));
  run = new CheckpointRun(vm, files, new CheckpointStore(folder, FOLDER));
});

/** Noise, so that compression leaves something. */
function write(from: number, to: number, seed: number): void {
  for (let index = from; index < to; index++) vm.write(index, index + seed);
}

/** Everything that another process finds is what it was when it was taken. */
function expectRestorable(from: CheckpointStore): string[] {
  const found = from.list();
  for (const each of found) {
    other.reset();
    restoreCheckpoint(from, from.pathOf(each), other, nodeCodec);
    expect(other.contents()).toEqual(run.instants.get(each));
  }
  return found;
}
const storeOn = (files: MemoryFiles) => new CheckpointStore(new VolumeFolder(openVolume(files), 'a.checkpoints'), FOLDER);

test('checkpoints that point to one another are restored, eliminated in any order, and leave what others need', async () => {
  write(0, 200, 1);
  await run.take(1);
  write(0, 70, 1000);
  await run.take(2);
  write(60, 130, 2000);
  await run.take(3);
  expect(expectRestorable(storeOn(run.files))).toEqual([1, 2, 3].map(id));
  const { store } = run;
  eliminateCheckpoints(store, [id(1)], nodeCodec);
  expect(inspectPages(folder, store.pagesPathOf(id(1)), nodeCodec, true)).toMatchObject({ groups: 4, groupsLeft: 3 });
  expect(expectRestorable(storeOn(run.files))).toEqual([2, 3].map(id));
  eliminateCheckpoints(store, [id(2)], nodeCodec);
  expect(expectRestorable(storeOn(run.files))).toEqual([id(3)]);
  expect([...verifyCheckpoints(store, nodeCodec)].flatMap(({ findings }) => findings)).toEqual([]);
  eliminateCheckpoints(store, [id(3)], nodeCodec);
  expect([folder.list(), folder.usedBytes(), run.files.open]).toEqual([[], 0, 0]);
});

test.each(['lost', { seed: 7 }] satisfies AfterCrash[])(
  'a crash of the host anywhere in taking and eliminating leaves checkpoints that are whole (%s)',
  async how => {
    write(0, 200, 1);
    await run.take(1);
    let needed = [id(1)];
    let crashes = 0;
    let failure: unknown;
    run.files.onOperation = () => {
      crashes++;
      try {
        const after = storeOn(run.files.afterCrash(how));
        if (failure === undefined) expect(expectRestorable(after)).toEqual(expect.arrayContaining(needed));
        tidyEliminated(after, nodeCodec);
        if (failure === undefined) expectRestorable(after);
      } catch (error) {
        failure ??= error;
      }
    };
    write(0, 70, 1000);
    await run.take(2);
    needed = [id(2)];
    eliminateCheckpoints(run.store, [id(1)], nodeCodec);
    write(60, 130, 2000);
    await run.take(3);
    needed = [id(3)];
    eliminateCheckpoints(run.store, [id(2)], nodeCodec);
    run.files.onOperation = undefined;
    if (failure !== undefined) throw failure;
    expect(crashes).toBeGreaterThan(100);
    expect(expectRestorable(storeOn(run.files))).toEqual([id(3)]);
  },
);

test('of any one file operation an error fails the checkpoint, leaves no file, no room taken and nothing open', async () => {
  write(0, 200, 1);
  await run.take(1);
  const [used, free] = [folder.usedBytes(), folder.freeBytes()];
  write(0, 70, 1000);
  for (let nth = 0; ; nth++) {
    run.files.failAt(run.files.operations + nth, { kind: 'error', code: 'EIO', lasting: false });
    const failed = await run.take(2).then(
      () => false,
      (error: unknown) => (expect(error).toMatchObject({ code: 'EIO', message: expect.stringContaining('was not taken') }), true),
    );
    run.files.mend();
    if (!failed) break;
    run.instants.delete(id(2));
    expect([folder.list(), folder.usedBytes(), folder.freeBytes(), run.files.open]).toEqual([[`${id(1)}.ckpt`], used, free, 0]);
    expectRestorable(storeOn(run.files));
  }
  expect(expectRestorable(storeOn(run.files))).toEqual([1, 2].map(id));
});
