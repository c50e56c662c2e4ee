/** What a VM's configuration names, read from the host: a kernel (bzImage or Multiboot 1) and an initrd. */
import { readFile, stat } from 'node:fs/promises';
import { ConfigError } from '#engine/errors/errors.ts';
import type { BootSource } from '#engine/machine/machine.ts';
import type { VmConfig } from './ipc/contract.ts';

/** Linux/x86 boot protocol: "HdrS" in the setup header. */
const HDRS_OFFSET = 0x202;
const HDRS = 0x53726448;
/** Multiboot 0.6.96 section 3.1: within the first 8192 bytes, 4-byte aligned. */
const MULTIBOOT_MAGIC = 0x1badb002;
const MULTIBOOT_SEARCH = 8192;

export async function readBootFiles(config: VmConfig): Promise<BootSource> {
  if (config.kernel === undefined) return { kind: 'none' };
  const kernel = await readInput('kernel', config.kernel);
  const initrd = config.initrd === undefined ? undefined : await readInput('initrd', config.initrd);
  const kind = kernelKind(kernel);
  const room = config.memoryMiB * 1024 * 1024;
  if (kernel.length + (initrd?.length ?? 0) > room) {
    throw new ConfigError(
      'TOO_LITTLE_MEMORY',
      `${config.memoryMiB} MiB of memory cannot hold the kernel and the initrd: give the VM more.`,
    );
  }
  if (kind === 'linux') return { kind, kernel, initrd, commandLine: config.append };
  if (kind === 'multiboot') return { kind, kernel, modules: initrd ? [initrd] : [], commandLine: config.append };
  throw new ConfigError(
    'NOT_A_KERNEL',
    `${config.kernel} is not a kernel that Cairn can start: it is neither a Linux bzImage nor a Multiboot 1 file.`,
  );
}

export function kernelKind(bytes: Uint8Array): 'linux' | 'multiboot' | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length >= HDRS_OFFSET + 4 && view.getUint32(HDRS_OFFSET, true) === HDRS) return 'linux';
  for (let at = 0; at + 12 <= Math.min(bytes.length, MULTIBOOT_SEARCH); at += 4) {
    if (view.getUint32(at, true) !== MULTIBOOT_MAGIC) continue;
    const sum = view.getUint32(at, true) + view.getUint32(at + 4, true) + view.getUint32(at + 8, true);
    if (sum >>> 0 === 0) return 'multiboot';
  }
  return undefined;
}

async function readInput(what: 'kernel' | 'initrd', path: string): Promise<Uint8Array> {
  try {
    if ((await stat(path)).isDirectory()) throw new ConfigError('NOT_A_FILE', `the ${what} ${path} is a folder: name a file.`);
    const bytes = await readFile(path);
    // Shared: a world's thread has it without a copy.
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
    shared.set(bytes);
    return shared;
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') throw new ConfigError('NO_SUCH_FILE', `the ${what} ${path} does not exist.`, { cause });
    throw new ConfigError('UNREADABLE', `the ${what} ${path} cannot be read: ${(cause as Error).message}.`, { cause });
  }
}
