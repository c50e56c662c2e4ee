/** The folder of what processes of this user tell each other of files that they share: locks, and the units that they use of checkpoint volumes. */
import { userInfo } from 'node:os';
import { join } from 'node:path';
import { StorageError } from '#engine/errors/errors.ts';
import { isTooMany, knownError } from './descriptors.ts';
import { nodeFolders } from './node-folders.ts';

/** The same for every process of this user, whatever its environment says: CAIRN_LOCKS is for tests, and for users without a home. Throws StorageError when there is none. */
export function defaultLockFolder(env: NodeJS.ProcessEnv = process.env, platform: NodeJS.Platform = process.platform): string {
  if (env['CAIRN_LOCKS']) return env['CAIRN_LOCKS'];
  const home = homeFolder();
  if (platform === 'win32') return join(home, 'AppData', 'Local', 'Cairn', 'locks');
  if (platform === 'darwin') return join(home, 'Library', 'Application Support', 'Cairn', 'locks');
  return join(home, '.local', 'state', 'cairn', 'locks');
}

/** In a container a user may have a number and nothing else. */
function homeFolder(): string {
  try {
    return userInfo().homedir;
  } catch (cause) {
    if (isTooMany(cause)) throw knownError(cause);
    throw new StorageError(
      'LOCKS',
      'this computer knows no home folder of yours, where locks would be kept. Set CAIRN_LOCKS to a folder that you may write, the same for every Cairn.',
      { cause },
    );
  }
}

export function makeLockFolder(folder: string): void {
  try {
    nodeFolders.make(folder);
  } catch (cause) {
    throw new StorageError(
      'LOCKS',
      `the folder of locks cannot be made: ${(cause as Error).message} Set CAIRN_LOCKS to a folder that you may write.`,
      { cause },
    );
  }
}
