/**
 * A layer gets a copy of what it reads from the layers below it, down to a lowest one, and is put on what that one lies on. With one layer below it two files become one, the other way
 * about than in a merge, and the lower can be deleted afterwards; with a run of them a chain becomes shorter (depth.ts), and they stay for whoever needs them. Also while a VM
 * writes to the layer: its writes only fill places that the job then leaves alone. Until the last sector says what it lies on, it reads the same on either.
 */
import type { Layer } from '../block.ts';
import { resolve } from '../chain.ts';
import type { Qcow2Image } from '../qcow2/image.ts';
import type { LayerId } from './descriptor.ts';
import type { DiskJob, JobProgress } from './job.ts';
import type { VirtualDiskFiles } from './virtual-disk-files.ts';

const AT_ONCE = 1 << 20;
/** Extents looked at in one step, at most: a disk full of holes ends a step, too. */
const LOOKS = 1024;

export class PullUpJob implements DiskJob {
  private readonly disk: VirtualDiskFiles;
  private readonly upperId: LayerId;
  private readonly lowestId: LayerId;
  private readonly upper: Qcow2Image;
  /** From the one below `upper` down to the lowest. */
  private readonly run: readonly Layer[];
  private readonly buffer = new Uint8Array(AT_ONCE);
  private position = 0;

  constructor(disk: VirtualDiskFiles, upperId: LayerId, lowestId: LayerId) {
    this.disk = disk;
    this.upperId = upperId;
    this.lowestId = lowestId;
    ({ upper: this.upper, run: this.run } = disk.layers.openRun(upperId, lowestId));
    disk.folder.remove(disk.folder.sumPath(upperId));
  }

  get progress(): JobProgress {
    return { doneBytes: this.position, totalBytes: this.end };
  }

  /** Behind it the run says nothing, and what it lies on is not larger. */
  private get end(): number {
    return Math.min(
      this.run.reduce((most, { sizeBytes }) => Math.max(most, sizeBytes), this.below?.sizeBytes ?? 0),
      this.upper.sizeBytes,
    );
  }

  private get below(): Layer | undefined {
    return this.run.at(-1)!.parent;
  }

  step(bytes: number): boolean {
    this.upper.setWritable(true); // a checkpoint may have sealed it since the last step
    let left = bytes;
    for (let looks = 0; looks < LOOKS && left > 0 && this.position < this.end; looks++) left -= this.next();
    if (this.position < this.end) return false;
    const { folder, descriptor } = this.disk;
    const { on, parentId } = folder.look(this.lowestId, descriptor);
    this.upper.reparent(this.below, on === 'nothing' ? undefined : this.disk.nameOf(on), { id: this.upperId, parentId });
    return true;
  }

  [Symbol.dispose](): void {
    if (this.disk.top !== this.upper) this.upper.setWritable(false);
  }

  /** One extent; answers how many bytes were written. */
  private next(): number {
    const { position: at, upper, run, end } = this;
    const above = upper.status(at, Math.min(end - at, AT_ONCE));
    const { kind, length } = above.kind === 'hole' ? this.saidBelow(at, above.length) : above;
    this.position += length;
    if (above.kind !== 'hole' || kind === 'hole') return 0;
    if (kind === 'zero') {
      upper.writeZeroes(at, length, true);
      return 0;
    }
    const part = this.buffer.subarray(0, length);
    run[0]!.read(at, part);
    upper.write(at, part);
    return length;
  }

  /** What the run says. Behind the end of one of its disks nothing below shows through: where what it lies on is larger, that would. */
  private saidBelow(at: number, most: number): Pick<ReturnType<typeof resolve>, 'kind' | 'length'> {
    const short = this.run.find(({ sizeBytes }) => at >= sizeBytes);
    const said = resolve(this.run, at, most);
    return said.kind === 'hole' && short !== undefined && this.below !== undefined && at < this.below.sizeBytes
      ? { kind: 'zero', length: said.length }
      : said;
  }
}
