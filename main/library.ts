/** The library: a folder of VM folders, NAME.cairn each (docs/formats/bundle.md). */
import { readdirSync, type Dirent } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { ConfigError } from '#engine/errors/errors.ts';
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
    return this.entries()
      .filter(entry => entry.isDirectory() && entry.name.endsWith(BUNDLE_SUFFIX))
      .map(entry => entry.name.slice(0, -BUNDLE_SUFFIX.length))
      .filter(name => vmName.safeParse(name).success)
      .toSorted();
  }

  private entries(): Dirent[] {
    try {
      return readdirSync(this.path, { withFileTypes: true });
    } catch (cause) {
      throw new ConfigError(
        'LIBRARY',
        `the library folder ${this.path} cannot be read: ${(cause as Error).message}. Is its disk there? CAIRN_HOME names another library.`,
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
