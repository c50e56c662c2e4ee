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
      const others = all
        .filter(({ id }) => id !== checkpoint.id)
        .map(({ id, disks }) => {
          const pointer = disks.find(each => each.disk === disk);
          return { id, files: new Set(pointer && files ? files.chain(pointer.layer).map(({ file }) => file) : []) };
        });
      const layers = (files?.chain(layer) ?? []).map((shown): ShownLayer => ({
        ...shown,
        sharedWith: others.filter(other => other.files.has(shown.file)).map(({ id }) => id),
      }));
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
    const left = new Map(this.layers);
    let bytes = 0;
    for (let removed = true; removed;) {
      const under = new Set([...left.values()].map(({ on }) => on));
      const doomed = [...left.keys()].filter(id => id !== this.descriptor.top && !needed.has(id) && !under.has(id));
      for (const id of doomed) {
        bytes += allocatedBytes(this.folder.layerPath(id));
        left.delete(id);
      }
      removed = doomed.length > 0;
    }
    return bytes;
  }

  /** The files through which a state is read. */
  chain(state: LayerId): Omit<ShownLayer, 'sharedWith'>[] {
    const { base } = this.descriptor;
    const chain: Omit<ShownLayer, 'sharedWith'>[] = [];
    const seen = new Set<string>();
    for (let at: LayerId | 'base' | 'nothing' = this.layers.has(state) ? state : base?.content === state ? 'base' : 'nothing'; ;) {
      if (at === 'nothing' || seen.has(at)) return chain;
      seen.add(at);
      if (at === 'base') {
        if (base) chain.push({ id: base.content, file: base.path, bytes: allocatedBytes(this.folder.pathOf(base.path)) });
        return chain;
      }
      const facts = this.layers.get(at);
      if (facts === undefined) return chain;
      chain.push({ id: at, file: this.folder.layerName(at), bytes: allocatedBytes(this.folder.layerPath(at)) });
      at = facts.on;
    }
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
