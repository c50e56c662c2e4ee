/** Disks of other VMs that lie on layers of this one's: linked clones in the same library. Found by their descriptors, so that nothing has to be kept up to date. */
import { readdirSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { DiskFolder } from '#engine/disk/graph/disk-folder.ts';
import { CairnError } from '#engine/errors/errors.ts';
import { graphHost } from '#worker/node-graph-host.ts';

export interface LinkedState {
  /** The VM that lies on it. */
  readonly vm: string;
  readonly disk: string;
  /** A layer id. */
  readonly state: string;
}

const SUFFIX = '.cairn';

/** What clones of the VM in `bundlePath` lie on. A clone whose descriptor cannot be read throws: what it needs must not be thrown away. */
export function linkedStates(bundlePath: string): LinkedState[] {
  const library = dirname(bundlePath);
  const found: LinkedState[] = [];
  for (const name of folders(library)) {
    const bundle = join(library, name);
    if (bundle === bundlePath || !name.endsWith(SUFFIX)) continue;
    const disks = join(bundle, 'disks');
    for (const file of descriptors(disks)) {
      const { base } = new DiskFolder(graphHost, disks, basename(file, '.json')).read();
      if (base?.source === undefined || resolve(disks, base.source.folder) !== join(bundlePath, 'disks')) continue;
      found.push({ vm: basename(name, SUFFIX), disk: base.source.disk, state: base.content });
    }
  }
  return found;
}

const folders = (path: string): string[] =>
  readdirSync(path, { withFileTypes: true }).flatMap(entry => (entry.isDirectory() ? entry.name : []));

function descriptors(folder: string): string[] {
  try {
    return readdirSync(folder).filter(name => /^disk[0-9]+\.json$/.test(name));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw new CairnError('LINKED_CLONES', `${folder} cannot be looked at: ${(error as Error).message}.`, { cause: error });
  }
}
