/** What processes left that ended while they made or deleted a VM. */
import { readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isAlive } from '#worker/is-alive.ts';
import { nodeFolders } from '#worker/node-folders.ts';
import { CHECKPOINTS, checkpointPlaceOf, GOES_TO, removeCheckpointFolder, removeIfEmpty } from './checkpoint-folder.ts';
import { bundleFolders } from './library.ts';

/** `NAME.cairn.new-PID` and `NAME.cairn.deleted-PID` of processes that are no more. The place in a store that one of them had may be another VM's by now. */
export function removeDeadBuilds(path: string): string[] {
  const library = dirname(path);
  const removed: string[] = [];
  const places = new Set(bundleFolders(library).map(name => checkpointPlaceOf(join(library, name))));
  for (const name of readdirSync(library)) {
    const match = name.startsWith(`${basename(path)}.`) ? /\.(?:new|deleted)-(\d+)$/.exec(name) : null;
    if (!match || isAlive(Number(match[1]))) continue;
    const left = join(library, name);
    const isOthers = (as: string) => places.has(checkpointPlaceOf(left, as) ?? '');
    if (!isOthers(GOES_TO)) removeIfEmpty(left, GOES_TO);
    if (!isOthers(CHECKPOINTS)) removeCheckpointFolder(left);
    nodeFolders.removeTree(left);
    removed.push(name);
  }
  return removed;
}
