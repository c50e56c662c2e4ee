/** The disk graph of a bundle as its files say it (docs/formats/disk-graph.md): for lists and the catalogue. Whoever works on the files meanwhile, this only reads. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { DEFAULT_DEPTH } from '#engine/disk/graph/depth.ts';
import type { DiskDescriptor, LayerId, Top } from '#engine/disk/graph/descriptor.ts';
import { DiskFolder, type GraphHost, type LayerFacts } from '#engine/disk/graph/disk-folder.ts';
import { CairnError, InvariantError } from '#engine/errors/errors.ts';
import { nodeCodec } from '#worker/node-codec.ts';
import { nodeDecompressor } from '#worker/node-decompressor.ts';
import { nodeFiles } from '#worker/node-files.ts';
import type { LayerRow } from './catalog.ts';
import type { Checkpoint, CheckpointDetail } from './ipc/contract.ts';

/** Of the checkpoints that share a file so many are named, and all counted. */
const MOST_NAMED = 100;

type ShownLayer = CheckpointDetail['disks'][number]['layers'][number];

/** For whoever only looks at a disk's files. */
export const lookingHost: GraphHost = {
  files: nodeFiles,
  codec: nodeDecompressor,
  checksum: nodeCodec.checksum,
  newLayerId: () => {
    throw new InvariantError('looking makes no layers');
  },
};

/** What the guest of each disk in the bundle's folder of disks writes to. A disk that cannot be read is left out. */
export function topsIn(folder: string): Record<string, Top> {
  return Object.fromEntries(
    descriptorsIn(folder).flatMap((disk): [string, Top][] => {
      try {
        return [[disk, new DiskFolder(lookingHost, folder, disk).read().top]];
      } catch (error) {
        if (!(error instanceof CairnError)) throw error;
        return [];
      }
    }),
  );
}

/** How many files each disk of the bundle is read through. One that cannot be read is left out. */
export function chainsIn(
  bundlePath: string,
  wanted = DEFAULT_DEPTH,
): { readonly disk: string; readonly files: number; readonly wanted: number }[] {
  const folder = diskFolderOf(bundlePath);
  return descriptorsIn(folder).flatMap(disk => {
    try {
      return [{ disk, files: chainLength(new DiskFolder(lookingHost, folder, disk)), wanted }];
    } catch (error) {
      if (!(error instanceof CairnError)) throw error;
      return [];
    }
  });
}

function chainLength(folder: DiskFolder): number {
  const descriptor = folder.read();
  const seen = new Set<LayerId>();
  let on: LayerFacts['on'] = descriptor.top;
  for (; on !== 'base' && on !== 'nothing' && !seen.has(on); on = folder.look(on, descriptor).on) seen.add(on);
  return seen.size + (on === 'base' ? 1 : 0);
}

export class DiskGraph {
  private readonly disks = new Map<string, DiskFiles>();

  /** `folder`: the bundle's folder of disks. A disk that cannot be read, or is being changed, is left out. */
  constructor(folder: string) {
    for (const disk of descriptorsIn(folder)) {
      try {
        this.disks.set(disk, new DiskFiles(folder, disk));
      } catch (error) {
        if (!(error instanceof CairnError)) throw error;
      }
    }
  }

  rows(): LayerRow[] {
    return [...this.disks.values()].flatMap(disk => disk.rows());
  }

  /** The disks of `checkpoint`, each with its layers from the one pointed to down to the base, and which others of `all` lie on them, too. */
  behind(checkpoint: Checkpoint, all: readonly Checkpoint[]): CheckpointDetail['disks'] {
    return checkpoint.disks.map(({ disk, layer }) => {
      const files = this.disks.get(disk);
      if (files === undefined) return { disk, layers: [] };
      const joins = files.whereJoin(layer);
      const others = all.flatMap(({ id, disks }) => {
        const pointer = id === checkpoint.id ? undefined : disks.find(each => each.disk === disk);
        const at = pointer && joins(pointer.layer);
        return at === undefined ? [] : [{ id, at }];
      });
      const layers = files.chain(layer).map((shown, place): ShownLayer => {
        const sharing = others.filter(({ at }) => at <= place);
        return { ...shown, sharedWith: sharing.slice(0, MOST_NAMED).map(({ id }) => id), shared: sharing.length };
      });
      return { disk, layers };
    });
  }

  /**
   * What the layers take that nothing needs any more once only `staying` is left: neither those checkpoints, nor a top, nor a linked clone (`pinned`), and
   * no other layer lies on them. Layers that are merged with another one give back something, too; how much is known only then.
   */
  freedWithout(staying: readonly Checkpoint[], pinned: ReadonlySet<LayerId>): number {
    const needed = new Set([...pinned, ...staying.flatMap(({ disks }) => disks.map(({ layer }) => layer))]);
    return [...this.disks.values()].reduce((sum, disk) => sum + disk.unneededBytes(needed), 0);
  }

  /** The newest of `checkpoints` whose layers all disks stand on: where a machine is whose other records are lost. */
  standsOn(checkpoints: readonly Checkpoint[]): string | undefined {
    const standing = checkpoints.filter(
      ({ disks }) => disks.length > 0 && disks.every(({ disk, layer }) => this.disks.get(disk)?.standsOn === layer),
    );
    return standing.at(-1)?.id;
  }
}

/** One disk's files. */
class DiskFiles {
  private readonly folder: DiskFolder;
  private readonly descriptor: DiskDescriptor;
  private readonly layers: ReadonlyMap<LayerId, LayerFacts>;

  constructor(folder: string, disk: string) {
    this.folder = new DiskFolder(lookingHost, folder, disk);
    this.descriptor = this.folder.read();
    this.layers = new Map(this.folder.layerIds().map(id => [id, this.folder.look(id, this.descriptor)]));
  }

  /** The state below the top. */
  get standsOn(): LayerId | undefined {
    const { top } = this.descriptor;
    return top === 'base' ? undefined : this.layers.get(top)?.parentId;
  }

  rows(): LayerRow[] {
    const { disk, descriptor } = { disk: this.folder.disk, descriptor: this.descriptor };
    const rows = [...this.layers.values()].map(({ id, parentId, on }): LayerRow => ({
      id,
      disk,
      parent: parentId ?? null,
      kind: on === 'nothing' ? 'base' : 'cow',
      bytes: allocatedBytes(this.folder.layerPath(id)),
    }));
    const { base } = descriptor;
    if (base === undefined || this.layers.has(base.content)) return rows;
    return [...rows, { id: base.content, disk, parent: null, kind: 'base', bytes: allocatedBytes(this.folder.pathOf(base.path)) }];
  }

  unneededBytes(needed: ReadonlySet<LayerId>): number {
    const above = new Map<string, number>();
    for (const { on } of this.layers.values()) above.set(on, (above.get(on) ?? 0) + 1);
    const isFree = (id: LayerId) => !above.get(id) && id !== this.descriptor.top && !needed.has(id);
    const doomed = [...this.layers.keys()].filter(isFree);
    let bytes = 0;
    for (let id = doomed.pop(); id !== undefined; id = doomed.pop()) {
      bytes += allocatedBytes(this.folder.layerPath(id));
      const { on } = this.layers.get(id)!;
      above.set(on, above.get(on)! - 1);
      if (this.layers.has(on) && isFree(on)) doomed.push(on);
    }
    return bytes;
  }

  /** For each state the place in the chain of `state` from which on both are read through the same files; undefined when through none. Each layer is passed once, however many states are asked about. */
  whereJoin(state: LayerId): (other: LayerId) => number | undefined {
    const places = new Map<string, number | undefined>(this.below(state).map((id, place) => [id, place]));
    return other => {
      const passed = this.below(other, id => places.has(id));
      const last = passed.at(-1);
      const place = last === undefined ? undefined : places.get(last);
      for (const id of passed) places.set(id, place);
      return place;
    };
  }

  /** The files through which a state is read. */
  chain(state: LayerId): Omit<ShownLayer, 'shared' | 'sharedWith'>[] {
    const { base } = this.descriptor;
    return this.below(state).map(at =>
      at === 'base'
        ? { id: base!.content, file: base!.path, bytes: allocatedBytes(this.folder.pathOf(base!.path)) }
        : { id: at, file: this.folder.layerName(at), bytes: allocatedBytes(this.folder.layerPath(at)) },
    );
  }

  /** A state's own file and those below it, down to the first of which `isEnd` is true. */
  private below(state: LayerId, isEnd: (file: Top) => boolean = () => false): Top[] {
    const { base } = this.descriptor;
    const files = new Set<Top>();
    let at: Top | 'nothing' = this.layers.has(state) ? state : base?.content === state ? 'base' : 'nothing';
    while (at !== 'nothing' && !files.has(at) && (at === 'base' ? base !== undefined : this.layers.has(at))) {
      files.add(at);
      if (isEnd(at)) break;
      at = at === 'base' ? 'nothing' : this.layers.get(at)!.on;
    }
    return [...files];
  }
}

/** What a file takes on the host's disk; 0 of one that has just gone. */
export function allocatedBytes(path: string): number {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat?.isFile()) return 0;
  return process.platform === 'win32' ? stat.size : stat.blocks * 512;
}

export const diskFolderOf = (bundlePath: string): string => join(bundlePath, 'disks');

/** The disks that have a descriptor in the bundle's folder of disks. */
export function descriptorsIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter(name => /^disk[0-9]+\.json$/.test(name))
    .map(name => basename(name, '.json'))
    .toSorted();
}
