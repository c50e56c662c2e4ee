/** A checkpoint of a BenchPc by the real checkpoint software, the guest running on in slices while its pages are written. */
import type { LazyPages } from '#engine/checkpoint/lazy-pages.ts';
import { restoreCheckpoint } from '#engine/checkpoint/restore.ts';
import { CheckpointStore } from '#engine/checkpoint/store.ts';
import { findEmptySlot, FrozenMap } from '#engine/memory/mmm.ts';
import { nodeCodec } from '#worker/node-codec.ts';
import { restorableVm } from '#worker/vcpu-checkpoint.ts';
import type { BenchPc } from './bench-pc.ts';
import { checkpointName, takeCheckpointOf } from './checkpoint-run.ts';
import { testClock } from './fake-vm.ts';
import { MemoryFiles } from './memory-files.ts';

const RECLAIM_CHUNK = 1000;

export const bufferOf = (bench: BenchPc) => bench.memory.buffer as unknown as SharedArrayBuffer;

/** Steps 804-836; `meanwhile` is called between the pieces of the writing. The store has the one checkpoint. */
export async function takeFrom(bench: BenchPc, meanwhile: () => void): Promise<CheckpointStore> {
  const { pc } = bench;
  const vm = {
    ramBytes: pc.ramBytes,
    frozen: (slot: number) => new FrozenMap(bufferOf(bench), slot),
    freeze() {
      const slot = findEmptySlot(bufferOf(bench))!;
      return { slot, epoch: pc.core.freeze(slot) };
    },
    thaw(slot: number) {
      pc.core.thaw(slot);
      while (pc.core.reclaim(slot, RECLAIM_CHUNK) > 0);
    },
    saveDevices: () => pc.saveDevices(),
  };
  const store = new CheckpointStore(new MemoryFiles(), '/vm');
  await takeCheckpointOf(vm, 1, { store, clock: testClock(meanwhile) });
  return store;
}

export function restoreInto(bench: BenchPc, store: CheckpointStore, lazy = false): LazyPages | undefined {
  return restoreCheckpoint(store, store.pathOf(checkpointName(1)), restorableVm(bench.pc, bench.pc.core, bufferOf(bench)), nodeCodec, {
    lazy,
  }).later;
}
