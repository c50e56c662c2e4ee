/**
 * A whole Debian with its root on a disk of ours unpacks and compiles while checkpoints are taken, reverted to and deleted: its own checks and fsck
 * find nothing. CAIRN_SOAK_SECONDS: how long on each controller (45); CAIRN_SOAK_PERIOD: seconds from one checkpoint to the next (10);
 * CAIRN_SOAK_ALL=1: more controllers and modes; CAIRN_SEED.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Checkpoint } from '#main/ipc/contract.ts';
import { Random } from '../differential/random.ts';
import { CairnHome } from '../support/cairn.ts';
import type { ConsoleProcess } from '../support/console-process.ts';
import { topFile } from '../support/disk-files.ts';
import { expectCleanExt4 } from '../support/ext4.ts';
import { cairnDiskGuest } from '../support/guest-shell.ts';
import { guestFile } from '../support/guests.ts';
import { expectQemuCheck } from '../support/qemu-img.ts';

const SECONDS = Number(process.env['CAIRN_SOAK_SECONDS'] ?? 45);
const PERIOD_SECONDS = Number(process.env['CAIRN_SOAK_PERIOD'] ?? 10);
const AT_WORK = /round \d+ (?:unpacked|compiled \S+|good)\r?\n/;

let home: CairnHome;
beforeEach(() => {
  home = new CairnHome();
});
afterEach(() => home.dispose());

async function expectAtWork(machine: ConsoleProcess): Promise<void> {
  machine.passAll();
  await machine.waitFor(AT_WORK);
  expect(/.*BROKEN.*/.exec(machine.text)?.[0]).toBeUndefined();
}

/** Checkpoints, reverts and eliminations in turns that `random` makes up, until the time is over. */
async function meddle(machine: ConsoleProcess, random: Random): Promise<Record<string, number>> {
  const done = { taken: 0, reverted: 0, deleted: 0 };
  let ids: string[] = [];
  const end = Date.now() + SECONDS * 1000;
  for (let next = Date.now(); next < end; next += PERIOD_SECONDS * 1000) {
    await sleep(Math.max(0, next - Date.now()));
    ids.push((await home.jsonMeanwhile<Checkpoint>('checkpoint', 'take', 'soak', '--title', `soak ${++done.taken}`)).id);
    await expectAtWork(machine);
    if (random.chance(40)) {
      await home.jsonMeanwhile('checkpoint', 'revert', 'soak', random.pick(ids));
      done.reverted++;
      await expectAtWork(machine);
    }
    if (ids.length > 2 && random.chance(60)) {
      const id = random.pick(ids);
      await home.jsonMeanwhile('checkpoint', 'delete', 'soak', id);
      ids = ids.filter(other => other !== id);
      done.deleted++;
      await expectAtWork(machine);
    }
  }
  return done;
}

const ALWAYS = [
  { port: 'virtio', device: '/dev/vda', mode: 'chain' },
  { port: 'ide', device: '/dev/sda', mode: 'copy' },
];
const NIGHTLY = [
  { port: 'virtio', device: '/dev/vda', mode: 'full-copy' },
  { port: 'scsi', device: '/dev/sda', mode: 'copy' },
  { port: 'ide', device: '/dev/sda', mode: 'chain' },
];

test.for(process.env['CAIRN_SOAK_ALL'] === '1' ? [...ALWAYS, ...NIGHTLY] : ALWAYS)(
  'Debian works on $port, mode $mode',
  { timeout: SECONDS * 4000 + 900_000 },
  async ({ port, device, mode }) => {
    const args = ['--disk', `${guestFile('debian', 'root.ext4')},if=${port},format=raw`, '--checkpoint-mode', mode];
    const shell = await cairnDiskGuest(home, 'soak', { append: `quiet system=${device}`, memoryMiB: 384, args });
    shell.machine.type('soak-work\n');
    await shell.machine.waitFor(AT_WORK);
    const done = await meddle(shell.machine, new Random(Number(process.env['CAIRN_SEED'] ?? 1)));
    console.log(`soak on ${port}: ${JSON.stringify(done)}`);
    shell.machine.type('\x03');
    await shell.ready();
    expect(await shell.run('dmesg')).not.toMatch(/I\/O error|EXT4-fs (?:error|warning)/);
    expect(await shell.run('dpkg --verify libc6 libc6-dev tcc | grep -v " /usr/share/"; true')).toBe('');
    shell.machine.type('systemctl poweroff\n');
    expect(await shell.machine.ended).toBe(0);
    expectQemuCheck(topFile(home, 'soak', 'disk0'));
    expectCleanExt4(topFile(home, 'soak', 'disk0'));
  },
);
