/** `--disk FILE,if=virtio|ide|scsi,…`: one disk of `cairn run`. */
import { extname, resolve } from 'node:path';
import { usableFormat } from '../image-format.ts';
import { vmDisk, type VmDisk } from '../ipc/contract.ts';
import { UsageError } from './exit-codes.ts';

const VALUES: Readonly<Record<string, readonly string[]>> = {
  if: vmDisk.shape.interface.options,
  format: vmDisk.shape.format.unwrap().options,
  cache: vmDisk.shape.cache.options,
  media: vmDisk.shape.media.options,
};
/** In place of a file. A file of that name is `./none`. */
const EMPTY = 'none';
/** A file or a folder in which the image's backing files may lie, besides its own; as often as there are some. */
const ALLOW = 'allow';
const FLAGS = new Set(['readonly', 'write-base']);

/** `say` hears what was assumed. A comma in the file's name is written twice. */
export function parseDisk(text: string, say: (sentence: string) => void): VmDisk {
  const [file, ...words] = text.split(/(?<!,),(?!,)/).map(part => part.replaceAll(',,', ','));
  if (file === undefined || file === '') throw new UsageError(`--disk ${text} names no file: write --disk FILE,if=virtio.`);
  const said = new Map<string, string>();
  const allow: string[] = [];
  for (const word of words) {
    const [, name = '', value] = /^([^=]*)(?:=(.*))?$/s.exec(word) ?? [];
    if (name === ALLOW && value) {
      allow.push(resolve(value));
      continue;
    }
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
    format: said.get('format') ?? usableFormat(path, { how: format => `format=${format}`, say }),
    interface: said.get('if') ?? (media === 'cdrom' ? 'ide' : 'virtio'),
    media,
    readonly: said.has('readonly') || media === 'cdrom',
    cache: said.get('cache') ?? 'writeback',
    writeBase: said.has('write-base'),
    ...(allow.length === 0 ? {} : { allow }),
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

const describeOptions = () =>
  [...Object.entries(VALUES).map(([name, values]) => `${name}=${values.join('|')}`), `${ALLOW}=PATH`, ...FLAGS].join(', ');
