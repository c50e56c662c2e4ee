/** Unmodified 32-bit Linux kernels boot to a shell, compute what the host computes, and turn themselves off. */
import { createHash } from 'node:crypto';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CairnHome } from '../support/cairn.ts';
import { ConsoleProcess } from '../support/console-process.ts';
import { guestFile } from '../support/guests.ts';

let home: CairnHome;
beforeEach(() => {
  home = new CairnHome();
});
afterEach(() => home.dispose());

const MIB_32 = 32 << 20;
/** The numbers 00000 to 99999, a line each, over and over, cut at 32 MiB. */
const TEXT = Array.from({ length: 100_000 }, (_, number) => `${String(number).padStart(5, '0')}\n`).join('');
const MAKE_TEXT = `seq -w 0 99999 >/tmp/part; for i in $(seq ${Math.ceil(MIB_32 / TEXT.length)}); do cat /tmp/part; done | dd of=/tmp/data bs=1M count=32 iflag=fullblock 2>/dev/null`;
const hostHash = (algorithm: string) => createHash(algorithm).update(Buffer.alloc(MIB_32, TEXT)).digest('hex');

test('the 686-pae kernel boots to a shell, hashes 32 MiB like the host and powers off', async () => {
  const vm = await home.demo('pae', '--append', 'console=ttyS0'); // a boot with nothing left out
  vm.type(`${MAKE_TEXT}; md5sum /tmp/data; sha256sum /tmp/data\n`);
  expect((await vm.waitFor(/([0-9a-f]{32}) +\/tmp\/data/))[1]).toBe(hostHash('md5'));
  expect((await vm.waitFor(/([0-9a-f]{64}) +\/tmp\/data/))[1]).toBe(hostHash('sha256'));
  vm.type('grep -c pae /proc/cpuinfo; uname -r\n');
  await vm.waitFor(/686-pae/);
  vm.type('poweroff\n');
  expect(await vm.ended).toBe(0);
});

const installer = () => ['--kernel', guestFile('installer', 'linux'), '--initrd', guestFile('installer', 'initrd.gz')];

test("the installer's kernel boots to a shell with 512 MiB", async () => {
  const vm = home.run('--name', 'installer', '--memory', '512M', ...installer(), '--append', 'console=ttyS0 rdinit=/bin/sh');
  await vm.waitFor(/# /);
  vm.type('echo $((6 * 7))-$(uname -m)\n');
  await vm.waitFor(/42-i686/);
});

test("the installer's kernel with 128 MiB ends as it does in QEMU", async () => {
  const append = 'console=ttyS0 DEBIAN_FRONTEND=text TERM=dumb panic=-1';
  const [kernel, initrd] = [guestFile('installer', 'linux'), guestFile('installer', 'initrd.gz')];
  const options = '-accel tcg -m 128 -display none -serial stdio -monitor none -no-reboot'.split(' ');
  const qemu = new ConsoleProcess('qemu-system-i386', [...options, '-kernel', kernel, '-initrd', initrd, '-append', append]);
  const mark = /Kernel panic[^\r\n]*(?=\r?\n)|Insufficient memory|Entering low memory mode|Choose the language/;
  const [theirs] = await qemu.waitFor(mark);
  await qemu.kill();
  const vm = home.run('--name', 'small', '--memory', '128M', '--no-reboot', ...installer(), '--append', append);
  expect((await vm.waitFor(mark))[0]).toBe(theirs);
});
