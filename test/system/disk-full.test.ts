/** The host's disk is full while a guest writes: the VM waits and says so, goes on when there is room, and the guest has lost nothing. */
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { HostService } from '#main/host-service.ts';
import type { VmSummary } from '#main/ipc/contract.ts';
import { CairnHome } from '../support/cairn.ts';
import { topFile } from '../support/disk-files.ts';
import { expectCleanExt4, ext4Disk } from '../support/ext4.ts';
import { cairnDiskGuest } from '../support/guest-shell.ts';
import { smallConfig } from '../support/vm-config.ts';
import { expectQemuCheck } from '../support/qemu-img.ts';

const LIMIT_MS = 120_000;

test('a full file system under the COW disk pauses the VM, room lets it go on, ext4 is clean', async () => {
  const home = new CairnHome();
  const images = mkdtempSync(path.join(os.tmpdir(), 'cairn-images-'));
  // a real file system of 16 MiB; mounting one wants root, as CI has it
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'cairn-test', home.folder]);
  try {
    const base = ext4Disk(path.join(images, 'base.raw'), 128);
    const shell = await cairnDiskGuest(home, 'full', { append: 'mount=/dev/vda', args: ['--disk', `${base},if=virtio,format=raw`] });
    await shell.run('for i in $(seq 8); do cat /bin/busybox /lib/libc.so.6; done >/tmp/noise');
    shell.machine.type('cp /tmp/noise /mnt/noise; sync; echo copied-$?\n');
    let seen: VmSummary;
    for (const end = Date.now() + LIMIT_MS; ; await sleep(200)) {
      seen = home.json<VmSummary>('vm', 'show', 'full');
      if (seen.state === 'paused') break;
      expect(Date.now(), `the VM is ${seen.state}: ${shell.machine.text.slice(-300)}`).toBeLessThan(end);
    }
    expect(seen.reason).toMatch(/full|room|space/i);
    expect(seen.reason).toMatch(/full\.cairn|disk0/);
    expect(shell.machine.text).not.toMatch(/copied-\d/);
    // Still no room: it may be asked to go on, and waits again.
    home.cli('vm', 'resume', 'full');
    await sleep(1000);
    expect(shell.machine.text).not.toMatch(/I\/O error|copied-\d/);

    execFileSync('mount', ['-o', 'remount,size=256m', home.folder]);
    home.json('vm', 'resume', 'full');
    await shell.machine.waitFor(/copied-0/);
    await shell.run('umount /mnt; echo 3 >/proc/sys/vm/drop_caches; mount /dev/vda /mnt');
    await shell.run('cmp /tmp/noise /mnt/noise');
    expect(await shell.run('dmesg')).not.toMatch(/I\/O error|EXT4-fs error|EXT4-fs warning/);
    await shell.powerOff();
    const top = topFile(home, 'full', 'disk0');
    expectQemuCheck(top);
    expectCleanExt4(top);
  } finally {
    await home.endAll();
    execFileSync('umount', ['-l', home.folder]);
    await home.dispose();
    rmSync(images, { recursive: true, force: true });
  }
});

test('a VM on a disk that is full to the last byte is listed, and its checkpoints are deleted', async () => {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'cairn-full-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'cairn-test', folder]);
  let service = new HostService({ libraryPath: folder, version: '0' });
  try {
    let client = service.connect();
    await client.request('vm.create', { name: 'a', config: smallConfig });
    const take = async (title: string) => (await client.request('checkpoint.take', { name: 'a', title })).id;
    const taken: string[] = []; // of a VM that is off each is a block, and the catalogue needs some
    while (taken.length < 20) taken.push(await take(String(taken.length)));
    const last = taken.at(-1);
    await service.close(); // so that nobody has the VM open
    service = new HostService({ libraryPath: folder, version: '0' });
    client = service.connect();
    for (const size of [65_536, 4096, 1]) {
      for (let room = true; room;) {
        try {
          appendFileSync(path.join(folder, 'filler'), new Uint8Array(size));
        } catch {
          room = false;
        }
      }
    }
    const ids = async () => (await client.request('checkpoint.list', { name: 'a' })).map(({ id }) => id);
    expect(await ids()).toEqual(taken);
    await client.request('checkpoint.delete', { name: 'a', ids: taken.slice(0, -1), children: false, force: false });
    expect(await ids()).toEqual([last]);
    expect((await client.request('checkpoint.list', { name: 'a' }))[0]).toMatchObject({ parent: null });
    expect(await client.request('checkpoint.history', { name: 'a', limit: 9 })).toMatchObject({ underWay: [] });
  } finally {
    await service.close();
    execFileSync('umount', ['-l', folder]);
    rmSync(folder, { recursive: true, force: true });
  }
});
