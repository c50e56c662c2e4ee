/** `--disk FILE,if=virtio|ide|scsi,…`: one disk of `cairn run`. */
import { basename, extname, resolve } from 'node:path';
import { ConfigError } from '#engine/errors/errors.ts';
import { isChainFormat, type ChainFormat } from '#engine/disk/block.ts';
import { namedFormat, type Asking } from '#engine/disk/named-format.ts';
import { nodeFiles } from '#worker/node-files.ts';
import { vmDisk, type VmDisk } from '../ipc/contract.ts';
import { UsageError } from './exit-codes.ts';

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

/** The format of what a VM can use. `how` is as in Asking. */
export function formatOf(path: string, say: (sentence: string) => void, how: Asking['how'] = format => `format=${format}`): ChainFormat {
  const format = namedFormat(nodeFiles, path, { how, say });
  if (isChainFormat(format)) return format;
  throw new ConfigError('DISK_FORMAT', `${basename(path)} is a ${format} image: \`cairn disk convert\` makes one of it that a VM can use.`);
}

const describeOptions = () => [...Object.entries(VALUES).map(([name, values]) => `${name}=${values.join('|')}`), ...FLAGS].join(', ');
