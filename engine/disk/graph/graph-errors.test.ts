import { expect, test } from 'vitest';
import { StorageError } from '#engine/errors/errors.ts';
import { expectState } from '#test/support/disk-graph-model.ts';
import { DiskWork, SCENARIOS, flush, startDisk, write } from '#test/support/disk-graph-work.ts';
import { contents } from '#test/support/disk-model.ts';
import { MemoryFiles } from '#test/support/memory-files.ts';
import { VirtualDiskFiles } from './virtual-disk-files.ts';

const NIGHTLY = process.env['CAIRN_DISK_GRAPH_RUNS'] !== undefined;
const FAULTS = ['DISK_FULL', 'DISK_ERROR'].flatMap(code => [false, true].map(lasting => ({ kind: 'error' as const, code, lasting })));
const CASES = (['chain', 'copy', 'full-copy'] as const).flatMap(mode => Object.keys(SCENARIOS).map(name => [mode, name] as const));

/** After a sync that failed nobody knows what the disk has: whoever held the files opens them anew, and what was flushed is there. */
function reopen({ model, history }: DiskWork): void {
  model.stopCollecting();
  model.disk[Symbol.dispose]();
  model.disk = new VirtualDiskFiles(model.folder);
  history.assertPossible(model.disk.top);
}

/** The storage is well again: nothing is damaged, and everything works. */
function goesOn(work: DiskWork, code: string): void {
  const { model, history } = work;
  if (code === 'DISK_FULL') work.giveUp();
  else reopen(work);
  const right = () => {
    history.assertPossible(model.disk.top);
    for (const { layer, bytes } of work.checkpoints) expectState(model.folder, layer, bytes);
  };
  right();
  // Where an operation failed half-way, what there is now is what there is.
  history.became(contents(model.disk.top));
  work.use(write(1000, 5000, 70), flush);
  work.checkpoint(write(30_000, 100, 71));
  model.collectAll();
  right();
  model.restart(false);
  model.collectAll();
  right();
  model.restart(false);
  model.expectCleanFiles('some');
}

test.each(CASES)('%s: an error at any operation of %s damages nothing, and all goes on after it', (mode, name) => {
  let n = 0;
  // An odd step: each kind of error comes to each kind of operation. At night all come to all.
  for (; ; n += NIGHTLY ? 1 : 3) {
    const faults = NIGHTLY ? FAULTS : [FAULTS[n % FAULTS.length]!];
    let hit = false;
    for (const fault of faults) {
      const files = new MemoryFiles();
      const work = new DiskWork(startDisk(files, 'raw, written', mode));
      const at = files.operations + n;
      files.failAt(at, fault);
      try {
        SCENARIOS[name]!(work);
      } catch (error) {
        if (!(error instanceof StorageError)) throw error;
      }
      hit = files.operations > at;
      files.mend();
      if (hit) goesOn(work, fault.code);
    }
    if (!hit) break;
  }
  expect(n).toBeGreaterThan(30);
});
