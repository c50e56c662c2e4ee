/**
 * A VMDK image for reading: one sparse extent with its descriptor inside (monolithicSparse, streamOptimized), or a descriptor that names its extents
 * (monolithicFlat, twoGbMaxExtentSparse, twoGbMaxExtentFlat, vmfs). Extents are files of the descriptor's own folder, never of another.
 */
import { ConfigError, DiskFormatError } from '../../errors/errors.ts';
import type { Decompressor } from '../../ports/decompressor.ts';
import type { HostFile, HostFiles } from '../../ports/host-files.ts';
import { cutOff, damaged, unsupported, viewAt } from '../fields.ts';
import type { BlockMap, Place } from '../foreign.ts';
import { folderOf } from '../paths.ts';
import type { MetadataBudget } from '../qcow2/table.ts';
import { isDescriptor, MAX_DESCRIPTOR_BYTES, readExtents, refuseParent, textOf, type ExtentLine } from './descriptor.ts';
import { MAGIC, MAGIC_ESX, SECTOR } from './header.ts';
import { SparseExtent } from './sparse.ts';

const FLAT_BLOCK_BYTES = 65536;

export interface VmdkHost {
  readonly files: HostFiles;
  readonly codec: Decompressor;
}

export function openVmdk(host: VmdkHost, file: HostFile, budget: MetadataBudget): BlockMap {
  const magic = viewAt(file, 0, 4).getUint32(0, true);
  if (magic === MAGIC_ESX) throw unsupported(file, 'VMDK images of ESX servers’ own sparse kind (COWD) are not supported.');
  if (magic === MAGIC) return openMonolithic(host, file, budget);
  const text = textOf(new Uint8Array(viewAt(file, 0, Math.min(file.size(), MAX_DESCRIPTOR_BYTES)).buffer));
  if (!isDescriptor(text)) throw unsupported(file, 'this is not a VMDK image.');
  refuseParent(file, text);
  const extents: Placed[] = [];
  try {
    let from = 0;
    for (const line of readExtents(file, text)) {
      const map = openExtent(host, file, line, budget);
      extents.push({ from, map });
      from += map.sizeBytes;
      if (!Number.isSafeInteger(from)) throw damaged(file, 'Its extents are larger than any disk');
    }
    return new ExtentList(file, extents);
  } catch (error) {
    for (const { map } of extents) map[Symbol.dispose]();
    throw error;
  }
}

function openMonolithic({ codec }: VmdkHost, file: HostFile, budget: MetadataBudget): BlockMap {
  const extent = new SparseExtent(file, codec, budget);
  const { descriptorOffset, descriptorBytes } = extent.header;
  if (descriptorOffset === 0 || descriptorBytes === 0) return extent;
  if (!(descriptorOffset < file.size())) throw damaged(file, 'The descriptor is not where it can be', 28);
  const length = Math.min(descriptorBytes, MAX_DESCRIPTOR_BYTES, file.size() - descriptorOffset);
  refuseParent(file, textOf(new Uint8Array(viewAt(file, descriptorOffset, length).buffer)));
  return extent;
}

function openExtent({ files, codec }: VmdkHost, image: HostFile, line: ExtentLine, budget: MetadataBudget): BlockMap {
  if (line.kind === 'zero') return new ZeroExtent(line.sectors * SECTOR);
  const file = files.openRead(extentPath(files, image.path, line.file));
  try {
    if (line.kind === 'flat') return new FlatExtent(file, line);
    return new SparseExtent(file, codec, budget);
  } catch (error) {
    file[Symbol.dispose]();
    throw error;
  }
}

/** The real path of an extent: a file of the image's folder, and not by a symbolic link out of it. */
function extentPath(files: HostFiles, image: string, name: string): string {
  const folder = folderOf(files.realPath(image));
  const refused = new ConfigError(
    'DISK_EXTENT_REFUSED',
    `${image} has an extent outside its own folder (“${name.slice(0, 80)}”), which is not followed: put all its files into one folder.`,
  );
  if (/[/\\\0]/.test(name) || name === '.' || name === '..' || /^[A-Za-z]:/.test(name)) throw refused;
  const path = `${folder === '/' ? '' : folder}/${name}`;
  if (!files.exists(path))
    throw new DiskFormatError('DISK_EXTENT_MISSING', image, `its extent ${path} is missing: put all its files into one folder.`);
  const real = files.realPath(path);
  if (folderOf(real) !== folder) throw refused;
  return real;
}

class FlatExtent implements BlockMap {
  readonly sizeBytes: number;
  readonly blockBytes = FLAT_BLOCK_BYTES;
  private readonly file: HostFile;
  private readonly start: number;

  constructor(file: HostFile, { sectors, from }: ExtentLine) {
    this.file = file;
    this.sizeBytes = sectors * SECTOR;
    this.start = from * SECTOR;
    if (this.start + this.sizeBytes > file.size()) throw cutOff(file, 'what its descriptor says of it', this.start + this.sizeBytes);
  }

  locate(offset: number): Place {
    return { kind: 'data', length: this.sizeBytes - offset, read: into => void into.fill(0, this.file.read(into, this.start + offset)) };
  }

  checkWhole(): void {}

  [Symbol.dispose](): void {
    this.file[Symbol.dispose]();
  }
}

class ZeroExtent implements BlockMap {
  readonly sizeBytes: number;
  readonly blockBytes = FLAT_BLOCK_BYTES;

  constructor(sizeBytes: number) {
    this.sizeBytes = sizeBytes;
  }

  locate(offset: number): Place {
    return { kind: 'hole', length: this.sizeBytes - offset };
  }

  checkWhole(): void {}

  [Symbol.dispose](): void {}
}

interface Placed {
  readonly from: number;
  readonly map: BlockMap;
}

/** One after the other. */
class ExtentList implements BlockMap {
  readonly sizeBytes: number;
  readonly blockBytes: number;
  private readonly descriptor: HostFile;
  private readonly extents: readonly Placed[];

  constructor(descriptor: HostFile, extents: readonly Placed[]) {
    this.descriptor = descriptor;
    this.extents = extents;
    this.sizeBytes = extents.reduce((sum, { map }) => sum + map.sizeBytes, 0);
    this.blockBytes = extents[0]!.map.blockBytes;
  }

  locate(offset: number): Place {
    const { from, map } = this.extents.findLast(extent => extent.from <= offset)!;
    const place = map.locate(offset - from);
    return { ...place, length: Math.min(place.length, from + map.sizeBytes - offset) };
  }

  checkWhole(thorough: boolean): void {
    for (const { map } of this.extents) map.checkWhole(thorough);
  }

  [Symbol.dispose](): void {
    for (const { map } of this.extents) map[Symbol.dispose]();
    this.descriptor[Symbol.dispose]();
  }
}
