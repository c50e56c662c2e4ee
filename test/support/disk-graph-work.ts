/** Things done to a virtual disk's files from beginning to end, while the host fails: what must be there afterwards is known at every moment. */
import type { DiskMode } from '#engine/disk/graph/descriptor.ts';
import { History } from './disk-crash.ts';
import { GraphModel, guestView, type Kind, type SavedState } from './disk-graph-model.ts';
import type { DiskOperation } from './disk-model.ts';
import type { MemoryFiles } from './memory-files.ts';

export const write = (at: number, length: number, seed: number): DiskOperation => ({ kind: 'write', at, length, seed });
export const flush: DiskOperation = { kind: 'flush' };
const FIRST = [write(100, 9000, 1), { kind: 'discard', at: 16384, length: 8192 }, flush] as const;

/** A disk with a checkpoint, at rest. */
export function startDisk(files: MemoryFiles, kind: Kind, mode: DiskMode): GraphModel {
  const model = new GraphModel(files, kind, mode);
  model.use(FIRST);
  model.checkpoint([write(5000, 700, 2)], [write(9000, 3000, 3)]);
  model.collectAll();
  model.disk.flush();
  return model;
}

/** Things done to a disk, and what is surely there after a crash at any moment of it. */
export class DiskWork {
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
    const bytes = this.model.bytes.slice();
    this.use(write(12_288, 5000, 40), flush, write(0, 3, 41));
    const layer = disk.seal()!;
    this.model.checkpoints.push({ layer, bytes });
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

  /** What the work that failed was about is given up, as by the checkpoint software. */
  giveUp(): void {
    const { disk } = this.model;
    this.model.stopCollecting();
    disk.abandonCow();
    const frozen = disk.seal();
    if (frozen !== undefined) disk.letGo(frozen);
  }

  collect(): void {
    for (let i = 0; i < 2; i++) {
      this.model.collect(2);
      this.use(write(20_000 + i * 4096, 600, 50 + i));
    }
    this.model.collectAll();
  }
}

export const SCENARIOS: Record<string, (work: DiskWork) => void> = {
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
  'a chain that gets too long': work => {
    work.model.depth = 4;
    work.checkpoint(write(16_384, 4096, 22));
    work.checkpoint(write(24_576, 300, 23));
    work.collect();
    work.use(flush);
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
