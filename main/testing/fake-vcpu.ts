/** A world whose machine runs a script (the kernel command line, as JSON) instead of a PC: for tests of what lies around the machine. */
import type { MachineOptions, RunOptions } from '#worker/protocol.ts';
import { runWorld } from '#worker/run-world.ts';
import { FakeMachine, type Step } from '#worker/testing/fake-machine.ts';
import { startData } from '#worker/thread.ts';

const { memory, machine, run } = startData<{ memory: { buffer: SharedArrayBuffer }; machine: MachineOptions; run: RunOptions }>();
const { boot } = machine;
const steps = boot.kind === 'none' ? [] : (JSON.parse(boot.commandLine) as Step[]);
runWorld(memory.buffer, run, outbox => ({
  machine: new FakeMachine(outbox, steps),
  checkpoint: undefined,
  disks: undefined,
  canReboot: true,
}));
