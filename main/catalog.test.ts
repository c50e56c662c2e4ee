import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Catalog } from './catalog.ts';
import type { Checkpoint } from './ipc/contract.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-catalog-'));
  path = join(folder, 'catalog.db');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const checkpoint = (id: string, parent: string | null = null): Checkpoint => ({
  id,
  title: `title of ${id}`,
  parent,
  takenAt: '2026-01-01T00:00:00.000Z',
  pauseMs: 0.5,
  totalMs: 300,
  bytesWritten: 4096,
  pages: { stored: 1, zero: 2, pointed: 3, absent: 4 },
  running: true,
  disks: [
    { disk: 'disk0', layer: '00'.repeat(16), sizeBytes: 1 << 20 },
    { disk: 'disk1', layer: '11'.repeat(16), sizeBytes: 2 << 20 },
  ],
  trigger: 'period',
  mode: 'chain',
  poweredOnMs: 1234.5,
  pinned: true,
  note: 'a note',
});

/** As Cairn 0.1.0 made it. */
function versionOne(): void {
  const db = new Database(path);
  db.exec(`
    CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
    CREATE TABLE checkpoint (
      id TEXT PRIMARY KEY, title TEXT NOT NULL, parent TEXT, taken_at TEXT NOT NULL,
      pause_ms REAL NOT NULL, total_ms REAL NOT NULL, bytes_written INTEGER NOT NULL,
      pages_stored INTEGER NOT NULL, pages_zero INTEGER NOT NULL, pages_pointed INTEGER NOT NULL, pages_absent INTEGER NOT NULL,
      running INTEGER NOT NULL
    ) STRICT;
    INSERT INTO checkpoint VALUES ('aaaaaaaa', 'one', NULL, '2026-01-01T00:00:00.000Z', 0.4, 200, 1000, 1, 2, 0, 3, 1);
    INSERT INTO checkpoint VALUES ('bbbbbbbb', 'two', 'aaaaaaaa', '2026-01-02T00:00:00.000Z', 0.5, 300, 2000, 4, 5, 6, 7, 0);
    INSERT INTO meta VALUES ('current', 'bbbbbbbb');
    PRAGMA user_version = 1;
  `);
  db.close();
}

describe('a catalogue', () => {
  test('of version 1 becomes one of version 2, and loses nothing', () => {
    versionOne();
    let catalog = Catalog.tryOpen(path)!;
    const facts = { disks: [], trigger: 'user', mode: undefined, poweredOnMs: 0, pinned: false, note: '' };
    const expected = [
      {
        id: 'aaaaaaaa',
        title: 'one',
        parent: null,
        takenAt: '2026-01-01T00:00:00.000Z',
        pauseMs: 0.4,
        totalMs: 200,
        bytesWritten: 1000,
        pages: { stored: 1, zero: 2, pointed: 0, absent: 3 },
        running: true,
        ...facts,
      },
      {
        id: 'bbbbbbbb',
        title: 'two',
        parent: 'aaaaaaaa',
        takenAt: '2026-01-02T00:00:00.000Z',
        pauseMs: 0.5,
        totalMs: 300,
        bytesWritten: 2000,
        pages: { stored: 4, zero: 5, pointed: 6, absent: 7 },
        running: false,
        ...facts,
      },
    ];
    expect(catalog.list()).toEqual(expected);
    expect(catalog.parents()).toContainEqual({ id: 'bbbbbbbb', parent: 'aaaaaaaa', fileParent: 'aaaaaaaa' });
    expect(catalog.getMeta('current')).toBe('bbbbbbbb');
    catalog.add(checkpoint('cccccccc', 'bbbbbbbb'));
    catalog.close();
    catalog = Catalog.tryOpen(path)!;
    expect(catalog.list().map(({ id }) => id)).toEqual(['aaaaaaaa', 'cccccccc', 'bbbbbbbb']);
    catalog.close();
  });

  test('of a newer Cairn is refused and left as it is', () => {
    versionOne();
    const db = new Database(path);
    db.pragma('user_version = 99');
    db.close();
    expect(() => Catalog.tryOpen(path)).toThrow('written by a newer Cairn (catalogue version 99)');
    const again = new Database(path);
    expect(again.pragma('user_version', { simple: true })).toBe(99);
    again.close();
  });

  test('keeps every field of a checkpoint', () => {
    const catalog = Catalog.tryOpen(path)!;
    catalog.add(checkpoint('aaaaaaaa'));
    catalog.add({ ...checkpoint('bbbbbbbb', 'aaaaaaaa'), disks: [], mode: undefined });
    expect(catalog.get('aaaaaaaa')).toEqual(checkpoint('aaaaaaaa'));
    expect(catalog.list()).toEqual([checkpoint('aaaaaaaa'), { ...checkpoint('bbbbbbbb', 'aaaaaaaa'), disks: [], mode: undefined }]);
    catalog.mark('aaaaaaaa', { title: 'x', note: '', pinned: false });
    expect(catalog.get('aaaaaaaa')).toMatchObject({ title: 'x', note: '', pinned: false });
    catalog.close();
  });

  test('gives the children of a forgotten checkpoint to its parent', () => {
    const catalog = Catalog.tryOpen(path)!;
    for (const [id, parent] of [['aaaaaaaa'], ['bbbbbbbb', 'aaaaaaaa'], ['cccccccc', 'bbbbbbbb'], ['dddddddd', 'bbbbbbbb']] as const)
      catalog.add(checkpoint(id, parent ?? null));
    catalog.forget(['bbbbbbbb']);
    expect(catalog.parents()).toEqual([
      { id: 'aaaaaaaa', parent: null, fileParent: null },
      { id: 'cccccccc', parent: 'aaaaaaaa', fileParent: 'bbbbbbbb' },
      { id: 'dddddddd', parent: 'aaaaaaaa', fileParent: 'bbbbbbbb' },
    ]);
    catalog.close();
  });

  test('says what is under way, what has happened and which layers there are', () => {
    let catalog = Catalog.tryOpen(path)!;
    const intent = catalog.begin('eliminate', { ids: ['aaaaaaaa'] });
    catalog.record('taken', 'aaaaaaaa', { title: 'one', pauseMs: 0.4 });
    catalog.record('eliminated', 'aaaaaaaa', { freedBytes: 1000 });
    const layers = [{ id: '00'.repeat(16), disk: 'disk0', parent: null, kind: 'base' as const, bytes: 5000 }];
    catalog.setLayers(layers);
    catalog.close();
    catalog = Catalog.tryOpen(path)!;
    expect(catalog.intents()).toMatchObject([{ id: intent, operation: 'eliminate', details: { ids: ['aaaaaaaa'] } }]);
    catalog.end(intent);
    expect(catalog.intents()).toEqual([]);
    expect(catalog.history(1)).toMatchObject([{ event: 'eliminated', checkpoint: 'aaaaaaaa', details: { freedBytes: 1000 } }]);
    expect(catalog.history(10)).toHaveLength(2);
    expect(catalog.layers()).toEqual(layers);
    catalog.clear();
    expect([catalog.list(), catalog.layers(), catalog.history(10).length]).toEqual([[], [], 2]);
    catalog.close();
  });
});
