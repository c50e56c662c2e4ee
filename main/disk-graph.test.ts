import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { attachDisk } from '#engine/disk/graph/create.ts';
import { DiskFolder } from '#engine/disk/graph/disk-folder.ts';
import { VirtualDiskFiles } from '#engine/disk/graph/virtual-disk-files.ts';
import { goBack } from '#test/support/disk-graph-model.ts';
import { nodeCodec } from '#worker/node-codec.ts';
import { nodeDecompressor } from '#worker/node-decompressor.ts';
import { nodeFiles } from '#worker/node-files.ts';
import { Catalog } from './catalog.ts';
import { DiskGraph } from './disk-graph.ts';
import type { Checkpoint } from './ipc/contract.ts';
import { mirrorLayers } from './reconcile.ts';

const SIZE = 1 << 20;
let home: string;
let folder: string;
let disk: DiskFolder;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cairn-graph-'));
  folder = join(home, 'disks');
  mkdirSync(folder);
  writeFileSync(join(home, 'base.img'), new Uint8Array(SIZE).fill(7));
  let made = 0;
  const newLayerId = () => String(++made).padStart(32, '0');
  disk = new DiskFolder({ files: nodeFiles, codec: nodeDecompressor, checksum: nodeCodec.checksum, newLayerId }, folder, 'disk0');
  attachDisk(disk, { path: join(home, 'base.img'), format: 'raw' });
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

/** Freezes the disk as it is: what a checkpoint would point to. */
function freeze(): string {
  using open = new VirtualDiskFiles(disk);
  open.top.write(0, new Uint8Array(65536).fill(9));
  const { frozen } = open.prepareCow();
  open.switchToCow();
  open.seal();
  open.letGo(frozen);
  open.close();
  return frozen;
}
const pointing = (id: string, layer: string) => ({ id, disks: [{ disk: 'disk0', layer, sizeBytes: SIZE }] }) as unknown as Checkpoint;

test('the layers behind a checkpoint, down to the base, and who shares them', () => {
  const [one, two] = [pointing('one', freeze()), pointing('two', freeze())];
  const { base, top } = disk.read();
  const graph = new DiskGraph(folder);
  const [behind] = graph.behind(two, [one, two]);
  expect(behind).toMatchObject({
    disk: 'disk0',
    layers: [
      { id: two.disks[0]!.layer, sharedWith: [] },
      { id: one.disks[0]!.layer, sharedWith: ['one'] },
      { id: base!.content, file: join(home, 'base.img'), sharedWith: ['one'] },
    ],
  });
  expect(behind!.layers.every(({ bytes }) => bytes > 0)).toBe(true);
  expect(graph.rows().map(({ id, parent, kind }) => [id, parent, kind])).toEqual([
    [one.disks[0]!.layer, base!.content, 'cow'],
    [two.disks[0]!.layer, one.disks[0]!.layer, 'cow'],
    [top, two.disks[0]!.layer, 'cow'],
    [base!.content, null, 'base'],
  ]);
});

test('a machine whose other records are lost stands on what its disks stand on', () => {
  const [one, two] = [pointing('one', freeze()), pointing('two', freeze())];
  expect(new DiskGraph(folder).standsOn([one, two])).toBe('two');
  {
    using open = new VirtualDiskFiles(disk);
    goBack(open, one.disks[0]!.layer);
    open.close();
  }
  expect(new DiskGraph(folder).standsOn([one, two])).toBe('one');
  expect(new DiskGraph(folder).standsOn([two, { ...one, disks: [] }])).toBeUndefined();
});

test('the catalogue mirrors it, and is not written when it does', () => {
  freeze();
  const catalog = Catalog.tryOpen(join(home, 'catalog.db'))!;
  mirrorLayers(home, catalog);
  const before = catalog.layers();
  expect(before).toHaveLength(3);
  const { setLayers } = catalog;
  let writes = 0;
  catalog.setLayers = layers => {
    writes++;
    setLayers.call(catalog, layers);
  };
  mirrorLayers(home, catalog);
  expect(writes).toBe(0);
  freeze();
  mirrorLayers(home, catalog);
  expect([writes, catalog.layers().length]).toEqual([1, 4]);
  catalog.close();
});

test('a descriptor or a layer that cannot be read leaves its disk out', () => {
  freeze();
  writeFileSync(disk.descriptorPath, '{}');
  expect(new DiskGraph(folder).rows()).toEqual([]);
  expect(new DiskGraph(join(home, 'none')).rows()).toEqual([]);
});
