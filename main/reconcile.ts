/**
 * What opening a bundle mends; of one that is whole, nothing is written. The files are the truth: half files go, the catalogue learns of whole files that it does not know and forgets those that have
 * gone, and takes what state.json says; a state.json that is lost is made from the catalogue, and from the files what neither has.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { CheckpointStore } from '#engine/checkpoint/store.ts';
import { completeAdoption } from '#engine/disk/graph/adoption.ts';
import { CairnError, StorageError } from '#engine/errors/errors.ts';
import { graphHost } from '#worker/node-graph-host.ts';
import { nodeFiles } from '#worker/node-files.ts';
import { nodeFolders } from '#worker/node-folders.ts';
import { storedFiles, volumeFolderAt } from '#worker/stored-files.ts';
import type { Catalog } from './catalog.ts';
import { CHECKPOINTS, requireCheckpointFolder } from './checkpoint-folder.ts';
import { DiskGraph, diskFolderOf } from './disk-graph.ts';
import type { Checkpoint, CheckpointFacts } from './ipc/contract.ts';
import { problem } from './problem.ts';
import { goneParents, livingParent, NEW_STATE, readVmState, STATE_FILE, writeVmState, type StateOfVm } from './vm-state.ts';

const SUFFIX = '.ckpt';

/** Reads what a checkpoint file says about itself, or throws. */
export type ReadCheckpointInfo = (path: string) => Promise<CheckpointFacts>;

export async function reconcile(
  path: string,
  name: string,
  catalog: Catalog,
  readInfo: ReadCheckpointInfo,
): Promise<{ state: StateOfVm; notices: string[]; unwritten: unknown }> {
  requireCheckpointFolder(path, name);
  const notices: string[] = [];
  completeRevert(path, name, notices);
  const said = readSaid(path, name, notices);
  const known = new Map(catalog.list().map(checkpoint => [checkpoint.id, checkpoint]));
  const files = checkpointFiles(join(path, CHECKPOINTS));
  const found = new Set(files);
  const added: CheckpointFacts[] = [];
  for (const id of files) {
    if (known.has(id)) continue;
    try {
      added.push({ ...(await readInfo(join(path, CHECKPOINTS, id + SUFFIX))), id });
    } catch (error) {
      notices.push(`${name}: the checkpoint file ${id}${SUFFIX} is left out, for it cannot be read: ${problem(error)}`);
    }
  }
  const old = said ?? fromCatalog(catalog);
  const doomed = new Set(
    catalog.intents().flatMap(({ operation, details }) => (operation === 'eliminate' ? (details['ids'] as string[]) : [])),
  );
  const parents = { ...old.gone, ...Object.fromEntries([...known.values()].map(({ id, parent }) => [id, parent])) };
  const lost: string[] = [];
  catalog.together(() => {
    for (const facts of added) {
      const parent = livingParent(facts.parent, id => found.has(id), parents);
      catalog.add({ ...facts, ...marksOf(facts, old), parent }, facts.parent);
    }
    for (const [id, checkpoint] of known) {
      if (found.has(id)) {
        const marks = marksOf(checkpoint, old);
        if (!isMarked(checkpoint, marks)) catalog.mark(id, marks);
      } else {
        if (!(id in old.gone) && !doomed.has(id))
          notices.push(`${name}: the checkpoint “${checkpoint.title}” is gone, for its file ${id}${SUFFIX} is.`);
        lost.push(id);
      }
    }
    catalog.forget(lost);
  });
  mirrorLayers(path, catalog);
  const state = stateFor(old, catalog, parents, path);
  const unwritten = JSON.stringify(state) === JSON.stringify(said) ? undefined : whyNotWritten(path, state);
  for (const key of ['current', 'resume'] as const) if (catalog.getMeta(key) !== state[key]) catalog.setMeta(key, state[key]);
  return { state, notices, unwritten };
}

/** On a disk that is full a VM is opened all the same: how else should room be made? */
function whyNotWritten(path: string, state: StateOfVm): unknown {
  try {
    writeVmState(path, state);
    return undefined;
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    return error;
  }
}

/** All disks of a revert that was decided when the process ended go back. What can't be written now is written before the disks are used. */
function completeRevert(path: string, name: string, notices: string[]): void {
  try {
    if (completeAdoption(graphHost, diskFolderOf(path)))
      notices.push(`${name}: a revert that was interrupted has been completed; all its disks are the checkpoint’s.`);
  } catch (error) {
    if (!(error instanceof CairnError)) throw error;
    notices.push(`${name}: a revert was interrupted and cannot be completed yet: ${error.message}`);
  }
}

/** Ids of the whole files in the folder. What was never published is removed, and what an elimination left that ended before its file went; what is the user's own stays. */
function checkpointFiles(folder: string): string[] {
  if (volumeFolderAt(folder) === undefined && statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) nodeFolders.make(folder);
  const store = new CheckpointStore(storedFiles, folder);
  store.removeUnfinished();
  return store.list();
}

function readSaid(path: string, name: string, notices: string[]): StateOfVm | undefined {
  const said = readVmState(path);
  if (said !== 'damaged') return said;
  nodeFiles.rename(join(path, STATE_FILE), join(path, `${STATE_FILE}.damaged-${process.pid}`));
  notices.push(`${name}: its state.json was damaged and has been made anew from the catalogue.`);
  return undefined;
}

/** Of a bundle without a state.json: one of an older Cairn, or one that has lost it. */
function fromCatalog(catalog: Catalog): StateOfVm {
  const current = catalog.getMeta('current');
  const resume = catalog.getMeta('resume');
  return {
    ...NEW_STATE,
    ...(current === undefined ? {} : { current }),
    ...(resume === undefined ? {} : { resume }),
    marks: Object.fromEntries(catalog.list().map(({ id, title, note, pinned }) => [id, { title, note, pinned }])),
  };
}

function marksOf(facts: CheckpointFacts, { marks }: StateOfVm): Pick<Checkpoint, 'title' | 'note' | 'pinned'> {
  return { title: facts.title, note: '', pinned: false, ...marks[facts.id] };
}

/** The catalogue has the disk graph as it is; nothing is written when it has. */
export function mirrorLayers(path: string, catalog: Catalog): void {
  const rows = new DiskGraph(diskFolderOf(path)).rows().toSorted((a, b) => a.disk.localeCompare(b.disk) || a.id.localeCompare(b.id));
  if (JSON.stringify(rows) !== JSON.stringify(catalog.layers())) catalog.setLayers(rows);
}

function isMarked(checkpoint: Checkpoint, { title, note, pinned }: Pick<Checkpoint, 'title' | 'note' | 'pinned'>): boolean {
  return checkpoint.title === title && checkpoint.note === note && checkpoint.pinned === pinned;
}

function stateFor(old: StateOfVm, catalog: Catalog, parents: StateOfVm['gone'], path: string): StateOfVm {
  const checkpoints = catalog.list();
  const living = new Set(checkpoints.map(({ id }) => id));
  const said = livingParent(old.current ?? null, id => living.has(id), parents);
  const replaced = old.replaced?.filter(id => living.has(id)) ?? [];
  const current = said ?? (old.current === undefined ? new DiskGraph(diskFolderOf(path)).standsOn(checkpoints) : undefined) ?? null;
  return {
    ...(current === null ? {} : { current }),
    ...(old.resume !== undefined && living.has(old.resume) ? { resume: old.resume } : {}),
    poweredOnMs: checkpoints.reduce((most, { poweredOnMs }) => Math.max(most, poweredOnMs), old.poweredOnMs),
    marks: Object.fromEntries(Object.entries(old.marks).filter(([id]) => living.has(id))),
    gone: goneParents(catalog.parents(), new Set()),
    ...(replaced.length > 0 ? { replaced } : {}),
  };
}
