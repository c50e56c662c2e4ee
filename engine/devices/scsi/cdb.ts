/** Command descriptor blocks (SPC-4 § 4.3): big-endian fields, and a length that the operation code's group tells. */

/** The longest CDB that a unit decodes: 16 bytes and no variable-length ones. */
export const CDB_BYTES = 16;

export const Op = {
  TestUnitReady: 0x00,
  RequestSense: 0x03,
  Read6: 0x08,
  Write6: 0x0a,
  Inquiry: 0x12,
  ModeSelect6: 0x15,
  ModeSense6: 0x1a,
  StartStopUnit: 0x1b,
  SendDiagnostic: 0x1d,
  PreventAllowRemoval: 0x1e,
  ReadCapacity10: 0x25,
  Read10: 0x28,
  Write10: 0x2a,
  Seek10: 0x2b,
  Verify10: 0x2f,
  SynchronizeCache10: 0x35,
  WriteSame10: 0x41,
  Unmap: 0x42,
  ReadToc: 0x43,
  GetConfiguration: 0x46,
  GetEventStatus: 0x4a,
  ReadDiscInformation: 0x51,
  ModeSelect10: 0x55,
  ModeSense10: 0x5a,
  Read16: 0x88,
  Write16: 0x8a,
  Verify16: 0x8f,
  SynchronizeCache16: 0x91,
  WriteSame16: 0x93,
  ServiceActionIn16: 0x9e,
  ReportLuns: 0xa0,
  MaintenanceIn: 0xa3,
  Read12: 0xa8,
  Write12: 0xaa,
  ReadDvdStructure: 0xad,
  Verify12: 0xaf,
  SetCdSpeed: 0xbb,
  MechanismStatus: 0xbd,
  ReadCd: 0xbe,
} as const;

/** Of the group in bits 7-5 (§ 4.2.5.1); undefined for variable-length and vendor-specific CDBs. */
export function cdbLength(opcode: number): 6 | 10 | 12 | 16 | undefined {
  switch (opcode >> 5) {
    case 0:
      return 6;
    case 1:
    case 2:
      return 10;
    case 4:
      return 16;
    case 5:
      return 12;
    default:
      return undefined;
  }
}

export const u16be = (bytes: Uint8Array, at: number) => (bytes[at]! << 8) | bytes[at + 1]!;
export const u24be = (bytes: Uint8Array, at: number) => (bytes[at]! << 16) | u16be(bytes, at + 1);
export const u32be = (bytes: Uint8Array, at: number) => ((u16be(bytes, at) << 16) | u16be(bytes, at + 2)) >>> 0;
/** Rounded above 2^53, which is beyond every disk. */
export const u64be = (bytes: Uint8Array, at: number) => u32be(bytes, at) * 2 ** 32 + u32be(bytes, at + 4);

export interface Blocks {
  readonly first: number;
  readonly count: number;
}

/** The range in a READ, WRITE, VERIFY, WRITE SAME or SYNCHRONIZE CACHE. Only in the 6-byte form does a count of 0 mean 256. */
export function blocksOf(cdb: Uint8Array): Blocks {
  switch (cdbLength(cdb[0]!)) {
    case 6:
      return { first: u24be(cdb, 1) & 0x1fffff, count: cdb[4]! || 256 };
    case 10:
      return { first: u32be(cdb, 2), count: u16be(cdb, 7) };
    case 12:
      return { first: u32be(cdb, 2), count: u32be(cdb, 6) };
    default:
      return { first: u64be(cdb, 2), count: u32be(cdb, 10) };
  }
}
