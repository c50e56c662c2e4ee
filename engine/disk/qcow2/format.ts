/**
 * The qcow2 format (QEMU, docs/interop/qcow2.txt): numbers, bits and sizes. All fields are big-endian.
 *
 *   guest offset:  | L1 index | L2 index | in cluster |
 *   L1 entry → L2 table (one cluster) → L2 entry → data cluster, zeroes, compressed bytes, or nothing (the backing file)
 *   host cluster:  refcount table entry → refcount block (one cluster) → how many references there are to it
 */
export const MAGIC = 0x514649fb;
export const SECTOR = 512;

export const MIN_CLUSTER_BITS = 9;
export const MAX_CLUSTER_BITS = 21;
/** QEMU's own limits, which every reader may rely on. */
export const MAX_L1_BYTES = 32 << 20;
export const MAX_REFCOUNT_TABLE_BYTES = 8 << 20;
export const MAX_SNAPSHOTS = 65536;
export const MAX_SNAPSHOT_TABLE_BYTES = 64 << 20;
export const MAX_BACKING_NAME = 1023;
/** Tables of one image that are held in memory: a hostile file gets no more. */
export const MAX_METADATA_BYTES = 2 ** 30;

/** L1 and L2 entries, high half. */
export const COPIED = 0x8000_0000;
export const COMPRESSED = 0x4000_0000;
export const OFFSET_HIGH = 0x00ff_ffff;
/** L2 entry, low half, version 3 without extended entries. */
export const ZERO = 1;
/** L1 entry bits 56-62 and 0-8; standard L2 entry bits 56-61 and 1-8: reserved. */
export const L1_RESERVED_HIGH = 0x7f00_0000;
export const L1_RESERVED_LOW = 0x1ff;
export const L2_RESERVED_HIGH = 0x3f00_0000;
export const L2_RESERVED_LOW = 0x1fe;

export const INCOMPATIBLE = { dirty: 1n, corrupt: 2n, externalData: 4n, compressionType: 8n, extendedL2: 16n } as const;
export const COMPATIBLE = { lazyRefcounts: 1n } as const;
export const AUTOCLEAR = { bitmaps: 1n } as const;

export const EXTENSION = {
  end: 0,
  backingFormat: 0xe2792aca,
  featureNames: 0x6803f857,
  bitmaps: 0x23852875,
  /** Ours: a layer's identity, 16 bytes, and its parent's, 16 bytes (docs/formats/disk-images.md). Unknown to QEMU, which keeps it. */
  identity: 0x4361_6972,
} as const;

/** A header extension: who does not know its type ignores it. */
export interface Extension {
  readonly type: number;
  readonly data: Uint8Array;
}

/** What follows from the header and does not change while the image is open. */
export interface Geometry {
  readonly clusterBits: number;
  readonly clusterBytes: number;
  /** 8, or 16 with extended entries. */
  readonly l2EntryBytes: number;
  readonly l2Entries: number;
  /** Guest bytes that one L2 table maps. */
  readonly l2Bytes: number;
  readonly subclusterBytes: number;
  readonly refcountBits: number;
  readonly refcountsPerBlock: number;
}

export function geometryOf(clusterBits: number, refcountOrder: number, extendedL2: boolean): Geometry {
  const clusterBytes = 2 ** clusterBits;
  const l2EntryBytes = extendedL2 ? 16 : 8;
  const l2Entries = clusterBytes / l2EntryBytes;
  return {
    clusterBits,
    clusterBytes,
    l2EntryBytes,
    l2Entries,
    l2Bytes: l2Entries * clusterBytes,
    subclusterBytes: extendedL2 ? clusterBytes / 32 : clusterBytes,
    refcountBits: 2 ** refcountOrder,
    refcountsPerBlock: (clusterBytes * 8) / 2 ** refcountOrder,
  };
}

export const divideUp = (value: number, by: number) => Math.ceil(value / by);
export const roundUp = (value: number, to: number) => Math.ceil(value / to) * to;

/** A 64-bit field that must be exact as a number; what is beyond becomes Infinity, which no bound lets pass. */
export function getU64(view: DataView, at: number): number {
  const value = view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4);
  return value > Number.MAX_SAFE_INTEGER ? Infinity : value;
}

export function setU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, Math.floor(value / 2 ** 32));
  view.setUint32(at + 4, value >>> 0);
}

export const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
