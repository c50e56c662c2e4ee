/** Disk images as `cairn disk` opens them: formats, the backing files that may be followed, locks, and files that are written aside. */
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { ChainFormat, DiskFormat, Layer } from '#engine/disk/block.ts';
import { isChainFormat } from '#engine/disk/block.ts';
import { layersOf } from '#engine/disk/chain.ts';
import { namedFormat } from '#engine/disk/named-format.ts';
import { openDisk, type DiskHost } from '#engine/disk/open.ts';
import { policyFor, type BackingPolicy } from '#engine/disk/paths.ts';
import { ConfigError } from '#engine/errors/errors.ts';
import { nodeDecompressor } from '#worker/node-decompressor.ts';
import { nodeFiles } from '#worker/node-files.ts';
import { inUse } from '../bundle.ts';
import { Catalog } from '../catalog.ts';
import { FileLocks, type LockKind } from '../file-locks.ts';
import { readOwner } from '../owner.ts';
import type { Arguments } from './args.ts';
import { UsageError } from './exit-codes.ts';
import { printNotice } from './output.ts';

export const diskHost: DiskHost = { files: nodeFiles, codec: nodeDecompressor };

const CATALOG = 'catalog.db';
const FORMATS: readonly DiskFormat[] = ['raw', 'qcow2', 'vmdk', 'vdi', 'vpc', 'vhdx'];

/** What `--option` says; `vhd` is another name of `vpc`. */
export function formatOption(args: Arguments, option: string): DiskFormat | undefined {
  const text = args.text(option);
  const found = FORMATS.find(format => format === (text === 'vhd' ? 'vpc' : text));
  if (text !== undefined && found === undefined) throw new UsageError(`--${option} takes ${FORMATS.join(', ')}, not “${text}”.`);
  return found;
}

export function chainFormatOption(args: Arguments, option: string): ChainFormat | undefined {
  const format = formatOption(args, option);
  if (format !== undefined && !isChainFormat(format))
    throw new UsageError(`--${option} takes raw or qcow2: Cairn reads ${format} and never writes it.`);
  return format;
}

/** The user's word, or what the file's name and contents say together. */
export function formatOf(path: string, args: Arguments, option = 'format'): DiskFormat {
  const how = (format: DiskFormat) => `--${option} ${format}`;
  return formatOption(args, option) ?? namedFormat(nodeFiles, path, { how, say: text => printNotice({ level: 'warning', text }) });
}

/** A format that can be written. */
export function ownFormatOf(path: string, args: Arguments): ChainFormat {
  const format = formatOf(path, args);
  if (isChainFormat(format)) return format;
  throw new ConfigError(
    'DISK_READ_ONLY_FORMAT',
    `${path} is a ${format} image, which Cairn reads and never writes: convert it (\`cairn disk convert\`).`,
  );
}

/** The rule for all doors, with what --allow names. */
export const backingPolicy = (path: string, args: Arguments): BackingPolicy =>
  policyFor(
    nodeFiles,
    path,
    args.texts('allow').map(named => resolve(named)),
  );

export function openForReading(path: string, args: Arguments, option = 'format'): Layer {
  return openDisk(diskHost, path, { format: formatOf(path, args, option), writable: false, allow: backingPolicy(path, args) });
}

/** Refuses a file that a VM has open: `shared` to read, `exclusive` to write. */
export function lockFile(path: string, kind: LockKind): Disposable {
  return lockFiles([path], kind);
}

/** Locks for disks and all the files below them, which are read. */
export function lockLayers(...tops: readonly Layer[]): Disposable {
  return lockFiles(
    tops.flatMap(top => layersOf(top).map(({ path }) => path)),
    'shared',
  );
}

function lockFiles(paths: readonly string[], kind: LockKind): Disposable {
  const locks = new DisposableStack();
  try {
    for (const bundle of new Set(paths.map(bundleOf)))
      if (bundle !== undefined) locks.adopt(openCatalog(bundle), catalog => catalog.close());
    for (const path of paths) locks.use(new FileLocks().take(path, kind, 'cairn disk'));
    return locks;
  } catch (error) {
    locks.dispose();
    throw error;
  }
}

/** The VM in whose folder the file is (NAME.cairn/disks): its layers have no locks of their own. */
function bundleOf(path: string): string | undefined {
  const folder = dirname(dirname(nodeFiles.realPath(path)));
  return folder.endsWith('.cairn') && existsSync(join(folder, CATALOG)) ? folder : undefined;
}

/** Whoever has a VM open has its catalogue. */
function openCatalog(bundle: string): Catalog {
  const catalog = Catalog.tryOpen(join(bundle, CATALOG));
  if (catalog === undefined) throw inUse(bundle, readOwner(bundle)?.pid);
  return catalog;
}
