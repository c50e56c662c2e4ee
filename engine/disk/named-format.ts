/**
 * Which format a file has, by its name and its contents. Where the two agree all is well. Where they do not the user must say: an image whose beginning or
 * end is damaged looks raw, and a raw disk looks like whatever its guest has written at its start.
 */
import { ConfigError } from '../errors/errors.ts';
import type { HostFiles } from '../ports/host-files.ts';
import type { DiskFormat } from './block.ts';
import { probeFormat } from './probe.ts';

const SUFFIXES: Readonly<Record<string, DiskFormat>> = {
  qcow2: 'qcow2',
  vmdk: 'vmdk',
  vdi: 'vdi',
  vhd: 'vpc',
  vpc: 'vpc',
  vhdx: 'vhdx',
  raw: 'raw',
  img: 'raw',
  iso: 'raw',
  dd: 'raw',
};

/** As people call them. */
const WORDS: Readonly<Record<DiskFormat, string>> = {
  raw: 'raw disk',
  qcow2: 'qcow2 image',
  vmdk: 'VMDK image',
  vdi: 'VDI image',
  vpc: 'VHD image',
  vhdx: 'VHDX image',
};

/** A file of several that are one VMDK image together. */
const VMDK_PART = /-(?:flat|rdmp?|[sf][0-9]{3,})\.vmdk$/i;

export const suffixOf = (path: string): string => /\.([a-z0-9]+)$/i.exec(path)?.[1]?.toLowerCase() ?? '';

/** What the name promises, if anything. */
export const promisedFormat = (path: string): DiskFormat | undefined =>
  Object.hasOwn(SUFFIXES, suffixOf(path)) ? SUFFIXES[suffixOf(path)] : undefined;

export interface Asking {
  /** How the user says a format where he is: `--format raw`, `format=raw`. */
  readonly how: (format: DiskFormat) => string;
  /** Hears what was assumed. */
  readonly say: (sentence: string) => void;
}

/** Throws ConfigError DISK_NOT_AS_NAMED when contents of another kind were promised, DISK_FORMAT_UNSAID when nobody can know. */
export function namedFormat(files: HostFiles, path: string, { how, say }: Asking): DiskFormat {
  const promised = promisedFormat(path);
  const found = probeFormat(files, path);
  if (found === promised) return found;
  const name = path.slice(Math.max(path.lastIndexOf('/'), path.lastIndexOf('\\')) + 1);
  if (promised === undefined && found !== 'raw') {
    say(`${name} is taken for a ${WORDS[found]}: say ${how('raw')} if it is none.`);
    return found;
  }
  if (promised === undefined)
    throw new ConfigError('DISK_FORMAT_UNSAID', `${name} does not look like an image of any kind: say ${how('raw')} if it is a raw disk.`);
  if (promised === 'raw')
    throw new ConfigError(
      'DISK_FORMAT_UNSAID',
      `${name} has a raw disk’s name and a ${WORDS[found]}’s contents, which a guest could have written: say which it is with ${how('raw')} or ${how(found)}.`,
    );
  if (found !== 'raw')
    throw new ConfigError(
      'DISK_NOT_AS_NAMED',
      `${name} has a ${WORDS[promised]}’s name and a ${WORDS[found]}’s contents: say ${how(found)} if you trust it.`,
    );
  const part = promised === 'vmdk' && VMDK_PART.test(name);
  throw new ConfigError(
    'DISK_NOT_AS_NAMED',
    part
      ? `${name} is one part of a VMDK image: name the small file that belongs to it, ${name.replace(VMDK_PART, '.vmdk')}; or say ${how('raw')} if the part is a raw disk.`
      : `${name} is named as a ${WORDS[promised]}, and its contents are not one’s: it is damaged, was cut, or has a wrong name. Say ${how('raw')} if it is a raw disk.`,
  );
}
