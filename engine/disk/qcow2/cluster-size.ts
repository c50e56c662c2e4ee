/**
 * Which clusters a new image gets, and how large a disk may be with them. All level 2 tables of an image that is full may be in memory at once, so a large disk
 * needs large clusters: 64 KiB do for 4 TiB, 2 MiB for 128.
 */
import { ConfigError } from '../../errors/errors.ts';
import { MAX_CLUSTER_BITS, MAX_L1_BYTES, MAX_METADATA_BYTES } from './format.ts';

const USUAL = 65536;
const LARGEST = 2 ** MAX_CLUSTER_BITS;
/** Smaller clusters of a base are not taken over: each takes a table's entry and a write of its own. */
const SMALLEST_TAKEN_OVER = 4096;
/** A new image takes half of the room for tables, for it may grow. */
const HEADROOM = 2;

/** In bytes. */
export function largestDisk(clusterBytes: number): number {
  const tables = Math.min(MAX_L1_BYTES / 8, MAX_METADATA_BYTES / 2 / clusterBytes);
  return (tables * clusterBytes * clusterBytes) / 8;
}

/** `below`: the clusters of the qcow2 image that the new one lies on; a COW disk copies what its base has in one piece. */
export function clusterBytesFor(sizeBytes: number, below?: number): number {
  let clusterBytes = below === undefined ? USUAL : Math.max(SMALLEST_TAKEN_OVER, below);
  while (clusterBytes < LARGEST && largestDisk(clusterBytes) / HEADROOM < sizeBytes) clusterBytes *= 2;
  return clusterBytes;
}

/** Clusters of `clusterBytes`, or larger ones where the disk has grown too large for them. */
export function clustersThatDo(clusterBytes: number, sizeBytes: number): number {
  return largestDisk(clusterBytes) >= sizeBytes ? clusterBytes : clusterBytesFor(sizeBytes);
}

/** Throws ConfigError when a disk of `sizeBytes` is too large for the clusters. */
export function checkDiskSize(what: string, sizeBytes: number, clusterBytes: number): void {
  if (sizeBytes <= largestDisk(clusterBytes)) return;
  const tib = (bytes: number) => `${bytes / 2 ** 40} TiB`;
  const most = largestDisk(clusterBytes);
  throw new ConfigError(
    'DISK_SIZE',
    `${what} of ${sizeBytes} bytes is too large for clusters of ${clusterBytes} bytes, which do for ${most >= 2 ** 40 ? tib(most) : `${most / 2 ** 30} GiB`}: ` +
      (clusterBytes < LARGEST
        ? `larger ones, up to ${LARGEST} bytes, do for up to ${tib(largestDisk(LARGEST))}.`
        : 'they are the largest that there are.'),
  );
}
