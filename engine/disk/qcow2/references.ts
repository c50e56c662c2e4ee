/** Who refers to which host cluster: every table of an image walked once. What check() compares the counts with, and a rebuild makes them from. */
import { DiskFormatError } from '../../errors/errors.ts';
import {
  AUTOCLEAR,
  COPIED,
  EXTENSION,
  L1_RESERVED_HIGH,
  L1_RESERVED_LOW,
  MAX_L1_BYTES,
  MAX_SNAPSHOT_TABLE_BYTES,
  OFFSET_HIGH,
  divideUp,
  getU64,
  roundUp,
  viewOf,
} from './format.ts';
import type { Qcow2Image } from './image.ts';
import { decodeEntry, hostClusters, isCutOff, type Cluster } from './l2.ts';
import { Table, type MetadataBudget } from './table.ts';
import { cutOff } from './whole.ts';

const CHUNK = 4096;

/** A number for each cluster; memory only where there are some. */
export class ClusterCounts {
  private readonly chunks = new Map<number, Uint32Array>();
  private readonly budget: MetadataBudget;
  end = 0;

  constructor(budget: MetadataBudget) {
    this.budget = budget;
  }

  add(cluster: number, count: number): void {
    const index = Math.floor(cluster / CHUNK);
    let chunk = this.chunks.get(index);
    if (chunk === undefined) {
      this.budget.take(CHUNK * 4);
      this.chunks.set(index, (chunk = new Uint32Array(CHUNK)));
    }
    chunk[cluster % CHUNK]! += count;
    this.end = Math.max(this.end, cluster + 1);
  }

  get(cluster: number): number {
    return this.chunks.get(Math.floor(cluster / CHUNK))?.[cluster % CHUNK] ?? 0;
  }

  /** Every cluster that has a number, in no order. */
  *clusters(): Generator<number> {
    for (const [index, chunk] of this.chunks) for (let i = 0; i < CHUNK; i++) if (chunk[i] !== 0) yield index * CHUNK + i;
  }
}

export interface Problem {
  readonly offset: number;
  readonly problem: string;
}

export interface References {
  readonly counts: ClusterCounts;
  /** Entries that no image can have: the first of them, and how many there are. */
  readonly problems: Problem[];
  problemCount: number;
  /** Of them, those to what is past the end of the file. */
  pastEnd: number;
  /** Entries of the active tables: where each is, and twice its cluster, plus 1 with a COPIED mark. */
  readonly marksAt: number[];
  readonly marks: number[];
  allocated: number;
  compressed: number;
  fragmented: number;
}

export function findReferences(image: Qcow2Image): References {
  const walk = new Walk(image);
  walk.range(0, image.clusterBytes);
  walk.refcounts();
  walk.l1(image.header.l1Offset, image.header.l1Entries, true);
  walk.snapshots();
  walk.bitmaps();
  walk.l2Tables();
  return walk.found;
}

class Walk {
  readonly found: References;
  private readonly budget: MetadataBudget;
  private readonly image: Qcow2Image;
  private readonly clusterBytes: number;
  private readonly fileBytes: number;
  /** L2 tables, how many L1 entries refer to each, and whether the active L1 does: each is read once, whatever a hostile image says. */
  private readonly tables = new Map<number, { times: number; active: boolean }>();

  constructor(image: Qcow2Image) {
    this.image = image;
    this.budget = image.budget();
    this.found = {
      counts: new ClusterCounts(this.budget),
      problems: [],
      problemCount: 0,
      pastEnd: 0,
      marksAt: [],
      marks: [],
      allocated: 0,
      compressed: 0,
      fragmented: 0,
    };
    this.clusterBytes = image.clusterBytes;
    this.fileBytes = image.file.size();
  }

  range(offset: number, length: number): void {
    const first = Math.floor(offset / this.clusterBytes);
    for (let i = 0; i < divideUp(length, this.clusterBytes); i++) this.found.counts.add(first + i, 1);
  }

  refcounts(): void {
    const { header, geometry, file } = this.image;
    const bytes = header.refcountTableClusters * geometry.clusterBytes;
    this.range(header.refcountTableOffset, bytes);
    const table = Table.read(file, header.refcountTableOffset, bytes);
    for (let at = 0; at < bytes; at += 8) {
      const offset = getU64(table.view, at);
      if (offset === 0) continue;
      if (this.isWhole(offset, this.clusterBytes)) this.range(offset, this.clusterBytes);
      else this.misplaced(table.offset + at, 'a block of reference counts', offset);
    }
  }

  l1(offset: number, entries: number, active: boolean): void {
    this.budget.take(entries * 8);
    this.range(offset, entries * 8);
    const table = Table.read(this.image.file, offset, entries * 8);
    for (let at = 0; at < entries * 8; at += 8) {
      const high = table.view.getUint32(at);
      const low = table.view.getUint32(at + 4);
      const l2 = (high & OFFSET_HIGH) * 2 ** 32 + ((low & ~L1_RESERVED_LOW) >>> 0);
      if (l2 === 0) continue;
      if (high & L1_RESERVED_HIGH || low & L1_RESERVED_LOW || !this.isWhole(l2, this.clusterBytes)) {
        this.misplaced(offset + at, 'a level 2 table', l2);
        continue;
      }
      if (active) this.mark(offset + at, l2 / this.clusterBytes, (high & COPIED) !== 0);
      const seen = this.tables.get(l2);
      if (seen === undefined) this.tables.set(l2, { times: 1, active });
      else seen.times++;
    }
  }

  /** Table of internal snapshots: each has an L1 table of its own. */
  snapshots(): void {
    const { header, file } = this.image;
    const fixed = viewOf(new Uint8Array(40));
    let at = header.snapshotsOffset;
    for (let i = 0; i < header.snapshots; i++) {
      fixed.setUint32(36, 0);
      if (file.read(new Uint8Array(fixed.buffer), at) < 40) return this.problem(at, 'the snapshot table ends too early');
      const entries = fixed.getUint32(8);
      const offset = getU64(fixed, 0);
      if (entries * 8 > MAX_L1_BYTES || (entries > 0 && !this.isWhole(offset, entries * 8)))
        this.misplaced(at, 'the level 1 table of a snapshot', offset);
      else if (entries > 0) this.l1(offset, entries, false);
      at += roundUp(40 + fixed.getUint32(36) + fixed.getUint16(12) + fixed.getUint16(14), 8);
      if (at - header.snapshotsOffset > MAX_SNAPSHOT_TABLE_BYTES) return this.problem(at, 'the snapshot table is too large');
    }
    if (header.snapshots > 0) this.range(header.snapshotsOffset, at - header.snapshotsOffset);
  }

  /** Dirty bitmaps that QEMU keeps in the image. */
  bitmaps(): void {
    const { header, file } = this.image;
    const data = header.extensions.find(({ type }) => type === EXTENSION.bitmaps)?.data;
    if (data === undefined || data.length < 24 || (header.autoclear & AUTOCLEAR.bitmaps) === 0n) return;
    const directoryBytes = getU64(viewOf(data), 8);
    const directoryOffset = getU64(viewOf(data), 16);
    if (directoryBytes > MAX_SNAPSHOT_TABLE_BYTES || !this.isWhole(directoryOffset, directoryBytes))
      return this.misplaced(0, 'the bitmap directory', directoryOffset);
    this.range(directoryOffset, directoryBytes);
    const directory = Table.read(file, directoryOffset, directoryBytes);
    for (let at = 0; at + 24 <= directoryBytes;) {
      const offset = getU64(directory.view, at);
      const entries = directory.view.getUint32(at + 8);
      if (entries * 8 > MAX_L1_BYTES || !this.isWhole(offset, entries * 8))
        return this.misplaced(directoryOffset + at, 'a bitmap table', offset);
      this.budget.take(entries * 8);
      this.range(offset, entries * 8);
      const table = Table.read(file, offset, entries * 8);
      for (let entry = 0; entry < entries * 8; entry += 8) {
        const low = table.view.getUint32(entry + 4);
        const cluster = (table.view.getUint32(entry) & OFFSET_HIGH) * 2 ** 32 + ((low & ~L1_RESERVED_LOW) >>> 0);
        if (cluster !== 0 && this.isWhole(cluster, 1)) this.range(cluster, this.clusterBytes);
        else if (cluster !== 0) this.misplaced(offset + entry, 'a part of a bitmap', cluster);
      }
      at += roundUp(24 + directory.view.getUint16(at + 18) + directory.view.getUint32(at + 20), 8);
    }
  }

  l2Tables(): void {
    for (const [offset, { times, active }] of this.tables) {
      this.budget.take(this.clusterBytes * 2); // the marks
      this.found.counts.add(offset / this.clusterBytes, times);
      this.l2Table(Table.read(this.image.file, offset, this.clusterBytes), times, active);
    }
  }

  private l2Table(table: Table, times: number, active: boolean): void {
    const { geometry, header } = this.image;
    let previous = 0;
    for (let i = 0; i < geometry.l2Entries; i++) {
      const at = table.offset + i * geometry.l2EntryBytes;
      const cluster = decodeEntry(table, i, geometry, header.version);
      if (cluster === undefined) {
        this.problem(at, 'a level 2 entry is not possible');
        continue;
      }
      const { first, count } = hostClusters(cluster, geometry);
      if (count === 0) continue;
      if (isCutOff(cluster, this.fileBytes)) this.misplaced(at, 'a cluster', cluster.hostOffset);
      if (cluster.hostOffset > Number.MAX_SAFE_INTEGER / 2) continue;
      if (cluster.kind === 'compressed') this.compressedAtEnd(at, cluster);
      for (let n = 0; n < count; n++) this.found.counts.add(first + n, times);
      if (!active) continue;
      this.found.allocated++;
      if (cluster.kind === 'compressed') this.found.compressed++;
      else this.mark(at, first, cluster.copied);
      if (cluster.kind === 'compressed' || (previous !== 0 && first !== previous + 1)) this.found.fragmented++;
      previous = first;
    }
  }

  private mark(at: number, cluster: number, copied: boolean): void {
    this.found.marksAt.push(at);
    this.found.marks.push(cluster * 2 + Number(copied));
  }

  /** The last compressed cluster ends somewhere in the file's last sector: whether it is all there is known once it is read. */
  private compressedAtEnd(at: number, cluster: Cluster): void {
    if (isCutOff(cluster, this.fileBytes) || cluster.hostOffset + cluster.compressedBytes <= this.fileBytes) return;
    try {
      this.image.readCompressed(cluster);
    } catch (error) {
      if (!(error instanceof DiskFormatError)) throw error;
      this.problem(at, 'a compressed cluster is cut off where the file ends');
    }
  }

  private isWhole(offset: number, bytes: number): boolean {
    return offset % this.clusterBytes === 0 && offset > 0 && offset + bytes <= this.fileBytes;
  }

  /** `what` should be at `offset`, as the field at `at` says. */
  private misplaced(at: number, what: string, offset: number): void {
    const isPast = offset + this.clusterBytes > this.fileBytes;
    if (isPast) this.found.pastEnd++;
    this.problem(at, `${what} is ${isPast ? `past the end of the file, which has ${this.fileBytes} bytes` : 'not where it can be'}`);
  }

  private problem(offset: number, problem: string): void {
    this.found.problemCount++;
    if (this.found.problems.length < 1000) this.found.problems.push({ offset, problem });
  }
}

/** For who cannot go on with any. */
export function refuseProblems({ file, path }: Qcow2Image, { problems, pastEnd }: References): void {
  const first = problems[0];
  if (first !== undefined && pastEnd > 0) throw cutOff(file, `what ${pastEnd} entries of its tables name`, first.offset);
  if (first !== undefined) throw new DiskFormatError('DISK_FORMAT', path, `${first.problem}. The image is damaged.`, first.offset);
}
