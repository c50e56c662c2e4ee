/**
 * What the layers' files say of themselves, each looked at once: with thousands of them a plan would else read them all again for every step. Only the
 * collector's steps change what a sealed layer's file says, and it tells; the top is looked at each time.
 */
import type { DiskDescriptor, LayerId } from './descriptor.ts';
import type { DiskFolder, LayerFacts } from './disk-folder.ts';

export class KnownLayers {
  private readonly folder: DiskFolder;
  private readonly known = new Map<LayerId, LayerFacts>();
  /** What lies on “the base” depends on which file that is. */
  private basePath: string | undefined;

  constructor(folder: DiskFolder) {
    this.folder = folder;
  }

  /** Throws as DiskFolder.look() does. */
  look(id: LayerId, descriptor: DiskDescriptor): LayerFacts {
    if (descriptor.base?.path !== this.basePath) this.forgetAll();
    this.basePath = descriptor.base?.path;
    const known = this.known.get(id);
    if (known !== undefined && id !== descriptor.top) return known;
    const facts = this.folder.look(id, descriptor);
    if (id === descriptor.top) this.known.delete(id);
    else this.known.set(id, facts);
    return facts;
  }

  /** Their files are changed, renamed or gone. */
  forget(ids: readonly string[]): void {
    for (const id of ids) this.known.delete(id);
  }

  forgetAll(): void {
    this.known.clear();
  }
}
