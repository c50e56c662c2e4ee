/** Tells a Linux kernel from a Multiboot one by its headers, or says what the file is instead. */
import { ConfigError } from '../errors/errors.ts';
import { isLinux } from './linux-boot.ts';
import { findMultibootHeader } from './multiboot.ts';

const ELF_MAGIC = 0x464c457f;

/** A file with both headers is a Linux kernel: that header carries more. */
export function detectKernel(bytes: Uint8Array): 'linux' | 'multiboot' {
  if (isLinux(bytes)) return 'linux';
  if (findMultibootHeader(bytes)) return 'multiboot';
  throw new ConfigError('NOT_A_KERNEL', explain(bytes));
}

function explain(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'The kernel file is empty: choose a bzImage or a Multiboot 1 kernel.';
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length >= 4 && view.getUint32(0, true) === ELF_MAGIC) {
    return 'The kernel file is an ELF program without a Multiboot 1 header. If it is a "vmlinux", use the bzImage (vmlinuz) made from it.';
  }
  if (bytes[0] === 0x1f && bytes[1] === 0x8b)
    return 'The kernel file is gzip data: it looks like an initrd or a packed file, not a kernel.';
  return 'The kernel file is neither a Linux bzImage nor a Multiboot 1 kernel: choose another file.';
}
