/** A file for reading with changes over it that are in memory alone. */
import { InvariantError } from '../../errors/errors.ts';
import type { HostFile } from '../../ports/host-files.ts';
import type { Change } from './log-entry.ts';

export class ReplayedFile implements HostFile {
  readonly path: string;
  private readonly file: HostFile;
  private readonly sizeBytes: number;
  /** In the order of the file; none over another. */
  private readonly changes: readonly Change[];

  /** `changes`: oldest first, and whole sectors; those after each other may be over the same bytes. `sizeBytes`: at least that of `file`. */
  constructor(file: HostFile, sizeBytes: number, changes: readonly Change[]) {
    this.path = file.path;
    this.file = file;
    this.sizeBytes = sizeBytes;
    this.changes = withoutOverlaps(changes);
  }

  read(into: Uint8Array, position: number): number {
    const count = Math.max(0, Math.min(into.length, this.sizeBytes - position));
    const wanted = into.subarray(0, count);
    wanted.fill(0, this.file.read(wanted, position));
    const end = position + count;
    for (let i = this.firstAfter(position); i < this.changes.length; i++) {
      const { offset, length, bytes } = this.changes[i]!;
      if (offset >= end) break;
      const [from, to] = [Math.max(offset, position), Math.min(offset + length, end)];
      if (bytes === undefined) wanted.fill(0, from - position, to - position);
      else wanted.set(bytes.subarray(from - offset, to - offset), from - position);
    }
    return count;
  }

  size(): number {
    return this.sizeBytes;
  }

  write(): never {
    throw this.neverWritten();
  }
  truncate(): never {
    throw this.neverWritten();
  }
  allocate(): never {
    throw this.neverWritten();
  }
  sync(): void {}
  dataSync(): void {}

  [Symbol.dispose](): void {
    this.file[Symbol.dispose]();
  }

  /** The first change that ends after `position`. */
  private firstAfter(position: number): number {
    let [low, high] = [0, this.changes.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const { offset, length } = this.changes[middle]!;
      if (offset + length > position) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  private neverWritten(): InvariantError {
    return new InvariantError(`${this.path} is open for reading only.`);
  }
}

/** What is left to see of each change, in the order of the file: the newest shows. */
function withoutOverlaps(changes: readonly Change[]): Change[] {
  const points = [...new Set(changes.flatMap(({ offset, length }) => [offset, offset + length]))].toSorted((a, b) => a - b);
  const indexOf = new Map(points.map((point, index) => [point, index]));
  /** Of each stretch from a point to the next: the change that shows, and where the next stretch is that has none yet. */
  const shown: (Change | undefined)[] = points.map(() => undefined);
  const next = points.map((_, index) => index);
  const uncovered = (index: number): number => {
    let end = index;
    while (next[end] !== end) end = next[end]!;
    for (let at = index; at !== end;) [at, next[at]] = [next[at]!, end];
    return end;
  };
  for (const change of changes.toReversed()) {
    const end = indexOf.get(change.offset + change.length)!;
    for (let at = uncovered(indexOf.get(change.offset)!); at < end; at = uncovered(at)) {
      shown[at] = change;
      next[at] = at + 1;
    }
  }
  return shown.flatMap((change, index) => {
    if (change === undefined) return [];
    const [offset, length] = [points[index]!, points[index + 1]! - points[index]!];
    return [{ offset, length, bytes: change.bytes?.subarray(offset - change.offset, offset - change.offset + length) }];
  });
}
