/** The Electron shell, unmodified, on a double of the `electron` module over real Chromium. Its limits: electron-double/electron.ts. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { demo } from '../support/guests.ts';

const root = path.resolve(import.meta.dirname, '../..');
const run = promisify(execFile);
let home: string;

beforeAll(async () => {
  home = mkdtempSync(path.join(tmpdir(), 'cairn-shell-'));
  await run(process.execPath, ['scripts/build-shell.mjs'], { cwd: root });
});
afterAll(() => rmSync(home, { recursive: true }));

async function scenario(env: Record<string, string> = {}): Promise<Record<string, unknown>> {
  const { stdout } = await run(
    process.execPath,
    ['--import', './test/e2e/electron-double/hooks.ts', 'test/e2e/electron-double/scenario.ts'],
    {
      cwd: root,
      env: { ...process.env, CAIRN_HOME: home, ...env },
      timeout: 60_000,
    },
  );
  return JSON.parse(stdout.trim().split('\n').at(-1)!) as Record<string, unknown>;
}

test('the window opens on the app’s own pages, locked down, and works through the bridge', async () => {
  const report = await scenario();
  expect(report).toEqual({
    title: 'Cairn',
    shown: true,
    preferences: { contextIsolation: true, sandbox: true, nodeIntegration: false, webviewTag: false, spellcheck: false },
    index: { status: 200, csp: "default-src 'none'; script-src 'self'", nosniff: 'nosniff' },
    refused: [404, 404, 404, 404, 404],
    foreignPorts: [],
    foreignPicks: ['FOREIGN_SENDER', 'FOREIGN_SENDER', 'FOREIGN_SENDER', 'FOREIGN_SENDER'],
    windowOpen: 'deny',
    navigation: [true, true, false],
    permission: false,
    kernel: demo.kernel(),
    vm: 'From the shell',
    taken: true,
    letGo: { isClosed: true, isSmall: true, wasPatient: true },
  });
});

test('a second instance opens nothing and quits', async () => {
  expect(await scenario({ CAIRN_TEST_SECOND_INSTANCE: '1' })).toEqual({ quits: 1, windows: 0 });
});
