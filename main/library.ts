/** The library: a folder of VM folders, NAME.cairn each (docs/formats/bundle.md). */
import { lstatSync, readdirSync, realpathSync, statSync, type Dirent } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { ConfigError } from '#engine/errors/errors.ts';
import { storageError } from '#worker/node-files.ts';
import { nodeFolders } from '#worker/node-folders.ts';
import { vmName } from './ipc/contract.ts';

const BUNDLE_SUFFIX = '.cairn';

/** CAIRN_HOME, or where this system's programs keep a user's data. */
export function defaultLibraryPath(env: NodeJS.ProcessEnv = process.env, platform: NodeJS.Platform = process.platform): string {
  if (env['CAIRN_HOME']) return resolve(env['CAIRN_HOME']);
  if (platform === 'win32') return join(env['LOCALAPPDATA'] ?? join(homedir(), 'AppData', 'Local'), 'Cairn');
  if (platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'Cairn');
  return join(env['XDG_DATA_HOME'] || join(homedir(), '.local', 'share'), 'cairn');
}

export class Library {
  readonly path: string;

  constructor(path: string) {
    this.path = resolve(path);
    try {
      nodeFolders.make(this.path);
    } catch (cause) {
      throw new ConfigError(
        'LIBRARY',
        `the library folder cannot be made: ${(cause as Error).message} Set CAIRN_HOME to a folder that you may write.`,
        { cause },
      );
    }
  }

  /** Names of the VMs here, sorted. Throws ConfigError when the folder cannot be read (any more). */
  names(): string[] {
    return bundleFolders(this.path, this.entries())
      .map(folder => folder.slice(0, -BUNDLE_SUFFIX.length))
      .filter(name => vmName.safeParse(name).success)
      .toSorted();
  }

  private entries(): Dirent[] {
    try {
      return readdirSync(this.path, { withFileTypes: true });
    } catch (cause) {
      throw new ConfigError(
        'LIBRARY',
        `the library folder cannot be used: ${storageError(cause, this.path, 'listed').message} Is its disk there? CAIRN_HOME names another library.`,
        { cause },
      );
    }
  }

  bundlePath(name: string): string {
    const checked = vmName.safeParse(name);
    if (!checked.success) throw new ConfigError('BAD_NAME', `“${name}” cannot be a VM's name: ${checked.error.issues[0]!.message}.`);
    return join(this.path, checked.data + BUNDLE_SUFFIX);
  }
}

/**
 * The names in `library` of the bundles in it, NAME.cairn each. A link to a bundle is one like others; of several names for one folder
 * the folder's own counts, or else the first. What leads nowhere, in a circle, or to no folder is none. Throws what `readdirSync` throws.
 */
export function bundleFolders(library: string, entries = readdirSync(library, { withFileTypes: true })): string[] {
  const named = entries.filter(entry => entry.name.endsWith(BUNDLE_SUFFIX));
  const own = named.filter(entry => entry.isDirectory()).map(entry => entry.name);
  const places = new Set(own.map(name => realPath(join(library, name))));
  const linked = named
    .filter(entry => entry.isSymbolicLink())
    .map(entry => entry.name)
    .toSorted()
    .filter(name => {
      const place = realPath(join(library, name));
      if (place === undefined || places.has(place) || !isFolder(place)) return false;
      places.add(place);
      return true;
    });
  return [...own, ...linked];
}

/** The links in `library` that lead to the folder `place`. */
export function linksTo(library: string, place: string): string[] {
  return readdirSync(library, { withFileTypes: true })
    .filter(entry => entry.isSymbolicLink() && entry.name.endsWith(BUNDLE_SUFFIX))
    .map(entry => join(library, entry.name))
    .filter(link => realPath(link) === place);
}

/** Where the bundle that the library has a link to is; undefined when it is in the library itself. */
export const linkedPlace = (bundlePath: string): string | undefined =>
  lstatSync(bundlePath, { throwIfNoEntry: false })?.isSymbolicLink() === true ? realPath(bundlePath) : undefined;

/** Undefined when it leads nowhere. */
export function realPath(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
