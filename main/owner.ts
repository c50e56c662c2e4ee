/**
 * owner.json in a bundle: who has the VM open and where that process listens. The lock on catalog.db is the truth; this only tells others
 * whom to ask, and may be left over from a process that was killed.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { storageError } from '#worker/node-files.ts';

const ownerSchema = z.object({ pid: z.int(), socket: z.string().optional() });
export type Owner = z.infer<typeof ownerSchema>;
const FILE = 'owner.json';

export function readOwner(bundlePath: string): Owner | undefined {
  try {
    return ownerSchema.parse(JSON.parse(readFileSync(join(bundlePath, FILE), 'utf8')));
  } catch {
    return undefined; // none, or half written by a process that was killed: the lock decides
  }
}

/** Throws StorageError. */
export function writeOwner(bundlePath: string, owner: Owner): void {
  const path = join(bundlePath, FILE);
  try {
    writeFileSync(`${path}.tmp`, `${JSON.stringify(owner)}\n`);
    renameSync(`${path}.tmp`, path);
  } catch (cause) {
    throw storageError(cause, path, 'written');
  }
}

export function removeOwner(bundlePath: string): void {
  rmSync(join(bundlePath, FILE), { force: true });
}
