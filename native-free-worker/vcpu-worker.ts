/** Entry of a world's vcpu worker: the PC, filled from its kernel or a checkpoint, and its loop until the world ends. */
import { restoreCheckpoint } from '#engine/checkpoint/restore.ts';
import { CheckpointStore } from '#engine/checkpoint/store.ts';
import { Pc } from '#engine/machine/pc.ts';
import { openChannel } from './drive-channel.ts';
import { codecOf } from './node-codec.ts';
import { generationBytes, randomSource } from './outside.ts';
import { storedFiles } from './stored-files.ts';
import type { VcpuWorkerData } from './protocol.ts';
import { runWorld } from './run-world.ts';
import { MachineCheckpoint, restorableVm } from './vcpu-checkpoint.ts';
import { startData } from './thread.ts';

const { core, memory, machine: options, run, disks: opened, restore, checkpoints } = startData<VcpuWorkerData>();
runWorld(memory.buffer, run, outbox => {
  const disks = opened.length === 0 ? undefined : openChannel(memory.buffer, opened, run.pacing);
  const config = {
    ...options,
    generation: generationBytes(options.generation),
    random: randomSource(run.pacing, () => machine.nowNs()),
    drives: disks?.attached ?? [],
    filledLater: restore !== undefined,
  };
  const machine: Pc = new Pc(core, memory, config, outbox);
  disks?.connect(machine);
  const checkpoint = new MachineCheckpoint(machine, machine.core, memory.buffer, checkpoints, disks);
  checkpoint.sharesMemory = run.shareMemory;
  if (restore) {
    const store = new CheckpointStore(storedFiles, restore.folder);
    const vm = restorableVm(machine, machine.core, memory.buffer);
    const restored = restoreCheckpoint(store, restore.path, vm, codecOf(restore), { lazy: !restore.whole });
    checkpoint.restored(restore, restored);
    if (restore.generation !== undefined) machine.changeGeneration(generationBytes(restore.generation));
  }
  return { machine, checkpoint, disks, canReboot: options.boot.kind !== 'none' };
});
