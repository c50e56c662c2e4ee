/** `--disk FILE,if=virtio|ide|scsi,…`: one disk of `cairn run`. */
import { basename, extname, resolve } from 'node:path';
import { ConfigError } from '#engine/errors/errors.ts';
import { probeFormat } from '#engine/disk/probe.ts';
import { nodeFiles } from '#worker/node-files.ts';
import { vmDisk, type VmDisk } from '../ipc/contract.ts';
import { UsageError } from './exit-codes.ts';

const RAW_SUFFIXES = new Set(['.raw', '.img', '.iso']);
const VALUES: Readonly<Record<string, readonly string[]>> = {
  if: vmDisk.shape.interface.options,
  format: vmDisk.shape.format.options,
  cache: vmDisk.shape.cache.options,
  media: vmDisk.shape.media.options,
};
/** In place of a file. A file of that name is `./none`. */
const EMPTY = 'none';
const FLAGS = new Set(['readonly', 'write-base']);

/** `say` hears what was assumed. A comma in the file's name is written twice. */
export function parseDisk(text: string, say: (sentence: string) => void): VmDisk {
  const [file, ...words] = text.split(/(?<!,),(?!,)/).map(part => part.replaceAll(',,', ','));
  if (file === undefined || file === '') throw new UsageError(`--disk ${text} names no file: write --disk FILE,if=virtio.`);
  const said = new Map<string, string>();
  for (const word of words) {
    const [name, value] = word.split('=', 2) as [string, string | undefined];
    const good = FLAGS.has(name) ? value === undefined : value !== undefined && VALUES[name]?.includes(value);
    if (!good) throw new UsageError(`--disk: “${word}” is none of its options: ${describeOptions()}.`);
    said.set(name, value ?? '');
  }
  if (file === EMPTY) return emptyDrive(said);
  const path = resolve(file);
  const isIso = extname(file).toLowerCase() === '.iso';
  const media = said.get('media') ?? (isIso ? 'cdrom' : 'disk');
  return vmDisk.parse({
    path,
    format: said.get('format') ?? formatOf(path, say),
    interface: said.get('if') ?? (media === 'cdrom' ? 'ide' : 'virtio'),
    media,
    readonly: said.has('readonly') || media === 'cdrom',
    cache: said.get('cache') ?? 'writeback',
    writeBase: said.has('write-base'),
  });
}

function emptyDrive(said: ReadonlyMap<string, string>): VmDisk {
  const kind = said.get('if') ?? 'ide';
  if (said.get('media') !== 'cdrom' || kind === 'virtio')
    throw new UsageError(`--disk ${EMPTY} is a CD-ROM drive without a disc: write --disk ${EMPTY},media=cdrom,if=ide or if=scsi.`);
  return vmDisk.parse({
    path: '',
    format: 'raw',
    interface: kind,
    media: 'cdrom',
    readonly: true,
    cache: said.get('cache') ?? 'writeback',
  });
}

/** A raw disk can look like anything, for a guest has written it: where name and contents disagree, the user must say. */
export function formatOf(path: string, say: (sentence: string) => void): 'raw' | 'qcow2' {
  const name = basename(path);
  const namedRaw = RAW_SUFFIXES.has(extname(path).toLowerCase());
  const looksLike = probeFormat(nodeFiles, path);
  if (looksLike === 'qcow2' && !namedRaw) {
    if (extname(path).toLowerCase() !== '.qcow2') say(`${name} is taken for a qcow2 image: say format=raw if it is none.`);
    return 'qcow2';
  }
  if (looksLike === 'raw' && namedRaw) return 'raw';
  if (looksLike !== 'raw' && looksLike !== 'qcow2')
    throw new ConfigError('DISK_FORMAT', `${name} is a ${looksLike} image: \`cairn disk convert\` makes one of it that a VM can use.`);
  throw new ConfigError(
    'DISK_FORMAT_UNSAID',
    looksLike === 'qcow2'
      ? `${name} has a raw disk's name and a qcow2 image's contents: say which it is with format=raw or format=qcow2.`
      : `${name} does not look like a qcow2 image: say format=raw if it is a raw disk.`,
  );
}

const describeOptions = () => [...Object.entries(VALUES).map(([name, values]) => `${name}=${values.join('|')}`), ...FLAGS].join(', ');
