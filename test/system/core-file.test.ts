/** A core of other sources is never run: it is built anew, whoever put it there. */
import { spawnSync } from 'node:child_process';
import { appendFileSync, cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, onTestFinished, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));

test('cairn builds the core again when its sources are not those that it was built from, and only then', () => {
  const copy = mkdtempSync(path.join(os.tmpdir(), 'cairn-core-'));
  onTestFinished(() => rmSync(copy, { recursive: true }));
  for (const name of ['build', 'engine', 'main', 'native-free-worker', 'scripts', 'package.json', 'package-lock.json'])
    cpSync(path.join(root, name), path.join(copy, name), { recursive: true });
  symlinkSync(path.join(root, 'node_modules'), path.join(copy, 'node_modules'));
  const version = () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [path.join(copy, 'scripts/cairn.mjs'), '--version'], {
      encoding: 'utf8',
    });
    return { status, isNumber: /^\S*\d+\.\d+\.\d+\S*\n$/.test(stdout), built: stderr.includes('building the emulator core') };
  };
  expect(version()).toEqual({ status: 0, isNumber: true, built: false });
  appendFileSync(path.join(copy, 'engine/memory/mmm-block.ts'), 'export const MMM_SOMETHING_NEW = 0x3ffc;\n');
  expect(version()).toEqual({ status: 0, isNumber: true, built: true });
  expect(version()).toEqual({ status: 0, isNumber: true, built: false });
});
