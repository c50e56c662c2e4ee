import { expect, test } from 'vitest';
import { AFTER_CRASH, crashAtEach } from '#test/support/disk-crash.ts';
import { expectState, expectVerified, graphHost } from '#test/support/disk-graph-model.ts';
import { DiskWork, SCENARIOS, startDisk } from '#test/support/disk-graph-work.ts';
import { MemoryFiles, type AfterCrash } from '#test/support/memory-files.ts';
import { DiskCollector } from './collector.ts';
import { DiskFolder } from './disk-folder.ts';
import { VirtualDiskFiles } from './virtual-disk-files.ts';

const NIGHTLY = process.env['CAIRN_DISK_GRAPH_RUNS'] !== undefined;

function verify(found: MemoryFiles, { history, checkpoints }: DiskWork): void {
  const folder = new DiskFolder(graphHost(found, 1000), '/vm/disks', 'disk0');
  const right = (disk: VirtualDiskFiles) => {
    history.assertPossible(disk.top);
    for (const { layer, bytes } of checkpoints) expectState(folder, layer, bytes);
  };
  const needs = () => ({ pointed: new Set(checkpoints.map(({ layer }) => layer)), pinned: new Set<string>() });
  const disk = new VirtualDiskFiles(folder);
  right(disk);
  using collector = new DiskCollector(disk, { needs, running: false });
  collector.run();
  right(disk);
  disk.close();
  expectVerified(folder, needs(), ['damage']);
  expect(folder.names().filter(name => name.endsWith('.new'))).toEqual([]);
  expect(found.open).toBe(0);
}

const CASES = (['chain', 'copy', 'full-copy'] as const).flatMap(mode =>
  (mode === 'chain' ? (['blank', 'raw, written'] as const) : (['raw, written'] as const)).flatMap(kind =>
    Object.keys(SCENARIOS).map(name => [mode, kind, name] as const),
  ),
);

/** All of them in turn, so that each kind of crash hits every kind of operation; at night all at each. */
const modes = (crash: number): readonly AfterCrash[] => (NIGHTLY ? AFTER_CRASH : [AFTER_CRASH[crash % AFTER_CRASH.length]!]);

test.each(CASES)('%s, %s: a crash at any operation of %s loses nothing', (mode, kind, name) => {
  const files = new MemoryFiles();
  const work = new DiskWork(startDisk(files, kind, mode));
  const crashes = crashAtEach(
    files,
    () => SCENARIOS[name]!(work),
    found => verify(found, work),
    modes,
  );
  expect(crashes).toBeGreaterThan(30);
});
