/** A checkpoint of a BenchPc by the real checkpoint software, the guest running on in slices while its pages are written. */
import type { LazyPages } from '#engine/checkpoint/lazy-pages.ts';
import { restoreCheckpoint } from '#engine/checkpoint/restore.ts';
import { whileStopped } from '#engine/checkpoint/stopped.ts';
import { CheckpointStore } from '#engine/checkpoint/store.ts';
import { takeCheckpoint } from '#engine/checkpoint/take.ts';
import { findEmptySlot, FrozenMap } from '#engine/memory/mmm.ts';
import { nodeCodec } from '#worker/node-codec.ts';
import { restorableVm } from '#worker/vcpu-checkpoint.ts';
import type { BenchPc } from './bench-pc.ts';
import { fullSpeed, testClock } from './fake-vm.ts';
import { MemoryFiles } from './memory-files.ts';

const RECLAIM_CHUNK = 1000;
const ID = 'checkpoint1';

export const bufferOf = (bench: BenchPc) => bench.memory.buffer as unknown as SharedArrayBuffer;

/** Steps 804-836; `meanwhile` is called between the pieces of the writing. The store has the one checkpoint. */
export async function takeFrom(bench: BenchPc, meanwhile: () => void): Promise<CheckpointStore> {
  const { pc } = bench;
  const clock = testClock(meanwhile);
  const vm = {
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
  const stopped = whileStopped(vm, clock);
  const request = { id: ID, parent: null, vmName: 'Debian', title: '', takenAt: '', ramBytes: pc.ramBytes, running: true };
  const parts = { store, codec: nodeCodec, clock, pace: fullSpeed(clock), base: undefined, startedMs: 0 };
  await takeCheckpoint(request, stopped, new FrozenMap(bufferOf(bench), stopped.slot), parts);
  vm.thaw(stopped.slot);
  return store;
}

export function restoreInto(bench: BenchPc, store: CheckpointStore, lazy = false): LazyPages | undefined {
  return restoreCheckpoint(store, store.pathOf(ID), restorableVm(bench.pc, bench.pc.core, bufferOf(bench)), nodeCodec, { lazy }).later;
}
