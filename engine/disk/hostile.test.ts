import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { CairnError } from '#engine/errors/errors.ts';
import { memoryHost, pattern } from '#test/support/disk-model.ts';
import { MemoryFiles } from '#test/support/memory-files.ts';
import type { Layer } from './block.ts';
import { createCowDisk, layersOf, mapChain } from './chain.ts';
import { diskInfo } from './info.ts';
import { openDisk, type DiskHost } from './open.ts';
import { probeFormat } from './probe.ts';
import { checkQcow2 } from './qcow2/check.ts';
import { createQcow2 } from './qcow2/create.ts';
import { Qcow2Image } from './qcow2/image.ts';
import { createRaw } from './raw.ts';

let files: MemoryFiles;
let host: DiskHost;
beforeEach(() => {
  files = new MemoryFiles();
  host = memoryHost(files);
});

const create = (path: string, name?: string, format: 'raw' | 'qcow2' = 'qcow2') =>
  createQcow2(files, host.codec, path, {
    sizeBytes: 65536,
    clusterBytes: 4096,
    ...(name === undefined ? {} : { backing: { name, format } }),
  });
const open = (path: string, folders = ['/vm']) => openDisk(host, path, { format: 'qcow2', writable: false, allow: { folders } });

/** Changes bytes of a file. */
function patch(path: string, change: (view: DataView) => void): void {
  const bytes = files.get(path);
  change(new DataView(bytes.buffer));
  files.put(path, bytes);
}

describe('backing files', () => {
  test('are followed inside the folders that are allowed, or by name, and nowhere else', () => {
    createRaw(files, '/other/base', 65536);
    create('/vm/disk', '../other/base', 'raw');
    expect(() => open('/vm/disk')).toThrow('/vm/disk has the backing file /other/base, which is outside the image’s own folder');
    expect(() => openDisk(host, '/vm/disk', { format: 'qcow2', writable: false })).toThrow('outside the image’s own folder');
    expect(layersOf(open('/vm/disk', ['/vm', '/other'])).map(({ path }) => path)).toEqual(['/vm/disk', '/other/base']);
    using named = openDisk(host, '/vm/disk', { format: 'qcow2', writable: false, allow: { files: ['/other/base'] } });
    expect(named.parent?.path).toBe('/other/base');
    using alone = openDisk(host, '/vm/disk', { format: 'qcow2', writable: false, alone: true });
    expect(alone.parent).toBeUndefined();
    create('/vmx/base');
    create('/vm/near', '/vmx/base');
    expect(() => open('/vm/near')).toThrow('outside the image’s own folder');
  });

  test.each(['nbd://host/disk', 'json:{"driver":"raw"}', 'file:/etc/passwd', 'fat:/etc'])('%s is no file on this computer', name => {
    create('/vm/disk', name);
    expect(() => open('/vm/disk')).toThrow('which is no file on this computer');
  });

  test('have the format that the image or the user says, never one that is guessed', () => {
    create('/vm/base');
    create('/vm/disk', 'base');
    patch('/vm/disk', view => view.setUint32(112, 0x12345678)); // the extension is another now
    expect(() => open('/vm/disk')).toThrow('does not say which format its backing file /vm/base has');
    using disk = openDisk(host, '/vm/disk', { format: 'qcow2', writable: false, allow: { folders: ['/vm'] }, formatOf: () => 'raw' });
    expect(disk.parent?.format).toBe('raw');
    expect([probeFormat(files, '/vm/base'), probeFormat(files, '/vm/disk')]).toEqual(['qcow2', 'qcow2']);
  });

  test('that go round in a circle are refused', () => {
    create('/vm/a', 'b');
    create('/vm/b', 'a');
    expect(() => open('/vm/a')).toThrow('/vm/a is its own backing file, through 2 others');
    expect(files.open).toBe(0);
  });
});

describe('what cannot be read is refused by name', () => {
  test.each<[string, (view: DataView) => void, string]>([
    ['no qcow2', view => view.setUint32(0, 0), 'not a qcow2 image'],
    ['a later version', view => view.setUint32(4, 4), 'qcow2 version 4 is not known'],
    ['encryption', view => view.setUint32(32, 1), 'encrypted (AES)'],
    ['an unknown feature', view => view.setUint32(72, 1 << 8), '“incompatible feature bit 40”'],
    ['an external data file', view => view.setUint32(76, 4), 'external data file'],
    ['giant clusters', view => view.setUint32(20, 30), 'Clusters of 2^30 bytes'],
    ['a giant L1 table', view => view.setUint32(36, 0xffff_ffff), 'level 1 table of 4294967295 entries'],
    ['an L1 table too small', view => view.setUint32(24, 1 << 20), 'too small for the disk'],
    ['an L1 table past the end', view => view.setUint32(40, 1 << 20), 'level 1 table is not where'],
    ['a giant refcount table', view => view.setUint32(56, 0xffff_ffff), 'reference count table is too large'],
    ['a long name', view => (view.setUint32(12, 200), view.setUint32(16, 70_000)), 'name of the backing file'],
    ['a long extension', view => (view.setUint32(112, 5), view.setUint32(116, 0xffff_fff0)), 'header extension is longer'],
    ['an endless disk', view => view.setUint32(24, 0xffff_ffff), 'larger than any disk'],
    ['many snapshots', view => view.setUint32(60, 0xffff_ffff), 'internal snapshots are too many'],
    ['a header of odd length', view => view.setUint32(100, 105), 'header of 105 bytes'],
    ['wide counts', view => view.setUint32(96, 7), 'counts of 2^7 bits'],
  ])('%s', (_, change, words) => {
    create('/vm/disk');
    patch('/vm/disk', change);
    expect(() => open('/vm/disk')).toThrow(words);
    expect(() => open('/vm/disk')).toThrow(expect.objectContaining({ path: '/vm/disk' }));
  });

  test('a feature is called what the image calls it', () => {
    create('/vm/disk');
    patch('/vm/disk', view => {
      view.setUint32(72, 1 << 8);
      view.setUint32(112, 0x6803f857);
      view.setUint32(116, 48);
      view.setUint8(121, 40);
      for (const [i, char] of [...'quantum'].entries()) view.setUint8(122 + i, char.charCodeAt(0));
    });
    expect(() => open('/vm/disk')).toThrow('it needs the feature “quantum”');
  });

  test('an image that is marked as damaged is read and not written', () => {
    create('/vm/disk');
    patch('/vm/disk', view => view.setUint32(76, 2));
    using disk = open('/vm/disk');
    expect(disk.writable).toBe(false);
    expect(() => disk.setWritable(true)).toThrow('marked as damaged');
    expect(diskInfo(host, '/vm/disk', 'qcow2').qcow2?.corrupt).toBe(true);
  });

  test('tables that take more memory than is allowed', () => {
    create('/vm/disk');
    expect(() => openDisk(host, '/vm/disk', { format: 'qcow2', writable: true, metadataBytes: 2048 })).toThrow(
      'its tables take more than 0 MiB',
    );
  });
});

test('a cluster that is said to be used once, and is not, is not written over', () => {
  create('/vm/disk');
  {
    using disk = openDisk(host, '/vm/disk', { format: 'qcow2', writable: true }) as Qcow2Image;
    disk.write(0, pattern(8192, 1));
    disk.settle();
    const table = disk.mapping.table(0)!;
    patch('/vm/disk', view => view.setUint32(table.offset + 4, disk.header.l1Offset)); // the first cluster is the L1 table
  }
  using disk = openDisk(host, '/vm/disk', { format: 'qcow2', writable: true });
  expect(() => disk.write(0, new Uint8Array(10))).toThrow('said to be used once, and is not');
  expect(checkQcow2(disk as Qcow2Image)).toMatchObject({ corruptions: 1, leaks: 1 });
});

test('damaged anywhere, an image is read, written and checked, or refused: nothing else happens', () => {
  const made = new MemoryFiles();
  createRaw(made, '/vm/base', 65536);
  const cow = createCowDisk(memoryHost(made), '/vm/disk', openDisk(memoryHost(made), '/vm/base', { format: 'raw', writable: false }), {
    clusterBytes: 512,
    parentName: 'base',
  });
  cow.write(1000, pattern(20_000, 3));
  cow.writeZeroes(30_000, 4000, true);
  cow.settle();
  const good = made.get('/vm/disk');
  // Headers, tables and counts are where damage hurts: places are drawn from them more often.
  const tables = [0, 20, 36, 40, 48, 56, 60, 64, 72, 96, 100, 104, 512, 520, 1024, 1026, cow.header.l1Offset, cow.mapping.table(0)!.offset];
  const place = fc.oneof(
    fc.constantFrom(...tables),
    fc.tuple(fc.constantFrom(...tables), fc.nat(511)).map(([at, add]) => at + add),
    fc.nat(good.length - 9),
  );
  const value = fc.oneof(
    fc.constantFrom(0n, 1n, 0x200n, 2n ** 63n, 2n ** 62n, 2n ** 63n + 512n, 2n ** 64n - 1n),
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  );
  const change = fc.tuple(place, fc.constantFrom(1, 2, 4, 8), value);
  let refused = 0;
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 4 }), fc.nat(good.length), fc.boolean(), (changes, cut, isCut) => {
      const bytes = good.slice();
      const view = new DataView(bytes.buffer);
      for (const [at, width, number] of changes) {
        if (width === 8) view.setBigUint64(Math.min(at, bytes.length - 8), number);
        else if (width === 4) view.setUint32(at, Number(number & 0xffff_ffffn));
        else if (width === 2) view.setUint16(at, Number(number & 0xffffn));
        else view.setUint8(at, Number(number & 0xffn));
      }
      const damaged = new MemoryFiles();
      damaged.put('/vm/base', new Uint8Array(65536));
      damaged.put('/vm/disk', isCut ? bytes.subarray(0, cut) : bytes);
      if (!survives(damaged)) refused++;
      expect(damaged.open).toBe(0);
      expect(damaged.paths()).toEqual(['/vm/base', '/vm/disk']);
    }),
    { numRuns: 1500 },
  );
  expect(refused).toBeGreaterThan(100);
});

/** Everything that one does with an image; whether it all went well. Only errors that are meant for a user are errors here. */
function survives(damaged: MemoryFiles): boolean {
  let well = true;
  const attempt = (action: () => void) => {
    try {
      action();
    } catch (error) {
      if (!(error instanceof CairnError) || error.code === 'INVARIANT') throw error;
      well = false;
    }
  };
  for (const writable of [false, true]) {
    attempt(() => {
      using disk: Layer = openDisk(memoryHost(damaged), '/vm/disk', {
        format: 'qcow2',
        writable,
        allow: { folders: ['/vm'] },
        metadataBytes: 4 << 20,
      });
      const size = Math.min(disk.sizeBytes, 65536);
      attempt(() => void checkQcow2(disk as Qcow2Image));
      attempt(() => disk.read(0, new Uint8Array(size)));
      attempt(() => [...mapChain(disk, 0, size)]);
      if (!writable) return;
      attempt(() => disk.write(Math.min(100, size), new Uint8Array(Math.max(0, size - 100))));
      attempt(() => disk.discard(0, size));
      attempt(() => disk.flush());
    });
  }
  return well;
}
