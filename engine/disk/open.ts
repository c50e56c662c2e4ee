/** Opens an image with the chain below it. Formats are told, never guessed; backing files are followed only where the user allows. */
import { ConfigError, DiskFormatError } from '../errors/errors.ts';
import type { Decompressor } from '../ports/decompressor.ts';
import type { HostFile, HostFiles } from '../ports/host-files.ts';
import { isChainFormat, refuseEmpty, type DiskFormat, type Layer } from './block.ts';
import { ForeignImage, readOnlyFormat, type BlockMap, type ForeignFormat } from './foreign.ts';
import { allowedPath, backingPath, type BackingPolicy } from './paths.ts';
import { MAX_METADATA_BYTES } from './qcow2/format.ts';
import { Qcow2Image } from './qcow2/image.ts';
import { MetadataBudget } from './qcow2/table.ts';
import { RawImage } from './raw.ts';
import { VdiMap } from './vdi/image.ts';
import { VhdxMap } from './vhdx/image.ts';
import { openVmdk } from './vmdk/image.ts';
import { openVpc } from './vpc/image.ts';

export interface OpenOptions {
  readonly format: DiskFormat;
  /** The top only: parents are opened for reading. */
  readonly writable: boolean;
  /** Which backing files may be followed; without it, none. */
  readonly allow?: BackingPolicy;
  /** Format of a backing file (by its real path) where the image does not say: the user's word. */
  readonly formatOf?: (path: string) => DiskFormat | undefined;
  /** Opens the top alone: where it has holes it reads as zeroes. */
  readonly alone?: boolean;
  /** Also a foreign image that is not whole: for who tells of it. */
  readonly lenient?: boolean;
  /** Bound on the tables of each file that are kept in memory. */
  readonly metadataBytes?: number;
}

export interface DiskHost {
  readonly files: HostFiles;
  /** The same, for files that others may replace or remove while they are open here; not given: no difference. */
  readonly keptFiles?: HostFiles;
  readonly codec: Decompressor;
}

/** The host, for files of the user's or of another VM. */
export const keeping = <H extends DiskHost>(host: H): H => ({ ...host, files: host.keptFiles ?? host.files });

/** A chain has as many files as there are: only a circle is refused. */
export function openDisk(host: DiskHost, path: string, options: OpenOptions): Layer {
  const above = new Set<string>();
  const top = openFile(host, path, options, options.format, options.writable, above);
  try {
    if (!options.writable && !options.lenient) refuseEmpty(top);
    let image = top;
    while (image instanceof Qcow2Image && image.header.backing !== undefined && !options.alone) {
      const parent = openParent(host, image, options, above);
      image.attachParent(parent);
      image = parent;
    }
    return top;
  } catch (error) {
    top[Symbol.dispose]();
    throw error;
  }
}

/** One file of a chain; `above`: the real paths of those above it, to which its own is added. */
function openFile(host: DiskHost, path: string, options: OpenOptions, format: DiskFormat, writable: boolean, above: Set<string>): Layer {
  const real = host.files.realPath(path);
  if (above.has(real)) throw new ConfigError('DISK_CHAIN', `${path} is its own backing file, through ${above.size} others.`);
  above.add(real);
  if (format === 'raw') return new RawImage(host.files, path, writable);
  if (format !== 'qcow2') return openForeign(host, path, format, options, writable);
  return new Qcow2Image(host.files, host.codec, path, {
    writable,
    ...(options.metadataBytes === undefined ? {} : { metadataBytes: options.metadataBytes }),
  });
}

function openParent(host: DiskHost, image: Qcow2Image, options: OpenOptions, above: Set<string>): Layer {
  const path = allowedPath(host.files, backingPath(image.path, image.header.backing!), options.allow ?? {}, image.path);
  const said = options.formatOf?.(path) ?? image.header.backingFormat;
  if (said === undefined)
    throw new ConfigError(
      'DISK_BACKING_FORMAT',
      `${image.path} does not say which format its backing file ${path} has, and guessing is not safe: name it.`,
    );
  if (!isChainFormat(said))
    throw new ConfigError(
      'DISK_BACKING_FORMAT',
      `${image.path} has a backing file of the format “${said.slice(0, 20)}”; only raw and qcow2 can be backing files: convert it.`,
    );
  return openFile(host, path, options, said, false, above);
}

const FOREIGN: Readonly<Record<ForeignFormat, (host: DiskHost, file: HostFile, budget: MetadataBudget) => BlockMap>> = {
  vmdk: openVmdk,
  vdi: (_, file, budget) => new VdiMap(file, budget),
  vpc: (_, file, budget) => openVpc(file, budget),
  vhdx: (_, file, budget) => new VhdxMap(file, budget),
};

function openForeign(host: DiskHost, path: string, format: ForeignFormat, options: OpenOptions, writable: boolean): Layer {
  if (writable) throw new ConfigError('DISK_READ_ONLY_FORMAT', readOnlyFormat(path, format));
  const budget = new MetadataBudget(options.metadataBytes ?? MAX_METADATA_BYTES, () => {
    throw new DiskFormatError('DISK_TOO_LARGE', path, 'its tables take more memory than an image may.');
  });
  const file = host.files.openRead(path);
  using opened = new DisposableStack();
  opened.use(file);
  const image = opened.use(new ForeignImage(path, format, FOREIGN[format](host, file, budget)));
  if (!options.lenient) image.checkWhole(false);
  opened.move();
  return image;
}
