/**
 * A state of a disk becomes another disk, in this bundle or another, that needs nothing of the first (METHOD.md 906; a clone as a full copy). The state keeps
 * its id, for a checkpoint that is copied along points to it; the new disk goes on in a COW file over it.
 */
import { Qcow2Image } from '../qcow2/image.ts';
import type { LayerId } from './descriptor.ts';
import { FlatCopy } from './copy-state-job.ts';
import { describeDisk, refuseExisting, type NewDisk } from './create.ts';
import { keeping } from '../open.ts';
import { DiskFolder } from './disk-folder.ts';
import type { DiskJob, JobProgress } from './job.ts';
import { createLayer } from './layer-file.ts';
import { OpenLayers } from './open-layers.ts';

export class FullCopyJob implements DiskJob {
  private readonly to: DiskFolder;
  private readonly options: NewDisk;
  private readonly source: OpenLayers;
  private readonly copy: FlatCopy;
  private readonly state: LayerId;
  private readonly sizeBytes: number;

  /** The state must be needed, so that nothing of it is moved or merged away, for as long as the job takes. */
  constructor(from: DiskFolder, state: LayerId, to: DiskFolder, options: NewDisk = {}) {
    refuseExisting(to);
    this.to = to;
    const descriptor = from.read();
    this.options = { clusterBytes: descriptor.clusterBytes, ...options };
    // The VM that the files are of may run on, and merge what is not needed.
    this.source = new OpenLayers(new DiskFolder(keeping(from.host), from.folder, from.disk), () => descriptor);
    try {
      const layer = this.source.open(this.source.place(state));
      this.sizeBytes = layer.sizeBytes;
      this.state = state;
      const identity = { id: state, parentId: undefined };
      this.copy = new FlatCopy(to.host, layer, to.layerPath(state), identity, this.options.clusterBytes!);
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
    const { to, state } = this;
    const { files, codec, newLayerId } = to.host;
    files.syncFolder(to.folder);
    const top = newLayerId();
    using parent = new Qcow2Image(files, codec, to.layerPath(state), { writable: false });
    createLayer(to, top, { parent, parentId: state, parentName: to.layerName(state), clusterBytes: this.options.clusterBytes! });
    to.write(describeDisk(to, this.options, { sizeBytes: this.sizeBytes, top }));
    return true;
  }

  /** Before its end: what was copied is no disk, and is removed with the bundle or by removeDisk(). */
  [Symbol.dispose](): void {
    this.copy[Symbol.dispose]();
    this.source[Symbol.dispose]();
  }
}
