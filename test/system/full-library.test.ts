/** A library on a disk that is full, while its VM runs: what is deleted is told as deleted, and nothing stands on what is gone. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { CheckReport } from '#main/check.ts';
import type { Checkpoint } from '#main/ipc/contract.ts';
import { CairnHome } from '../support/cairn.ts';
import { echoGuest } from '../support/echo-guest.ts';

let home: CairnHome;
let kernels: string;
beforeEach(() => {
  home = new CairnHome();
  kernels = mkdtempSync(path.join(os.tmpdir(), 'cairn-kernel-'));
  writeFileSync(path.join(kernels, 'kernel'), echoGuest());
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'cairn-test', home.folder]);
});
afterEach(async () => {
  await home.endAll();
  execFileSync('umount', ['-l', home.folder]);
  await home.dispose();
  rmSync(kernels, { recursive: true, force: true });
});

const file = () => path.join(home.folder, 'filling');

function fillUp(): void {
  try {
    execFileSync('dd', ['if=/dev/zero', `of=${file()}`, 'bs=1k'], { stdio: 'ignore' });
  } catch {
    expect(existsSync(file())).toBe(true); // it ends when the disk is full
  }
}

const list = () => home.json<Checkpoint[]>('checkpoint', 'list', 'x').map(({ id }) => id);

test('deleting checkpoints one by one, the first while there is no room to write it down', async () => {
  const vm = home.run('--name', 'x', '--memory', '16M', '--kernel', path.join(kernels, 'kernel'));
  await vm.waitFor(/ready/);
  const [one, two] = ['one', 'two'].map(title => home.json<Checkpoint>('checkpoint', 'take', 'x', '--title', title).id);
  fillUp();
  const { status, stderr } = home.cli('checkpoint', 'delete', 'x', one!);
  expect(stderr).toMatch(/is done, but could not be written down yet/);
  expect(status).toBe(0);
  expect(list()).toEqual([two]);
  const files = () => readdirSync(path.join(home.folder, 'x.cairn', 'checkpoints')).filter(name => name.endsWith('.ckpt'));
  expect(files()).toEqual([`${two}.ckpt`]);
  rmSync(file());
  expect(home.cli('checkpoint', 'delete', 'x', two!).status).toBe(0);
  expect([list(), files()]).toEqual([[], []]);
  vm.type('=');
  await vm.waitFor(/@/);
  expect(await vm.kill('SIGTERM')).toBe(0);
  expect(list()).toEqual([]);
  expect(home.json<CheckReport>('check', 'x').problems).toEqual([]);
});

test('killed while it could not be written down, it is as deleted at the next opening', async () => {
  const vm = home.run('--name', 'x', '--memory', '16M', '--kernel', path.join(kernels, 'kernel'));
  await vm.waitFor(/ready/);
  const [one, two] = ['one', 'two'].map(title => home.json<Checkpoint>('checkpoint', 'take', 'x', '--title', title).id);
  fillUp();
  expect(home.cli('checkpoint', 'delete', 'x', two!).status).toBe(0);
  await vm.kill('SIGKILL');
  expect(list()).toEqual([one]);
  rmSync(file());
  expect(list()).toEqual([one]);
  expect(home.json<{ current?: string }>('vm', 'show', 'x').current).toBe(one);
  expect(home.json<CheckReport>('check', 'x').problems.filter(({ kind }) => kind !== 'leftover')).toEqual([]);
});
