/**
 * Two files become one (METHOD.md § 131, figs. 4C and 5E): the upper is committed into the lower, which then takes the upper's identity and name.
 *
 *   upper → lower → below      lower gets all that upper says: whoever reads through upper reads the same meanwhile
 *   upper → lower' → below     lower' has upper's identity: from now on only the name is missing
 *   upper = lower' → below     one rename; what lay on upper finds it under the same name
 */
import { CopyJob } from '../copy-job.ts';
import type { Qcow2Image } from '../qcow2/image.ts';
import type { LayerId } from './descriptor.ts';
import { progressOf, type DiskJob, type JobProgress } from './job.ts';
import { closeAlone } from './open-layers.ts';
import type { VirtualDiskFiles } from './virtual-disk-files.ts';

export class MergeJob implements DiskJob {
  private readonly disk: VirtualDiskFiles;
  private readonly upperId: LayerId;
  private readonly lowerId: LayerId;
  private readonly upper: Qcow2Image;
  private readonly lower: Qcow2Image;
  /** undefined: the lower file had the upper's identity already. */
  private readonly copy: CopyJob | undefined;

  constructor(disk: VirtualDiskFiles, upperId: LayerId, lowerId: LayerId) {
    this.disk = disk;
    this.upperId = upperId;
    this.lowerId = lowerId;
    ({ upper: this.upper, lower: this.lower } = disk.layers.openPair(upperId, lowerId));
    this.upper.setWritable(false);
    if (this.lower.identity?.id === upperId) return;
    // Their checksums are of what they were.
    const { folder } = disk;
    folder.remove(folder.sumPath(upperId), folder.sumPath(lowerId));
    this.lower.setWritable(true);
    this.copy = CopyJob.commit(this.upper);
  }

  get progress(): JobProgress {
    return progressOf(this.copy);
  }

  step(bytes: number): boolean {
    this.copy?.step(bytes);
    if (this.copy?.finished === false) return false;
    if (this.copy !== undefined) {
      this.lower.settle();
      this.lower.setIdentity({ id: this.upperId, parentId: this.lower.identity?.parentId });
    }
    this.takeName();
    return true;
  }

  [Symbol.dispose](): void {
    const { top } = this.disk;
    if (top !== this.lower) this.lower.setWritable(false);
    if (top === this.upper) this.upper.setWritable(true);
  }

  private takeName(): void {
    const { disk, upper, lower } = this;
    const { folder, layers } = disk;
    const { files } = folder.host;
    const path = folder.layerPath(this.upperId);
    files.rename(folder.layerPath(this.lowerId), path);
    // The name is another from now on, whether it is durable yet or not.
    layers.take(this.lowerId);
    layers.take(this.upperId);
    lower.movedTo(path);
    layers.put(this.upperId, lower);
    layers.replace(upper, lower);
    if (disk.top === upper) disk.replaceTop(lower);
    closeAlone(upper);
    files.syncFolder(folder.folder);
    lower.setWritable(disk.top === lower);
  }
}
