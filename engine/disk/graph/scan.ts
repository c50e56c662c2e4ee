/** What is in the folder, for a plan. */
import { DiskFormatError } from '../../errors/errors.ts';
import type { DiskDescriptor, LayerId } from './descriptor.ts';
import type { DiskFolder, LayerFacts } from './disk-folder.ts';
import { DEFAULT_DEPTH } from './depth.ts';
import type { GraphFacts, PlannedLayer } from './plan.ts';

export interface Needs {
  /** States that checkpoints of this disk point to. */
  readonly pointed: ReadonlySet<LayerId>;
  /** States that linked clones in other bundles lie on. */
  readonly pinned: ReadonlySet<LayerId>;
  /**
   * Does a running clone, a full copy or an export read states of this disk? Its open files don't learn of new parents, so the base is not written
   * meanwhile. Not given: as long as there is a linked clone.
   */
  readonly read?: boolean;
  /** How many files a chain is to have at most; DEFAULT_DEPTH when not given. */
  readonly depth?: number;
}

export interface Scan {
  readonly layers: readonly PlannedLayer[];
  /** Names of files that were never finished, and that nothing can need. */
  readonly rubbish: readonly string[];
}

/** `look`: what is known of a layer's file, or the file itself. */
export function scan(
  folder: DiskFolder,
  descriptor: DiskDescriptor,
  needs: Needs,
  look: (id: LayerId) => LayerFacts = id => folder.look(id, descriptor),
): Scan {
  const names = folder.names();
  const sums = new Set(folder.sumIds(names));
  const layers: PlannedLayer[] = [];
  const rubbish = names.filter(name => name.endsWith('.new') || isOldBase(folder, descriptor, name));
  const unfinished = new Map<LayerId, DiskFormatError>();
  for (const id of folder.layerIds(names)) {
    try {
      layers.push({ ...look(id), hasSum: sums.has(id) });
    } catch (error) {
      // A new file whose header was not written yet is no image; whatever is needed was one.
      if (!(error instanceof DiskFormatError) || error.code !== 'DISK_NOT_QCOW2') throw error;
      if (id === descriptor.top || needs.pointed.has(id) || needs.pinned.has(id)) throw error;
      unfinished.set(id, error);
    }
  }
  for (const below of layers.flatMap(({ parentId, on }) => [parentId, on])) {
    const lost = unfinished.get(below!);
    if (lost !== undefined) throw lost;
  }
  for (const id of unfinished.keys()) rubbish.push(folder.layerName(id));
  const known = new Set(layers.map(({ id }) => id));
  const alone = [...sums].filter(id => !known.has(id));
  return { layers, rubbish: [...rubbish, ...alone.map(id => `${folder.disk}.${id}.sum`)] };
}

function isOldBase({ disk }: DiskFolder, { base }: DiskDescriptor, name: string): boolean {
  return name.startsWith(`${disk}.base.`) && name !== base?.path;
}

export function factsOf(descriptor: DiskDescriptor, { layers }: Scan, needs: Needs, running: boolean): GraphFacts {
  const { base, mode, top, writeBase } = descriptor;
  return {
    mode,
    top,
    running,
    base: base && {
      content: base.content,
      becoming: base.becoming,
      writable: base.kind === 'own' || (base.kind === 'attached' && writeBase),
    },
    layers,
    pointed: needs.pointed,
    pinned: needs.pinned,
    read: needs.read ?? needs.pinned.size > 0,
    depth: needs.depth ?? DEFAULT_DEPTH,
  };
}
