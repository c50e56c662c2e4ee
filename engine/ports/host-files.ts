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
  /** Returns when everything written so far would survive a power failure. */
  sync(): void;
  /** Closes it; a second time does nothing. */
  [Symbol.dispose](): void;
}

export interface HostFiles {
  openRead(path: string): HostFile;
  /** A new file; fails when there is one of this name. */
  createExclusive(path: string): HostFile;
  /** Replaces `to` if it exists, at once for everybody who looks. Durable after syncFolder(). */
  rename(from: string, to: string): void;
  /** Makes creations, renames and removals in the folder durable. */
  syncFolder(folder: string): void;
  /** No file of this name is no failure. */
  remove(path: string): void;
  exists(path: string): boolean;
  /** Names of the files in a folder. */
  list(folder: string): string[];
  freeBytes(folder: string): number;
}
