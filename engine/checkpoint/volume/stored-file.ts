/** A file of a volume as it is read. */
import { InvariantError, StorageError } from '../../errors/errors.ts';
import type { HostFile } from '../../ports/host-files.ts';
import type { StoredFile } from './directory.ts';
import type { Geometry } from './header.ts';

/** As HostFile.read(). */
export function readStored(
  device: HostFile,
  { dataAt, unitBytes }: Geometry,
  { sizeBytes, extents }: StoredFile,
  into: Uint8Array,
  position: number,
): number {
  const wanted = into.subarray(0, Math.max(0, Math.min(into.length, sizeBytes - position)));
  const end = position + wanted.length;
  wanted.fill(0);
  for (let i = firstBehind(extents, Math.floor(position / unitBytes)); i < extents.length; i++) {
    const { at, unit, count } = extents[i]!;
    const from = Math.max(position, at * unitBytes);
    const to = Math.min(end, (at + count) * unitBytes);
    if (from >= end) break;
    const part = wanted.subarray(from - position, to - position);
    if (device.read(part, dataAt + unit * unitBytes + from - at * unitBytes) < part.length)
      throw new StorageError('STORAGE', `${device.path} cannot be read: it is shorter than it was.`);
  }
  return wanted.length;
}

/** The first extent that does not end before the file's unit `at`. */
function firstBehind(extents: StoredFile['extents'], at: number): number {
  let [low, high] = [0, extents.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (extents[middle]!.at + extents[middle]!.count > at) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** A published file: its units stay as they are until it is closed. */
export class ReadFile implements HostFile {
  readonly path: string;
  private readonly device: HostFile;
  private readonly geometry: Geometry;
  private readonly file: StoredFile;
  private readonly use: Disposable;

  constructor(path: string, device: HostFile, geometry: Geometry, file: StoredFile, use: Disposable) {
    this.path = path;
    this.device = device;
    this.geometry = geometry;
    this.file = file;
    this.use = use;
  }

  read(into: Uint8Array, position: number): number {
    return readStored(this.device, this.geometry, this.file, into, position);
  }
  size(): number {
    return this.file.sizeBytes;
  }
  sync(): void {}
  dataSync(): void {}

  write = neverChanges;
  truncate = neverChanges;
  allocate = neverChanges;

  [Symbol.dispose](): void {
    this.device[Symbol.dispose]();
    this.use[Symbol.dispose]();
  }
}

function neverChanges(): never {
  throw new InvariantError('a published file of a volume never changes');
}
