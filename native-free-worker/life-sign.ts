/**
 * A process's sign of life that can be seen over the borders of containers, where process ids say nothing: a named pipe in the folder of locks that its main thread has open for reading for as
 * long as it lives. Whoever opens it for writing without waiting fails when nobody reads (fifo(7): ENXIO); the operating system closes it however the process ends. Linux only, for only there
 * processes that share a folder may have different ids for the same.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync, readlinkSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';

const PREFIX = 'life-';
const UNNAMED = '.new';

/** The number of this process's namespace of process ids (pid_namespaces(7)); 0 where there are none. */
export const NAMESPACE = readNamespace();
/** When this process began; '' where nobody says it. */
export const BORN = bornOf(process.pid);
const NAME = `${PREFIX}${NAMESPACE}-${process.pid}-${BORN}`;

/**
 * The name of this process's sign in `folder`, which the main thread makes where it is not there. Undefined where there can be none: a host without named pipes, or without `mkfifo`; or in a thread
 * whose main thread has made none yet: making one starts a program, which a thread with a guest's memory has no time for.
 */
export function lifeSign(folder: string): string | undefined {
  if (NAMESPACE === 0) return undefined;
  return showsLife(folder, NAME) || (isMainThread && show(folder)) ? NAME : undefined;
}

/** Whether who shows the sign `name` in `folder` lives. */
export function showsLife(folder: string, name: string): boolean {
  try {
    closeSync(openSync(join(folder, name), constants.O_WRONLY | constants.O_NONBLOCK));
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code !== 'ENXIO' && code !== 'ENOENT';
  }
}

/** Whether the file `name` in `folder` is the sign of a process that lives no more. */
export const isOldSign = (folder: string, name: string): boolean =>
  name.startsWith(PREFIX) && !name.endsWith(UNNAMED) && !showsLife(folder, name);

/** It has its name once it is open: until then nobody takes it for an old one. */
function show(folder: string): boolean {
  const path = join(folder, NAME);
  const unnamed = path + UNNAMED;
  try {
    rmSync(unnamed, { force: true });
    if (spawnSync('mkfifo', ['-m', '600', unnamed], { stdio: 'ignore' }).status !== 0) return false;
    openSync(unnamed, constants.O_RDONLY | constants.O_NONBLOCK);
    renameSync(unnamed, path);
  } catch {
    return false; // a folder in which nothing can be made says so with the lock itself
  }
  process.once('exit', () => rmSync(path, { force: true }));
  return true;
}

function readNamespace(): number {
  try {
    return Number(/^pid:\[(\d+)\]$/.exec(readlinkSync('/proc/self/ns/pid'))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** When a process of this namespace began, in clock ticks since the boot; '' where nobody says it. */
export function bornOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8'); // proc(5): the name, in parentheses, may have any characters; the start is the 20th field behind it
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}
