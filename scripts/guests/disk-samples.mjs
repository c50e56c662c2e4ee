// QEMU's sample disk images, from Debian's source package (tests/qemu-iotests/sample_images): made by other programs, some damaged on purpose.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { DebianArchive } from '../lib/debian.mjs';
import { SetupError } from '../lib/host.mjs';

export const DISK_SAMPLES = [
  'afl5.img',
  'afl9.vmdk',
  'd2v-zerofilled.vhd',
  'hyperv2012r2-dynamic.vhd',
  'iotest-dirtylog-10G-4M.vhdx',
  'iotest-dynamic-1G.vhdx',
  'iotest-version3.vmdk',
  'test-disk2vhd.vhdx',
  'virtualpc-dynamic.vhd',
];

export function makeDiskSamples(folder) {
  const samples = path.join(new DebianArchive('amd64').source('qemu'), 'tests/qemu-iotests/sample_images');
  for (const name of readdirSync(samples).filter(name => name.endsWith('.bz2'))) {
    // Most of a large one is zeroes: cp leaves holes for them.
    const words = 'bunzip2 -c "$0" | cp --sparse=always /dev/stdin "$1"';
    spawnSync('sh', ['-c', words, path.join(samples, name), path.join(folder, name.slice(0, -'.bz2'.length))], { stdio: 'inherit' });
  }
  const missing = DISK_SAMPLES.filter(name => !existsSync(path.join(folder, name)));
  if (missing.length > 0) throw new SetupError(`Debian's QEMU sources lack the sample images ${missing.join(', ')}.`);
}
