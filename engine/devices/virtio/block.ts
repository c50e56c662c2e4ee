/**
 * The virtio block device (Virtual I/O Device Specification 1.1 § 5.2): one request queue over a drive, many requests under way at once.
 *
 *   request   type u32  reserved u32  sector u64 | data … | status u8      sectors are 512 bytes, whatever the block size
 */
import { bool, defineState, type StateOf } from '../../state/state.ts';
import type { AccessSize, Device, GuestMemory } from '../device.ts';
import type { Drive, DriveRequest, GuestRange } from '../drive.ts';
import { gather, type GuestWrite, scatter, splitRanges, totalLength } from '../guest-ranges.ts';
import type { Chain } from './queue.ts';
import { unitsOf, withTurns } from './turns.ts';
import { virtioState, VirtioPci, type VirtioWiring } from './virtio-pci.ts';

const TYPE = 2;
const MASS_STORAGE_OTHER = 0x018000;
const QUEUE_SIZE = 256;
export const SECTOR = 512;

/** § 5.2.3. */
export const BlockFeature = {
  SizeMax: 1,
  SegMax: 2,
  ReadOnly: 5,
  BlockSize: 6,
  Flush: 9,
  Topology: 10,
  ConfigWce: 11,
  Discard: 13,
  WriteZeroes: 14,
} as const;
const FEATURES = [
  BlockFeature.SizeMax,
  BlockFeature.SegMax,
  BlockFeature.BlockSize,
  BlockFeature.Flush,
  BlockFeature.Topology,
  BlockFeature.ConfigWce,
];
const WRITER_FEATURES = [BlockFeature.Discard, BlockFeature.WriteZeroes];

/** Limits told to the driver. */
const SIZE_MAX = 65536;
const SEG_MAX = QUEUE_SIZE - 2; // header and status take one each
const MAX_SEGMENTS = 32;
const MAX_SEGMENT_SECTORS = 1 << 21;
/** What a driver that heeds them cannot exceed. */
const MAX_REQUEST_BYTES = SIZE_MAX * SEG_MAX;
const PHYSICAL_BLOCK_EXPONENT = 3; // 4 KiB

/** § 5.2.4. */
const Config = {
  Capacity: 0,
  SizeMax: 8,
  SegMax: 12,
  BlockSize: 20,
  PhysicalBlockExponent: 24,
  MinimumIo: 26,
  OptimalIo: 28,
  Writeback: 32,
  MaxDiscardSectors: 36,
  MaxDiscardSegments: 40,
  DiscardAlignment: 44,
  MaxWriteZeroesSectors: 48,
  MaxWriteZeroesSegments: 52,
  WriteZeroesMayUnmap: 56,
} as const;
const CONFIG_BYTES = 60;

/** § 5.2.6. */
const RequestType = { In: 0, Out: 1, Flush: 4, GetId: 8, Discard: 11, WriteZeroes: 13 } as const;
const Status = { Ok: 0, IoError: 1, Unsupported: 2 } as const;
const HEADER_BYTES = 16;
const ID_BYTES = 20;
/** Of a discard or write-zeroes request: sector u64, sectors u32, flags u32. */
const SEGMENT_BYTES = 16;
const SEGMENT_UNMAP = 1 << 0;

export const VirtioBlockState = defineState('virtio-blk', 2, { transport: virtioState(1), writeback: bool }, { 1: withTurns });

/** A chain taken apart. */
interface BlockRequest {
  readonly chain: Chain;
  readonly type: number;
  readonly sector: number;
  readonly dataOut: readonly GuestRange[];
  readonly dataIn: readonly GuestRange[];
  readonly statusGpa: number;
}

export class VirtioBlock implements Device<StateOf<typeof VirtioBlockState>> {
  private readonly drive: Drive;
  private readonly memory: GuestMemory;
  private readonly transport: VirtioPci;
  private writeback = true;

  constructor(wiring: VirtioWiring, drive: Drive) {
    this.drive = drive;
    this.memory = wiring.memory;
    const features = [...FEATURES, ...(drive.readOnly ? [BlockFeature.ReadOnly] : WRITER_FEATURES)];
    this.transport = new VirtioPci(wiring, {
      type: TYPE,
      classCode: MASS_STORAGE_OTHER,
      features: features.reduce<number>((bits, feature) => bits | (1 << feature), 0),
      queueSizes: [QUEUE_SIZE],
      readConfig: () => this.readConfig(),
      writeConfig: (offset, size, value) => this.writeConfig(offset, size, value),
      request: (_queue, chain) => this.request(chain),
      reset: () => {
        this.writeback = true;
        drive.drain();
      },
    });
  }

  // --- configuration ------------------------------------------------------------------------------------------------

  private readConfig() {
    const { sizeBytes, clusterBytes, readOnly } = this.drive;
    const bytes = new Uint8Array(CONFIG_BYTES);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(Config.Capacity, BigInt(Math.floor(sizeBytes / SECTOR)), true);
    view.setUint32(Config.SizeMax, SIZE_MAX, true);
    view.setUint32(Config.SegMax, SEG_MAX, true);
    view.setUint32(Config.BlockSize, SECTOR, true);
    bytes[Config.PhysicalBlockExponent] = PHYSICAL_BLOCK_EXPONENT;
    view.setUint16(Config.MinimumIo, 1 << PHYSICAL_BLOCK_EXPONENT, true);
    view.setUint32(Config.OptimalIo, clusterBytes / SECTOR, true);
    bytes[Config.Writeback] = this.writesThrough ? 0 : 1;
    if (readOnly) return bytes;
    view.setUint32(Config.MaxDiscardSectors, MAX_SEGMENT_SECTORS, true);
    view.setUint32(Config.MaxDiscardSegments, MAX_SEGMENTS, true);
    view.setUint32(Config.DiscardAlignment, clusterBytes / SECTOR, true);
    view.setUint32(Config.MaxWriteZeroesSectors, MAX_SEGMENT_SECTORS, true);
    view.setUint32(Config.MaxWriteZeroesSegments, MAX_SEGMENTS, true);
    bytes[Config.WriteZeroesMayUnmap] = 1;
    return bytes;
  }

  private writeConfig(offset: number, size: AccessSize, value: number) {
    if (offset === Config.Writeback && size === 1 && this.transport.has(BlockFeature.ConfigWce)) this.writeback = value !== 0;
  }

  /** § 5.2.5.1: without FLUSH a driver cannot know of a cache, so there is none. */
  private get writesThrough() {
    return !this.transport.has(BlockFeature.Flush) || !this.writeback;
  }

  // --- requests -----------------------------------------------------------------------------------------------------

  private request(chain: Chain): 'broken' | void {
    const header = gather(this.memory, chain.readable, HEADER_BYTES);
    const writable = totalLength(chain.writable);
    if (header.length < HEADER_BYTES || writable === 0) return 'broken';
    const view = new DataView(header.buffer);
    const [dataIn, status] = splitRanges(chain.writable, writable - 1);
    this.serve({
      chain,
      type: view.getUint32(0, true),
      sector: view.getUint32(12, true) * 2 ** 32 + view.getUint32(8, true),
      dataOut: splitRanges(chain.readable, HEADER_BYTES)[1],
      dataIn,
      statusGpa: status[0]!.gpa,
    });
  }

  private serve(request: BlockRequest) {
    const { type, dataIn, dataOut } = request;
    switch (type) {
      case RequestType.In:
        this.perform(request, this.transfer(request, 'read', dataIn), totalLength(dataIn));
        return;
      case RequestType.Out:
        this.perform(request, this.transfer(request, 'write', dataOut));
        return;
      case RequestType.Flush:
        this.perform(request, [{ kind: 'flush' }]);
        return;
      case RequestType.GetId:
        this.identify(request);
        return;
      case RequestType.Discard:
      case RequestType.WriteZeroes:
        this.perform(request, this.segments(request));
        return;
      default:
        this.refuse(request, Status.Unsupported);
    }
  }

  /** What moves the data, or the status that says why not. */
  private transfer({ sector }: BlockRequest, kind: 'read' | 'write', ranges: readonly GuestRange[]): DriveRequest[] | number {
    const length = totalLength(ranges);
    if (length > MAX_REQUEST_BYTES || !this.fits(sector, length / SECTOR) || (kind === 'write' && this.drive.readOnly))
      return Status.IoError;
    return length === 0 ? [] : [{ kind, offset: sector * SECTOR, ranges }];
  }

  private segments({ type, dataOut }: BlockRequest): DriveRequest[] | number {
    const bytes = gather(this.memory, dataOut, (MAX_SEGMENTS + 1) * SEGMENT_BYTES);
    const count = bytes.length / SEGMENT_BYTES;
    if (this.drive.readOnly || !Number.isInteger(count) || count === 0 || count > MAX_SEGMENTS) return Status.IoError;
    const view = new DataView(bytes.buffer);
    const requests: DriveRequest[] = [];
    for (let at = 0; at < bytes.length; at += SEGMENT_BYTES) {
      const sector = view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
      const sectors = view.getUint32(at + 8, true);
      const flags = view.getUint32(at + 12, true);
      const known = type === RequestType.WriteZeroes ? SEGMENT_UNMAP : 0;
      if ((flags & ~known) !== 0) return Status.Unsupported;
      if (sectors > MAX_SEGMENT_SECTORS || !this.fits(sector, sectors)) return Status.IoError;
      if (sectors === 0) continue;
      const place = { offset: sector * SECTOR, length: sectors * SECTOR };
      if (type === RequestType.Discard) requests.push({ kind: 'discard', ...place });
      else requests.push({ kind: 'write-zeroes', ...place, unmap: (flags & SEGMENT_UNMAP) !== 0 });
    }
    return requests;
  }

  /** Whole sectors, inside the disk. */
  private fits(sector: number, sectors: number) {
    return Number.isInteger(sectors) && sector + sectors <= Math.floor(this.drive.sizeBytes / SECTOR);
  }

  /** Submits everything at once; the request ends with the last of it, and with the first error. `length`: bytes written to data. */
  private perform(request: BlockRequest, work: DriveRequest[] | number, length = 0) {
    if (typeof work === 'number') {
      this.refuse(request, work);
      return;
    }
    const started = this.transport.start(0, request.chain, ending(request, Status.Ok, length), unitsOf(work));
    const changes = work.some(({ kind }) => kind !== 'read' && kind !== 'flush');
    const end = (failed: boolean) => this.transport.finish(started, failed ? ending(request, Status.IoError) : undefined);
    this.submitAll(work, failed => {
      if (!failed && changes && this.writesThrough) this.submitAll([{ kind: 'flush' }], end);
      else end(failed);
    });
  }

  private submitAll(work: readonly DriveRequest[], done: (failed: boolean) => void) {
    let pending = work.length;
    let failed = false;
    if (pending === 0) done(false);
    for (const each of work) {
      this.drive.submit(each, result => {
        failed ||= result === 'error';
        pending--;
        if (pending === 0) done(failed);
      });
    }
  }

  private identify(request: BlockRequest) {
    const id = new Uint8Array(ID_BYTES);
    for (let i = 0; i < ID_BYTES && i < this.drive.serial.length; i++) id[i] = this.drive.serial.charCodeAt(i);
    const writes = scatter(request.dataIn, id);
    const length = writes.reduce((sum, { bytes }) => sum + bytes.length, 0);
    this.transport.finish(this.start(request, Status.Ok, length, writes));
  }

  private refuse(request: BlockRequest, status: number) {
    this.transport.finish(this.start(request, status));
  }

  private start(request: BlockRequest, status: number, length = 0, writes: readonly GuestWrite[] = []) {
    return this.transport.start(0, request.chain, ending(request, status, length, writes));
  }

  // --- state --------------------------------------------------------------------------------------------------------

  reset() {
    this.transport.reset();
  }
  saveState() {
    return { transport: this.transport.save(), writeback: this.writeback };
  }
  loadState(raw: unknown) {
    const state = VirtioBlockState.parse(raw);
    this.transport.load(state.transport);
    this.writeback = state.writeback;
  }
  restored() {
    this.transport.restored();
  }
}

/** The status byte is written last, and counted. */
function ending({ statusGpa }: BlockRequest, status: number, length = 0, writes: readonly GuestWrite[] = []) {
  return { length: length + 1, writes: [...writes, { gpa: statusGpa, bytes: Uint8Array.of(status) }] };
}
