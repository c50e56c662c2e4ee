import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ConfigError } from '#engine/errors/errors.ts';
import { crashEverywhere } from '#test/support/disk-crash.ts';
import { GraphModel, expectState } from '#test/support/disk-graph-model.ts';
import { MemoryFiles } from '#test/support/memory-files.ts';
import { encodeUtf8 } from '../utf8.ts';
import { Adoption } from './adoption.ts';
import { readDescriptor, writeDescriptor, type DiskDescriptor } from './descriptor.ts';
import { VirtualDiskFiles } from './virtual-disk-files.ts';

const ID = '0123456789abcdef'.repeat(2);
const GOOD: DiskDescriptor = {
  version: 1,
  disk: 'disk0',
  mode: 'copy',
  sizeBytes: 1 << 20,
  clusterBytes: 65536,
  top: ID,
  writeBase: true,
  base: {
    path: '/home/me/a disk, “näm€d”.img',
    format: 'raw',
    kind: 'attached',
    content: ID,
    becoming: ID,
    seen: { sizeBytes: 5, modifiedMs: 1.5 },
    allow: ['/home/me/below.img'],
  },
  settings: { cache: 'writeback', unit: 3, readOnly: false },
};

function readText(text: string): DiskDescriptor {
  const files = new MemoryFiles();
  files.put('/vm/disk0.json', encodeUtf8(text));
  return readDescriptor(files, '/vm/disk0.json');
}

test('what is written is read', () => {
  const files = new MemoryFiles();
  writeDescriptor(files, '/vm/disk0.json', GOOD);
  expect(readDescriptor(files, '/vm/disk0.json')).toEqual(GOOD);
  const linked = { ...GOOD.base!, kind: 'linked', source: { folder: '../../Other.cairn/disks', disk: 'disk1' } } as const;
  writeDescriptor(files, '/vm/disk0.json', { ...GOOD, base: linked });
  expect(readDescriptor(files, '/vm/disk0.json').base).toEqual(linked);
  expect(files.open).toBe(0);
});

test('a crash while it is written leaves the old one or the new one', () => {
  const next: DiskDescriptor = { ...GOOD, mode: 'chain' };
  const found = new Set<string>();
  const crashes = crashEverywhere(
    files => writeDescriptor(files, '/vm/disk0.json', GOOD),
    files => writeDescriptor(files, '/vm/disk0.json', next),
    () => {},
    files => void found.add(readDescriptor(files, '/vm/disk0.json').mode),
  );
  expect(crashes).toBeGreaterThan(4);
  expect(found).toEqual(new Set(['copy', 'chain']));
});

test.each<[string, unknown]>([
  ['another version', { ...GOOD, version: 2 }],
  ['an unknown field', { ...GOOD, path: '/etc/passwd' }],
  ['a path in its name', { ...GOOD, disk: '../disk0' }],
  ['an unknown mode', { ...GOOD, mode: 'fast' }],
  ['a size that is none', { ...GOOD, sizeBytes: 1e300 }],
  ['a size of no whole blocks', { ...GOOD, sizeBytes: 1000 }],
  ['clusters of no power of two', { ...GOOD, clusterBytes: 1000 }],
  ['a top that is no layer', { ...GOOD, top: '../../etc/passwd' }],
  ['a base as top, and none', { ...GOOD, top: 'base', base: undefined }],
  ['an own base elsewhere', { ...GOOD, base: { ...GOOD.base, kind: 'own', path: '../x' } }],
  ['a base of another format', { ...GOOD, base: { ...GOOD.base, format: 'vmdk' } }],
  ['a path with a zero', { ...GOOD, base: { ...GOOD.base, path: 'a\0b' } }],
  ['an allowed file that is none', { ...GOOD, base: { ...GOOD.base, allow: ['/x', ''] } }],
  ['a source that is not linked', { ...GOOD, base: { ...GOOD.base, source: { folder: 'x', disk: 'disk0' } } }],
  ['a setting that is an object', { ...GOOD, settings: { a: {} } }],
  ['too many settings', { ...GOOD, settings: Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`s${i}`, 1])) }],
  ['a list', []],
])('%s is refused in words', (_, raw) => {
  expect(() => readText(JSON.stringify(raw))).toThrow(ConfigError);
  expect(() => readText(JSON.stringify(raw))).toThrow(/^\/vm\/disk0\.json is not a disk's descriptor: .+ Repair the VM\.$/);
});

test('bytes that are anything give a descriptor or a ConfigError', () => {
  expect(() => readText(' '.repeat((4 << 20) + 1))).toThrow('and can have 4194304');
  const text = JSON.stringify(GOOD);
  fc.assert(
    fc.property(fc.nat(text.length - 1), fc.string({ maxLength: 5 }), fc.nat(20), (at, put, drop) => {
      try {
        readText(text.slice(0, at) + put + text.slice(at + drop));
      } catch (error) {
        expect(error).toBeInstanceOf(ConfigError);
      }
    }),
    { numRuns: 2000 },
  );
});

test('a branch is the disk only when it is adopted, over the descriptor as it is then; one that is not leaves nothing', () => {
  const model = new GraphModel(new MemoryFiles(), 'raw', 'chain');
  model.use([{ kind: 'write', at: 0, length: 5000, seed: 1 }]);
  model.checkpoint([], [{ kind: 'write', at: 0, length: 5000, seed: 2 }]);
  const { layer, bytes } = model.checkpoints[0]!;
  const names = model.folder.names();
  new VirtualDiskFiles(model.folder, { branchFrom: layer })[Symbol.dispose]();
  expect(model.folder.names()).toEqual(names);
  const branch = new VirtualDiskFiles(model.folder, { branchFrom: layer });
  model.expectAll();
  model.setMode('copy');
  model.disk.close();
  new Adoption([branch]).adopt();
  expect(branch.descriptor.mode).toBe('copy');
  model.disk = branch;
  model.bytes = bytes.slice();
  model.use([{ kind: 'write', at: 9000, length: 5000, seed: 3 }]);
  model.collectAll();
  model.expectAll();
  expectState(model.folder, branch.descriptor.top, model.bytes);
  model.restart(false);
  model.disk.close();
});
