/** The qcow2 header: read with every field bounded, written so that one sector makes the change. */
import { ConfigError, DiskFormatError } from '../../errors/errors.ts';
import type { HostFile } from '../../ports/host-files.ts';
import { decodeUtf8, encodeUtf8 } from '../utf8.ts';
import { withIdentity, type Identity } from './identity.ts';
import {
  AUTOCLEAR,
  EXTENSION,
  INCOMPATIBLE,
  MAGIC,
  MAX_BACKING_NAME,
  MAX_CLUSTER_BITS,
  MAX_L1_BYTES,
  MAX_REFCOUNT_TABLE_BYTES,
  MAX_SNAPSHOTS,
  MIN_CLUSTER_BITS,
  SECTOR,
  divideUp,
  geometryOf,
  getU64,
  setU64,
  viewOf,
  type Extension,
  type Geometry,
} from './format.ts';

export interface Header {
  readonly version: 2 | 3;
  readonly geometry: Geometry;
  sizeBytes: number;
  l1Entries: number;
  l1Offset: number;
  refcountTableOffset: number;
  refcountTableClusters: number;
  readonly snapshots: number;
  readonly snapshotsOffset: number;
  incompatible: bigint;
  readonly compatible: bigint;
  autoclear: bigint;
  readonly refcountOrder: number;
  readonly compression: 'zlib' | 'zstd';
  /** The backing file's name as it stands in the image. */
  backing: string | undefined;
  /** Where that name is: a new one is put elsewhere. */
  backingOffset: number;
  backingFormat: string | undefined;
  /** All but the backing file's format. */
  extensions: readonly Extension[];
}

export const HEADER_BYTES = 112;
const V2_BYTES = 72;
const V3_BYTES = 104;

export function hasFeature(header: Header, bit: bigint): boolean {
  return (header.incompatible & bit) !== 0n;
}

export function readHeader(file: HostFile): Header {
  const { path } = file;
  const bad = (problem: string, offset: number) => new DiskFormatError('DISK_FORMAT', path, `${problem}. The image is damaged.`, offset);
  const start = new Uint8Array(SECTOR);
  const got = file.read(start, 0);
  const first = viewOf(start);
  if (got < V2_BYTES || first.getUint32(0) !== MAGIC) throw new DiskFormatError('DISK_NOT_QCOW2', path, 'this is not a qcow2 image.', 0);
  const version = first.getUint32(4);
  if (version !== 2 && version !== 3) throw new DiskFormatError('DISK_VERSION', path, `qcow2 version ${version} is not known.`, 4);
  const clusterBits = first.getUint32(20);
  if (clusterBits < MIN_CLUSTER_BITS || clusterBits > MAX_CLUSTER_BITS)
    throw bad(`Clusters of 2^${clusterBits} bytes are not possible`, 20);
  const clusterBytes = 2 ** clusterBits;

  // Header, extensions and the backing file's name are all in the first cluster.
  const bytes = new Uint8Array(clusterBytes);
  file.read(bytes, 0);
  const view = viewOf(bytes);
  const v3 = version === 3;
  const headerBytes = v3 ? view.getUint32(100) : V2_BYTES;
  if (headerBytes < (v3 ? V3_BYTES : V2_BYTES) || headerBytes > clusterBytes || headerBytes % 8 !== 0)
    throw bad(`A header of ${headerBytes} bytes is not possible`, 100);
  const backingOffset = getU64(view, 8);
  const backingBytes = view.getUint32(16);
  if (
    backingOffset !== 0 &&
    (backingBytes > MAX_BACKING_NAME || backingOffset < headerBytes || backingOffset + backingBytes > clusterBytes)
  )
    throw bad('The name of the backing file is not where it can be', 8);
  const all = readExtensions(view, headerBytes, backingOffset === 0 ? clusterBytes : backingOffset, bad);

  const incompatible = v3 ? view.getBigUint64(72) : 0n;
  refuseFeatures(path, incompatible, all.find(extension => extension.type === EXTENSION.featureNames)?.data);
  const method = view.getUint32(32);
  if (method !== 0)
    throw new DiskFormatError(
      'DISK_ENCRYPTED',
      path,
      `the image is encrypted (${['', 'AES', 'LUKS'][method] ?? `method ${method}`}), which is not supported: decrypt it first.`,
      32,
    );
  const refcountOrder = v3 ? view.getUint32(96) : 4;
  if (refcountOrder > 6) throw bad(`Reference counts of 2^${refcountOrder} bits are not possible`, 96);
  const extended = (incompatible & INCOMPATIBLE.extendedL2) !== 0n;
  if (extended && clusterBits < 14) throw bad('Extended entries need clusters of 16 KiB or more', 72);
  const geometry = geometryOf(clusterBits, refcountOrder, extended);
  const compression = (incompatible & INCOMPATIBLE.compressionType) !== 0n && headerBytes > V3_BYTES ? bytes[V3_BYTES]! : 0;
  if (compression > 1) throw new DiskFormatError('DISK_FEATURE', path, `compression type ${compression} is not known.`, V3_BYTES);

  const format = all.find(extension => extension.type === EXTENSION.backingFormat)?.data;
  const header: Header = {
    version,
    geometry,
    sizeBytes: getU64(view, 24),
    l1Entries: view.getUint32(36),
    l1Offset: getU64(view, 40),
    refcountTableOffset: getU64(view, 48),
    refcountTableClusters: view.getUint32(56),
    snapshots: view.getUint32(60),
    snapshotsOffset: getU64(view, 64),
    incompatible,
    compatible: v3 ? view.getBigUint64(80) : 0n,
    autoclear: v3 ? view.getBigUint64(88) : 0n,
    refcountOrder,
    compression: compression === 1 ? 'zstd' : 'zlib',
    backing:
      backingOffset === 0 || backingBytes === 0 ? undefined : decodeUtf8(bytes.subarray(backingOffset, backingOffset + backingBytes)),
    backingOffset,
    backingFormat: format && decodeUtf8(format),
    extensions: all.filter(extension => extension.type !== EXTENSION.backingFormat),
  };
  checkTables(header, file.size(), bad);
  return header;
}

function checkTables(header: Header, fileBytes: number, bad: (problem: string, offset: number) => DiskFormatError): void {
  const { geometry } = header;
  if (!Number.isSafeInteger(header.sizeBytes)) throw bad('The disk is larger than any disk', 24);
  if (header.l1Entries * 8 > MAX_L1_BYTES) throw bad(`A level 1 table of ${header.l1Entries} entries is too large`, 36);
  if (header.l1Entries < divideUp(header.sizeBytes, geometry.l2Bytes)) throw bad('The level 1 table is too small for the disk', 36);
  if (header.refcountTableClusters * geometry.clusterBytes > MAX_REFCOUNT_TABLE_BYTES)
    throw bad('The reference count table is too large', 56);
  if (header.refcountTableClusters === 0) throw bad('There is no reference count table', 56);
  if (header.snapshots > MAX_SNAPSHOTS) throw bad(`${header.snapshots} internal snapshots are too many`, 60);
  const isWhole = (offset: number, bytes: number) =>
    offset % geometry.clusterBytes === 0 && offset >= geometry.clusterBytes && offset + bytes <= fileBytes;
  if (header.l1Entries > 0 && !isWhole(header.l1Offset, header.l1Entries * 8)) throw bad('The level 1 table is not where it can be', 40);
  if (!isWhole(header.refcountTableOffset, header.refcountTableClusters * geometry.clusterBytes))
    throw bad('The reference count table is not where it can be', 48);
  if (header.snapshots > 0 && !isWhole(header.snapshotsOffset, 1)) throw bad('The snapshot table is not where it can be', 64);
}

function readExtensions(view: DataView, from: number, to: number, bad: (problem: string, offset: number) => DiskFormatError): Extension[] {
  const found: Extension[] = [];
  for (let at = from; at + 8 <= to;) {
    const type = view.getUint32(at);
    const length = view.getUint32(at + 4);
    if (type === EXTENSION.end) break;
    if (length > to - at - 8) throw bad('A header extension is longer than the header', at);
    found.push({ type, data: new Uint8Array(view.buffer, view.byteOffset + at + 8, length).slice() });
    at += 8 + Math.ceil(length / 8) * 8;
  }
  return found;
}

/** An incompatible feature that is not known is refused by the name that the image gives it. */
function refuseFeatures(path: string, incompatible: bigint, names: Uint8Array | undefined): void {
  if (incompatible & INCOMPATIBLE.externalData)
    throw new DiskFormatError(
      'DISK_FEATURE',
      path,
      'its data is in another file (“external data file”), which is not supported: convert it first.',
      72,
    );
  const known = Object.values(INCOMPATIBLE).reduce((bits: bigint, bit) => bits | bit, 0n);
  for (let bit = 0; bit < 64; bit++) {
    if (((incompatible & ~known) >> BigInt(bit)) & 1n)
      throw new DiskFormatError('DISK_FEATURE', path, `it needs the feature “${featureName(names, bit)}”, which is not supported.`, 72);
  }
}

function featureName(names: Uint8Array | undefined, bit: number): string {
  if (names === undefined) return `incompatible feature bit ${bit}`;
  for (let at = 0; at + 48 <= names.length; at += 48) {
    if (names[at] !== 0 || names[at + 1] !== bit) continue;
    const name = decodeUtf8(names.subarray(at + 2, at + 48)).replace(/[^\x20-\x7e]/g, '');
    if (name !== '') return name;
  }
  return `incompatible feature bit ${bit}`;
}

/**
 * The whole header, extensions and backing name, as one sector when it fits. The table of feature names is left out: it is optional, and what is
 * in one sector changes at once. A name that does not fit is put in `nameAt`.
 */
export function encodeHeader(header: Header, nameAt?: number): { readonly sector: Uint8Array; readonly name: Uint8Array | undefined } {
  const sector = new Uint8Array(SECTOR);
  const view = viewOf(sector);
  const v3 = header.version === 3;
  const kept = header.extensions.filter(({ type }) => type !== EXTENSION.featureNames);
  const format = header.backing === undefined ? undefined : header.backingFormat;
  const extensions = [...(format === undefined ? [] : [{ type: EXTENSION.backingFormat, data: encodeUtf8(format) }]), ...kept];
  let at = v3 ? HEADER_BYTES : V2_BYTES;
  for (const { type, data } of extensions) {
    if (at + 8 + data.length + 8 > SECTOR)
      throw new ConfigError('DISK_HEADER_FULL', 'The header of this image has too many extensions to change it safely: convert the image.');
    view.setUint32(at, type);
    view.setUint32(at + 4, data.length);
    sector.set(data, at + 8);
    at += 8 + Math.ceil(data.length / 8) * 8;
  }
  at += 8; // the end of the extensions
  const name = header.backing === undefined ? new Uint8Array() : encodeUtf8(header.backing);
  if (name.length > MAX_BACKING_NAME)
    throw new ConfigError('DISK_BACKING_NAME', `The backing file's path is too long: ${name.length} bytes, at most ${MAX_BACKING_NAME}.`);
  const inside = at + name.length <= SECTOR;
  if (!inside && nameAt === undefined)
    throw new ConfigError('DISK_BACKING_NAME', `The backing file's path is too long for this image: ${name.length} bytes.`);
  if (inside) sector.set(name, at);
  header.backingOffset = name.length === 0 ? 0 : inside ? at : nameAt!;

  view.setUint32(0, MAGIC);
  view.setUint32(4, header.version);
  setU64(view, 8, header.backingOffset);
  view.setUint32(16, name.length);
  view.setUint32(20, header.geometry.clusterBits);
  setFields(view, header);
  view.setUint32(60, header.snapshots);
  setU64(view, 64, header.snapshotsOffset);
  if (v3) {
    view.setBigUint64(80, header.compatible);
    view.setUint32(96, header.refcountOrder);
    view.setUint32(100, HEADER_BYTES);
    sector[104] = header.compression === 'zstd' ? 1 : 0;
  }
  return { sector, name: inside ? undefined : name };
}

/** Writes the fields that change while an image is open; the rest of the first sector stays as it is. One sector: all of it or nothing. */
export function writeFields(file: HostFile, header: Header): void {
  const sector = new Uint8Array(SECTOR);
  file.read(sector, 0);
  setFields(viewOf(sector), header);
  file.write(sector, 0);
}

function setFields(view: DataView, header: Header): void {
  setU64(view, 24, header.sizeBytes);
  view.setUint32(36, header.l1Entries);
  setU64(view, 40, header.l1Offset);
  setU64(view, 48, header.refcountTableOffset);
  view.setUint32(56, header.refcountTableClusters);
  if (header.version === 2) return;
  view.setBigUint64(72, header.incompatible);
  view.setBigUint64(88, header.autoclear & AUTOCLEAR.bitmaps);
}

/**
 * Gives the image another backing file (or none): what a guest reads is the caller's affair. A crash leaves the old name or the new one. `identity`
 * takes the place of the layer's identity at the same instant.
 */
export function writeBacking(
  file: HostFile,
  header: Header,
  backing: string | undefined,
  format: string | undefined,
  identity?: Identity,
): void {
  const { clusterBytes } = header.geometry;
  const used = header.backingOffset;
  // The old name stays untouched until the sector that names the new one is written.
  const slot = used > 0 && used < 4 * SECTOR ? 6 * SECTOR : 2 * SECTOR;
  const extensions = identity === undefined ? header.extensions : withIdentity(header.extensions, identity);
  const changed: Header = { ...header, backing, backingFormat: format, extensions };
  const { sector, name } = encodeHeader(changed, clusterBytes >= 8 * SECTOR ? slot : undefined);
  if (name !== undefined) {
    file.write(name, slot);
    file.dataSync();
  }
  file.write(sector, 0);
  file.dataSync();
  header.backing = backing;
  header.backingFormat = format;
  header.backingOffset = changed.backingOffset;
  header.extensions = extensions.filter(({ type }) => type !== EXTENSION.featureNames);
}
