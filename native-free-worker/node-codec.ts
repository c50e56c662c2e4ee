/** Compression and checksums for checkpoint files, from node:zlib. */
import { constants, crc32, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import type { Codec } from '#engine/checkpoint/ports.ts';
import { NodeVault } from './node-vault.ts';

export interface CodecOptions {
  /** zstd level 1 to 19, or 0 for none; undefined: 1. Any of them can be read by all. */
  readonly compression?: number | undefined;
  /** What is written is encrypted with it (§109). */
  readonly passphrase?: string | undefined;
}

export function codecOf({ compression = 1, passphrase }: CodecOptions): Codec {
  const options = { params: { [constants.ZSTD_c_compressionLevel]: compression } };
  return {
    compress: bytes => (compression === 0 ? bytes : zstdCompressSync(bytes, options)),
    decompress(bytes, rawLength) {
      const raw = zstdDecompressSync(bytes, { maxOutputLength: Math.max(1, rawLength) });
      if (raw.length !== rawLength) throw new RangeError(`${raw.length} bytes came out instead of ${rawLength}`);
      return raw;
    },
    checksum: bytes => crc32(bytes),
    ...(passphrase !== undefined && { vault: new NodeVault(passphrase) }),
  };
}

/** One for each passphrase, because its keys take long to make. */
export class Codecs {
  private readonly known = new Map<string, Codec>();

  of({ compression, passphrase }: CodecOptions): Codec {
    const name = JSON.stringify([passphrase, compression]);
    const codec = this.known.get(name) ?? codecOf({ compression, passphrase });
    this.known.set(name, codec);
    return codec;
  }
}

export const nodeCodec: Codec = codecOf({});
