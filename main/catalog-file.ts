/**
 * The SQLite file under a catalogue, which is a cache of a VM's other files: whoever has it open owns the VM, for SQLite holds an exclusive lock on it that the operating system lets go when
 * the process dies, however it dies. What it cannot take (a full disk) is kept in memory and written with a later change; nothing that has happened fails for it.
 *
 *   on disk ─a change cannot be written▶ in memory, the file as it was and still locked ─a later change can, with all before it▶ on disk
 */
import { readFileSync } from 'node:fs';
import Database from 'better-sqlite3';
import { StorageError } from '#engine/errors/errors.ts';
import { requireDescriptors } from '#worker/descriptors.ts';
import { requireFile } from '#worker/node-files.ts';
import { migrate, pristineSchema, schemaOf, SCHEMA_VERSION } from './catalog-schema.ts';

/** Not the file's fault, and perhaps no fault at all at another time. */
const PASSING = /^SQLITE_(FULL|IOERR|NOMEM|INTERRUPT|CANTOPEN)/;

/** Of a database: the file, its journal, its folder. */
const DATABASE_DESCRIPTORS = 3;
/** No Cairn will ever write one above it. */
const LAST_BELIEVED_VERSION = 100;

export class CatalogFile {
  readonly path: string;
  private readonly disk: Database.Database;
  private memory: Database.Database | undefined;
  /** The one that the methods of a catalogue read and write now. */
  private now: Database.Database;
  /** What is in memory and not in the file, oldest first. */
  private untold: (() => void)[] = [];
  /** While true the file stays as it is: what it mirrors could not be written either, and is not to be older than it. */
  isHeld = false;

  private constructor(path: string, disk: Database.Database) {
    this.path = path;
    this.disk = disk;
    this.now = disk;
  }

  /**
   * Undefined when another process (or another opener here) has it. Throws StorageError: CATALOG_VERSION of a newer Cairn's, CATALOG_DAMAGED when it is not what SQLite can read and write, with the
   * tables and no more than the tables of a catalogue; another code when the host's storage fails.
   */
  static tryOpen(path: string): CatalogFile | undefined {
    let db: Database.Database | undefined;
    try {
      requireFiles(path);
      db = new Database(path, { timeout: 0 });
      db.pragma('locking_mode = EXCLUSIVE');
      db.exec('BEGIN EXCLUSIVE');
      const file = new CatalogFile(path, db);
      file.make();
      examine(file.db, path);
      return file;
    } catch (cause) {
      db?.close();
      if (codeOf(cause).startsWith('SQLITE_BUSY')) return undefined;
      throw failure(path, cause);
    }
  }

  /** A look at a file that nobody owns for it; undefined when somebody has it. Throws as tryOpen(). What a process that was killed left half-written is not seen. */
  static look<T>(path: string, at: (db: Database.Database) => T): T | undefined {
    let copy: Database.Database | undefined;
    try {
      requireFiles(path);
      if (CatalogFile.isHeld(path)) return undefined;
      copy = new Database(readFileSync(path));
      const version = versionOf(copy, path);
      copy.exec('BEGIN IMMEDIATE');
      migrate(copy, version); // writes something in any case
      copy.exec('COMMIT');
      examine(copy, path);
      return at(copy);
    } catch (cause) {
      throw failure(path, cause);
    } finally {
      copy?.close();
    }
  }

  /** Whether somebody has it open. */
  static isHeld(path: string): boolean {
    let db: Database.Database | undefined;
    try {
      requireFiles(path);
      db = new Database(path, { timeout: 0, readonly: true, fileMustExist: true });
      db.prepare('SELECT count(*) FROM sqlite_schema').get(); // reading takes a lock
      return false;
    } catch (cause) {
      return codeOf(cause).startsWith('SQLITE_BUSY'); // what cannot be read is nobody's
    } finally {
      db?.close();
    }
  }

  /** A quick look at a file that nobody has open, whatever it is otherwise; undefined when it cannot be had. */
  static glance<T>(path: string, at: (db: Database.Database) => T): T | undefined {
    let db: Database.Database | undefined;
    try {
      requireFiles(path);
      db = new Database(path, { timeout: 0, readonly: true, fileMustExist: true });
      return at(db);
    } catch {
      return undefined;
    } finally {
      db?.close();
    }
  }

  get db(): Database.Database {
    return this.now;
  }

  /** All of it or nothing; is so when this returns. Done again when it could not be written at first. */
  change(work: () => void): void {
    if (this.now.inTransaction) return work();
    if (!this.isHeld && this.writes(work)) return;
    this.memory ??= copyOf(this.disk, this.path);
    this.now = this.memory;
    this.memory.transaction(work)();
    this.untold.push(work);
  }

  /** The same, and in the file when it returns. Throws StorageError, and nothing is changed. */
  secure(work: () => void): void {
    const why = this.tryWriting(work);
    if (why !== undefined) throw failure(this.path, why, 'written');
  }

  close(): void {
    if (this.untold.length > 0 && !this.isHeld) this.writes(() => {}); // the disk may have room again; if not, the next opening reads the other files
    this.memory?.close();
    this.disk.close();
  }

  /** In the transaction that holds the lock. A new or an older file becomes one of now; where there is no room for that, in memory. */
  private make(): void {
    const version = versionOf(this.disk, this.path);
    const upgrade = () => {
      if (version < SCHEMA_VERSION) migrate(this.now, version);
    };
    try {
      upgrade();
      this.disk.exec('COMMIT'); // in exclusive locking mode the lock stays
      this.disk.pragma('journal_mode = DELETE'); // which an older file, or a forged one, may not have
    } catch (cause) {
      if (!PASSING.test(codeOf(cause))) throw cause;
      if (this.disk.inTransaction) this.disk.exec('ROLLBACK');
      this.change(upgrade);
    }
  }

  private writes(work: () => void): boolean {
    return this.tryWriting(work) === undefined;
  }

  /** Why not. */
  private tryWriting(work: () => void): unknown {
    const before = this.now;
    this.now = this.disk;
    try {
      this.disk.transaction(() => {
        for (const each of [...this.untold, work]) each();
      })();
    } catch (cause) {
      this.now = before;
      if (!(cause instanceof Database.SqliteError)) throw cause;
      return cause;
    }
    this.untold = [];
    this.memory?.close();
    this.memory = undefined;
    return undefined;
  }
}

/** A pipe in the place of one of them would be waited for. */
function requireFiles(path: string): void {
  for (const suffix of ['', '-journal', '-wal', '-shm']) requireFile(path + suffix);
}

/** Throws when anything in it is not as this program makes it. */
function examine(db: Database.Database, path: string): void {
  if (db.pragma('integrity_check(1)', { simple: true }) !== 'ok' || schemaOf(db) !== pristineSchema())
    throw new StorageError('CATALOG_DAMAGED', `${path} is damaged.`);
}

function versionOf(db: Database.Database, path: string): number {
  const version = db.pragma('user_version', { simple: true });
  if (typeof version !== 'number' || version < 0 || version > LAST_BELIEVED_VERSION)
    throw new StorageError('CATALOG_DAMAGED', `${path} is damaged: it says to be of version ${String(version)}.`);
  if (version <= SCHEMA_VERSION) return version;
  throw new StorageError(
    'CATALOG_VERSION',
    `${path} was written by a newer Cairn (catalogue version ${version}): open the VM with that one.`,
  );
}

function copyOf(disk: Database.Database, path: string): Database.Database {
  try {
    return new Database(disk.serialize());
  } catch (cause) {
    throw failure(path, cause);
  }
}

const codeOf = (cause: unknown): string => String((cause as { readonly code?: unknown }).code ?? '');

function failure(path: string, cause: unknown, doing = 'opened'): StorageError {
  if (cause instanceof StorageError && cause.code !== 'NOT_A_FILE') return cause;
  const code = codeOf(cause);
  const text = (cause as Error).message;
  if (code.startsWith('SQLITE_CANTOPEN'))
    requireDescriptors(DATABASE_DESCRIPTORS, `${doing === 'written' ? 'Writing' : 'Opening'} ${path}`);
  if (code === 'SQLITE_FULL')
    return new StorageError('DISK_FULL', `${path} cannot be ${doing}: the disk is full: make room and try again.`, { cause });
  if (PASSING.test(code) || doing === 'written') return new StorageError('CATALOG', `${path} cannot be ${doing}: ${text}.`, { cause });
  return new StorageError('CATALOG_DAMAGED', cause instanceof StorageError ? text : `${path} is damaged: ${text}.`, { cause });
}
