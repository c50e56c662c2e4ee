/**
 * Files in memory that watch who uses them: how many operations, how much is read, which files are opened. What breaks a bound ends the case with an
 * error that is no CairnError. No clocks: the same case always ends in the same way.
 */
import { posix } from 'node:path';
import { StorageError } from '#engine/errors/errors.ts';
import type { FileFacts, HostFile, HostFiles } from '#engine/ports/host-files.ts';

export interface Bounds {
  readonly operations: number;
  /** In all reads together, and in one: buffers are made to be read into. */
  readonly readBytes: number;
  readonly oneReadBytes: number;
  /** An image that grows without end. */
  readonly fileBytes: number;
}

export class BoundBroken extends Error {}

interface Inode {
  bytes: Uint8Array;
  length: number;
}

export class WatchedFiles implements HostFiles {
  operations = 0;
  readBytes = 0;
  open = 0;
  private readonly inodes = new Map<string, Inode>();
  private readonly bounds: Bounds;
  /** Only files below it may be opened. */
  private readonly folder: string;

  constructor(folder: string, bounds: Bounds) {
    this.folder = folder;
    this.bounds = bounds;
  }

  /** The bytes are used where they are, until a write makes the file longer. */
  put(path: string, bytes: Uint8Array, length = bytes.length): void {
    this.inodes.set(path, { bytes, length });
  }

  openRead(name: string): HostFile {
    this.count();
    const path = posix.normalize(name);
    const inode = this.inodes.get(path);
    if (inode === undefined) throw new StorageError('NO_SUCH_FILE', `${path} cannot be opened: it does not exist.`);
    if (!path.startsWith(`${this.folder}/`)) throw new BoundBroken(`${path} was opened, which is outside ${this.folder}`);
    return this.handle(path, inode);
  }

  openWrite(path: string): HostFile {
    return this.openRead(path);
  }

  createExclusive(path: string): HostFile {
    if (this.inodes.has(path)) throw new StorageError('FILE_EXISTS', `${path} cannot be created: there is a file of this name already.`);
    this.put(path, new Uint8Array());
    return this.openRead(path);
  }

  rename(from: string, to: string): void {
    this.inodes.set(to, this.inodes.get(from)!);
    this.inodes.delete(from);
  }

  syncFolder(): void {
    this.count();
  }

  remove(path: string): void {
    this.inodes.delete(path);
  }

  exists(path: string): boolean {
    return this.inodes.has(posix.normalize(path));
  }

  stat(path: string): FileFacts {
    return { sizeBytes: this.inodes.get(path)?.length ?? 0, modifiedMs: 0 };
  }

  clone(): boolean {
    return false;
  }

  realPath(name: string): string {
    this.count();
    const path = posix.normalize(name);
    if (!this.inodes.has(path)) throw new StorageError('NO_SUCH_FILE', `${path} cannot be opened: it does not exist.`);
    return path;
  }

  list(folder: string): string[] {
    return [...this.inodes.keys()].filter(path => path.startsWith(`${folder}/`)).map(path => path.slice(folder.length + 1));
  }

  freeBytes(): number {
    return 2 ** 40;
  }

  private handle(path: string, inode: Inode): HostFile {
    let closed = false;
    this.open++;
    return {
      path,
      read: (into, position) => {
        this.count();
        this.readBytes += into.length;
        if (into.length > this.bounds.oneReadBytes) throw new BoundBroken(`${into.length} bytes were to be read at once`);
        if (this.readBytes > this.bounds.readBytes) throw new BoundBroken(`more than ${this.bounds.readBytes} bytes were read`);
        if (!(position >= 0)) throw new BoundBroken(`a read at ${position}`);
        const part = inode.bytes.subarray(Math.min(position, inode.length), Math.min(position + into.length, inode.length));
        into.set(part);
        return part.length;
      },
      write: (bytes, position) => {
        this.count();
        this.resize(inode, Math.max(inode.length, position + bytes.length));
        inode.bytes.set(bytes, position);
      },
      truncate: sizeBytes => {
        this.count();
        this.resize(inode, sizeBytes);
      },
      allocate: sizeBytes => this.resize(inode, Math.max(inode.length, sizeBytes)),
      size: () => inode.length,
      sync: () => this.count(),
      dataSync: () => this.count(),
      [Symbol.dispose]: () => {
        if (!closed) this.open--;
        closed = true;
      },
    };
  }

  private resize(inode: Inode, length: number): void {
    if (!(length <= this.bounds.fileBytes)) throw new StorageError('DISK_FULL', 'the disk is full: make room and try again.');
    if (length > inode.bytes.length) {
      const grown = new Uint8Array(Math.max(length, inode.bytes.length * 2));
      grown.set(inode.bytes.subarray(0, inode.length));
      inode.bytes = grown;
    }
    if (length < inode.length) inode.bytes.fill(0, length, inode.length);
    inode.length = length;
  }

  private count(): void {
    if (++this.operations > this.bounds.operations) throw new BoundBroken(`more than ${this.bounds.operations} operations on files`);
  }
}
