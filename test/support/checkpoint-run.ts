/** A fake VM that takes checkpoints into a folder in memory, or another store, each pointing to what did not change since the one before. */
import type { Base } from '#engine/checkpoint/base.ts';
import { whileStopped } from '#engine/checkpoint/stopped.ts';
import { CheckpointStore } from '#engine/checkpoint/store.ts';
import { takeCheckpoint } from '#engine/checkpoint/take.ts';
import { nodeCodec } from '#worker/node-codec.ts';
import { FakeVm, fullSpeed, testClock } from './fake-vm.ts';
import { MemoryFiles } from './memory-files.ts';

export const checkpointName = (n: number) => `checkpoint${n}`;

export class CheckpointRun {
  readonly vm: FakeVm;
  readonly files: MemoryFiles;
  readonly store: CheckpointStore;
  private base: Base | undefined;

  constructor(vm: FakeVm, files = new MemoryFiles(), store = new CheckpointStore(files, '/vm/checkpoints')) {
    vm.reset();
    this.vm = vm;
    this.files = files;
    this.store = store;
  }

  async take(n: number): Promise<void> {
    const { vm, store, base } = this;
    const clock = testClock();
    const stopped = whileStopped(vm, clock);
    const request = { id: checkpointName(n), parent: null, vmName: 'Debian', title: '', takenAt: '', ramBytes: vm.ramBytes, running: true };
    const parts = { store, codec: nodeCodec, clock, pace: fullSpeed(clock), base, startedMs: 0 };
    ({ base: this.base } = await takeCheckpoint(request, stopped, vm.frozen(stopped.slot), parts));
    vm.thaw(stopped.slot);
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
