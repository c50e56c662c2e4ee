/**
 * The one way to have a whole file that a user named, or that lies in a bundle, in memory: a regular file (a pipe would be waited for, and a device may never end), whose size
 * is looked at first. A file that grows meanwhile is read as far as it was.
 */
import { StorageError } from '#engine/errors/errors.ts';
import { nodeFiles } from './node-files.ts';

/** Throws StorageError: FILE_TOO_LARGE when it has more than `mostBytes`, else as nodeFiles.openRead. */
export function readBounded(path: string, mostBytes: number): Uint8Array<ArrayBuffer> {
  using file = nodeFiles.openRead(path);
  const size = file.size();
  if (size > mostBytes)
    throw new StorageError(
      'FILE_TOO_LARGE',
      `${path} cannot be read: it has ${size} bytes, and what it should be has at most ${mostBytes}.`,
    );
  const bytes = new Uint8Array(size);
  return bytes.subarray(0, file.read(bytes, 0));
}

/** The same as text; what is no UTF-8 becomes U+FFFD. */
export function readBoundedText(path: string, mostBytes: number): string {
  return new TextDecoder().decode(readBounded(path, mostBytes));
}
