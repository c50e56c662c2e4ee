/** Fields of image files: bounded reads, and 64-bit numbers. */
import { DiskFormatError } from '../errors/errors.ts';
import type { HostFile } from '../ports/host-files.ts';

/** `length` bytes from `offset` on; what is past the end of the file is zeroes. */
export function viewAt(file: HostFile, offset: number, length: number): DataView {
  const bytes = new Uint8Array(length);
  file.read(bytes, offset);
  return new DataView(bytes.buffer);
}

/** A little-endian 64-bit field that must be exact as a number; what is beyond becomes Infinity, which no bound lets pass. */
export function littleU64(view: DataView, at: number): number {
  const value = view.getUint32(at + 4, true) * 2 ** 32 + view.getUint32(at, true);
  return value > Number.MAX_SAFE_INTEGER ? Infinity : value;
}

export function asciiAt(view: DataView, at: number, length: number): string {
  return String.fromCharCode(...new Uint8Array(view.buffer, view.byteOffset + at, length));
}

/** A GUID as it is written, from its mixed-endian form (RFC 4122 fields, the first three little-endian). */
export function guidAt(view: DataView, at: number): string {
  const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0');
  const tail = Array.from({ length: 8 }, (_, i) => hex(view.getUint8(at + 8 + i), 2)).join('');
  const head = [hex(view.getUint32(at, true), 8), hex(view.getUint16(at + 4, true), 4), hex(view.getUint16(at + 6, true), 4)];
  return [...head, tail.slice(0, 4), tail.slice(4)].join('-');
}

export const NO_GUID = '00000000-0000-0000-0000-000000000000';

/** For an image that cannot be as it is. */
export function damaged(file: HostFile, problem: string, offset?: number): DiskFormatError {
  return new DiskFormatError('DISK_FORMAT', file.path, `${problem}. The image is damaged.`, offset);
}

/** For an image that is in order and of a kind that cannot be read. */
export function unsupported(file: HostFile, problem: string): DiskFormatError {
  return new DiskFormatError('DISK_FEATURE', file.path, problem);
}

/** For an image whose tables name what is past the end of its file: it was cut. `end`: in bytes, where `what` ends. */
export function cutOff(file: HostFile, what: string, end: number, offset?: number): DiskFormatError {
  return new DiskFormatError(
    'DISK_CUT',
    file.path,
    `the file ends at byte ${file.size()}, and ${what} goes on to byte ${end}. A part of it is missing: get it whole again from where it came from, or from a backup.`,
    offset,
  );
}
