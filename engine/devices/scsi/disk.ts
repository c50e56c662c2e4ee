/** A disk as a SCSI unit (SBC-3): blocks of 512 bytes, thin provisioning, a write cache that the caching mode page turns off. */
import { bool, struct } from '../../state/state.ts';
import { type Drive, type DriveRequest, MAX_BUFFERED_BYTES } from '../drive.ts';
import {
  BLOCK_BYTES,
  blockCharacteristics,
  blockLimits,
  capacity10,
  capacity16,
  MAX_TRANSFER_BLOCKS,
  MAX_UNMAP_BLOCKS,
  MAX_UNMAP_DESCRIPTORS,
  MAX_WRITE_SAME_BLOCKS,
  provisioning,
} from './block-pages.ts';
import { type Blocks, blocksOf, cdbLength, Op, u16be, u32be, u64be } from './cdb.ts';
import { fixedPage, type ModeData, modeSelectLength, modeSelectPages, modeSense } from './mode.ts';
import { INVALID_FIELD_IN_CDB, INVALID_PARAMETER, OUT_OF_RANGE, PARAMETER_LIST_LENGTH, type Sense, WRITE_PROTECTED } from './sense.ts';
import { check, dataIn, GOOD, type ScsiStep } from './step.ts';
import { ScsiUnit, ScsiUnitState } from './unit.ts';

const FUA = 1 << 3; // in the second byte of a 10-byte or longer WRITE
const BYTCHK = 0x06;
const NDOB = 1 << 0; // WRITE SAME (16) without data: zeros
const LBDATA_PBDATA = 0x06;
const UNMAP = 1 << 3;
const ANCHOR = 1 << 4;
const UNMAP_ANCHOR = 1 << 0;
const UNMAP_HEADER_BYTES = 8;
const UNMAP_DESCRIPTOR_BYTES = 16;
const READ_CAPACITY_16 = 0x10;
/** Mode parameter header of a disk: write protected; DPO and FUA are known. */
const WP = 0x80;
const DPOFUA = 0x10;
const CACHING = 0x08;
const WCE = 1 << 2;

function caching(flags: number) {
  const page = new Uint8Array(20);
  page.set([CACHING, page.length - 2, flags]);
  return page;
}

export const ScsiDiskState = struct({ unit: ScsiUnitState, writeCache: bool });

export class ScsiDisk extends ScsiUnit {
  readonly stateField = ScsiDiskState;
  readonly blockBytes = BLOCK_BYTES;
  readonly drive: Drive;
  private readonly blocks: number;
  private writeCache: boolean;

  constructor(drive: Drive) {
    super({ type: 0, removable: false, product: 'Virtual disk', serial: drive.serial });
    this.drive = drive;
    this.writeCache = !drive.writeThrough;
    this.blocks = Math.floor(drive.sizeBytes / BLOCK_BYTES);
    this.addReads();
    this.addWrites();
    this.addRest();
    this.addReportOperationCodes();
  }

  private addReads() {
    const read = (cdb: Uint8Array) => this.transfer(cdb, 'read');
    this.add(Op.Read6, { usage: '1fffffff00', run: read });
    this.add(Op.Read10, { usage: '18ffffffff00ffff00', run: read });
    this.add(Op.Read12, { usage: '18ffffffffffffffff0000', run: read });
    this.add(Op.Read16, { usage: '18ffffffffffffffffffffffff0000', run: read });
    const verify = (cdb: Uint8Array) => this.verify(cdb);
    this.add(Op.Verify10, { usage: '16ffffffff00ffff00', run: verify });
    this.add(Op.Verify12, { usage: '16ffffffffffffffff0000', run: verify });
    this.add(Op.Verify16, { usage: '16ffffffffffffffffffffffff0000', run: verify });
    this.add(Op.ReadCapacity10, { usage: '000000000000000000', run: () => dataIn(capacity10(this.blocks, BLOCK_BYTES), 8) });
    this.add(Op.ServiceActionIn16, {
      usage: '1f0000000000000000ffffffff0000',
      serviceAction: READ_CAPACITY_16,
      run: cdb => dataIn(capacity16(this.drive), u32be(cdb, 10)),
    });
  }

  private addWrites() {
    const write = (cdb: Uint8Array) => this.transfer(cdb, 'write');
    this.add(Op.Write6, { usage: '1fffffff00', run: write });
    this.add(Op.Write10, { usage: '18ffffffff00ffff00', run: write });
    this.add(Op.Write12, { usage: '18ffffffffffffffff0000', run: write });
    this.add(Op.Write16, { usage: '18ffffffffffffffffffffffff0000', run: write });
    this.add(Op.WriteSame10, { usage: '1effffffff00ffff00', run: cdb => this.writeSame(cdb) });
    this.add(Op.WriteSame16, { usage: '1fffffffffffffffffffffffff0000', run: cdb => this.writeSame(cdb) });
    this.add(Op.Unmap, { usage: '010000000000ffff00', run: cdb => this.unmap(cdb) });
    const synchronize = (cdb: Uint8Array) => this.synchronize(cdb);
    this.add(Op.SynchronizeCache10, { usage: '02ffffffff00ffff00', run: synchronize });
    this.add(Op.SynchronizeCache16, { usage: '02ffffffffffffffffffffffff0000', run: synchronize });
  }

  private addRest() {
    const sense = (cdb: Uint8Array) => modeSense(cdb, this.modeData());
    this.add(Op.ModeSense6, { usage: '08ffffff00', run: sense });
    this.add(Op.ModeSense10, { usage: '08ffff000000ffff00', run: sense });
    const select = (cdb: Uint8Array) => this.modeSelect(cdb);
    this.add(Op.ModeSelect6, { usage: '110000ff00', run: select });
    this.add(Op.ModeSelect10, { usage: '110000000000ffff00', run: select });
    this.add(Op.StartStopUnit, { usage: '010000f300', run: () => GOOD }); // always spinning
    this.add(Op.SendDiagnostic, { usage: '0400000000', run: () => GOOD }); // the self-test
  }

  protected ready(): ScsiStep {
    return GOOD;
  }

  // --- blocks -------------------------------------------------------------------------------------------------------

  private inside({ first, count }: Blocks) {
    return first + count <= this.blocks;
  }

  private transfer(cdb: Uint8Array, kind: 'read' | 'write'): ScsiStep {
    const blocks = blocksOf(cdb);
    if (!this.inside(blocks)) return check(OUT_OF_RANGE);
    if (kind === 'write' && this.drive.readOnly) return check(WRITE_PROTECTED);
    if (blocks.count > MAX_TRANSFER_BLOCKS) return check(INVALID_FIELD_IN_CDB);
    if (blocks.count === 0) return GOOD;
    const place = { offset: blocks.first * BLOCK_BYTES, length: blocks.count * BLOCK_BYTES };
    if (kind === 'read') return { kind, ...place };
    const fua = cdbLength(cdb[0]!) !== 6 && (cdb[1]! & FUA) !== 0;
    return { kind, ...place, durable: this.flushes(fua) };
  }

  /** Whether a change ends with a flush. */
  private flushes(fua: boolean) {
    return (fua || !this.writeCache) && !this.drive.writeThrough;
  }

  private verify(cdb: Uint8Array): ScsiStep {
    if ((cdb[1]! & BYTCHK) !== 0) return check(INVALID_FIELD_IN_CDB);
    return this.inside(blocksOf(cdb)) ? GOOD : check(OUT_OF_RANGE);
  }

  private synchronize(cdb: Uint8Array): ScsiStep {
    if (!this.inside(blocksOf(cdb))) return check(OUT_OF_RANGE);
    return { kind: 'requests', requests: [{ kind: 'flush' }], durable: false };
  }

  private writeSame(cdb: Uint8Array): ScsiStep {
    const blocks = blocksOf(cdb);
    const long = cdbLength(cdb[0]!) === 16;
    const flags = cdb[1]!;
    const noData = long && (flags & NDOB) !== 0;
    if ((flags & (ANCHOR | LBDATA_PBDATA)) !== 0 || blocks.count === 0 || blocks.count > MAX_WRITE_SAME_BLOCKS) {
      return check(INVALID_FIELD_IN_CDB);
    }
    if (!this.inside(blocks)) return check(OUT_OF_RANGE);
    if (this.drive.readOnly) return check(WRITE_PROTECTED);
    return noData ? this.same(cdb, new Uint8Array(BLOCK_BYTES)) : { kind: 'data-out', length: BLOCK_BYTES };
  }

  private same(cdb: Uint8Array, block: Uint8Array): ScsiStep {
    const { first, count } = blocksOf(cdb);
    const offset = first * BLOCK_BYTES;
    const length = count * BLOCK_BYTES;
    if (block.every(byte => byte === 0)) {
      return this.changes([{ kind: 'write-zeroes', offset, length, unmap: (cdb[1]! & UNMAP) !== 0 }]);
    }
    const pattern = new Uint8Array(Math.min(length, MAX_BUFFERED_BYTES));
    for (let at = 0; at < pattern.length; at += BLOCK_BYTES) pattern.set(block, at);
    const requests: DriveRequest[] = [];
    for (let done = 0; done < length; done += pattern.length) {
      requests.push({ kind: 'write-bytes', offset: offset + done, bytes: pattern.subarray(0, length - done) });
    }
    return this.changes(requests);
  }

  private unmap(cdb: Uint8Array): ScsiStep {
    if ((cdb[1]! & UNMAP_ANCHOR) !== 0) return check(INVALID_FIELD_IN_CDB);
    if (this.drive.readOnly) return check(WRITE_PROTECTED);
    const length = u16be(cdb, 7);
    if (length === 0) return GOOD;
    return length < UNMAP_HEADER_BYTES ? check(PARAMETER_LIST_LENGTH) : { kind: 'data-out', length };
  }

  /** All descriptors are checked before the first is followed. */
  private unmapList(list: Uint8Array): ScsiStep {
    const bytes = Math.min(u16be(list, 2), list.length - UNMAP_HEADER_BYTES);
    const descriptors = Math.floor(bytes / UNMAP_DESCRIPTOR_BYTES);
    if (descriptors > MAX_UNMAP_DESCRIPTORS) return check(INVALID_PARAMETER);
    const requests: DriveRequest[] = [];
    let total = 0;
    for (let i = 0; i < descriptors; i++) {
      const at = UNMAP_HEADER_BYTES + i * UNMAP_DESCRIPTOR_BYTES;
      const blocks = { first: u64be(list, at), count: u32be(list, at + 8) };
      if (!this.inside(blocks)) return check(OUT_OF_RANGE);
      total += blocks.count;
      if (blocks.count === 0) continue;
      requests.push({ kind: 'discard', offset: blocks.first * BLOCK_BYTES, length: blocks.count * BLOCK_BYTES });
    }
    return total > MAX_UNMAP_BLOCKS ? check(INVALID_PARAMETER) : this.changes(requests);
  }

  private changes(requests: readonly DriveRequest[]): ScsiStep {
    return requests.length === 0 ? GOOD : { kind: 'requests', requests, durable: this.flushes(false) };
  }

  // --- parameters ---------------------------------------------------------------------------------------------------

  parameters(cdb: Uint8Array, list: Uint8Array): ScsiStep {
    switch (cdb[0]) {
      case Op.Unmap:
        return list.length < UNMAP_HEADER_BYTES ? check(PARAMETER_LIST_LENGTH) : this.unmapList(list);
      case Op.ModeSelect6:
      case Op.ModeSelect10:
        return this.setModes(cdb, list);
      default:
        return list.length < BLOCK_BYTES ? check(PARAMETER_LIST_LENGTH) : this.same(cdb, list.subarray(0, BLOCK_BYTES));
    }
  }

  /** Read-write error recovery, caching, control (SBC-3 § 6.5, SPC-4 § 7.5.8). */
  private modeData(): ModeData {
    const blockDescriptor = new Uint8Array(8);
    const view = new DataView(blockDescriptor.buffer);
    view.setUint32(0, Math.min(this.blocks, 0xffffffff));
    view.setUint32(4, BLOCK_BYTES);
    return {
      mediumType: 0,
      deviceSpecific: DPOFUA | (this.drive.readOnly ? WP : 0),
      blockDescriptor,
      pages: [
        fixedPage(0x01, 0x0a, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0), // blocks are reallocated by itself
        { current: caching(this.writeCache ? WCE : 0), initial: caching(this.drive.writeThrough ? 0 : WCE), changeable: caching(WCE) },
        fixedPage(0x0a, 0x0a, 0, 0x10, 0, 0, 0, 0, 0, 0, 0, 0), // unrestricted reordering
      ],
    };
  }

  private modeSelect(cdb: Uint8Array): ScsiStep {
    const length = modeSelectLength(cdb);
    if (typeof length !== 'number') return check(length);
    return length === 0 ? GOOD : { kind: 'data-out', length };
  }

  /** Turning the cache off makes durable what was in it. */
  private setModes(cdb: Uint8Array, list: Uint8Array): ScsiStep {
    const pages: Uint8Array[] | Sense = modeSelectPages(cdb, list, this.modeData());
    if (!Array.isArray(pages)) return check(pages);
    const caching = pages.findLast(page => page[0] === CACHING);
    if (!caching) return GOOD;
    const on = (caching[2]! & WCE) !== 0;
    const flush = this.writeCache && !on;
    this.writeCache = on;
    return flush ? { kind: 'requests', requests: [{ kind: 'flush' }], durable: false } : GOOD;
  }

  protected vitalProductData() {
    return new Map<number, Uint8Array>([
      ...this.identification(),
      [0xb0, blockLimits(this.drive)],
      [0xb1, blockCharacteristics()],
      [0xb2, provisioning(this.drive)],
    ]);
  }

  // --- state --------------------------------------------------------------------------------------------------------

  override reset() {
    super.reset();
    this.writeCache = !this.drive.writeThrough;
  }
  save() {
    return { unit: this.saveUnit(), writeCache: this.writeCache };
  }
  load(raw: unknown) {
    const state = ScsiDiskState.parse(raw, 'scsi-disk');
    this.loadUnit(state.unit);
    this.writeCache = state.writeCache;
  }
}
