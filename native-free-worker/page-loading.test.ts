import { expect, test } from 'vitest';
import { CheckpointError, StorageError } from '#engine/errors/errors.ts';
import { NOT_LOADED } from '#engine/memory/mmm-block.ts';
import { livePpn, memoryStats } from '#engine/memory/mmm.ts';
import { loneMmm } from '#test/support/lone-mmm.ts';
import type { CheckpointJob } from './checkpoint-protocol.ts';
import { LoadingVcpu, PatientPages } from './page-loading.ts';

test('storage that fails is waited for and read again; what is damaged is told at once', () => {
  const failures: Error[] = [new StorageError('STORAGE', 'it cannot be read.'), new StorageError('STORAGE', 'still not.')];
  const loaded: number[] = [];
  const pages = new PatientPages({
    load: gppn => {
      const failure = failures.shift();
      if (failure) throw failure;
      loaded.push(gppn);
    },
    loadNext: () => false,
  });
  const waited: string[] = [];
  pages.wait = reason => void waited.push(reason);
  pages.load(7);
  expect([loaded, waited]).toEqual([[7], ['it cannot be read.', 'still not.']]);
  failures.push(new CheckpointError('CHECKPOINT_DAMAGED', 'it is damaged.'));
  expect(() => pages.load(8)).toThrow('it is damaged');
});

test('what comes filled after the machine is to be filled from another file is not taken for that one’s', async () => {
  const { mmm, memory } = await loneMmm(2000);
  mmm.initMemory(2000);
  mmm.mapRam(0, 300);
  mmm.expectPages(0, 300);
  const jobs: CheckpointJob[] = [];
  let isClosed = false;
  const later = { load: () => {}, loadNext: () => false, [Symbol.dispose]: () => (isClosed = true) };
  const loading = new LoadingVcpu(1, mmm, memory, later, job => jobs.push(job));
  loading.work();
  const [fill] = jobs as [CheckpointJob & { kind: 'fill' }];
  loading.giveUp();
  expect([isClosed, jobs.at(-1), loading.isOver]).toEqual([true, { kind: 'loaded', load: 1 }, false]);
  mmm.clearRam();
  mmm.expectPages(0, 300);
  const pairs = Uint32Array.of(5, fill.ppns[0]!);
  loading.take({ kind: 'filled', load: 1, filled: { pairs, unused: fill.ppns.subarray(1) }, done: false });
  for (const job of jobs) if (job.kind === 'fill' && job !== fill) loading.take({ kind: 'unreadable', load: 1, ppns: job.ppns });
  expect([loading.isOver, loading.work(), livePpn(memory, 5), memoryStats(memory).usedPages]).toEqual([true, false, NOT_LOADED, 1]);
});
