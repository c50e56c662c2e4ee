/** A real Linux guest with a disk: what it writes is in the files when it has synced, and QEMU's own tools read the same. */
import { copyFileSync, createReadStream, readFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CairnHome } from '../support/cairn.ts';
import type { ConsoleProcess } from '../support/console-process.ts';
import { diskGuest } from '../support/guests.ts';
import { expectQemuCheck, qemuImg } from '../support/qemu-img.ts';

let home: CairnHome;
beforeEach(() => {
  home = new CairnHome();
});
afterEach(() => home.dispose());

const run = async (name: string, ...disks: string[]): Promise<ConsoleProcess> => {
  const vm = home.run(
    ...['--name', name, '--memory', '256M', '--kernel', diskGuest.kernel(), '--initrd', diskGuest.initrd()],
    ...['--append', 'console=ttyS0 quiet', ...disks.flatMap(disk => ['--disk', disk])],
  );
  await vm.waitFor(/~ # /);
  return vm;
};

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

/** The guest's word after a command. */
async function answer(vm: ConsoleProcess, command: string, pattern: RegExp): Promise<string> {
  vm.type(`${command}\n`);
  return (await vm.waitFor(pattern))[1]!;
}

test('what a guest writes and syncs is there after the plug is pulled; the base image is not touched', async () => {
  const base = path.join(home.folder, 'base.qcow2');
  qemuImg('create', '-q', '-f', 'qcow2', base, '256M');
  const before = await sha256(base);

  const first = await run('writer', `${base},if=virtio`);
  expect(await answer(first, 'mkfs.ext4 -q /dev/vda && mount /dev/vda /mnt && echo mounted-$((6*7))', /(mounted-42)/)).toBe('mounted-42');
  const hash = await answer(
    first,
    'dd if=/dev/urandom of=/mnt/big bs=1M count=40 2>/dev/null; sync; sha256sum /mnt/big',
    /([0-9a-f]{64}) +\/mnt\/big/,
  );
  await first.kill(); // no world is ended in order: what was synced must be enough

  const cow = path.join(home.folder, 'writer.cairn', 'disks', 'disk0.qcow2');
  expectQemuCheck(cow, 'some');
  expect(await sha256(base)).toBe(before);

  const second = await run('writer');
  await answer(second, 'mount /dev/vda /mnt && echo mounted-$((6*7))', /(mounted-42)/);
  expect(await answer(second, 'sha256sum /mnt/big', /([0-9a-f]{64}) +\/mnt\/big/)).toBe(hash);
  second.type('umount /mnt; e2fsck -fn /dev/vda; echo checked-$?\n');
  await second.waitFor(/checked-0/);
  second.type('poweroff\n');
  expect(await second.ended).toBe(0);
  expectQemuCheck(cow);
  const raw = path.join(home.folder, 'flat.raw');
  qemuImg('convert', '-O', 'raw', cow, raw);
  qemuImg('compare', cow, raw);
  expect(await sha256(base)).toBe(before);
});

test('a raw image is written in place when the user says so, and another is only read', async () => {
  const image = path.join(home.folder, 'own.img');
  const other = path.join(home.folder, 'other.img');
  qemuImg('create', '-q', '-f', 'raw', image, '16M');
  copyFileSync(image, other);
  const vm = await run('raw', `${image},write-base,cache=writethrough`, `${other},readonly`);
  await answer(vm, 'echo hello from the guest | dd of=/dev/vda bs=512 seek=7 conv=sync 2>/dev/null; sync; echo done-$?', /(done-0)/);
  await answer(vm, 'echo no | dd of=/dev/vdb bs=512 2>/dev/null; sync; echo refused-$(cat /sys/block/vdb/ro)', /(refused-1)/);
  vm.type('poweroff\n');
  expect(await vm.ended).toBe(0);
  expect(
    readFileSync(image)
      .subarray(7 * 512, 7 * 512 + 20)
      .toString(),
  ).toBe('hello from the guest');
  qemuImg('compare', '-f', 'raw', '-F', 'raw', other, other);
  expect(readFileSync(other).every(byte => byte === 0)).toBe(true);
});
