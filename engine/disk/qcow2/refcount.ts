/**
 * Reference counts of host clusters, and the allocator over them. Invariant, in memory and in the file at every instant: a cluster's count is never less
 * than the references that the file's tables have to it. So counts go up in the file before a table refers (writeCounts, then a sync), and go down only
 * after the table that no longer refers is safe (freeLater, then applyFrees): a crash leaves leaks, never a cluster that is used twice.
 */
import { DiskFormatError, InvariantError } from '../../errors/errors.ts';
import type { HostFile } from '../../ports/host-files.ts';
import { MAX_REFCOUNT_TABLE_BYTES, divideUp, getU64, roundUp, setU64, type Geometry } from './format.ts';
import type { Header } from './header.ts';
import { Table, type MetadataBudget } from './table.ts';

/** Clusters in a row; `fresh`: the file never had anything there, so that what is not written reads as zeroes. */
export interface Allocation {
  readonly cluster: number;
  readonly count: number;
  readonly fresh: boolean;
}

export class Refcounts {
  private readonly file: HostFile;
  private readonly geometry: Geometry;
  private readonly budget: MetadataBudget;
  private readonly lenient: boolean;
  /** The refcount table; replaced by a larger one when it is full. */
  private table: Table;
  private tableAt: { offset: number; clusters: number };
  private readonly blocks: (Table | undefined)[] = [];
  private readonly blockOffsets = new Set<number>();
  private readonly dirtyBlocks = new Set<Table>();
  private readonly toFree: number[] = [];
  private moved: { offset: number; clusters: number } | undefined;
  /** No free cluster is below it. */
  private hint = 0;
  /** End of what the file ever had, in bytes. */
  private highWater: number;

  /** `lenient`: a block that is not where it can be counts nothing, instead of ending all. */
  constructor(file: HostFile, header: Header, budget: MetadataBudget, lenient?: 'lenient') {
    this.lenient = lenient !== undefined;
    this.file = file;
    this.geometry = header.geometry;
    this.budget = budget;
    this.highWater = file.size();
    this.tableAt = { offset: header.refcountTableOffset, clusters: header.refcountTableClusters };
    const bytes = this.tableAt.clusters * this.geometry.clusterBytes;
    budget.take(bytes);
    this.table = Table.read(file, this.tableAt.offset, bytes);
    for (let at = 0; at < bytes; at += 8) if (getU64(this.table.view, at) !== 0) this.blockOffsets.add(getU64(this.table.view, at));
  }

  get dirty(): boolean {
    return this.dirtyBlocks.size > 0 || this.table.dirty || this.moved !== undefined;
  }

  /** The table has grown into another place, which the header does not name yet. */
  get hasMoved(): boolean {
    return this.moved !== undefined;
  }

  /** Clusters that blocks cover, present or not. */
  get covered(): number {
    return (this.table.bytes.length / 8) * this.geometry.refcountsPerBlock;
  }

  get tableOffset(): number {
    return this.tableAt.offset;
  }

  blockOffset(index: number): number {
    return index * 8 < this.table.bytes.length ? getU64(this.table.view, index * 8) : 0;
  }

  /** Is the cluster one of the counts' own? */
  holds(cluster: number): boolean {
    const offset = cluster * this.geometry.clusterBytes;
    if (offset >= this.tableAt.offset && offset < this.tableAt.offset + this.tableAt.clusters * this.geometry.clusterBytes) return true;
    return this.blockOffsets.has(offset);
  }

  get(cluster: number): number {
    const block = this.block(Math.floor(cluster / this.geometry.refcountsPerBlock));
    return block === undefined ? 0 : getCount(block, cluster % this.geometry.refcountsPerBlock, this.geometry.refcountBits);
  }

  /** Clusters of one block that have a count, by way of the bytes that are not zero. */
  *counted(index: number): Generator<number> {
    const block = this.block(index);
    if (block === undefined) return;
    const { refcountsPerBlock, refcountBits } = this.geometry;
    for (let at = 0; at < block.bytes.length; at++) {
      if (block.bytes[at] === 0) continue;
      const first = Math.floor((at * 8) / refcountBits);
      const end = Math.max(first + 1, Math.floor((at * 8 + 8) / refcountBits));
      for (let i = first; i < end; i++) if (getCount(block, i, refcountBits) !== 0) yield index * refcountsPerBlock + i;
      at = Math.max(at, Math.floor((end * refcountBits) / 8) - 1); // the rest of a wide count
    }
  }

  /** The block must be there, but for a count of 0. */
  set(cluster: number, count: number): void {
    const { refcountsPerBlock, refcountBits } = this.geometry;
    const block = this.block(Math.floor(cluster / refcountsPerBlock));
    if (block === undefined) {
      if (count === 0) return;
      throw new InvariantError('A reference count was set that has no block.');
    }
    if (count >= 2 ** refcountBits)
      throw new DiskFormatError(
        'DISK_REFCOUNT',
        this.file.path,
        `cluster ${cluster} has too many references for counts of ${refcountBits} bits.`,
      );
    const index = cluster % refcountsPerBlock;
    setCount(block, index, refcountBits, count);
    block.touch(Math.floor((index * refcountBits) / 8), divideUp(refcountBits, 8));
    this.dirtyBlocks.add(block);
    if (count === 0) this.hint = Math.min(this.hint, cluster);
  }

  /** Up to `most` free clusters in a row, counted once each. */
  allocate(most: number): Allocation {
    let cluster = this.hint;
    while (!this.isFree(cluster)) cluster++;
    this.hint = cluster;
    // Taken one by one: asking for the next may make a block, and that may move the table to the next free clusters.
    const first = this.take(cluster, 1);
    let count = 1;
    while (count < most && this.isFree(cluster + count)) this.take(cluster + count++, 1);
    return { ...first, count };
  }

  /** Exactly `count` in a row: for a table. */
  allocateRow(count: number): Allocation {
    for (let cluster = this.hint; ;) {
      let free = 0;
      while (free < count && this.isFree(cluster + free)) free++;
      if (free < count) cluster += free + 1;
      // Looking may have made blocks and moved the table, here of all places.
      else if (this.rowIsFree(cluster, count)) return this.take(cluster, count);
    }
  }

  private rowIsFree(cluster: number, count: number): boolean {
    for (let i = 0; i < count; i++) if (this.get(cluster + i) !== 0) return false;
    return true;
  }

  private take(cluster: number, count: number): Allocation {
    const { clusterBytes } = this.geometry;
    for (let i = 0; i < count; i++) this.set(cluster + i, 1);
    if (cluster === this.hint) this.hint = cluster + count;
    const fresh = cluster * clusterBytes >= this.highWater;
    this.highWater = Math.max(this.highWater, (cluster + count) * clusterBytes);
    return { cluster, count, fresh };
  }

  /** Has a free count in a block; a missing block is made, and takes the first cluster that it covers. */
  private isFree(cluster: number): boolean {
    const index = Math.floor(cluster / this.geometry.refcountsPerBlock);
    if (this.block(index) === undefined) this.addBlock(index, index * this.geometry.refcountsPerBlock);
    return this.get(cluster) === 0;
  }

  /** A new block at `cluster`, which it covers itself. */
  addBlock(index: number, cluster: number): void {
    this.growTable(index);
    if (this.blocks[index] !== undefined) return; // making room for the table made it
    const { clusterBytes, refcountsPerBlock } = this.geometry;
    this.budget.take(clusterBytes);
    const block = new Table(cluster * clusterBytes, clusterBytes);
    block.touchAll();
    this.blocks[index] = block;
    this.blockOffsets.add(block.offset);
    this.dirtyBlocks.add(block);
    setU64(this.table.view, index * 8, block.offset);
    this.table.touch(index * 8, 8);
    this.set(index * refcountsPerBlock + (cluster % refcountsPerBlock), 1);
    this.highWater = Math.max(this.highWater, block.offset + clusterBytes);
  }

  /** The old table stays in force until the header names the new one. */
  private growTable(index: number): void {
    if (index * 8 < this.table.bytes.length) return;
    const { clusterBytes } = this.geometry;
    const bytes = roundUp(Math.max(index * 8 + 8, this.table.bytes.length * 1.5), clusterBytes) + clusterBytes;
    if (bytes > MAX_REFCOUNT_TABLE_BYTES)
      throw new DiskFormatError('DISK_TOO_LARGE', this.file.path, 'the image cannot grow further: convert it to one with larger clusters.');
    this.budget.take(bytes);
    const old = this.table;
    const logical = new Table(old.offset, bytes);
    logical.bytes.set(old.bytes);
    this.table = logical;
    const row = this.allocateRow(bytes / clusterBytes);
    const placed = new Table(row.cluster * clusterBytes, bytes);
    placed.bytes.set(this.table.bytes);
    placed.touchAll();
    this.table = placed;
    if (this.moved) for (let i = 0; i < this.moved.clusters; i++) this.freeLater(this.moved.offset / clusterBytes + i);
    this.moved = { offset: placed.offset, clusters: row.count };
  }

  /** One reference less, once the tables that no longer refer are safe. */
  freeLater(cluster: number): void {
    this.toFree.push(cluster);
  }

  /** Taken and never referred to: a write into it failed. */
  freeNow(allocation: Allocation): void {
    for (let i = 0; i < allocation.count; i++) this.set(allocation.cluster + i, 0);
  }

  /** After every table that stopped referring has been synced. */
  applyFrees(): void {
    for (const cluster of this.toFree.splice(0)) {
      const count = this.get(cluster);
      if (count > 0) this.set(cluster, count - 1); // already 0 in a damaged image: then there is nothing to free
    }
  }

  /** Blocks, then the table that names them; `sync` is the barrier between and after. `nameTable` writes a new place of the table to the header. */
  writeCounts(sync: () => void, nameTable: (offset: number, clusters: number) => void): void {
    for (const block of this.dirtyBlocks) block.writeTo(this.file);
    const { moved } = this;
    if (this.table.dirty) {
      sync();
      this.table.writeTo(this.file);
    }
    sync();
    for (const block of this.dirtyBlocks) block.clean();
    this.dirtyBlocks.clear();
    this.table.clean();
    if (moved === undefined) return;
    nameTable(moved.offset, moved.clusters);
    sync();
    const old = this.tableAt;
    this.tableAt = moved;
    this.moved = undefined;
    for (let i = 0; i < old.clusters; i++) this.freeLater(old.offset / this.geometry.clusterBytes + i);
  }

  private block(index: number): Table | undefined {
    const have = this.blocks[index];
    if (have !== undefined) return have;
    const at = index * 8;
    if (at >= this.table.bytes.length) return undefined;
    const offset = getU64(this.table.view, at);
    if (offset === 0) return undefined;
    const { clusterBytes } = this.geometry;
    if (offset % clusterBytes !== 0 || offset >= this.highWater) {
      if (this.lenient) return undefined;
      throw new DiskFormatError(
        'DISK_FORMAT',
        this.file.path,
        'a block of reference counts is not where it can be. The image is damaged.',
        this.table.offset + at,
      );
    }
    this.budget.take(clusterBytes);
    return (this.blocks[index] = Table.read(this.file, offset, clusterBytes));
  }
}

export function getCount({ bytes, view }: Table, index: number, bits: number): number {
  switch (bits) {
    case 64:
      return getU64(view, index * 8);
    case 32:
      return view.getUint32(index * 4);
    case 16:
      return view.getUint16(index * 2);
    case 8:
      return bytes[index]!;
    default: {
      const perByte = 8 / bits; // the first count is in the low bits
      return (bytes[Math.floor(index / perByte)]! >> ((index % perByte) * bits)) & ((1 << bits) - 1);
    }
  }
}

/** Also for tables that are being made. */
export function setCount({ bytes, view }: Pick<Table, 'bytes' | 'view'>, index: number, bits: number, count: number): void {
  switch (bits) {
    case 64:
      return setU64(view, index * 8, count);
    case 32:
      return view.setUint32(index * 4, count);
    case 16:
      return view.setUint16(index * 2, count);
    case 8:
      bytes[index] = count;
      return;
    default: {
      const perByte = 8 / bits;
      const at = Math.floor(index / perByte);
      const shift = (index % perByte) * bits;
      bytes[at] = (bytes[at]! & ~(((1 << bits) - 1) << shift)) | (count << shift);
    }
  }
}
