/** What a VM's configuration names, read from the host: a kernel (bzImage or Multiboot 1) and an initrd. */
import { basename } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ConfigError, StorageError } from '#engine/errors/errors.ts';
import type { BootSource } from '#engine/machine/machine.ts';
import type { HostFile } from '#engine/ports/host-files.ts';
import { nodeFiles } from '#worker/node-files.ts';
import type { VmConfig } from './ipc/contract.ts';

/** Linux/x86 boot protocol: "HdrS" in the setup header. */
const HDRS_OFFSET = 0x202;
const HDRS = 0x53726448;
/** Multiboot 0.6.96 section 3.1: within the first 8192 bytes, 4-byte aligned. */
const MULTIBOOT_MAGIC = 0x1badb002;
const MULTIBOOT_SEARCH = 8192;

/** Read before the process's other work, a signal among it, gets a turn. */
const PIECE_BYTES = 16 << 20;

/** Both files are looked at before either is read: what is no kernel, or has no room in the VM, is not read whole. Throws ConfigError. */
export async function readBootFiles(config: VmConfig): Promise<BootSource> {
  if (config.kernel === undefined) return { kind: 'none' };
  using kernelFile = open('kernel', config.kernel);
  using initrdFile = config.initrd === undefined ? undefined : open('initrd', config.initrd);
  const kind = kernelKind(startOf(kernelFile));
  if (kind === undefined)
    throw new ConfigError(
      'NOT_A_KERNEL',
      `${config.kernel} is not a kernel that Cairn can start: it is neither a Linux bzImage nor a Multiboot 1 file.`,
    );
  if (kernelFile.size() + (initrdFile?.size() ?? 0) > config.memoryMiB * 1024 * 1024)
    throw new ConfigError(
      'TOO_LITTLE_MEMORY',
      `${config.memoryMiB} MiB of memory cannot hold the kernel and the initrd: give the VM more.`,
    );
  const kernel = await contentsOf('kernel', kernelFile);
  const initrd = initrdFile && (await contentsOf('initrd', initrdFile));
  if (kind === 'linux') return { kind, kernel, initrd, commandLine: config.append };
  // Boot loaders put the file's name first (GRUB, QEMU), and kernels skip a word.
  const commandLine = `${fileWord(config.kernel)} ${config.append}`.trimEnd();
  return { kind, kernel, modules: initrd ? [{ contents: initrd, commandLine: fileWord(config.initrd!) }] : [], commandLine };
}

/** The name of a file as one word. */
const fileWord = (path: string): string => basename(path).replaceAll(/\s/g, '_');

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

type Input = 'kernel' | 'initrd';

function open(what: Input, path: string): HostFile {
  return refused(what, path, () => nodeFiles.openRead(path));
}

function startOf(file: HostFile): Uint8Array {
  const bytes = new Uint8Array(MULTIBOOT_SEARCH);
  return refused('kernel', file.path, () => bytes.subarray(0, file.read(bytes, 0)));
}

/** Shared: a world's thread has it without a copy. */
async function contentsOf(what: Input, file: HostFile): Promise<Uint8Array> {
  const bytes = new Uint8Array(new SharedArrayBuffer(file.size()));
  for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
    const piece = bytes.subarray(at, at + PIECE_BYTES);
    if (refused(what, file.path, () => file.read(piece, at)) < piece.length)
      throw new ConfigError('UNREADABLE', `the ${what} ${file.path} has become shorter while it was read: try again.`);
    await nextTurn();
  }
  return bytes;
}

function refused<T>(what: Input, path: string, act: () => T): T {
  try {
    return act();
  } catch (cause) {
    if (!(cause instanceof StorageError)) throw cause;
    if (cause.code === 'NO_SUCH_FILE') throw new ConfigError('NO_SUCH_FILE', `the ${what} ${path} does not exist.`, { cause });
    const code = cause.code === 'NOT_A_FILE' ? 'NOT_A_FILE' : 'UNREADABLE';
    throw new ConfigError(code, `the ${what} ${cause.message}`, { cause });
  }
}
