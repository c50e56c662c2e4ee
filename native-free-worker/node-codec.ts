/** Compression and checksums for checkpoint files, from node:zlib. */
import { constants, crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { Codec } from '#engine/checkpoint/ports.ts';

const LEVEL_1 = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

export const nodeCodec: Codec = {
  compress: bytes => zstdCompressSync(bytes, LEVEL_1),
  decompress(bytes, rawLength) {
    const raw = zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, rawLength) });
    if (raw.length !== rawLength) throw new RangeError(`${raw.length} bytes came out instead of ${rawLength}`);
    return raw;
  },
  checksum: bytes => crc32(bytes),
};
