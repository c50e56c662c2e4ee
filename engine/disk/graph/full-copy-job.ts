/** A state of a disk becomes another disk, in this bundle or another, that needs nothing of the first (METHOD.md 906; a clone as a full copy). */
import type { LayerId } from './descriptor.ts';
import { FlatCopy } from './copy-state-job.ts';
import { describeDisk, refuseExisting, type NewDisk } from './create.ts';
import type { DiskFolder } from './disk-folder.ts';
import type { DiskJob, JobProgress } from './job.ts';
import { OpenLayers } from './open-layers.ts';

export class FullCopyJob implements DiskJob {
  private readonly to: DiskFolder;
  private readonly options: NewDisk;
  private readonly source: OpenLayers;
  private readonly copy: FlatCopy;
  private readonly top: LayerId;
  private readonly sizeBytes: number;

  /** The state must be needed, so that nothing of it is moved or merged away, for as long as the job takes. */
  constructor(from: DiskFolder, state: LayerId, to: DiskFolder, options: NewDisk = {}) {
    refuseExisting(to);
    this.to = to;
    const descriptor = from.read();
    this.options = { clusterBytes: descriptor.clusterBytes, ...options };
    this.source = new OpenLayers(from, () => descriptor);
    try {
      const layer = this.source.open(this.source.place(state));
      this.sizeBytes = layer.sizeBytes;
      this.top = to.host.newLayerId();
      const identity = { id: this.top, parentId: undefined };
      this.copy = new FlatCopy(to.host, layer, to.layerPath(this.top), identity, this.options.clusterBytes!);
    } catch (error) {
      this.source[Symbol.dispose]();
      throw error;
    }
  }

  get progress(): JobProgress {
    return this.copy.progress;
  }

  step(bytes: number): boolean {
    if (!this.copy.step(bytes)) return false;
    this.to.host.files.syncFolder(this.to.folder);
    this.to.write(describeDisk(this.to, this.options, { sizeBytes: this.sizeBytes, top: this.top }));
    return true;
  }

  /** Before its end: what was copied is no disk, and is removed with the bundle or by removeDisk(). */
  [Symbol.dispose](): void {
    this.copy[Symbol.dispose]();
    this.source[Symbol.dispose]();
  }
}
