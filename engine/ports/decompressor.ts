/** Decompression of what others wrote. All throw on damaged data and on more than `maxBytes`, and allocate no more than that. */
export interface Decompressor {
  /** Deflate without a header (RFC 1951); bytes after its end are ignored. */
  inflateRaw(bytes: Uint8Array, maxBytes: number): Uint8Array;
  /** The same with its header and checksum (RFC 1950). */
  inflate(bytes: Uint8Array, maxBytes: number): Uint8Array;
  /** One zstd frame (RFC 8878). */
  zstd(bytes: Uint8Array, maxBytes: number): Uint8Array;
}
