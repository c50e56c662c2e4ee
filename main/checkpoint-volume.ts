/** Checkpoint volumes (docs/formats/checkpoint-volume.md) for `cairn store`: making one, what is in it, and whether that can be restored. */
import { randomBytes } from 'node:crypto';
import { readCheckpointInfo } from '#engine/checkpoint/info.ts';
import { CheckpointStore } from '#engine/checkpoint/store.ts';
import { verifyCheckpoints } from '#engine/checkpoint/verify.ts';
import type { Folder } from '#engine/checkpoint/volume/directory.ts';
import { geometryFor } from '#engine/checkpoint/volume/header.ts';
import { MIN_VOLUME_BYTES, UUID_SIZE } from '#engine/checkpoint/volume/layout.ts';
import { makeVolume } from '#engine/checkpoint/volume/make.ts';
import { usedUnits } from '#engine/checkpoint/volume/space.ts';
import { Volume } from '#engine/checkpoint/volume/volume.ts';
import { VolumeFolder } from '#engine/checkpoint/volume/volume-folder.ts';
import { ConfigError } from '#engine/errors/errors.ts';
import type { HostFile } from '#engine/ports/host-files.ts';
import { nodeCodec } from '#worker/node-codec.ts';
import { volumeHost } from '#worker/stored-files.ts';
import { NodeVolumeUses } from '#worker/volume-uses.ts';
import type { Problem } from './check.ts';
import { FileLocks } from './file-locks.ts';
import { problem } from './problem.ts';

const FOLDER_SUFFIX = '.checkpoints';

export interface VolumeInfo {
  readonly path: string;
  readonly uuid: string;
  readonly sizeBytes: number;
  readonly unitBytes: number;
  readonly usedBytes: number;
  /** Neither used nor held by somebody who reads what has been deleted, or writes what is to come. */
  readonly freeBytes: number;
  /** How often its directory has changed. */
  readonly generation: number;
  /** VMs that have it open, and who reads or writes in it just now. */
  readonly users: readonly { readonly holder: string; readonly pid: number }[];
  readonly uses: readonly { readonly pid: number; readonly kind: 'read' | 'write'; readonly file: string }[];
  readonly vms: readonly VmInVolume[];
}

export interface VmInVolume {
  readonly name: string;
  readonly usedBytes: number;
  readonly checkpoints: readonly (
    | { readonly id: string; readonly title: string; readonly takenAt: string }
    | { readonly id: string; readonly problem: string }
  )[];
}

/** Throws CheckpointError VOLUME_DAMAGED, and StorageError. */
export function volumeInfo(path: string): VolumeInfo {
  const volume = new Volume(volumeHost, path);
  const state = volume.look();
  const { header, uuid, generation } = state;
  const { sizeBytes, unitBytes, units } = header;
  return {
    ...{ path, uuid, sizeBytes, unitBytes },
    usedBytes: usedUnits(generation.directory, units) * unitBytes,
    freeBytes: volume.freeUnits(state) * unitBytes,
    generation: generation.number,
    users: new FileLocks().holdersOf(path).map(({ holder, pid }) => ({ holder, pid })),
    uses: new NodeVolumeUses().holders(uuid).map(({ pid, use: { kind, file } }) => ({ pid, kind, file })),
    vms: [...generation.directory].map(([folder, files]) =>
      vmIn(volume, folder, usedUnits(new Map<string, Folder>([[folder, files]]), units) * unitBytes),
    ),
  };
}

function vmIn(volume: Volume, folder: string, usedBytes: number): VmInVolume {
  const store = storeIn(volume, folder);
  const checkpoints = store.list().map(id => {
    try {
      const { title, takenAt } = readCheckpointInfo(store.files, store.pathOf(id), nodeCodec);
      return { id, title, takenAt };
    } catch (error) {
      return { id, problem: problem(error) };
    }
  });
  return { name: vmNameOf(folder), usedBytes, checkpoints };
}

export interface VolumeReport {
  readonly path: string;
  readonly vms: number;
  readonly checkpoints: number;
  /** Of the checkpoints, those that are encrypted: their checksums were compared. */
  readonly locked: number;
  readonly problems: readonly Problem[];
}

/** `progress` is called between two files. A volume whose directory cannot be read throws CheckpointError VOLUME_DAMAGED. */
export async function checkVolume(path: string, progress: () => void | Promise<void>): Promise<VolumeReport> {
  const volume = new Volume(volumeHost, path);
  const folders = [...volume.look().generation.directory.keys()];
  const problems: Problem[] = [];
  let [checkpoints, locked] = [0, 0];
  for (const folder of folders) {
    const store = storeIn(volume, folder);
    for (const { id, findings, isLocked } of verifyCheckpoints(store, nodeCodec)) {
      if (store.has(id)) checkpoints++;
      if (isLocked) locked++;
      problems.push(
        ...findings.map(({ kind, problem: text }): Problem => ({ kind, about: `checkpoint ${id} of ${vmNameOf(folder)}`, text })),
      );
      await progress();
    }
  }
  return { path, vms: folders.length, checkpoints, locked, problems };
}

/** Throws ConfigError. */
export function requireVolumeSize(path: string, sizeBytes: number): void {
  if (geometryFor(sizeBytes) === undefined)
    throw new ConfigError(
      'BAD_SIZE',
      `${path} would be too small for a checkpoint volume: ${MIN_VOLUME_BYTES >> 10} KiB are the least. Nothing was changed.`,
    );
}

/** Throws ConfigError when what is at `path` may not be overwritten. The lock is held until it is disposed of. */
export function takeForVolume(path: string, device: HostFile, force: boolean): Disposable {
  const lock = new FileLocks().take(path, 'exclusive', 'cairn store create');
  try {
    if (!force)
      throw new ConfigError(
        'FILE_EXISTS',
        `${path} holds ${foundOn(path, device)}: nothing was changed. With --force that is overwritten and lost.`,
      );
    const users = usersOf(path);
    if (users.length > 0)
      throw new ConfigError(
        'FILE_IN_USE',
        `${path} is a checkpoint volume that the process ${users[0]} uses: end that first. Nothing was changed.`,
      );
    return lock;
  } catch (error) {
    lock[Symbol.dispose]();
    throw error;
  }
}

/** Of a file or device that has `sizeBytes` to be used. */
export function initializeVolume(device: HostFile, sizeBytes: number): void {
  makeVolume(device, sizeBytes, randomBytes(UUID_SIZE), nodeCodec.checksum);
}

/** Processes that read or write in what may be a volume. */
function usersOf(path: string): number[] {
  try {
    const { uuid } = new Volume(volumeHost, path).look();
    return new NodeVolumeUses().holders(uuid).map(({ pid }) => pid);
  } catch {
    return []; // it is none, or nobody can use it
  }
}

/** What file systems and others begin with. */
const SIGNS: readonly (readonly [at: number, sign: string, what: string])[] = [
  [0x438, '\x53\xef', 'an ext2, ext3 or ext4 file system'],
  [0, 'XFSB', 'an XFS file system'],
  [0x1_0040, '_BHRfS_M', 'a Btrfs file system'],
  [3, 'NTFS    ', 'an NTFS file system'],
  [54, 'FAT', 'a FAT file system'],
  [82, 'FAT32', 'a FAT file system'],
  [0, 'LUKS', 'an encrypted device (LUKS)'],
  [0x218, 'LVM2', 'a part of a volume group (LVM)'],
  [0xff6, 'SWAPSPACE2', 'swap space'],
  [0, 'QFI\xfb', 'a qcow2 disk image'],
  [0x200, 'EFI PART', 'a partition table (GPT)'],
  [0x1fe, '\x55\xaa', 'a partition table or a boot sector'],
];
const LOOKED_AT = 0x1_1000;

function foundOn(path: string, device: HostFile): string {
  const bytes = new Uint8Array(LOOKED_AT);
  const start = Buffer.from(bytes.subarray(0, device.read(bytes, 0))).toString('latin1');
  if (start.startsWith('CAIRNVOL')) return describeVolume(path);
  const sign = SIGNS.find(([at, text]) => start.slice(at, at + text.length) === text);
  if (sign !== undefined) return sign[2];
  return /^\0*$/.test(start) ? 'nothing that can be told (zeroes at its beginning)' : 'data of an unknown kind';
}

function describeVolume(path: string): string {
  try {
    const vms = volumeInfo(path).vms.map(({ name, checkpoints }) => `${checkpoints.length} of ${name}`);
    return vms.length === 0
      ? 'a checkpoint volume with nothing in it'
      : `a checkpoint volume with checkpoints (${vms.slice(0, 5).join(', ')})`;
  } catch (error) {
    return `what was a checkpoint volume (${problem(error)})`;
  }
}

const storeIn = (volume: Volume, folder: string): CheckpointStore =>
  new CheckpointStore(new VolumeFolder(volume, folder), `${volume.path}/${folder}`);

const vmNameOf = (folder: string): string => (folder.endsWith(FOLDER_SUFFIX) ? folder.slice(0, -FOLDER_SUFFIX.length) : folder);
