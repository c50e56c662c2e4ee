/**
 * Copying from one disk to another in small steps: commit (a COW disk into its parent, METHOD.md Fig. 3F), and conversion of a whole disk. A step
 * done twice does no harm, so after a crash a job goes on at the last position that checkpoint() made durable, or from the start.
 */
import type { Layer } from './block.ts';
import { isZero } from './block.ts';

const AT_ONCE = 1 << 20;

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
  private readonly kind: 'commit' | 'convert';
  private position: number;
  private writtenBytes = 0;
  private readonly buffer = new Uint8Array(AT_ONCE);

  private constructor(source: Layer, target: Layer, kind: 'commit' | 'convert', position: number) {
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

  get progress(): CopyProgress {
    return { position: this.position, totalBytes: this.source.sizeBytes, writtenBytes: this.writtenBytes };
  }

  get finished(): boolean {
    return this.position >= this.source.sizeBytes;
  }

  /** Goes on until about `bytes` were copied; looking over holes costs next to nothing. */
  step(bytes: number): void {
    const until = this.writtenBytes + bytes;
    while (!this.finished && this.writtenBytes < until) {
      const left = Math.min(this.source.sizeBytes - this.position, this.kind === 'commit' ? Infinity : AT_ONCE);
      const { kind, length } = this.source.status(this.position, left);
      if (kind === 'hole' && (this.kind === 'commit' || this.source.parent === undefined)) this.position += length;
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

  private zeroes(length: number): void {
    if (this.kind === 'commit') this.target.writeZeroes(this.position, length, true);
    this.position += length;
  }

  private data(length: number): void {
    const part = this.buffer.subarray(0, length);
    this.source.read(this.position, part);
    if (this.kind === 'commit') this.target.write(this.position, part);
    else this.writeNonZero(part);
    this.writtenBytes += length;
    this.position += length;
  }

  /** Clusters of zeroes take no room in the new disk. */
  private writeNonZero(bytes: Uint8Array): void {
    const unit = Math.max(4096, Math.min(this.target.clusterBytes, AT_ONCE));
    for (let from = 0; from < bytes.length; from += unit) {
      const part = bytes.subarray(from, from + unit);
      if (!isZero(part)) this.target.write(this.position + from, part);
    }
  }
}
