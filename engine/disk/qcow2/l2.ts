/** L2 entries: what a guest cluster is. Standard entries have 8 bytes, extended ones 16: a bit per subcluster for “allocated” and for “zero”. */
import { COMPRESSED, COPIED, L2_RESERVED_HIGH, L2_RESERVED_LOW, OFFSET_HIGH, SECTOR, ZERO, type Geometry } from './format.ts';
import type { Table } from './table.ts';

/** `mixed`: its subclusters differ. */
export type ClusterKind = 'hole' | 'zero' | 'data' | 'compressed' | 'mixed';

export interface Cluster {
  readonly kind: ClusterKind;
  /** Where its bytes are in the file; 0 without any. Zero and hole clusters may have room, too. */
  readonly hostOffset: number;
  /** Only this table refers to that place: it may be written. */
  readonly copied: boolean;
  /** Bytes from hostOffset on that a compressed cluster may take. */
  readonly compressedBytes: number;
  /** Subclusters: a bit each. */
  readonly allocated: number;
  readonly zeroes: number;
}

const HOLE: Cluster = { kind: 'hole', hostOffset: 0, copied: false, compressedBytes: 0, allocated: 0, zeroes: 0 };
const ALL = 0xffff_ffff;

/** undefined: no such entry is possible. */
export function decodeEntry(table: Table, index: number, geometry: Geometry, version: 2 | 3): Cluster | undefined {
  const extended = geometry.l2EntryBytes === 16;
  const at = index * geometry.l2EntryBytes;
  const high = table.view.getUint32(at);
  const low = table.view.getUint32(at + 4);
  if (!extended && high === 0 && low === 0) return HOLE;
  if (high & COMPRESSED)
    return extended && (table.view.getUint32(at + 8) || table.view.getUint32(at + 12))
      ? undefined
      : decodeCompressed(high, low, geometry.clusterBits);
  const hostOffset = (high & OFFSET_HIGH) * 2 ** 32 + ((low & ~L2_RESERVED_LOW & ~ZERO) >>> 0);
  if (high & L2_RESERVED_HIGH || low & L2_RESERVED_LOW || hostOffset % geometry.clusterBytes !== 0) return undefined;
  const common = { hostOffset, copied: (high & COPIED) !== 0, compressedBytes: 0 };
  if (extended) {
    if (low & ZERO) return undefined;
    const zeroes = table.view.getUint32(at + 8);
    const allocated = table.view.getUint32(at + 12);
    if (zeroes & allocated || (allocated !== 0 && hostOffset === 0)) return undefined;
    const kind = allocated === ALL ? 'data' : zeroes === ALL ? 'zero' : zeroes === 0 && allocated === 0 ? 'hole' : 'mixed';
    return { ...common, kind, allocated, zeroes };
  }
  if (low & ZERO) return version === 2 ? undefined : { ...common, kind: 'zero', allocated: 0, zeroes: ALL };
  return hostOffset === 0 ? undefined : { ...common, kind: 'data', allocated: ALL, zeroes: 0 };
}

/** Low x = 62 - (cluster bits - 8) bits: the offset in bytes; then how many sectors it goes on into after its first. */
function decodeCompressed(high: number, low: number, clusterBits: number): Cluster | undefined {
  if (high & COPIED) return undefined;
  const offsetBits = 62 - (clusterBits - 8) - 32; // of the high half
  const hostOffset = (high & (2 ** offsetBits - 1)) * 2 ** 32 + low;
  const sectors = ((high & (COMPRESSED - 1)) >>> offsetBits) + 1;
  if (!Number.isSafeInteger(hostOffset)) return undefined;
  const compressedBytes = sectors * SECTOR - (hostOffset % SECTOR);
  return { kind: 'compressed', hostOffset, copied: false, compressedBytes, allocated: 0, zeroes: 0 };
}

export function encodeData(table: Table, index: number, geometry: Geometry, hostOffset: number): void {
  put(table, index, geometry, (COPIED | Math.floor(hostOffset / 2 ** 32)) >>> 0, hostOffset >>> 0, 0, ALL);
}

/** Zeroes without any room in the file. */
export function encodeZero(table: Table, index: number, geometry: Geometry): void {
  put(table, index, geometry, 0, geometry.l2EntryBytes === 16 ? 0 : ZERO, ALL, 0);
}

export function encodeHole(table: Table, index: number, geometry: Geometry): void {
  put(table, index, geometry, 0, 0, 0, 0);
}

function put(table: Table, index: number, { l2EntryBytes }: Geometry, high: number, low: number, zeroes: number, allocated: number): void {
  const at = index * l2EntryBytes;
  table.view.setUint32(at, high);
  table.view.setUint32(at + 4, low);
  if (l2EntryBytes === 16) {
    table.view.setUint32(at + 8, zeroes);
    table.view.setUint32(at + 12, allocated);
  }
  table.touch(at, l2EntryBytes);
}

/**
 * Are bytes of the cluster missing where a file of `fileBytes` ends? QEMU may leave the last cluster partly unwritten, and ends a compressed one
 * within its last sector: that is no damage.
 */
export function isCutOff({ kind, hostOffset, compressedBytes }: Cluster, fileBytes: number): boolean {
  if (hostOffset === 0) return false;
  return kind === 'compressed' ? hostOffset + compressedBytes >= fileBytes + SECTOR : hostOffset >= fileBytes;
}

/** The host clusters that an entry refers to, as first and count. */
export function hostClusters(cluster: Cluster, { clusterBytes }: Geometry): { readonly first: number; readonly count: number } {
  if (cluster.hostOffset === 0) return { first: 0, count: 0 };
  const first = Math.floor(cluster.hostOffset / clusterBytes);
  if (cluster.kind !== 'compressed') return { first, count: 1 };
  return { first, count: Math.floor((cluster.hostOffset + cluster.compressedBytes - 1) / clusterBytes) - first + 1 };
}
