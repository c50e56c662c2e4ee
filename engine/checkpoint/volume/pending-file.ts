/** A file of a volume that is being written: which units it has is only in memory. */
import type { HostFile } from '../../ports/host-files.ts';
import type { Extent, StoredFile } from './directory.ts';
import type { Geometry } from './header.ts';
import type { Run } from './space.ts';
import { readStored } from './stored-file.ts';

/** Answers at least `wanted` units, held until `use` is disposed of. Throws StorageError DISK_FULL. */
type TakeUnits = (wanted: number) => { runs: readonly Run[]; use: Disposable };

export class PendingFile implements HostFile {
  readonly path: string;
  private readonly device: HostFile;
  private readonly geometry: Geometry;
  private readonly takeUnits: TakeUnits;
  /** Unit of the file → unit of the volume. */
  private readonly units = new Map<number, number>();
  /** Held, and not yet a part of it. */
  private spare: Run[] = [];
  private readonly held = new DisposableStack();
  private length = 0;

  constructor(path: string, device: HostFile, geometry: Geometry, takeUnits: TakeUnits) {
    this.path = path;
    this.device = device;
    this.geometry = geometry;
    this.takeUnits = takeUnits;
  }

  get unitCount(): number {
    return this.units.size;
  }

  get stored(): StoredFile {
    const extents: Extent[] = [];
    for (const [at, unit] of [...this.units].toSorted(([a], [b]) => a - b)) {
      const last = extents.at(-1);
      if (last !== undefined && last.at + last.count === at && last.unit + last.count === unit)
        extents[extents.length - 1] = { ...last, count: last.count + 1 };
      else extents.push({ at, unit, count: 1 });
    }
    return { sizeBytes: this.length, extents };
  }

  read(into: Uint8Array, position: number): number {
    return readStored(this.device, this.geometry, this.stored, into, position);
  }

  write(bytes: Uint8Array, position: number): void {
    if (bytes.length === 0) return;
    if (position > this.length) this.truncate(position);
    const end = position + bytes.length;
    const { unitBytes } = this.geometry;
    this.makeRoom(Math.floor(position / unitBytes), Math.ceil(end / unitBytes));
    const length = Math.max(this.length, end);
    for (let at = position; at < end;) {
      const [place, until] = this.together(at, end, length, position);
      this.device.write(bytes.subarray(at - position, until - position), place);
      at = until;
    }
    this.length = length;
  }

  size(): number {
    return this.length;
  }

  truncate(sizeBytes: number): void {
    const { unitBytes } = this.geometry;
    const last = Math.floor(this.length / unitBytes);
    if (sizeBytes > this.length && this.units.has(last)) this.zero(last, this.length % unitBytes);
    for (const at of this.units.keys()) if (at * unitBytes >= sizeBytes) this.units.delete(at);
    this.length = sizeBytes;
  }

  allocate(sizeBytes: number): void {
    if (sizeBytes > this.length) this.truncate(sizeBytes);
    const count = Math.ceil(sizeBytes / this.geometry.unitBytes);
    this.makeRoom(0, count);
    for (let at = 0; at < count; at++) if (!this.units.has(at)) this.add(at, true);
  }

  sync(): void {
    this.device.dataSync();
  }
  dataSync(): void {
    this.device.dataSync();
  }

  /** Closes it; its units stay held. */
  [Symbol.dispose](): void {
    this.device[Symbol.dispose]();
  }

  /** Nobody holds its units any more: they are in the directory, or free. */
  release(): void {
    this.held.dispose();
  }

  /** Where byte `at` lies, and up to which byte what follows lies together. */
  private together(at: number, end: number, length: number, from: number): [place: number, until: number] {
    const { unitBytes, dataAt } = this.geometry;
    const first = Math.floor(at / unitBytes);
    const unit = this.unitOf(first, from, end, length);
    let next = first + 1;
    while (next * unitBytes < end && this.unitOf(next, from, end, length) === unit + next - first) next++;
    return [dataAt + unit * unitBytes + (at % unitBytes), Math.min(end, next * unitBytes)];
  }

  /** The unit that byte `from` to `end` of a file of `length` bytes are about to be written to: what it holds of others would be read as part of this file, if it were not covered. */
  private unitOf(at: number, from: number, end: number, length: number): number {
    const { unitBytes } = this.geometry;
    const isCovered = from <= at * unitBytes && Math.min((at + 1) * unitBytes, length) <= end;
    return this.units.get(at) ?? this.add(at, !isCovered);
  }

  private add(at: number, isZeroed: boolean): number {
    const [run, ...others] = this.spare;
    const { unit, count } = run!;
    this.spare = count === 1 ? others : [{ unit: unit + 1, count: count - 1 }, ...others];
    this.units.set(at, unit);
    if (isZeroed) this.zero(at, 0);
    return unit;
  }

  private zero(at: number, from: number): void {
    const { unitBytes, dataAt } = this.geometry;
    this.device.write(new Uint8Array(unitBytes - from), dataAt + this.units.get(at)! * unitBytes + from);
  }

  /** Takes what the units from `first` to `end` still lack. */
  private makeRoom(first: number, end: number): void {
    let lacking = -this.spare.reduce((sum, { count }) => sum + count, 0);
    for (let at = first; at < end; at++) if (!this.units.has(at)) lacking++;
    if (lacking <= 0) return;
    const { runs, use } = this.takeUnits(lacking);
    this.held.use(use);
    this.spare.push(...runs);
  }
}
