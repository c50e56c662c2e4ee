/** The packed application, made by electron-builder of a distribution that has a fuse wire and no Electron: nothing is fetched. What it can't prove: that Electron obeys. */
import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';

const root = path.resolve(import.meta.dirname, '../..');
const run = promisify(execFile);
/** Electron's executables hold it followed by { u8 version = 1, u8 count, count × '0' (off) | '1' (on) | 'r' (removed) }. */
const SENTINEL = 'dL7pKGdnNz796PbbjQWNKmHXBZaB9tsX';
/** As Electron delivers them: running as Node, NODE_OPTIONS, --inspect and the rights of file:// are on. */
const DELIVERED = '10110001r';
let folder: string;
let packed: string;

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'cairn-packed-'));
  const distribution = path.join(folder, 'electron');
  mkdirSync(path.join(distribution, 'resources'), { recursive: true });
  writeFileSync(
    path.join(distribution, 'electron'),
    `\x7fELF${SENTINEL}\x01${String.fromCharCode(DELIVERED.length)}${DELIVERED}${'\0'.repeat(100)}`,
  );
  chmodSync(path.join(distribution, 'electron'), 0o755);
  writeFileSync(path.join(distribution, 'LICENSE'), '');
  writeFileSync(path.join(distribution, 'LICENSES.chromium.html'), '');
  await run(process.execPath, ['scripts/build-shell.mjs'], { cwd: root });
  const words = ['--dir', '--linux', '--x64', '--publish', 'never'];
  const settings = [`-c.electronDist=${distribution}`, `-c.directories.output=${path.join(folder, 'release')}`];
  await run(process.execPath, ['node_modules/electron-builder/cli.js', ...words, ...settings], { cwd: root });
  packed = path.join(folder, 'release', 'linux-unpacked');
});
afterAll(() => rmSync(folder, { recursive: true }));

test('its fuses: it is no Node for others, takes no debugger and no NODE_OPTIONS, and loads nothing but its own archive', () => {
  const bytes = readFileSync(path.join(packed, 'cairn')).toString('latin1');
  const wire = bytes.slice(bytes.indexOf(SENTINEL) + SENTINEL.length);
  const states = [...wire.slice(2, 2 + DELIVERED.length)];
  expect(Object.fromEntries(FUSES.map((name, index) => [name, states[index]]))).toEqual({
    runAsNode: '0',
    cookieEncryption: '0',
    nodeOptions: '0',
    nodeCliInspect: '0',
    embeddedAsarIntegrityValidation: '1',
    onlyLoadAppFromAsar: '1',
    loadBrowserProcessSpecificV8Snapshot: '0',
    grantFileProtocolExtraPrivileges: '0',
  });
  expect(states.at(-1)).toBe('r');
});
const FUSES = [
  'runAsNode',
  'cookieEncryption',
  'nodeOptions',
  'nodeCliInspect',
  'embeddedAsarIntegrityValidation',
  'onlyLoadAppFromAsar',
  'loadBrowserProcessSpecificV8Snapshot',
  'grantFileProtocolExtraPrivileges',
];

test('what is loaded as a real file lies beside the archive, and the rest is in it', () => {
  const unpacked = path.join(packed, 'resources', 'app.asar.unpacked');
  const threads = ['vcpu-worker.js', 'checkpoint-worker.js', 'disk-worker.js', 'pulse.js'].map(name => `dist/main/${name}`);
  for (const file of [...threads, 'build/engine.wasm', 'node_modules/better-sqlite3'])
    expect([file, existsSync(path.join(unpacked, file))]).toEqual([file, true]);
  expect(existsSync(path.join(unpacked, 'dist/main/electron.js'))).toBe(false);
  expect(existsSync(path.join(packed, 'resources', 'app'))).toBe(false);
  expect(
    readFileSync(path.join(packed, 'resources', 'app.asar'))
      .subarray(0, 1 << 20)
      .toString('latin1'),
  ).toContain('"electron.js"');
});
