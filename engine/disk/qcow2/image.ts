/**
 * An open qcow2 image. Data goes to the file at once; tables change in memory and go to the file at flush(), in this order, a sync between any two:
 *
 *   data and higher reference counts → (refcount table → header) → L2 tables → L1 table → the end of flush(); lower counts with the next flush
 *
 * So whatever write a crash stops at, the file's tables refer only to clusters that are counted and whole: at most leaks are left, and no flushed
 * byte is lost. With lazy reference counts (a feature of the image) the counts wait for settle(): the file is marked dirty first, and after a crash
 * they are made anew from the tables when it is next opened for writing. A cluster in use is written in place only if this image alone refers to it; any other is copied (COW).
 */
import { ConfigError, DiskFormatError, StorageError } from '../../errors/errors.ts';
import type { Decompressor } from '../../ports/decompressor.ts';
import type { HostFile, HostFiles } from '../../ports/host-files.ts';
import { checkRange, checkWritable, type Extent, type ExtentKind, type Layer } from '../block.ts';
import { checkDiskSize } from './cluster-size.ts';
import { CompressedClusters } from './compressed.ts';
import { COMPATIBLE, INCOMPATIBLE, MAX_METADATA_BYTES, SECTOR, divideUp, roundUp, type Geometry } from './format.ts';
import { hasFeature, readHeader, writeBacking, writeFields, type Header } from './header.ts';
import { identityOf, type Identity } from './identity.ts';
import type { Cluster } from './l2.ts';
import { Mapping, WHERE } from './mapping.ts';
import { rebuildRefcounts } from './rebuild.ts';
import { Refcounts, type Allocation } from './refcount.ts';
import { MetadataBudget, Table } from './table.ts';
import { cutOff, refuseCut } from './whole.ts';

/** A part of what is read that this file does not say: it is read from the file below. */
interface Hole {
  readonly below: Layer | undefined;
  readonly offset: number;
  readonly part: Uint8Array;
}

/** Bytes that lie in a row in the file, or are of one kind. */
interface Run {
  readonly kind: 'hole' | 'zero' | 'data' | 'compressed';
  /** Of the first byte; of the cluster's start when compressed. */
  readonly host: number;
  readonly length: number;
  /** Only of what is compressed. */
  readonly cluster: Cluster;
}

const NO_CLUSTER: Cluster = { kind: 'hole', hostOffset: 0, copied: false, compressedBytes: 0, allocated: 0, zeroes: 0 };

export interface Qcow2Options {
  readonly writable: boolean;
  readonly metadataBytes?: number;
  /** Opens what is damaged or cut off, too, also for writing: check.ts tells it, and repair.ts knows what it does. */
  readonly lenient?: boolean;
}

export class Qcow2Image implements Layer {
  readonly format = 'qcow2';
  path: string;
  readonly header: Header;
  readonly geometry: Geometry;
  file: HostFile;
  mapping!: Mapping;
  /** Only while the image can be written. */
  refcounts: Refcounts | undefined;
  private readonly files: HostFiles;
  private readonly metadataBytes: number;
  private readonly lenient: boolean;
  private readonly compressed: CompressedClusters;
  private below: Layer | undefined;
  /** One cluster, for what is copied. */
  private scratch: Uint8Array | undefined;
  private unsynced = false;
  /** The header in memory is ahead of the file's. */
  private headerAhead = false;
  /** After a sync failed nobody knows what the disk has: no later one may say that all is well. */
  private broken: StorageError | undefined;

  constructor(
    files: HostFiles,
    codec: Decompressor,
    path: string,
    { writable, metadataBytes = MAX_METADATA_BYTES, lenient = false }: Qcow2Options,
  ) {
    this.files = files;
    this.path = path;
    this.metadataBytes = metadataBytes;
    this.lenient = lenient;
    this.file = writable ? files.openWrite(path) : files.openRead(path);
    try {
      this.header = readHeader(this.file);
      this.geometry = this.header.geometry;
      this.compressed = new CompressedClusters(codec, this.header.compression, this.geometry.clusterBytes);
      this.load(writable);
    } catch (error) {
      this.file[Symbol.dispose]();
      throw error;
    }
  }

  /** Whole sectors: what other programs wrote may end within one. */
  get sizeBytes(): number {
    return roundUp(this.header.sizeBytes, SECTOR);
  }

  get clusterBytes(): number {
    return this.geometry.clusterBytes;
  }

  get writable(): boolean {
    return this.refcounts !== undefined;
  }

  get parent(): Layer | undefined {
    return this.below;
  }

  /** Only says where holes are read; reparent() changes the file, too. */
  attachParent(parent: Layer | undefined): void {
    this.below = parent;
  }

  budget(): MetadataBudget {
    return new MetadataBudget(this.metadataBytes, () => {
      const limit = `${Math.floor(this.metadataBytes / 2 ** 20)} MiB`;
      throw new DiskFormatError(
        'DISK_TOO_LARGE',
        this.path,
        `its tables take more than ${limit}: convert it to an image with larger clusters.`,
      );
    });
  }

  private load(writable: boolean): void {
    const budget = this.budget();
    this.mapping = new Mapping(this.file, this.header, budget, this.lenient ? 'lenient' : undefined);
    if (!this.lenient) refuseCut(this);
    if (!writable) return;
    if (hasFeature(this.header, INCOMPATIBLE.corrupt) && !this.lenient)
      throw new DiskFormatError(
        'DISK_CORRUPT',
        this.path,
        'the image is marked as damaged: it can be read, and must be repaired before it is written.',
      );
    this.refcounts = new Refcounts(this.file, this.header, budget);
    // What Cairn does not keep up to date (dirty bitmaps, say) must say so before the first write.
    if (this.header.autoclear !== 0n) {
      this.header.autoclear = 0n;
      writeFields(this.file, this.header);
      this.file.dataSync();
    }
    if (hasFeature(this.header, INCOMPATIBLE.dirty)) this.cleanUp();
  }

  /** The image was not closed, and kept no counts (“lazy refcounts”): they are made anew before anything is written. */
  private cleanUp(): void {
    rebuildRefcounts(this);
    this.refcounts!.writeCounts(this.sync, this.nameTable);
    this.header.incompatible &= ~INCOMPATIBLE.dirty;
    writeFields(this.file, this.header);
    this.file.dataSync();
  }

  /** Through the whole chain, which may have any number of files: so not by a call for each. */
  read(offset: number, into: Uint8Array): void {
    checkRange(this, offset, into.length);
    const holes: Hole[] = [];
    this.readOwn(offset, into, holes);
    for (let hole = holes.pop(); hole !== undefined; hole = holes.pop()) {
      const { below, part } = hole;
      const inside = below === undefined ? 0 : Math.max(0, Math.min(part.length, below.sizeBytes - hole.offset));
      part.fill(0, inside);
      if (inside === 0) continue;
      if (below instanceof Qcow2Image) below.readOwn(hole.offset, part.subarray(0, inside), holes);
      else below!.read(hole.offset, part.subarray(0, inside));
    }
  }

  private readOwn(offset: number, into: Uint8Array, holes: Hole[]): void {
    for (let done = 0; done < into.length;) {
      const run = this.run(offset + done, into.length - done);
      const part = run.length === into.length ? into : into.subarray(done, done + run.length);
      if (run.kind === 'data') {
        const got = this.file.read(part, run.host);
        if (got < part.length) this.readPastEnd(part, got, run.host);
      } else if (run.kind === 'zero') part.fill(0);
      else if (run.kind === 'hole') holes.push({ below: this.below, offset: offset + done, part });
      else {
        const start = (offset + done) % this.clusterBytes;
        part.set(this.compressed.read(this.file, run.cluster).subarray(start, start + run.length));
      }
      done += run.length;
    }
  }

  /** What a compressed cluster is. Throws DiskFormatError. */
  readCompressed(cluster: Cluster): Uint8Array {
    return this.compressed.read(this.file, cluster);
  }

  /** Only the last cluster of a file may be partly unwritten. */
  private readPastEnd(part: Uint8Array, got: number, host: number): void {
    const last = host + part.length - 1;
    if (last - (last % this.clusterBytes) >= this.file.size()) throw cutOff(this.file, 'a cluster', host + got);
    part.fill(0, got);
  }

  write(offset: number, bytes: Uint8Array): void {
    checkRange(this, offset, bytes.length);
    checkWritable(this);
    const { clusterBytes } = this.geometry;
    for (let done = 0; done < bytes.length;) {
      const at = offset + done;
      const inPlace = this.runInPlace(at, bytes.length - done);
      if (inPlace !== undefined) {
        this.unsynced = true;
        this.file.write(bytes.subarray(done, done + inPlace.length), inPlace.host);
        done += inPlace.length;
        continue;
      }
      const inCluster = at % clusterBytes;
      const rest = bytes.length - done;
      if (inCluster === 0 && rest >= clusterBytes) done += this.writeWhole(at, bytes.subarray(done));
      else {
        const length = Math.min(rest, clusterBytes - inCluster);
        this.writePart(at, bytes.subarray(done, done + length));
        done += length;
      }
    }
  }

  writeZeroes(offset: number, length: number, unmap: boolean): void {
    checkRange(this, offset, length);
    checkWritable(this);
    this.eachCluster(offset, length, (at, part, whole) => {
      if (this.readsZero(at, part)) return;
      if (whole && this.header.version === 3) this.mapping.setZero(at / this.clusterBytes, this.refcounts!);
      else if (whole && unmap && !this.hasBacking) this.mapping.setHole(at / this.clusterBytes, this.refcounts!);
      else this.write(at, new Uint8Array(part));
    });
  }

  discard(offset: number, length: number): void {
    checkRange(this, offset, length);
    checkWritable(this);
    this.eachCluster(offset, length, (at, _part, whole) => {
      if (!whole) return;
      const index = at / this.clusterBytes;
      const { kind, hostOffset } = this.mapping.get(index);
      if (hostOffset === 0 && (kind === 'zero' || !this.hasBacking)) return;
      if (this.header.version === 3) this.mapping.setZero(index, this.refcounts!);
      else if (!this.hasBacking) this.mapping.setHole(index, this.refcounts!);
    });
  }

  flush(): void {
    if (this.broken) throw this.broken;
    const { refcounts, mapping } = this;
    if (refcounts === undefined) return;
    if (this.headerAhead) this.saveHeader();
    if (this.lazy && !refcounts.hasMoved) this.markDirty();
    else if (refcounts.dirty) refcounts.writeCounts(this.sync, this.nameTable);
    if (this.unsynced) this.sync();
    if (mapping.dirty) mapping.write(this.sync);
    refcounts.applyFrees();
  }

  status(offset: number, length: number): Extent {
    checkRange(this, offset, length);
    let end = offset;
    let kind: ExtentKind | undefined;
    while (end < offset + length) {
      const run = this.run(end, offset + length - end);
      const runKind = run.kind === 'compressed' ? 'data' : run.kind;
      if (kind !== undefined && runKind !== kind) break;
      kind = runKind;
      end += run.length;
    }
    return { offset, length: end - offset, kind: kind ?? 'hole' };
  }

  resize(sizeBytes: number): void {
    checkWritable(this);
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes % 512 !== 0)
      throw new ConfigError('DISK_SIZE', `A disk's size is a multiple of 512 bytes, not ${sizeBytes}.`);
    if (sizeBytes < this.sizeBytes) throw new ConfigError('DISK_SHRINK', `${this.path} can only be made larger: its end may be in use.`);
    if (sizeBytes === this.sizeBytes) return;
    const old = this.sizeBytes;
    const entries = divideUp(sizeBytes, this.geometry.l2Bytes);
    checkDiskSize(this.path, sizeBytes, this.clusterBytes);
    this.flush();
    this.growL1(entries);
    this.header.sizeBytes = sizeBytes;
    this.headerAhead = true;
    this.saveHeader();
    // A parent that is larger must not show through.
    if (this.below !== undefined && this.below.sizeBytes > old)
      this.writeZeroes(old, Math.min(sizeBytes, this.below.sizeBytes) - old, true);
    this.flush();
  }

  private saveHeader(): void {
    writeFields(this.file, this.header);
    this.sync();
    this.headerAhead = false;
  }

  /** A larger table, always in a new place: the header that is in force until the next sync knows only the old one. */
  private growL1(entries: number): void {
    const { header, geometry, mapping } = this;
    const old = { offset: header.l1Offset, clusters: divideUp(header.l1Entries * 8, geometry.clusterBytes) };
    if (entries <= header.l1Entries) return;
    const row = this.refcounts!.allocateRow(divideUp(entries * 8, geometry.clusterBytes));
    const l1 = new Table(row.cluster * geometry.clusterBytes, roundUp(entries * 8, geometry.clusterBytes));
    l1.bytes.set(mapping.l1.bytes.subarray(0, header.l1Entries * 8));
    l1.touchAll();
    this.refcounts!.writeCounts(this.sync, this.nameTable);
    l1.writeTo(this.file);
    this.sync();
    l1.clean();
    header.l1Offset = l1.offset;
    header.l1Entries = entries;
    mapping.l1 = l1;
    for (let i = 0; i < old.clusters; i++) this.refcounts!.freeLater(old.offset / geometry.clusterBytes + i);
  }

  setWritable(writable: boolean): void {
    if (writable === this.writable) return;
    if (this.refcounts !== undefined) this.settle();
    const file = writable ? this.files.openWrite(this.path) : this.files.openRead(this.path);
    this.file[Symbol.dispose]();
    this.file = file;
    this.refcounts = undefined;
    this.compressed.forget();
    this.load(writable);
  }

  /**
   * Changes the parent, here and in the file. The guest reads the same only if the new parent reads as the old one did where this file has holes.
   * `identity` is written in the same sector.
   */
  reparent(parent: Layer | undefined, name: string | undefined, identity?: Identity): void {
    checkWritable(this);
    this.flush();
    writeBacking(this.file, this.header, name, parent?.format, identity);
    this.below = parent;
  }

  get identity(): Identity | undefined {
    return identityOf(this.header.extensions);
  }

  /** Another identity, at once; the parent's name stays. */
  setIdentity(identity: Identity): void {
    checkWritable(this);
    this.flush();
    writeBacking(this.file, this.header, this.header.backing, this.header.backingFormat, identity);
  }

  /** After a change of the parent or the identity that failed half-way: makes durable what the file says, and takes that for what is. */
  settleNames(): void {
    const sector = new Uint8Array(SECTOR);
    this.file.read(sector, 0);
    this.file.write(sector, 0);
    this.file.sync();
    const { backing, backingFormat, backingOffset, extensions } = readHeader(this.file);
    Object.assign(this.header, { backing, backingFormat, backingOffset, extensions });
  }

  /** The file has another name now. */
  movedTo(path: string): void {
    this.path = path;
  }

  /** flush(), and what was freed is free in the file, too: as it should be left when it is closed. */
  settle(): void {
    this.flush();
    this.flush();
    if (this.refcounts === undefined || !hasFeature(this.header, INCOMPATIBLE.dirty)) return;
    if (this.refcounts.dirty) this.refcounts.writeCounts(this.sync, this.nameTable);
    this.header.incompatible &= ~INCOMPATIBLE.dirty;
    this.saveHeader();
  }

  private get lazy(): boolean {
    return (this.header.compatible & COMPATIBLE.lazyRefcounts) !== 0n;
  }

  /** Before the first table that refers to clusters whose counts the file does not have. */
  private markDirty(): void {
    if (!this.refcounts!.dirty || hasFeature(this.header, INCOMPATIBLE.dirty)) return;
    this.header.incompatible |= INCOMPATIBLE.dirty;
    writeFields(this.file, this.header);
    this.unsynced = true;
  }

  [Symbol.dispose](): void {
    this.file[Symbol.dispose]();
    let layer = this.below;
    for (; layer instanceof Qcow2Image; layer = layer.below) layer.file[Symbol.dispose]();
    layer?.[Symbol.dispose]();
  }

  /** Room for every cluster, in order. */
  preallocate(): void {
    const { clusterBytes } = this.geometry;
    const clusters = divideUp(this.sizeBytes, clusterBytes);
    let end = 0;
    for (let at = 0; at < clusters; at++) {
      this.mapping.prepare(at, this.refcounts!);
      const host = this.refcounts!.allocate(1).cluster * clusterBytes;
      this.mapping.setData(at, host, this.refcounts!);
      end = host + clusterBytes;
    }
    if (end > this.file.size()) this.file.truncate(end);
    this.unsynced = true;
    this.flush();
  }

  /** The bytes at `offset` that are of one kind, and in a row in the file. */
  private run(offset: number, most: number): Run {
    const { clusterBytes } = this.geometry;
    const index = Math.floor(offset / clusterBytes);
    const where = this.mapping.where(index);
    if (where === WHERE.other) return this.runOfUnits(offset, most);
    const inCluster = offset - index * clusterBytes;
    const step = where < 0 ? 0 : clusterBytes;
    let length = clusterBytes - inCluster;
    for (let i = 1; length < most && this.mapping.where(index + i) === where + i * step; i++) length += clusterBytes;
    const kind = where === WHERE.hole ? 'hole' : where === WHERE.zero ? 'zero' : 'data';
    return { kind, host: where + inCluster, length: Math.min(length, most), cluster: NO_CLUSTER };
  }

  private runOfUnits(offset: number, most: number): Run {
    const first = this.unit(offset);
    let { length } = first;
    while (length < most && first.kind !== 'compressed') {
      const next = this.unit(offset + length);
      if (next.kind !== first.kind || (first.kind === 'data' && next.host !== first.host + length)) break;
      length += next.length;
    }
    return { ...first, length: Math.min(length, most) };
  }

  /** The rest of the cluster (or subcluster) that `offset` is in. */
  private unit(offset: number): Run {
    const { clusterBytes, subclusterBytes } = this.geometry;
    const inCluster = offset % clusterBytes;
    const cluster = this.mapping.get((offset - inCluster) / clusterBytes);
    if (cluster.kind !== 'mixed') {
      const host = cluster.kind === 'compressed' ? cluster.hostOffset : cluster.hostOffset + inCluster;
      return { kind: cluster.kind, host, length: clusterBytes - inCluster, cluster };
    }
    const sub = Math.floor(inCluster / subclusterBytes);
    const kind = (cluster.allocated >>> sub) & 1 ? 'data' : (cluster.zeroes >>> sub) & 1 ? 'zero' : 'hole';
    return { kind, host: cluster.hostOffset + inCluster, length: (sub + 1) * subclusterBytes - inCluster, cluster };
  }

  /** What may be overwritten where it is: the place in the file, and how many bytes of it are in a row. */
  private runInPlace(offset: number, most: number): { readonly host: number; readonly length: number } | undefined {
    const { clusterBytes } = this.geometry;
    const index = Math.floor(offset / clusterBytes);
    const host = this.ownPlace(index);
    if (host < 0) return undefined;
    const inCluster = offset - index * clusterBytes;
    this.checkOwn(host);
    let length = clusterBytes - inCluster;
    for (let i = 1; length < most && this.ownPlace(index + i) === host + i * clusterBytes; i++) {
      this.checkOwn(host + i * clusterBytes);
      length += clusterBytes;
    }
    return { host: host + inCluster, length: Math.min(length, most) };
  }

  /** Where the cluster is, when this image alone has it; else negative. */
  private ownPlace(index: number): number {
    const where = this.mapping.where(index, true);
    if (where !== WHERE.other) return where;
    const cluster = this.mapping.get(index);
    return cluster.kind === 'data' && cluster.copied ? cluster.hostOffset : WHERE.other;
  }

  /** Says an entry that this cluster is its own, then the counts must say so too: a damaged image must not damage itself further. */
  private checkOwn(host: number): void {
    const refcounts = this.refcounts!;
    if (
      refcounts.get(host / this.clusterBytes) === 1 &&
      host !== 0 &&
      !this.mapping.isTable(host) &&
      !refcounts.holds(host / this.clusterBytes)
    )
      return;
    throw new DiskFormatError(
      'DISK_FORMAT',
      this.path,
      'a cluster is said to be used once, and is not. The image is damaged: repair it.',
      host,
    );
  }

  /** Whole clusters from a cluster's start on; as many as find room in a row. Answers how many bytes. */
  private writeWhole(offset: number, bytes: Uint8Array): number {
    const { clusterBytes } = this.geometry;
    const first = offset / clusterBytes;
    let most = 1;
    while ((most + 1) * clusterBytes <= bytes.length && this.runInPlace(offset + most * clusterBytes, 1) === undefined) most++;
    for (let i = 0; i < most; i++) this.mapping.prepare(first + i, this.refcounts!);
    const room = this.refcounts!.allocate(most);
    this.fill(room, () => this.file.write(bytes.subarray(0, room.count * clusterBytes), room.cluster * clusterBytes));
    for (let i = 0; i < room.count; i++) this.mapping.setData(first + i, (room.cluster + i) * clusterBytes, this.refcounts!);
    return room.count * clusterBytes;
  }

  /** Part of a cluster: the rest is copied from what a guest reads there now. */
  private writePart(offset: number, bytes: Uint8Array): void {
    const { clusterBytes } = this.geometry;
    const inCluster = offset % clusterBytes;
    const start = offset - inCluster;
    this.mapping.prepare(start / clusterBytes, this.refcounts!);
    const known = Math.min(clusterBytes, this.sizeBytes - start);
    const zero = this.readsZero(start, known);
    const room = this.refcounts!.allocate(1);
    const host = room.cluster * clusterBytes;
    this.fill(room, () => {
      if (room.fresh && zero) return this.file.write(bytes, host + inCluster);
      const whole = (this.scratch ??= new Uint8Array(clusterBytes));
      if (zero) whole.fill(0);
      else this.read(start, whole.subarray(0, known));
      whole.fill(0, known);
      whole.set(bytes, inCluster);
      this.file.write(whole, host);
    });
    this.mapping.setData(start / clusterBytes, host, this.refcounts!);
  }

  private fill(room: Allocation, write: () => void): void {
    this.unsynced = true;
    try {
      write();
    } catch (error) {
      this.refcounts!.freeNow(room);
      throw error;
    }
  }

  /** Holes read as another file's data, be it open or not. */
  private get hasBacking(): boolean {
    return this.below !== undefined || this.header.backing !== undefined;
  }

  /** Known without reading data. */
  private readsZero(offset: number, length: number): boolean {
    const { kind, length: known } = this.run(offset, length);
    if (known < length) return false;
    if (kind !== 'hole') return kind === 'zero';
    // Opened alone, what the file's parent has is not known.
    return this.below === undefined ? this.header.backing === undefined : offset >= this.below.sizeBytes;
  }

  /** The parts of a range by cluster. The disk's last cluster is whole where the disk ends. */
  private eachCluster(offset: number, length: number, each: (at: number, part: number, whole: boolean) => void): void {
    for (let at = offset; at < offset + length;) {
      const inCluster = at % this.clusterBytes;
      const part = Math.min(this.clusterBytes - inCluster, offset + length - at);
      each(at, part, inCluster === 0 && (part === this.clusterBytes || at + part === this.sizeBytes));
      at += part;
    }
  }

  private readonly nameTable = (offset: number, clusters: number): void => {
    this.header.refcountTableOffset = offset;
    this.header.refcountTableClusters = clusters;
    writeFields(this.file, this.header);
  };

  private readonly sync = (): void => {
    try {
      this.file.dataSync();
    } catch (error) {
      if (error instanceof StorageError && error.code !== 'DISK_FULL')
        this.broken = new StorageError(
          error.code,
          `${error.message} What was written to it since the last flush may be lost: go back to a checkpoint, or stop the VM and start it again.`,
          { cause: error },
        );
      throw error;
    }
    this.unsynced = false;
  };
}
