/**
 * A disk in memory that fails as asked: the nth operation with an error, or with a crash of the host, after which only what was synced is certain.
 */
import { StorageError } from '#engine/errors/errors.ts';
import type { FileFacts, HostFile, HostFiles } from '#engine/ports/host-files.ts';

interface Inode {
  bytes: Uint8Array;
  length: number;
  synced: Uint8Array;
  modified: number;
}

/** Thrown at a crash and by every operation after it: no clean-up code gets anywhere. */
export class HostCrash extends Error {}

/** A `lasting` error: every operation from then on. */
export type Fault = { readonly kind: 'error'; readonly code: string; readonly lasting: boolean } | { readonly kind: 'crash' };

/**
 * What the disk has after a crash: `lost`: only what was synced; `kept`: all; `torn`: all names, and of unsynced bytes every other 512;
 * `seed`: all names, and of unsynced sectors those that chance chose to write first.
 */
export type AfterCrash = 'lost' | 'kept' | 'torn' | { readonly seed: number };

const SECTOR = 512;

export class MemoryFiles implements HostFiles {
  /** Operations that could fail so far. */
  operations = 0;
  /** Files open now: none may be left behind. */
  open = 0;
  /** Whether this host's storage can share blocks between files. */
  canClone = false;
  /** The disk has no room for anything that makes a file longer. */
  full = false;
  /** Called at every operation that the host could go down at, as things are then: who looks at afterCrash() sees what that crash would leave. */
  onOperation: ((operation: number) => void) | undefined;
  private writes = 0;
  private names = new Map<string, Inode>();
  private syncedNames = new Map<string, Inode>();
  private faultAt = Infinity;
  private fault: Fault = { kind: 'crash' };
  private crashed = false;

  failAt(operation: number, fault: Fault): void {
    this.faultAt = operation;
    this.fault = fault;
  }

  /** The disk as it is found when the host is up again. */
  afterCrash(how: AfterCrash): MemoryFiles {
    const disk = new MemoryFiles();
    for (const [name, inode] of how === 'lost' ? this.syncedNames : this.names) disk.put(name, contentsAfter(inode, how), inode.modified);
    disk.canClone = this.canClone;
    disk.writes = this.writes;
    return disk;
  }

  put(path: string, bytes: Uint8Array, modified = ++this.writes): void {
    const inode = { bytes: bytes.slice(), length: bytes.length, synced: bytes.slice(), modified };
    this.names.set(path, inode);
    this.syncedNames.set(path, inode);
  }

  get(path: string): Uint8Array {
    const inode = this.names.get(path);
    if (!inode) throw new StorageError('NO_SUCH_FILE', `${path} cannot be opened: it does not exist.`);
    return inode.bytes.slice(0, inode.length);
  }

  paths(): string[] {
    return [...this.names.keys()].toSorted();
  }

  openRead(path: string): HostFile {
    const file = this.openWrite(path);
    const refused = (): never => {
      throw new StorageError('STORAGE', `${path} cannot be written: it is open for reading only.`);
    };
    return { ...file, write: refused, truncate: refused, allocate: refused };
  }

  openWrite(path: string): HostFile {
    this.operation(path);
    const inode = this.names.get(path);
    if (!inode) throw new StorageError('NO_SUCH_FILE', `${path} cannot be opened: it does not exist.`);
    return this.handle(path, inode);
  }

  realPath(path: string): string {
    if (!this.names.has(path)) throw new StorageError('NO_SUCH_FILE', `${path} cannot be opened: it does not exist.`);
    return path;
  }

  createExclusive(path: string): HostFile {
    this.operation(path);
    if (this.names.has(path)) throw new StorageError('FILE_EXISTS', `${path} cannot be created: there is a file of this name already.`);
    const inode = { bytes: new Uint8Array(4096), length: 0, synced: new Uint8Array(), modified: ++this.writes };
    this.names.set(path, inode);
    return this.handle(path, inode);
  }

  rename(from: string, to: string): void {
    this.operation(to);
    const inode = this.names.get(from);
    if (!inode) throw new StorageError('NO_SUCH_FILE', `${from} cannot be renamed: it does not exist.`);
    this.names.delete(from);
    this.names.set(to, inode);
  }

  syncFolder(folder: string): void {
    this.operation(folder);
    for (const name of [...this.syncedNames.keys()]) if (name.startsWith(`${folder}/`)) this.syncedNames.delete(name);
    for (const [name, inode] of this.names) if (name.startsWith(`${folder}/`)) this.syncedNames.set(name, inode);
  }

  remove(path: string): void {
    this.operation(path);
    this.names.delete(path);
  }

  exists(path: string): boolean {
    this.operation(path);
    return this.names.has(path);
  }

  stat(path: string): FileFacts {
    this.operation(path);
    const inode = this.names.get(path);
    if (!inode) throw new StorageError('NO_SUCH_FILE', `${path} cannot be looked at: it does not exist.`);
    return { sizeBytes: inode.length, modifiedMs: inode.modified };
  }

  clone(from: string, to: string): boolean {
    this.operation(to);
    const inode = this.names.get(from);
    if (!inode) throw new StorageError('NO_SUCH_FILE', `${from} cannot be opened: it does not exist.`);
    if (this.names.has(to)) throw new StorageError('FILE_EXISTS', `${to} cannot be created: there is a file of this name already.`);
    if (!this.canClone) return false;
    this.names.set(to, { bytes: inode.bytes.slice(), length: inode.length, synced: new Uint8Array(), modified: ++this.writes });
    return true;
  }

  list(folder: string): string[] {
    this.operation(folder);
    return [...this.names.keys()].filter(name => name.startsWith(`${folder}/`)).map(name => name.slice(folder.length + 1));
  }

  freeBytes(): number {
    return 2 ** 40;
  }

  get isDown(): boolean {
    return this.crashed;
  }

  /** Whatever was to fail no longer does. */
  mend(): void {
    this.faultAt = Infinity;
  }

  private handle(path: string, inode: Inode): HostFile {
    let closed = false;
    this.open++;
    const sync = () => {
      this.operation(path);
      inode.synced = inode.bytes.slice(0, inode.length);
    };
    return {
      path,
      read: (into, position) => {
        this.operation(path);
        const bytes = inode.bytes.subarray(Math.min(position, inode.length), Math.min(position + into.length, inode.length));
        into.set(bytes);
        return bytes.length;
      },
      write: (bytes, position) => {
        // What a failing write leaves is anything: here its first half. A sector, if it is written whole, is never torn.
        const half = bytes.length >> 1;
        const sectors = bytes.length % SECTOR === 0 && position % SECTOR === 0;
        this.operation(path, () => {
          const { bytes: whole, length } = inode;
          inode.bytes = whole.slice();
          write(inode, bytes.subarray(0, sectors ? half - (half % SECTOR) : half), position);
          return () => Object.assign(inode, { bytes: whole, length });
        });
        if (position + bytes.length > inode.length) this.needRoom(path);
        inode.modified = ++this.writes;
        write(inode, bytes, position);
      },
      truncate: sizeBytes => {
        this.operation(path);
        if (sizeBytes > inode.length) this.needRoom(path);
        inode.modified = ++this.writes;
        resize(inode, sizeBytes);
      },
      allocate: sizeBytes => {
        this.operation(path);
        if (sizeBytes > inode.length) resize(inode, sizeBytes);
      },
      size: () => {
        this.operation(path);
        return inode.length;
      },
      sync: () => sync(),
      dataSync: () => sync(),
      [Symbol.dispose]: () => {
        if (!closed) this.open--;
        closed = true;
      },
    };
  }

  private needRoom(path: string): void {
    if (this.full) throw new StorageError('DISK_FULL', `${path} cannot be written: the disk is full: make room and try again.`);
  }

  /** `half` does a part of it, as a crash might, and answers how that is undone. */
  private operation(path: string, half?: () => () => void): void {
    if (this.crashed) throw new HostCrash('the host is down');
    const now = this.operations++;
    if (this.onOperation !== undefined) {
      const undo = half?.();
      this.onOperation(now);
      undo?.();
    }
    if (now !== this.faultAt && !(now > this.faultAt && this.fault.kind === 'error' && this.fault.lasting)) return;
    half?.();
    if (this.fault.kind === 'error')
      throw new StorageError(this.fault.code, `${path} cannot be written: the disk is full: make room and try again.`);
    this.crashed = true;
    throw new HostCrash('the host went down');
  }
}

function write(inode: Inode, bytes: Uint8Array, position: number): void {
  const end = position + bytes.length;
  if (end > inode.bytes.length) {
    const grown = new Uint8Array(Math.max(end, inode.bytes.length * 2));
    grown.set(inode.bytes);
    inode.bytes = grown;
  }
  inode.bytes.set(bytes, position);
  inode.length = Math.max(inode.length, end);
}

function resize(inode: Inode, sizeBytes: number): void {
  if (sizeBytes > inode.length) write(inode, new Uint8Array(sizeBytes - inode.length), inode.length);
  inode.bytes.fill(0, sizeBytes);
  inode.length = sizeBytes;
}

function contentsAfter({ bytes, length, synced }: Inode, how: AfterCrash): Uint8Array {
  if (how === 'lost') return synced;
  const contents = bytes.slice(0, length);
  if (how === 'kept') return contents;
  let random = how === 'torn' ? 0 : how.seed;
  for (let at = 0; at < length; at += SECTOR) {
    random = how === 'torn' ? ~random : (Math.imul(random ^ (random >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0;
    if (random >= 0) continue;
    for (let i = at; i < Math.min(at + SECTOR, length); i++) contents[i] = synced[i] ?? 0;
  }
  return contents;
}
