/** A real Linux guest that keeps dirtying memory, checkpointed while it runs, restored elsewhere and reverted (METHOD.md, Fig. 3A and 3G). */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Checkpoint, VmSummary } from '#main/ipc/contract.ts';
import { CairnHome } from '../support/cairn.ts';
import type { ConsoleProcess } from '../support/console-process.ts';

let home: CairnHome;
beforeEach(() => {
  home = new CairnHome();
});
afterEach(() => home.dispose());

/** The dirty program's pass number on a line of its own. */
const PASS = /^(\d{10})\r?\n/m;

const lastPass = (vm: ConsoleProcess) => Number(vm.text.match(/\d{10}(?=\r?\n)/g)?.at(-1));

test('a checkpoint of a busy guest is restored into another VM, in another process, while the first goes on', async () => {
  const vm = await home.demo('first');
  vm.type('dd if=/dev/urandom of=/tmp/big bs=1M count=48 2>/dev/null; sha256sum /tmp/big\n');
  const [, hash] = await vm.waitFor(/([0-9a-f]{64}) +\/tmp\/big/);
  vm.type('dirty 24\n');
  await vm.waitFor(PASS);
  const before = lastPass(vm);
  const taken = await home.jsonMeanwhile<Checkpoint>('checkpoint', 'take', 'first', '--title', 'busy');
  expect(taken.title).toBe('busy');
  expect(taken.pages.stored).toBeGreaterThan((48 + 24) * 256);
  expect(taken.pages.zero).toBeGreaterThan(1000);
  const after = lastPass(vm) + 1; // the pass that was under way may not have been heard of here
  await vm.waitFor(new RegExp(String(after + 2).padStart(10, '0'))); // the ongoing VM was not disturbed

  const clone = home.run('--name', 'second', '--from', taken.id);
  const first = Number((await clone.waitFor(PASS))[1]);
  expect(Number((await clone.waitFor(PASS))[1])).toBe(first + 1);
  expect(first).toBeGreaterThan(before);
  expect(first).toBeLessThanOrEqual(after);
  await vm.kill(); // the first has gone: the second needs nothing of it
  clone.type('\x03');
  await clone.waitFor(/\/root # /);
  clone.type('sha256sum /tmp/big\n');
  expect((await clone.waitFor(/([0-9a-f]{64}) +\/tmp\/big/))[1]).toBe(hash);
});

test('revert goes back to the instant of the checkpoint, and the second checkpoint points to what has not changed', async () => {
  const vm = await home.demo('undo');
  vm.type('echo before >/tmp/state; echo written-$?\n');
  await vm.waitFor(/written-0/);
  const first = home.json<Checkpoint>('checkpoint', 'take', 'undo', '--title', 'one');
  vm.type('echo after >/tmp/state; echo written-$?\n');
  await vm.waitFor(/written-0/);
  const second = home.json<Checkpoint>('checkpoint', 'take', 'undo', '--title', 'two');
  expect(second.parent).toBe(first.id);
  expect(second.pages.pointed).toBeGreaterThan(second.pages.stored);
  expect(second.bytesWritten).toBeLessThan(first.bytesWritten);

  home.json<VmSummary>('checkpoint', 'revert', 'undo', first.id);
  vm.type('cat /tmp/state\n');
  await vm.waitFor(/^before\r?$/m);
  home.json<VmSummary>('checkpoint', 'revert', 'undo', second.id);
  vm.type('cat /tmp/state\n');
  await vm.waitFor(/^after\r?$/m);
  expect(home.json<Checkpoint[]>('checkpoint', 'list', 'undo').map(entry => entry.id)).toEqual([first.id, second.id]);
});

test('kill -9 while a checkpoint is taken leaves the earlier one usable and no half file', async () => {
  let parent: string | undefined;
  for (const delayMs of [0, 5, 40, 150, 400]) {
    const vm = parent === undefined ? await home.demo('victim') : home.run('--name', 'victim');
    if (parent === undefined) {
      vm.type('dirty 32\n');
      await vm.waitFor(PASS);
      parent = home.json<Checkpoint>('checkpoint', 'take', 'victim', '--title', 'good').id;
    }
    await vm.waitFor(PASS);
    const taking = home.start('checkpoint', 'take', 'victim', '--title', `killed after ${delayMs} ms`);
    await new Promise(resolve => setTimeout(resolve, delayMs)); // any instant will do
    await vm.kill('SIGKILL');
    await taking.ended;
    const left = home.json<Checkpoint[]>('checkpoint', 'list', 'victim');
    expect(left.map(entry => entry.id)).toContain(parent);
    for (const entry of left) home.json('inspect', home.checkpointFile('victim', entry.id));
    home.json('checkpoint', 'revert', 'victim', parent);
  }
});
