/** `cairn disk` as a user has it, with qemu-img as second opinion on what it leaves. */
import {
  chmodSync,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { DiskInfo } from '#engine/disk/info.ts';
import { Catalog } from '#main/catalog.ts';
import { FileLocks } from '#main/file-locks.ts';
import { CairnHome } from '../support/cairn.ts';
import { pattern } from '../support/disk-model.ts';
import { expectQemuCheck, qemuImg, qemuIo } from '../support/qemu-img.ts';

const MIB = 2 ** 20;
let home: CairnHome;
beforeEach(() => {
  home = new CairnHome();
});
afterEach(() => home.dispose());

const at = (name: string) => path.join(home.folder, name);
const disk = (...args: string[]) => home.cli('disk', ...args);
function ok(...args: string[]): string {
  const { status, stdout, stderr } = disk(...args);
  // Of a name that says nothing it is told what the file was taken for.
  expect({ status, stderr: stderr.replaceAll(/^cairn: \S+ is taken for a .*\n/gm, '') }).toEqual({ status: 0, stderr: '' });
  return stdout;
}

describe('create', () => {
  test('a growing disk, one of other clusters with lazy counts, a preallocated one, a raw one', () => {
    expect(home.json<DiskInfo>('disk', 'create', at('a'), '--size', '10G')).toMatchObject({
      format: 'qcow2',
      sizeBytes: 10 * 2 ** 30,
      clusterBytes: 65_536,
    });
    ok('create', at('b'), '--size', '64M', '--cluster', '4K', '--lazy-refcounts');
    ok('create', at('c'), '--size', '8M', '--preallocate');
    ok('create', at('d'), '--size', '8M', '--format', 'raw');
    for (const name of ['a', 'b', 'c']) expectQemuCheck(at(name));
    expect(home.json<DiskInfo>('disk', 'info', at('b')).qcow2).toMatchObject({ clusterBytes: 4096, lazyRefcounts: true, dirty: false });
    expect(statSync(at('a')).size).toBeLessThan(MIB);
    expect(statSync(at('c')).blocks * 512).toBeGreaterThan(8 * MIB);
    expect(statSync(at('d'))).toMatchObject({ size: 8 * MIB, blocks: 0 });
  });

  test('a COW disk takes its size from the disk below, and says what is wrong', () => {
    ok('create', at('base'), '--size', '8M', '--format', 'raw');
    ok('create', at('cow'), '--backing', 'base', '--backing-format', 'raw');
    expect(home.json<DiskInfo[]>('disk', 'info', at('cow'), '--chain').map(({ format, sizeBytes }) => [format, sizeBytes])).toEqual([
      ['qcow2', 8 * MIB],
      ['raw', 8 * MIB],
    ]);
    for (const [code, words, args] of [
      [1, /--backing needs --backing-format/, ['x', '--backing', 'base']],
      [1, /--size is missing/, ['x']],
      [1, /--size 10Q is no size/, ['x', '--size', '10Q']],
      [2, /backing file .*none does not exist/, ['x', '--backing', 'none', '--backing-format', 'raw']],
      [2, /there is a file of this name already/, ['cow', '--size', '1M']],
    ] as const) {
      const refused = disk('create', at(args[0]), ...args.slice(1));
      expect(refused.stderr).toMatch(words);
      expect(refused.status).toBe(code);
    }
    expect(readdirSync(home.folder).toSorted()).toEqual(['base', 'cow']);
  });
});

/** A raw disk of 24 MiB with data in four places. */
function makeRaw(name: string): void {
  const bytes = new Uint8Array(24 * MIB);
  for (const from of [0, 5 * MIB - 100, 11 * MIB, 24 * MIB - 4096]) bytes.set(pattern(4096, from % 250), from);
  writeFileSync(at(name), bytes);
}

test('convert, compare and map: foreign images come in, zeroes take no room, nothing is overwritten', () => {
  makeRaw('disk.img');
  qemuImg('convert', '-f', 'raw', '-O', 'vmdk', '-o', 'subformat=streamOptimized', at('disk.img'), at('disk.vmdk'));
  ok('convert', at('disk.vmdk'), at('disk.qcow2'));
  expectQemuCheck(at('disk.qcow2'));
  qemuImg('compare', '-f', 'raw', '-F', 'qcow2', at('disk.img'), at('disk.qcow2'));
  expect(statSync(at('disk.qcow2')).size).toBeLessThan(MIB);
  ok('convert', at('disk.qcow2'), at('back.img'));
  expect(readFileSync(at('back.img')).equals(readFileSync(at('disk.img')))).toBe(true);
  expect(statSync(at('back.img')).blocks * 512).toBeLessThan(MIB);
  expect(ok('compare', at('disk.vmdk'), at('back.img'))).toContain('read the same');
  const file = openSync(at('back.img'), 'r+');
  writeSync(file, new Uint8Array([1]), 0, 1, 7 * MIB);
  closeSync(file);
  const differs = disk('compare', at('disk.vmdk'), at('back.img'), '--json');
  expect([differs.status, JSON.parse(differs.stdout)]).toEqual([5, { same: false, firstDifference: 7 * MIB }]);
  const extents = home.json<{ length: number; kind: string }[]>('disk', 'map', at('disk.qcow2'));
  expect(extents.reduce((sum, { length }) => sum + length, 0)).toBe(24 * MIB);
  expect(extents.filter(({ kind }) => kind === 'data')).toHaveLength(4);
  const refused = disk('convert', at('disk.vmdk'), at('back.img'));
  expect([refused.status, refused.stderr]).toEqual([2, expect.stringContaining('there is a file of this name already')]);
  expect(readdirSync(home.folder).filter(name => name.includes('part'))).toEqual([]);
});

test('resize, check and repair', () => {
  ok('create', at('a'), '--size', '8M', '--cluster', '4K');
  ok('resize', at('a'), '+8M');
  expect(home.json<DiskInfo>('disk', 'resize', at('a'), '1G').sizeBytes).toBe(2 ** 30);
  expect(disk('resize', at('a'), '8M')).toMatchObject({ status: 2, stderr: expect.stringContaining('can only be made larger') });
  qemuIo(at('a'), 'write -P 5 0 1M');
  expectQemuCheck(at('a'));
  expect(ok('check', at('a'))).toContain('no damage found');
  // A count without a use, then a use without a count.
  const bytes = readFileSync(at('a'));
  const block = Number(bytes.readBigUInt64BE(Number(bytes.readBigUInt64BE(48))));
  writeFileSync(at('leaked'), bytes);
  const leaked = Buffer.from(bytes);
  leaked.writeUInt16BE(1, block + 2 * (bytes.length / 4096));
  writeFileSync(at('leaked'), leaked);
  const damaged = Buffer.from(bytes);
  damaged.writeUInt16BE(0, block + 2 * (bytes.length / 4096 - 1));
  writeFileSync(at('damaged'), damaged);
  expect(disk('check', at('leaked'))).toMatchObject({ status: 6, stdout: expect.stringContaining('1 leaked clusters, no damage') });
  expect(disk('check', at('damaged'))).toMatchObject({ status: 5, stdout: expect.stringContaining('is damaged') });
  expect(home.json('disk', 'check', at('leaked'), '--repair')).toMatchObject({ before: { leaks: 1 }, after: { leaks: 0 } });
  ok('repair', at('damaged'));
  for (const name of ['leaked', 'damaged']) {
    expectQemuCheck(at(name));
    ok('compare', at('a'), at(name));
  }
});

test('an image that was cut: check says what is missing, and nothing reads, mends or keeps half of it', () => {
  makeRaw('disk.img');
  qemuImg('convert', '-f', 'raw', '-O', 'qcow2', at('disk.img'), at('disk.qcow2'));
  truncateSync(at('disk.qcow2'), statSync(at('disk.qcow2')).size - 65_536);
  expect(disk('check', at('disk.qcow2'))).toMatchObject({ status: 5, stdout: expect.stringMatching(/was cut: \d+ references/) });
  const told = JSON.parse(disk('check', at('disk.qcow2'), '--json').stdout) as { corruptions: number; pastEnd: number };
  expect([told.corruptions > 0, told.pastEnd > 0]).toEqual([true, true]);
  for (const args of [
    ['convert', at('disk.qcow2'), at('copy.qcow2')],
    ['compare', at('disk.qcow2'), at('disk.img')],
    ['map', at('disk.qcow2')],
    ['repair', at('disk.qcow2')],
    ['resize', at('disk.qcow2'), '+1M'],
    ['compact', at('disk.qcow2')],
  ])
    expect([args[0], disk(...args)]).toMatchObject([args[0], { status: 2, stderr: expect.stringContaining('A part of it is missing') }]);
  expect(readdirSync(home.folder).toSorted()).toEqual(['disk.img', 'disk.qcow2']);
  // A name is kept to, also by check.
  const bytes = readFileSync(at('disk.img'));
  writeFileSync(at('other.qcow2'), bytes);
  expect(disk('check', at('other.qcow2'))).toMatchObject({ status: 5, stdout: expect.stringContaining('its contents are not one’s') });
  expect(disk('convert', at('other.qcow2'), at('copy.qcow2'))).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('Say --from raw'),
  });
  ok('convert', at('other.qcow2'), at('copy.qcow2'), '--from', 'raw');
});

test('compact gives room back, and keeps backing file, identity and permissions', () => {
  makeRaw('base');
  ok('create', at('cow'), '--backing', 'base', '--backing-format', 'raw', '--cluster', '4K');
  qemuIo(at('cow'), 'write -P 9 1M 4M', 'write -z 10M 2M', 'write -P 0 2M 1M', 'discard 3M 1M');
  qemuImg('convert', '-f', 'qcow2', '-O', 'raw', at('cow'), at('expected'));
  chmodSync(at('cow'), 0o640);
  const before = statSync(at('cow'));
  const { before: told, after } = home.json<{ before: { fileBytes: number }; after: { fileBytes: number } }>('disk', 'compact', at('cow'));
  expect(told.fileBytes).toBe(before.size);
  expect(after.fileBytes).toBeLessThan(before.size - 1.5 * MIB);
  expect(statSync(at('cow')).mode).toBe(before.mode);
  expectQemuCheck(at('cow'));
  qemuImg('compare', '-f', 'raw', '-F', 'qcow2', at('expected'), at('cow'));
  expect(home.json<DiskInfo>('disk', 'info', at('cow')).qcow2?.backing).toEqual({ name: 'base', format: 'raw' });
  expect(ok('compact', at('cow'))).toContain('nothing to give back');
  // A raw disk full of zeroes.
  writeFileSync(at('raw'), new Uint8Array(8 * MIB));
  ok('compact', at('raw'), '--format', 'raw');
  expect(statSync(at('raw'))).toMatchObject({ size: 8 * MIB, blocks: 0 });
  expect(readdirSync(home.folder).filter(name => name.includes('part'))).toEqual([]);
});

test('compact reads through subclusters and refuses what it would lose', () => {
  makeRaw('base');
  qemuImg('create', '-q', '-f', 'qcow2', '-o', 'extended_l2=on', '-b', 'base', '-F', 'raw', at('cow'));
  qemuIo(at('cow'), 'write -P 3 1030k 3k', 'write -z 11M 6k', 'write -P 0 12M 1M', 'write -P 8 20M 64k');
  qemuImg('convert', '-f', 'qcow2', '-O', 'raw', at('cow'), at('expected'));
  ok('compact', at('cow'));
  expectQemuCheck(at('cow'));
  qemuImg('compare', '-f', 'raw', '-F', 'qcow2', at('expected'), at('cow'));
  qemuImg('create', '-q', '-f', 'qcow2', at('snap'), '1M');
  qemuImg('snapshot', '-c', 'one', at('snap'));
  expect(disk('compact', at('snap'))).toMatchObject({ status: 2, stderr: expect.stringContaining('internal snapshots') });
});

test('a file that somebody has open is not touched', () => {
  ok('create', at('a'), '--size', '1M');
  {
    using _ = new FileLocks().take(at('a'), 'shared', 'the VM debian');
    ok('info', at('a'));
    ok('check', at('a'));
    for (const args of [
      ['compact', at('a')],
      ['resize', at('a'), '2M'],
      ['repair', at('a')],
    ])
      expect(disk(...args)).toMatchObject({ status: 3, stderr: expect.stringContaining('the VM debian (process') });
  }
  {
    using _ = new FileLocks().take(at('a'), 'exclusive', 'the VM debian');
    expect(disk('convert', at('a'), at('b'))).toMatchObject({ status: 3, stderr: expect.stringContaining('debian') });
  }
  ok('resize', at('a'), '2M');
});

test('layers in the folder of a VM are not touched while somebody has the VM open', () => {
  mkdirSync(at('debian.cairn/disks'), { recursive: true });
  const catalog = Catalog.tryOpen(at('debian.cairn/catalog.db'))!;
  ok('create', at('debian.cairn/disks/base'), '--size', '1M');
  ok('create', at('debian.cairn/disks/top'), '--backing', 'base', '--backing-format', 'qcow2');
  const top = at('debian.cairn/disks/top');
  for (const args of [
    ['compact', top],
    ['check', top],
    ['convert', top, at('copy')],
  ])
    expect(disk(...args)).toMatchObject({ status: 3, stderr: expect.stringContaining('debian is open in another Cairn') });
  catalog.close();
  ok('compact', top);
  ok('convert', top, at('copy'));
  ok('compare', top, at('copy'));
});

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 130],
] as const)('%s leaves no half file; progress is told in JSON lines', async (signal, status) => {
  // Without holes to skip: 64 GiB of what looks like data takes longer than the test waits.
  writeFileSync(at('huge.img'), '');
  truncateSync(at('huge.img'), 64 * 2 ** 30);
  const job = home.start('disk', 'convert', at('huge.img'), at('out.qcow2'), '--json');
  await expect.poll(() => job.errors, { timeout: 60_000 }).toMatch(/^\{"progress":/);
  expect(JSON.parse(job.errors.split('\n')[0]!)).toMatchObject({ progress: { totalBytes: 64 * 2 ** 30 } });
  expect(readdirSync(home.folder).some(name => name.startsWith('.out.qcow2.cairn-'))).toBe(true);
  job.child.kill(signal);
  expect(await job.ended).toBe(status);
  expect(readdirSync(home.folder)).toEqual(['huge.img']);
});
