/** The table of contents of a disc with one session of one data track (MMC-6 § 6.26), and what READ DISC INFORMATION says of it. */
import { u16be } from './cdb.ts';
import { INVALID_FIELD_IN_CDB, type Sense } from './sense.ts';

const MSF = 1 << 1;
const DATA_TRACK = 0x14; // control: data, copying forbidden; ADR 1
const TRACK = 1;
const LEAD_OUT = 0xaa;
/** Blocks before logical block 0: two seconds. */
const PREGAP = 150;
const BLOCKS_PER_SECOND = 75;

/** Minute, second and frame, bounded to what three bytes hold. */
function msf(block: number): [number, number, number] {
  const at = Math.min(block + PREGAP, 255 * 60 * BLOCKS_PER_SECOND);
  return [Math.floor(at / (60 * BLOCKS_PER_SECOND)), Math.floor(at / BLOCKS_PER_SECOND) % 60, at % BLOCKS_PER_SECOND];
}
const u32 = (value: number) => [value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff];

export function readToc(cdb: Uint8Array, blocks: number): Uint8Array | Sense {
  const inMsf = (cdb[1]! & MSF) !== 0;
  const address = (block: number) => (inMsf ? [0, ...msf(block)] : u32(block));
  const format = cdb[2]! & 0x0f || cdb[9]! >> 6; // the older place of the field
  const start = cdb[6]!;
  switch (format) {
    case 0:
      if (start > TRACK && start !== LEAD_OUT) return INVALID_FIELD_IN_CDB;
      return withLength([
        ...[TRACK, TRACK],
        ...(start <= TRACK ? [0, DATA_TRACK, TRACK, 0, ...address(0)] : []),
        ...[0, DATA_TRACK, LEAD_OUT, 0, ...address(blocks)],
      ]);
    case 1: // the last session and its first track
      return withLength([1, 1, 0, DATA_TRACK, TRACK, 0, ...address(0)]);
    case 2: {
      const point = (pointer: number, at: readonly number[]) => [1, DATA_TRACK, 0, pointer, 0, 0, 0, 0, ...at];
      const tracks = [...point(0xa0, [TRACK, 0, 0]), ...point(0xa1, [TRACK, 0, 0])];
      return withLength([1, 1, ...tracks, ...point(0xa2, msf(blocks)), ...point(TRACK, msf(0))]);
    }
    default:
      return INVALID_FIELD_IN_CDB;
  }
}

function withLength(body: readonly number[]) {
  return Uint8Array.of(body.length >> 8, body.length & 0xff, ...body);
}

/** MMC-6 § 6.21: complete, not erasable, one session of one track. */
export function discInformation(): Uint8Array {
  const bytes = new Uint8Array(34);
  bytes[1] = bytes.length - 2;
  bytes[2] = 0x0e;
  bytes.fill(1, 3, 7); // first track, sessions, first and last track of the last session
  bytes[7] = 0x20; // unrestricted use
  return bytes;
}

/** READ DVD STRUCTURE, format 0 (MMC-6 § 6.22.3.2.1): one embossed layer that begins at physical sector 30000h. */
export function dvdStructure(cdb: Uint8Array, blocks: number): Uint8Array | Sense {
  if (cdb[7] !== 0 || cdb[6] !== 0) return INVALID_FIELD_IN_CDB;
  const FIRST_SECTOR = 0x30000;
  const bytes = new Uint8Array(4 + 2048);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, bytes.length - 2);
  view.setUint32(4, 0x01020100); // DVD-ROM version 1; 120 mm, 10.08 Mb/s; one embossed layer
  view.setUint32(8, FIRST_SECTOR);
  view.setUint32(12, (FIRST_SECTOR + blocks - 1) & 0xffffff);
  return bytes.subarray(0, Math.max(4, u16be(cdb, 8)));
}
