import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { Volume } from '#engine/checkpoint/volume/volume.ts';
import { SyncWatch } from '#test/support/sync-watch.ts';
import { nodeFiles } from '#worker/node-files.ts';
import { Bundle } from './bundle.ts';
import { checkBundle } from './check.ts';
import { copyCheckpointFile, readCheckpointInfo, takeWhenOff } from './checkpoint-files.ts';
import { checkVolume, initializeVolume, takeForVolume, volumeInfo } from './checkpoint-volume.ts';
import { usedBytes } from './elimination.ts';
import { inspect } from './inspect.ts';
import { vmConfig } from './ipc/contract.ts';
import { repairBundle } from './repair.ts';

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

test('the place in the store, and the VM, survive a power failure', () => {
  using watch = new SyncWatch();
  Bundle.create(path, config(store));
  expect([watch.hasName(store, 'a.checkpoints'), watch.hasName(folder, 'a.cairn')]).toEqual([true, true]);
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

test('a copy of the bundle cannot take the checkpoints of the VM that it is a copy of', async () => {
  Bundle.create(path, config(store));
  const bundle = await open();
  await take(bundle, 'checkpoint1');
  bundle.close();
  const copy = join(folder, 'b.cairn');
  cpSync(path, copy, { recursive: true, verbatimSymlinks: true });
  const deleteCopy = async () => (await Bundle.open(copy, readCheckpointInfo))!.delete();
  await expect(deleteCopy()).rejects.toThrow(
    `b is a copy of a and has the same checkpoints, in ${join(store, 'a.checkpoints')}: remove the folder`,
  );
  expect(readdirSync(join(store, 'a.checkpoints'))).toEqual(['checkpoint1.ckpt']);
  (await open()).close();
  rmSync(path, { recursive: true }); // moved, it would be no copy
  const moved = (await Bundle.open(copy, readCheckpointInfo))!;
  expect(moved.catalog.list().map(({ id }) => id)).toEqual(['checkpoint1']);
  moved.close();
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

test('what a deletion left that was killed takes no checkpoint of the VM that has the name now', async () => {
  const dead = spawnSync(process.execPath, ['-e', '']).pid;
  Bundle.create(path, config(store));
  mkdirSync(`${path}.deleted-${dead}`);
  symlinkSync(join(store, 'a.checkpoints'), join(`${path}.deleted-${dead}`, 'checkpoints')); // its own place has gone, and is the new VM's
  const bundle = await open();
  await take(bundle, 'checkpoint1');
  expect(await repairBundle(bundle)).toMatchObject({ checkpoints: 1, removed: [`a.cairn.deleted-${dead}`] });
  expect(readdirSync(join(store, 'a.checkpoints'))).toEqual(['checkpoint1.ckpt']);
  bundle.close();
  expect(readdirSync(folder).toSorted()).toEqual(['a.cairn', 'remote']);
});

test('where the checkpoints are their link says, also where vm.json could not be told', async () => {
  Bundle.create(path, config());
  let bundle = await open();
  mkdirSync(join(path, 'vm.json.tmp', 'x'), { recursive: true });
  expect(() => bundle.configure(config(store))).toThrow('vm.json cannot be written');
  rmSync(join(path, 'vm.json.tmp'), { recursive: true });
  const stores = () => [bundle.config.checkpointStore, Bundle.readConfig(path).checkpointStore];
  expect([...stores(), readFileSync(join(path, 'vm.json'), 'utf8').includes(store)]).toEqual([store, store, false]);
  bundle.close();
  bundle = await open();
  expect(stores()).toEqual([store, store]);
  bundle.configure(config());
  expect([...stores(), readdirSync(store)]).toEqual([undefined, undefined, []]);
  bundle.configure(config(`${store}/`));
  bundle.configure(config(store));
  await take(bundle, 'checkpoint1');
  bundle.close();
  expect(readdirSync(join(store, 'a.checkpoints'))).toEqual(['checkpoint1.ckpt']);
});

test('a move that was killed has been made, or has not begun', async () => {
  const inBundle = () => lstatSync(join(path, 'checkpoints')).isDirectory();
  const opened = async () => {
    const bundle = await open();
    bundle.close();
    expect(bundle.config.checkpointStore).toBe(inBundle() ? undefined : store);
    return { inBundle: inBundle(), files: readdirSync(path).filter(name => name.startsWith('checkpoints')), store: readdirSync(store) };
  };
  Bundle.create(path, config());
  mkdirSync(join(store, 'a.checkpoints'));
  symlinkSync(join(store, 'a.checkpoints'), join(path, 'checkpoints.new'));
  expect(await opened()).toEqual({ inBundle: true, files: ['checkpoints'], store: [] });

  mkdirSync(join(store, 'a.checkpoints'));
  symlinkSync(join(store, 'a.checkpoints'), join(path, 'checkpoints.new'));
  renameSync(join(path, 'checkpoints'), join(path, 'checkpoints.old'));
  expect(await opened()).toEqual({ inBundle: false, files: ['checkpoints'], store: ['a.checkpoints'] });

  // And back, where the old place is another VM's by now.
  writeFileSync(join(store, 'a.checkpoints', 'checkpoint1.ckpt'), 'of another VM');
  renameSync(join(path, 'checkpoints'), join(path, 'checkpoints.old'));
  mkdirSync(join(path, 'checkpoints'));
  expect(await opened()).toEqual({ inBundle: true, files: ['checkpoints'], store: ['a.checkpoints'] });
  expect(readdirSync(join(store, 'a.checkpoints'))).toEqual(['checkpoint1.ckpt']);
});

describe('in a volume', () => {
  let volume: string;
  beforeEach(() => {
    volume = join(folder, 'volume');
    using file = nodeFiles.createExclusive(volume);
    file.allocate(4 << 20);
    initializeVolume(file, 4 << 20);
  });

  test('checkpoints are found through the bundle, and the catalogue is made anew from the volume alone', async () => {
    Bundle.create(path, config(volume));
    let bundle = await open();
    await take(bundle, 'checkpoint1');
    expect(bundle.notices).toEqual([]);
    expect(volumeInfo(volume)).toMatchObject({
      users: [{ holder: 'a', pid: process.pid }],
      vms: [{ name: 'a', checkpoints: [{ id: 'checkpoint1', title: 'checkpoint1' }] }],
    });
    bundle.close();
    expect(volumeInfo(volume).users).toEqual([]);
    rmSync(join(path, 'catalog.db'));
    bundle = await open();
    expect(bundle.catalog.list().map(({ id }) => id)).toEqual(['checkpoint1']);
    expect(await repairBundle(bundle)).toMatchObject({ checkpoints: 1, removed: [], notices: [] });
    expect(usedBytes(bundle)).toBeGreaterThanOrEqual(volumeInfo(volume).usedBytes);
    bundle.close();
    expect(await checkBundle(path)).toMatchObject({ checkpoints: 1, problems: [] });
    expect(await inspect(path)).toMatchObject({ checkpoints: [{ id: 'checkpoint1' }] });
    for (const name of [join(path, 'checkpoints'), join(volume, 'a.checkpoints')])
      expect(await inspect(join(name, 'checkpoint1.ckpt'))).toMatchObject({ kind: 'checkpoint', id: 'checkpoint1' });
  });

  test('one that was left behind and is damaged keeps no VM from opening', async () => {
    Bundle.create(path, config(volume));
    renameSync(join(path, 'checkpoints'), join(path, 'checkpoints.old'));
    const whole = readFileSync(volume);
    writeFileSync(volume, new Uint8Array(4 << 20));
    (await open()).close();
    writeFileSync(volume, whole);
    (await open()).close();
    expect([volumeInfo(volume).vms, existsSync(join(path, 'checkpoints')), readdirSync(path).includes('checkpoints.old')]).toEqual([
      [],
      true,
      false,
    ]);
  });

  test('files are copied out of it and into it, too, whole or not at all', async () => {
    Bundle.create(path, config(volume));
    const bundle = await open();
    await take(bundle, 'checkpoint1');
    const inVolume = bundle.checkpointPath('checkpoint1');
    const outside = join(folder, 'checkpoint2.ckpt');
    await copyCheckpointFile(inVolume, outside);
    expect(await readCheckpointInfo(outside)).toMatchObject({ id: 'checkpoint1' });
    await copyCheckpointFile(outside, bundle.checkpointPath('checkpoint2'));
    expect(await inspect(bundle.checkpointPath('checkpoint2'))).toEqual({
      ...((await inspect(inVolume)) as object),
      path: bundle.checkpointPath('checkpoint2'),
    });
    const { freeBytes } = volumeInfo(volume);
    truncateSync(outside, 8 << 20);
    await expect(copyCheckpointFile(outside, bundle.checkpointPath('checkpoint3'))).rejects.toThrow('the volume is full');
    expect(volumeInfo(volume)).toMatchObject({ freeBytes, uses: [], vms: [{ checkpoints: [{}, {}] }] });
    bundle.close();
  });

  test('damage there is found, and told', async () => {
    Bundle.create(path, config(volume));
    const bundle = await open();
    await take(bundle, 'checkpoint1');
    bundle.close();
    const bytes = readFileSync(volume);
    const at = bytes.indexOf('CAIRNCKP');
    bytes[at + 70]! ^= 1;
    writeFileSync(volume, bytes);
    expect((await checkVolume(volume, () => {})).problems).toMatchObject([{ kind: 'damaged', about: 'checkpoint checkpoint1 of a' }]);
    expect((await checkBundle(path)).problems).toMatchObject([{ kind: 'damaged', about: 'checkpoint checkpoint1' }]);
  });

  test('without the volume, or with another one in its place, nothing is taken for gone', async () => {
    Bundle.create(path, config(volume));
    const bundle = await open();
    await take(bundle, 'checkpoint1');
    bundle.close();
    const before = readFileSync(join(path, 'state.json'));
    renameSync(volume, `${volume}-away`);
    await expect(open()).rejects.toThrow(`the checkpoints of a are kept in ${join(volume, 'a.checkpoints')}, which is not there: mount it`);
    writeFileSync(volume, 'no volume');
    await expect(open()).rejects.toThrow(`${volume} cannot be used as a checkpoint volume: it is too short to be one.`);
    {
      using file = nodeFiles.openWrite(volume);
      file.allocate(4 << 20);
      initializeVolume(file, 4 << 20);
    }
    await expect(open()).rejects.toThrow(`the checkpoints of a are kept in the volume ${volume}, which has none of that name`);
    expect(readFileSync(join(path, 'state.json'))).toEqual(before);
    renameSync(`${volume}-away`, volume);
    const again = await open();
    expect(again.catalog.list()).toHaveLength(1);
    again.close();
  });

  test('a place is one VM’s, moved to before the first checkpoint, and given back when the VM is deleted', async () => {
    Bundle.create(path, config(volume));
    expect(() => Bundle.create(join(folder, 'other', 'a.cairn'), config(volume))).toThrow(`the volume ${volume} has a.checkpoints already`);
    const bundle = await open();
    bundle.configure(config(store));
    expect(volumeInfo(volume)).toMatchObject({ vms: [], users: [] });
    bundle.configure(config(volume));
    await take(bundle, 'checkpoint1');
    expect(() => bundle.configure(config())).toThrow('a has checkpoints already');
    bundle.delete();
    expect(volumeInfo(volume)).toMatchObject({ vms: [], users: [], usedBytes: 0 });
    expect(readdirSync(store)).toEqual([]);
  });

  test('a place that a process made which was killed before its VM was finished is given back when a VM of that name is made', async () => {
    const dead = spawnSync(process.execPath, ['-e', '']).pid;
    const { change } = Volume.prototype;
    vi.spyOn(Volume.prototype, 'change').mockImplementationOnce(function (this: Volume, make) {
      change.call(this, make);
      cpSync(`${path}.new-${process.pid}`, `${path}.new-${dead}`, { recursive: true, verbatimSymlinks: true }); // as a kill leaves it here
      throw new Error('killed');
    });
    expect(() => Bundle.create(path, config(volume))).toThrow('killed');
    expect([volumeInfo(volume).vms.map(({ name }) => name), readdirSync(folder)]).toEqual([['a'], expect.not.arrayContaining(['a.cairn'])]);
    Bundle.create(path, config(volume));
    expect(readdirSync(folder).toSorted()).toEqual(['a.cairn', 'remote', 'volume']);
    const bundle = await open();
    await take(bundle, 'checkpoint1');
    bundle.close();
    expect(volumeInfo(volume).vms).toMatchObject([{ name: 'a', checkpoints: [{ id: 'checkpoint1' }] }]);
  });

  test('is not made anew while a VM has it open, or by accident', async () => {
    Bundle.create(path, config(volume));
    const bundle = await open();
    using device = nodeFiles.openWrite(volume);
    expect(() => takeForVolume(volume, device, true)).toThrow(`${volume} cannot be written, for a (in this Cairn) has it open`);
    bundle.close();
    expect(() => takeForVolume(volume, device, false)).toThrow(
      `${volume} holds a checkpoint volume with checkpoints (0 of a): nothing was changed.`,
    );
    takeForVolume(volume, device, true)[Symbol.dispose]();
  });
});

test('a store that cannot be one makes no VM', () => {
  expect(() => Bundle.create(path, config(join(folder, 'nowhere')))).toThrow('is not there: make the folder, or mount it');
  expect(() => Bundle.create(path, config('remote'))).toThrow('whole path');
  mkdirSync(join(store, 'a.checkpoints'));
  expect(() => Bundle.create(path, config(store))).toThrow('exists already');
  expect(readdirSync(folder)).toEqual(['remote']);
});
