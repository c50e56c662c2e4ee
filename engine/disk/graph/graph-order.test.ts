/** What each write must come after: a test for every step whose absence would lose something only when the host dies. */
import { expect, test } from 'vitest';
import { AFTER_CRASH } from '#test/support/disk-crash.ts';
import { GraphModel, expectState, graphHost, readState } from '#test/support/disk-graph-model.ts';
import { apply, contents, expectReads, pattern, sameBytes } from '#test/support/disk-model.ts';
import { MemoryFiles } from '#test/support/memory-files.ts';
import { layersOf } from '../chain.ts';
import { attachDisk, linkDisk } from './create.ts';
import { DiskCollector } from './collector.ts';
import { DiskFolder } from './disk-folder.ts';
import { FullCopyJob } from './full-copy-job.ts';
import { removeDisk } from './remove.ts';
import { VirtualDiskFiles } from './virtual-disk-files.ts';

const write = (at: number, length: number, seed: number) => ({ kind: 'write', at, length, seed }) as const;
const folderOf = (files: MemoryFiles) => new DiskFolder(graphHost(files, 500), '/vm/disks', 'disk0');

test('802: before the switch the descriptor names the new file, and it reads as the old one, whatever the host dies of', () => {
  const files = new MemoryFiles();
  const model = new GraphModel(files, 'raw', 'chain');
  model.use([write(0, 3000, 1), { kind: 'flush' }]);
  const { cow } = model.disk.prepareCow();
  model.use([write(1000, 3000, 2)]);
  model.disk.flush();
  for (const how of AFTER_CRASH) {
    const found = folderOf(files.afterCrash(how));
    expect(found.read().top).toBe(cow);
    expectState(found, cow, model.bytes);
  }
});

test('830: a sealed layer has what was pending at the stop, also after a crash that keeps only what was synced', () => {
  const files = new MemoryFiles();
  const model = new GraphModel(files, 'raw', 'chain');
  model.use([write(0, 9000, 1)]);
  model.disk.prepareCow();
  const old = model.disk.switchToCow();
  apply(write(5000, 9000, 2), old, model.bytes);
  const frozen = model.bytes.slice();
  model.use([write(0, 20_000, 3)]);
  const layer = model.disk.seal()!;
  expectState(folderOf(files.afterCrash('lost')), layer, frozen);
  expect(() => old.write(0, new Uint8Array(1))).toThrow('open for reading only');
});

test('a flush by the guest between 810 and 830 also makes durable what it wrote before 810', () => {
  const files = new MemoryFiles();
  const model = new GraphModel(files, 'raw', 'chain');
  model.use([write(0, 9000, 1)]);
  model.disk.prepareCow();
  model.disk.switchToCow();
  model.use([write(30_000, 100, 2)]);
  model.disk.flush();
  expectState(folderOf(files.afterCrash('lost')), model.disk.descriptor.top, model.bytes);
});

test('what a checkpoint’s pointer names is whole after a crash as soon as it is sealed, when it is the base itself, too', () => {
  const model = new GraphModel(new MemoryFiles(), 'raw, written', 'full-copy');
  model.use([write(0, 9000, 1)]);
  model.disk.prepareCow();
  const old = model.disk.switchToCow();
  apply(write(5000, 9000, 2), old, model.bytes);
  const layer = model.disk.seal()!;
  expectState(folderOf(model.files.afterCrash('lost')), layer, model.bytes);
});

test('a frozen state is kept until a checkpoint points to it, or there will be none', () => {
  const model = new GraphModel(new MemoryFiles(), 'raw', 'chain');
  model.use([write(0, 9000, 1)]);
  const frozen = model.bytes.slice();
  model.disk.prepareCow();
  model.disk.switchToCow();
  model.use([write(0, 100, 2)]);
  const layer = model.disk.seal()!;
  model.collectAll();
  expectState(model.folder, layer, frozen);
  model.disk.letGo(layer);
  model.collectAll();
  expect(model.folder.has(layer)).toBe(false);
  model.expectAll();
});

test('the base is written only while the descriptor says what it is becoming, and nobody but that layer reads it then', () => {
  for (const mode of ['chain', 'copy', 'full-copy'] as const) {
    const files = new MemoryFiles();
    const model = new GraphModel(files, 'raw, written', mode);
    model.use([write(0, 9000, 1)]);
    model.checkpoint([], [write(0, 9000, 2)]);
    model.collectAll();
    model.checkpoint([], [write(0, 9000, 3)]);
    model.eliminate(0);
    let seen = files.get('/user/base');
    let writes = 0;
    files.onOperation = () => {
      const now = files.get('/user/base');
      if (sameBytes(now, seen)) return;
      seen = now;
      writes++;
      const found = folderOf(files.afterCrash('lost'));
      const { base, top } = found.read();
      expect(base!.becoming ?? top).not.toBeUndefined();
      if (top !== 'base') expect(base!.becoming).toMatch(/^[0-9a-f]{32}$/);
      const onBase = found.layerIds().filter(id => found.look(id, found.read()).on === 'base');
      if (top !== 'base') expect(onBase).toEqual([base!.becoming]);
    };
    model.collectAll();
    files.onOperation = undefined;
    expect(writes).toBeGreaterThan(0);
    model.expectAll();
  }
});

test('third implementation: the VM reads through its base and one COW file, and through two while one is committed', () => {
  const model = new GraphModel(new MemoryFiles(), 'raw, written', 'copy');
  let longest = 0;
  for (let seed = 1; seed < 9; seed++) {
    model.use([write(seed * 4000, 5000, seed)]);
    model.checkpoint([], [write(100, 50, seed)]);
    for (let i = 0; i < 40; i++) {
      model.collect(1);
      longest = Math.max(longest, layersOf(model.disk.top).length);
    }
    model.collectAll();
    expect(layersOf(model.disk.top).map(({ path }) => path)).toEqual([model.folder.layerPath(model.disk.descriptor.top), '/user/base']);
  }
  expect(longest).toBe(3);
  model.expectAll();
});

test('first implementation: the VM ends on the base itself, and every checkpoint is a file by itself', () => {
  const model = new GraphModel(new MemoryFiles(), 'raw, written', 'full-copy');
  for (let seed = 1; seed < 4; seed++) {
    model.use([write(seed * 4000, 5000, seed)]);
    model.checkpoint([], [write(100, 20_000, seed), write(0, 50, seed)]);
    model.disk.flush();
    model.collectAll();
    expect(model.disk.descriptor.top).toBe('base');
    // 882 comes before 884 also on the host's disk.
    expect(readState(folderOf(model.files.afterCrash('lost')), 'base')).toEqual(model.bytes);
  }
  expectReads(model.disk.top, model.bytes);
  expect(model.files.get('/user/base')).toEqual(model.bytes);
  for (const id of model.folder.layerIds()) expect(model.folder.look(id, model.disk.descriptor).on).toBe('nothing');
  model.expectAll();
});

test('fig. 3F: while the VM writes much, another COW file is put on top; it is stopped only for what is below the threshold', () => {
  const model = new GraphModel(new MemoryFiles(), 'raw, written', 'full-copy');
  model.use([write(0, 100, 1)]);
  model.checkpoint([], [write(0, 40_000, 2)]);
  const stops: number[] = [];
  using collector = new DiskCollector(model.disk, {
    needs: () => model.needs,
    running: true,
    landing: {
      thresholdBytes: 8192,
      whileStopped: action => {
        let bytes = 0;
        for (let at = 0; at < model.disk.sizeBytes; at += 4096) bytes += model.disk.top.status(at, 4096).kind === 'data' ? 4096 : 0;
        stops.push(bytes);
        action();
      },
    },
  });
  for (let i = 0; collector.step(4096) === 'more'; i++) if (i < 6) model.use([write(20_000, 10, i)]);
  expect(stops).toHaveLength(1);
  expect(stops[0]).toBeLessThanOrEqual(8192);
  expect(model.disk.descriptor.top).toBe('base');
  model.expectAll();
});

test('the user’s file is not written without the user’s word', () => {
  for (const mode of ['chain', 'copy', 'full-copy'] as const) {
    const model = new GraphModel(new MemoryFiles(), 'raw', mode);
    const before = model.files.get('/user/base');
    for (let seed = 1; seed < 4; seed++) {
      model.use([write(seed * 4000, 5000, seed)]);
      model.checkpoint();
      model.collectAll();
      if (seed > 1) model.eliminate(0);
    }
    model.collectAll();
    expect(model.files.get('/user/base')).toEqual(before);
    model.expectAll();
  }
});

test('deleting works on a full disk; what needs room is done when there is some', () => {
  const model = new GraphModel(new MemoryFiles(), 'raw', 'chain');
  for (let seed = 1; seed < 4; seed++) {
    model.use([write(seed * 4000, 5000, seed)]);
    model.checkpoint();
  }
  model.revert(0);
  model.collectAll();
  const { files } = model;
  const layers = model.folder.layerIds().length;
  model.eliminate(2);
  files.full = true;
  model.stopCollecting();
  model.collectAll();
  expect(model.folder.layerIds().length).toBe(layers - 1);
  files.full = false;
  model.expectAll();
});

test('a linked clone reads a state of another disk, which stays as long as it is pinned; a full copy needs nothing', () => {
  const files = new MemoryFiles();
  const model = new GraphModel(files, 'raw', 'chain');
  model.use([write(0, 9000, 1)]);
  model.checkpoint([], [write(0, 500, 2)]);
  const { layer, bytes } = model.checkpoints[0]!;
  const linked = new DiskFolder(graphHost(files, 5000), '/clone/disks', 'disk0');
  linkDisk(linked, { folder: '../../vm/disks', disk: 'disk0' }, layer);
  const copied = new DiskFolder(graphHost(files, 6000), '/copy/disks', 'disk0');
  {
    using job = new FullCopyJob(model.folder, layer, copied);
    while (!job.step(4096));
  }
  {
    using disk = new VirtualDiskFiles(copied);
    expectReads(disk.openState(layer), bytes); // a checkpoint that is copied along points to it
  }
  model.checkpoints = [];
  using collector = new DiskCollector(model.disk, { needs: () => ({ pointed: new Set(), pinned: new Set([layer]) }), running: true });
  collector.run();
  for (const folder of [linked, copied]) {
    const disk = new VirtualDiskFiles(folder);
    const own = bytes.slice();
    expectReads(disk.top, own);
    apply(write(7000, 5000, 9), disk.top, own);
    disk.prepareCow();
    disk.switchToCow();
    const frozen = disk.seal()!;
    apply(write(100, 5000, 8), disk.top, own);
    disk.flush();
    expect(sameBytes(readState(folder, disk.descriptor.top), own)).toBe(true);
    disk.letGo(frozen);
    disk.close();
  }
  model.expectAll();
  // Without the clone, nothing keeps the layer; the copy stands alone.
  removeDisk(linked);
  expect(files.paths().filter(path => path.startsWith('/clone/'))).toEqual([]);
  using rest = new DiskCollector(model.disk, { needs: () => ({ pointed: new Set(), pinned: new Set() }), running: false });
  rest.run();
  expect(model.folder.has(layer)).toBe(false);
  model.disk.close();
  removeDisk(model.folder);
  expect(files.exists('/user/base')).toBe(true);
  new VirtualDiskFiles(copied).close();
  expect(files.open).toBe(0);
});

test('a file that is missing, in a circle, or outside the bundle is refused in words', () => {
  const files = new MemoryFiles();
  files.put('/user/base', pattern(8192, 1));
  const folder = folderOf(files);
  attachDisk(folder, { path: '/user/base', format: 'raw' });
  expect(() => attachDisk(folder, { path: '/user/base', format: 'raw' })).toThrow('There is a disk0 already');
  const { top, base, ...rest } = folder.read();
  folder.write({ ...rest, top: 'f'.repeat(32), base: base! });
  expect(() => new VirtualDiskFiles(folder)).toThrow(`disk0.${'f'.repeat(32)}.qcow2 is missing`);
  folder.write({ ...rest, top, base: { ...base!, path: '/user/other' } });
  files.put('/user/other', pattern(8192, 1));
  expect(() => new VirtualDiskFiles(folder, { acceptChangedBase: true })).toThrow('neither in its folder nor the base of disk0');
  folder.write({ ...rest, top, base: { ...base!, content: 'e'.repeat(32) } });
  expect(() => new VirtualDiskFiles(folder)).toThrow('A file was exchanged');
  folder.write({ ...rest, top, base: base! });
  const disk = new VirtualDiskFiles(folder);
  expect(sameBytes(contents(disk.top), pattern(8192, 1))).toBe(true);
  disk.close();
  expect(files.open).toBe(0);
});
