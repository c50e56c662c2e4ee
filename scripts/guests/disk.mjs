// The guest with disks: Debian's 686-pae kernel with the drivers of every controller and file system that Cairn's disks meet, busybox, the
// real ext4 tools with the libraries that they are linked to, and a program that puts disks to the test (disk-work.c).
import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { directory, link } from '../lib/cpio.mjs';
import { run } from '../lib/host.mjs';
import { busyboxInitramfs } from './busybox.mjs';
import { modulesInOrder } from './modules.mjs';

const MODULES = [
  'virtio_pci',
  'virtio_blk',
  'virtio_scsi',
  'ata_piix',
  'sd_mod',
  'sr_mod',
  'crc32c_generic',
  'ext4',
  'isofs',
  'vfat',
  'nls_ascii',
].concat(['nls_cp437', 'loop', 'virtio_balloon', 'virtio_rng']);

const LIBRARIES = {
  libc6: ['ld-linux.so.2', 'libc.so.6', 'libpthread.so.0'],
  libext2fs2: ['libext2fs.so.2', 'libe2p.so.2'],
  'libcom-err2': ['libcom_err.so.2'],
  libblkid1: ['libblkid.so.1'],
  libuuid1: ['libuuid.so.1'],
};
const TOOLS = ['mke2fs', 'e2fsck'];

/** The file named `name` anywhere in an unpacked package, links followed. */
function fileOf(folder, name) {
  const found = readdirSync(folder, { recursive: true }).find(entry => path.basename(entry) === name && !entry.includes('/i686/'));
  return readFileSync(path.join(folder, found));
}

/** disk-work.c as a static i386 program. */
function diskWork(folder) {
  const program = path.join(folder, 'disk-work');
  const source = fileURLToPath(new URL('disk-work.c', import.meta.url));
  run('gcc', ['-m32', '-static', '-O2', '-s', '-o', program, source], { hint: 'The guest needs gcc and gcc-multilib.' });
  return readFileSync(program);
}

/** The initramfs of the guest: `kernelPackage` is the unpacked package that the kernel comes from; what is compiled is left in `folder`. */
export function diskInitramfs(archive, kernelPackage, folder) {
  const text = name => readFileSync(new URL(name, import.meta.url), 'utf8');
  const modules = modulesInOrder(kernelPackage, MODULES);
  const programs = archive.unpack('e2fsprogs');
  const libraries = Object.entries(LIBRARIES).flatMap(([name, files]) => {
    const folder = archive.unpack(name);
    return files.map(file => [`lib/${file}`, fileOf(folder, file)]);
  });
  return busyboxInitramfs(archive, {
    init: text('disk-init.sh'),
    entries: [...['lib', 'lib/modules', 'mnt', 'sbin'].map(directory), link('sbin/mkfs.ext4', 'mke2fs')],
    files: [
      ['etc/profile', text('disk-profile.sh'), 0o644],
      ['etc/inittab', text('demo-inittab'), 0o644],
      ['lib/modules/order', modules.map(([name]) => `${name}\n`).join(''), 0o644],
      ...modules.map(([name, data]) => [`lib/modules/${name}.ko`, data, 0o644]),
      ['bin/disk-work', diskWork(folder)],
      ...TOOLS.map(name => [`sbin/${name}`, fileOf(programs, name)]),
      ...libraries,
    ],
  });
}
