import { expect, test } from 'vitest';
import { AFTER_CRASH, History, crashAtEach } from '#test/support/disk-crash.ts';
import { GraphModel, expectState, graphHost, guestView, type Kind, type SavedState } from '#test/support/disk-graph-model.ts';
import { expectClean, type DiskOperation } from '#test/support/disk-model.ts';
import { MemoryFiles, type AfterCrash } from '#test/support/memory-files.ts';
import { DiskCollector } from './collector.ts';
import type { DiskMode } from './descriptor.ts';
import { DiskFolder } from './disk-folder.ts';
import { VirtualDiskFiles } from './virtual-disk-files.ts';

const NIGHTLY = process.env['CAIRN_DISK_GRAPH_RUNS'] !== undefined;
const write = (at: number, length: number, seed: number): DiskOperation => ({ kind: 'write', at, length, seed });
const flush: DiskOperation = { kind: 'flush' };
const FIRST = [write(100, 9000, 1), { kind: 'discard', at: 16384, length: 8192 }, flush] as const;

/** A disk with two checkpoints and a branch, at rest. */
function start(files: MemoryFiles, kind: Kind, mode: DiskMode): GraphModel {
  const model = new GraphModel(files, kind, mode);
  model.use(FIRST);
  model.checkpoint([write(5000, 700, 2)], [write(9000, 3000, 3)]);
  model.collectAll();
  model.disk.flush();
  return model;
}

/** Things done to a disk, and what is surely there after a crash at any moment of it. */
class Work {
  readonly model: GraphModel;
  readonly history: History;
  checkpoints: readonly SavedState[];

  constructor(model: GraphModel) {
    this.model = model;
    this.history = new History(model.bytes);
    this.checkpoints = [...model.checkpoints];
  }

  use(...operations: DiskOperation[]): void {
    this.history.run(operations, guestView(this.model.disk));
    this.model.bytes = this.history.latest.slice();
  }

  checkpoint(pending: DiskOperation): void {
    const { disk } = this.model;
    disk.prepareCow();
    const old = disk.switchToCow();
    this.history.run([pending], old);
    this.model.bytes = this.history.latest.slice();
    this.use(write(12_288, 5000, 40), flush, write(0, 3, 41));
    const layer = disk.seal()!;
    // What the pending write and those before it left: the frozen layer itself is asked, and the model agrees.
    this.model.checkpoints.push({ layer, bytes: contentsOf(old) });
    this.checkpoints = [...this.model.checkpoints];
    disk.letGo(layer);
  }

  eliminate(index: number): void {
    this.model.eliminate(index);
    this.checkpoints = [...this.model.checkpoints];
  }

  revert(index: number): void {
    const { bytes } = this.model.checkpoints[index]!;
    this.history.mayBecome(bytes);
    this.model.revert(index);
    this.history.became(bytes);
  }

  collect(): void {
    for (let i = 0; i < 2; i++) {
      this.model.collect(2);
      this.use(write(20_000 + i * 4096, 600, 50 + i));
    }
    this.model.collectAll();
  }
}

function contentsOf(layer: VirtualDiskFiles['top']): Uint8Array {
  const bytes = new Uint8Array(layer.sizeBytes);
  layer.read(0, bytes);
  return bytes;
}

const SCENARIOS: Record<string, (work: Work) => void> = {
  'a checkpoint and what follows from it': work => {
    work.use(write(30_000, 2000, 20), flush, write(200, 300, 21));
    work.checkpoint(write(8192, 4096, 22));
    work.collect();
    work.use(flush);
  },
  'an elimination': work => {
    work.checkpoint(write(0, 512, 22));
    work.collect();
    work.eliminate(0);
    work.collect();
  },
  'a revert and what follows from it': work => {
    work.use(write(30_000, 2000, 20), flush);
    work.revert(0);
    work.use(write(0, 100, 23), flush);
    work.collect();
  },
  'a checkpoint that is not to be': work => {
    work.use(write(100, 300, 20));
    work.model.disk.prepareCow();
    work.use(write(200, 300, 21), flush);
    work.model.disk.abandonCow();
    work.use(write(300, 300, 22), flush);
    work.collect();
  },
};

function verify(found: MemoryFiles, { history, checkpoints }: Work): void {
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
  for (const id of folder.layerIds()) expectClean(folder.host, folder.layerPath(id), 'some');
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
  const work = new Work(start(files, kind, mode));
  const crashes = crashAtEach(
    files,
    () => SCENARIOS[name]!(work),
    found => verify(found, work),
    modes,
  );
  expect(crashes).toBeGreaterThan(30);
});
