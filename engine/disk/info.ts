/** What `cairn disk info` tells of an image, as plain JSON. */
import type { DiskFormat } from './block.ts';
import { ForeignImage } from './foreign.ts';
import { openDisk, type DiskHost } from './open.ts';
import { COMPATIBLE, INCOMPATIBLE, SECTOR, roundUp } from './qcow2/format.ts';
import { hasFeature, readHeader, type Header } from './qcow2/header.ts';
import { identityOf } from './qcow2/identity.ts';

export interface DiskInfo {
  readonly path: string;
  readonly format: DiskFormat;
  readonly sizeBytes: number;
  readonly fileBytes: number;
  /** Of what is not raw: what has a place of its own in the file. */
  readonly clusterBytes?: number;
  /** The image was not closed properly: what its log says was read as if it were in place. The file is as it was. */
  readonly logReplayed?: true;
  readonly qcow2?: Qcow2Info;
}

export interface Qcow2Info {
  readonly version: 2 | 3;
  readonly clusterBytes: number;
  readonly refcountBits: number;
  readonly compression: 'zlib' | 'zstd';
  readonly extendedL2: boolean;
  readonly lazyRefcounts: boolean;
  readonly dirty: boolean;
  readonly corrupt: boolean;
  readonly internalSnapshots: number;
  readonly backing?: { readonly name: string; readonly format?: string };
  /** Hexadecimal. */
  readonly layerId?: string;
  readonly parentLayerId?: string;
}

/** Reads headers and no data: an image of any state, with its parents wherever they are. */
export function diskInfo(host: DiskHost, path: string, format: DiskFormat): DiskInfo {
  using file = host.files.openRead(path);
  const fileBytes = file.size();
  if (format === 'raw') return { path, format, sizeBytes: roundUp(fileBytes, SECTOR), fileBytes };
  if (format !== 'qcow2') {
    using disk = openDisk(host, path, { format, writable: false, lenient: true });
    const replayed = disk instanceof ForeignImage && disk.logReplayed;
    return { path, format, sizeBytes: disk.sizeBytes, fileBytes, clusterBytes: disk.clusterBytes, ...(replayed && { logReplayed: true }) };
  }
  const header = readHeader(file);
  return {
    path,
    format,
    sizeBytes: roundUp(header.sizeBytes, SECTOR),
    fileBytes,
    clusterBytes: header.geometry.clusterBytes,
    qcow2: qcow2Info(header),
  };
}

function qcow2Info(header: Header): Qcow2Info {
  const identity = identityOf(header.extensions);
  return {
    version: header.version,
    clusterBytes: header.geometry.clusterBytes,
    refcountBits: header.geometry.refcountBits,
    compression: header.compression,
    extendedL2: hasFeature(header, INCOMPATIBLE.extendedL2),
    lazyRefcounts: (header.compatible & COMPATIBLE.lazyRefcounts) !== 0n,
    dirty: hasFeature(header, INCOMPATIBLE.dirty),
    corrupt: hasFeature(header, INCOMPATIBLE.corrupt),
    internalSnapshots: header.snapshots,
    ...(header.backing === undefined
      ? {}
      : { backing: { name: header.backing, ...(header.backingFormat === undefined ? {} : { format: header.backingFormat }) } }),
    ...(identity === undefined ? {} : { layerId: identity.id }),
    ...(identity?.parentId === undefined ? {} : { parentLayerId: identity.parentId }),
  };
}
