/** Chains of any length: nothing that is done with one takes a call, or a look at all above, for each of its files. */
import { expect, test } from 'vitest';
import { graphHost } from '#test/support/disk-graph-model.ts';
import { MemoryFiles } from '#test/support/memory-files.ts';
import { layersOf } from './chain.ts';
import { attachDisk, createBlankDisk } from './graph/create.ts';
import { DiskFolder } from './graph/disk-folder.ts';
import { createLayer } from './graph/layer-file.ts';
import { OpenLayers } from './graph/open-layers.ts';
import { verifyDisk } from './graph/verify.ts';
import { VirtualDiskFiles } from './graph/virtual-disk-files.ts';
import { openDisk } from './open.ts';
import { idBytes } from './qcow2/identity.ts';
import { Qcow2Image } from './qcow2/image.ts';

const LAYERS = 4000;
const SIZE = 8192;

interface LongDisk {
  readonly files: MemoryFiles;
  readonly folder: DiskFolder;
  /** From the lowest to the top. */
  readonly states: readonly string[];
  /** Puts a layer without data on another. */
  put(id: string, parentId: string): void;
}

/** A disk whose lowest layer alone has data, below so many that checkpoints point to. Their files are one file with other names in it. */
function longDisk(): LongDisk {
  const files = new MemoryFiles();
  const host = graphHost(files);
  const folder = new DiskFolder(host, '/vm/disks', 'disk0');
  createBlankDisk(folder, SIZE, { clusterBytes: 512 });
  const lowest = folder.read().top;
  using image = new Qcow2Image(files, host.codec, folder.layerPath(lowest), { writable: true });
  image.write(512, new Uint8Array(512).fill(7));
  image.settle();
  const first = host.newLayerId();
  createLayer(folder, first, { parent: image, parentId: lowest, parentName: folder.layerName(lowest), clusterBytes: 512 });
  const template = Buffer.from(files.get(folder.layerPath(first)));
  const put = (id: string, parentId: string) => {
    const file = Buffer.from(template);
    file.set(idBytes(id), template.indexOf(idBytes(first)));
    file.set(idBytes(parentId), template.indexOf(idBytes(lowest)));
    file.write(folder.layerName(parentId), template.indexOf(folder.layerName(lowest)));
    files.put(folder.layerPath(id), file);
  };
  const states = [lowest, first];
  while (states.length <= LAYERS) {
    const id = host.newLayerId();
    put(id, states.at(-1)!);
    states.push(id);
  }
  folder.write({ ...folder.read(), top: states.at(-1)! });
  return { files, folder, states, put };
}

test('a chain of thousands of layers is opened, read through, written on, checked and closed', () => {
  const { folder, states, files } = longDisk();
  const got = new Uint8Array(SIZE);
  {
    using disk = new VirtualDiskFiles(folder);
    disk.top.read(0, got);
    expect([got[511], got[512], got[1023], got[1024]]).toEqual([0, 7, 7, 0]);
    disk.top.write(700, Uint8Array.of(9)); // the rest of its cluster comes from the very bottom
    disk.top.read(0, got);
    expect([got[699], got[700], got[701]]).toEqual([7, 9, 7]);
    expect(layersOf(disk.top)).toHaveLength(LAYERS + 1);
    disk.close();
  }
  {
    using layers = new OpenLayers(folder, () => folder.read());
    layers.open(states[LAYERS >> 1]!).read(0, got);
    expect([got[512], got[700]]).toEqual([7, 7]);
  }
  const check = verifyDisk(folder, { pointed: new Set(states.slice(0, -1)), pinned: new Set() }, { bytes: Infinity });
  let next = check.next();
  while (next.done !== true) next = check.next();
  expect(next.value.problems.filter(({ kind }) => kind === 'damage')).toEqual([]);
  expect(files.open).toBe(0);
});

test('a disk over a chain that the user attaches can be opened again, though its descriptor names every file of it', () => {
  const { folder, states, files } = longDisk();
  const mine = new DiskFolder(graphHost(files, 1_000_000), '/vm/mine', 'disk0');
  attachDisk(mine, { path: folder.layerPath(states.at(-1)!), format: 'qcow2', allow: { folders: ['/vm'] } });
  expect(mine.read().base!.allow).toHaveLength(LAYERS);
  using disk = new VirtualDiskFiles(mine);
  const got = new Uint8Array(1);
  disk.top.read(600, got);
  expect(got[0]).toBe(7);
  const descriptor = mine.read();
  const allow = Array.from({ length: 1100 }, () => '/x'.repeat(2048));
  expect(() => mine.write({ ...descriptor, base: { ...descriptor.base!, allow } })).toThrow('and can have 4194304');
  expect(mine.read()).toEqual(descriptor);
});

test('one that the user attaches is opened and read', () => {
  const { folder, states, files } = longDisk();
  const options = { format: 'qcow2', writable: false, allow: { folders: ['/vm'] } } as const;
  using disk = openDisk(graphHost(files), folder.layerPath(states.at(-1)!), options);
  const got = new Uint8Array(1);
  disk.read(600, got);
  expect(got[0]).toBe(7);
});

test('a circle is refused, however far down it is', () => {
  const { folder, states, files, put } = longDisk();
  put(states[1]!, states[2]!);
  expect(() => new VirtualDiskFiles(folder)).toThrow(`is its own parent, through ${LAYERS} others`);
  const options = { format: 'qcow2', writable: false, allow: { folders: ['/vm'] } } as const;
  expect(() => openDisk(graphHost(files), folder.layerPath(states.at(-1)!), options)).toThrow(
    `is its own backing file, through ${LAYERS} others`,
  );
  expect(files.open).toBe(0);
});
