import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Bundle } from './bundle.ts';
import { checkBundle } from './check.ts';
import { readCheckpointInfo, takeWhenOff } from './checkpoint-files.ts';
import { inspect } from './inspect.ts';
import { vmConfig } from './ipc/contract.ts';

let folder: string;
let store: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-store-'));
  store = join(folder, 'remote');
  path = join(folder, 'a.cairn');
  mkdirSync(store);
});
afterEach(() => rmSync(folder, { recursive: true }));

const config = (checkpointStore?: string) =>
  vmConfig.parse({ memoryMiB: 4, append: '', debugExit: false, noReboot: false, checkpointStore });
async function open(): Promise<Bundle> {
  return (await Bundle.open(path, readCheckpointInfo))!;
}
async function take(bundle: Bundle, id: string): Promise<void> {
  const order = { id, parent: null, vmName: 'a', title: id, takenAt: '2026-01-01T00:00:00.000Z', folder: bundle.checkpointsPath };
  bundle.add(await takeWhenOff(order, 4));
}

test('checkpoints lie in the store, and are found through the bundle', async () => {
  Bundle.create(path, config(store));
  let bundle = await open();
  await take(bundle, 'checkpoint1');
  bundle.close();
  expect(readdirSync(join(store, 'a.checkpoints'))).toEqual(['checkpoint1.ckpt']);
  bundle = await open();
  expect(bundle.notices).toEqual([]);
  expect(bundle.catalog.list().map(({ id }) => id)).toEqual(['checkpoint1']);
  bundle.close();
  expect(await checkBundle(path)).toMatchObject({ checkpoints: 1, problems: [] });
});

test('while the store is not mounted nothing is taken for gone', async () => {
  Bundle.create(path, config(store));
  const bundle = await open();
  await take(bundle, 'checkpoint1');
  bundle.close();
  const before = readFileSync(join(path, 'state.json'));
  renameSync(store, `${store}-away`);
  mkdirSync(store); // the empty mount point
  for (const look of [open, () => checkBundle(path), () => inspect(path)])
    await expect(look()).rejects.toThrow(`the checkpoints of a are kept in ${join(store, 'a.checkpoints')}, which is not there: mount it`);
  expect(readFileSync(join(path, 'state.json'))).toEqual(before);
  rmSync(store, { recursive: true });
  renameSync(`${store}-away`, store);
  const again = await open();
  expect(again.catalog.list()).toHaveLength(1);
  again.close();
});

test('deleting the VM removes its checkpoints from the store, and nothing of the user', async () => {
  Bundle.create(path, config(store));
  const bundle = await open();
  await take(bundle, 'checkpoint1');
  const there = join(store, 'a.checkpoints');
  writeFileSync(join(there, 'mine.txt'), 'mine');
  bundle.delete();
  expect(readdirSync(there)).toEqual(['mine.txt']);
  expect(readdirSync(folder)).toEqual(['remote']);
  rmSync(there, { recursive: true });
  Bundle.create(path, config(store));
  (await open()).delete();
  expect(readdirSync(store)).toEqual([]);
});

test('the store is chosen before the first checkpoint', async () => {
  Bundle.create(path, config());
  const bundle = await open();
  bundle.configure(config(store));
  await take(bundle, 'checkpoint1');
  expect(existsSync(join(store, 'a.checkpoints', 'checkpoint1.ckpt'))).toBe(true);
  expect(() => bundle.configure(config())).toThrow('a has checkpoints already');
  expect(bundle.config.checkpointStore).toBe(store);
  bundle.close();
});

test('a store that cannot be one makes no VM', () => {
  expect(() => Bundle.create(path, config(join(folder, 'nowhere')))).toThrow('is not there: make the folder, or mount it');
  expect(() => Bundle.create(path, config('remote'))).toThrow('whole path');
  mkdirSync(join(store, 'a.checkpoints'));
  expect(() => Bundle.create(path, config(store))).toThrow('exists already');
  expect(readdirSync(folder)).toEqual(['remote']);
});
