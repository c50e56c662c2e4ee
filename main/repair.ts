/** `cairn repair`: the catalogue and state.json of a VM that is off are made anew from its files, and what nothing needs goes. Damaged files stay as they are. */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { tidyEliminated } from '#engine/checkpoint/eliminate.ts';
import { CheckpointStore } from '#engine/checkpoint/store.ts';
import { nodeCodec } from '#worker/node-codec.ts';
import { storedFiles } from '#worker/stored-files.ts';
import type { Bundle } from './bundle.ts';
import { readCheckpointInfo } from './checkpoint-files.ts';
import { checkpointPlaceOf, removeCheckpointFolder } from './checkpoint-folder.ts';
import type { RepairReport } from './ipc/contract.ts';
import { isAlive } from '#worker/is-alive.ts';

export async function repairBundle(bundle: Bundle): Promise<RepairReport> {
  const store = new CheckpointStore(storedFiles, bundle.checkpointsPath);
  const removed = [...removeUnfinished(bundle.path), ...removeDeadBuilds(bundle.path)];
  store.removeUnfinished();
  const before = new Set(store.listPages());
  tidyEliminated(store, nodeCodec);
  for (const id of store.listPages()) before.delete(id);
  removed.push(...[...before].map(id => `checkpoints/${id}.pages`));
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
      rmSync(join(at, name), { force: true });
      removed.push(join(folder, name));
    }
  }
  return removed;
}

/** `NAME.cairn.new-PID` and `NAME.cairn.deleted-PID` of processes that are no more. The place in a store that one of them had may be another VM's by now. */
function removeDeadBuilds(path: string): string[] {
  const library = dirname(path);
  const removed: string[] = [];
  const places = new Set(
    readdirSync(library)
      .filter(name => name.endsWith('.cairn'))
      .map(name => checkpointPlaceOf(join(library, name))),
  );
  for (const name of readdirSync(library)) {
    const match = name.startsWith(`${basename(path)}.`) ? /\.(?:new|deleted)-(\d+)$/.exec(name) : null;
    if (!match || isAlive(Number(match[1]))) continue;
    const place = checkpointPlaceOf(join(library, name));
    if (place === undefined || !places.has(place)) removeCheckpointFolder(join(library, name));
    rmSync(join(library, name), { recursive: true, force: true });
    removed.push(name);
  }
  return removed;
}
