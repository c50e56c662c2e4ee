/**
 * kill -9 of the real `cairn run` while a guest keeps a journal on ext4: no record that the guest was told is on the disk is ever lost, the files are
 * consistent, and every checkpoint that was finished restores. CAIRN_KILL9_ROUNDS: how often (4).
 */
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Checkpoint } from '#main/ipc/contract.ts';
import { Random } from '../differential/random.ts';
import { CairnHome } from '../support/cairn.ts';
import { topFile } from '../support/disk-files.ts';
import { expectCleanExt4, ext4Disk } from '../support/ext4.ts';
import { cairnDiskGuest, GuestShell } from '../support/guest-shell.ts';
import { expectQemuCheck } from '../support/qemu-img.ts';

const ROUNDS = Number(process.env['CAIRN_KILL9_ROUNDS'] ?? 4);
/** The longest that a guest works before it is killed. */
const WORK_MS = 6000;

let home: CairnHome;
beforeEach(() => {
  home = new CairnHome();
});
afterEach(() => home.dispose());

/** The last record that this process has printed as committed; an earlier process's when it has printed none. */
const lastCommitted = (text: string, before: number) => Number(/.*committed (\d+)\r?\n/s.exec(text)?.[1] ?? before);

/** `cairn check` finds no damage; what the killed process left for the next one to finish is none. */
function expectUndamaged(vm: string): void {
  const { status, stdout, stderr } = home.cli('check', vm);
  expect([0, 6].includes(status ?? -1) ? '' : `cairn check: ${status} ${stdout}${stderr}`).toBe('');
}

test(
  `${ROUNDS} times kill -9: nothing committed is lost, finished checkpoints restore`,
  { timeout: ROUNDS * 180_000 + 300_000 },
  async () => {
    const base = ext4Disk(path.join(home.folder, 'base.raw'), 64);
    const random = new Random(Number(process.env['CAIRN_SEED'] ?? 1));
    let committed = 0;
    const finished: string[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const options = { append: 'mount=/dev/vda', args: round === 0 ? ['--disk', `${base},if=virtio,format=raw`] : [] };
      const { machine } = await cairnDiskGuest(home, 'victim', options);
      machine.type('disk-work journal /mnt\n');
      const [, holds] = await machine.waitFor(/journal (?:holds (\d+)|broken.*)\r?\n/);
      expect(Number(holds)).toBeGreaterThanOrEqual(committed);
      for (let more = 0; more < 10; more++) await machine.waitFor(/committed \d+\r?\n/);
      if (round % 2 === 0) finished.push((await home.jsonMeanwhile<Checkpoint>('checkpoint', 'take', 'victim', '--title', `${round}`)).id);
      const taking = round % 4 < 2 ? undefined : home.start('checkpoint', 'take', 'victim', '--title', 'perhaps too late');
      await sleep(random.below(taking ? 1000 : WORK_MS)); // any instant will do
      await machine.kill('SIGKILL');
      await taking?.ended;
      committed = lastCommitted(machine.text, committed);
      expect(machine.text).not.toContain('broken');
      expectUndamaged('victim');
      expectQemuCheck(topFile(home, 'victim', 'disk0'), 'some');
      expectCleanExt4(topFile(home, 'victim', 'disk0'));
    }

    for (const id of finished) {
      home.json('checkpoint', 'revert', 'victim', id);
      const shell = new GuestShell(home.run('--name', 'victim'));
      await shell.machine.waitFor(/committed \d+\r?\n/); // it goes on where it was
      shell.machine.type('\x03');
      await shell.ready();
      expect(await shell.run('disk-work check /mnt')).toMatch(/journal good/);
      await shell.run('umount /mnt && e2fsck -fn /dev/vda');
      await shell.machine.kill('SIGTERM');
    }
  },
);
