/**
 * `cairn check`: whether every checkpoint of a VM can be restored. Reads the files as they are, whoever has the VM open: checkpoint files and the layers below a disk's
 * top never change. What only the owner may look at (the catalogue, a top that is written) is looked at when the VM is off.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { CheckpointStore } from '#engine/checkpoint/store.ts';
import { verifyCheckpoints } from '#engine/checkpoint/verify.ts';
import { codecOf } from '#worker/node-codec.ts';
import { storedFiles, volumeFolderAt } from '#worker/stored-files.ts';
import { nameOf } from './bundle.ts';
import { Catalog } from './catalog.ts';
import { requireCheckpointFolder } from './checkpoint-folder.ts';
import { checkDisks, type DiskPointerOf } from './check-disks.ts';
import { linkedStates, type LinkedState } from './linked-clones.ts';
import { problem } from './problem.ts';
import { readVmState } from './vm-state.ts';

export interface Problem {
  /** `damaged`: something cannot be brought back. `leftover`: `cairn repair` gives the room back, or sets the record right. */
  readonly kind: 'damaged' | 'leftover';
  /** The checkpoint, disk or file that it is about. */
  readonly about: string;
  readonly text: string;
}

export interface CheckReport {
  readonly vm: string;
  readonly checkpoints: number;
  readonly layers: number;
  /** Of the checkpoints, those that are encrypted and were not decrypted: their checksums were compared. */
  readonly locked: number;
  readonly problems: readonly Problem[];
  /** False: the VM is open in some Cairn, so its catalogue and the tops of its disks were left out. */
  readonly complete: boolean;
}

/** What never was a file of a bundle for longer than a write. */
const UNFINISHED = /\.(tmp|part|new)$/;
/** The disk's own check looks at these (check-disks.ts). */
const OF_A_DISK = /^disk[0-9]+\./;

/**
 * `progress` is called between two files; of encrypted checkpoints only checksums are compared without their passphrase. Throws when the bundle's folder cannot be read at all, and
 * CheckpointError WRONG_PASSPHRASE.
 */
export async function checkBundle(
  path: string,
  progress: (about: string) => void | Promise<void> = () => {},
  passphrase?: string,
): Promise<CheckReport> {
  requireCheckpointFolder(path, nameOf(path));
  const problems: Problem[] = [];
  const store = new CheckpointStore(storedFiles, join(path, 'checkpoints'));
  const ids = new Set<string>();
  const pointers: DiskPointerOf[] = [];
  let locked = 0;
  if (existsSync(store.folder) || volumeFolderAt(store.folder) !== undefined) {
    for (const { id, findings, disks, isLocked } of verifyCheckpoints(store, codecOf({ passphrase }))) {
      if (store.has(id)) ids.add(id);
      if (isLocked) locked++;
      problems.push(...findings.map(({ kind, problem: text }): Problem => ({ kind, about: `checkpoint ${id}`, text })));
      pointers.push(...disks.map(({ disk, layer }) => ({ checkpoint: id, disk, layer })));
      await progress(id);
    }
  }
  const isFree = catalogProblems(path, ids, problems);
  if (readVmState(path) === 'damaged') problems.push({ kind: 'leftover', about: 'state.json', text: 'it is damaged' });
  const disks = await checkDisks(join(path, 'disks'), pointers, pinnedStates(path, problems), isFree, progress);
  problems.push(...disks.problems);
  if (isFree) problems.push(...leftovers(path));
  return { vm: nameOf(path), checkpoints: ids.size, layers: disks.layers, locked, problems, complete: isFree };
}

function pinnedStates(path: string, problems: Problem[]): LinkedState[] {
  try {
    return linkedStates(path);
  } catch (error) {
    problems.push({ kind: 'leftover', about: 'linked clones', text: problem(error) });
    return [];
  }
}

/** False when somebody has it open. */
function catalogProblems(path: string, ids: ReadonlySet<string>, problems: Problem[]): boolean {
  const file = join(path, 'catalog.db');
  if (!existsSync(file)) return true;
  const about = 'catalog.db';
  try {
    const known = Catalog.ids(file);
    if (known === undefined) return false;
    for (const id of ids) if (!known.has(id)) problems.push({ kind: 'leftover', about, text: `it does not know the checkpoint ${id}` });
    for (const id of known) if (!ids.has(id)) problems.push({ kind: 'leftover', about, text: `the file of its checkpoint ${id} is gone` });
  } catch (error) {
    problems.push({ kind: 'leftover', about, text: problem(error) });
  }
  return true;
}

function leftovers(path: string): Problem[] {
  return ['.', 'checkpoints', 'disks'].flatMap(folder => {
    const at = join(path, folder);
    const names = existsSync(at) ? readdirSync(at) : [];
    return names
      .filter(name => UNFINISHED.test(name) && !OF_A_DISK.test(name))
      .map((name): Problem => ({ kind: 'leftover', about: join(folder, name), text: 'it was never finished' }));
  });
}
