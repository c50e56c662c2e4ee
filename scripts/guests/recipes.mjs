// What each guest is made of. A recipe writes its files into a folder of its own and names them; guests.mjs caches the result, until the recipe or
// one of its `sources` in this folder changes.
import { copyFileSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { DebianArchive } from '../lib/debian.mjs';
import { busyboxInitramfs } from './busybox.mjs';
import { makeDebian } from './debian.mjs';
import { dirtyProgram } from './dirty-program.mjs';
import { DISK_SAMPLES, makeDiskSamples } from './disk-samples.mjs';
import { diskInitramfs } from './disk.mjs';
import { makeSuite32 } from './suite-32.mjs';

const text = name => readFileSync(new URL(name, import.meta.url), 'utf8');

/** Copies the kernel out of its package; answers the unpacked package's folder. */
function copyKernel(archive, flavour, target) {
  const unpacked = archive.unpack(archive.dependency(`linux-image-${flavour}`, 'linux-image-'));
  const boot = path.join(unpacked, 'boot');
  copyFileSync(
    path.join(
      boot,
      readdirSync(boot).find(name => name.startsWith('vmlinuz-')),
    ),
    target,
  );
  return unpacked;
}

/** For `gcc -m32`. */
const GCC_32 = [
  ['gcc', 'gcc'],
  ['/usr/include/x86_64-linux-gnu/gnu/stubs-32.h', 'gcc-multilib'],
];

export const recipes = {
  /** The demo VM: Debian's 686-pae kernel and a busybox initramfs. */
  demo: {
    sources: ['busybox.mjs', 'demo-init.sh', 'demo-inittab', 'demo-profile.sh', 'demo-clock.sh', 'dirty-program.mjs'],
    files: ['vmlinuz', 'initrd.gz'],
    make(folder) {
      const archive = new DebianArchive('i386');
      copyKernel(archive, '686-pae', path.join(folder, 'vmlinuz'));
      const files = [
        ['etc/profile', text('demo-profile.sh'), 0o644],
        ['etc/inittab', text('demo-inittab'), 0o644],
        ['bin/clock', text('demo-clock.sh')],
        ['bin/dirty', dirtyProgram()],
      ];
      writeFileSync(path.join(folder, 'initrd.gz'), busyboxInitramfs(archive, { init: text('demo-init.sh'), files }));
    },
  },
  /** The same kernel with its drivers for disks, and ext4's tools. */
  disk: {
    sources: ['busybox.mjs', 'modules.mjs', 'disk.mjs', 'disk-init.sh', 'disk-profile.sh', 'disk-work.c', 'demo-inittab'],
    files: ['vmlinuz', 'initrd.gz'],
    programs: GCC_32,
    make(folder) {
      const archive = new DebianArchive('i386');
      const kernelPackage = copyKernel(archive, '686-pae', path.join(folder, 'vmlinuz'));
      writeFileSync(path.join(folder, 'initrd.gz'), diskInitramfs(archive, kernelPackage, folder));
    },
  },
  /** Debian's base system on a disk, to be booted with the kernel and initramfs of `disk`. */
  debian: {
    sources: ['debian.mjs', 'serial-shell.service', 'soak-work.sh'],
    files: ['root.ext4'],
    programs: [
      ['debootstrap', 'debootstrap'],
      ['mke2fs', 'e2fsprogs'],
      ['dpkg-source', 'dpkg-dev'],
    ],
    make(folder) {
      makeDebian(folder, { i386: new DebianArchive('i386'), sources: new DebianArchive('amd64') });
    },
  },
  /** Debian's installer for i386, text mode, as it comes. */
  installer: {
    sources: [],
    files: ['linux', 'initrd.gz'],
    make(folder) {
      const archive = new DebianArchive('i386');
      const from = path.join(
        archive.unpack('debian-installer-12-netboot-i386'),
        'usr/lib/debian-installer/images/12/i386/text/debian-installer/i386',
      );
      for (const name of this.files) copyFileSync(path.join(from, name), path.join(folder, name));
    },
  },
  /** Instruction tests of Debian's QEMU and Valgrind sources, run as processes of a Linux guest; suite.want has a real CPU's answers. */
  'suite-32': {
    sources: ['busybox.mjs', 'suite-32.mjs', 'commands-init.sh'],
    files: ['initrd.gz', 'suite.want'],
    programs: [['dpkg-source', 'dpkg-dev'], ['perl', 'perl'], ...GCC_32],
    make: makeSuite32,
  },
  /** No guest: disk images of other programs. */
  'disk-samples': {
    sources: ['disk-samples.mjs'],
    files: DISK_SAMPLES,
    programs: [
      ['dpkg-source', 'dpkg-dev'],
      ['bunzip2', 'bzip2'],
    ],
    make: makeDiskSamples,
  },
};
