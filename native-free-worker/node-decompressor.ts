/** Decompression of disk images' clusters, from node:zlib. */
import { inflateRawSync, inflateSync, zstdDecompressSync } from 'node:zlib';
import type { Decompressor } from '#engine/ports/decompressor.ts';

export const nodeDecompressor: Decompressor = {
  inflateRaw: (bytes, maxBytes) => inflateRawSync(bytes, { maxOutputLength: maxBytes }),
  inflate: (bytes, maxBytes) => inflateSync(bytes, { maxOutputLength: maxBytes }),
  zstd: (bytes, maxBytes) => zstdDecompressSync(bytes, { maxOutputLength: maxBytes }),
};
