/** Folders, links and whole trees on the host. What goes wrong becomes a StorageError with the path, as with files (node-files.ts). */
import { mkdirSync, rmdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { storageError } from './node-files.ts';

const PRIVATE = 0o700;

export const nodeFolders = {
  /** With those above it; one that is there is left as it is. */
  make: (path: string): void => attempt(path, 'created', () => makeWithParents(resolve(path))),
  /** One that is not there yet: FILE_EXISTS when it is. */
  makeNew: (path: string): void => attempt(path, 'created', () => mkdirSync(path, { mode: PRIVATE })),
  /** `path` leads to the folder `target`. */
  makeLink: (target: string, path: string): void => attempt(path, 'created', () => symlinkSync(target, path, 'junction')),
  /** A link is removed, and not what it leads to. Nothing there is no failure. */
  removeTree: (path: string): void => attempt(path, 'removed', () => rmSync(path, { recursive: true, force: true })),
  removeEmpty: (path: string): void => attempt(path, 'removed', () => rmdirSync(path)),
};

/** Node's own `recursive` tries for ever where a file system has a folder and refuses to make another one in it for want of that folder (/proc). */
function makeWithParents(path: string): void {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() === true) return;
  const above = dirname(path);
  if (above !== path) makeWithParents(above);
  try {
    mkdirSync(path, { mode: PRIVATE });
  } catch (cause) {
    if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) throw cause; // somebody else may have made it just now
  }
}

function attempt(path: string, doing: string, action: () => unknown): void {
  try {
    action();
  } catch (cause) {
    throw storageError(cause, path, doing);
  }
}
