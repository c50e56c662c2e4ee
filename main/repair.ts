/** `cairn repair`: the catalogue and state.json of a VM that is off are made anew from its files, and what nothing needs goes. Damaged files stay as they are. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { tidyEliminated } from '#engine/checkpoint/eliminate.ts';
import { CheckpointStore } from '#engine/checkpoint/store.ts';
import { nodeCodec } from '#worker/node-codec.ts';
import { nodeFiles } from '#worker/node-files.ts';
import { storedFiles } from '#worker/stored-files.ts';
import type { Bundle } from './bundle.ts';
import { readCheckpointInfo } from './checkpoint-files.ts';
import { removeDeadBuilds } from './dead-builds.ts';
import type { RepairReport } from './ipc/contract.ts';

export async function repairBundle(bundle: Bundle): Promise<RepairReport> {
  const store = new CheckpointStore(storedFiles, bundle.checkpointsPath);
  const removed = [...removeUnfinished(bundle.path), ...removeDeadBuilds(bundle.path)];
  store.removeUnfinished();
  const before = new Set(store.listPages());
  tidyEliminated(store, nodeCodec);
  for (const id of store.listPages()) before.delete(id);
  for (const id of before) removed.push(`checkpoints/${id}.pages`);
  const notices = await bundle.rebuild(readCheckpointInfo);
  const checkpoints = bundle.catalog.list().length;
  bundle.catalog.record('repaired', null, { checkpoints, removed });
  return { checkpoints, removed, notices };
}

function removeUnfinished(path: string): string[] {
  const removed: string[] = [];
  for (const folder of ['.', 'checkpoints', 'disks']) {
    const at = join(path, folder);
    for (const name of existsSync(at) ? readdirSync(at) : []) {
      if (!/\.(tmp|part|new)$/.test(name)) continue;
      nodeFiles.remove(join(at, name));
      removed.push(join(folder, name));
    }
  }
  return removed;
}
