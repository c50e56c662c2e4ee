/** Checkpoints of a guest that keeps its disk busy: every state that can be gone back to is whole, memory and disk together (METHOD.md, Fig. 2H, 4D, 5A-5E). */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Checkpoint, HistoryEntry } from '#main/ipc/contract.ts';
import { CairnHome } from '../support/cairn.ts';
import type { ConsoleProcess } from '../support/console-process.ts';
import { layerFile, topFile } from '../support/disk-files.ts';
import { expectCleanExt4, ext4Disk } from '../support/ext4.ts';
import { cairnDiskGuest, GuestShell } from '../support/guest-shell.ts';
import { expectQemuCheck } from '../support/qemu-img.ts';

let home: CairnHome;
beforeEach(() => {
  home = new CairnHome();
});
afterEach(() => home.dispose());

/**
 * Both jobs of disk-work go on and find nothing wrong. Churn knows only in memory what its blocks hold: with the disk of another instant it says
 * "broken" within moments.
 */
async function expectAtWork(machine: ConsoleProcess): Promise<void> {
  machine.passAll();
  for (const line of [/churned \d+\r?\n/, /committed \d+\r?\n/, /churned \d+\r?\n/, /churned \d+\r?\n/]) await machine.waitFor(line);
  expect(/.*broken.*/.exec(machine.text)?.[0]).toBeUndefined();
}

/** Ends the work and has the guest look at everything: the journal's records, then the whole file system. */
async function expectGoodEnd(shell: GuestShell, device: string): Promise<void> {
  await shell.run('killall disk-work; wait');
  expect(await shell.run('disk-work check /mnt/journal')).toMatch(/journal good: [1-9]/);
  await shell.run(`umount /mnt && e2fsck -fn ${device}`);
  await shell.powerOff();
}

const chainLength = (top: string) =>
  (JSON.parse(spawnSync('qemu-img', ['info', '--backing-chain', '--output=json', top], { encoding: 'utf8' }).stdout) as unknown[]).length;

test.for([
  { mode: 'chain', port: 'virtio', device: '/dev/vda' },
  { mode: 'copy', port: 'ide', device: '/dev/sda' },
])('mode $mode, $port: checkpoints under load, reverts, a clone, deletions', async ({ mode, port, device }) => {
  const base = ext4Disk(path.join(home.folder, 'base.raw'), 96);
  const args = ['--disk', `${base},if=${port},format=raw`, '--checkpoint-mode', mode];
  const shell = await cairnDiskGuest(home, 'busy', { append: `mount=${device}`, args });
  const { machine } = shell;
  const take = (title: string) => home.jsonMeanwhile<Checkpoint>('checkpoint', 'take', 'busy', '--title', title);
  const revert = (id: string) => home.jsonMeanwhile('checkpoint', 'revert', 'busy', id);
  await shell.run('mkdir /mnt/journal; disk-work churn /mnt/churn & disk-work journal /mnt/journal & true');
  await expectAtWork(machine);

  const taken: Checkpoint[] = [];
  for (const title of ['one', 'two', 'three']) {
    taken.push(await take(title));
    await expectAtWork(machine);
  }
  for (const { disks } of taken) {
    const file = layerFile(home, 'busy', disks[0]!.layer);
    expectQemuCheck(file, 'some');
    expectCleanExt4(file);
  }
  const [one, two, three] = taken as [Checkpoint, Checkpoint, Checkpoint];
  await revert(two.id);
  await expectAtWork(machine);
  const branch = await take('a branch');
  await revert(three.id);
  await expectAtWork(machine);

  const clone = new GuestShell(home.run('--name', 'clone', '--from', two.id));
  await expectAtWork(clone.machine);
  for (const id of [two.id, one.id]) await home.jsonMeanwhile('checkpoint', 'delete', 'busy', id);
  await expectAtWork(machine);
  await expectAtWork(clone.machine);
  await expectGoodEnd(clone, device);
  await revert(branch.id);
  await expectAtWork(machine);
  await expectGoodEnd(shell, device);

  expect(home.json<Checkpoint[]>('checkpoint', 'list', 'busy').map(({ id }) => id)).toEqual([three.id, branch.id]);
  for (const vm of ['busy', 'clone']) {
    const top = topFile(home, vm, 'disk0');
    expectQemuCheck(top);
    expectCleanExt4(top);
    const { status, stdout, stderr } = home.cli('check', vm);
    expect(status === 0 ? '' : `cairn check ${vm}: ${status} ${stdout}${stderr}`).toBe('');
  }
  if (mode === 'copy') expect(chainLength(topFile(home, 'busy', 'disk0'))).toBeLessThanOrEqual(2);
});

test('back and forth, in RAM and from the file, with two disks that are in use: memory and both are always of one instant', async () => {
  const bases = ['one', 'two'].map(name => ext4Disk(path.join(home.folder, `${name}.raw`), 64));
  const args = [...bases.flatMap(base => ['--disk', `${base},if=virtio,format=raw`]), '--keep-in-ram'];
  const shell = await cairnDiskGuest(home, 'busy', { append: 'mount=/dev/vda', args });
  const { machine } = shell;
  const take = (title: string) => home.jsonMeanwhile<Checkpoint>('checkpoint', 'take', 'busy', '--title', title);
  const revert = (id: string) => home.jsonMeanwhile('checkpoint', 'revert', 'busy', id);
  await shell.run('mkdir /other /mnt/journal && mount /dev/vdb /other');
  await shell.run('disk-work churn /other/churn & disk-work journal /mnt/journal & true');
  await expectAtWork(machine);
  const one = await take('one');
  await shell.run('echo new | tee /mnt/after >/other/after; sync');
  const two = await take('two');

  await revert(two.id);
  await shell.run('cat /mnt/after /other/after');
  for (let time = 0; time < 4; time++) {
    await revert(one.id); // in RAM, which gives the copy of the other up
    await shell.run('! ls /mnt/after && ! ls /other/after');
    if (time % 2 === 0) await expectAtWork(machine);
    await revert(two.id); // from its file
    if (time % 2 === 0) await shell.run('cat /mnt/after /other/after');
  }
  for (let time = 0; time < 3; time++) await revert(two.id); // while its memory is still being loaded
  await expectAtWork(machine);
  await revert(one.id);
  await expectAtWork(machine);
  const { history } = home.json<{ readonly history: readonly HistoryEntry[] }>('checkpoint', 'history', 'busy');
  const ways = history.filter(({ event }) => event === 'reverted').map(({ details }) => details['way']);
  expect(ways.toReversed()).toEqual([
    'ram',
    ...['ram', 'file', 'ram', 'file', 'ram', 'file', 'ram', 'file'],
    'file',
    'file',
    'file',
    'ram',
  ]);

  await shell.run('killall disk-work; wait');
  expect(await shell.run('disk-work check /mnt/journal')).toMatch(/journal good: [1-9]/);
  await shell.run('umount /other && e2fsck -fn /dev/vdb');
  await expectGoodEnd(shell, '/dev/vda');
  for (const disk of ['disk0', 'disk1']) {
    const top = topFile(home, 'busy', disk);
    expectQemuCheck(top);
    expectCleanExt4(top);
  }
  const { status, stdout, stderr } = home.cli('check', 'busy');
  expect(status === 0 ? '' : `cairn check: ${status} ${stdout}${stderr}`).toBe('');
});
