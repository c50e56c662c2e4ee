import { tmpdir } from 'node:os';
import { describe, expect, test } from 'vitest';
import { NO_POLICY, type Checkpoint, type CheckpointTrigger, type Policy } from '../ipc/contract.ts';
import { PolicyRunner } from './policy-runner.ts';
import { PoweredOnClock } from './powered-on-clock.ts';

/** A VM that only remembers what it was asked for. */
function policed(policy: Partial<Policy>) {
  const taken: CheckpointTrigger[] = [];
  const notices: string[] = [];
  let release = () => {};
  const vm = {
    bundle: { name: 'debian', path: tmpdir(), checkpointsPath: tmpdir(), policy: { ...NO_POLICY, diskLowMiB: null, ...policy } },
    busy: true,
    isRunning: true,
    poweredOnMs: 0,
    list: [] as Checkpoint[],
    thinned: [] as string[],
    failure: undefined as Error | undefined,
    gate: undefined as Promise<void> | undefined,
    checkpoints: () => vm.list,
    take: async (_title: string, trigger: CheckpointTrigger = 'user') => {
      await vm.gate;
      if (vm.failure) throw vm.failure;
      taken.push(trigger);
      const checkpoint = { id: `id${taken.length}`, trigger, pinned: false, poweredOnMs: vm.poweredOnMs } as Checkpoint;
      vm.list = [...vm.list, checkpoint];
      return checkpoint;
    },
    thin: async (ids: readonly string[]) => {
      vm.thinned.push(...ids);
      vm.list = vm.list.filter(({ id }) => !ids.includes(id));
    },
    hold: () => (vm.gate = new Promise(resolve => (release = resolve))),
  };
  const runner = new PolicyRunner(vm, { readPower: () => undefined, notice: (_level, text) => notices.push(text) });
  return { vm, runner, taken, notices, release: () => release() };
}

describe('a policy at work', () => {
  test('takes and thins as time goes on', async () => {
    const { vm, runner, taken } = policed({ everySeconds: 10, keep: [{ forSeconds: 20, everySeconds: 0 }] });
    for (let n = 1; n <= 5; n++) {
      vm.poweredOnMs = n * 10_000;
      await runner.look();
    }
    expect(taken).toHaveLength(5);
    expect(vm.thinned).toEqual(['id1', 'id2']);
  });

  test('does one thing at a time, and what happens meanwhile waits for it', async () => {
    const { vm, runner, taken, release } = policed({ everySeconds: 10, reset: true });
    vm.poweredOnMs = 10_000;
    void vm.hold();
    const first = runner.look();
    const second = runner.look();
    const reset = runner.happened('reset');
    release();
    await Promise.all([first, second, reset]);
    expect(taken).toEqual(['period', 'reset']);
  });

  test('what fails is told and tried again later; a guest that waits for it goes on', async () => {
    const { vm, runner, taken, notices } = policed({ everySeconds: 900, reset: true });
    vm.failure = new Error('the disk is full');
    vm.poweredOnMs = 900_000;
    await runner.look();
    await runner.happened('reset');
    expect(notices).toEqual(['the disk is full', 'the disk is full']);
    vm.failure = undefined;
    await runner.look();
    expect(taken).toEqual([]);
    vm.poweredOnMs += 60_000;
    await runner.look();
    expect(taken).toEqual(['period']);
  });

  test('changes at once', async () => {
    const { vm, runner, taken } = policed({});
    vm.poweredOnMs = 900_000;
    await runner.look();
    runner.change({ ...NO_POLICY, everySeconds: 900 });
    await runner.look();
    runner.stop();
    expect(taken).toEqual(['period']);
  });
});

test('powered-on time goes on where it was, and stands still while the VM does', () => {
  let now = 1000;
  const clock = new PoweredOnClock(500, () => now);
  now += 100;
  expect(clock.ms).toBe(500);
  clock.run(true);
  now += 100;
  clock.run(true);
  now += 50;
  expect(clock.ms).toBe(650);
  clock.run(false);
  now += 1000;
  expect(clock.ms).toBe(650);
});
