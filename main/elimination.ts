/**
 * Eliminating checkpoints (METHOD.md § 131): which go, what may not, and what it gives back. The removal of a checkpoint's file is the elimination; the disk layers that
 * nobody needs then are the collector's. Of one that a process which ended had begun the rest stays (interrupted.ts).
 */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { eliminateCheckpoints } from '#engine/checkpoint/eliminate.ts';
import { sharingOf, type Sharing } from '#engine/checkpoint/sharing.ts';
import { CheckpointStore } from '#engine/checkpoint/store.ts';
import { ConfigError, StorageError } from '#engine/errors/errors.ts';
import { nodeCodec } from '#worker/node-codec.ts';
import { storedFiles, volumeFolderAt } from '#worker/stored-files.ts';
import type { Bundle } from './bundle.ts';
import { allocatedBytes, DiskGraph, diskFolderOf } from './disk-graph.ts';
import type { Checkpoint, CheckpointDetail, Elimination } from './ipc/contract.ts';
import { linkedStates } from './linked-clones.ts';
import type { World } from './world.ts';

export interface EliminationOptions {
  /** All that descend from them, too. */
  readonly children: boolean;
  /** Also what is kept, and what the next start goes on from. */
  readonly force: boolean;
  /** The checkpoint that the VM, off now, would start from. */
  readonly startsFrom: string | undefined;
}

/** The ids that go, oldest first. */
export function chooseDoomed(checkpoints: readonly Checkpoint[], ids: readonly string[], withChildren: boolean): string[] {
  const doomed = new Set(ids);
  if (withChildren) {
    const children = Map.groupBy(checkpoints, ({ parent }) => parent);
    for (const id of doomed) for (const child of children.get(id) ?? []) doomed.add(child.id); // a set that grows is gone through to its end
  }
  return checkpoints.filter(({ id }) => doomed.has(id)).map(({ id }) => id);
}

/** Those of `unwanted` that the checkpoint `by` takes the place of, oldest first: not what the user keeps, or what has other children. */
export function chooseReplaced(checkpoints: readonly Checkpoint[], unwanted: ReadonlySet<string>, by: string): string[] {
  const going = new Set<string>();
  const childrenOf = Map.groupBy(checkpoints, ({ parent }) => parent);
  for (const { id, pinned } of checkpoints.toReversed()) {
    const children = childrenOf.get(id) ?? [];
    if (unwanted.has(id) && !pinned && children.every(child => child.id === by || going.has(child.id))) going.add(id);
  }
  return [...going].toReversed();
}

export class Eliminator {
  private readonly bundle: Bundle;
  private readonly store: CheckpointStore;

  constructor(bundle: Bundle) {
    this.bundle = bundle;
    this.store = new CheckpointStore(storedFiles, bundle.checkpointsPath);
  }

  show(id: string): CheckpointDetail {
    const checkpoint = this.bundle.checkpoint(id);
    const all = this.bundle.catalog.list();
    const graph = new DiskGraph(diskFolderOf(this.bundle.path));
    const memory = sharingOf(this.store, [id], nodeCodec);
    const alone = this.preview([id], graph, memory);
    const doomed = chooseDoomed(all, [id], true);
    return {
      checkpoint,
      children: all.filter(({ parent }) => parent === id).map(child => child.id),
      memory,
      disks: graph.behind(checkpoint, all),
      alone,
      withChildren: doomed.length === 1 ? alone : this.preview(doomed, graph),
    };
  }

  /** What eliminating them would do; nothing changes. */
  preview(
    ids: readonly string[],
    graph = new DiskGraph(diskFolderOf(this.bundle.path)),
    { ownBytes, sharedBytes }: Sharing = sharingOf(this.store, ids, nodeCodec),
  ): Elimination {
    const doomed = new Set(ids);
    const { catalog, path } = this.bundle;
    const all = catalog.list();
    const [going, staying] = [all.filter(({ id }) => doomed.has(id)), all.filter(({ id }) => !doomed.has(id))];
    const layers = new Set(going.flatMap(({ disks }) => disks.map(({ layer }) => layer)));
    const linked = layers.size === 0 ? [] : linkedStates(path);
    const pinned = new Set(linked.map(({ state }) => state));
    // What is unneeded already is not this elimination's doing.
    const diskBytes = graph.freedWithout(staying, pinned) - graph.freedWithout([...staying, ...going], pinned);
    const clones = [...new Set(linked.filter(({ state }) => layers.has(state)).map(({ vm }) => vm))].toSorted();
    return { ids: [...ids], freedBytes: ownBytes + diskBytes, keptBytes: sharedBytes, clones };
  }

  /** What would go, oldest first. Throws ConfigError when something of it may not. */
  choose(ids: readonly string[], options: EliminationOptions): string[] {
    const { bundle } = this;
    for (const id of ids) bundle.checkpoint(id);
    const doomed = chooseDoomed(bundle.catalog.list(), ids, options.children);
    if (!options.force) this.refuse(doomed, options.startsFrom);
    return doomed;
  }

  /**
   * Their memory; disk layers are the collector's. `world`: does it on a thread of its own. A StorageError says which of them are eliminated all the same; the rest is as it was.
   */
  async eliminate(doomed: readonly string[], world?: Pick<World, 'eliminate'>): Promise<void> {
    const { bundle } = this;
    const intent = this.begin(doomed);
    let failure: unknown;
    try {
      if (world) await world.eliminate(bundle.checkpointsPath, doomed);
      else eliminateCheckpoints(this.store, doomed, nodeCodec);
    } catch (error) {
      failure = error;
    }
    const gone = doomed.filter(id => !this.store.has(id));
    const titles = gone.map(id => `“${bundle.checkpoint(id).title}”`);
    this.forget(gone);
    if (intent !== undefined) bundle.end(intent);
    if (failure === undefined) return;
    if (gone.length === 0 || !(failure instanceof StorageError)) throw failure;
    const rest = gone.length === doomed.length ? '' : `, the other ${doomed.length - gone.length} not`;
    throw new StorageError(
      failure.code,
      `${titles.join(', ')} of ${bundle.name} ${gone.length === 1 ? 'is' : 'are'} deleted${rest}: ${failure.message}`,
      {
        cause: failure,
      },
    );
  }

  /** What whoever goes on needs if this process is killed. On a disk that is full there is no room for it before something is deleted: then undefined. Whatever else fails leaves nothing begun. */
  private begin(doomed: readonly string[]): number | undefined {
    try {
      this.bundle.prepareToForget(doomed);
      return this.bundle.begin('eliminate', { ids: doomed });
    } catch (error) {
      if (error instanceof StorageError && error.code === 'DISK_FULL') return undefined;
      throw error;
    }
  }

  private forget(gone: readonly string[]): void {
    const { catalog } = this.bundle;
    const told = gone.map(id => this.bundle.checkpoint(id));
    if (gone.length > 0) this.bundle.forget(gone);
    for (const { id, title, bytesWritten, trigger } of told) catalog.record('eliminated', id, { title, bytesWritten, trigger });
  }

  private refuse(doomed: readonly string[], startsFrom: string | undefined): void {
    const { name, catalog } = this.bundle;
    const kept = catalog.list().find(({ id, pinned }) => pinned && doomed.includes(id));
    if (kept)
      throw new ConfigError(
        'KEPT_CHECKPOINT',
        `the checkpoint “${kept.title}” (${kept.id}) of ${name} is kept: let go of it with \`cairn checkpoint keep ${name} ${kept.id} --off\`, or add --force. Nothing was deleted.`,
      );
    if (startsFrom !== undefined && doomed.includes(startsFrom))
      throw new ConfigError(
        'NEEDED_CHECKPOINT',
        `${name} goes on from the checkpoint ${startsFrom} when it is started: start it first, revert it to another, or add --force. Nothing was deleted.`,
      );
  }
}

/** What the files of a bundle's checkpoints and disks take on the host's disk: of a sparse file, what is not a hole. */
export function usedBytes({ path, checkpointsPath }: Pick<Bundle, 'path' | 'checkpointsPath'>): number {
  const folders = [checkpointsPath, diskFolderOf(path)].filter(folder => existsSync(folder)); // what leads into a volume leads nowhere
  const inVolume = volumeFolderAt(checkpointsPath)?.usedBytes() ?? 0;
  return folders
    .flatMap(folder => readdirSync(folder).map(name => allocatedBytes(join(folder, name))))
    .reduce((sum, bytes) => sum + bytes, inVolume);
}
