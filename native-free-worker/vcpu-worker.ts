/** Entry of a world's vcpu worker: the PC, filled from its kernel or a checkpoint, and its loop until the world ends. */
import { workerData } from 'node:worker_threads';
import { restoreCheckpoint } from '#engine/checkpoint/restore.ts';
import { CheckpointStore } from '#engine/checkpoint/store.ts';
import { Pc } from '#engine/machine/pc.ts';
import { nodeCodec } from './node-codec.ts';
import { nodeFiles } from './node-files.ts';
import type { VcpuWorkerData } from './protocol.ts';
import { runWorld } from './run-world.ts';
import { MachineCheckpoint, restorableVm } from './vcpu-checkpoint.ts';

const { core, memory, machine: options, run, restore, checkpoints } = workerData as VcpuWorkerData;
runWorld(memory.buffer, run, outbox => {
  const machine = new Pc(core, memory, { ...options, drives: [], balloon: false }, outbox);
  const checkpoint = new MachineCheckpoint(machine, machine.core, memory.buffer, checkpoints);
  if (restore) {
    const store = new CheckpointStore(nodeFiles, restore.folder);
    const { epoch } = restoreCheckpoint(store, restore.path, restorableVm(machine, machine.core, memory.buffer), nodeCodec);
    checkpoint.restored(restore.path, restore.folder, epoch);
  }
  return { machine, checkpoint, canReboot: options.boot.kind !== 'none' };
});
