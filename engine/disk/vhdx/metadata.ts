/** VHDX's metadata region (MS-VHDX 2.6): a table of items, then the items: how large the disk, its blocks and its sectors are. */
import type { HostFile } from '../../ports/host-files.ts';
import { asciiAt, damaged, guidAt, littleU64, unsupported, viewAt } from '../fields.ts';
import type { Region } from './header.ts';

const TABLE_BYTES = 65536;
const MAX_ENTRIES = 2047;
const MIB = 1 << 20;
const MAX_BLOCK_BYTES = 256 * MIB;
const MAX_DISK_BYTES = 64 * 2 ** 40;

const ITEM = {
  fileParameters: 'caa16737-fa36-4d43-b3b6-33f0aa44e76b',
  diskSize: '2fa54224-cd1b-4876-b211-5dbed83bf4b8',
  page83: 'beca12ab-b2e6-4523-93ef-c309e000c746',
  logicalSector: '8141bf1d-a96f-4709-ba47-f233a8faab5f',
  physicalSector: 'cda348c7-445d-4471-9cc9-e9885251c556',
  parentLocator: 'a8d35f2d-b30b-454d-abf7-d3d84834ab0c',
} as const;
const REQUIRED = 4;
const HAS_PARENT = 2;

export interface VhdxMetadata {
  readonly sizeBytes: number;
  readonly blockBytes: number;
  readonly sectorBytes: 512 | 4096;
}

export function readMetadata(file: HostFile, region: Region): VhdxMetadata {
  const items = readItems(file, region);
  const item = (name: string, bytes: number): DataView => {
    const at = items.get(name);
    if (at === undefined) throw damaged(file, 'An item of its metadata is missing', region.offset);
    return viewAt(file, at, bytes);
  };
  const parameters = item(ITEM.fileParameters, 8);
  const blockBytes = parameters.getUint32(0, true);
  if (parameters.getUint32(4, true) & HAS_PARENT)
    throw unsupported(file, 'it is a differencing VHDX image, which needs another: merge it with its parent, then convert that.');
  if (blockBytes < MIB || blockBytes > MAX_BLOCK_BYTES || (blockBytes & (blockBytes - 1)) !== 0)
    throw damaged(file, `Blocks of ${blockBytes} bytes are not possible`, region.offset);
  const sectorBytes = item(ITEM.logicalSector, 4).getUint32(0, true);
  if (sectorBytes !== 512 && sectorBytes !== 4096) throw damaged(file, `Sectors of ${sectorBytes} bytes are not possible`, region.offset);
  const sizeBytes = littleU64(item(ITEM.diskSize, 8), 0);
  if (!(sizeBytes <= MAX_DISK_BYTES) || sizeBytes % sectorBytes !== 0)
    throw damaged(file, `A disk of ${sizeBytes} bytes is not possible`, region.offset);
  return { sizeBytes, blockBytes, sectorBytes };
}

/** Where each item that is known is. */
function readItems(file: HostFile, region: Region): Map<string, number> {
  const table = viewAt(file, region.offset, TABLE_BYTES);
  if (region.length < TABLE_BYTES || asciiAt(table, 0, 8) !== 'metadata') throw damaged(file, 'There is no metadata table', region.offset);
  const entries = table.getUint16(10, true);
  if (entries > MAX_ENTRIES) throw damaged(file, `A metadata table of ${entries} entries is not possible`, region.offset);
  const items = new Map<string, number>();
  for (let at = 32; at < 32 + entries * 32; at += 32) {
    const guid = guidAt(table, at);
    const known = Object.values(ITEM).some(name => name === guid);
    if (!known && table.getUint32(at + 24, true) & REQUIRED)
      throw unsupported(file, `it needs the metadata item ${guid}, which is not supported.`);
    const offset = table.getUint32(at + 16, true);
    if (known && (offset < TABLE_BYTES || offset + table.getUint32(at + 20, true) > region.length))
      throw damaged(file, 'An item of its metadata is not where it can be', region.offset + at);
    if (known) items.set(guid, region.offset + offset);
  }
  return items;
}
