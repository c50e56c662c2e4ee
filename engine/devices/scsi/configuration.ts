/** What a CD-ROM drive can do: the features of GET CONFIGURATION (MMC-6 § 5.3) and the capabilities page (MMC-3 § 5.5.10). */
import { u16be } from './cdb.ts';

const PROFILE_CD = 0x0008;
const PROFILE_DVD = 0x0010;
const CURRENT = 1 << 0;
const PERSISTENT = 1 << 1;
const version = (value: number) => value << 2;
const RT_CURRENT = 1;
const RT_ONE = 2;

/** Blocks of 2048 bytes that 80 minutes hold: a larger disc is a DVD. */
const MAX_CD_BLOCKS = 80 * 60 * 75;

interface Feature {
  readonly code: number;
  readonly flags: number;
  readonly data: readonly number[];
}

export const isDvd = (blocks: number) => blocks > MAX_CD_BLOCKS;

/** `blocks`: 0 without a disc. */
export function getConfiguration(cdb: Uint8Array, blocks: number): Uint8Array {
  const dvd = isDvd(blocks);
  const profile = blocks === 0 ? 0 : dvd ? PROFILE_DVD : PROFILE_CD;
  const present = blocks === 0 ? 0 : CURRENT;
  const listed = (code: number) => [code >> 8, code & 0xff, code === profile ? CURRENT : 0, 0];
  const features: readonly Feature[] = [
    { code: 0x0000, flags: CURRENT | PERSISTENT, data: [...listed(PROFILE_DVD), ...listed(PROFILE_CD)] },
    { code: 0x0001, flags: CURRENT | PERSISTENT | version(2), data: [0, 0, 0, 2, 1, 0, 0, 0] }, // core: ATAPI, DBE
    { code: 0x0003, flags: CURRENT | PERSISTENT | version(1), data: [0x29, 0, 0, 0] }, // removable: tray, eject, lock
    { code: 0x0010, flags: present, data: [0, 0, 0x08, 0, 0, 1, 0, 0] }, // random readable: 2048 bytes, one block at a time
    { code: 0x001e, flags: dvd ? version(2) : present | version(2), data: [0, 0, 0, 0] }, // CD read
    { code: 0x001f, flags: dvd ? present : 0, data: [] }, // DVD read
  ];
  const request = cdb[1]! & 3;
  const start = u16be(cdb, 2);
  const chosen = features.filter(({ code, flags }) => {
    if (request === RT_ONE) return code === start;
    return code >= start && (request !== RT_CURRENT || (flags & CURRENT) !== 0);
  });
  const body = chosen.flatMap(({ code, flags, data }) => [code >> 8, code & 0xff, flags, data.length, ...data]);
  const length = body.length + 4;
  return Uint8Array.of(0, 0, length >> 8, length & 0xff, 0, 0, profile >> 8, profile & 0xff, ...body);
}

/** Page 2Ah: reads CD-R, CD-RW and DVD-ROM; mode 2; a tray that locks and ejects. `locked`: as it is now. */
export function capabilitiesPage(locked: boolean): Uint8Array {
  const page = new Uint8Array(22);
  const view = new DataView(page.buffer);
  page[0] = 0x2a;
  page[1] = page.length - 2;
  page[2] = 0x0b;
  page[4] = 0x70;
  page[6] = 0x29 | (locked ? 0x02 : 0);
  const SPEED_KB = 24 * 176;
  view.setUint16(8, SPEED_KB);
  view.setUint16(12, 512); // KiB of buffer
  view.setUint16(14, SPEED_KB);
  return page;
}
