/** A new qcow2 image, version 3. The header is written last: until then the file is no image. */
import { ConfigError } from '../../errors/errors.ts';
import type { Decompressor } from '../../ports/decompressor.ts';
import type { HostFiles } from '../../ports/host-files.ts';
import { folderOf } from '../paths.ts';
import { checkDiskSize, clusterBytesFor } from './cluster-size.ts';
import {
  COMPATIBLE,
  EXTENSION,
  MAX_CLUSTER_BITS,
  MAX_REFCOUNT_TABLE_BYTES,
  MIN_CLUSTER_BITS,
  SECTOR,
  divideUp,
  geometryOf,
  roundUp,
  setU64,
  viewOf,
} from './format.ts';
import { encodeHeader, type Header } from './header.ts';
import { Qcow2Image } from './image.ts';
import { setCount } from './refcount.ts';

export interface Qcow2CreateOptions {
  readonly sizeBytes: number;
  /** A power of two, 512 B to 2 MiB; when not given, 64 KiB or what the size needs. */
  readonly clusterBytes?: number;
  /** Width of a reference count, a power of two to 64; 16 when not given. */
  readonly refcountBits?: number;
  /** `name` as it is to stand in the image: relative to its folder, or absolute. */
  readonly backing?: { readonly name: string; readonly format: 'raw' | 'qcow2' };
  /** The layer's own identity and its parent's, 16 bytes each. */
  readonly identity?: { readonly id: Uint8Array; readonly parentId?: Uint8Array };
  /** The counts are written when the image is closed, and made anew after a crash: new clusters cost one sync less. */
  readonly lazyRefcounts?: boolean;
  /** `tables`: all clusters have their place, without room on the host's disk; `full`: with room. */
  readonly preallocation?: 'tables' | 'full';
}

/** Leaves no file behind when it fails. */
export function createQcow2(files: HostFiles, codec: Decompressor, path: string, options: Qcow2CreateOptions): void {
  const { header, tables } = layOut(options);
  {
    using file = files.createExclusive(path);
    try {
      const { sector, name } = encodeHeader(header, header.geometry.clusterBytes >= 4096 ? 1024 : undefined);
      for (const { offset, bytes } of tables) file.write(bytes, offset);
      file.truncate(header.l1Offset + roundUp(header.l1Entries * 8, header.geometry.clusterBytes));
      if (name !== undefined) file.write(name, header.backingOffset);
      file.sync();
      file.write(sector, 0);
      file.sync();
      if (options.preallocation !== undefined) preallocate(files, codec, path, options.preallocation);
      files.syncFolder(folderOf(path));
    } catch (error) {
      files.remove(path);
      throw error;
    }
  }
}

function preallocate(files: HostFiles, codec: Decompressor, path: string, how: 'tables' | 'full'): void {
  using image = new Qcow2Image(files, codec, path, { writable: true });
  image.preallocate();
  if (how === 'full') {
    const zeroes = new Uint8Array(1 << 20);
    for (let at = 0; at < image.sizeBytes; at += zeroes.length) image.write(at, zeroes.subarray(0, image.sizeBytes - at));
  }
  image.settle();
}

/** | header | refcount table | refcount blocks | L1 table | */
function layOut({
  sizeBytes,
  clusterBytes = clusterBytesFor(sizeBytes),
  refcountBits = 16,
  backing,
  identity,
  lazyRefcounts,
}: Qcow2CreateOptions) {
  const clusterBits = Math.log2(clusterBytes);
  if (!Number.isInteger(clusterBits) || clusterBits < MIN_CLUSTER_BITS || clusterBits > MAX_CLUSTER_BITS)
    throw new ConfigError('DISK_CLUSTER', `A cluster of ${clusterBytes} bytes is not possible: choose a power of two from 512 to 2097152.`);
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0 || sizeBytes % SECTOR !== 0)
    throw new ConfigError('DISK_SIZE', `A disk's size is a multiple of 512 bytes, not ${sizeBytes}.`);
  const refcountOrder = Math.log2(refcountBits);
  if (!Number.isInteger(refcountOrder) || refcountOrder < 0 || refcountOrder > 6)
    throw new ConfigError(
      'DISK_REFCOUNT',
      `Reference counts of ${refcountBits} bits are not possible: choose a power of two from 1 to 64.`,
    );
  const geometry = geometryOf(clusterBits, refcountOrder, false);
  const l1Entries = divideUp(sizeBytes, geometry.l2Bytes);
  checkDiskSize('A disk', sizeBytes, clusterBytes);
  const l1Clusters = divideUp(l1Entries * 8, clusterBytes);
  // A table that has room for the counts of the full image need not grow later.
  const atMost = (divideUp(sizeBytes, clusterBytes) + l1Entries + l1Clusters) * 1.1 + 64;
  const tableClusters = Math.min(
    divideUp(divideUp(atMost, geometry.refcountsPerBlock) * 8, clusterBytes),
    MAX_REFCOUNT_TABLE_BYTES / clusterBytes,
  );
  let blocks = 1;
  while (1 + tableClusters + blocks + l1Clusters > blocks * geometry.refcountsPerBlock) blocks++;
  const used = 1 + tableClusters + blocks + l1Clusters;

  const table = new Uint8Array(tableClusters * clusterBytes);
  const counts = new Uint8Array(blocks * clusterBytes);
  const firstBlock = (1 + tableClusters) * clusterBytes;
  for (let i = 0; i < blocks; i++) setU64(viewOf(table), i * 8, firstBlock + i * clusterBytes);
  for (let i = 0; i < used; i++) setCount({ bytes: counts, view: viewOf(counts) }, i, refcountBits, 1);
  const ids = new Uint8Array(32);
  if (identity) {
    ids.set(identity.id);
    if (identity.parentId) ids.set(identity.parentId, 16);
  }
  const header: Header = {
    version: 3,
    geometry,
    sizeBytes,
    l1Entries,
    l1Offset: firstBlock + blocks * clusterBytes,
    refcountTableOffset: clusterBytes,
    refcountTableClusters: tableClusters,
    snapshots: 0,
    snapshotsOffset: 0,
    incompatible: 0n,
    compatible: lazyRefcounts ? COMPATIBLE.lazyRefcounts : 0n,
    autoclear: 0n,
    refcountOrder,
    compression: 'zlib',
    backing: backing?.name,
    backingOffset: 0,
    backingFormat: backing?.format,
    extensions: identity ? [{ type: EXTENSION.identity, data: ids }] : [],
  };
  return {
    header,
    tables: [
      { offset: clusterBytes, bytes: table },
      { offset: firstBlock, bytes: counts },
    ],
  };
}
