/**
 * Where a VM's checkpoint files are: the folder `checkpoints` of its bundle, or (METHOD.md § 50, another store) STORE/NAME.checkpoints, to which `checkpoints` is a link then. The store is a folder,
 * or a checkpoint volume, in which the host cannot look: stored-files.ts can. Everybody goes through the link. A store that is not there (not mounted) leaves it dangling, and then nobody may take the
 * checkpoints for gone.
 */
import { lstatSync, mkdirSync, readdirSync, readlinkSync, renameSync, rmdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { withFolder, withoutFolder } from '#engine/checkpoint/volume/directory.ts';
import { ConfigError } from '#engine/errors/errors.ts';
import { lifeSign } from '#worker/life-sign.ts';
import { defaultLockFolder } from '#worker/lock-folder.ts';
import { isVolumePath, storedFiles, volumeAt, volumeFolderAt } from '#worker/stored-files.ts';
import { FileLocks, type FileLock } from './file-locks.ts';

export const CHECKPOINTS = 'checkpoints';
const OURS = /\.(ckpt|pages)(\.part)?$/;

/** Into a bundle's folder that is being built. Throws ConfigError. */
export function makeCheckpointFolder(bundlePath: string, name: string, store: string | undefined, as = CHECKPOINTS): void {
  const place = join(bundlePath, as);
  if (store === undefined) mkdirSync(place, { recursive: true, mode: 0o700 });
  else symlinkSync(makeInStore(store, name), place, 'junction');
}

/** Of a VM without checkpoints; what was there stays if this throws. */
export function moveCheckpointFolder(bundlePath: string, name: string, store: string | undefined): void {
  const place = join(bundlePath, CHECKPOINTS);
  if (storedFiles.list(place).length > 0)
    throw new ConfigError(
      'STORE_IN_USE',
      `${name} has checkpoints already: where they are kept is chosen before the first. Delete them, or make another VM with --checkpoint-store.`,
    );
  const fresh = `${CHECKPOINTS}.new`;
  makeCheckpointFolder(bundlePath, name, store, fresh);
  removeCheckpointFolder(bundlePath);
  renameSync(join(bundlePath, fresh), place);
}

/** Throws ConfigError when the checkpoints are kept where nothing is now, and CheckpointError when that is a volume which is damaged. */
export function requireCheckpointFolder(bundlePath: string, name: string): void {
  const target = targetOf(bundlePath);
  if (target === undefined || isFolder(target)) return;
  const inVolume = volumeFolderAt(target);
  if (inVolume?.volume.look().generation.directory.has(inVolume.name) === true) return;
  throw new ConfigError(
    'STORE_MISSING',
    inVolume === undefined
      ? `the checkpoints of ${name} are kept in ${target}, which is not there: mount it, or bring it back.`
      : `the checkpoints of ${name} are kept in the volume ${inVolume.volume.path}, which has none of that name: bring the right one back.`,
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
export function removeCheckpointFolder(bundlePath: string): void {
  const place = join(bundlePath, CHECKPOINTS);
  const target = targetOf(bundlePath);
  if (target === undefined) return rmSync(place, { recursive: true, force: true });
  const inVolume = volumeFolderAt(target);
  inVolume?.volume.change(directory => (directory.has(inVolume.name) ? withoutFolder(directory, inVolume.name) : directory));
  const names = isFolder(target) ? readdirSync(target) : undefined;
  for (const name of names ?? []) if (OURS.test(name)) rmSync(join(target, name), { force: true });
  if (names?.every(name => OURS.test(name))) rmdirSync(target);
  rmSync(place, { force: true });
}

function makeInStore(store: string, name: string): string {
  if (!isAbsolute(store)) throw new ConfigError('BAD_STORE', `the checkpoint store ${store} must be named by its whole path.`);
  const target = join(store, `${name}.checkpoints`);
  if (isVolumePath(store)) makeInVolume(store, `${name}.checkpoints`);
  else makeInFolder(store, target);
  return target;
}

function makeInVolume(store: string, folder: string): void {
  using inUse = new DisposableStack();
  inUse.use(new FileLocks().take(store, 'shared', folder));
  volumeAt(store).change(directory => {
    if (directory.has(folder))
      throw new ConfigError(
        'STORE_IN_USE',
        `the volume ${store} has ${folder} already, perhaps another VM's: choose another volume or name.`,
      );
    return withFolder(directory, folder, new Map());
  });
}

function makeInFolder(store: string, target: string): void {
  try {
    mkdirSync(target, { mode: 0o700 });
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT')
      throw new ConfigError('STORE_MISSING', `the checkpoint store ${store} is not there: make the folder, or mount it.`, { cause });
    if (code === 'EEXIST')
      throw new ConfigError('STORE_IN_USE', `${target} exists already, perhaps another VM's: choose another folder or name.`, { cause });
    throw new ConfigError('BAD_STORE', `checkpoints cannot be kept in ${store}: ${message}.`, { cause });
  }
}

/** Undefined when the checkpoints are in the bundle. */
function targetOf(bundlePath: string): string | undefined {
  const place = join(bundlePath, CHECKPOINTS);
  return lstatSync(place, { throwIfNoEntry: false })?.isSymbolicLink() === true ? readlinkSync(place) : undefined;
}

/** Nothing is under a file, either. */
function isFolder(path: string): boolean {
  return !isVolumePath(dirname(path)) && statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
