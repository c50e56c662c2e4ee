/** catalog.db is a cache of a VM's other files: whatever is wrong with it, the VM opens with all of its checkpoints, and `cairn check` has said so before. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { VmBox } from '#test/support/vm-box.ts';
import { Catalog } from './catalog.ts';

let box: VmBox;
let file: string;
let ids: string[];
let whole: Buffer;
beforeEach(async () => {
  box = new VmBox();
  file = join(box.path, 'catalog.db');
  const bundle = await box.open();
  ids = [await box.take(bundle, 'one'), await box.take(bundle, 'two')];
  bundle.close();
  whole = readFileSync(file);
});
afterEach(() => box.dispose());

function isCalledDamaged(): boolean {
  try {
    Catalog.ids(file);
    return false;
  } catch {
    return true;
  }
}

/** Whether a look had found something wrong, and the opening set it aside. */
async function openAsFound(what: string): Promise<{ said: boolean; setAside: boolean }> {
  const said = isCalledDamaged();
  const bundle = await box.open();
  expect(
    bundle.catalog.list().map(({ id }) => id),
    what,
  ).toEqual(ids);
  bundle.catalog.record('repaired', null, {});
  expect(bundle.catalog.history(1), what).toHaveLength(1);
  bundle.close();
  return { said, setAside: bundle.notices.some(text => text.includes('its catalogue was damaged')) };
}

test('any byte of its header, and bytes of every page', async () => {
  const pages = Array.from({ length: whole.length / 4096 - 1 }, (_, page) => [0, 1, 3, 8, 100, 4095].map(at => (page + 1) * 4096 + at));
  let setAside = 0;
  for (const at of [...Array(108).keys(), ...pages.flat()]) {
    rmSync(file, { force: true });
    const bytes = Buffer.from(whole);
    bytes[at]! ^= 0xff;
    writeFileSync(file, bytes);
    const found = await openAsFound(`byte ${at}`);
    if (found.setAside) setAside++;
    expect(found.said || !found.setAside, `byte ${at} is not called damaged, and set aside`).toBe(true);
  }
  expect(setAside).toBeGreaterThan(20);
}, 240_000);

test.each<[string, () => void]>([
  ['empty', () => writeFileSync(file, '')],
  ['text', () => writeFileSync(file, 'not a catalogue '.repeat(1000))],
  ['cut', () => writeFileSync(file, whole.subarray(0, 5000))],
  ['a folder', () => (rmSync(file), mkdirSync(join(file, 'x'), { recursive: true }))],
  ['a pipe', () => (rmSync(file), execFileSync('mkfifo', [file]))],
  ['beside a pipe as journal', () => void execFileSync('mkfifo', [`${file}-journal`])],
  ['beside a folder as journal', () => void mkdirSync(`${file}-journal`)],
  ['only to be read', () => void execFileSync('chmod', ['0400', file])],
  ['without a table', () => change('DROP TABLE checkpoint_disk')],
  ['with a table more', () => change('CREATE TABLE x (y)')],
  ['with a trigger that deletes', () => change('CREATE TRIGGER t AFTER INSERT ON history BEGIN DELETE FROM checkpoint; END')],
  ['with a view in the place of a table', () => change('DROP TABLE layer; CREATE VIEW layer AS SELECT 1')],
  ['with a title that is a number', () => change('PRAGMA writable_schema = ON; UPDATE checkpoint SET pages_stored = -1')],
  ['with words for an intent', () => change("INSERT INTO intent (operation, details, started_at) VALUES ('take', 'words', '')")],
  ['in another journal mode', () => change('PRAGMA journal_mode = WAL')],
])('%s', async (_, damage) => {
  damage();
  await openAsFound('it');
  expect(statSync(file).isFile()).toBe(true);
});

function change(sql: string): void {
  const db = new Database(file);
  db.exec(sql);
  db.close();
}
