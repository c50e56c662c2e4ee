/**
 * owner.json in a bundle: who has the VM open and where that process listens. The lock on catalog.db is the truth; this only tells others
 * whom to ask, and may be left over from a process that was killed.
 */
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { readBoundedText } from '#worker/bounded-read.ts';
import { storageError } from '#worker/node-files.ts';

const ownerSchema = z.object({ pid: z.int(), socket: z.string().optional() });
export type Owner = z.infer<typeof ownerSchema>;
const FILE = 'owner.json';
const MOST_BYTES = 4096;

export function readOwner(bundlePath: string): Owner | undefined {
  try {
    return ownerSchema.parse(JSON.parse(readBoundedText(join(bundlePath, FILE), MOST_BYTES)));
  } catch {
    return undefined; // none, or half written by a process that was killed: the lock decides
  }
}

/** Throws StorageError. */
export function writeOwner(bundlePath: string, owner: Owner): void {
  const path = join(bundlePath, FILE);
  try {
    rmSync(`${path}.tmp`, { force: true }); // whatever it is: a link would be followed, a pipe waited for
    writeFileSync(`${path}.tmp`, `${JSON.stringify(owner)}\n`);
    renameSync(`${path}.tmp`, path);
  } catch (cause) {
    throw storageError(cause, path, 'written');
  }
}

export function removeOwner(bundlePath: string): void {
  rmSync(join(bundlePath, FILE), { force: true });
}
