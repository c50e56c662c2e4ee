/**
 * The layer on the base is committed into it (METHOD.md 834, figs. 4C and 5B). From the first byte to the last the descriptor says what the base is
 * becoming: only that layer, which hides all that changes, may be read on it then. The last write makes the base the layer's state.
 */
import { InvariantError } from '../../errors/errors.ts';
import type { Layer } from '../block.ts';
import { CopyJob } from '../copy-job.ts';
import type { LayerId } from './descriptor.ts';
import { progressOf, settle, type DiskJob, type JobProgress } from './job.ts';
import type { VirtualDiskFiles } from './virtual-disk-files.ts';

export class CommitBaseJob implements DiskJob {
  private readonly disk: VirtualDiskFiles;
  private readonly layerId: LayerId;
  private readonly base: Layer;
  private readonly copy: CopyJob;

  constructor(disk: VirtualDiskFiles, layerId: LayerId) {
    this.disk = disk;
    this.layerId = layerId;
    const layer = disk.layers.open(layerId);
    this.base = disk.layers.open('base');
    if (layer.parent !== this.base) throw new InvariantError(`${layer.path} is not on the base.`);
    const { seen: _, ...base } = disk.descriptor.base!;
    if (base.becoming !== layerId) disk.changeBase({ ...base, becoming: layerId });
    this.base.setWritable(true);
    this.copy = CopyJob.commit(layer);
  }

  get progress(): JobProgress {
    return progressOf(this.copy);
  }

  step(bytes: number): boolean {
    this.copy.step(bytes);
    if (!this.copy.finished) return false;
    settle(this.base);
    const { becoming: _, ...base } = this.disk.descriptor.base!;
    this.disk.changeBase({ ...base, content: this.layerId });
    this.base.setWritable(false);
    this.disk.noteBase();
    return true;
  }

  [Symbol.dispose](): void {
    this.base.setWritable(false);
  }
}
