/** The format of an image that a VM is to use. */
import { isChainFormat, type ChainFormat } from '#engine/disk/block.ts';
import { namedFormat, type Asking } from '#engine/disk/named-format.ts';
import { ConfigError } from '#engine/errors/errors.ts';
import { nodeFiles } from '#worker/node-files.ts';
import type { VmDisk } from './ipc/contract.ts';

/** What name and contents say together. Throws ConfigError where they do not agree, or say what Cairn does not run on. */
export function usableFormat(path: string, asking: Asking): ChainFormat {
  const format = namedFormat(nodeFiles, path, asking);
  if (isChainFormat(format)) return format;
  throw new ConfigError('DISK_FORMAT', `${path} is a ${format} image: \`cairn disk convert\` makes one of it that a VM can use.`);
}

/** The user's word, or the same. An empty drive has none. */
export function formatOfDisk({ path, format }: Pick<VmDisk, 'path' | 'format'>): ChainFormat {
  if (format !== undefined) return format;
  return path === '' ? 'raw' : usableFormat(path, { how: other => `the format “${other}”`, say: () => {} });
}
