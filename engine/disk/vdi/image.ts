/** A VDI image, dynamic or fixed, for reading. */
import type { HostFile } from '../../ports/host-files.ts';
import { cutOff, viewAt } from '../fields.ts';
import type { BlockMap, Place } from '../foreign.ts';
import type { MetadataBudget } from '../qcow2/table.ts';
import { readVdiHeader, type VdiHeader } from './header.ts';

const UNALLOCATED = 0xffff_ffff;
/** Given up by the guest: zeroes. */
const DISCARDED = 0xffff_fffe;

export class VdiMap implements BlockMap {
  readonly sizeBytes: number;
  readonly blockBytes: number;
  private readonly file: HostFile;
  private readonly fileBytes: number;
  private readonly header: VdiHeader;
  private readonly entries: DataView;

  constructor(file: HostFile, budget: MetadataBudget) {
    this.file = file;
    this.header = readVdiHeader(file);
    this.fileBytes = file.size();
    this.sizeBytes = this.header.sizeBytes;
    this.blockBytes = this.header.blockBytes;
    budget.take(this.header.blocks * 4);
    this.entries = viewAt(file, this.header.mapOffset, this.header.blocks * 4);
  }

  locate(offset: number): Place {
    const inBlock = offset % this.blockBytes;
    const block = (offset - inBlock) / this.blockBytes;
    const length = this.blockBytes - inBlock;
    const entry = this.entries.getUint32(block * 4, true);
    if (entry === UNALLOCATED) return { kind: 'hole', length };
    if (entry === DISCARDED) return { kind: 'zero', length };
    const host = this.header.dataOffset + entry * this.blockBytes;
    // The disk's last block may be cut where the disk ends.
    const end = host + Math.min(this.blockBytes, this.sizeBytes - block * this.blockBytes);
    if (end > this.fileBytes) throw cutOff(this.file, `block ${block} of the disk`, end, this.header.mapOffset + block * 4);
    return { kind: 'data', length, read: into => void into.fill(0, this.file.read(into, host + inBlock)) };
  }

  checkWhole(): void {
    for (let at = 0; at < this.sizeBytes; at += this.blockBytes) this.locate(at);
  }

  [Symbol.dispose](): void {
    this.file[Symbol.dispose]();
  }
}
