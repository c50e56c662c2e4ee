/**
 * Files as the engine sees them. Synchronous, because only threads with nothing else to do call it; small, so that tests can fail the nth call,
 * drop what was not synced and fill the disk. Every failure is a StorageError whose message names the file.
 */
export interface HostFile extends Disposable {
  readonly path: string;
  /** Bytes read into `into` from `position`: fewer than asked for only at the end of the file. */
  read(into: Uint8Array, position: number): number;
  /** Writes all of `bytes`, which may be a view of shared memory. */
  write(bytes: Uint8Array, position: number): void;
  size(): number;
  /** Cuts the file, or makes it longer with zeroes that take no room. */
  truncate(sizeBytes: number): void;
  /** Makes the file at least this long, with room on the disk for what it is longer by, which reads as zeroes. */
  allocate(sizeBytes: number): void;
  /** Returns when everything written so far would survive a power failure. */
  sync(): void;
  /** As sync(), but for what only describes the file (its times): the contents and the size are safe. */
  dataSync(): void;
  /** Closes it; a second time does nothing. */
  [Symbol.dispose](): void;
}

export interface FileFacts {
  readonly sizeBytes: number;
  /** When its contents last changed, by the host's clock: only good for being compared. */
  readonly modifiedMs: number;
}

export interface HostFiles {
  openRead(path: string): HostFile;
  /** An existing file, to read and to write. */
  openWrite(path: string): HostFile;
  /** A new file; fails when there is one of this name. */
  createExclusive(path: string): HostFile;
  /** Replaces `to` if it exists, at once for everybody who looks. Durable after syncFolder(). */
  rename(from: string, to: string): void;
  /** Makes creations, renames and removals in the folder durable. */
  syncFolder(folder: string): void;
  /** No file of this name is no failure. */
  remove(path: string): void;
  exists(path: string): boolean;
  stat(path: string): FileFacts;
  /** A new file `to` that shares the blocks of `from` until one is written (reflink); false where the host's storage cannot. Durable as a written file is. */
  clone(from: string, to: string): boolean;
  /** The one path of an existing file, with no symbolic link and no `..` in it. */
  realPath(path: string): string;
  /** Names of the files in a folder. */
  list(folder: string): string[];
  freeBytes(folder: string): number;
}
