/**
 * What a VHDX file says about itself (Microsoft, MS-VHDX). All fields are little-endian.
 *
 *   | file id | header 1 | header 2 | region table 1 | region table 2 | log, block allocation table (BAT), metadata, blocks …
 *   0         64 KiB     128 KiB    192 KiB          256 KiB          1 MiB: anywhere from here on
 */
import type { HostFile } from '../../ports/host-files.ts';
import { NO_GUID, asciiAt, damaged, guidAt, littleU64, unsupported, viewAt } from '../fields.ts';
import { checksumIsRight } from './crc32c.ts';
import type { LogPlace } from './log.ts';

export const SIGNATURE = 'vhdxfile';
const KIB64 = 65536;
const MIB = 1 << 20;
export const HEADERS_AT = [KIB64, 2 * KIB64];
export const REGION_TABLES_AT = [3 * KIB64, 4 * KIB64];
const HEADER_BYTES = 4096;
const MAX_TABLE_ENTRIES = 2047;

const REGION_BAT = '2dc27766-f623-4200-9d64-115e9bfd4a08';
const REGION_METADATA = '8b7ca206-4790-4b9a-b8fe-575f050f886e';

export interface Region {
  readonly offset: number;
  readonly length: number;
}

export interface Regions {
  readonly bat: Region;
  readonly metadata: Region;
}

/** Checks the header that is in force. Answers where the log is, when it has something to say: what it protects is not in place then. */
export function readVhdxHeader(file: HostFile): LogPlace | undefined {
  if (asciiAt(viewAt(file, 0, 8), 0, 8) !== SIGNATURE) throw unsupported(file, 'this is not a VHDX image.');
  let current: DataView | undefined;
  for (const at of HEADERS_AT) {
    const view = viewAt(file, at, HEADER_BYTES);
    if (asciiAt(view, 0, 4) !== 'head' || !checksumIsRight(view)) continue;
    if (current === undefined || view.getBigUint64(8, true) > current.getBigUint64(8, true)) current = view;
  }
  if (current === undefined) throw damaged(file, 'Neither of its headers is whole', HEADERS_AT[0]);
  const version = current.getUint16(66, true);
  if (version !== 1) throw unsupported(file, `VHDX version ${version} is not known.`);
  const guid = guidAt(current, 48);
  if (guid === NO_GUID) return undefined;
  return { guid, version: current.getUint16(64, true), length: current.getUint32(68, true), offset: littleU64(current, 72) };
}

/** The first region table that is whole. */
export function readRegions(file: HostFile): Regions {
  const table = REGION_TABLES_AT.map(at => viewAt(file, at, KIB64)).find(view => asciiAt(view, 0, 4) === 'regi' && checksumIsRight(view));
  if (table === undefined) throw damaged(file, 'Neither of its region tables is whole', REGION_TABLES_AT[0]);
  const found = new Map<string, Region>();
  const entries = table.getUint32(8, true);
  if (entries > MAX_TABLE_ENTRIES) throw damaged(file, `A region table of ${entries} entries is not possible`, REGION_TABLES_AT[0]);
  for (let at = 16; at < 16 + entries * 32; at += 32) {
    const guid = guidAt(table, at);
    const region = { offset: littleU64(table, at + 16), length: table.getUint32(at + 24, true) };
    const known = guid === REGION_BAT || guid === REGION_METADATA;
    if (!known && table.getUint32(at + 28, true) & 1) throw unsupported(file, `it needs the region ${guid}, which is not supported.`);
    if (!known) continue;
    if (region.offset % MIB !== 0 || region.offset < MIB || !(region.offset + region.length <= file.size()) || found.has(guid))
      throw damaged(file, 'A region is not where it can be', REGION_TABLES_AT[0]);
    found.set(guid, region);
  }
  const [bat, metadata] = [found.get(REGION_BAT), found.get(REGION_METADATA)];
  if (bat === undefined || metadata === undefined) throw damaged(file, 'The region table lacks a region', REGION_TABLES_AT[0]);
  return { bat, metadata };
}
