/**
 * owner.json in a bundle: who has the VM open and where that process listens. The lock on catalog.db is the truth: this only tells others
 * whom to ask while it is held. It may be left over from a process that was killed, be a copy of another VM's, or a stranger's.
 */
import { renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { readBoundedText } from '#worker/bounded-read.ts';
import { storageError } from '#worker/node-files.ts';
import { isOwnersSocket } from './socket-folder.ts';

/** `folder`: the bundle that it was written for, by device and inode. */
const ownerSchema = z.object({ pid: z.int().positive(), socket: z.string().optional(), folder: z.string() });
export type Owner = Omit<z.infer<typeof ownerSchema>, 'folder'>;
const FILE = 'owner.json';
const MOST_BYTES = 4096;

/** Undefined when there is none, or none of this bundle's. `socket` is one that can be a Cairn's of this user; to be asked only while the bundle's lock is held. */
export function readOwner(bundlePath: string): Owner | undefined {
  try {
    const { pid, socket, folder } = ownerSchema.parse(JSON.parse(readBoundedText(join(bundlePath, FILE), MOST_BYTES)));
    if (folder !== folderId(bundlePath)) return undefined;
    return socket !== undefined && isOwnersSocket(socket, pid) ? { pid, socket } : { pid };
  } catch {
    return undefined; // none, or half written by a process that was killed: the lock decides
  }
}

/** Throws StorageError. */
export function writeOwner(bundlePath: string, owner: Owner): void {
  const path = join(bundlePath, FILE);
  try {
    rmSync(`${path}.tmp`, { force: true }); // whatever it is: a link would be followed, a pipe waited for
    writeFileSync(`${path}.tmp`, `${JSON.stringify({ ...owner, folder: folderId(bundlePath) })}\n`);
    renameSync(`${path}.tmp`, path);
  } catch (cause) {
    throw storageError(cause, path, 'written');
  }
}

/** One that stays is not believed, for the lock is not held. */
export function removeOwner(bundlePath: string): void {
  try {
    rmSync(join(bundlePath, FILE), { force: true });
  } catch {
    // Storage refuses it.
  }
}

function folderId(bundlePath: string): string {
  const { dev, ino } = statSync(bundlePath, { bigint: true });
  return `${dev.toString(16)}-${ino.toString(16)}`;
}
