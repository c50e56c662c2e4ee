/**
 * Locks on files outside the bundles (base disks where the user keeps them): readers share, a writer excludes, between processes and inside one.
 * Each file has a lock file in a folder of the user's, named by the file itself (device and inode), so that links to it share the lock; SQLite locks it, and
 * the operating system lets go when the process dies, however it dies. Beside it lies who holds it, which only tells the others whom to name.
 *
 *   DEVICE-INODE.lock   an SQLite database that nothing is ever written to        DEVICE-INODE.PID-N   { pid, holder, kind, path } of one holder
 */
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { z } from 'zod';
import { ConfigError, StorageError } from '#engine/errors/errors.ts';
import { isAlive } from '#worker/is-alive.ts';
import { defaultLockFolder, makeLockFolder } from '#worker/lock-folder.ts';
import { storageError } from '#worker/node-files.ts';

export type LockKind = 'shared' | 'exclusive';

/** How long a lock that another one is just trying to take is waited for. */
const PATIENCE_MS = 250;
const LOCK_SUFFIX = '.lock';

const holderSchema = z.object({ pid: z.int(), holder: z.string(), kind: z.enum(['shared', 'exclusive']), path: z.string() });
type Holder = z.infer<typeof holderSchema>;

export class FileLocks {
  private readonly folder: string;
  private static taken = 0;

  constructor(folder: string = defaultLockFolder()) {
    this.folder = folder;
  }

  /**
   * `holder` is who takes it, in words for others (a VM's name). Throws ConfigError FILE_IN_USE, naming who has the file, and StorageError when the file or
   * the folder of locks cannot be used.
   */
  take(path: string, kind: LockKind, holder: string): FileLock {
    makeLockFolder(this.folder);
    const key = keyOf(path);
    const db = this.lock(join(this.folder, key + LOCK_SUFFIX), kind, path);
    if (db === undefined) throw this.inUse(path, key, kind);
    const note = join(this.folder, `${key}.${process.pid}-${FileLocks.taken++}`);
    const said: Holder = { pid: process.pid, holder, kind, path };
    try {
      writeFileSync(note, JSON.stringify(said), { mode: 0o600 });
    } catch {
      // The lock is held all the same: only its holder's name is not known to others.
    }
    return new FileLock(db, note, kind);
  }

  /** Undefined when somebody has it. */
  private lock(lockPath: string, kind: LockKind, path: string): Database.Database | undefined {
    let db: Database.Database | undefined;
    try {
      db = new Database(lockPath, { timeout: PATIENCE_MS });
      if (kind === 'exclusive') db.exec('BEGIN EXCLUSIVE');
      else db.exec('BEGIN; SELECT count(*) FROM sqlite_schema'); // reading takes the shared lock, which stays until the transaction ends
      return db;
    } catch (cause) {
      db?.close();
      if (((cause as { code?: string }).code ?? '').startsWith('SQLITE_BUSY')) return undefined;
      throw new StorageError('LOCKS', `${path} cannot be locked (by ${lockPath}): ${(cause as Error).message}.`, { cause });
    }
  }

  /** Who has the file, in words for others. */
  holdersOf(path: string): { readonly holder: string; readonly pid: number }[] {
    return existsSync(this.folder) ? this.holders(keyOf(path)) : [];
  }

  private inUse(path: string, key: string, wanted: LockKind): ConfigError {
    const others = this.holders(key).filter(({ kind }) => wanted === 'exclusive' || kind === 'exclusive');
    const who = others.map(({ holder, pid }) => `${holder} (${pid === process.pid ? 'in this Cairn' : `process ${pid}`})`);
    const names = who.length === 0 ? 'another Cairn' : [...new Set(who)].slice(0, 3).join(', ');
    return new ConfigError(
      'FILE_IN_USE',
      wanted === 'exclusive'
        ? `${path} cannot be written, for ${names} has it open: stop that first, or attach the file read-only.`
        : `${path} cannot be opened, for ${names} writes to it: stop that first.`,
    );
  }

  /** Who says to hold it and lives. What the dead left goes. */
  private holders(key: string): Holder[] {
    const found: Holder[] = [];
    for (const name of readdirSync(this.folder)) {
      if (!name.startsWith(`${key}.`) || name.endsWith(LOCK_SUFFIX)) continue;
      const note = join(this.folder, name);
      try {
        const holder = holderSchema.parse(JSON.parse(readFileSync(note, 'utf8')));
        if (isAlive(holder.pid)) found.push(holder);
        else rmSync(note, { force: true });
      } catch {
        // It was let go of just now, or is half written: nobody to name.
      }
    }
    return found;
  }
}

/** A lock that is held. */
export class FileLock implements Disposable {
  readonly kind: LockKind;
  private readonly db: Database.Database;
  private readonly note: string;

  constructor(db: Database.Database, note: string, kind: LockKind) {
    this.db = db;
    this.note = note;
    this.kind = kind;
  }

  /** A second time does nothing. */
  [Symbol.dispose](): void {
    if (!this.db.open) return;
    rmSync(this.note, { force: true });
    this.db.close();
  }
}

/** What names the file itself, whatever path leads to it. */
function keyOf(path: string): string {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    return `${dev.toString(16)}-${ino.toString(16)}`;
  } catch (cause) {
    throw storageError(cause, path, 'opened');
  }
}
