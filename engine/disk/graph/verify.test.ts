import { expect, test } from 'vitest';
import { GraphModel, expectState, verify } from '#test/support/disk-graph-model.ts';
import { MemoryFiles } from '#test/support/memory-files.ts';
import { rebuildDescriptor } from './rebuild.ts';
import { scan } from './scan.ts';
import { VirtualDiskFiles } from './virtual-disk-files.ts';

const write = (at: number, seed: number) => ({ kind: 'write', at, length: 5000, seed }) as const;

/** Three checkpoints, at rest and closed. */
function start(kind: 'blank' | 'raw' | 'raw, written' = 'raw', mode: 'chain' | 'copy' = 'chain'): GraphModel {
  const model = new GraphModel(new MemoryFiles(), kind, mode);
  for (const seed of [1, 2, 3]) {
    model.use([write(seed * 6000, seed)]);
    model.checkpoint();
  }
  model.use([write(0, 9)]);
  model.collectAll();
  model.restart(false);
  model.stopCollecting();
  model.disk.close();
  return model;
}

/** Changes one byte of a file. */
function flip(files: MemoryFiles, path: string, at: number, bits = 0x40): void {
  const bytes = files.get(path);
  bytes[at]! ^= bits;
  files.put(path, bytes);
}

const problemsOf = ({ folder, needs }: GraphModel) => verify(folder, needs).problems.map(({ kind, problem }) => `${kind}: ${problem}`);

test('a disk at rest has no problem, and every layer below the top was compared', () => {
  const model = start();
  expect(verify(model.folder, model.needs)).toEqual({ problems: [], layers: 4, compared: 3 });
});

test('a changed byte of data is found by the checksum, a changed table by the structure', () => {
  const model = start();
  const path = model.folder.layerPath(model.checkpoints[1]!.layer);
  const { length } = model.files.get(path);
  flip(model.files, path, length - 4096);
  expect(problemsOf(model)).toEqual(['damage: its contents do not match its checksum']);
  flip(model.files, path, length - 4096);
  flip(model.files, path, 4096 * 2 + 3, 1); // a count of references
  expect(problemsOf(model)[0]).toMatch(/^damage: \d+ errors in its tables/);
});

test('files that are missing, exchanged, changed by others or left over are told', () => {
  const model = start();
  const { files, folder, checkpoints } = model;
  const [, second, third] = checkpoints.map(({ layer }) => folder.layerPath(layer)) as [string, string, string];
  const bytes = files.get(second);
  files.put(second, files.get(third));
  expect(problemsOf(model).some(problem => problem.includes('A file was exchanged'))).toBe(true);
  files.remove(second);
  expect(problemsOf(model).some(problem => problem.includes('is missing'))).toBe(true);
  files.put(second, bytes);
  expect(problemsOf(model)).toEqual([]);
  files.put(`${folder.folder}/disk0.json.new`, bytes);
  expect(problemsOf(model)).toEqual(['untidy: a file that was never finished']);
  files.remove(`${folder.folder}/disk0.json.new`);
  model.checkpoints.pop();
  expect(problemsOf(model)).toEqual(['pending: work is left to be done (merge)']);
  flip(files, '/user/base', 0);
  expect(problemsOf(model)).toContain('damage: the base disk was changed by others since the disk was last used');
  expect(() => new VirtualDiskFiles(folder)).toThrow(/base was changed|was changed since disk0/);
  const accepted = new VirtualDiskFiles(folder, { acceptChangedBase: true });
  accepted.close();
  new VirtualDiskFiles(folder).close();
});

test('a new layer whose header was not written yet lies about; one that others lie on is lost, and stays for who can mend it', () => {
  const model = start();
  const { files, folder, checkpoints } = model;
  const fresh = folder.layerPath('ab'.repeat(16));
  files.put(fresh, new Uint8Array(4096));
  expect(problemsOf(model)).toEqual(['untidy: a file that was never finished']);
  expect(verify(folder, model.needs).layers).toBe(4);
  files.remove(fresh);
  const [, second] = checkpoints;
  model.checkpoints.splice(1, 1); // nobody points to it, but the third and the top lie on it
  files.put(folder.layerPath(second!.layer), new Uint8Array(8192));
  expect(problemsOf(model)).toContainEqual(expect.stringMatching(/^damage: .*this is not a qcow2 image/));
  expect(() => scan(folder, folder.read(), model.needs)).toThrow('this is not a qcow2 image');
});

test('no descriptor, or one that is none, is told', () => {
  const model = start();
  model.files.put(model.folder.descriptorPath, new TextEncoder().encode('{"version": 1}'));
  expect(problemsOf(model)[0]).toContain("is not a disk's descriptor: “disk” is not the name of a disk");
  model.files.remove(model.folder.descriptorPath);
  expect(problemsOf(model)[0]).toContain('does not exist');
});

test.each([
  ['blank', 'chain'],
  ['raw', 'chain'],
  ['raw, written', 'copy'],
  ['raw', 'copy'],
] as const)('a lost descriptor is made anew: %s, %s', (kind, mode) => {
  const model = start(kind, mode);
  const { top } = model.folder.read();
  model.files.remove(model.folder.descriptorPath);
  const told = rebuildDescriptor(model.folder, model.needs);
  expect(told.length).toBeGreaterThan(0);
  expect(model.folder.read().top).toBe(top);
  for (const { layer, bytes } of model.checkpoints) expectState(model.folder, layer, bytes);
  model.disk = new VirtualDiskFiles(model.folder);
  model.collectAll();
  model.expectAll();
});

test('with its top lost, too, the disk goes on from a checkpoint, which stays as it is', () => {
  const model = start('blank');
  model.files.remove(model.folder.layerPath(model.folder.read().top));
  model.files.remove(model.folder.descriptorPath);
  expect(rebuildDescriptor(model.folder, model.needs)).toContain('The present state of disk0 is lost; it goes on from a checkpoint.');
  model.disk = new VirtualDiskFiles(model.folder);
  model.bytes = model.checkpoints[2]!.bytes.slice();
  model.use([write(30_000, 5)]);
  model.expectAll();
});

test.each(['chain', 'copy'] as const)('%s: a file that was cut is told, and the disk is not opened with it', mode => {
  const model = start('raw', mode);
  const { files, folder } = model;
  const base = folder.pathOf(folder.read().base!.path);
  const layers = folder.layerIds().map(id => folder.layerPath(id));
  for (const path of [...layers, base]) {
    const bytes = files.get(path);
    for (const length of [bytes.length - 8192, bytes.length >> 1, 4096, 100, 0].filter(size => size >= 0)) {
      files.put(path, bytes.subarray(0, length));
      expect([path, length, problemsOf(model).some(problem => problem.startsWith('damage: '))]).toEqual([path, length, true]);
    }
    files.put(path, bytes.subarray(0, 4096));
    const isInUse = path === base || path === folder.layerPath(folder.read().top);
    if (isInUse) expect(() => new VirtualDiskFiles(folder)).toThrow(/file ends|was changed|not a qcow2|not where it can be/);
    files.put(path, bytes);
  }
});

test('a raw base that Cairn writes and that was cut meanwhile is not taken for a smaller disk', () => {
  const model = new GraphModel(new MemoryFiles(), 'raw, written', 'full-copy');
  model.use([write(0, 9)]);
  const { files, folder } = model;
  model.disk[Symbol.dispose](); // as a process that is killed
  expect(folder.read()).toMatchObject({ top: 'base' });
  const bytes = files.get('/user/base');
  files.put('/user/base', bytes.subarray(0, bytes.length - 4096));
  expect(() => new VirtualDiskFiles(folder)).toThrow(/the base disk has \d+ bytes, and had \d+ when disk0 was last used/);
  expect(problemsOf(model).some(problem => problem.includes('a part of it is missing'))).toBe(true);
  files.put('/user/base', bytes);
  new VirtualDiskFiles(folder).close();
});
