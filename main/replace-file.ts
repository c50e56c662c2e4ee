/** A small file of a bundle is replaced: whole or not at all, at once for everybody who looks, and durable. */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { StorageError } from '#engine/errors/errors.ts';
import { nodeFiles, storageError } from '#worker/node-files.ts';

/** Throws StorageError; then the old file is there. Whether the new one has its name for good, storage that fails at the very end does not say: it has it. */
export function replaceFile(path: string, text: string): void {
  const aside = `${path}.tmp`;
  try {
    rmSync(aside, { force: true }); // whatever it is: a link would be followed, a pipe waited for
    const file = openSync(aside, 'wx', 0o600);
    try {
      writeFileSync(file, text);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(aside, path);
  } catch (cause) {
    throw storageError(cause, path, 'written');
  }
  try {
    nodeFiles.syncFolder(dirname(path));
  } catch (error) {
    if (!(error instanceof StorageError)) throw error; // who is told that nothing was changed would find it changed
  }
}
