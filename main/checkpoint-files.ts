/** What main needs to know of checkpoint files (docs/formats/checkpoint.md): facts about one, which others it points to, and one of a VM that is off. */
import { dirname } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { DiskPointer } from '#engine/checkpoint/format/schemas.ts';
import { readCheckpointInfo as readInfo, readRamBytes, neededFiles as needed } from '#engine/checkpoint/info.ts';
import { inspectCheckpoint as inspect, inspectPages, type Inspection, type PagesInspection } from '#engine/checkpoint/inspect.ts';
import { DEFAULT_PACE, Pace } from '#engine/checkpoint/pace.ts';
import type { FrozenPages } from '#engine/checkpoint/ports.ts';
import { PagesReader } from '#engine/checkpoint/format/pages-reader.ts';
import { CheckpointStore } from '#engine/checkpoint/store.ts';
import { takeCheckpoint } from '#engine/checkpoint/take.ts';
import { PAGE_SIZE } from '#engine/memory/layout.ts';
import { NOT_RAM } from '#engine/memory/mmm-block.ts';
import type { CheckpointOrder } from '#worker/checkpoint-protocol.ts';
import { hostClock } from '#worker/host-clock.ts';
import { codecOf, nodeCodec } from '#worker/node-codec.ts';
import { storedFiles, volumeFolderAt } from '#worker/stored-files.ts';
import { checkpointFacts, type CheckpointFacts } from './ipc/contract.ts';

const COPIED_AT_ONCE = 1 << 20;

/** What a checkpoint file says about itself. Throws CheckpointError when it is damaged. */
export async function readCheckpointInfo(path: string): Promise<CheckpointFacts> {
  return checkpointFacts.parse(readInfo(storedFiles, path, nodeCodec)); // the contract's part of it
}

/** The paths of the files in `folder` that restoring `id` takes, its own first. */
export async function neededFiles(folder: string, id: string): Promise<string[]> {
  return needed(new CheckpointStore(storedFiles, folder), id, nodeCodec);
}

/** The whole file, or what is left of it (ID.pages), every checksum in it checked, for `cairn inspect`. */
export async function inspectCheckpoint(path: string, passphrase?: string): Promise<Inspection | PagesInspection> {
  const codec = codecOf({ passphrase });
  return path.endsWith('.pages') ? inspectPages(storedFiles, path, codec, true) : inspect(storedFiles, path, codec, true);
}

/** Whether its device state and memory are encrypted; throws CheckpointError WRONG_PASSPHRASE when they are, with another passphrase than this. */
export function isEncrypted(path: string, passphrase?: string): boolean {
  using reader = PagesReader.openPages(storedFiles, path, codecOf({ passphrase }));
  return reader.isEncrypted;
}

/** The size of the machine that it is a checkpoint of. */
export async function memoryMiBOf(path: string): Promise<number> {
  return readRamBytes(storedFiles, path, nodeCodec) / (1024 * 1024);
}

/** To another VM's, wherever both are; durable when it settles. Where they can share blocks, or units of a volume, a copy costs nothing. */
export async function copyCheckpointFile(from: string, to: string): Promise<void> {
  const unfinished = `${to}.part`;
  try {
    if (storedFiles.clone(from, unfinished)) makeDurable(unfinished);
    else await copyBytes(from, unfinished);
    storedFiles.rename(unfinished, to);
  } catch (error) {
    storedFiles.remove(unfinished);
    throw error;
  }
  storedFiles.syncFolder(dirname(to));
}

/** What shares the blocks of another file is no more durable than one that has been written; in a volume it is durable already. */
function makeDurable(path: string): void {
  if (volumeFolderAt(dirname(path)) !== undefined) return;
  using file = storedFiles.openWrite(path);
  file.sync();
}

/** Durable when it settles. Others get their turn meanwhile. */
async function copyBytes(from: string, to: string): Promise<void> {
  using source = storedFiles.openRead(from);
  using target = storedFiles.createExclusive(to);
  const piece = new Uint8Array(COPIED_AT_ONCE);
  for (let at = 0; at < source.size(); at += piece.length) {
    target.write(piece.subarray(0, source.read(piece, at)), at);
    await nextTurn();
  }
  target.sync();
}

/** A checkpoint of a VM that is off: a place in the tree, with no page and no device in it. */
export async function takeWhenOff(
  order: Omit<CheckpointOrder, 'hasDisks'>,
  memoryMiB: number,
  disks: readonly DiskPointer[] = [],
): Promise<CheckpointFacts> {
  const { folder, ...request } = order;
  const ramBytes = memoryMiB * 1024 * 1024;
  const { info } = await takeCheckpoint(
    { ...request, ramBytes, running: false },
    { slot: 0, epoch: 0, devices: [], pauseMs: 0 },
    absentPages(ramBytes / PAGE_SIZE),
    {
      store: new CheckpointStore(storedFiles, folder),
      codec: nodeCodec,
      clock: hostClock,
      pace: new Pace(hostClock, DEFAULT_PACE, () => true),
      base: undefined,
      startedMs: hostClock.nowMs(),
      disks: async () => disks,
    },
  );
  return checkpointFacts.parse(info);
}

function absentPages(limit: number): FrozenPages {
  return { epoch: 0, limit, ppn: () => NOT_RAM, writtenEpoch: () => 0, page: () => new Uint8Array(PAGE_SIZE), freeOriginal: () => false };
}
