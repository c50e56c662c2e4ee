/** Checkpoints of a fake VM: a single one, and a run of them into a folder in memory, or another store, each pointing to what did not change since the one before. */
import type { Base } from '#engine/checkpoint/base.ts';
import type { StoppableVm } from '#engine/checkpoint/ports.ts';
import { whileStopped, type Stopped } from '#engine/checkpoint/stopped.ts';
import { CheckpointStore } from '#engine/checkpoint/store.ts';
import { takeCheckpoint, type CheckpointRequest, type TakeParts } from '#engine/checkpoint/take.ts';
import type { FrozenMap } from '#engine/memory/mmm.ts';
import { nodeCodec } from '#worker/node-codec.ts';
import { type FakeVm, fullSpeed, testClock } from './fake-vm.ts';
import { MemoryFiles } from './memory-files.ts';

export const checkpointName = (n: number) => `checkpoint${n}`;

type TakenVm = StoppableVm & { readonly ramBytes: number; frozen(slot: number): FrozenMap };

/** What is not as in most tests. */
export type TakeOptions = Pick<TakeParts, 'store'> & Partial<TakeParts> & { readonly request?: Partial<CheckpointRequest> };

/** Steps 820 to 836; whoever stopped the VM removes the marks. */
export function writeCheckpointOf(vm: TakenVm, n: number, stopped: Stopped, { request, clock = testClock(), ...parts }: TakeOptions) {
  const { ramBytes } = vm;
  const whole = { id: checkpointName(n), parent: null, vmName: 'Debian', title: '', takenAt: '', ramBytes, running: true, ...request };
  const usual = { codec: nodeCodec, clock, pace: fullSpeed(clock), base: undefined, startedMs: 0 };
  return takeCheckpoint(whole, stopped, vm.frozen(stopped.slot), { ...usual, ...parts });
}

/** Steps 804 to 836; whatever happens, its marks are removed. */
export async function takeCheckpointOf(vm: TakenVm, n: number, { clock = testClock(), ...options }: TakeOptions) {
  const stopped = whileStopped(vm, clock, options.step);
  try {
    return await writeCheckpointOf(vm, n, stopped, { ...options, clock });
  } finally {
    vm.thaw(stopped.slot);
  }
}

export class CheckpointRun {
  readonly vm: FakeVm;
  readonly files: MemoryFiles;
  readonly store: CheckpointStore;
  /** Where the next one may point to. */
  base: Base | undefined;
  /** What each must bring back. */
  readonly instants = new Map<string, ReturnType<FakeVm['contents']>>();

  constructor(vm: FakeVm, files = new MemoryFiles(), store = new CheckpointStore(files, '/vm/checkpoints')) {
    vm.reset();
    this.vm = vm;
    this.files = files;
    this.store = store;
  }

  /** `vm` has 200 pages. */
  static async ofThreeGenerations(vm: FakeVm): Promise<CheckpointRun> {
    const run = new CheckpointRun(vm);
    await run.threeGenerations();
    return run;
  }

  async take(n: number, options: Partial<TakeOptions> = {}) {
    const { vm, store, base } = this;
    this.instants.set(checkpointName(n), vm.contents());
    const taken = await takeCheckpointOf(vm, n, { store, base, ...options });
    this.base = taken.base;
    return taken;
  }

  /** Of 200 pages 1 has all, 2 changed some, 3 others: 2 and 3 point into 1, 3 also into 2. */
  async threeGenerations(): Promise<void> {
    for (let index = 0; index < 200; index++) this.vm.write(index, index + 1);
    await this.take(1);
    for (let index = 0; index < 70; index++) this.vm.write(index, index + 1000);
    await this.take(2);
    for (let index = 60; index < 130; index++) this.vm.write(index, index + 2000);
    await this.take(3);
  }

  pathOf(n: number): string {
    return this.store.pathOf(checkpointName(n));
  }

  sizeOf(n: number): number {
    return this.files.get(this.pathOf(n)).length;
  }

  /** Writes noise somewhere into a file. */
  scratch(path: string, offset: number, length = 8): void {
    using file = this.files.openWrite(path);
    file.write(new Uint8Array(length).fill(0xa5), offset);
  }
}
