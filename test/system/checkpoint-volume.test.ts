/** A real Linux guest whose checkpoints lie in a checkpoint volume (METHOD.md § 37–40, § 50): a preallocated file, and a block device. */
import { execFileSync, spawnSync } from 'node:child_process';
import { rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { VolumeInfo, VolumeReport } from '#main/checkpoint-volume.ts';
import type { CheckReport } from '#main/check.ts';
import type { Checkpoint } from '#main/ipc/contract.ts';
import { CairnHome } from '../support/cairn.ts';
import type { ConsoleProcess } from '../support/console-process.ts';
import { echoGuest } from '../support/echo-guest.ts';

let home: CairnHome;
let volume: string;
let undo: DisposableStack;
beforeEach(() => {
  undo = new DisposableStack();
  home = new CairnHome();
  volume = path.join(home.folder, 'checkpoints.volume');
});
afterEach(async () => {
  await home.endAll();
  undo.dispose();
  await home.dispose();
});

const info = () => home.json<VolumeInfo>('store', 'info', volume);
const idsOf = (vm: string) =>
  info()
    .vms.find(({ name }) => name === vm)
    ?.checkpoints.map(({ id }) => id);
const take = (vm: string, title: string) => home.jsonMeanwhile<Checkpoint>('checkpoint', 'take', vm, '--title', title);

/** Damage is none; what a killed process left for the next one may be. */
function expectSound(...vms: string[]): void {
  for (const vm of vms) expect(home.json<CheckReport>('check', vm).problems.filter(({ kind }) => kind === 'damaged')).toEqual([]);
  expect(home.json<VolumeReport>('store', 'check', volume).problems.filter(({ kind }) => kind === 'damaged')).toEqual([]);
}

/** Fills a file in the guest's memory with noise, no page of it like another; answers its hash. */
async function fill(vm: ConsoleProcess, name: string, mebibytes: number): Promise<string> {
  vm.type(`head -c 1048576 /dev/urandom >/tmp/seed; rm -f /tmp/${name}; i=0\n`);
  vm.type(`while [ $i -lt ${mebibytes} ]; do tail -c +$((i*37+1)) /tmp/seed >>/tmp/${name}; i=$((i+1)); done; md5sum /tmp/${name}\n`);
  return (await vm.waitFor(new RegExp(`([0-9a-f]{32}) +/tmp/${name}`)))[1]!;
}

async function expectHash(vm: ConsoleProcess, name: string, hash: string): Promise<void> {
  vm.type(`md5sum /tmp/${name}\n`);
  expect((await vm.waitFor(new RegExp(`([0-9a-f]{32}) +/tmp/${name}`)))[1]).toBe(hash);
}

test('several checkpoints in a volume: gone back to, deleted under a guest that still reads them, cloned, killed, and listed from the volume alone', async () => {
  home.json('store', 'create', volume, '--size', '384M');
  const { size, blocks } = statSync(volume);
  expect(blocks * 512).toBeGreaterThanOrEqual(size); // room for all of it
  let vm = await home.demo('a', '--checkpoint-store', volume);
  expect(home.cli('store', 'create', volume, '--force')).toMatchObject({ status: 3, stderr: expect.stringContaining('a (process') });
  const first = await fill(vm, 'first', 40);
  const one = await take('a', 'one');
  const second = await fill(vm, 'second', 30);
  const two = await take('a', 'two');
  expect(two.pages.pointed).toBeGreaterThan(40 * 256);
  expect(idsOf('a')).toEqual([one.id, two.id].toSorted());

  // Its memory comes from files that are deleted at once, and whose room others would take.
  home.json('checkpoint', 'revert', 'a', two.id);
  home.json('checkpoint', 'delete', 'a', one.id, two.id);
  await fill(vm, 'third', 30);
  const three = await take('a', 'three');
  await expectHash(vm, 'first', first);
  await expectHash(vm, 'second', second);
  expect(idsOf('a')).toEqual([three.id]);
  expectSound('a');

  for (const delayMs of [0, 60, 300]) {
    const taking = home.start('checkpoint', 'take', 'a', '--title', `killed after ${delayMs} ms`);
    await sleep(delayMs); // any instant will do
    await vm.kill('SIGKILL');
    await taking.ended;
    expectSound('a');
    expect(idsOf('a')).toContain(three.id);
    expect(info()).toMatchObject({ users: [], uses: [] });
    home.json('checkpoint', 'revert', 'a', three.id);
    vm = home.run('--name', 'a');
    vm.type('\n');
    await vm.waitFor(/\/root # /);
  }
  await expectHash(vm, 'second', second);

  // Another VM from the same instant shares the units, and two processes write to the volume at a time.
  const used = info().usedBytes;
  home.json('vm', 'clone', 'a', three.id, '--as', 'b');
  expect(info().usedBytes).toBe(used);
  const clone = home.run('--name', 'b');
  await Promise.all([fill(vm, 'ours', 10), fill(clone, 'theirs', 10)]);
  const [ours, theirs] = await Promise.all([take('a', 'ours'), take('b', 'theirs')]);
  await vm.kill('SIGKILL');
  home.json('vm', 'delete', 'a');
  await expectHash(clone, 'first', first);
  await clone.kill('SIGKILL');
  expectSound('b');
  rmSync(path.join(home.folder, 'b.cairn', 'catalog.db'));
  expect(home.json<Checkpoint[]>('checkpoint', 'list', 'b').map(({ id }) => id)).toEqual([three.id, theirs.id]);
  expect(home.json('repair', 'b')).toMatchObject({ checkpoints: 2, removed: [] });
  expect(home.json('inspect', path.join(home.folder, 'b.cairn', 'checkpoints', `${theirs.id}.ckpt`))).toMatchObject({
    id: theirs.id,
    title: 'theirs',
  });
  expect(home.json('inspect', volume)).toMatchObject({ kind: 'checkpoint volume', vms: [{ name: 'b' }] });
  expect(idsOf('a')).toBeUndefined();
  expect(ours.id).not.toBe(theirs.id);
  home.json('vm', 'delete', 'b');
  expect(info()).toMatchObject({ usedBytes: 0, vms: [], users: [], uses: [] });
});

test('a volume that is full fails the checkpoint with a sentence, the guest runs on, and deleting makes room', async () => {
  home.json('store', 'create', volume, '--size', '96M');
  const vm = await home.demo('a', '--checkpoint-store', volume);
  const hash = await fill(vm, 'first', 40);
  const one = await take('a', 'one');
  await fill(vm, 'first', 50);
  const { stderr, status } = home.cli('checkpoint', 'take', 'a', '--title', 'two');
  expect({ stderr, status }).toEqual({
    stderr: expect.stringMatching(
      /^cairn: The checkpoint “two” of a was not taken: .*the volume is full \(96 MiB\)\. Delete checkpoints and try again\. The VM runs on\.\n$/,
    ),
    status: 4,
  });
  await fill(vm, 'first', 1);
  expect(idsOf('a')).toEqual([one.id]);
  home.json('checkpoint', 'delete', 'a', one.id);
  await fill(vm, 'second', 40);
  const two = await take('a', 'two');
  expect(idsOf('a')).toEqual([two.id]);
  expect(hash).not.toBe('');
  expectSound('a');
});

/** A block device with this file behind it. */
function loopDevice(file: string): string {
  const device = execFileSync('losetup', ['--find', '--show', file], { encoding: 'utf8' }).trim();
  undo.defer(() => void spawnSync('losetup', ['--detach', device]));
  return device;
}

test('a block device is a volume as a file is; one that the computer uses, or that holds something, is not overwritten', async () => {
  const file = path.join(home.folder, 'disk.raw');
  writeFileSync(file, '');
  truncateSync(file, 40 << 20);
  const device = loopDevice(file);
  expect(home.cli('store', 'create', device)).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('With --force that is overwritten and lost'),
  });
  expect(home.json('store', 'create', device, '--force')).toMatchObject({ sizeBytes: 40 << 20, vms: [] });
  volume = device;
  writeFileSync(path.join(home.folder, 'guest'), echoGuest());
  const run = (...args: string[]) => home.run('--memory', '16M', ...args);
  const vm = run('--name', 'a', '--kernel', path.join(home.folder, 'guest'), '--checkpoint-store', device);
  await vm.waitFor(/ready\n/);
  vm.type('++');
  await vm.waitFor(/AB/);
  const one = await take('a', 'one');
  vm.type('+');
  await vm.waitFor(/C/);
  await take('a', 'two');
  await vm.kill('SIGKILL');
  expectSound('a');
  home.json('checkpoint', 'revert', 'a', one.id);
  const again = run('--name', 'a');
  again.type('+');
  await again.waitFor(/C/);
  home.json('checkpoint', 'delete', 'a', one.id);
  expect(idsOf('a')).toHaveLength(1);
  expect(home.cli('store', 'create', device, '--force')).toMatchObject({ status: 3 });
});
