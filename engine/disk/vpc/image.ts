/** A VHD image, dynamic or fixed, for reading. “vpc” is QEMU's name for the format. */
import type { HostFile } from '../../ports/host-files.ts';
import { cutOff, viewAt } from '../fields.ts';
import type { BlockMap, Place } from '../foreign.ts';
import { roundUp } from '../qcow2/format.ts';
import type { MetadataBudget } from '../qcow2/table.ts';
import { FOOTER_BYTES, SECTOR, hasFooterAtEnd, readDynamicHeader, readVhdFooter, type DynamicHeader } from './header.ts';

const UNALLOCATED = 0xffff_ffff;
const FIXED_BLOCK_BYTES = 2 << 20;

export function openVpc(file: HostFile, budget: MetadataBudget): BlockMap {
  const footer = readVhdFooter(file);
  if (footer.fixed) return new FixedMap(file, footer.sizeBytes);
  return new DynamicMap(file, footer.sizeBytes, readDynamicHeader(file, footer), budget);
}

class FixedMap implements BlockMap {
  readonly sizeBytes: number;
  readonly blockBytes = FIXED_BLOCK_BYTES;
  private readonly file: HostFile;

  constructor(file: HostFile, sizeBytes: number) {
    this.file = file;
    this.sizeBytes = sizeBytes;
  }

  locate(offset: number): Place {
    return { kind: 'data', length: this.sizeBytes - offset, read: into => void into.fill(0, this.file.read(into, offset)) };
  }

  /** The footer's size is checked when it is read. */
  checkWhole(): void {}

  [Symbol.dispose](): void {
    this.file[Symbol.dispose]();
  }
}

class DynamicMap implements BlockMap {
  readonly sizeBytes: number;
  readonly blockBytes: number;
  private readonly file: HostFile;
  private readonly fileBytes: number;
  private readonly header: DynamicHeader;
  /** Before each block's data: a bit for each sector, padded to whole sectors. Sectors that were never written are zeroes in the data, too. */
  private readonly bitmapBytes: number;
  private readonly table: DataView;

  constructor(file: HostFile, sizeBytes: number, header: DynamicHeader, budget: MetadataBudget) {
    this.file = file;
    this.fileBytes = file.size();
    this.sizeBytes = sizeBytes;
    this.header = header;
    this.blockBytes = header.blockBytes;
    this.bitmapBytes = roundUp(Math.ceil(header.blockBytes / SECTOR / 8), SECTOR);
    budget.take(header.entries * 4);
    this.table = viewAt(file, header.tableOffset, header.entries * 4);
  }

  locate(offset: number): Place {
    const inBlock = offset % this.blockBytes;
    const block = (offset - inBlock) / this.blockBytes;
    const length = this.blockBytes - inBlock;
    const sector = this.table.getUint32(block * 4);
    if (sector === UNALLOCATED) return { kind: 'hole', length };
    const host = sector * SECTOR + this.bitmapBytes + inBlock;
    const end = sector * SECTOR + this.bitmapBytes + this.blockBytes;
    if (end > this.fileBytes) throw cutOff(this.file, `block ${block} of the disk`, end, this.header.tableOffset + block * 4);
    return { kind: 'data', length, read: into => void into.fill(0, this.file.read(into, host)) };
  }

  /** Each block was put where the footer had been, and the footer after it: without one at its end the file was cut. */
  checkWhole(): void {
    for (let at = 0; at < this.sizeBytes; at += this.blockBytes) this.locate(at);
    if (!hasFooterAtEnd(this.file)) throw cutOff(this.file, 'its footer', this.fileBytes + FOOTER_BYTES);
  }

  [Symbol.dispose](): void {
    this.file[Symbol.dispose]();
  }
}
