/** qemu-img, the second opinion on every disk image. */
import { spawnSync } from 'node:child_process';
import { expect } from 'vitest';

export function qemuImg(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync('qemu-img', args, { encoding: 'utf8' });
  expect(status === 0 ? '' : `qemu-img ${args.join(' ')}: ${stderr}${stdout}`).toBe('');
  return stdout;
}

/** `some`: leaked clusters are no fault (exit status 3). */
export function expectQemuCheck(path: string, leaks: 'none' | 'some' = 'none'): void {
  const { status, stdout, stderr } = spawnSync('qemu-img', ['check', '-f', 'qcow2', path], { encoding: 'utf8' });
  const good = status === 0 || (leaks === 'some' && status === 3);
  expect(good ? '' : `qemu-img check ${path}: ${status} ${stdout}${stderr}`).toBe('');
}

/** Runs qemu-io commands on an image. */
export function qemuIo(path: string, ...commands: string[]): void {
  const { status, stdout, stderr } = spawnSync('qemu-io', ['-f', 'qcow2', ...commands.flatMap(command => ['-c', command]), path], {
    encoding: 'utf8',
  });
  expect(status === 0 && !/failed|error/i.test(stdout + stderr) ? '' : `qemu-io ${path}: ${stderr}${stdout}`).toBe('');
}
