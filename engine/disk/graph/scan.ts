/** What is in the folder, for a plan. */
import { DiskFormatError } from '../../errors/errors.ts';
import type { DiskDescriptor, LayerId } from './descriptor.ts';
import type { DiskFolder, LayerFacts } from './disk-folder.ts';
import type { GraphFacts } from './plan.ts';

export interface Needs {
  /** States that checkpoints of this disk point to. */
  readonly pointed: ReadonlySet<LayerId>;
  /** States that linked clones in other bundles lie on. */
  readonly pinned: ReadonlySet<LayerId>;
}

export interface Scan {
  readonly layers: readonly LayerFacts[];
  /** Names of files that were never finished, and that nothing can need. */
  readonly rubbish: readonly string[];
}

export function scan(folder: DiskFolder, descriptor: DiskDescriptor, needs: Needs): Scan {
  const names = folder.names();
  const layers: LayerFacts[] = [];
  const rubbish = names.filter(name => name.endsWith('.new') || isOldBase(folder, descriptor, name));
  for (const id of folder.layerIds()) {
    try {
      layers.push(folder.look(id, descriptor));
    } catch (error) {
      // A new file whose header was not written yet is no image; whatever is needed was one.
      const unfinished = error instanceof DiskFormatError && error.code === 'DISK_NOT_QCOW2';
      if (!unfinished || id === descriptor.top || needs.pointed.has(id) || needs.pinned.has(id)) throw error;
      rubbish.push(folder.layerName(id));
    }
  }
  const known = new Set(layers.map(({ id }) => id));
  const sums = folder.sumIds().filter(id => !known.has(id));
  return { layers, rubbish: [...rubbish, ...sums.map(id => `${folder.disk}.${id}.sum`)] };
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
    ...needs,
  };
}
