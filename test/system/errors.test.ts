/** What goes wrong for a user is told in one sentence, with an exit code, and harms nothing. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Checkpoint } from '#main/ipc/contract.ts';
import { CairnHome } from '../support/cairn.ts';
import { demo } from '../support/guests.ts';

let home: CairnHome;
beforeEach(() => {
  home = new CairnHome();
});
afterEach(() => home.dispose());

/** One line on stderr, no stack trace, nothing on stdout, a status that is not success. */
function expectOneSentence(result: { status: number | null; stdout: string; stderr: string }, pattern: RegExp): void {
  expect(result.stderr.trim()).toMatch(pattern);
  expect(result.stderr.trim().split('\n')).toHaveLength(1);
  expect(result.stderr).not.toMatch(/\bat .*:\d+:\d+/);
  expect(result.stdout).toBe('');
  expect(result.status).toBeGreaterThan(0);
}

test('a kernel path that does not exist', () => {
  expectOneSentence(home.cli('run', '--name', 'x', '--kernel', '/no/such/kernel', '--serial', 'stdio'), /\/no\/such\/kernel/);
});

test('a file that is not a kernel', () => {
  const file = path.join(mkdtempSync(path.join(home.folder, 'k-')), 'readme.txt');
  writeFileSync(file, 'not a kernel\n'.repeat(1000));
  expectOneSentence(home.cli('run', '--name', 'x', '--kernel', file, '--serial', 'stdio'), /readme\.txt/);
});

test('a truncated kernel', () => {
  const file = path.join(mkdtempSync(path.join(home.folder, 'k-')), 'vmlinuz');
  writeFileSync(file, '');
  truncateSync(file, 600);
  expectOneSentence(home.cli('run', '--name', 'x', '--kernel', file, '--serial', 'stdio'), /vmlinuz/);
});

test('more memory than a VM can have', () => {
  expectOneSentence(home.cli('run', '--name', 'x', '--memory', '64G', '--kernel', demo.kernel(), '--serial', 'stdio'), /memory|MiB/i);
});

test('an unknown verb, a VM that is not there, a checkpoint that is not there', () => {
  expectOneSentence(home.cli('chekpoint'), /chekpoint/);
  expectOneSentence(home.cli('vm', 'show', 'nobody'), /nobody/);
  expectOneSentence(home.cli('checkpoint', 'list', 'nobody'), /nobody/);
});

test('a second Cairn on the same VM is refused and the first runs on; a damaged checkpoint is refused and the VM runs on', async () => {
  const vm = await home.demo('one');
  expectOneSentence(home.cli('run', '--name', 'one', '--kernel', demo.kernel(), '--serial', 'stdio'), /one/);
  vm.type('echo still-$((40 + 2))\n');
  await vm.waitFor(/still-42/);

  const { id } = home.json<Checkpoint>('checkpoint', 'take', 'one', '--title', 'soon damaged');
  truncateSync(home.checkpointFile('one', id), 70_000);
  expectOneSentence(home.cli('checkpoint', 'revert', 'one', id), new RegExp(id));
  vm.type('echo again-$((40 + 2))\n');
  await vm.waitFor(/again-42/);
  expect(await vm.kill('SIGTERM')).toBe(0);
});

test('a full disk while a checkpoint is written: refused in one sentence, nothing left of it, the VM runs on, and there is room again later', async () => {
  // a real file system of 24 MiB; mounting one wants root, as CI has it
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'cairn-test', home.folder]);
  try {
    const vm = await home.demo('full');
    vm.type('dd if=/dev/urandom of=/tmp/noise bs=1M count=40 2>/dev/null; echo filled-$?\n');
    await vm.waitFor(/filled-0/);
    expectOneSentence(home.cli('checkpoint', 'take', 'full', '--title', 'too big'), /room|full|space/i);
    expect(readdirSync(path.join(home.folder, 'full.cairn', 'checkpoints'))).toEqual([]);
    vm.type('rm /tmp/noise; echo 3 >/proc/sys/vm/drop_caches; echo on-$((40 + 2))\n');
    await vm.waitFor(/on-42/);
    execFileSync('mount', ['-o', 'remount,size=256m', home.folder]);
    expect(home.json<Checkpoint>('checkpoint', 'take', 'full', '--title', 'fits').pages.stored).toBeGreaterThan(0);
    await vm.kill('SIGTERM');
  } finally {
    execFileSync('umount', ['-l', home.folder]);
  }
});
