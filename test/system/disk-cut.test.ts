/**
 * Images that were cut, and images whose beginning was damaged: what is missing is noticed by the check and by whoever opens them, and what QEMU leaves or
 * calls sound stays sound. qemu-img is the second opinion.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DiskFormat, Layer } from '#engine/disk/block.ts';
import { ForeignImage } from '#engine/disk/foreign.ts';
import { openDisk } from '#engine/disk/open.ts';
import { checkQcow2 } from '#engine/disk/qcow2/check.ts';
import { Qcow2Image } from '#engine/disk/qcow2/image.ts';
import { DiskFormatError } from '#engine/errors/errors.ts';
import { contents, pattern } from '#test/support/disk-model.ts';
import { qemuImg, qemuIo } from '#test/support/qemu-img.ts';
import { nodeDecompressor } from '#worker/node-decompressor.ts';
import { nodeFiles } from '#worker/node-files.ts';
import { Random } from '../fuzz/random.ts';

const host = { files: nodeFiles, codec: nodeDecompressor };
/** The night may have more. */
const CUTS = Number(process.env['CAIRN_CUTS'] ?? 12);
const SIZE = 3 * 2 ** 20;
let folder: string;
const at = (name: string) => join(folder, name);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-cut-'));
  const bytes = new Uint8Array(SIZE);
  for (const [from, length] of [
    [100, 300_000],
    [1_000_000, 70_000],
    [2_000_000, 500],
    [SIZE - 700, 700],
  ] as const)
    bytes.set(pattern(length, from & 0xff), from);
  writeFileSync(at('raw'), bytes);
});
afterAll(() => rmSync(folder, { recursive: true }));

function make(name: string, format: DiskFormat, options: readonly string[], more: readonly string[] = []): void {
  qemuImg('convert', '-f', 'raw', '-O', format, ...more, ...options.flatMap(option => ['-o', option]), at('raw'), at(name));
}

/** 0: sound, 2: damaged, 3: leaks; 1: it could not even be opened. */
const qemuCheck = (name: string, format: DiskFormat) =>
  spawnSync('qemu-img', ['check', '-q', '-f', format, at(name)], { encoding: 'utf8' }).status;

function isDamagedByUs(name: string, format: DiskFormat): boolean {
  try {
    if (format === 'qcow2') {
      using image = new Qcow2Image(nodeFiles, nodeDecompressor, at(name), { writable: false, lenient: true });
      return checkQcow2(image).corruptions > 0;
    }
    using disk = openDisk(host, at(name), { format, writable: false });
    if (disk instanceof ForeignImage) disk.checkWhole(true);
    return false;
  } catch (error) {
    if (!(error instanceof DiskFormatError)) throw error;
    return true;
  }
}

/** All that a guest reads; undefined when it is refused, on opening or on the way. */
function read(name: string, format: DiskFormat): Uint8Array | undefined {
  try {
    using disk: Layer = openDisk(host, at(name), { format, writable: false });
    return contents(disk);
  } catch (error) {
    if (!(error instanceof DiskFormatError)) throw error;
    return undefined;
  }
}

/** Sizes to be cut to: just before the end, at bounds of sectors and clusters, and anywhere. */
function cuts(sizeBytes: number, clusterBytes: number, seed: number): number[] {
  const random = new Random(seed);
  const fixed = [sizeBytes - 1, sizeBytes - 512, sizeBytes - 513, sizeBytes - clusterBytes, sizeBytes - clusterBytes - 1, 0, 511, 100];
  const free = Array.from({ length: CUTS }, (_, i) =>
    i % 3 === 0 ? random.below(sizeBytes) : Math.floor(random.below(sizeBytes) / clusterBytes) * clusterBytes,
  );
  return [...fixed, ...free].filter(size => size >= 0 && size < sizeBytes);
}

const isSameToQemu = (image: string) =>
  spawnSync('qemu-img', ['compare', '-q', '-f', 'qcow2', '-F', 'qcow2', at(image), at('cut')]).status === 0;

const differing = (one: Uint8Array, other: Uint8Array): number => one.reduce((sum, byte, i) => sum + Number(byte !== other[i]), 0);

describe('a qcow2 image that was cut', () => {
  test.each<[string, number, readonly string[], readonly string[], (name: string) => void]>([
    ['clusters of 64 KiB', 65_536, [], [], () => {}],
    ['clusters of 4 KiB', 4096, ['cluster_size=4096'], [], () => {}],
    ['clusters of 512 bytes, version 2', 512, ['cluster_size=512', 'compat=0.10'], [], () => {}],
    ['zlib', 65_536, [], ['-c'], () => {}],
    ['zstd', 16_384, ['cluster_size=16384', 'compression_type=zstd'], ['-c'], () => {}],
    ['subclusters', 65_536, ['extended_l2=on'], [], () => {}],
    ['preallocated tables', 65_536, ['preallocation=metadata'], [], () => {}],
    ['narrow counts', 4096, ['cluster_size=4096', 'refcount_bits=1'], [], () => {}],
    ['a snapshot', 4096, ['cluster_size=4096'], [], name => qemuImg('snapshot', '-c', 'one', at(name))],
    ['written after it was made', 65_536, [], [], name => qemuIo(at(name), 'write -P 9 1500000 512', 'write -z 0 65536')],
    ['a bitmap', 65_536, [], [], name => qemuImg('bitmap', '--add', at(name), 'b0')],
  ])('%s', (name, clusterBytes, options, more, change) => {
    const image = name.replaceAll(/[ ,]/g, '');
    make(image, 'qcow2', options, more);
    change(image);
    expect([isDamagedByUs(image, 'qcow2'), qemuCheck(image, 'qcow2')]).toEqual([false, 0]);
    const whole = read(image, 'qcow2')!;
    const { length } = readFileSync(at(image));
    let noticed = 0;
    for (const size of cuts(length, clusterBytes, clusterBytes + options.length)) {
      copyFileSync(at(image), at('cut'));
      truncateSync(at('cut'), size);
      const [ours, theirs, bytes] = [isDamagedByUs('cut', 'qcow2'), qemuCheck('cut', 'qcow2'), read('cut', 'qcow2')];
      const where = `cut to ${size} of ${length}`;
      if (theirs === 1 || theirs === 2) expect([where, ours]).toEqual([where, true]);
      // QEMU takes what is missing of a table for zeroes, and then finds nothing wrong: what a guest reads is something else.
      if (ours && theirs === 0) expect([where, length - size < clusterBytes || !isSameToQemu(image)]).toEqual([where, true]);
      // What is read is right, but for the rest of the one cluster that QEMU may leave unwritten.
      if (bytes) expect([where, differing(bytes, whole) < clusterBytes]).toEqual([where, true]);
      if (!ours) expect([where, bytes !== undefined]).toEqual([where, true]);
      if (ours) noticed++;
    }
    expect(noticed).toBeGreaterThan(5);
  });
});

describe('an image of another program that was cut', () => {
  test.each<[string, DiskFormat, readonly string[]]>([
    ['vmdk', 'vmdk', ['subformat=monolithicSparse']],
    ['stream', 'vmdk', ['subformat=streamOptimized']],
    ['vdi', 'vdi', []],
    ['vdi.fixed', 'vdi', ['static=on']],
    ['vpc', 'vpc', ['subformat=dynamic']],
    ['vpc.fixed', 'vpc', ['subformat=fixed']],
    ['vhdx', 'vhdx', ['block_size=1M']],
    ['vhdx.fixed', 'vhdx', ['subformat=fixed', 'block_size=1M']],
  ])('%s', (name, format, options) => {
    make(name, format, options);
    expect(isDamagedByUs(name, format)).toBe(false);
    const whole = read(name, format)!;
    const { length } = readFileSync(at(name));
    for (const size of cuts(length, 65_536, length)) {
      copyFileSync(at(name), at('cut'));
      truncateSync(at('cut'), size);
      const where = `cut to ${size} of ${length}`;
      const bytes = read('cut', format);
      if (bytes) expect([where, differing(bytes, whole)]).toEqual([where, 0]);
      if ([1, 2].includes(qemuCheck('cut', format) ?? 0)) expect([where, isDamagedByUs('cut', format)]).toEqual([where, true]);
    }
    truncateSync(at(name), length - 65_536);
    expect([isDamagedByUs(name, format), read(name, format) === undefined]).toEqual([true, true]);
  });

  test('vmdk in parts', () => {
    make('flat.vmdk', 'vmdk', ['subformat=monolithicFlat']);
    expect(isDamagedByUs('flat.vmdk', 'vmdk')).toBe(false);
    truncateSync(at('flat-flat.vmdk'), SIZE - 512);
    expect(isDamagedByUs('flat.vmdk', 'vmdk')).toBe(true);
    expect(() => openDisk(host, at('flat.vmdk'), { format: 'vmdk', writable: false })).toThrow('A part of it is missing');
  });
});
