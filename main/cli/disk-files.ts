/** Disk images as `cairn disk` opens them: formats, the backing files that may be followed, locks, and files that are written aside. */
import { chmodSync, chownSync, existsSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { ChainFormat, DiskFormat, Layer } from '#engine/disk/block.ts';
import { isChainFormat } from '#engine/disk/block.ts';
import { openDisk, type DiskHost } from '#engine/disk/open.ts';
import type { BackingPolicy } from '#engine/disk/paths.ts';
import { probeFormat } from '#engine/disk/probe.ts';
import { ConfigError } from '#engine/errors/errors.ts';
import { nodeDecompressor } from '#worker/node-decompressor.ts';
import { nodeFiles } from '#worker/node-files.ts';
import { FileLocks, type LockKind } from '../file-locks.ts';
import type { Arguments } from './args.ts';
import { UsageError } from './exit-codes.ts';

export const diskHost: DiskHost = { files: nodeFiles, codec: nodeDecompressor };

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

/** The user's word, or what the file looks like. */
export function formatOf(path: string, args: Arguments, option = 'format'): DiskFormat {
  return formatOption(args, option) ?? probeFormat(nodeFiles, path);
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

/** Backing files are followed in the image's own folder, and to what --allow names. */
export function backingPolicy(path: string, args: Arguments): BackingPolicy {
  const allowed = args.text('allow');
  const named = allowed === undefined ? [] : [nodeFiles.realPath(resolve(allowed))];
  return { folders: [dirname(nodeFiles.realPath(path)), ...named], files: named };
}

export function openForReading(path: string, args: Arguments, option = 'format'): Layer {
  return openDisk(diskHost, path, { format: formatOf(path, args, option), writable: false, allow: backingPolicy(path, args) });
}

/** Refuses files that a VM has open: `shared` to read, `exclusive` to write. */
export function lockFile(path: string, kind: LockKind): Disposable {
  return new FileLocks().take(path, kind, 'cairn disk');
}

/** Locks for a file and the files below it that will be read with it. */
export function lockChain(top: Layer): Disposable {
  const locks = new DisposableStack();
  try {
    for (let layer: Layer | undefined = top; layer !== undefined; layer = layer.parent) locks.use(lockFile(layer.path, 'shared'));
    return locks;
  } catch (error) {
    locks.dispose();
    throw error;
  }
}

/** Makes a new file under another name, which becomes `target` only when it is complete. */
export async function writeNew<T>(target: string, make: (aside: string) => Promise<T>): Promise<T> {
  if (existsSync(target)) throw new ConfigError('FILE_EXISTS', `${target} cannot be created: there is a file of this name already.`);
  return writeAside(target, make, () => !existsSync(target));
}

/** The same in the place of a file that exists, with its owner and permissions. */
export async function replace<T>(target: string, make: (aside: string) => Promise<T>, isWanted: (made: T) => boolean): Promise<T> {
  const { mode, uid, gid } = statSync(target);
  return writeAside(
    target,
    async aside => {
      const made = await make(aside);
      chmodSync(aside, mode & 0o7777);
      if (process.getuid?.() === 0) chownSync(aside, uid, gid);
      return made;
    },
    isWanted,
  );
}

async function writeAside<T>(target: string, make: (aside: string) => Promise<T>, isWanted: (made: T) => boolean): Promise<T> {
  const aside = `${target}.part-${process.pid}`;
  try {
    const made = await make(aside);
    if (isWanted(made)) {
      nodeFiles.rename(aside, target);
      nodeFiles.syncFolder(dirname(resolve(target)));
    } else nodeFiles.remove(aside);
    return made;
  } catch (error) {
    nodeFiles.remove(aside);
    throw error;
  }
}
