/** qcow2 as QEMU's own tools see it: their images are read right, ours please them, after every kind of use. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Layer } from '#engine/disk/block.ts';
import { createCowDisk, dropParent } from '#engine/disk/chain.ts';
import { firstDifference } from '#engine/disk/compare.ts';
import { CopyJob } from '#engine/disk/copy-job.ts';
import { diskInfo } from '#engine/disk/info.ts';
import { openDisk } from '#engine/disk/open.ts';
import { checkQcow2 } from '#engine/disk/qcow2/check.ts';
import { createQcow2 } from '#engine/disk/qcow2/create.ts';
import { Qcow2Image } from '#engine/disk/qcow2/image.ts';
import { createRaw } from '#engine/disk/raw.ts';
import { crashEverywhere } from '#test/support/disk-crash.ts';
import { apply, contents, diskOperations, expectReads, pattern } from '#test/support/disk-model.ts';
import { expectQemuCheck, qemuImg, qemuIo } from '#test/support/qemu-img.ts';
import { nodeDecompressor } from '#worker/node-decompressor.ts';
import { nodeFiles } from '#worker/node-files.ts';

const host = { files: nodeFiles, codec: nodeDecompressor };
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-disk-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const at = (name: string) => join(folder, name);
const open = (name: string, writable = false) => openDisk(host, at(name), { format: 'qcow2', writable, allow: { folders: [folder] } });

/** Data, zeroes, text that compresses, and a tail that is no whole cluster. */
function sample(bytes: number): Uint8Array {
  const raw = new Uint8Array(bytes);
  let random = 1;
  for (let i = 0; i < bytes; i++) {
    random = (Math.imul(random, 1103515245) + 12345) | 0;
    const area = (i >> 17) % 4;
    raw[i] = area === 0 ? random >> 16 : area === 1 ? 0 : area === 2 ? 0x41 + (i % 26) : (i >> 12) & 1 ? random >> 20 : 0;
  }
  return raw;
}

function expectOurCheck(name: string): void {
  using image = new Qcow2Image(nodeFiles, nodeDecompressor, at(name), { writable: false });
  expect(checkQcow2(image)).toMatchObject({ corruptions: 0, leaks: 0 });
}

describe('images that qemu-img made', () => {
  const options: [string, string[]][] = [
    ['of version 2', ['-o', 'compat=0.10']],
    ['of version 3', ['-o', 'compat=1.1']],
    ...[512, 1024, 4096, 131072, 2097152].map((size): [string, string[]] => [`with clusters of ${size}`, ['-o', `cluster_size=${size}`]]),
    ...[1, 2, 4, 8, 32, 64].map((bits): [string, string[]] => [`with counts of ${bits} bits`, ['-o', `refcount_bits=${bits}`]]),
    ['with lazy counts', ['-o', 'lazy_refcounts=on']],
    ['with extended entries', ['-o', 'extended_l2=on,cluster_size=32768']],
    ['compressed with zlib', ['-c']],
    ['compressed with zlib in small clusters', ['-c', '-o', 'cluster_size=4096']],
    ['compressed with zlib in large clusters', ['-c', '-o', 'cluster_size=2097152']],
    ['compressed with zstd', ['-c', '-o', 'compression_type=zstd']],
    ['compressed with zstd in small clusters', ['-c', '-o', 'compression_type=zstd,cluster_size=8192']],
    ['preallocated', ['-o', 'preallocation=metadata']],
  ];
  test.each(options)('%s are read bit for bit, checked, and written', (_, args) => {
    const raw = sample(3 * 2 ** 20 + 512);
    writeFileSync(at('raw'), raw);
    qemuImg('convert', '-f', 'raw', '-O', 'qcow2', ...args, at('raw'), at('disk'));
    {
      using disk = open('disk');
      expectReads(disk, raw);
    }
    expectOurCheck('disk');
    {
      using disk = open('disk', true);
      for (const [offset, length] of [
        [1, 1],
        [70_000, 200_001],
        [2 ** 20, 2 ** 19],
        [raw.length - 700, 700],
      ] as const) {
        disk.write(offset, pattern(length, offset & 0xff));
        raw.set(pattern(length, offset & 0xff), offset);
      }
      disk.writeZeroes(2 ** 21, 2 ** 19, true);
      raw.fill(0, 2 ** 21, 2 ** 21 + 2 ** 19);
      expectReads(disk, raw);
      (disk as Qcow2Image).settle();
    }
    expectQemuCheck(at('disk'));
    expectOurCheck('disk');
    writeFileSync(at('raw'), raw);
    qemuImg('compare', '-f', 'raw', '-F', 'qcow2', at('raw'), at('disk'));
  });

  test('with subclusters of every kind, over a backing file', () => {
    writeFileSync(at('base'), sample(2 ** 20));
    qemuImg('create', '-q', '-f', 'qcow2', '-o', 'extended_l2=on,cluster_size=64k', '-b', 'base', '-F', 'raw', at('disk'));
    qemuIo(
      at('disk'),
      'write -P 17 2k 2k',
      'write -z 8k 6k',
      'write -P 19 65k 3k',
      'write -P 21 128k 64k',
      'write -z 256k 64k',
      'discard 320k 64k',
    );
    qemuImg('convert', '-f', 'qcow2', '-O', 'raw', at('disk'), at('expected'));
    const model = new Uint8Array(readFileSync(at('expected')));
    {
      using disk = open('disk', true);
      expectReads(disk, model);
      disk.write(3000, pattern(70_000, 9));
      model.set(pattern(70_000, 9), 3000);
      expectReads(disk, model);
      (disk as Qcow2Image).settle();
    }
    expectQemuCheck(at('disk'));
    writeFileSync(at('expected'), model);
    qemuImg('compare', '-f', 'raw', '-F', 'qcow2', at('expected'), at('disk'));
  });

  test('with internal snapshots: they keep what they had, whatever is written', () => {
    const raw = sample(2 ** 20);
    writeFileSync(at('raw'), raw);
    qemuImg('convert', '-f', 'raw', '-O', 'qcow2', '-o', 'cluster_size=4096', at('raw'), at('disk'));
    qemuImg('snapshot', '-c', 'one', at('disk'));
    qemuIo(at('disk'), 'write -P 5 100k 50k');
    qemuImg('snapshot', '-c', 'two', at('disk'));
    expectOurCheck('disk');
    qemuImg('convert', '-f', 'qcow2', '-O', 'raw', at('disk'), at('expected'));
    const model = new Uint8Array(readFileSync(at('expected')));
    {
      using disk = open('disk', true);
      expectReads(disk, model);
      disk.write(90_000, pattern(300_000, 77));
      disk.discard(0, 81920);
      disk.resize(disk.sizeBytes * 2);
      (disk as Qcow2Image).settle();
    }
    expectQemuCheck(at('disk'));
    expectOurCheck('disk');
    qemuImg('snapshot', '-a', 'two', at('disk'));
    qemuImg('compare', '-f', 'raw', '-F', 'qcow2', at('expected'), at('disk'));
    qemuImg('snapshot', '-a', 'one', at('disk'));
    qemuImg('compare', '-f', 'raw', '-F', 'qcow2', at('raw'), at('disk'));
  });

  test('with dirty bitmaps: they are given up when the image is written', () => {
    qemuImg('create', '-q', '-f', 'qcow2', at('disk'), '4M');
    qemuImg('bitmap', '--add', at('disk'), 'bits');
    expectOurCheck('disk');
    {
      using disk = open('disk', true);
      disk.write(0, pattern(100, 1));
      (disk as Qcow2Image).settle();
    }
    expectQemuCheck(at('disk'), 'some');
  });

  test('left dirty with lazy counts: the counts are rebuilt before anything is written', () => {
    qemuImg('create', '-q', '-f', 'qcow2', '-o', 'lazy_refcounts=on,cluster_size=4096', at('disk'), '4M');
    qemuIo(at('disk'), 'write -P 3 0 1M');
    const raw = new Uint8Array(readFileSync(at('disk')));
    // As a crash leaves it: the dirty bit set, and the counts of the data never written.
    raw[79] = raw[79]! | 1;
    const view = new DataView(raw.buffer);
    const block = Number(view.getBigUint64(Number(view.getBigUint64(48))));
    const used = raw.length / 4096;
    for (let i = 8; i < used; i++) view.setUint16(block + i * 2, 0);
    writeFileSync(at('disk'), raw);
    {
      using disk = open('disk', true);
      disk.write(2 ** 21, pattern(5000, 8));
      (disk as Qcow2Image).settle();
    }
    expectQemuCheck(at('disk'));
    using disk = open('disk');
    const part = new Uint8Array(2 ** 20);
    disk.read(0, part);
    expect(part.every(byte => byte === 3)).toBe(true);
    expect(diskInfo(host, at('disk'), 'qcow2').qcow2).toMatchObject({ dirty: false, lazyRefcounts: true });
  });

  test('encrypted, or with their data elsewhere, are refused by name', () => {
    qemuImg(
      'create',
      '-q',
      '-f',
      'qcow2',
      '--object',
      'secret,id=s,data=abc',
      '-o',
      'encrypt.format=aes,encrypt.key-secret=s',
      at('aes'),
      '1M',
    );
    expect(() => open('aes')).toThrow('encrypted (AES)');
    qemuImg('create', '-q', '-f', 'qcow2', '-o', `data_file=${at('data')}`, at('external'), '1M');
    expect(() => open('external')).toThrow('external data file');
  });
});

describe('images that we made', () => {
  test.each([512, 4096, 65536, 2097152])('with clusters of %d please qemu-img after any use', clusterBytes => {
    const sizeBytes = 2 ** 20 + 1536;
    fc.assert(
      fc.property(diskOperations(sizeBytes, clusterBytes, 15), operations => {
        rmSync(at('disk'), { force: true });
        createQcow2(nodeFiles, nodeDecompressor, at('disk'), { sizeBytes, clusterBytes });
        const model = new Uint8Array(sizeBytes);
        {
          using disk = open('disk', true);
          for (const operation of operations) apply(operation, disk, model);
          (disk as Qcow2Image).settle();
        }
        expectQemuCheck(at('disk'));
        writeFileSync(at('expected'), model);
        qemuImg('compare', '-f', 'raw', '-F', 'qcow2', at('expected'), at('disk'));
      }),
      { numRuns: 6 },
    );
  });

  test('with lazy counts: marked dirty while they wait, right when it is closed, and mended by qemu-img when it was not', () => {
    createQcow2(nodeFiles, nodeDecompressor, at('disk'), { sizeBytes: 4 * 2 ** 20, clusterBytes: 4096, lazyRefcounts: true });
    const isDirty = () => diskInfo(host, at('disk'), 'qcow2').qcow2?.dirty;
    const model = new Uint8Array(4 * 2 ** 20);
    {
      using disk = open('disk', true);
      expect(isDirty()).toBe(false);
      disk.write(5000, pattern(300_000, 3));
      model.set(pattern(300_000, 3), 5000);
      disk.flush();
      expect(isDirty()).toBe(true);
      (disk as Qcow2Image).settle();
      expect(isDirty()).toBe(false);
      expectQemuCheck(at('disk'));
      disk.write(2 ** 21, pattern(300_000, 4));
      model.set(pattern(300_000, 4), 2 ** 21);
      disk.flush();
    }
    expect(isDirty()).toBe(true);
    qemuImg('check', '-q', '-r', 'all', '-f', 'qcow2', at('disk'));
    expectQemuCheck(at('disk'));
    using disk = open('disk');
    expectReads(disk, model);
  });

  test.each(['tables', 'full'] as const)('preallocated (%s), with an identity and a long backing name', preallocation => {
    const base = `${'long-'.repeat(45)}name`;
    createRaw(nodeFiles, at(base), 2 ** 20);
    const id = new Uint8Array(16).fill(7);
    createQcow2(nodeFiles, nodeDecompressor, at('disk'), { sizeBytes: 2 ** 20, preallocation });
    createQcow2(nodeFiles, nodeDecompressor, at('cow'), { sizeBytes: 2 ** 20, backing: { name: base, format: 'raw' }, identity: { id } });
    expectQemuCheck(at('disk'));
    expectQemuCheck(at('cow'));
    qemuImg('compare', '-f', 'qcow2', '-F', 'qcow2', at('disk'), at('cow'));
    expect(JSON.parse(qemuImg('info', '-f', 'qcow2', '--output=json', at('cow')))).toMatchObject({
      'backing-filename': base,
      'backing-filename-format': 'raw',
      'virtual-size': 2 ** 20,
    });
    // QEMU rewrites the header and keeps what it does not know.
    qemuImg('rebase', '-u', '-f', 'qcow2', '-b', '', at('cow'));
    expect(diskInfo(host, at('cow'), 'qcow2').qcow2).toMatchObject({ layerId: '07'.repeat(16) });
  });

  test('a chain: written at every level, committed, put on another parent, and grown', () => {
    const raw = sample(2 ** 20);
    writeFileSync(at('base'), raw);
    const model = raw.slice();
    let top: Layer = openDisk(host, at('base'), { format: 'raw', writable: false });
    for (const [level, clusterBytes] of [4096, 512, 65536].entries()) {
      const disk = createCowDisk(host, at(`cow${level}`), top, { clusterBytes, parentName: level === 0 ? 'base' : `cow${level - 1}` });
      const bytes = pattern(30_000, level);
      disk.write(100_000 * level + 333, bytes);
      model.set(bytes, 100_000 * level + 333);
      disk.writeZeroes(700_000 + level * 5000, 20_000, true);
      model.fill(0, 700_000 + level * 5000, 720_000 + level * 5000);
      disk.settle();
      if (level < 2) disk.setWritable(false);
      top = disk;
    }
    const expectAll = () => {
      expectReads(top, model);
      writeFileSync(at('expected'), model);
      qemuImg('compare', '-f', 'raw', '-F', 'qcow2', at('expected'), at('cow2'));
      expectQemuCheck(at('cow2'));
    };
    expectAll();
    // Commit the middle into the lowest COW disk, and take it out of the chain.
    const middle = top.parent!;
    middle.parent!.setWritable(true);
    CopyJob.commit(middle).run();
    middle.parent!.setWritable(false);
    dropParent(top, 'cow0')[Symbol.dispose]();
    rmSync(at('cow1'));
    expectAll();
    expectQemuCheck(at('cow0'));
    // The top into the base, through a resize.
    top.resize(2 ** 20 + 65536);
    (top as Qcow2Image).settle();
    const grown = contents(top);
    expect(grown.subarray(0, model.length)).toEqual(model);
    expect(grown.subarray(model.length).every(byte => byte === 0)).toBe(true);
    top.parent!.setWritable(true);
    CopyJob.commit(top).run();
    top.parent!.setWritable(false);
    expect(firstDifference(top, top.parent!)).toBeUndefined();
    top[Symbol.dispose]();
    expectQemuCheck(at('cow0'));
    writeFileSync(at('expected'), grown);
    qemuImg('compare', '-f', 'raw', '-F', 'qcow2', at('expected'), at('cow0'));
  });
});

test('after crashes, too, qemu-img finds at most leaks', () => {
  writeFileSync(at('base'), pattern(200_704, 5));
  let seen = 0;
  const crashes = crashEverywhere(
    files => {
      files.put('/vm/base', pattern(200_704, 5));
      createQcow2(files, nodeDecompressor, '/vm/disk', {
        sizeBytes: 200_704,
        clusterBytes: 4096,
        backing: { name: 'base', format: 'raw' },
      });
    },
    files => {
      const disk = openDisk({ files, codec: nodeDecompressor }, '/vm/disk', {
        format: 'qcow2',
        writable: true,
        allow: { folders: ['/vm'] },
      });
      disk.write(1000, pattern(30_000, 1));
      disk.flush();
      disk.discard(0, 16384);
      disk.write(100_000, pattern(9000, 2));
      disk.flush();
      disk.writeZeroes(8192, 40_960, true);
      disk.write(60_000, pattern(20_000, 3));
      disk.flush();
      disk.resize(65536 * 64);
      disk.write(65536 * 63, pattern(65536, 4));
      (disk as Qcow2Image).settle();
    },
    () => {},
    found => {
      writeFileSync(at('disk'), found.get('/vm/disk'));
      expectQemuCheck(at('disk'), 'some');
      seen++;
    },
    ['lost', { seed: 3 }],
  );
  expect(seen).toBe(crashes * 2);
});
