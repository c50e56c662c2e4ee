/**
 * Where a VM's checkpoint files are: the folder `checkpoints` of its bundle, or (METHOD.md § 50, another store) STORE/NAME.checkpoints, to which `checkpoints` is a link then. The store is a folder,
 * or a checkpoint volume, in which the host cannot look: stored-files.ts can. Everybody goes through the link. A store that is not there (not mounted) leaves it dangling, and then nobody may take the
 * checkpoints for gone.
 */
import { lstatSync, readdirSync, readlinkSync, statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { isName, withFolder, withoutFolder } from '#engine/checkpoint/volume/directory.ts';
import { CairnError, ConfigError, StorageError } from '#engine/errors/errors.ts';
import { lifeSign } from '#worker/life-sign.ts';
import { defaultLockFolder } from '#worker/lock-folder.ts';
import { nodeFiles } from '#worker/node-files.ts';
import { nodeFolders } from '#worker/node-folders.ts';
import { isVolumePath, storedFiles, volumeAt, volumeFolderAt } from '#worker/stored-files.ts';
import { FileLocks, type FileLock } from './file-locks.ts';

export const CHECKPOINTS = 'checkpoints';
/** While it moves, or is made: the place that it goes to; and the one that it had. */
export const GOES_TO = `${CHECKPOINTS}.new`;
const CAME_FROM = `${CHECKPOINTS}.old`;
const OURS = /\.(ckpt|pages)(\.part)?$/;

/** Into a bundle's folder that is being built. Throws ConfigError. */
export function makeCheckpointFolder(bundlePath: string, name: string, store: string | undefined, as = CHECKPOINTS): void {
  const place = join(bundlePath, as);
  if (store === undefined) return nodeFolders.make(place);
  const link = join(bundlePath, GOES_TO);
  try {
    makeInStore(store, name, target => nodeFolders.makeLink(target, link));
  } catch (error) {
    nodeFolders.removeTree(link);
    throw error;
  }
  if (place !== link) nodeFiles.rename(link, place);
}

/** Of a VM without checkpoints; it is there, or where it was, if this throws. */
export function moveCheckpointFolder(bundlePath: string, name: string, store: string | undefined): void {
  const place = join(bundlePath, CHECKPOINTS);
  if (checkpointPlaceOf(bundlePath) === (store === undefined ? undefined : placeIn(store, name))) return; // the same store by another path
  if (storedFiles.list(place).length > 0)
    throw new ConfigError(
      'STORE_IN_USE',
      `${name} has checkpoints already: where they are kept is chosen before the first. Delete them, or make another VM with --checkpoint-store.`,
    );
  finishMove(bundlePath);
  makeCheckpointFolder(bundlePath, name, store, GOES_TO);
  nodeFiles.rename(place, join(bundlePath, CAME_FROM));
  finishMove(bundlePath);
}

/** Of a bundle that nobody else has open: a move that was interrupted has been made, or has not begun. */
export function finishMove(bundlePath: string): void {
  const place = join(bundlePath, CHECKPOINTS);
  if (!isThere(place) && isThere(join(bundlePath, GOES_TO))) nodeFiles.rename(join(bundlePath, GOES_TO), place);
  const left = [GOES_TO, CAME_FROM].filter(name => isThere(join(bundlePath, name)));
  if (left.length > 0) nodeFiles.syncFolder(bundlePath); // nothing may lead any more to what goes now
  for (const name of left) removeIfEmpty(bundlePath, name);
}

/** Throws ConfigError when the checkpoints are kept where nothing is now, or are another VM's, and CheckpointError when that is a volume which is damaged. */
export function requireCheckpointFolder(bundlePath: string, name: string): void {
  const target = checkpointPlaceOf(bundlePath);
  if (target === undefined) return;
  requireOriginal(bundlePath, name, target);
  if (isFolder(target)) return;
  const inVolume = volumeFolderAt(target);
  if (inVolume?.volume.look().generation.directory.has(inVolume.name) === true) return;
  throw new ConfigError(
    'STORE_MISSING',
    inVolume === undefined
      ? `the checkpoints of ${name} are kept in ${target}, which is not there: mount it, or bring it back.`
      : `the checkpoints of ${name} are kept in the volume ${inVolume.volume.path}, which has none of that name: bring the right one back.`,
  );
}

/** A bundle that was copied with its link has the checkpoints of the one that it is a copy of: what it deletes would be that one's. */
function requireOriginal(bundlePath: string, name: string, target: string): void {
  const owner = basename(target, '.checkpoints');
  if (owner === name || checkpointPlaceOf(join(dirname(bundlePath), `${owner}.cairn`)) !== target) return;
  throw new ConfigError(
    'STORE_IN_USE',
    `${name} is a copy of ${owner} and has the same checkpoints, in ${target}: remove the folder ${bundlePath}, and use \`cairn vm clone ${owner}\` instead.`,
  );
}

/** So that nobody makes anything else of a volume while the VM is open; undefined when the checkpoints are in none. Throws ConfigError FILE_IN_USE. */
export function useCheckpointVolume(bundlePath: string, name: string): FileLock | undefined {
  const inVolume = volumeFolderAt(join(bundlePath, CHECKPOINTS));
  if (inVolume === undefined) return undefined;
  const lock = new FileLocks().take(inVolume.volume.path, 'shared', name);
  lifeSign(defaultLockFolder()); // for the threads that will use it
  return lock;
}

/** With the checkpoint files in it. In a store nothing else is touched, and it may be gone. */
export function removeCheckpointFolder(bundlePath: string, as = CHECKPOINTS): void {
  const place = join(bundlePath, as);
  const target = checkpointPlaceOf(bundlePath, as);
  if (target === undefined) return nodeFolders.removeTree(place);
  const inVolume = volumeFolderAt(target);
  inVolume?.volume.change(directory => (directory.has(inVolume.name) ? withoutFolder(directory, inVolume.name) : directory));
  const names = isFolder(target) ? readdirSync(target) : undefined;
  for (const name of names ?? []) if (OURS.test(name)) nodeFiles.remove(join(target, name));
  if (names?.every(name => OURS.test(name))) nodeFolders.removeEmpty(target);
  nodeFiles.remove(place);
}

/** What holds files is not, or no longer, what a move or a VM that was not finished has left. What cannot be removed now is when the bundle is opened next. */
export function removeIfEmpty(bundlePath: string, as: string): void {
  const place = join(bundlePath, as);
  try {
    if (!hasFiles(place)) removeCheckpointFolder(bundlePath, as);
    else if (checkpointPlaceOf(bundlePath, as) !== undefined) nodeFiles.remove(place);
  } catch (error) {
    if (!(error instanceof CairnError)) throw error;
  }
}

function hasFiles(place: string): boolean {
  try {
    return storedFiles.list(place).length > 0;
  } catch (error) {
    if (!(error instanceof StorageError && error.code === 'NO_SUCH_FILE')) throw error; // nobody can look there now
    return false;
  }
}

const placeIn = (store: string, name: string): string => join(store, `${name}.checkpoints`);

/** `link` makes what leads to it. */
function makeInStore(store: string, name: string, link: (target: string) => void): void {
  if (!isAbsolute(store)) throw new ConfigError('BAD_STORE', `the checkpoint store ${store} must be named by its whole path.`);
  const target = placeIn(store, name);
  if (isVolumePath(store)) return makeInVolume(store, `${name}.checkpoints`, () => link(target));
  makeInFolder(store, target);
  link(target);
}

/** What leads to it is made first: after a kill it is found by that, and nobody can see from an empty folder in a volume that it is no VM's. */
function makeInVolume(store: string, folder: string, link: () => void): void {
  if (!isName(folder))
    throw new ConfigError(
      'BAD_STORE',
      `a checkpoint volume keeps only names of plain letters, digits and signs (ASCII), and ${folder} has others: give the VM another name, or another store.`,
    );
  using inUse = new DisposableStack();
  inUse.use(new FileLocks().take(store, 'shared', folder));
  volumeAt(store).change(directory => {
    if (directory.has(folder))
      throw new ConfigError(
        'STORE_IN_USE',
        `the volume ${store} has ${folder} already, perhaps another VM's: choose another volume or name.`,
      );
    link();
    return withFolder(directory, folder, new Map());
  });
}

function makeInFolder(store: string, target: string): void {
  try {
    nodeFolders.makeNew(target);
  } catch (cause) {
    const { code, message } = cause as StorageError;
    if (code === 'NO_SUCH_FILE')
      throw new ConfigError('STORE_MISSING', `the checkpoint store ${store} is not there: make the folder, or mount it.`, { cause });
    if (code === 'FILE_EXISTS')
      throw new ConfigError('STORE_IN_USE', `${target} exists already, perhaps another VM's: choose another folder or name.`, { cause });
    throw new ConfigError('BAD_STORE', `checkpoints cannot be kept in ${store}: ${message}`, { cause });
  }
  nodeFiles.syncFolder(store);
}

/** Where in a store they are; undefined when they are in the bundle. */
export function checkpointPlaceOf(bundlePath: string, as = CHECKPOINTS): string | undefined {
  const place = join(bundlePath, as);
  return lstatSync(place, { throwIfNoEntry: false })?.isSymbolicLink() === true ? readlinkSync(place) : undefined;
}

/** The store that a VM's checkpoints are kept in; undefined when they are in the bundle. */
export function checkpointStoreOf(bundlePath: string): string | undefined {
  const place = checkpointPlaceOf(bundlePath);
  return place === undefined ? undefined : dirname(place);
}

/** A link is there that leads nowhere. */
const isThere = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false }) !== undefined;

/** Nothing is under a file, either. */
function isFolder(path: string): boolean {
  return !isVolumePath(dirname(path)) && statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
