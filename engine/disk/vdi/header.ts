/**
 * The VDI header (VirtualBox; as QEMU's block/vdi.c reads it). All fields are little-endian.
 *
 *   | text, 64 bytes | signature … sizes … UUIDs | … | block map: a 32-bit number for each block | … | blocks |
 */
import type { HostFile } from '../../ports/host-files.ts';
import { NO_GUID, damaged, guidAt, littleU64, unsupported, viewAt } from '../fields.ts';

export const SIGNATURE = 0xbeda107f;
const VERSION = 0x0001_0001;
const HEADER_BYTES = 512;
const TYPE_DYNAMIC = 1;
const TYPE_FIXED = 2;
const TYPE_DIFFERENCING = 4;
const SECTOR = 512;
const MIN_BLOCK_BYTES = 4096;
const MAX_BLOCK_BYTES = 256 << 20;

export interface VdiHeader {
  readonly fixed: boolean;
  readonly sizeBytes: number;
  readonly blockBytes: number;
  readonly blocks: number;
  readonly mapOffset: number;
  readonly dataOffset: number;
}

export function readVdiHeader(file: HostFile): VdiHeader {
  const view = viewAt(file, 0, HEADER_BYTES);
  if (view.getUint32(64, true) !== SIGNATURE) throw unsupported(file, 'this is not a VDI image.');
  const version = view.getUint32(68, true);
  if (version !== VERSION) throw unsupported(file, `VDI version ${version >>> 16}.${version & 0xffff} is not known.`);
  const type = view.getUint32(76, true);
  if (type === TYPE_DIFFERENCING || guidAt(view, 424) !== NO_GUID || guidAt(view, 440) !== NO_GUID)
    throw unsupported(file, 'it is a differencing VDI image, which needs another: merge it in VirtualBox, or clone it, then convert that.');
  if (type !== TYPE_DYNAMIC && type !== TYPE_FIXED) throw unsupported(file, `VDI images of type ${type} are not known.`);
  const header = {
    fixed: type === TYPE_FIXED,
    sizeBytes: Math.ceil(littleU64(view, 368) / SECTOR) * SECTOR,
    blockBytes: view.getUint32(376, true),
    blocks: view.getUint32(384, true),
    mapOffset: view.getUint32(340, true),
    dataOffset: view.getUint32(344, true),
  };
  const sectorBytes = view.getUint32(360, true);
  if (sectorBytes !== SECTOR) throw unsupported(file, `sectors of ${sectorBytes} bytes are not supported.`);
  if (view.getUint32(380, true) !== 0) throw unsupported(file, 'blocks with bytes of their own before the data are not supported.');
  const { blockBytes } = header;
  if (blockBytes < MIN_BLOCK_BYTES || blockBytes > MAX_BLOCK_BYTES || (blockBytes & (blockBytes - 1)) !== 0)
    throw damaged(file, `Blocks of ${blockBytes} bytes are not possible`, 376);
  if (header.sizeBytes > header.blocks * blockBytes) throw damaged(file, 'The block map is too small for the disk', 384);
  if (header.mapOffset % SECTOR !== 0 || header.mapOffset < HEADER_BYTES || header.mapOffset + header.blocks * 4 > file.size())
    throw damaged(file, 'The block map is not where it can be', 340);
  if (header.dataOffset % SECTOR !== 0) throw damaged(file, 'The data are not where they can be', 344);
  return header;
}
