/**
 * VHD's footer and dynamic header (Microsoft, Virtual Hard Disk Image Format Specification 1.0). All fields are big-endian.
 *
 *   fixed:    | data | footer |
 *   dynamic:  | copy of the footer | dynamic header | block allocation table | … blocks: a bitmap of sectors, then the data … | footer |
 */
import type { HostFile } from '../../ports/host-files.ts';
import { asciiAt, cutOff, damaged, unsupported, viewAt } from '../fields.ts';
import { getU64 } from '../qcow2/format.ts';

export const COOKIE = 'conectix';
const DYNAMIC_COOKIE = 'cxsparse';
export const FOOTER_BYTES = 512;
const DYNAMIC_BYTES = 1024;
export const SECTOR = 512;
const TYPE_FIXED = 2;
const TYPE_DYNAMIC = 3;
const TYPE_DIFFERENCING = 4;
/** Cylinders, heads and sectors as large as they can be: the disk is larger than its geometry can say. */
const LARGEST_GEOMETRY = 65535 * 16 * 255;
/** 2,040 GiB, the format's limit. */
const MAX_SECTORS = 0xff00_0000;
/** Programs that mean the geometry, and not the size, by the size: Virtual PC, Virtual Server, and QEMU without force_size. All others mean what they write. */
const GEOMETRY_IS_MEANT = ['vpc ', 'vs  ', 'qemu'];

export interface VhdFooter {
  readonly fixed: boolean;
  readonly sizeBytes: number;
  /** Where the dynamic header is. */
  readonly dynamicOffset: number;
}

export interface DynamicHeader {
  readonly tableOffset: number;
  readonly entries: number;
  readonly blockBytes: number;
}

/** The footer: at the start of a dynamic disk there is a copy, in a fixed disk only the last 512 bytes have it. */
export function readVhdFooter(file: HostFile): VhdFooter {
  const fileBytes = file.size();
  let at = 0;
  let view = viewAt(file, at, FOOTER_BYTES);
  if (asciiAt(view, 0, 8) !== COOKIE) {
    at = fileBytes - FOOTER_BYTES;
    if (at >= 0) view = viewAt(file, at, FOOTER_BYTES);
    if (at < 0 || asciiAt(view, 0, 8) !== COOKIE) throw unsupported(file, 'this is not a VHD image.');
  }
  const version = view.getUint32(12);
  if (version >>> 16 !== 1) throw unsupported(file, `VHD version ${version >>> 16} is not known.`);
  if (checksum(view, 64) !== view.getUint32(64)) throw damaged(file, 'The checksum of its footer is wrong', at + 64);
  const type = view.getUint32(60);
  if (type === TYPE_DIFFERENCING)
    throw unsupported(file, 'it is a differencing VHD image, which needs another: merge it with its parent, then convert that.');
  if (type !== TYPE_FIXED && type !== TYPE_DYNAMIC) throw unsupported(file, `VHD images of type ${type} are not known.`);
  const sectors = sectorsOf(view);
  if (!(sectors < MAX_SECTORS)) throw damaged(file, `A disk of ${sectors} sectors is not possible`, at + 48);
  const sizeBytes = sectors * SECTOR;
  if (type === TYPE_FIXED && sizeBytes > fileBytes - FOOTER_BYTES) throw cutOff(file, 'the disk', sizeBytes, at + 48);
  return { fixed: type === TYPE_FIXED, sizeBytes, dynamicOffset: getU64(view, 16) };
}

/** Old programs end their files with 511 bytes of it. */
export function hasFooterAtEnd(file: HostFile): boolean {
  const tail = viewAt(file, Math.max(0, file.size() - FOOTER_BYTES), FOOTER_BYTES);
  return [0, 1].some(at => asciiAt(tail, at, 8) === COOKIE);
}

/** Who made the image decides. QEMU takes the geometry of makers that it does not know, and so cuts the end of their disks off. */
function sectorsOf(footer: DataView): number {
  const geometry = footer.getUint16(56) * footer.getUint8(58) * footer.getUint8(59);
  const sectors = Math.floor(getU64(footer, 48) / SECTOR);
  const byGeometry = geometry !== LARGEST_GEOMETRY && (GEOMETRY_IS_MEANT.includes(asciiAt(footer, 28, 4)) || sectors === 0);
  return byGeometry ? geometry : sectors;
}

export function readDynamicHeader(file: HostFile, { dynamicOffset, sizeBytes }: VhdFooter): DynamicHeader {
  const fileBytes = file.size();
  if (!(dynamicOffset + DYNAMIC_BYTES <= fileBytes)) throw damaged(file, 'The dynamic header is not where it can be', 16);
  const view = viewAt(file, dynamicOffset, DYNAMIC_BYTES);
  if (asciiAt(view, 0, 8) !== DYNAMIC_COOKIE) throw damaged(file, 'There is no dynamic header', dynamicOffset);
  if (checksum(view, 36) !== view.getUint32(36)) throw damaged(file, 'The checksum of its dynamic header is wrong', dynamicOffset + 36);
  const header = { tableOffset: getU64(view, 16), entries: view.getUint32(28), blockBytes: view.getUint32(32) };
  const { blockBytes } = header;
  if (blockBytes < SECTOR || (blockBytes & (blockBytes - 1)) !== 0 || blockBytes > 2 ** 30)
    throw damaged(file, `Blocks of ${blockBytes} bytes are not possible`, dynamicOffset + 32);
  if (header.entries * blockBytes < sizeBytes)
    throw damaged(file, 'The block allocation table is too small for the disk', dynamicOffset + 28);
  if (!(header.tableOffset + header.entries * 4 <= fileBytes))
    throw damaged(file, 'The block allocation table is not where it can be', dynamicOffset + 16);
  return header;
}

/** The complement of the sum of all bytes but the checksum's own. */
export function checksum(view: DataView, ownPlace: number): number {
  let sum = 0;
  for (let at = 0; at < view.byteLength; at++) if (at < ownPlace || at >= ownPlace + 4) sum += view.getUint8(at);
  return ~sum >>> 0;
}
