/** Disks of other VMs that lie on layers of this one's: linked clones in the same library. Found by their descriptors, so that nothing has to be kept up to date. */
import { readdirSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { LayerId } from '#engine/disk/graph/descriptor.ts';
import { DiskFolder } from '#engine/disk/graph/disk-folder.ts';
import { CairnError } from '#engine/errors/errors.ts';
import { storageError } from '#worker/node-files.ts';
import { graphHost } from '#worker/node-graph-host.ts';
import { bundleFolders, realPath } from './library.ts';

export interface LinkedState {
  /** The VM that lies on it. */
  readonly vm: string;
  readonly disk: string;
  /** A layer id. */
  readonly state: string;
}

/**
 * What clones of the VM in `bundlePath` lie on. A clone of a VM whose folder has another name or place now is one of whoever has the layer:
 * what it names is not there. A clone whose descriptor cannot be read throws: what it needs must not be thrown away.
 */
export function linkedStates(bundlePath: string): LinkedState[] {
  const library = dirname(bundlePath);
  const [here, ownDisks] = [realPath(bundlePath), join(bundlePath, 'disks')];
  const found: LinkedState[] = [];
  for (const name of bundleFolders(library)) {
    const bundle = join(library, name);
    if (realPath(bundle) === here) continue;
    const disks = join(bundle, 'disks');
    for (const file of descriptors(disks)) {
      const { base } = new DiskFolder(graphHost, disks, basename(file, '.json')).read();
      if (base?.source === undefined) continue;
      const { source, content } = base;
      const named = resolve(disks, source.folder);
      const isOurs = isSame(named, ownDisks) || (!holds(named, source.disk, content) && holds(ownDisks, source.disk, content));
      if (isOurs) found.push({ vm: basename(name, '.cairn'), disk: source.disk, state: content });
    }
  }
  return found;
}

const isSame = (a: string, b: string): boolean => a === b || (realPath(a) !== undefined && realPath(a) === realPath(b));

/** Whether the disk in the folder of disks has the state. */
export function holds(disks: string, disk: string, state: LayerId): boolean {
  try {
    const folder = new DiskFolder(graphHost, disks, disk);
    return folder.has(state) || folder.read().base?.content === state;
  } catch (error) {
    if (!(error instanceof CairnError)) throw error;
    return false; // there is no such disk
  }
}

function descriptors(folder: string): string[] {
  try {
    return readdirSync(folder).filter(name => /^disk[0-9]+\.json$/.test(name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new CairnError('LINKED_CLONES', storageError(error, folder, 'looked at').message, { cause: error });
  }
}
