// Writes cpio archives in the "new ASCII" form that Linux takes as an initramfs (Documentation/driver-api/early-userspace/buffer-format.rst).
// Device nodes are only entries in it, so no root is needed.
import { Buffer } from 'node:buffer';

const DIRECTORY = 0o040000;
const FILE = 0o100000;
const LINK = 0o120000;
const CHARACTER_DEVICE = 0o020000;

export const directory = name => ({ name, mode: DIRECTORY | 0o755, data: Buffer.alloc(0) });
export const file = (name, data, mode = 0o755) => ({ name, mode: FILE | mode, data: Buffer.from(data) });
export const link = (name, target) => ({ name, mode: LINK | 0o777, data: Buffer.from(target) });
export const device = (name, major, minor) => ({ name, mode: CHARACTER_DEVICE | 0o600, data: Buffer.alloc(0), major, minor });

const padding = length => Buffer.alloc((4 - (length % 4)) % 4);

/** The archive of `entries`, parents first. Every number is fixed, so that the same entries give the same bytes. */
export function cpio(entries) {
  const parts = [];
  let inode = 1;
  for (const { name, mode, data, major = 0, minor = 0 } of [...entries, { name: 'TRAILER!!!', mode: 0, data: Buffer.alloc(0) }]) {
    const fields = [inode++, mode, 0, 0, 1, 0, data.length, 0, 0, major, minor, Buffer.byteLength(name) + 1, 0];
    const head = Buffer.from(`070701${fields.map(value => value.toString(16).padStart(8, '0')).join('')}${name}\0`);
    parts.push(head, padding(head.length), data, padding(data.length));
  }
  return Buffer.concat(parts);
}
