import { closeSync, cpSync, existsSync, mkdirSync, openSync, readFileSync, readdirSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { VmBox } from '#test/support/vm-box.ts';
import { attachDisk } from '#engine/disk/graph/create.ts';
import { DiskFolder } from '#engine/disk/graph/disk-folder.ts';
import { VirtualDiskFiles } from '#engine/disk/graph/virtual-disk-files.ts';
import { nodeCodec } from '#worker/node-codec.ts';
import { nodeDecompressor } from '#worker/node-decompressor.ts';
import { nodeFiles } from '#worker/node-files.ts';
import { Bundle } from './bundle.ts';
import { readCheckpointInfo } from './checkpoint-files.ts';
import { checkBundle } from './check.ts';
import { inspect } from './inspect.ts';
import { repairBundle } from './repair.ts';

let box: VmBox;
let folder: string;
let path: string;
let bundle: Bundle;
beforeEach(async () => {
  box = new VmBox();
  ({ folder, path } = box);
  bundle = await box.open();
});
afterEach(() => {
  bundle.close();
  box.dispose();
});

const take = (title: string) => box.take(bundle, title);
function scratch(file: string, offset: number): void {
  const opened = openSync(file, 'r+');
  writeSync(opened, Uint8Array.of(0xa5, 0x5a), 0, 2, offset);
  closeSync(opened);
}
/** One disk over an image of the user's. */
function makeDisk(): DiskFolder {
  const host = {
    files: nodeFiles,
    codec: nodeDecompressor,
    checksum: nodeCodec.checksum,
    newLayerId: () => 'ab'.repeat(16).slice(0, 30) + String(made++).padStart(2, '0'),
  };
  let made = 10;
  writeFileSync(join(folder, 'base.img'), new Uint8Array(1 << 20).fill(7));
  mkdirSync(join(path, 'disks'));
  const disk = new DiskFolder(host, join(path, 'disks'), 'disk0');
  attachDisk(disk, { path: join(folder, 'base.img'), format: 'raw' });
  using open = new VirtualDiskFiles(disk);
  open.top.write(0, new Uint8Array(65536).fill(9));
  open.close();
  return disk;
}

describe('cairn check', () => {
  test('finds nothing wrong with what is whole, and says so of a VM that is open, but for its catalogue', async () => {
    await take('one');
    makeDisk();
    expect(await checkBundle(path)).toEqual({ vm: 'box', checkpoints: 1, layers: 0, locked: 0, problems: [], complete: false });
    bundle.close();
    expect(await checkBundle(path)).toEqual({ vm: 'box', checkpoints: 1, layers: 1, locked: 0, problems: [], complete: true });
  });

  test('names a checkpoint with a damaged byte, wherever it is', async () => {
    const id = await take('one');
    const whole = join(folder, 'whole.ckpt');
    cpSync(bundle.checkpointPath(id), whole);
    bundle.close();
    for (const offset of [0, 70, 200]) {
      cpSync(whole, bundle.checkpointPath(id));
      scratch(bundle.checkpointPath(id), offset);
      const { problems } = await checkBundle(path);
      expect(problems).toMatchObject([{ kind: 'damaged', about: `checkpoint ${id}`, text: expect.stringContaining('damaged') }]);
    }
  });

  test('tells what repair sets right, and repair does', async () => {
    const [one, two] = [await take('one'), await take('two')];
    bundle.mark(two, { title: 'second', pinned: true });
    rmSync(bundle.checkpointPath(one));
    const stray = await box.writeCheckpoint(two, 'stray');
    bundle.close();
    writeFileSync(join(path, 'checkpoints', 'abcdefgh.ckpt.part'), 'half');
    writeFileSync(join(path, 'vm.json.tmp'), '{');
    mkdirSync(`${path}.new-999999999`);
    const { problems } = await checkBundle(path);
    expect(problems.map(({ kind, about, text }) => `${kind} ${about} ${text}`).toSorted()).toEqual([
      `leftover catalog.db it does not know the checkpoint ${stray.id}`,
      `leftover catalog.db the file of its checkpoint ${one} is gone`,
      'leftover checkpoints/abcdefgh.ckpt.part it was never finished',
      'leftover vm.json.tmp it was never finished',
    ]);
    bundle = await box.open();
    const report = await repairBundle(bundle);
    expect(report).toMatchObject({ checkpoints: 2, removed: expect.arrayContaining(['vm.json.tmp', 'box.cairn.new-999999999']) });
    expect(bundle.catalog.get(two)).toMatchObject({ title: 'second', pinned: true, parent: null });
    expect(bundle.catalog.get(stray.id)).toMatchObject({ parent: two });
    expect(bundle.catalog.history(1)).toMatchObject([{ event: 'repaired' }]);
    bundle.close();
    expect(await checkBundle(path)).toMatchObject({ problems: [], complete: true });
    expect(readdirSync(folder)).toEqual(['box.cairn']);
  });

  test('a catalogue with any byte of its header changed is told or does no harm, and the VM opens with all of its checkpoints', async () => {
    const id = await take('one');
    bundle.close();
    const file = join(path, 'catalog.db');
    const whole = readFileSync(file);
    const harmless: number[] = [];
    for (let at = 0; at < 100; at++) {
      if (at >= 60 && at < 64) continue; // the version of a newer Cairn, whose catalogue it then is
      const bytes = Uint8Array.from(whole);
      bytes[at]! ^= 0xff;
      writeFileSync(file, bytes);
      const { problems } = await checkBundle(path);
      const opened = await Bundle.open(path, readCheckpointInfo, 0);
      expect([at, opened?.catalog.list().map(checkpoint => checkpoint.id)]).toEqual([at, [id]]);
      if (problems.length === 0) harmless.push(at);
      expect([at, opened?.notices.length === 0 || problems.length > 0]).toEqual([at, true]); // nothing is mended that was not told
      opened?.close();
    }
    expect(harmless).not.toContain(18);
    expect(harmless).not.toContain(47);
    expect(readdirSync(path).some(name => name.startsWith('catalog.db.damaged-'))).toBe(true);
  });

  test('names damage of a disk: a layer’s tables, a file that is gone, a descriptor', async () => {
    const disk = makeDisk();
    bundle.close();
    const { top } = disk.read();
    const layer = disk.layerPath(top);
    const whole = join(folder, 'whole.qcow2');
    cpSync(layer, whole);
    scratch(layer, 65_536);
    expect((await checkBundle(path)).problems).toMatchObject([
      { kind: 'damaged', about: 'disks/disk0.json' }, // the VM could not be started
      { kind: 'damaged', about: `disks/disk0.${top}.qcow2` },
    ]);
    rmSync(layer);
    expect((await checkBundle(path)).problems).toMatchObject([
      { kind: 'damaged', about: 'disks/disk0.json', text: expect.stringContaining('is missing') },
    ]);
    cpSync(whole, layer);
    expect((await checkBundle(path)).problems).toEqual([]);
    writeFileSync(disk.descriptorPath, '{}');
    expect((await checkBundle(path)).problems).toMatchObject([{ kind: 'damaged', about: 'disks/disk0.json' }]);
  });

  test('a disk’s file that was being made when the process was killed is a leftover, told once', async () => {
    const disk = makeDisk();
    bundle.close();
    writeFileSync(disk.layerPath('cd'.repeat(16)), '');
    writeFileSync(`${disk.descriptorPath}.new`, '{');
    const names = [`disks/disk0.${'cd'.repeat(16)}.qcow2`, 'disks/disk0.json.new'];
    expect((await checkBundle(path)).problems.map(({ kind, about }) => `${kind} ${about}`).toSorted()).toEqual(
      names.map(name => `leftover ${name}`),
    );
  });
});

describe('cairn inspect', () => {
  test('knows a checkpoint, a bundle, a catalogue, a descriptor, an image and a plain JSON file', async () => {
    const id = await take('one');
    const disk = makeDisk();
    const layer = disk.layerPath(disk.read().top);
    await expect(inspect(join(path, 'catalog.db'))).rejects.toThrow('open in some Cairn');
    bundle.close();
    expect(await inspect(bundle.checkpointPath(id))).toMatchObject({ kind: 'checkpoint', id, title: 'one' });
    expect(await inspect(join(path, 'catalog.db'))).toMatchObject({
      kind: 'catalogue',
      version: 2,
      tables: { checkpoint: [{ id }], history: [{ event: 'taken' }] },
    });
    expect(await inspect(path)).toMatchObject({
      kind: 'bundle',
      vm: { version: 1 },
      state: { current: id },
      owner: null,
      checkpoints: [{ id }],
      disks: [{ disk: 'disk0', mode: 'chain' }],
    });
    expect(await inspect(disk.descriptorPath)).toMatchObject({ kind: 'disk descriptor', disk: 'disk0', sizeBytes: 1 << 20 });
    expect(await inspect(layer)).toMatchObject({ kind: 'disk image', format: 'qcow2', qcow2: { layerId: disk.read().top } });
    expect(await inspect(join(folder, 'base.img'))).toMatchObject({ kind: 'disk image', format: 'raw', sizeBytes: 1 << 20 });
    expect(await inspect(join(path, 'state.json'))).toMatchObject({ version: 1, current: id });
  });

  test('tells what it is given when it is nothing of that, or damaged', async () => {
    await expect(inspect(folder)).rejects.toThrow('a folder without a vm.json');
    await expect(inspect(join(folder, 'none'))).rejects.toThrow('it does not exist');
    writeFileSync(join(path, 'checkpoints', 'damaged0.ckpt'), 'CAIRNCKP and nothing else');
    await expect(inspect(join(path, 'checkpoints', 'damaged0.ckpt'))).rejects.toThrow('damaged');
    expect(await inspect(path)).toMatchObject({ checkpoints: [{ file: 'damaged0.ckpt', problem: expect.stringContaining('damaged') }] });
    expect(existsSync(join(path, 'checkpoints', 'damaged0.ckpt'))).toBe(true);
    rmSync(join(path, 'checkpoints', 'damaged0.ckpt'));
  });
});
