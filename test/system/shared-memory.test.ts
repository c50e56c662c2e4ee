/** Equal pages of a real Linux guest become one (METHOD.md § 138), and neither it nor its checkpoints can tell. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Checkpoint, VmDetail, VmSummary } from '#main/ipc/contract.ts';
import { CairnHome } from '../support/cairn.ts';
import { GuestShell } from '../support/guest-shell.ts';

let home: CairnHome;
beforeEach(() => {
  home = new CairnHome();
});
afterEach(() => home.dispose());

const COPIES = 12;
/** All copies but this one stay as they are. */
const CHANGED = 7;

/** Of every copy, by its number from 1 on. */
async function sums(guest: GuestShell): Promise<string[]> {
  const output = await guest.run(`for n in $(seq ${COPIES}); do md5sum </tmp/copy$n; done`);
  return output.match(/^[0-9a-f]{32}/gm)!;
}

async function untilSaved(vm: string, mib: number): Promise<void> {
  while ((await home.jsonMeanwhile<VmDetail>('vm', 'show', vm)).savedMiB! < mib);
}

test('copies of a file share memory, are told apart once one is written, and come back with a checkpoint', async () => {
  const vm = await home.demo('sharing', '--share-memory', '--keep-in-ram');
  const guest = new GuestShell(vm);
  await guest.run('dd if=/dev/urandom of=/tmp/one bs=1M count=1 2>/dev/null');
  await guest.run(`for n in $(seq ${COPIES}); do cp /tmp/one /tmp/copy$n; done`);
  const one = (await guest.run('md5sum </tmp/one')).slice(0, 32);
  await untilSaved('sharing', COPIES);
  expect(await sums(guest)).toEqual(Array.from({ length: COPIES }, () => one));

  await guest.run(`dd if=/dev/zero of=/tmp/copy${CHANGED} bs=4096 seek=100 count=1 conv=notrunc 2>/dev/null`);
  const made = await guest.run('(head -c 409600 /tmp/one; head -c 4096 /dev/zero; tail -c +413697 /tmp/one) | md5sum');
  const changed = Array.from({ length: COPIES }, (_, i) => (i + 1 === CHANGED ? made.slice(0, 32) : one));
  expect(await sums(guest)).toEqual(changed);

  const taken = await home.jsonMeanwhile<Checkpoint>('checkpoint', 'take', 'sharing', '--title', 'shared');
  await guest.run(`for n in $(seq ${COPIES}); do dd if=/dev/zero of=/tmp/copy$n bs=1M count=1 conv=notrunc 2>/dev/null; done`);
  await home.jsonMeanwhile<VmSummary>('checkpoint', 'revert', 'sharing', taken.id); // in RAM
  expect(await sums(guest)).toEqual(changed);

  const second = new GuestShell(home.run('--name', 'second', '--from', taken.id));
  expect(await sums(second)).toEqual(changed);
  await untilSaved('second', COPIES - 1);
  expect(await sums(second)).toEqual(changed);
});
