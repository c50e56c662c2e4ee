/** A small file of a bundle is replaced: whole or not at all, at once for everybody who looks, and durable. */
import { closeSync, fsyncSync, openSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { nodeFiles, storageError } from '#worker/node-files.ts';

/** Throws StorageError; the old file is there then, or the new one. */
export function replaceFile(path: string, text: string): void {
  try {
    writeFileSync(`${path}.tmp`, text);
    const file = openSync(`${path}.tmp`, 'r+');
    try {
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(`${path}.tmp`, path);
  } catch (cause) {
    throw storageError(cause, path, 'written');
  }
  nodeFiles.syncFolder(dirname(path));
}
