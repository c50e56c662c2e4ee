/** A real Linux guest on every kind of disk, with QEMU, qemu-img and e2fsprogs as second opinions on what it leaves. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { CairnHome } from '../support/cairn.ts';
import { sha256, topFile } from '../support/disk-files.ts';
import { blankDisk, expectCleanExt4, ext4Disk } from '../support/ext4.ts';
import { cairnDiskGuest, qemuDiskGuest, type GuestShell } from '../support/guest-shell.ts';
import { expectQemuCheck, qemuImg } from '../support/qemu-img.ts';

const MIB = 1 << 20;
/** Files of many sizes, some of them rewritten and deleted, and the checksums of what is left. */
const WRITE_FILES = [
  'for i in $(seq 60); do head -c $((i * i * 100)) /dev/urandom >/mnt/file-$i; done',
  'cp /bin/busybox /lib/libc.so.6 /mnt; sync',
  'for i in $(seq 1 3 60); do rm /mnt/file-$i; head -c $((i * 5000)) /dev/urandom >/mnt/other-$i; done',
  'dd if=/dev/urandom of=/mnt/busybox bs=4k count=20 seek=37 conv=notrunc 2>/dev/null; sync',
].join('; ');
const CHECKSUMS = 'cd /mnt; md5sum $(ls -p | grep -v /) | sort; cd';

/** Finds disks by their size: the order in which Linux numbers them across controllers is nobody's promise. */
const deviceOf = async (shell: GuestShell, sizeMiB: number) => {
  const name = await shell.run(`cd /sys/block; for d in *; do [ $(cat $d/size) = ${sizeMiB * 2048} ] && echo $d; done; cd`);
  expect(name).toMatch(/^(vd|sd|sr)\w+\n$/);
  return `/dev/${name.trim()}`;
};

const TRANSFER_MODES = 'cat /sys/class/ata_device/*/xfer_mode';

/** The kernel's own page cache must not answer for the disk. */
const FORGET = 'echo 3 >/proc/sys/vm/drop_caches';

describe('one VM with a disk on every controller, a CD-ROM and a disk that is only read', () => {
  const disks = [
    { name: 'virtio', interface: 'virtio', sizeMiB: 96, format: 'raw', qemu: 'if=virtio' },
    { name: 'IDE', interface: 'ide', sizeMiB: 97, format: 'raw', qemu: 'if=ide' },
    { name: 'SCSI', interface: 'scsi', sizeMiB: 98, format: 'qcow2', qemu: 'if=none,id=scsi0' },
  ] as const;
  const READ_ONLY_MIB = 33;
  let home: CairnHome;
  let shell: GuestShell;
  let iso: string;
  const at = (name: string) => path.join(home.folder, name);
  const before = new Map<string, string>();
  const checksums = new Map<string, string>();

  beforeAll(async () => {
    home = new CairnHome();
    const args: string[] = [];
    for (const { name, interface: port, sizeMiB, format } of disks) {
      const file = at(`${name}.${format}`);
      if (format === 'raw') blankDisk(file, sizeMiB);
      else qemuImg('create', '-q', '-f', format, file, `${sizeMiB}M`);
      args.push('--disk', `${file},if=${port},format=${format}`);
    }
    args.push('--disk', `${ext4Disk(at('readonly.raw'), READ_ONLY_MIB)},if=virtio,format=raw,readonly`);
    iso = at('tools.iso');
    mkdirSync(at('tree/deep/er'), { recursive: true });
    writeFileSync(at('tree/a long name, with blanks.txt'), 'on a CD-ROM\n');
    writeFileSync(at('tree/deep/er/numbers'), Buffer.from(Uint32Array.from({ length: 700_000 }, (_, n) => n * n).buffer));
    execFileSync('xorriso', ['-as', 'mkisofs', '-quiet', '-R', '-J', '-V', 'TOOLS', '-o', iso, at('tree')], { stdio: 'ignore' });
    args.push('--disk', `${iso},if=ide,format=raw,media=cdrom`);
    for (const file of [...disks.map(disk => `${disk.name}.${disk.format}`), 'readonly.raw', 'tools.iso'])
      before.set(file, sha256(at(file)));
    shell = await cairnDiskGuest(home, 'disks', { args });
  });
  afterAll(() => home.dispose());

  test.for(disks)('$name: a file system is made, written and read back', async ({ sizeMiB, name }) => {
    const device = await deviceOf(shell, sizeMiB);
    await shell.run(`mkfs.ext4 -q ${device} && mount ${device} /mnt && { ${WRITE_FILES}; }`);
    const written = await shell.run(CHECKSUMS);
    await shell.run(`umount /mnt; ${FORGET}; mount ${device} /mnt`);
    expect(await shell.run(CHECKSUMS)).toBe(written);
    await shell.run(`umount /mnt && e2fsck -fn ${device}`);
    checksums.set(name, written);
  });

  test('IDE disks are driven by DMA', async () => {
    expect(await shell.run(TRANSFER_MODES)).toMatch(/XFER_(U|MW_)DMA_/);
  });

  test('the CD-ROM is read as it was made', async () => {
    await shell.run('mount -t iso9660 -o ro /dev/sr0 /mnt');
    expect(await shell.run('cat "/mnt/a long name, with blanks.txt"')).toBe('on a CD-ROM\n');
    expect(await shell.run('sha256sum </mnt/deep/er/numbers')).toContain(sha256(at('tree/deep/er/numbers')));
    expect(await shell.run(`dd if=/dev/sr0 bs=2048 count=${statSync(iso).size / 2048} 2>/dev/null | sha256sum`)).toContain(sha256(iso));
    expect((await shell.attempt('touch /mnt/new')).status).not.toBe(0);
    await shell.run('umount /mnt');
  });

  test('a disk that is only read refuses writes and can be read', async () => {
    const device = await deviceOf(shell, READ_ONLY_MIB);
    expect((await shell.attempt(`dd if=/dev/zero of=${device} bs=4k count=1 conv=fsync`)).status).not.toBe(0);
    expect((await shell.attempt(`mount -o rw ${device} /mnt && touch /mnt/x`)).status).not.toBe(0);
    await shell.run(`{ grep -q " /mnt " /proc/mounts || mount -o ro ${device} /mnt; } && ls /mnt/lost+found && umount /mnt`);
  });

  test("the user's files are untouched, and the chains above them please qemu-img, e2fsck and QEMU", async () => {
    await shell.powerOff();
    for (const [file, hash] of before) expect(`${file} ${sha256(at(file))}`).toBe(`${file} ${hash}`);
    const drives = disks.flatMap((disk, number) => {
      const top = topFile(home, 'disks', `disk${number}`);
      expect(statSync(top).size).toBeGreaterThan(4 * MIB);
      expectQemuCheck(top);
      expectCleanExt4(top);
      return ['-drive', `file=${top},format=qcow2,snapshot=on,${disk.qemu}`];
    });
    const qemu = qemuDiskGuest({ args: [...drives, '-device', 'virtio-scsi-pci', '-device', 'scsi-hd,drive=scsi0'] });
    try {
      await qemu.ready();
      for (const { name, sizeMiB } of disks) {
        await qemu.run(`mount ${await deviceOf(qemu, sizeMiB)} /mnt`);
        expect(await qemu.run(CHECKSUMS)).toBe(checksums.get(name));
        await qemu.run('umount /mnt');
      }
    } finally {
      await qemu.machine.kill();
    }
  });
});

describe('one disk', () => {
  let home: CairnHome;
  beforeEach(() => {
    home = new CairnHome();
  });
  afterEach(() => home.dispose());

  test('IDE without DMA; what was written is there at the next start', async () => {
    const base = blankDisk(path.join(home.folder, 'pio.raw'), 40);
    const args = ['--disk', `${base},if=ide,format=raw`];
    const first = await cairnDiskGuest(home, 'pio', { append: 'libata.dma=0', args });
    const modes = await first.run(TRANSFER_MODES);
    expect(modes).toMatch(/XFER_PIO_[34]/);
    expect(modes).not.toMatch(/DMA/);
    await first.run(`mkfs.ext4 -q /dev/sda && mount /dev/sda /mnt && { ${WRITE_FILES}; }`);
    const written = await first.run(CHECKSUMS);
    await first.powerOff();

    const second = await cairnDiskGuest(home, 'pio', { append: 'libata.dma=0 mount=/dev/sda' });
    expect(await second.run(CHECKSUMS)).toBe(written);
    await second.powerOff();
    expectQemuCheck(topFile(home, 'pio', 'disk0'));
    expectCleanExt4(topFile(home, 'pio', 'disk0'));
    expect(statSync(base).blocks).toBe(0);
  });
});
