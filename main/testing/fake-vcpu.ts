/** A world whose machine runs a script (the kernel command line, as JSON) instead of a PC: for tests of what lies around the machine. */
import { workerData } from 'node:worker_threads';
import type { MachineOptions, RunOptions } from '#worker/protocol.ts';
import { runWorld } from '#worker/run-world.ts';
import { FakeMachine, type Step } from '#worker/testing/fake-machine.ts';

const { memory, machine, run } = workerData as { memory: { buffer: SharedArrayBuffer }; machine: MachineOptions; run: RunOptions };
const { boot } = machine;
const steps = boot.kind === 'none' ? [] : (JSON.parse(boot.commandLine) as Step[]);
runWorld(memory.buffer, run, outbox => ({
  machine: new FakeMachine(outbox, steps),
  checkpoint: undefined,
  disks: undefined,
  canReboot: true,
}));
