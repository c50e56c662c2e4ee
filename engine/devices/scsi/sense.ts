/** Sense data (SPC-4 § 4.5): why a SCSI command did not end well. */

export const SenseKey = {
  NoSense: 0x0,
  NotReady: 0x2,
  MediumError: 0x3,
  IllegalRequest: 0x5,
  UnitAttention: 0x6,
  DataProtect: 0x7,
  AbortedCommand: 0xb,
} as const;

/** `code`: the additional sense code and its qualifier, ASC in the high byte. */
export interface Sense {
  readonly key: number;
  readonly code: number;
  /** The logical block concerned. */
  readonly block?: number;
}

export const NO_SENSE: Sense = { key: SenseKey.NoSense, code: 0 };
export const INVALID_OPCODE: Sense = { key: SenseKey.IllegalRequest, code: 0x2000 };
export const OUT_OF_RANGE: Sense = { key: SenseKey.IllegalRequest, code: 0x2100 };
export const INVALID_FIELD_IN_CDB: Sense = { key: SenseKey.IllegalRequest, code: 0x2400 };
export const LUN_NOT_SUPPORTED: Sense = { key: SenseKey.IllegalRequest, code: 0x2500 };
export const INVALID_PARAMETER: Sense = { key: SenseKey.IllegalRequest, code: 0x2600 };
export const PARAMETER_LIST_LENGTH: Sense = { key: SenseKey.IllegalRequest, code: 0x1a00 };
export const REMOVAL_PREVENTED: Sense = { key: SenseKey.IllegalRequest, code: 0x5302 };
export const WRITE_PROTECTED: Sense = { key: SenseKey.DataProtect, code: 0x2700 };
export const NO_MEDIUM: Sense = { key: SenseKey.NotReady, code: 0x3a01 }; // tray closed
export const NO_MEDIUM_TRAY_OPEN: Sense = { key: SenseKey.NotReady, code: 0x3a02 };
export const UNRECOVERED_READ: Sense = { key: SenseKey.MediumError, code: 0x1100 };
export const WRITE_ERROR: Sense = { key: SenseKey.MediumError, code: 0x0c00 };

/** Codes of unit attention conditions. */
export const MEDIUM_CHANGED = 0x2800;
export const POWER_ON = 0x2900;

const FIXED = 0x70;
const DESCRIPTOR = 0x72;
const VALID = 0x80;
const FIXED_BYTES = 18;

/** The fixed format (§ 4.5.3); a block number that does not fit its four bytes is left out. */
export function fixedSense({ key, code, block }: Sense): Uint8Array {
  const bytes = new Uint8Array(FIXED_BYTES);
  bytes[0] = FIXED;
  bytes[2] = key;
  if (block !== undefined && block <= 0xffffffff) {
    bytes[0] |= VALID;
    new DataView(bytes.buffer).setUint32(3, block);
  }
  bytes[7] = FIXED_BYTES - 8;
  bytes[12] = code >> 8;
  bytes[13] = code & 0xff;
  return bytes;
}

/** The descriptor format (§ 4.5.2), with an information descriptor if a block is concerned. */
export function descriptorSense({ key, code, block }: Sense): Uint8Array {
  const bytes = new Uint8Array(block === undefined ? 8 : 20);
  bytes[0] = DESCRIPTOR;
  bytes[1] = key;
  bytes[2] = code >> 8;
  bytes[3] = code & 0xff;
  bytes[7] = bytes.length - 8;
  if (block !== undefined) {
    bytes[9] = 10;
    bytes[10] = VALID;
    new DataView(bytes.buffer).setBigUint64(12, BigInt(block));
  }
  return bytes;
}
