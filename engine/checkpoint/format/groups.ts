/** The group table: where each independently compressed group of pages lies. */
import { PAGE_SIZE } from '../../memory/layout.ts';
import { CODEC_RAW, CODEC_ZSTD, GROUP_PAGES, GROUP_RECORD, MAX_GPPNS, MAX_GROUPS } from './layout.ts';

export interface Group {
  readonly offset: number;
  readonly storedLength: number;
  readonly checksum: number;
  readonly pages: number;
  readonly codec: number;
}

export function encodeGroups(groups: readonly Group[]): Uint8Array {
  const bytes = new Uint8Array(groups.length * GROUP_RECORD);
  const view = new DataView(bytes.buffer);
  groups.forEach((group, index) => {
    const at = index * GROUP_RECORD;
    view.setBigUint64(at, BigInt(group.offset), true);
    view.setUint32(at + 8, group.storedLength, true);
    view.setUint32(at + 12, group.checksum, true);
    view.setUint16(at + 16, group.pages, true);
    view.setUint16(at + 18, group.codec, true);
  });
  return bytes;
}

/** Undefined when it is not one. `overhead`: what encryption adds to each group. That the groups lie where groups may lie is for the reader to see. */
export function decodeGroups(bytes: Uint8Array, overhead = 0): Group[] | undefined {
  if (bytes.length % GROUP_RECORD !== 0 || bytes.length / GROUP_RECORD > MAX_GROUPS) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const groups: Group[] = [];
  let pages = 0;
  for (let at = 0; at < bytes.length; at += GROUP_RECORD) {
    const offset = view.getUint32(at, true) + view.getUint32(at + 4, true) * 2 ** 32;
    const group = {
      offset,
      storedLength: view.getUint32(at + 8, true),
      checksum: view.getUint32(at + 12, true),
      pages: view.getUint16(at + 16, true),
      codec: view.getUint16(at + 18, true),
    };
    const rawLength = group.pages * PAGE_SIZE;
    const packedLength = group.storedLength - overhead;
    const lengthFits = group.codec === CODEC_RAW ? packedLength === rawLength : group.codec === CODEC_ZSTD && packedLength < rawLength;
    if (
      offset > Number.MAX_SAFE_INTEGER ||
      group.pages < 1 ||
      group.pages > GROUP_PAGES ||
      !lengthFits ||
      view.getUint32(at + 20, true) !== 0
    )
      return undefined;
    groups.push(group);
    pages += group.pages;
  }
  // Each page of a machine is stored once at most: a small file must not unpack to terabytes.
  return pages <= MAX_GPPNS ? groups : undefined;
}
