/**
 * Steps 906/908 for all disks of a VM at once: each goes on in its branch, or none does, whenever the host dies and whatever fails (docs/decisions/0010).
 *
 *   begun      every disk has a branch, empty and durable                                     nothing has changed
 *   decided    one disk: its descriptor names the branch                                      whoever opens the folder
 *              several: revert.json names the branch of each                                  from here on finds them all gone back
 *   settled    the descriptors name them, too, and revert.json is removed
 *
 * Between decided and settled no descriptor gets another top: makeSure() comes first.
 */
import { ConfigError, StorageError } from '../../errors/errors.ts';
import type { HostFiles } from '../../ports/host-files.ts';
import { isDiskKey, isLayerId, type DiskKey, type LayerId } from './descriptor.ts';
import { DiskFolder, type GraphHost } from './disk-folder.ts';
import { readJson, writeJson } from './json-file.ts';
import type { VirtualDiskFiles } from './virtual-disk-files.ts';

export class Adoption {
  private readonly disks: readonly VirtualDiskFiles[];
  /** `undecided`: adopting failed, and the files may say the one or the other. */
  private state: 'settled' | 'decided' | 'undecided' = 'settled';

  /** `disks`: all that this session has, in one folder. */
  constructor(disks: readonly VirtualDiskFiles[]) {
    this.disks = disks;
  }

  /** It failed and could not be taken back yet: what the guest writes now would be lost if the host died. makeSure() must come first. */
  get isUndecided(): boolean {
    return this.state === 'undecided';
  }

  /** Every branch is its disk from now on. When this throws, none is. */
  adopt(): void {
    this.makeSure();
    const branching = this.disks.filter(({ branchId }) => branchId !== undefined);
    try {
      if (branching.length === 1) branching[0]!.writeBranch();
      else if (branching.length > 1) this.record(branching);
    } catch (error) {
      this.takeBackIfPossible();
      throw error;
    }
    if (branching.length > 1) this.state = 'decided';
    for (const disk of branching) disk.takeBranch();
  }

  /** The descriptors are what is in force here, and there is no record. Throws StorageError when that cannot be written yet. */
  makeSure(): void {
    if (this.state === 'settled') return;
    if (this.state === 'undecided') this.removeRecord(); // before the descriptors, which do not name what it does
    for (const disk of this.disks) disk.makeDescriptorSure();
    if (this.state === 'decided') this.removeRecord();
    this.state = 'settled';
  }

  /** Another session that was to adopt these disks has failed: whatever it has written, they are what they are here. It was let to them after makeSure() only. */
  takeBack(): void {
    if (this.disks.length === 0) return;
    if (this.state === 'decided') return this.makeSure(); // so there was none, and the record is this one's
    for (const disk of this.disks) disk.doubtDescriptor();
    this.state = 'undecided';
    this.makeSure();
  }

  private takeBackIfPossible(): void {
    try {
      this.takeBack();
    } catch (error) {
      if (!(error instanceof StorageError)) throw error; // it is tried again by whoever needs it
    }
  }

  private record(branching: readonly VirtualDiskFiles[]): void {
    for (const disk of branching) disk.lookAgain();
    const tops = Object.fromEntries(branching.map(disk => [disk.folder.disk, disk.branchId]));
    writeJson(this.files, this.path, { version: 1, tops });
  }

  private removeRecord(): void {
    this.files.remove(this.path);
    this.files.syncFolder(this.disks[0]!.folder.folder);
  }

  private get files(): HostFiles {
    return this.disks[0]!.folder.host.files;
  }

  private get path(): string {
    return recordPath(this.disks[0]!.folder.folder);
  }
}

const recordPath = (folder: string): string => `${folder}/revert.json`;

/**
 * Whoever comes to own the disks in `folder` calls this before anything reads them: what was decided and not settled is settled. Answers whether there was
 * anything. Throws StorageError when it cannot be written yet, ConfigError when a file is damaged.
 */
export function completeAdoption(host: GraphHost, folder: string): boolean {
  const found = findAdoption(host, folder);
  if (found === undefined) return false;
  const path = recordPath(folder);
  for (const { files, descriptor, top } of found) if (descriptor.top !== top) files.write({ ...descriptor, top });
  host.files.remove(path);
  host.files.syncFolder(folder);
  return true;
}

/** Whether a revert of several disks was decided and is not settled. Throws ConfigError when a file of it is damaged. */
export const isAdoptionPending = (host: GraphHost, folder: string): boolean => findAdoption(host, folder) !== undefined;

function findAdoption(host: GraphHost, folder: string) {
  const path = recordPath(folder);
  if (!host.files.exists(path)) return undefined;
  return readRecord(host.files, path).map(([disk, top]) => {
    const files = new DiskFolder(host, folder, disk);
    const descriptor = files.read();
    if (descriptor.top !== top && !files.has(top)) throw bad(path, `it names the layer ${top} of ${disk}, which is missing`);
    return { files, descriptor, top };
  });
}

function readRecord(files: HostFiles, path: string): [DiskKey, LayerId][] {
  const raw = readJson(files, path, problem => bad(path, problem));
  const { version, tops } = (raw ?? {}) as { readonly version?: unknown; readonly tops?: unknown };
  if (version !== 1 || typeof tops !== 'object' || tops === null) throw bad(path, 'it is none of version 1');
  const entries = Object.entries(tops);
  if (!entries.every((entry): entry is [DiskKey, LayerId] => isDiskKey(entry[0]) && isLayerId(entry[1])))
    throw bad(path, 'it names what is no disk or no layer');
  return entries;
}

const bad = (path: string, problem: string): ConfigError =>
  new ConfigError(
    'DISK_REVERT_RECORD',
    `${path} is to say where a revert that was interrupted put the VM's disks, and is damaged: ${problem}. Remove it, and revert to a checkpoint again before the VM is started.`,
  );
