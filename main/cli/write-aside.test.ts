import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writeNew } from './write-aside.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-aside-'));
});
afterEach(() => rmSync(folder, { recursive: true }));
const target = () => join(folder, 'disk.qcow2');

test('what a killed process left is removed by the next that writes there, and nothing else', async () => {
  const gone = spawnSync(process.execPath, ['-e', '']).pid;
  let name = '';
  await writeNew(target(), async aside => writeFileSync((name = aside), 'whole'));
  const of = (pid: number) => join(folder, basename(name).replace(`-${process.pid}.`, `-${pid}.`));
  writeFileSync(of(gone), 'half');
  const kept = [of(process.ppid), join(folder, 'mine.part'), join(folder, `.x.cairn-elsewhere-${gone}.part`)];
  for (const path of kept) writeFileSync(path, '');
  mkdirSync(of(gone).replace('.disk', '.folder'));
  symlinkSync('nowhere', of(gone).replace('.disk', '.link'));
  await writeNew(join(folder, 'other'), async aside => writeFileSync(aside, ''));
  expect(existsSync(of(gone))).toBe(false);
  expect(readdirSync(folder)).toHaveLength(kept.length + 4);
});

test('a file that gets the name meanwhile is told, and stays as it is', async () => {
  const write = writeNew(target(), async aside => {
    writeFileSync(aside, 'mine');
    writeFileSync(target(), 'theirs');
  });
  await expect(write).rejects.toMatchObject({ code: 'FILE_EXISTS' });
  expect([readFileSync(target(), 'utf8'), readdirSync(folder)]).toEqual(['theirs', ['disk.qcow2']]);
});

test('what fails leaves nothing', async () => {
  const write = writeNew(target(), async aside => {
    writeFileSync(aside, 'half');
    throw new Error('full');
  });
  await expect(write).rejects.toThrow('full');
  expect(readdirSync(folder)).toEqual([]);
});

test('a name that cannot be is refused in our own words', async () => {
  await expect(writeNew(join(folder, 'x'.repeat(300)), async () => {})).rejects.toMatchObject({ code: 'NOT_A_FILE' });
});
