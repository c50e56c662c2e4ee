/** Linux's own drivers on IDE disks and CD-ROMs, by DMA and by PIO, and on the virtio SCSI host: file systems stand, and what a disc holds is read. */
import { createHash } from 'node:crypto';
import { truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { CairnHome } from '../support/cairn.ts';
import type { ConsoleProcess } from '../support/console-process.ts';
import { diskGuest } from '../support/guests.ts';
import { isoImage } from '../support/iso-image.ts';

let home: CairnHome;
beforeEach(() => {
  home = new CairnHome();
});
afterEach(() => home.dispose());

const DISK_BYTES = 64 << 20;
const CD_BYTES = 3_000_001;
/** How libata has set each of its devices. */
const MODES = 'cat /sys/class/ata_device/*/xfer_mode';
const md5 = (bytes: Uint8Array) => createHash('md5').update(bytes).digest('hex');
/** Repeats after no whole number of blocks. */
const noise = (length: number, seed: number) => Uint8Array.from({ length }, (_, i) => ((i * 2654435761 + seed * (i >> 12)) >>> 13) & 0xff);

function files() {
  const at = (name: string) => path.join(home.folder, name);
  const content = noise(CD_BYTES, 77);
  for (const name of ['ide.raw', 'scsi.raw']) {
    writeFileSync(at(name), '');
    truncateSync(at(name), DISK_BYTES);
  }
  writeFileSync(at('disc.iso'), isoImage(new Map([['DATA.BIN', content]])));
  return { at, discHash: md5(content) };
}

/** Boots with a shell as process 1, so that the test loads the drivers as it likes. */
async function boot(...disks: string[]): Promise<ConsoleProcess> {
  const vm = home.run(
    ...['--name', 'controllers', '--memory', '256M', '--kernel', diskGuest.kernel(), '--initrd', diskGuest.initrd()],
    ...['--append', 'console=ttyS0 rdinit=/bin/sh quiet'],
    ...disks.flatMap(disk => ['--disk', disk]),
  );
  await vm.waitFor(/# /);
  vm.type(
    'export PATH=/bin:/sbin; mount -t proc proc /proc; mount -t sysfs sys /sys; mount -t devtmpfs dev /dev; mount -t tmpfs tmp /tmp\n',
  );
  await run(vm, 'while read -r m; do insmod /lib/modules/$m.ko; done </lib/modules/order; sleep 2');
  return vm;
}

/** Runs a line in the guest's shell, which must succeed; what it printed. */
async function run(vm: ConsoleProcess, line: string): Promise<string> {
  vm.type(`echo BEG''IN; ${line}\necho STA''TUS=$?\n`);
  await vm.waitFor(/BEGIN\r?\n/);
  const from = vm.text.lastIndexOf('BEGIN');
  const [, status] = await vm.waitFor(/STATUS=(\d+)/);
  const text = vm.text.slice(from);
  expect(status, text).toBe('0');
  return text;
}

/** The name that Linux gave to the first device of a vendor and type. */
async function deviceOf(vm: ConsoleProcess, vendor: 'ATA' | 'CAIRN', driver: 'sd' | 'sr', host: RegExp): Promise<string> {
  const listed = await run(
    vm,
    `for d in /sys/block/${driver}*; do echo "$(basename $d) $(cat $d/device/vendor) $(readlink -f $d/device)"; done`,
  );
  const line = listed.split('\n').find(each => each.startsWith(driver) && each.includes(` ${vendor}`) && host.test(each));
  if (line === undefined) throw new Error(`no ${driver} of ${vendor} in: ${listed}`);
  return `/dev/${line.split(' ')[0]}`;
}
const hashIn = (text: string) => /\b[0-9a-f]{32}\b/.exec(text)?.[0];

/** Writes a file system and checks it; the hash of what its file holds is the same past the cache. */
async function useDisk(vm: ConsoleProcess, device: string) {
  await run(vm, `mkfs.ext4 -q -F ${device} && mount ${device} /mnt`);
  await run(vm, 'cat /lib/modules/*.ko >/mnt/modules && cp -a /bin /mnt && sync && umount /mnt');
  await run(vm, `echo 3 >/proc/sys/vm/drop_caches; e2fsck -fn ${device}`);
  await run(vm, `mount ${device} /mnt`);
  expect(hashIn(await run(vm, 'md5sum /mnt/modules'))).toBe(hashIn(await run(vm, 'cat /lib/modules/*.ko | md5sum')));
  await run(vm, 'rm -rf /mnt/bin && umount /mnt');
}
async function useDisc(vm: ConsoleProcess, device: string, hash: string) {
  await run(vm, `mount -t iso9660 -o ro ${device} /mnt`);
  expect(hashIn(await run(vm, 'md5sum /mnt/data.bin'))).toBe(hash);
  await run(vm, 'umount /mnt');
}

test('an IDE disk and a CD-ROM by DMA, then by PIO', async () => {
  const { at, discHash } = files();
  const vm = await boot(`${at('ide.raw')},if=ide`, `${at('disc.iso')},if=ide`);
  const disk = await deviceOf(vm, 'ATA', 'sd', /./);
  const disc = await deviceOf(vm, 'CAIRN', 'sr', /./);
  expect(await run(vm, MODES)).toContain('XFER_MW_DMA_2');
  await useDisk(vm, disk);
  await run(vm, `mount ${disk} /mnt && fstrim /mnt && umount /mnt`);
  await useDisc(vm, disc, discHash);

  await run(vm, 'rmmod ata_piix && rmmod libata');
  await run(vm, 'insmod /lib/modules/libata.ko dma=0 && insmod /lib/modules/ata_piix.ko && sleep 2');
  const modes = await run(vm, MODES);
  expect(modes).toContain('XFER_PIO_4');
  expect(modes).not.toContain('DMA');
  await useDisk(vm, disk);
  await useDisc(vm, disc, discHash);
  vm.type('poweroff -f\n');
  expect(await vm.ended).toBe(0);
});

test('a disk and a CD-ROM on the SCSI host', async () => {
  const { at, discHash } = files();
  const vm = await boot(`${at('scsi.raw')},if=scsi`, `${at('disc.iso')},if=scsi`);
  const disk = await deviceOf(vm, 'CAIRN', 'sd', /virtio/);
  const disc = await deviceOf(vm, 'CAIRN', 'sr', /virtio/);
  const log = await run(vm, 'dmesg');
  expect(log).toMatch(/Write cache: enabled, read cache: enabled, supports DPO and FUA/);
  await useDisk(vm, disk);
  await run(vm, `mount ${disk} /mnt && fstrim /mnt && umount /mnt`);
  await useDisc(vm, disc, discHash);
  vm.type('poweroff -f\n');
  expect(await vm.ended).toBe(0);
});
