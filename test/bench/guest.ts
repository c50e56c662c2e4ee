/** The same Linux guest in Cairn, QEMU and v86: the demo kernel and its initramfs, console on stdin and stdout. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { ConsoleProcess } from '../support/console-process.ts';
import { demo } from '../support/guests.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface GuestOptions {
  readonly memoryMiB: number;
  readonly append?: string;
  /** The demo guest when not given. */
  readonly files?: { kernel(): string; initrd(): string };
  /** Cairn: the library folder, the VM's name, a disk on virtio, extra options. QEMU: extra arguments. */
  readonly home?: string;
  readonly name?: string;
  readonly disk?: string;
  readonly extra?: readonly string[];
}

const appendOf = (options: GuestOptions) => `console=ttyS0 ${options.append ?? ''}`.trim();
const filesOf = (options: GuestOptions) => options.files ?? demo;

export const emulators: Record<string, (options: GuestOptions) => ConsoleProcess> = {
  cairn: options =>
    new ConsoleProcess(
      process.execPath,
      [
        path.join(root, 'scripts/cairn.mjs'),
        'run',
        ...['--name', options.name ?? 'bench', '--memory', `${options.memoryMiB}M`],
        ...['--kernel', filesOf(options).kernel(), '--initrd', filesOf(options).initrd(), '--append', appendOf(options)],
        ...(options.disk === undefined ? [] : ['--disk', `${options.disk},if=virtio`]),
        ...['--serial', 'stdio', '--display', 'none'],
        ...(options.extra ?? []),
      ],
      options.home === undefined ? {} : { CAIRN_HOME: options.home },
    ),
  qemu: options =>
    new ConsoleProcess('qemu-system-i386', [
      ...['-accel', 'tcg', '-m', String(options.memoryMiB), '-display', 'none', '-serial', 'stdio', '-no-reboot'],
      ...['-kernel', filesOf(options).kernel(), '-initrd', filesOf(options).initrd(), '-append', appendOf(options)],
      ...(options.extra ?? ['-monitor', 'none']),
    ]),
  v86: options =>
    new ConsoleProcess(process.execPath, [
      path.join(root, 'test/bench/peers/v86.mjs'),
      filesOf(options).kernel(),
      filesOf(options).initrd(),
      String(options.memoryMiB),
      appendOf(options),
    ]),
};

export const SHELL = /\/root # /;

export const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? Number.NaN;
