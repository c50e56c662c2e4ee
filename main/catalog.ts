/**
 * catalog.db: the checkpoint tree of one VM and where its machine stands in it (docs/formats/bundle.md). Whoever has it open owns the VM: SQLite
 * holds an exclusive lock on the file, which the operating system lets go when the process dies, however it dies.
 */
import Database from 'better-sqlite3';
import { StorageError } from '#engine/errors/errors.ts';
import type { Checkpoint } from './ipc/contract.ts';

const SCHEMA_VERSION = 1;
const SCHEMA = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
  CREATE TABLE checkpoint (
    id TEXT PRIMARY KEY, title TEXT NOT NULL, parent TEXT, taken_at TEXT NOT NULL,
    pause_ms REAL NOT NULL, total_ms REAL NOT NULL, bytes_written INTEGER NOT NULL,
    pages_stored INTEGER NOT NULL, pages_zero INTEGER NOT NULL, pages_pointed INTEGER NOT NULL, pages_absent INTEGER NOT NULL,
    running INTEGER NOT NULL
  ) STRICT;
`;
/** `current`: the checkpoint that the machine's state descends from. `resume`: the one that the next start goes on from. */
export type MetaKey = 'current' | 'resume';

interface Row {
  id: string;
  title: string;
  parent: string | null;
  taken_at: string;
  pause_ms: number;
  total_ms: number;
  bytes_written: number;
  pages_stored: number;
  pages_zero: number;
  pages_pointed: number;
  pages_absent: number;
  running: number;
}

export class Catalog {
  private readonly db: Database.Database;

  private constructor(db: Database.Database) {
    this.db = db;
  }

  /** Undefined when another process (or another opener here) has it. Throws StorageError when the file is no catalogue. */
  static tryOpen(path: string): Catalog | undefined {
    let db: Database.Database | undefined;
    try {
      db = new Database(path, { timeout: 0 });
      db.pragma('locking_mode = EXCLUSIVE');
      db.exec('BEGIN EXCLUSIVE');
      const version = db.pragma('user_version', { simple: true });
      if (version === 0) {
        db.exec(SCHEMA);
        db.pragma(`user_version = ${SCHEMA_VERSION}`);
      } else if (version !== SCHEMA_VERSION) {
        throw new StorageError(
          'CATALOG_VERSION',
          `${path} was written by a newer Cairn (catalogue version ${String(version)}): open the VM with that one.`,
        );
      }
      db.exec('COMMIT'); // in exclusive locking mode the lock stays
      const catalog = new Catalog(db);
      if (db.pragma('quick_check(1)', { simple: true }) !== 'ok' || !catalog.isReadable()) {
        throw new StorageError('CATALOG_DAMAGED', `${path} is damaged.`);
      }
      return catalog;
    } catch (cause) {
      db?.close();
      if (cause instanceof StorageError) throw cause;
      const code = (cause as { code?: string }).code ?? '';
      if (code.startsWith('SQLITE_BUSY')) return undefined;
      const damaged = code === 'SQLITE_NOTADB' || code.startsWith('SQLITE_CORRUPT');
      throw new StorageError(damaged ? 'CATALOG_DAMAGED' : 'CATALOG', `${path} cannot be opened: ${(cause as Error).message}.`, { cause });
    }
  }

  /** A glance at a catalogue that nobody has open; undefined when somebody has, or there is none yet. */
  static peek(path: string): { current: string | undefined; checkpoints: number } | undefined {
    let db: Database.Database | undefined;
    try {
      db = new Database(path, { timeout: 0, readonly: true, fileMustExist: true });
      const catalog = new Catalog(db);
      return { current: catalog.getMeta('current'), checkpoints: catalog.list().length };
    } catch {
      return undefined;
    } finally {
      db?.close();
    }
  }

  close(): void {
    this.db.close();
  }

  /** Whether every row says what it should. */
  private isReadable(): boolean {
    try {
      this.getMeta('current');
      this.list();
      return true;
    } catch {
      return false;
    }
  }

  /** Oldest first. */
  list(): Checkpoint[] {
    return (this.db.prepare('SELECT * FROM checkpoint ORDER BY taken_at, rowid').all() as Row[]).map(toCheckpoint);
  }

  get(id: string): Checkpoint | undefined {
    const row = this.db.prepare('SELECT * FROM checkpoint WHERE id = ?').get(id) as Row | undefined;
    return row && toCheckpoint(row);
  }

  add(checkpoint: Checkpoint): void {
    const { pages } = checkpoint;
    this.db
      .prepare('INSERT OR REPLACE INTO checkpoint VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)')
      .run(
        checkpoint.id,
        checkpoint.title,
        checkpoint.parent,
        checkpoint.takenAt,
        checkpoint.pauseMs,
        checkpoint.totalMs,
        checkpoint.bytesWritten,
        pages.stored,
        pages.zero,
        pages.pointed,
        pages.absent,
        checkpoint.running ? 1 : 0,
      );
  }

  rename(id: string, title: string): void {
    this.db.prepare('UPDATE checkpoint SET title = ? WHERE id = ?').run(title, id);
  }

  /** Forgets a checkpoint whose file has gone; its children become roots. */
  forget(id: string): void {
    this.together(() => {
      this.db.prepare('UPDATE checkpoint SET parent = NULL WHERE parent = ?').run(id);
      this.db.prepare('DELETE FROM checkpoint WHERE id = ?').run(id);
      this.db.prepare('DELETE FROM meta WHERE value = ?').run(id);
    });
  }

  getMeta(key: MetaKey): string | undefined {
    return (this.db.prepare('SELECT value FROM meta WHERE key = ?').get(key) as { value: string } | undefined)?.value;
  }

  setMeta(key: MetaKey, value: string | undefined): void {
    if (value === undefined) this.db.prepare('DELETE FROM meta WHERE key = ?').run(key);
    else this.db.prepare('INSERT OR REPLACE INTO meta VALUES (?, ?)').run(key, value);
  }

  /** All of it or nothing. */
  together(change: () => void): void {
    this.db.transaction(change)();
  }
}

function toCheckpoint(row: Row): Checkpoint {
  return {
    id: row.id,
    title: row.title,
    parent: row.parent,
    takenAt: row.taken_at,
    pauseMs: row.pause_ms,
    totalMs: row.total_ms,
    bytesWritten: row.bytes_written,
    pages: { stored: row.pages_stored, zero: row.pages_zero, pointed: row.pages_pointed, absent: row.pages_absent },
    running: row.running === 1,
  };
}
