/** A sparse extent: where its grains are. Tables are read when they are needed, and a few are kept. */
import { DiskFormatError, messageOf } from '../../errors/errors.ts';
import type { Decompressor } from '../../ports/decompressor.ts';
import type { HostFile } from '../../ports/host-files.ts';
import { cutOff, damaged, viewAt } from '../fields.ts';
import type { BlockMap, Place } from '../foreign.ts';
import type { MetadataBudget } from '../qcow2/table.ts';
import { SECTOR, readSparseHeader, type SparseHeader } from './header.ts';

const KEPT_TABLES = 256;
/** Grain marker: the grain's first sector in the disk (8 bytes), then how many compressed bytes follow (4). */
const MARKER_BYTES = 12;

export class SparseExtent implements BlockMap {
  readonly header: SparseHeader;
  private readonly file: HostFile;
  private readonly fileBytes: number;
  private readonly codec: Decompressor;
  private readonly directory: DataView;
  private readonly tables = new Map<number, DataView>();
  /** The grain that was decompressed last: guests and jobs read in parts. */
  private unpacked: { readonly host: number; readonly bytes: Uint8Array } | undefined;

  constructor(file: HostFile, codec: Decompressor, budget: MetadataBudget) {
    this.file = file;
    this.codec = codec;
    this.fileBytes = file.size();
    this.header = readSparseHeader(file);
    budget.take(this.header.directoryEntries * 4);
    this.directory = viewAt(file, this.header.directoryOffset, this.header.directoryEntries * 4);
  }

  get sizeBytes(): number {
    return this.header.sizeBytes;
  }

  get blockBytes(): number {
    return this.header.grainBytes;
  }

  locate(offset: number): Place {
    const { grainBytes, tableEntries, zeroGrains, compressed } = this.header;
    const inGrain = offset % grainBytes;
    const grain = (offset - inGrain) / grainBytes;
    const inTable = grain % tableEntries;
    const table = this.table((grain - inTable) / tableEntries);
    if (table === undefined) return { kind: 'hole', length: (tableEntries - inTable) * grainBytes - inGrain };
    const sector = table.getUint32(inTable * 4, true);
    const length = grainBytes - inGrain;
    if (sector === 0) return { kind: 'hole', length };
    if (sector === 1 && zeroGrains) return { kind: 'zero', length };
    const host = sector * SECTOR;
    const end = host + (compressed ? MARKER_BYTES : Math.min(grainBytes, this.sizeBytes - grain * grainBytes));
    if (end > this.fileBytes) throw cutOff(this.file, `grain ${grain} of the disk`, end, host);
    if (compressed) return { kind: 'data', length, read: into => into.set(this.unpack(host, inGrain, into.length)) };
    return { kind: 'data', length, read: into => void into.fill(0, this.file.read(into, host + inGrain)) };
  }

  checkWhole(thorough: boolean): void {
    const grain = new Uint8Array(this.header.compressed && thorough ? this.header.grainBytes : 0);
    for (let at = 0; at < this.sizeBytes;) {
      const { length, read } = this.locate(at);
      if (grain.length > 0) read?.(grain.subarray(0, Math.min(length, this.sizeBytes - at)));
      at += length;
    }
  }

  private table(index: number): DataView | undefined {
    const kept = this.tables.get(index);
    if (kept !== undefined) return kept;
    const offset = this.directory.getUint32(index * 4, true) * SECTOR;
    if (offset === 0) return undefined;
    const end = offset + this.header.tableEntries * 4;
    if (end > this.fileBytes) throw cutOff(this.file, 'a grain table', end, this.header.directoryOffset + index * 4);
    const table = viewAt(this.file, offset, this.header.tableEntries * 4);
    if (this.tables.size >= KEPT_TABLES) this.tables.delete(this.tables.keys().next().value!);
    this.tables.set(index, table);
    return table;
  }

  /** `length` bytes of a compressed grain. */
  private unpack(host: number, from: number, length: number): Uint8Array {
    if (this.unpacked?.host !== host) this.unpacked = { host, bytes: this.inflate(host) };
    const { bytes } = this.unpacked;
    // The disk's last grain may be shorter.
    if (from + length > bytes.length) throw damaged(this.file, 'A compressed grain is too short', host);
    return bytes.subarray(from, from + length);
  }

  private inflate(host: number): Uint8Array {
    const { grainBytes, markers } = this.header;
    const most = Math.min(2 * grainBytes, this.fileBytes - host);
    const told = markers ? viewAt(this.file, host, MARKER_BYTES).getUint32(8, true) : most;
    if (host + MARKER_BYTES + told > this.fileBytes && markers)
      throw cutOff(this.file, 'a compressed grain', host + MARKER_BYTES + told, host);
    if (told > most) throw damaged(this.file, `A compressed grain of ${told} bytes is not possible`, host);
    const packed = new Uint8Array(told);
    this.file.read(packed, host + (markers ? MARKER_BYTES : 0));
    try {
      return this.codec.inflate(packed, grainBytes);
    } catch (cause) {
      const reason = messageOf(cause);
      throw new DiskFormatError(
        'DISK_FORMAT',
        this.file.path,
        `a compressed grain cannot be read (${reason}). The image is damaged.`,
        host,
      );
    }
  }

  [Symbol.dispose](): void {
    this.file[Symbol.dispose]();
  }
}
