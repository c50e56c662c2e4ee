/** The L1 table and the L2 tables under it, all kept in memory once read. What changes is written by writeL2() and then writeL1(), a sync between. */
import { DiskFormatError } from '../../errors/errors.ts';
import type { HostFile } from '../../ports/host-files.ts';
import {
  COMPRESSED,
  COPIED,
  L1_RESERVED_HIGH,
  L1_RESERVED_LOW,
  L2_RESERVED_HIGH,
  L2_RESERVED_LOW,
  OFFSET_HIGH,
  ZERO,
  type Geometry,
} from './format.ts';
import type { Header } from './header.ts';
import { decodeEntry, encodeData, encodeHole, encodeZero, hostClusters, type Cluster } from './l2.ts';
import type { Refcounts } from './refcount.ts';
import { Table, type MetadataBudget } from './table.ts';
import { cutOff } from './whole.ts';

const HOLE: Cluster = { kind: 'hole', hostOffset: 0, copied: false, compressedBytes: 0, allocated: 0, zeroes: 0 };

/** Answers of where() that are no place. `OTHER`: ask get(). */
export const WHERE = { hole: -1, zero: -2, other: -3 } as const;

export class Mapping {
  file: HostFile;
  /** Replaced as a whole when the disk grows. */
  l1: Table;
  private readonly header: Header;
  private readonly geometry: Geometry;
  private readonly budget: MetadataBudget;
  private readonly fileBytes: number;
  private readonly tables: (Table | undefined)[] = [];
  private readonly dirtyTables = new Set<Table>();
  /** Host offsets of the L2 tables: no data is written there, whatever an entry says. */
  private readonly offsets = new Set<number>();

  /** `lenient`: entries that no image can have are for a check to tell. */
  constructor(file: HostFile, header: Header, budget: MetadataBudget, lenient?: 'lenient') {
    this.file = file;
    this.header = header;
    this.geometry = header.geometry;
    this.budget = budget;
    this.fileBytes = file.size();
    budget.take(header.l1Entries * 8);
    this.l1 = Table.read(file, header.l1Offset, header.l1Entries * 8);
    for (let i = 0; i < header.l1Entries; i++) {
      if (lenient !== undefined) continue;
      const { offset } = this.l1Entry(i);
      if (offset === 0) continue;
      this.checkTable(i, offset);
      this.offsets.add(offset);
    }
  }

  l1Entry(index: number): { readonly offset: number; readonly copied: boolean } {
    const high = this.l1.view.getUint32(index * 8);
    const low = this.l1.view.getUint32(index * 8 + 4);
    const offset = (high & OFFSET_HIGH) * 2 ** 32 + ((low & ~L1_RESERVED_LOW) >>> 0);
    if (high & L1_RESERVED_HIGH || low & L1_RESERVED_LOW || offset % this.geometry.clusterBytes !== 0)
      throw this.bad('A level 1 entry is not possible', this.l1.offset + index * 8);
    return { offset, copied: (high & COPIED) !== 0 };
  }

  /** The L2 table, or undefined where all is a hole. */
  table(l1Index: number): Table | undefined {
    const have = this.tables[l1Index];
    if (have !== undefined) return have;
    if (l1Index >= this.header.l1Entries) return undefined;
    const { offset } = this.l1Entry(l1Index);
    if (offset === 0) return undefined;
    this.checkTable(l1Index, offset);
    this.budget.take(this.geometry.clusterBytes);
    return (this.tables[l1Index] = Table.read(this.file, offset, this.geometry.clusterBytes));
  }

  /** Tables are always written whole: what is missing would read as holes. */
  private checkTable(l1Index: number, offset: number): void {
    if (offset + this.geometry.clusterBytes > this.fileBytes) throw cutOff(this.file, 'a level 2 table', this.l1.offset + l1Index * 8);
  }

  /** What the guest cluster is. */
  get(cluster: number): Cluster {
    const { l2Entries, l2EntryBytes } = this.geometry;
    const table = this.table(Math.floor(cluster / l2Entries));
    if (table === undefined) return HOLE;
    const index = cluster % l2Entries;
    const found = decodeEntry(table, index, this.geometry, this.header.version);
    if (found === undefined) throw this.bad('A level 2 entry is not possible', table.offset + index * l2EntryBytes);
    return found;
  }

  /** get() for the common cases, without an object for each cluster: the place of its data in the file, or one of WHERE. `own`: only data that is COPIED. */
  where(cluster: number, own = false): number {
    const { l2Entries, l2EntryBytes, clusterBytes } = this.geometry;
    if (l2EntryBytes !== 8) return WHERE.other;
    const l1Index = Math.floor(cluster / l2Entries);
    const table = this.tables[l1Index] ?? this.table(l1Index);
    if (table === undefined) return WHERE.hole;
    const at = (cluster - l1Index * l2Entries) * 8;
    const high = table.view.getUint32(at);
    const low = table.view.getUint32(at + 4);
    if (high === 0 && low === 0) return WHERE.hole;
    if (high & (COMPRESSED | L2_RESERVED_HIGH) || low & L2_RESERVED_LOW) return WHERE.other;
    if (low & ZERO) return this.header.version === 3 && low === ZERO && (high & OFFSET_HIGH) === 0 ? WHERE.zero : WHERE.other;
    const host = (high & OFFSET_HIGH) * 2 ** 32 + low;
    if (host === 0 || host % clusterBytes !== 0 || (own && (high & COPIED) === 0)) return WHERE.other;
    return host;
  }

  isTable(hostOffset: number): boolean {
    const l1End = this.l1.offset + this.l1.bytes.length;
    return this.offsets.has(hostOffset) || (hostOffset < l1End && hostOffset + this.geometry.clusterBytes > this.l1.offset);
  }

  /** Makes the L2 table of a guest cluster one that may be changed: new, or copied when an internal snapshot has it too. */
  prepare(cluster: number, refcounts: Refcounts): void {
    const l1Index = Math.floor(cluster / this.geometry.l2Entries);
    const old = this.table(l1Index);
    const { offset, copied } = this.l1Entry(l1Index);
    if (old !== undefined && copied) {
      if (old.dirty) return;
      if (refcounts.get(offset / this.geometry.clusterBytes) === 1) return;
      throw this.bad('A level 2 table is said to be used once, and is not', this.l1.offset + l1Index * 8);
    }
    const { clusterBytes } = this.geometry;
    if (old === undefined) this.budget.take(clusterBytes);
    const table = new Table(refcounts.allocate(1).cluster * clusterBytes, clusterBytes);
    if (old !== undefined) table.bytes.set(old.bytes);
    table.touchAll();
    this.tables[l1Index] = table;
    this.offsets.add(table.offset);
    this.dirtyTables.add(table);
    this.setL1(l1Index, table.offset);
    if (offset === 0) return;
    this.offsets.delete(offset);
    refcounts.freeLater(offset / clusterBytes);
  }

  setData(cluster: number, hostOffset: number, refcounts: Refcounts): void {
    this.change(cluster, refcounts, (table, index) => encodeData(table, index, this.geometry, hostOffset));
  }

  setZero(cluster: number, refcounts: Refcounts): void {
    this.change(cluster, refcounts, (table, index) => encodeZero(table, index, this.geometry));
  }

  setHole(cluster: number, refcounts: Refcounts): void {
    this.change(cluster, refcounts, (table, index) => encodeHole(table, index, this.geometry));
  }

  private change(cluster: number, refcounts: Refcounts, encode: (table: Table, index: number) => void): void {
    const old = hostClusters(this.get(cluster), this.geometry);
    this.prepare(cluster, refcounts);
    const table = this.tables[Math.floor(cluster / this.geometry.l2Entries)]!;
    encode(table, cluster % this.geometry.l2Entries);
    this.dirtyTables.add(table);
    for (let i = 0; i < old.count; i++) refcounts.freeLater(old.first + i);
  }

  private setL1(index: number, offset: number): void {
    this.l1.view.setUint32(index * 8, (COPIED | Math.floor(offset / 2 ** 32)) >>> 0);
    this.l1.view.setUint32(index * 8 + 4, offset >>> 0);
    this.l1.touch(index * 8, 8);
  }

  get dirty(): boolean {
    return this.dirtyTables.size > 0 || this.l1.dirty;
  }

  /** Tables first, then what names them. */
  write(sync: () => void): void {
    for (const table of this.dirtyTables) table.writeTo(this.file);
    sync();
    for (const table of this.dirtyTables) table.clean();
    this.dirtyTables.clear();
    if (!this.l1.dirty) return;
    this.l1.writeTo(this.file);
    sync();
    this.l1.clean();
  }

  private bad(problem: string, offset: number): DiskFormatError {
    return new DiskFormatError('DISK_FORMAT', this.file.path, `${problem}. The image is damaged.`, offset);
  }
}
