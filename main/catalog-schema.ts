/** catalog.db's tables (docs/formats/bundle.md), and how a catalogue of an older Cairn becomes one of this. */
import Database from 'better-sqlite3';

export const SCHEMA_VERSION = 2;

const VERSION_1 = `
  CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
  CREATE TABLE checkpoint (
    id TEXT PRIMARY KEY, title TEXT NOT NULL, parent TEXT, taken_at TEXT NOT NULL,
    pause_ms REAL NOT NULL, total_ms REAL NOT NULL, bytes_written INTEGER NOT NULL,
    pages_stored INTEGER NOT NULL, pages_zero INTEGER NOT NULL, pages_pointed INTEGER NOT NULL, pages_absent INTEGER NOT NULL,
    running INTEGER NOT NULL
  ) STRICT;
`;

const VERSION_2 = `
  ALTER TABLE checkpoint ADD COLUMN file_parent TEXT;
  UPDATE checkpoint SET file_parent = parent;
  ALTER TABLE checkpoint ADD COLUMN trigger_kind TEXT NOT NULL DEFAULT 'user';
  ALTER TABLE checkpoint ADD COLUMN mode TEXT;
  ALTER TABLE checkpoint ADD COLUMN powered_on_ms REAL NOT NULL DEFAULT 0;
  ALTER TABLE checkpoint ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;
  ALTER TABLE checkpoint ADD COLUMN note TEXT NOT NULL DEFAULT '';
  CREATE TABLE checkpoint_disk (
    checkpoint TEXT NOT NULL, disk TEXT NOT NULL, layer TEXT NOT NULL, size_bytes INTEGER NOT NULL, PRIMARY KEY (checkpoint, disk)
  ) STRICT;
  CREATE TABLE layer (id TEXT PRIMARY KEY, disk TEXT NOT NULL, parent TEXT, kind TEXT NOT NULL, bytes INTEGER NOT NULL) STRICT;
  CREATE TABLE intent (id INTEGER PRIMARY KEY, operation TEXT NOT NULL, details TEXT NOT NULL, started_at TEXT NOT NULL) STRICT;
  CREATE TABLE history (
    id INTEGER PRIMARY KEY, at TEXT NOT NULL, event TEXT NOT NULL, checkpoint TEXT, details TEXT NOT NULL
  ) STRICT;
`;

/** Step n makes version n + 1 of version n. */
const STEPS = [VERSION_1, VERSION_2];

/** In the caller's transaction: an older catalogue is whole in its old form or its new one. */
export function migrate(db: Database.Database, from: number): void {
  for (const step of STEPS.slice(from)) db.exec(step);
  db.pragma(`user_version = ${SCHEMA_VERSION}`);
}

/** What is in it besides rows, as text: a forged file may have triggers and views. */
export function schemaOf(db: Database.Database): string {
  const entries = db.prepare('SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name').all();
  return JSON.stringify(entries)
    .replaceAll(/(?:\\n|\s)+/g, ' ')
    .replaceAll('( ', '(')
    .replaceAll(' )', ')');
}

let pristine: string | undefined;

/** Of a new catalogue. */
export function pristineSchema(): string {
  if (pristine === undefined) {
    using stack = new DisposableStack();
    const db = stack.adopt(new Database(':memory:'), each => each.close());
    migrate(db, 0);
    pristine = schemaOf(db);
  }
  return pristine;
}
