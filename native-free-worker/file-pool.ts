/**
 * Descriptors, of which a process has few, for files, of which there may be thousands: an open file is a path and an identity (device and inode). Its descriptor is closed when
 * others need one, the least recently used first, and opened again when the file is used: if it is still that file. Each thread has a pool of its own.
 *
 * A descriptor stays open while something was written through it that has not been synced: the host tells a failed write to whoever has the file open. And it stays where
 * another process may replace the file (`keep`).
 */
import * as fs from 'node:fs';
import { descriptorLimit, isTooMany } from './descriptors.ts';

/** What is not in pools: the program's own, threads, sockets, catalogues, locks. */
const RESERVE = 64;
/** Threads of a process that have files open at once: those of some running VMs. */
const THREADS = 12;
const FEWEST = 4;
const MOST = 256;

/** How many descriptors a thread's pool may hold in a process that may have `limit`. */
export const budgetFor = (limit: number): number => Math.max(FEWEST, Math.min(MOST, Math.floor((limit - RESERVE) / THREADS)));

export interface PooledOptions {
  /** With which it is opened again. */
  readonly flags: number;
  /** The descriptor stays. */
  readonly keep: boolean;
  /** Other paths at which the same file may be found once it is not at its own. */
  readonly elsewhere: (path: string) => readonly string[];
}

/** The file at a path is not the one that was opened. */
export class FileReplaced extends Error {}

export class PooledFile {
  /** Where it was last known to be. */
  path: string;
  /** Something was written that has not been synced. */
  isDirty = false;
  readonly options: PooledOptions;
  /** It has no name any more. */
  private isNowhere = false;
  private readonly pool: FilePool;
  /** -1: closed for others' sake. */
  private fd: number;
  private readonly identity: string;

  constructor(pool: FilePool, path: string, fd: number, options: PooledOptions) {
    this.pool = pool;
    this.path = path;
    this.fd = fd;
    this.options = options;
    this.identity = identityOf(fd);
  }

  get mayBeClosed(): boolean {
    return this.fd >= 0 && !this.isDirty && !this.options.keep && !this.isNowhere;
  }

  /** Its path is about to lead elsewhere, or nowhere: as long as it is open here it can be read. */
  loseName(): void {
    try {
      this.use(() => {});
    } catch {
      // It has gone already: whoever uses it hears of it.
    }
    this.isNowhere = true;
  }

  /** Throws what node:fs throws, and FileReplaced. */
  use<T>(action: (fd: number) => T): T {
    if (this.fd < 0) this.fd = this.reopen();
    this.pool.used(this);
    return action(this.fd);
  }

  closeDescriptor(): void {
    const { fd } = this;
    this.fd = -1;
    if (fd < 0) return;
    try {
      fs.closeSync(fd);
    } catch {
      // What matters of a file was synced before, or it is thrown away.
    }
  }

  private reopen(): number {
    let problem: unknown;
    for (const path of [this.path, ...this.options.elsewhere(this.path)]) {
      let fd: number;
      try {
        fd = this.pool.open(() => fs.openSync(path, this.options.flags));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
        problem ??= error;
        continue;
      }
      if (identityOf(fd) === this.identity) return fd;
      fs.closeSync(fd);
      problem ??= new FileReplaced();
    }
    throw problem;
  }
}

function identityOf(fd: number): string {
  const { dev, ino } = fs.fstatSync(fd, { bigint: true });
  return `${dev}:${ino}`;
}

export class FilePool {
  /** How many descriptors it holds when it can. */
  budget: number;
  /** Those with a descriptor, the least recently used first. */
  private readonly held = new Set<PooledFile>();
  /** With a descriptor or not. */
  private readonly files = new Set<PooledFile>();

  constructor(budget: number) {
    this.budget = budget;
  }

  /** Descriptors that it holds. */
  get openCount(): number {
    return this.held.size;
  }

  /** Opens what `action` opens, and makes room for it before. Throws what node:fs throws. */
  open<T>(action: () => T): T {
    while (this.held.size >= this.budget && this.closeOne());
    for (;;) {
      try {
        return action();
      } catch (error) {
        if (!isTooMany(error) || !this.closeOne()) throw error;
      }
    }
  }

  add(path: string, fd: number, options: PooledOptions): PooledFile {
    const file = new PooledFile(this, path, fd, options);
    this.files.add(file);
    this.held.add(file);
    return file;
  }

  used(file: PooledFile): void {
    this.held.delete(file);
    this.held.add(file);
  }

  remove(file: PooledFile): void {
    this.files.delete(file);
    this.held.delete(file);
    file.closeDescriptor();
  }

  /** This thread is about to take the name of a file away: what is open of it can be used until it is closed, as anywhere. */
  removing(path: string): void {
    for (const file of this.files) if (file.path === path) file.loseName();
  }

  /** This thread has given a file another name. */
  renamed(from: string, to: string): void {
    for (const file of this.files) if (file.path === from) file.path = to;
  }

  private closeOne(): boolean {
    for (const file of this.held) {
      if (!file.mayBeClosed) continue;
      this.held.delete(file);
      file.closeDescriptor();
      return true;
    }
    return false;
  }
}

/** Of this thread. */
export const filePool = new FilePool(budgetFor(descriptorLimit()));
