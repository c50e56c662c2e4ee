/** How much of checkpoint files only they themselves need, and how much others point to (§137): what eliminating them gives back, and what stays in ID.pages. */
import { CheckpointError } from '../errors/errors.ts';
import { PagesReader } from './format/pages-reader.ts';
import { Needs, type GroupSet } from './needs.ts';
import type { Codec } from './ports.ts';
import type { CheckpointStore } from './store.ts';

export interface Sharing {
  /** Given back when these checkpoints are eliminated, with what only they needed of checkpoints that are gone already. */
  readonly ownBytes: number;
  /** Stays, because other checkpoints point to it. */
  readonly sharedBytes: number;
}

/** Changes nothing. A file that is damaged counts as one that nobody can point into. */
export function sharingOf(store: CheckpointStore, ids: readonly string[], codec: Codec): Sharing {
  const doomed = new Set(ids);
  const left = store.listPages().filter(id => !store.has(id));
  const needs = new Needs(store, codec, new Set([...doomed, ...left]));
  let ownBytes = 0;
  let sharedBytes = 0;
  for (const id of doomed) {
    const shared = neededOf(store, store.pathOf(id), needs.ofFile(id, doomed), codec);
    using file = store.files.openRead(store.pathOf(id));
    ownBytes += file.size() - shared;
    sharedBytes += shared;
  }
  for (const id of left) {
    const path = store.pagesPathOf(id);
    ownBytes += neededOf(store, path, needs.ofFile(id), codec) - neededOf(store, path, needs.ofFile(id, doomed), codec);
  }
  return { ownBytes, sharedBytes };
}

function neededOf(store: CheckpointStore, path: string, groups: GroupSet, codec: Codec): number {
  try {
    using reader = PagesReader.openPages(store.files, path, codec);
    if (groups === 'all') return reader.sizeBytes;
    let bytes = 0;
    for (const group of groups) bytes += reader.groups[group]?.storedLength ?? 0;
    return bytes;
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    return 0;
  }
}
