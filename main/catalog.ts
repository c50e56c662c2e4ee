/**
 * catalog.db: the checkpoint tree of one VM, its disks' layers, what is under way and what has happened (docs/formats/bundle.md). It mirrors the files, for lists and history. Whoever
 * has it open owns the VM: SQLite holds an exclusive lock on the file, which the operating system lets go when the process dies, however it dies.
 */
import Database from 'better-sqlite3';
import type { z } from 'zod';
import { StorageError } from '#engine/errors/errors.ts';
import { requireDescriptors } from '#worker/descriptors.ts';
import { requireFile } from '#worker/node-files.ts';
import { migrate, SCHEMA_VERSION } from './catalog-schema.ts';
import type { Checkpoint, CheckpointMode, CheckpointTrigger, HistoryEntry, intent } from './ipc/contract.ts';

/** Of a database: the file, its journal, its folder. */
const DATABASE_DESCRIPTORS = 3;
/** What happened longer ago is forgotten, so that periodic checkpoints do not fill the catalogue. */
const HISTORY_LIMIT = 10_000;
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
  file_parent: string | null;
  trigger_kind: string;
  mode: string | null;
  powered_on_ms: number;
  pinned: number;
  note: string;
}

type DiskRow = Checkpoint['disks'][number] & { readonly checkpoint: string };

export interface ParentRow {
  readonly id: string;
  readonly parent: string | null;
  readonly fileParent: string | null;
}

/** A disk layer as the graph has it now. */
export interface LayerRow {
  readonly id: string;
  readonly disk: string;
  readonly parent: string | null;
  readonly kind: 'base' | 'cow';
  /** What its file takes on the host. */
  readonly bytes: number;
}

/** What was under way. The files decide what becomes of it; this is for the user to know. */
export type Intent = Readonly<z.infer<typeof intent>> & { readonly id: number };

/** A pipe in the place of one of its files would be waited for. */
function open(path: string, options: Database.Options): Database.Database {
  try {
    for (const suffix of ['', '-journal', '-wal', '-shm']) requireFile(path + suffix);
  } catch (cause) {
    throw new StorageError('CATALOG_DAMAGED', (cause as StorageError).message, { cause });
  }
  return new Database(path, options);
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
      db = open(path, { timeout: 0 });
      db.pragma('locking_mode = EXCLUSIVE');
      db.exec('BEGIN EXCLUSIVE');
      const version = db.pragma('user_version', { simple: true });
      if (typeof version !== 'number' || version > SCHEMA_VERSION) {
        throw new StorageError(
          'CATALOG_VERSION',
          `${path} was written by a newer Cairn (catalogue version ${String(version)}): open the VM with that one.`,
        );
      }
      if (version < SCHEMA_VERSION) migrate(db, version);
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
      if (code === 'SQLITE_CANTOPEN') requireDescriptors(DATABASE_DESCRIPTORS, `Opening ${path}`);
      const damaged = code === 'SQLITE_NOTADB' || code.startsWith('SQLITE_CORRUPT');
      throw new StorageError(damaged ? 'CATALOG_DAMAGED' : 'CATALOG', `${path} cannot be opened: ${(cause as Error).message}.`, { cause });
    }
  }

  /** Whether somebody has it open, and owns the VM with it. */
  static isHeld(path: string): boolean {
    let db: Database.Database | undefined;
    try {
      db = new Database(path, { timeout: 0, readonly: true, fileMustExist: true });
      db.pragma('user_version'); // reading takes a lock
      return false;
    } catch (cause) {
      return ((cause as { code?: string }).code ?? '').startsWith('SQLITE_BUSY'); // what cannot be read is nobody's
    } finally {
      db?.close();
    }
  }

  /** A glance at a catalogue that nobody has open; undefined when somebody has, or there is none yet. */
  static peek(path: string): { current: string | undefined; checkpoints: number } | undefined {
    let db: Database.Database | undefined;
    try {
      db = open(path, { timeout: 0, readonly: true, fileMustExist: true });
      const catalog = new Catalog(db);
      return { current: catalog.getMeta('current'), checkpoints: catalog.count() };
    } catch {
      return undefined;
    } finally {
      db?.close();
    }
  }

  /** The ids of its checkpoints, without owning it; undefined when somebody does. Throws StorageError when the file is no catalogue. */
  static ids(path: string): ReadonlySet<string> | undefined {
    let db: Database.Database | undefined;
    try {
      db = open(path, { timeout: 0, readonly: true, fileMustExist: true });
      if (db.pragma('quick_check(1)', { simple: true }) !== 'ok') throw new StorageError('CATALOG_DAMAGED', `${path} is damaged.`);
      return new Set((db.prepare('SELECT id FROM checkpoint').all() as { id: string }[]).map(({ id }) => id));
    } catch (cause) {
      if (cause instanceof StorageError) throw cause;
      const { code = '' } = cause as { code?: string };
      if (code.startsWith('SQLITE_BUSY')) return undefined;
      if (code === 'SQLITE_CANTOPEN') requireDescriptors(DATABASE_DESCRIPTORS, `Opening ${path}`);
      throw new StorageError('CATALOG_DAMAGED', `${path} is damaged: ${(cause as Error).message}.`, { cause });
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
      this.intents();
      this.history(1);
      this.layers();
      return true;
    } catch {
      return false;
    }
  }

  /** Oldest first. */
  list(): Checkpoint[] {
    const disks = this.db.prepare('SELECT checkpoint, disk, layer, size_bytes AS sizeBytes FROM checkpoint_disk ORDER BY disk').all();
    const ofEach = Map.groupBy(disks as DiskRow[], ({ checkpoint }) => checkpoint);
    const rows = this.db.prepare('SELECT * FROM checkpoint ORDER BY taken_at, rowid').all() as Row[];
    return rows.map(row => toCheckpoint(row, ofEach.get(row.id) ?? []));
  }

  count(): number {
    return (this.db.prepare('SELECT count(*) AS count FROM checkpoint').get() as { count: number }).count;
  }

  get(id: string): Checkpoint | undefined {
    const row = this.db.prepare('SELECT * FROM checkpoint WHERE id = ?').get(id) as Row | undefined;
    const disks = this.db
      .prepare('SELECT checkpoint, disk, layer, size_bytes AS sizeBytes FROM checkpoint_disk WHERE checkpoint = ? ORDER BY disk')
      .all(id) as DiskRow[];
    return row && toCheckpoint(row, disks);
  }

  /** `fileParent`: the parent that its file names, which may be gone. */
  add(checkpoint: Checkpoint, fileParent: string | null = checkpoint.parent): void {
    const { pages, id } = checkpoint;
    this.db
      .prepare('INSERT OR REPLACE INTO checkpoint VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)')
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
        fileParent,
        checkpoint.trigger,
        checkpoint.mode ?? null,
        checkpoint.poweredOnMs,
        checkpoint.pinned ? 1 : 0,
        checkpoint.note,
      );
    this.db.prepare('DELETE FROM checkpoint_disk WHERE checkpoint = ?').run(id);
    const addDisk = this.db.prepare('INSERT INTO checkpoint_disk VALUES (?, ?, ?, ?)');
    for (const { disk, layer, sizeBytes } of checkpoint.disks) addDisk.run(id, disk, layer, sizeBytes);
  }

  /** Each checkpoint with the parent that it has and the one that its file names. */
  parents(): ParentRow[] {
    return this.db.prepare('SELECT id, parent, file_parent AS fileParent FROM checkpoint').all() as ParentRow[];
  }

  mark(id: string, marks: { readonly title: string; readonly note: string; readonly pinned: boolean }): void {
    this.db
      .prepare('UPDATE checkpoint SET title = ?, note = ?, pinned = ? WHERE id = ?')
      .run(marks.title, marks.note, marks.pinned ? 1 : 0, id);
  }

  /** Forgets checkpoints whose files have gone; their children are the nearest living ancestor's. */
  forget(...ids: readonly string[]): void {
    const doomed = new Set(ids);
    this.together(() => {
      const parents = new Map(this.parents().map(({ id, parent }) => [id, parent]));
      const adopt = this.db.prepare('UPDATE checkpoint SET parent = ? WHERE id = ?');
      for (const [id, parent] of parents) {
        if (doomed.has(id) || parent === null || !doomed.has(parent)) continue;
        const living = nearestLiving(parent, doomed, parents);
        parents.set(id, living);
        adopt.run(living, id);
      }
      for (const id of doomed) {
        this.db.prepare('DELETE FROM checkpoint WHERE id = ?').run(id);
        this.db.prepare('DELETE FROM checkpoint_disk WHERE checkpoint = ?').run(id);
        this.db.prepare('DELETE FROM meta WHERE value = ?').run(id);
      }
    });
  }

  /** Everything that the files say too, before it is read from them again. What happened stays. */
  clear(): void {
    this.together(() =>
      this.db.exec('DELETE FROM checkpoint; DELETE FROM checkpoint_disk; DELETE FROM layer; DELETE FROM meta; DELETE FROM intent'),
    );
  }

  layers(): LayerRow[] {
    return this.db.prepare('SELECT * FROM layer ORDER BY disk, id').all() as LayerRow[];
  }

  setLayers(layers: readonly LayerRow[]): void {
    this.together(() => {
      this.db.exec('DELETE FROM layer');
      const add = this.db.prepare('INSERT INTO layer VALUES (?, ?, ?, ?, ?)');
      for (const { id, disk, parent, kind, bytes } of layers) add.run(id, disk, parent, kind, bytes);
    });
  }

  /** Throws StorageError when that cannot be written. */
  begin(operation: Intent['operation'], details: Intent['details']): number {
    try {
      const { lastInsertRowid } = this.db
        .prepare('INSERT INTO intent (operation, details, started_at) VALUES (?, ?, ?)')
        .run(operation, JSON.stringify(details), new Date().toISOString());
      return Number(lastInsertRowid);
    } catch (cause) {
      throw unwritten(this.db.name, cause);
    }
  }

  /** It is done, or has failed and left nothing. */
  end(intent: number): void {
    this.db.prepare('DELETE FROM intent WHERE id = ?').run(intent);
  }

  intents(): Intent[] {
    const rows = this.db.prepare('SELECT id, operation, details, started_at AS startedAt FROM intent ORDER BY id').all();
    return (rows as (Omit<Intent, 'details'> & { details: string })[]).map(row => ({
      ...row,
      details: JSON.parse(row.details) as Intent['details'],
    }));
  }

  record(event: HistoryEntry['event'], checkpoint: string | null, details: HistoryEntry['details']): void {
    this.db
      .prepare('INSERT INTO history (at, event, checkpoint, details) VALUES (?, ?, ?, ?)')
      .run(new Date().toISOString(), event, checkpoint, JSON.stringify(details));
    this.db.prepare('DELETE FROM history WHERE id <= (SELECT max(id) FROM history) - ?').run(HISTORY_LIMIT);
  }

  /** Newest first. */
  history(limit: number): HistoryEntry[] {
    const rows = this.db.prepare('SELECT at, event, checkpoint, details FROM history ORDER BY id DESC LIMIT ?').all(limit);
    return (rows as (Omit<HistoryEntry, 'details'> & { details: string })[]).map(row => ({
      ...row,
      details: JSON.parse(row.details) as HistoryEntry['details'],
    }));
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
    try {
      this.db.transaction(change)();
    } catch (cause) {
      throw cause instanceof Database.SqliteError ? unwritten(this.db.name, cause) : cause;
    }
  }
}

/** A chain of doomed ones is passed once: each of them has the answer then. */
function nearestLiving(parent: string, doomed: ReadonlySet<string>, parents: Map<string, string | null>): string | null {
  const passed = new Set<string>();
  let at: string | null = parent;
  while (at !== null && doomed.has(at) && !passed.has(at)) {
    passed.add(at);
    at = parents.get(at) ?? null;
  }
  const living = at !== null && doomed.has(at) ? null : at; // a circle of a damaged catalogue
  for (const id of passed) parents.set(id, living);
  return living;
}

function unwritten(path: string, cause: unknown): StorageError {
  const { code = '', message } = cause as { readonly code?: string; readonly message: string };
  if (code.startsWith('SQLITE_CANTOPEN')) requireDescriptors(DATABASE_DESCRIPTORS, `Writing ${path}`); // for its journal
  return code === 'SQLITE_FULL'
    ? new StorageError('DISK_FULL', `${path} cannot be written: the disk is full: make room and try again.`, { cause })
    : new StorageError('CATALOG', `${path} cannot be written: ${message}.`, { cause });
}

function toCheckpoint(row: Row, disks: readonly DiskRow[]): Checkpoint {
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
    disks: disks.map(({ disk, layer, sizeBytes }) => ({ disk, layer, sizeBytes })),
    trigger: row.trigger_kind as CheckpointTrigger,
    mode: (row.mode ?? undefined) as CheckpointMode | undefined,
    poweredOnMs: row.powered_on_ms,
    pinned: row.pinned === 1,
    note: row.note,
  };
}
