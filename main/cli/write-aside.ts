/** Files that are made under another name, and have their own only when they are complete. What a killed process left is removed by the next that writes there. */
import { chmodSync, chownSync, linkSync, lstatSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { ConfigError, messageOf } from '#engine/errors/errors.ts';
import { isAlive } from '#worker/is-alive.ts';
import { nodeFiles, storageError } from '#worker/node-files.ts';
import { printNotice } from './output.ts';

/** Process numbers count on one computer only, and a folder may belong to several. */
const HOST = hostname()
  .replaceAll(/[^0-9A-Za-z]/g, '')
  .slice(0, 20);
/** Of the target's name: what is added must not make it too long. */
const NAME_PART = 40;
/** What a file system says that has no second names. */
const NO_LINKS: ReadonlySet<string> = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EACCES']);

const nameAside = (target: string): string =>
  join(dirname(target), `.${basename(target).slice(0, NAME_PART)}.cairn-${HOST}-${process.pid}.part`);

/** Makes a new file under another name, which becomes `target` only when it is complete. FILE_EXISTS: something has that name, also when it got it meanwhile. */
export async function writeNew<T>(target: string, make: (aside: string) => Promise<T>): Promise<T> {
  if (isThere(target)) throw exists(target);
  return writeAside(target, make, aside => {
    nameIfFree(aside, target);
    return true;
  });
}

/** The same in the place of a file that exists, with its owner and permissions. */
export async function replace<T>(target: string, make: (aside: string) => Promise<T>, isWanted: (made: T) => boolean): Promise<T> {
  const { mode, uid, gid } = statSync(target);
  return writeAside(target, make, (aside, made) => {
    if (!isWanted(made)) return false;
    chmodSync(aside, mode & 0o7777);
    if (process.getuid?.() === 0) chownSync(aside, uid, gid);
    nodeFiles.rename(aside, target);
    return true;
  });
}

/** `put` gives the file its name, and says whether it did. */
async function writeAside<T>(target: string, make: (aside: string) => Promise<T>, put: (aside: string, made: T) => boolean): Promise<T> {
  const aside = nameAside(target);
  sweep(dirname(resolve(target)));
  try {
    const made = await make(aside);
    if (put(aside, made)) secure(target);
    return made;
  } finally {
    nodeFiles.remove(aside);
  }
}

/** It has its name: what fails now does not take it back. */
function secure(target: string): void {
  try {
    nodeFiles.syncFolder(dirname(resolve(target)));
  } catch (error) {
    printNotice({ level: 'warning', text: `${target} is complete, but a power failure may still take it: ${messageOf(error)}` });
  }
}

function nameIfFree(aside: string, target: string): void {
  try {
    linkSync(aside, target);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? '';
    if (code === 'EEXIST') throw exists(target);
    if (!NO_LINKS.has(code)) throw storageError(cause, target, 'written');
    if (isThere(target)) throw exists(target);
    nodeFiles.rename(aside, target);
  }
}

function isThere(path: string): boolean {
  try {
    return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
  } catch (cause) {
    throw storageError(cause, path, 'created');
  }
}

const exists = (target: string): ConfigError =>
  new ConfigError('FILE_EXISTS', `${target} cannot be created: there is a file of this name already.`);

/** Only regular files of exactly this form, made on this computer by a process that is gone. One that can't be removed stays: nobody waits for it. */
function sweep(folder: string): void {
  try {
    for (const name of nodeFiles.list(folder)) {
      const [, host, pid] = /^\..+\.cairn-([0-9A-Za-z]*)-(\d{1,10})\.part$/s.exec(name) ?? [];
      const path = join(folder, name);
      if (host === HOST && !isAlive(Number(pid)) && lstatSync(path).isFile()) nodeFiles.remove(path);
    }
  } catch {
    // what is wrong with the folder, writing in it will tell
  }
}
