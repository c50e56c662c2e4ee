/** A VHDX image, dynamic or fixed, for reading. */
import type { HostFile } from '../../ports/host-files.ts';
import { cutOff, damaged, viewAt } from '../fields.ts';
import type { BlockMap, Place } from '../foreign.ts';
import type { MetadataBudget } from '../qcow2/table.ts';
import { readRegions, readVhdxHeader, type Region } from './header.ts';
import { replayLog } from './log.ts';
import { readMetadata } from './metadata.ts';

const MIB = 1 << 20;
/** MS-VHDX 2.5.1.1: states of payload blocks. Not present (0), undefined (1), zero (2) and unmapped (3, or 5 in drafts) read as zeroes. */
const FULLY_PRESENT = 6;
const ZERO_STATES = new Map([
  [0, 'hole'],
  [1, 'hole'],
  [2, 'zero'],
  [3, 'zero'],
  [5, 'zero'],
] as const);
/** Sectors that the bitmap block of one chunk covers. */
const CHUNK_SECTORS = 2 ** 23;

export class VhdxMap implements BlockMap {
  readonly sizeBytes: number;
  readonly blockBytes: number;
  readonly logReplayed: boolean;
  private readonly file: HostFile;
  private readonly fileBytes: number;
  private readonly bat: Region;
  /** After so many blocks of data the table has an entry for a block of sector bitmaps. */
  private readonly chunkBlocks: number;
  private readonly entries: DataView;

  constructor(source: HostFile, budget: MetadataBudget) {
    const log = readVhdxHeader(source);
    const file = log === undefined ? source : replayLog(source, log, budget);
    this.file = file;
    this.logReplayed = log !== undefined;
    this.fileBytes = file.size();
    const { bat, metadata } = readRegions(file);
    const { sizeBytes, blockBytes, sectorBytes } = readMetadata(file, metadata);
    this.bat = bat;
    this.sizeBytes = sizeBytes;
    this.blockBytes = blockBytes;
    this.chunkBlocks = (CHUNK_SECTORS * sectorBytes) / blockBytes;
    const blocks = Math.ceil(sizeBytes / blockBytes);
    const entries = blocks + Math.floor(Math.max(0, blocks - 1) / this.chunkBlocks);
    if (entries * 8 > bat.length) throw damaged(file, 'The block allocation table is too small for the disk', bat.offset);
    budget.take(entries * 8);
    this.entries = viewAt(file, bat.offset, entries * 8);
  }

  locate(offset: number): Place {
    const inBlock = offset % this.blockBytes;
    const block = (offset - inBlock) / this.blockBytes;
    const length = this.blockBytes - inBlock;
    const at = (block + Math.floor(block / this.chunkBlocks)) * 8;
    const low = this.entries.getUint32(at, true);
    const state = low & 7;
    const kind = ZERO_STATES.get(state as 0);
    if (kind !== undefined) return { kind, length };
    if (state !== FULLY_PRESENT) throw damaged(this.file, `A block of state ${state} is not possible`, this.bat.offset + at);
    const host = (this.entries.getUint32(at + 4, true) * 4096 + (low >>> 20)) * MIB; // bits 20-63 count MiB
    if (host < MIB) throw damaged(this.file, 'A block is not where it can be', this.bat.offset + at);
    const end = host + Math.min(this.blockBytes, this.sizeBytes - block * this.blockBytes);
    if (end > this.fileBytes) throw cutOff(this.file, `block ${block} of the disk`, end, this.bat.offset + at);
    return { kind: 'data', length, read: into => void into.fill(0, this.file.read(into, host + inBlock)) };
  }

  checkWhole(): void {
    for (let at = 0; at < this.sizeBytes; at += this.blockBytes) this.locate(at);
  }

  [Symbol.dispose](): void {
    this.file[Symbol.dispose]();
  }
}
