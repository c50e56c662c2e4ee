/**
 * The header of a sparse VMDK extent (VMware, Virtual Disk Format 5.0, “Hosted Sparse Extent Header”). All fields are little-endian, places in sectors.
 *
 *   grain directory → grain table (512 entries) → grain: 64 KiB of data; in stream-optimized disks a marker and compressed data
 *
 * A stream-optimized disk was written in one pass: the place of its directory is in a copy of the header at the end, the footer.
 */
import type { HostFile } from '../../ports/host-files.ts';
import { damaged, littleU64, unsupported, viewAt } from '../fields.ts';

export const MAGIC = 0x564d444b; // “KDMV”, read as its bytes are written
export const MAGIC_ESX = 0x44574f43; // “COWD”
export const SECTOR = 512;
const HEADER_BYTES = 512;
const MARKER_FOOTER = 3;
const FLAG_ZERO_GRAINS = 1 << 2;
const FLAG_COMPRESSED = 1 << 16;
const FLAG_MARKERS = 1 << 17;
const COMPRESSION_DEFLATE = 1;
const MAX_GRAIN_SECTORS = 1 << 17;
const MAX_TABLE_ENTRIES = 512;

export interface SparseHeader {
  readonly sizeBytes: number;
  readonly grainBytes: number;
  readonly tableEntries: number;
  readonly directoryOffset: number;
  readonly directoryEntries: number;
  readonly zeroGrains: boolean;
  readonly compressed: boolean;
  readonly markers: boolean;
  /** The embedded text. */
  readonly descriptorOffset: number;
  readonly descriptorBytes: number;
}

export function readSparseHeader(file: HostFile): SparseHeader {
  const fileBytes = file.size();
  let view = viewAt(file, 0, HEADER_BYTES);
  const descriptor = { sector: littleU64(view, 28), sectors: littleU64(view, 36) };
  let at = 0;
  if (view.getUint32(0, true) === MAGIC && view.getUint32(56, true) === 0xffff_ffff && view.getUint32(60, true) === 0xffff_ffff) {
    at = fileBytes - 2 * SECTOR; // footer marker, footer, end of stream
    const marker = at < SECTOR ? undefined : viewAt(file, at - SECTOR, 16);
    if (marker?.getUint32(12, true) !== MARKER_FOOTER) throw damaged(file, 'There is no footer at its end: it is not whole');
    view = viewAt(file, at, HEADER_BYTES);
  }
  if (view.getUint32(0, true) !== MAGIC) throw unsupported(file, 'this is not a sparse VMDK extent.');
  const version = view.getUint32(4, true);
  if (version < 1 || version > 3) throw unsupported(file, `VMDK version ${version} is not known.`);
  const flags = view.getUint32(8, true);
  const capacity = littleU64(view, 12);
  const grainSectors = littleU64(view, 20);
  if (!(grainSectors >= 1 && grainSectors <= MAX_GRAIN_SECTORS) || (grainSectors & (grainSectors - 1)) !== 0)
    throw damaged(file, `Grains of ${grainSectors} sectors are not possible`, at + 20);
  const tableEntries = view.getUint32(44, true);
  if (tableEntries < 1 || tableEntries > MAX_TABLE_ENTRIES)
    throw damaged(file, `Tables of ${tableEntries} entries are not possible`, at + 44);
  const directoryOffset = littleU64(view, 56) * SECTOR;
  const directoryEntries = Math.ceil(capacity / (tableEntries * grainSectors));
  if (!Number.isSafeInteger(capacity * SECTOR)) throw damaged(file, 'The disk is larger than any disk', at + 12);
  if (!(capacity > 0 && directoryOffset + directoryEntries * 4 <= fileBytes))
    throw damaged(file, 'The grain directory is not where it can be', at + 56);
  const compressed = (flags & FLAG_COMPRESSED) !== 0;
  const method = view.getUint16(77, true);
  if (compressed && method !== COMPRESSION_DEFLATE) throw unsupported(file, `compression method ${method} is not known.`);
  return {
    sizeBytes: capacity * SECTOR,
    grainBytes: grainSectors * SECTOR,
    tableEntries,
    directoryOffset,
    directoryEntries,
    zeroGrains: (flags & FLAG_ZERO_GRAINS) !== 0,
    compressed,
    markers: (flags & FLAG_MARKERS) !== 0,
    descriptorOffset: descriptor.sector * SECTOR,
    descriptorBytes: descriptor.sectors * SECTOR,
  };
}
