/** Second opinions on a guest's ext4: e2fsprogs on this host, on a flattened copy of the disk. */
import { spawnSync } from 'node:child_process';
import { rmSync, truncateSync, writeFileSync } from 'node:fs';
import { expect } from 'vitest';
import { qemuImg } from './qemu-img.ts';

function tool(program: string, args: readonly string[], good: readonly number[]): string {
  const { status, stdout, stderr, error } = spawnSync(program, args, { encoding: 'utf8' });
  const answer = `${program} ${args.join(' ')}: ${status} ${stdout}${stderr}${error ?? ''}`;
  expect(status !== null && good.includes(status) ? '' : answer).toBe('');
  return stdout;
}

/** A sparse raw disk that holds nothing. */
export function blankDisk(path: string, sizeMiB: number): string {
  writeFileSync(path, '');
  truncateSync(path, sizeMiB << 20);
  return path;
}

/** A sparse raw disk with an empty ext4, without a partition table. */
export function ext4Disk(path: string, sizeMiB: number): string {
  tool('mke2fs', ['-q', '-F', '-t', 'ext4', blankDisk(path, sizeMiB)], [0]);
  return path;
}

/** What mounting and then checking finds on a copy of the chain that ends in `path`: the journal is replayed, and after that nothing may be wrong. */
export function expectCleanExt4(path: string, format: 'qcow2' | 'raw' = 'qcow2'): void {
  const copy = `${path}.flat`;
  try {
    qemuImg('convert', '-f', format, '-O', 'raw', path, copy);
    tool('e2fsck', ['-E', 'journal_only', '-fy', copy], [0, 1]);
    tool('e2fsck', ['-fn', copy], [0]);
  } finally {
    rmSync(copy, { force: true });
  }
}
