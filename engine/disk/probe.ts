/** What a file looks like, for an image that the user names and that no guest has written: a raw disk can look like anything. */
import type { HostFiles } from '../ports/host-files.ts';
import type { DiskFormat } from './block.ts';
import { asciiAt, viewAt } from './fields.ts';
import { MAGIC as QCOW2 } from './qcow2/format.ts';
import { SIGNATURE as VDI } from './vdi/header.ts';
import { SIGNATURE as VHDX } from './vhdx/header.ts';
import { isDescriptor } from './vmdk/descriptor.ts';
import { MAGIC as VMDK, MAGIC_ESX } from './vmdk/header.ts';
import { COOKIE as VHD, FOOTER_BYTES } from './vpc/header.ts';

export function probeFormat(files: HostFiles, path: string): DiskFormat {
  using file = files.openRead(path);
  const start = viewAt(file, 0, 512);
  const little = start.getUint32(0, true);
  if (start.getUint32(0) === QCOW2) return 'qcow2';
  if (little === VMDK || little === MAGIC_ESX || isDescriptor(asciiAt(start, 0, 512))) return 'vmdk';
  if (start.getUint32(64, true) === VDI) return 'vdi';
  if (asciiAt(start, 0, VHDX.length) === VHDX) return 'vhdx';
  // A fixed VHD is a raw disk with its footer behind it.
  const footer = viewAt(file, Math.max(0, file.size() - FOOTER_BYTES), FOOTER_BYTES);
  if ([start, footer].some(view => asciiAt(view, 0, VHD.length) === VHD)) return 'vpc';
  return 'raw';
}
