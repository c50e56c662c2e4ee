/** CRC-32C (Castagnoli, RFC 3720 appendix B.4): the checksum of VHDX's structures. */
const POLYNOMIAL = 0x82f6_3b78; // reflected

const TABLE = new Uint32Array(256).map((_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
  return crc;
});

export function crc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff;
  for (let i = 0; i < bytes.length; i++) crc = (crc >>> 8) ^ TABLE[(crc ^ bytes[i]!) & 0xff]!;
  return ~crc >>> 0;
}

/** Whether the checksum at byte 4 of a structure is that of the whole with zeroes for the checksum itself; the zeroes stay. */
export function checksumIsRight(view: DataView): boolean {
  const told = view.getUint32(4, true);
  view.setUint32(4, 0, true);
  return crc32c(new Uint8Array(view.buffer, view.byteOffset, view.byteLength)) === told;
}
