/**
 * What was begun and did not come to its end: a process was killed in the middle, or the host's storage failed where nobody could tell how far it had come. An
 * elimination is as far as the files say, and what it left goes. Of a checkpoint or a revert the files say how far it had come: when the checkpoint's file is there, or the disks have gone back, so has the machine.
 */
import { tidyEliminated } from '#engine/checkpoint/eliminate.ts';
import { CheckpointStore } from '#engine/checkpoint/store.ts';
import { completeAdoption } from '#engine/disk/graph/adoption.ts';
import { nodeCodec } from '#worker/node-codec.ts';
import { graphHost } from '#worker/node-graph-host.ts';
import { storedFiles } from '#worker/stored-files.ts';
import type { Bundle } from './bundle.ts';
import type { Intent } from './catalog.ts';
import { DiskGraph, diskFolderOf, topsIn } from './disk-graph.ts';
import { problem } from './problem.ts';

/** Of a bundle that has just been opened. What it has to say is in the bundle's notices. */
export function finishIntents(bundle: Bundle): void {
  const { catalog, name } = bundle;
  for (const intent of catalog.intents()) {
    try {
      bundle.notices.push(...finish(bundle, intent));
    } catch (error) {
      bundle.notices.push(`${name}: what was under way when Cairn ended (${intent.operation}) cannot be finished now: ${problem(error)}`);
    }
  }
}

/**
 * Before the disks of a VM that is off are used, by the process that has its bundle: a revert that ended undecided goes to its end, or has not begun. Answers what there is to tell the user.
 * Throws StorageError when it cannot be written yet, ConfigError when a file is damaged.
 */
export function finishReverts(bundle: Bundle): string[] {
  completeAdoption(graphHost, diskFolderOf(bundle.path));
  return bundle.catalog.intents().flatMap(intent => (intent.operation === 'revert' ? finish(bundle, intent) : []));
}

function finish(bundle: Bundle, { id, operation, details }: Intent): string[] {
  const { catalog } = bundle;
  const told = operation === 'eliminate' ? tidyAfterEliminating(bundle, details) : standAsBegun(bundle, operation, details);
  catalog.record('interrupted', null, { operation, ...details });
  catalog.end(id);
  return told;
}

/** Storage may have refused to remove what stays, and its user have been told so: it is not removed now. */
function tidyAfterEliminating(bundle: Bundle, details: Intent['details']): string[] {
  const { catalog, name } = bundle;
  tidyEliminated(new CheckpointStore(storedFiles, bundle.checkpointsPath), nodeCodec);
  const left = (details['ids'] as string[]).flatMap(id => catalog.get(id) ?? []);
  if (left.length === 0) return [`${name}: checkpoints were being deleted when Cairn ended; all of them are.`];
  const titles = left.map(({ title }) => `“${title}”`).join(', ');
  return [
    `${name}: checkpoints were being deleted when Cairn ended, or could not be: ${titles} stayed. Delete what you do not want once more.`,
  ];
}

function standAsBegun(bundle: Bundle, operation: 'take' | 'revert', details: Intent['details']): string[] {
  const { catalog, name, path } = bundle;
  const checkpoint = catalog.get(String(details['id']));
  const resume = operation === 'revert' && details['resume'] === true;
  const isMore = resume && checkpoint?.id !== bundle.resume;
  if (checkpoint === undefined || (checkpoint.id === bundle.current && !isMore)) return [];
  if (operation === 'take') {
    bundle.stand(checkpoint.id, bundle.resume);
    return [];
  }
  completeAdoption(graphHost, diskFolderOf(path)); // which may have failed when the bundle was opened
  if (!haveGoneBack(path, details) || new DiskGraph(diskFolderOf(path)).standsOn([checkpoint]) === undefined) return [];
  bundle.stand(checkpoint.id, resume ? checkpoint.id : undefined);
  return [`${name}: its revert to “${checkpoint.title}” was interrupted, and has been completed: it stands there now.`];
}

/** Whether the disks have other tops than when the revert was begun. */
function haveGoneBack(path: string, { tops }: Intent['details']): boolean {
  const before = Object.entries((tops ?? {}) as Record<string, string>);
  const now = topsIn(diskFolderOf(path));
  return before.every(([disk, top]) => now[disk] !== top);
}
