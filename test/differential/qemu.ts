/** Runs a test image in QEMU until it ends by the debug exit with `exitStatus`, and answers what it wrote to COM1. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export function runInQemu(image: Uint8Array, exitStatus = 1): string {
  const folder = mkdtempSync(join(tmpdir(), 'cairn-differential-'));
  try {
    const kernel = join(folder, 'image');
    const serial = join(folder, 'serial');
    writeFileSync(kernel, image);

    const options = [
      '-kernel',
      kernel,
      '-serial',
      `file:${serial}`,
      '-display',
      'none',
      '-monitor',
      'none',
      '-m',
      '64',
      '-no-reboot',
      '-nodefaults',
    ];
    const exit = ['-device', 'isa-debug-exit,iobase=0xf4,iosize=4'];
    const { error, status, stderr } = spawnSync('qemu-system-i386', [...options, ...exit, '-accel', 'tcg', '-cpu', 'n270'], {
      timeout: 300_000,
    });
    if (error !== undefined) {
      if ('code' in error && error.code === 'ENOENT')
        throw new Error('The differential test needs qemu-system-i386 on the PATH (Debian package qemu-system-x86).');
      throw error;
    }
    if (status !== exitStatus)
      throw new Error(
        `QEMU ended with status ${status} before the image did: ${stderr.toString()}\n${readFileSync(serial, 'latin1').slice(-400)}`,
      );
    return readFileSync(serial, 'latin1');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
