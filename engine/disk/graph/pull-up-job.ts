/**
 * Two files become one, the other way about: what the upper reads from the lower is copied up, and the upper is put on what the lower lies on. Also
 * while a VM writes to the upper: its writes only fill places that the job then leaves alone. The lower file can be deleted afterwards.
 */
import type { Qcow2Image } from '../qcow2/image.ts';
import type { LayerId } from './descriptor.ts';
import type { DiskJob, JobProgress } from './job.ts';
import type { VirtualDiskFiles } from './virtual-disk-files.ts';

const AT_ONCE = 1 << 20;

export class PullUpJob implements DiskJob {
  private readonly disk: VirtualDiskFiles;
  private readonly upperId: LayerId;
  private readonly lowerId: LayerId;
  private readonly upper: Qcow2Image;
  private readonly lower: Qcow2Image;
  private readonly buffer = new Uint8Array(AT_ONCE);
  private position = 0;

  constructor(disk: VirtualDiskFiles, upperId: LayerId, lowerId: LayerId) {
    this.disk = disk;
    this.upperId = upperId;
    this.lowerId = lowerId;
    ({ upper: this.upper, lower: this.lower } = disk.layers.openPair(upperId, lowerId));
    disk.folder.remove(disk.folder.sumPath(upperId));
  }

  get progress(): JobProgress {
    return { doneBytes: this.position, totalBytes: this.end };
  }

  private get end(): number {
    return Math.min(this.lower.sizeBytes, this.upper.sizeBytes);
  }

  step(bytes: number): boolean {
    this.upper.setWritable(true); // a checkpoint may have sealed it since the last step
    for (let left = bytes; left > 0 && this.position < this.end;) left -= this.next();
    if (this.position < this.end) return false;
    const { folder, descriptor } = this.disk;
    const { on, parentId } = folder.look(this.lowerId, descriptor);
    this.upper.reparent(this.lower.parent, on === 'nothing' ? undefined : this.disk.nameOf(on), { id: this.upperId, parentId });
    return true;
  }

  [Symbol.dispose](): void {
    if (this.disk.top !== this.upper) this.upper.setWritable(false);
  }

  /** One extent; answers how many bytes were written. */
  private next(): number {
    const { position: at, upper, lower, end } = this;
    const below = lower.status(at, end - at);
    const above = upper.status(at, below.kind === 'data' ? Math.min(below.length, AT_ONCE) : below.length);
    this.position += above.length;
    if (below.kind === 'hole' || above.kind !== 'hole') return 0;
    if (below.kind === 'zero') {
      upper.writeZeroes(at, above.length, true);
      return 0;
    }
    const part = this.buffer.subarray(0, above.length);
    lower.read(at, part);
    upper.write(at, part);
    return part.length;
  }
}
