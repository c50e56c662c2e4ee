/**
 * Copying from one disk to another in small steps: commit (a COW disk into its parent, METHOD.md Fig. 3F), conversion of a whole disk, and one layer
 * without what it does not need (compaction). A step done twice does no harm, so after a crash a job goes on at the last position that checkpoint()
 * made durable, or from the start.
 */
import type { Layer } from './block.ts';
import { isZero } from './block.ts';

const AT_ONCE = 1 << 20;
/** Extents looked at in one step, at most: a disk full of holes ends a step, too. */
const LOOKS = 4096;

type JobKind = 'commit' | 'convert' | 'layer';

export interface CopyProgress {
  /** Where the next step begins: all before it has been copied. */
  readonly position: number;
  readonly totalBytes: number;
  /** Bytes that were really written. */
  readonly writtenBytes: number;
}

export class CopyJob {
  private readonly source: Layer;
  private readonly target: Layer;
  private readonly kind: JobKind;
  private position: number;
  private writtenBytes = 0;
  /** The layer's file names a parent, open or not. */
  private hasParent = false;
  private readonly buffer = new Uint8Array(AT_ONCE);

  private constructor(source: Layer, target: Layer, kind: JobKind, position: number) {
    this.source = source;
    this.target = target;
    this.kind = kind;
    this.position = position;
  }

  /** Merges a COW disk into its parent, which must be writable. While it runs, the COW disk may be read but not written. */
  static commit(cow: Layer, position = 0): CopyJob {
    const parent = cow.parent!;
    if (parent.sizeBytes < cow.sizeBytes) parent.resize(cow.sizeBytes);
    return new CopyJob(cow, parent, 'commit', position);
  }

  /** Writes what a guest reads in `source` to a new, empty disk. */
  static convert(source: Layer, target: Layer, position = 0): CopyJob {
    return new CopyJob(source, target, 'convert', position);
  }

  /** Writes what `source` alone says to `target`, new and empty over the same parent: every byte reads the same, and what nothing needs is left behind. */
  static layer(source: Layer, target: Layer, hasParent: boolean): CopyJob {
    const job = new CopyJob(source, target, 'layer', 0);
    job.hasParent = hasParent;
    return job;
  }

  get progress(): CopyProgress {
    return { position: this.position, totalBytes: this.source.sizeBytes, writtenBytes: this.writtenBytes };
  }

  get finished(): boolean {
    return this.position >= this.source.sizeBytes;
  }

  /** Goes on until about `bytes` were copied; looking over holes costs next to nothing. */
  step(bytes: number): void {
    const until = this.writtenBytes + bytes;
    for (let looks = 0; looks < LOOKS && !this.finished && this.writtenBytes < until; looks++) {
      // No further than is copied at once: a long extent is not looked over again and again.
      const { kind, length } = this.source.status(this.position, Math.min(this.source.sizeBytes - this.position, AT_ONCE));
      if (kind === 'hole' && (this.kind !== 'convert' || this.source.parent === undefined)) this.position += length;
      else if (kind === 'zero') this.zeroes(length);
      else this.data(Math.min(length, AT_ONCE));
    }
  }

  /** Makes what was copied durable. From then on a job may begin at the position that this answers. */
  checkpoint(): number {
    this.target.flush();
    return this.position;
  }

  /** To the end, and durable. */
  run(): CopyProgress {
    while (!this.finished) this.step(Infinity);
    this.checkpoint();
    return this.progress;
  }

  /** Zeroes are to be written, because something else would be read there. */
  private get masks(): boolean {
    return this.kind === 'commit' || (this.kind === 'layer' && this.hasParent);
  }

  private zeroes(length: number): void {
    if (this.masks) this.target.writeZeroes(this.position, length, true);
    this.position += length;
  }

  private data(length: number): void {
    const part = this.buffer.subarray(0, length);
    this.source.read(this.position, part);
    this.writeSparse(part);
    this.writtenBytes += length;
    this.position += length;
  }

  /** Clusters of zeroes take no room in the target; neighbours of one kind go there in one piece. */
  private writeSparse(bytes: Uint8Array): void {
    const unit = Math.max(4096, Math.min(this.target.clusterBytes, AT_ONCE));
    const isZeroAt = (at: number) => isZero(bytes.subarray(at, at + unit));
    for (let from = 0; from < bytes.length;) {
      const zero = isZeroAt(from);
      let to = from + unit;
      while (to < bytes.length && isZeroAt(to) === zero) to += unit;
      const part = bytes.subarray(from, to);
      if (!zero) this.target.write(this.position + from, part);
      else if (this.masks) this.target.writeZeroes(this.position + from, part.length, true);
      from = to;
    }
  }
}
