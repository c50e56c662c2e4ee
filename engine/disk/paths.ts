/** Paths of backing files: resolved as QEMU does, and followed only to where the user allows. */
import { ConfigError } from '../errors/errors.ts';
import type { HostFiles } from '../ports/host-files.ts';

const isAbsolute = (path: string) => /^(?:[/\\]|[A-Za-z]:[/\\])/.test(path);

export function folderOf(path: string): string {
  const cut = Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\'));
  return cut < 0 ? '.' : path.slice(0, Math.max(1, cut));
}

/** The path of a backing file as named inside `image`. */
export function backingPath(image: string, name: string): string {
  if (name.includes('\0')) throw new ConfigError('DISK_BACKING_NAME', `${image}: the name of its backing file is not the name of a file.`);
  if (isAbsolute(name)) return name;
  // “nbd://…”, “json:{…}”: another machine's data, or anything at all.
  if (/^[A-Za-z][A-Za-z0-9+.-]*:/.test(name))
    throw new ConfigError('DISK_BACKING_NAME', `${image}: its backing file is ${name.slice(0, 80)}, which is no file on this computer.`);
  return normalise(`${folderOf(image)}/${name}`);
}

/** Takes out `.` and `..`, so that a chain through several folders does not grow long names. */
export function normalise(path: string): string {
  const parts: string[] = [];
  const rooted = /^[/\\]/.test(path);
  for (const part of path.split(/[/\\]/)) {
    if (part === '' || part === '.') continue;
    if (part === '..' && parts.length > 0 && parts.at(-1) !== '..') parts.pop();
    else if (part !== '..' || !rooted) parts.push(part);
  }
  return (rooted ? '/' : '') + parts.join('/');
}

/** Which backing files may be followed: those below one of `folders`, or named in `files`. Both are the user's words, not the image's. */
export interface BackingPolicy {
  readonly folders?: readonly string[];
  readonly files?: readonly string[];
}

/** The one rule for all who open an image: the files of its own folder, and the files and folders that the user allowed. Throws StorageError for one that is not there. */
export function policyFor(files: HostFiles, image: string, allowed: readonly string[]): BackingPolicy {
  const named = allowed.map(path => files.realPath(path));
  return { folders: [folderOf(files.realPath(image)), ...named], files: named };
}

/** Of lists that were searched before: a chain of thousands of files is looked up one by one in a list of all of them. */
const sets = new WeakMap<readonly string[], ReadonlySet<string>>();

function isAmong(files: readonly string[], path: string): boolean {
  const set = sets.get(files) ?? new Set(files);
  sets.set(files, set);
  return set.has(path);
}

/** The real path, when it may be followed: no symbolic link leads out of a folder. */
export function allowedPath(files: HostFiles, path: string, allowed: BackingPolicy, image: string): string {
  const real = files.realPath(path);
  const below = (folder: string) =>
    real.startsWith(`${folder.replace(/[/\\]+$/, '')}/`) || real.startsWith(`${folder.replace(/[/\\]+$/, '')}\\`);
  if (allowed.folders?.some(below) || (allowed.files !== undefined && isAmong(allowed.files, real))) return real;
  throw new ConfigError(
    'DISK_BACKING_REFUSED',
    `${image} has the backing file ${real}, which is outside the image’s own folder: allow that file or its folder if you trust the image (“allow=PATH” with --disk, --allow PATH elsewhere, “Also allow” in the window).`,
  );
}
