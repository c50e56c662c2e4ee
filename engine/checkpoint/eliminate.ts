/**
 * Eliminating the memory of checkpoints (§131, §137). Later checkpoints may point into the file; what they point to stays behind in ID.pages, everything else gives its room
 * back. The disk's part is the disk graph's.
 *
 *   nobody points to it   ID.ckpt is removed
 *   somebody does         ID.pages.part gets the frame and the groups pointed to at their places, all else a hole → sync → ID.pages → ID.ckpt is removed
 *   no room for that      ID.ckpt is renamed to ID.pages as it is
 *
 * The checkpoint is eliminated when its ID.ckpt has gone; at no instant can a group that somebody points to not be found.
 */
import { CheckpointError, ConfigError, StorageError } from '../errors/errors.ts';
import { PagesReader } from './format/pages-reader.ts';
import { PointingReader } from './format/pointing-reader.ts';
import { Needs, type GroupSet } from './needs.ts';
import type { Codec } from './ports.ts';
import type { CheckpointStore } from './store.ts';

export interface EliminateOptions {
  /**
   * A machine still loads its memory from these files or others in the folder, which it may close and open again: the files are set aside, and nothing is given back of
   * what they point to, until endSettingAside().
   */
  readonly isLoading?: boolean;
}

/** Pages that became unneeded are given back once they are at least this share of what is left: each time costs a rewrite of the rest. */
const WORTH_REWRITING = 1 / 4;

/**
 * Removes the checkpoints `ids` from the folder. Only for who owns it, between two takes: a checkpoint being written may point anywhere. Works on a full disk. Throws ConfigError before anything
 * changes when one is not there, and StorageError when one cannot be eliminated; then some are and the rest is as it was.
 */
export function eliminateCheckpoints(
  store: CheckpointStore,
  ids: readonly string[],
  codec: Codec,
  { isLoading = false }: EliminateOptions = {},
): void {
  for (const id of ids) {
    if (!store.has(id))
      throw new ConfigError('NO_SUCH_CHECKPOINT', `There is no checkpoint ${id} in ${store.folder}: nothing was deleted.`);
  }
  const ordered = dependentsFirst(store, ids, codec);
  const pointed = new Set(ordered.flatMap(({ pointsTo }) => pointsTo));
  const needs = new Needs(store, codec, new Set([...ids, ...[...pointed].filter(id => !store.has(id))]));
  for (const { id } of ordered) {
    eliminate(store, id, needs.ofFile(id), codec, isLoading);
    needs.gone(id);
  }
  if (!isLoading) for (const id of pointed) ifPossible(() => shrink(store, id, needs, codec));
}

/** Gives back what no checkpoint needs of eliminated ones: what eliminateCheckpoints() does in the end, for when it was interrupted. */
export function tidyEliminated(store: CheckpointStore, codec: Codec): void {
  const needs = new Needs(store, codec);
  for (const id of store.listPages()) shrink(store, id, needs, codec);
}

/** Nothing is loaded from the folder any more. */
export function endSettingAside(store: CheckpointStore, codec: Codec): void {
  store.removeSetAside();
  tidyEliminated(store, codec);
}

/** Later checkpoints go before those that they point to, so that these need not keep anything for them. */
function dependentsFirst(store: CheckpointStore, ids: readonly string[], codec: Codec): { id: string; pointsTo: readonly string[] }[] {
  const left = new Map([...new Set(ids)].map(id => [id, pointsTo(store, id, codec)]));
  const dependents = new Map<string, number>();
  for (const file of [...left.values()].flat()) dependents.set(file, (dependents.get(file) ?? 0) + 1);
  const free = [...left.keys()].filter(id => !dependents.has(id));
  const ordered: { id: string; pointsTo: readonly string[] }[] = [];
  while (left.size > 0) {
    // Files that claim to point at each other were forged: any order will do.
    const id = free.pop() ?? left.keys().next().value!;
    const files = left.get(id);
    if (files === undefined) continue;
    ordered.push({ id, pointsTo: files });
    left.delete(id);
    for (const file of files) {
      const others = dependents.get(file)! - 1;
      dependents.set(file, others);
      if (others === 0 && left.has(file)) free.push(file);
    }
  }
  return ordered;
}

/** A file that cannot be read points nowhere that could be given back. */
function pointsTo(store: CheckpointStore, id: string, codec: Codec): string[] {
  try {
    using reader = PointingReader.openPointing(store.files, store.pathOf(id), codec);
    return reader.files.map(file => file.id);
  } catch (error) {
    if (!(error instanceof CheckpointError || error instanceof StorageError)) throw error;
    return [];
  }
}

function eliminate(store: CheckpointStore, id: string, needed: GroupSet, codec: Codec, isLoading: boolean): void {
  const path = store.pathOf(id);
  const pages = store.pagesPathOf(id);
  const discard = () => (isLoading ? store.setAside(id) : store.files.remove(path));
  if (needed !== 'all' && needed.size === 0) {
    discard();
    ifPossible(() => {
      store.files.syncFolder(store.folder);
      store.files.remove(pages);
    });
    return;
  }
  if (needed !== 'all' && wroteSparse(store, path, pages, needed, codec)) discard();
  else store.files.rename(path, pages);
  ifPossible(() => store.files.syncFolder(store.folder));
}

/** The checkpoint is eliminated already: what storage refuses now is done at the next opening, or by the next elimination. */
function ifPossible(tidy: () => void): void {
  try {
    tidy();
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
  }
}

/** Rewrites or removes ID.pages if enough of it is no longer needed. */
function shrink(store: CheckpointStore, id: string, needs: Needs, codec: Codec): void {
  const pages = store.pagesPathOf(id);
  if (store.has(id) || !store.files.exists(pages)) return;
  const needed = needs.ofFile(id);
  if (needed === 'all') return;
  if (needed.size === 0) {
    store.files.remove(pages);
    store.files.syncFolder(store.folder);
  } else if (isWorthRewriting(store, pages, needed, codec) && wroteSparse(store, pages, pages, needed, codec)) {
    store.files.syncFolder(store.folder);
  }
}

function isWorthRewriting(store: CheckpointStore, path: string, needed: ReadonlySet<number>, codec: Codec): boolean {
  try {
    using reader = PagesReader.openPages(store.files, path, codec);
    let kept = 0;
    let unneeded = 0;
    reader.groups.forEach(({ storedLength }, group) => {
      if (needed.has(group)) kept += storedLength;
      else if (reader.hasGroup(group)) unneeded += storedLength;
    });
    return unneeded > 0 && unneeded >= kept * WORTH_REWRITING;
  } catch (error) {
    if (!(error instanceof CheckpointError || error instanceof StorageError)) throw error;
    return false;
  }
}

/** Writes what is needed of `from` to a sparse file that then is `to`, durable. False, and nothing changed, when that cannot be done: no room, or a file that is damaged. */
function wroteSparse(store: CheckpointStore, from: string, to: string, needed: ReadonlySet<number>, codec: Codec): boolean {
  try {
    using reader = PagesReader.openPages(store.files, from, codec);
    store.replacePages(to, file => {
      file.truncate(reader.sizeBytes);
      for (const group of needed) if (group < reader.groups.length) file.write(reader.readStored(group), reader.groups[group]!.offset);
      for (const [at, bytes] of reader.frame()) file.write(bytes, at);
    });
    return true;
  } catch (error) {
    if (!(error instanceof CheckpointError || error instanceof StorageError)) throw error;
    return false;
  }
}
