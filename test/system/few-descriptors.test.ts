/** The real command where a process may have few files open: it works with few, and says so in a sentence with too few. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Checkpoint, VmDetail } from '#main/ipc/contract.ts';
import { CairnHome } from '../support/cairn.ts';
import { ConsoleProcess } from '../support/console-process.ts';
import { echoGuest } from '../support/echo-guest.ts';

const command = fileURLToPath(new URL('../../scripts/cairn.mjs', import.meta.url));

let home: CairnHome;
let guest: string[];
let vm: ConsoleProcess | undefined;
beforeEach(() => {
  home = new CairnHome();
  const folder = mkdtempSync(path.join(home.folder, 'k-'));
  writeFileSync(path.join(folder, 'kernel'), echoGuest());
  writeFileSync(path.join(folder, 'disk'), new Uint8Array(1 << 20));
  guest = ['--kernel', path.join(folder, 'kernel'), '--memory', '16M', '--disk', `${path.join(folder, 'disk')},format=raw`];
});
afterEach(async () => {
  await vm?.kill();
  await home.dispose();
});

const limited = (limit: number, args: readonly string[]) =>
  ['-c', `ulimit -n ${limit} && exec "$0" "$@"`, process.execPath, command, ...args] as const;
const env = () => ({ ...process.env, CAIRN_HOME: home.folder });

/** A verb to its end, in a process that may have `limit` files open. */
function cli(limit: number, ...args: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync('/bin/sh', limited(limit, args), { env: env(), encoding: 'utf8' });
}

test('with 64 a VM runs on, however many checkpoints it has, and goes back to any of them', async () => {
  vm = new ConsoleProcess('/bin/sh', [...limited(64, ['run', '--name', 'a', ...guest, '--serial', 'stdio', '--display', 'none'])], env());
  await vm.waitFor(/ready/);
  const ids: string[] = [];
  for (let n = 0; n < 8; n++) ids.push(home.json<Checkpoint>('checkpoint', 'take', 'a', '--title', `number ${n}`).id);
  for (const id of [ids[0]!, ids[7]!]) home.json('checkpoint', 'revert', 'a', id);
  home.json('checkpoint', 'delete', 'a', ids[5]!);
  home.json('vm', 'clone', 'a', ids[6]!, '--as', 'linked');
  expect(home.json<VmDetail>('vm', 'show', 'a').checkpoints).toBe(7);
  expect(home.cli('vm', 'stop', 'a').status).toBe(0);
  expect(await vm.ended).toBe(0);
  expect(home.cli('check', 'a')).toMatchObject({ status: 0 });
  expect(cli(64, 'check', 'a')).toMatchObject({ status: 0 });
  expect(cli(64, 'repair', 'a')).toMatchObject({ status: 0 });
  expect(cli(64, 'vm', 'clone', 'a', ids[3]!, '--as', 'full', '--full')).toMatchObject({ status: 0 });
}, 240_000);

test('with fewer every verb works or says in one sentence, with the code for storage, what it lacks', async () => {
  vm = home.run('--name', 'a', ...guest);
  await vm.waitFor(/ready/);
  home.json('vm', 'stop', 'a');
  await vm.ended;
  for (const limit of [22, 26, 36]) {
    for (const args of [
      ['vm', 'show', 'a'],
      ['checkpoint', 'take', 'a', '--title', `with ${limit}`],
      ['check', 'a'],
      ['repair', 'a'],
      ['run', '--name', 'b', ...guest, '--serial', 'none'],
    ]) {
      const { status, stderr } = cli(limit, ...args);
      const told = `${limit}: cairn ${args.join(' ')} → ${status}: ${stderr}`;
      if (status === 0) continue;
      expect(stderr.trim().split('\n').length, told).toBe(1);
      expect(stderr, told).toMatch(/ulimit -n/);
      expect(status, told).toBe(4);
    }
  }
  expect(home.cli('check', 'a')).toMatchObject({ status: 0 });
}, 240_000);
