/**
 * catalog.db: the checkpoint tree of one VM, its disks' layers, what is under way and what has happened (docs/formats/bundle.md). It mirrors the files, for lists and history. Whoever
 * has it open owns the VM: SQLite holds an exclusive lock on the file, which the operating system lets go when the process dies, however it dies.
 */
import type Database from 'better-sqlite3';
import type { z } from 'zod';
import { StorageError } from '#engine/errors/errors.ts';
import { CatalogFile } from './catalog-file.ts';
import {
  checkpoint,
  type Checkpoint,
  type CheckpointMode,
  type CheckpointTrigger,
  type HistoryEntry,
  type intent,
} from './ipc/contract.ts';
import { problem } from './problem.ts';

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

export class Catalog {
  private readonly file: Pick<CatalogFile, 'db' | 'isHeld' | 'change' | 'secure' | 'close'>;

  private constructor(file: Catalog['file']) {
    this.file = file;
  }

  /** Undefined when another process (or another opener here) has it. Throws StorageError; CATALOG_DAMAGED when the file is no catalogue. */
  static tryOpen(path: string): Catalog | undefined {
    const file = CatalogFile.tryOpen(path);
    if (file === undefined) return undefined;
    const catalog = new Catalog(file);
    try {
      catalog.readAll();
      return catalog;
    } catch (cause) {
      catalog.close();
      throw new StorageError('CATALOG_DAMAGED', `${path} is damaged: ${problem(cause)}.`, { cause });
    }
  }

  /** Whether somebody has it open, and owns the VM with it. */
  static isHeld(path: string): boolean {
    return CatalogFile.isHeld(path);
  }

  /** A glance at a catalogue that nobody has open; undefined when somebody has, or there is none that can be read. `last`: what it says of `current`. */
  static peek(
    path: string,
  ):
    | { current: string | undefined; last: { readonly title: string; readonly takenAt: string } | undefined; checkpoints: number }
    | undefined {
    return CatalogFile.glance(path, db => {
      const { count } = db.prepare('SELECT count(*) AS count FROM checkpoint').get() as { count: number };
      const current = (db.prepare("SELECT value FROM meta WHERE key = 'current'").get() as { value: string } | undefined)?.value;
      const last = db.prepare('SELECT title, taken_at AS takenAt FROM checkpoint WHERE id = ?').get(current ?? '');
      return { current, last: last as { title: string; takenAt: string } | undefined, checkpoints: count };
    });
  }

  /** The ids of its checkpoints, without owning it; undefined when somebody does. Throws StorageError when the file is none that could be opened. */
  static ids(path: string): ReadonlySet<string> | undefined {
    return CatalogFile.look(path, db => {
      const catalog = new Catalog({ db, isHeld: false, change: work => work(), secure: work => work(), close: () => {} });
      catalog.readAll();
      return new Set(catalog.list().map(({ id }) => id));
    });
  }

  close(): void {
    this.file.close();
  }

  /** While true, catalog.db stays as it is, and what changes is kept in memory. */
  hold(isHeld: boolean): void {
    this.file.isHeld = isHeld;
  }

  private get db(): Database.Database {
    return this.file.db;
  }

  /** Throws when a row says what none can. */
  private readAll(): void {
    this.getMeta('current');
    for (const each of this.list()) checkpoint.parse(each);
    this.intents();
    this.history(HISTORY_LIMIT);
    this.layers();
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
  add(added: Checkpoint, fileParent: string | null = added.parent): void {
    this.file.change(() => this.insert(added, fileParent));
  }

  private insert(added: Checkpoint, fileParent: string | null): void {
    const { pages, id } = added;
    this.db
      .prepare('INSERT OR REPLACE INTO checkpoint VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)')
      .run(
        added.id,
        added.title,
        added.parent,
        added.takenAt,
        added.pauseMs,
        added.totalMs,
        added.bytesWritten,
        pages.stored,
        pages.zero,
        pages.pointed,
        pages.absent,
        added.running ? 1 : 0,
        fileParent,
        added.trigger,
        added.mode ?? null,
        added.poweredOnMs,
        added.pinned ? 1 : 0,
        added.note,
      );
    this.db.prepare('DELETE FROM checkpoint_disk WHERE checkpoint = ?').run(id);
    const addDisk = this.db.prepare('INSERT INTO checkpoint_disk VALUES (?, ?, ?, ?)');
    for (const { disk, layer, sizeBytes } of added.disks) addDisk.run(id, disk, layer, sizeBytes);
  }

  /** Each checkpoint with the parent that it has and the one that its file names. */
  parents(): ParentRow[] {
    return this.db.prepare('SELECT id, parent, file_parent AS fileParent FROM checkpoint').all() as ParentRow[];
  }

  mark(id: string, marks: { readonly title: string; readonly note: string; readonly pinned: boolean }): void {
    const update = 'UPDATE checkpoint SET title = ?, note = ?, pinned = ? WHERE id = ?';
    this.file.change(() => void this.db.prepare(update).run(marks.title, marks.note, marks.pinned ? 1 : 0, id));
  }

  /** Forgets checkpoints whose files have gone; their children are the nearest living ancestor's. */
  forget(ids: readonly string[]): void {
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

  /** Is in the file when it returns. Throws StorageError when that cannot be written. */
  begin(operation: Intent['operation'], details: Intent['details']): number {
    const insert = 'INSERT INTO intent (operation, details, started_at) VALUES (?, ?, ?)';
    let id = 0;
    this.file.secure(() => {
      id = Number(this.db.prepare(insert).run(operation, JSON.stringify(details), new Date().toISOString()).lastInsertRowid);
    });
    return id;
  }

  /** It is done, or has failed and left nothing. */
  end(intent: number): void {
    this.file.change(() => void this.db.prepare('DELETE FROM intent WHERE id = ?').run(intent));
  }

  intents(): Intent[] {
    const rows = this.db.prepare('SELECT id, operation, details, started_at AS startedAt FROM intent ORDER BY id').all();
    return (rows as (Omit<Intent, 'details'> & { details: string })[]).map(row => ({
      ...row,
      details: JSON.parse(row.details) as Intent['details'],
    }));
  }

  record(event: HistoryEntry['event'], checkpoint: string | null, details: HistoryEntry['details']): void {
    const values = [new Date().toISOString(), event, checkpoint, JSON.stringify(details)];
    this.file.change(() => {
      this.db.prepare('INSERT INTO history (at, event, checkpoint, details) VALUES (?, ?, ?, ?)').run(...values);
      this.db.prepare('DELETE FROM history WHERE id <= (SELECT max(id) FROM history) - ?').run(HISTORY_LIMIT);
    });
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
    this.file.change(() => {
      if (value === undefined) this.db.prepare('DELETE FROM meta WHERE key = ?').run(key);
      else this.db.prepare('INSERT OR REPLACE INTO meta VALUES (?, ?)').run(key, value);
    });
  }

  /** All of it or nothing. It is so when this returns, and in the file as soon as that can be written: `change` is done again then. */
  together(change: () => void): void {
    this.file.change(change);
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
