/** What `cairn disk info` tells of an image, as plain JSON. */
import type { HostFiles } from '../ports/host-files.ts';
import type { DiskFormat } from './block.ts';
import { COMPATIBLE, EXTENSION, INCOMPATIBLE } from './qcow2/format.ts';
import { hasFeature, readHeader } from './qcow2/header.ts';

export interface DiskInfo {
  readonly path: string;
  readonly format: DiskFormat;
  readonly sizeBytes: number;
  readonly fileBytes: number;
  readonly qcow2?: {
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
  };
}

/** Reads the header only: an image of any state, with its parents wherever they are. */
export function diskInfo(files: HostFiles, path: string, format: DiskFormat): DiskInfo {
  using file = files.openRead(path);
  const fileBytes = file.size();
  if (format === 'raw') return { path, format, sizeBytes: fileBytes, fileBytes };
  const header = readHeader(file);
  const identity = header.extensions.find(({ type, data }) => type === EXTENSION.identity && data.length === 32)?.data;
  const hex = (bytes: Uint8Array) => [...bytes].map(byte => byte.toString(16).padStart(2, '0')).join('');
  const parentId = identity?.subarray(16);
  return {
    path,
    format,
    sizeBytes: header.sizeBytes,
    fileBytes,
    qcow2: {
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
      ...(identity ? { layerId: hex(identity.subarray(0, 16)) } : {}),
      ...(parentId?.some(byte => byte !== 0) ? { parentLayerId: hex(parentId) } : {}),
    },
  };
}
