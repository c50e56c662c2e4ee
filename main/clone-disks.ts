/** The disks of a new VM that begins at a checkpoint of another one (METHOD.md 906, 908): new COW files over the other's layers, or whole copies. */
import { join, relative } from 'node:path';
import { setImmediate as yieldToLoop } from 'node:timers/promises';
import type { DiskPointer } from '#engine/checkpoint/format/schemas.ts';
import { linkDisk, type NewDisk } from '#engine/disk/graph/create.ts';
import { DiskFolder } from '#engine/disk/graph/disk-folder.ts';
import { FullCopyJob } from '#engine/disk/graph/full-copy-job.ts';
import { nodeFolders } from '#worker/node-folders.ts';
import { graphHost } from '#worker/node-graph-host.ts';

/** Copied before the process's other work gets a turn. */
const PIECE_BYTES = 4 << 20;

/** `full`: the new VM needs nothing of the other one. Bundles are given by their paths; the pointers' checkpoint must not be eliminated meanwhile. */
export async function cloneDisks(
  from: string,
  to: string,
  pointers: readonly DiskPointer[],
  options: NewDisk & { readonly full: boolean },
): Promise<void> {
  const [source, target] = [join(from, 'disks'), join(to, 'disks')];
  if (pointers.length > 0) nodeFolders.make(target);
  for (const { disk, layer } of pointers) {
    const folder = new DiskFolder(graphHost, target, disk);
    if (options.full) await copyWhole(new DiskFolder(graphHost, source, disk), layer, folder, options);
    else linkDisk(folder, { folder: relative(target, source), disk }, layer, options);
  }
}

async function copyWhole(from: DiskFolder, layer: string, to: DiskFolder, options: NewDisk): Promise<void> {
  using job = new FullCopyJob(from, layer, to, options);
  while (!job.step(PIECE_BYTES)) await yieldToLoop();
}
