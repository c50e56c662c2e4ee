/** Images of other programs, as QEMU makes and reads them: what we read is what they hold, and what cannot be read is refused by name. */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { DiskFormat } from '#engine/disk/block.ts';
import { createCowDisk, mapChain } from '#engine/disk/chain.ts';
import { CopyJob } from '#engine/disk/copy-job.ts';
import { diskInfo } from '#engine/disk/info.ts';
import { openDisk } from '#engine/disk/open.ts';
import { probeFormat } from '#engine/disk/probe.ts';
import { createQcow2 } from '#engine/disk/qcow2/create.ts';
import { checksum } from '#engine/disk/vpc/header.ts';
import { DiskFormatError } from '#engine/errors/errors.ts';
import { expectReads, pattern } from '#test/support/disk-model.ts';
import { guestFile } from '#test/support/guests.ts';
import { expectQemuCheck, qemuImg } from '#test/support/qemu-img.ts';
import { fillRing, logEntry, openLog, type LoggedEntry } from '#test/support/vhdx-log.ts';
import { nodeDecompressor } from '#worker/node-decompressor.ts';
import { nodeFiles } from '#worker/node-files.ts';

const host = { files: nodeFiles, codec: nodeDecompressor };
const MIB = 2 ** 20;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cairn-foreign-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const at = (name: string) => join(folder, name);
const open = (name: string, format: DiskFormat) => openDisk(host, at(name), { format, writable: false });

/** Data, holes of many sizes, and an end that is no whole block. */
function makeRaw(name: string, sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  for (const [from, length] of [
    [0, 100],
    [70_000, 200_000],
    [3 * MIB - 5000, 10_000],
    [5 * MIB, MIB],
    [sizeBytes - 700, 700],
  ] as const)
    bytes.set(pattern(length, from & 0xff), from);
  writeFileSync(at(name), bytes);
  return bytes;
}

describe('images that qemu-img made are read bit for bit', () => {
  test.each<[DiskFormat, string[]]>([
    ['vmdk', ['subformat=monolithicSparse']],
    ['vmdk', ['subformat=monolithicSparse,zeroed_grain=on']],
    ['vmdk', ['subformat=monolithicFlat']],
    ['vmdk', ['subformat=twoGbMaxExtentSparse']],
    ['vmdk', ['subformat=twoGbMaxExtentFlat']],
    ['vmdk', ['subformat=streamOptimized']],
    ['vdi', []],
    ['vdi', ['static=on']],
    ['vpc', ['subformat=dynamic']],
    ['vpc', ['subformat=fixed']],
    ['vpc', ['subformat=dynamic,force_size=on']],
    ['vpc', ['subformat=fixed,force_size=on']],
    ['vhdx', ['subformat=dynamic']],
    ['vhdx', ['subformat=dynamic,block_size=8M']],
    ['vhdx', ['subformat=fixed']],
  ])('%s %s', (format, options) => {
    const raw = makeRaw('raw', 9 * MIB + 65_536);
    qemuImg('convert', '-f', 'raw', '-O', format, ...options.flatMap(option => ['-o', option]), at('raw'), at('disk'));
    const told = JSON.parse(qemuImg('info', '-f', format, '--output=json', at('disk'))) as { 'virtual-size': number };
    expect(probeFormat(nodeFiles, at('disk'))).toBe(format);
    expect(diskInfo(host, at('disk'), format)).toMatchObject({ format, sizeBytes: told['virtual-size'] });
    // Without force_size a VHD is as large as its geometry.
    const model = new Uint8Array(told['virtual-size']);
    model.set(raw.subarray(0, model.length));
    using disk = open('disk', format);
    expectReads(disk, model);
    expect([...mapChain(disk)].reduce((sum, { length }) => sum + length, 0)).toBe(disk.sizeBytes);
    createQcow2(nodeFiles, nodeDecompressor, at('copy'), { sizeBytes: disk.sizeBytes });
    using copy = openDisk(host, at('copy'), { format: 'qcow2', writable: true });
    CopyJob.convert(disk, copy).run();
    expectReads(copy, model);
    expectQemuCheck(at('copy'));
    qemuImg('compare', '-f', format, '-F', 'qcow2', at('disk'), at('copy'));
  });

  test('vmdk in several extents of 2 GB', () => {
    writeFileSync(at('raw'), '');
    truncateSync(at('raw'), 5 * 2 ** 30);
    const places = [0, 2047 * MIB, 2 ** 31 - 512, 2 ** 31, 4095 * MIB, 5 * 2 ** 30 - 4096];
    const file = openSync(at('raw'), 'r+');
    for (const place of places) writeSync(file, pattern(4096, place % 251), 0, Math.min(4096, 5 * 2 ** 30 - place), place);
    qemuImg('convert', '-f', 'raw', '-O', 'vmdk', '-o', 'subformat=twoGbMaxExtentSparse', at('raw'), at('disk.vmdk'));
    using disk = open('disk.vmdk', 'vmdk');
    using raw = open('raw', 'raw');
    expect(disk.sizeBytes).toBe(5 * 2 ** 30);
    const [got, wanted] = [new Uint8Array(65_536), new Uint8Array(65_536)];
    for (const place of places) {
      const from = Math.min(Math.max(0, place - 32_768), disk.sizeBytes - got.length);
      disk.read(from, got);
      raw.read(from, wanted);
      expect(Buffer.compare(got, wanted)).toBe(0);
    }
  });
});

describe("QEMU's sample images", () => {
  const sample = (name: string) => guestFile('disk-samples', name);

  test.each<[string, DiskFormat]>([
    ['d2v-zerofilled.vhd', 'vpc'],
    ['hyperv2012r2-dynamic.vhd', 'vpc'],
    ['virtualpc-dynamic.vhd', 'vpc'],
    ['iotest-dynamic-1G.vhdx', 'vhdx'],
    ['test-disk2vhd.vhdx', 'vhdx'],
    ['iotest-version3.vmdk', 'vmdk'],
  ])('%s is read as QEMU reads it', (name, format) => {
    const path = sample(name);
    const told = JSON.parse(qemuImg('info', '-f', format, '--output=json', path)) as { 'virtual-size': number };
    expect(probeFormat(nodeFiles, path)).toBe(format);
    using disk = openDisk(host, path, { format, writable: false });
    expect(disk.sizeBytes).toBe(told['virtual-size']);
    const blocks = Math.floor(disk.sizeBytes / MIB);
    for (const skip of [0, 32, 66, blocks - 8]) {
      rmSync(at('part'), { force: true });
      qemuImg('dd', '-f', format, '-O', 'raw', `bs=1M`, `count=${skip + 8}`, `skip=${skip}`, `if=${path}`, `of=${at('part')}`);
      const wanted = new Uint8Array(readFileSync(at('part')));
      const got = new Uint8Array(Math.min(8 * MIB, disk.sizeBytes - skip * MIB));
      disk.read(skip * MIB, got);
      expect(Buffer.compare(got, wanted.subarray(0, got.length))).toBe(0);
    }
  });

  test.each<[string, DiskFormat, string]>([
    ['afl5.img', 'vpc', 'dynamic header is not where it can be'],
    ['afl9.vmdk', 'vmdk', 'The disk is larger than any disk'],
  ])('%s is refused', (name, format, words) => {
    expect(() => openDisk(host, sample(name), { format, writable: false })).toThrow(words);
    expect(() => openDisk(host, sample(name), { format, writable: false })).toThrow(DiskFormatError);
  });
});

describe('a VHDX image whose log was not replayed is read as QEMU reads it, which replays it into the file', () => {
  /** QEMU writes into its copy, as whoever opens such an image for writing must. */
  function expectSameAsQemu(): void {
    const before = readFileSync(at('dirty'));
    copyFileSync(at('dirty'), at('replayed'));
    qemuImg('check', '-q', '-f', 'vhdx', '-r', 'all', at('replayed'));
    expect(diskInfo(host, at('dirty'), 'vhdx').logReplayed).toBe(true);
    expect(diskInfo(host, at('replayed'), 'vhdx').logReplayed).toBeUndefined();
    using disk = open('dirty', 'vhdx');
    createQcow2(nodeFiles, nodeDecompressor, at('copy'), { sizeBytes: disk.sizeBytes });
    using copy = openDisk(host, at('copy'), { format: 'qcow2', writable: true });
    CopyJob.convert(disk, copy).run();
    copy[Symbol.dispose]();
    qemuImg('compare', '-f', 'vhdx', '-F', 'qcow2', at('replayed'), at('copy'));
    expect(Buffer.compare(readFileSync(at('dirty')), before)).toBe(0);
  }

  test('as Hyper-V left it', () => {
    copyFileSync(guestFile('disk-samples', 'iotest-dirtylog-10G-4M.vhdx'), at('dirty'));
    expectSameAsQemu();
  });

  /** An image whose block table is in the log alone, and the bytes of the disk. `inEntries` makes entries of what the log changes. */
  function makeDirty(inEntries: (changes: LoggedEntry['changes'], flushedOffset: number) => Uint8Array[], from: number): Uint8Array {
    const raw = makeRaw('raw', 9 * MIB);
    qemuImg('convert', '-f', 'raw', '-O', 'vhdx', '-o', 'block_size=1M', at('raw'), at('clean'));
    const image = new Uint8Array(readFileSync(at('clean')));
    const view = new DataView(image.buffer);
    const region = [0, 1].map(i => 3 * 65_536 + 16 + i * 32).find(entry => view.getUint32(entry, true) === 0x2dc2_7766)!;
    const table = Number(view.getBigUint64(region + 16, true));
    const block = Number(view.getBigUint64(table, true) >> 20n) * MIB;
    const changed = pattern(4096, 77);
    const changes = [
      { offset: table, bytes: image.slice(table, table + 4096) },
      { offset: block, bytes: pattern(4096, 11) },
      { offset: block, zeroes: 3 * 4096 },
      { offset: block + 4096, bytes: changed },
    ];
    image.fill(0, table, table + 4096);
    fillRing(openLog(image), inEntries(changes, image.length), from);
    writeFileSync(at('dirty'), image);
    raw.fill(0, 0, 3 * 4096);
    raw.set(changed, 4096);
    return raw;
  }

  test.each<[string, (changes: LoggedEntry['changes'], flushedOffset: number) => Uint8Array[], number]>([
    [
      'in an entry for each change',
      (changes, flushedOffset) =>
        changes.map((change, i) => logEntry({ sequence: BigInt(i + 5), tail: 0, changes: [change], flushedOffset })),
      0,
    ],
    [
      'in one entry, over the end of the ring',
      (changes, flushedOffset) => [logEntry({ sequence: 2n ** 40n + 5n, tail: MIB - 4096, changes, flushedOffset })],
      MIB - 4096,
    ],
  ])('with its table in the log, and blocks that it changes and clears, %s', (_, inEntries, from) => {
    const raw = makeDirty(inEntries, from);
    expectSameAsQemu();
    using disk = open('dirty', 'vhdx');
    expectReads(disk, raw);
  });

  test('and refused when there is nothing in the log that is whole', () => {
    makeDirty((changes, flushedOffset) => [logEntry({ sequence: 5n, tail: 4096, changes, flushedOffset })], 0);
    expect(() => open('dirty', 'vhdx')).toThrow('It was not closed properly, and its log has no whole entry');
  });
});

test('differencing images are refused by name, and foreign ones are never written or put below a COW disk', () => {
  makeRaw('raw', 9 * MIB);
  qemuImg('convert', '-f', 'raw', '-O', 'vmdk', at('raw'), at('base.vmdk'));
  qemuImg('create', '-q', '-f', 'vmdk', '-b', at('base.vmdk'), '-F', 'vmdk', at('cow.vmdk'));
  expect(() => open('cow.vmdk', 'vmdk')).toThrow('it is a difference from “');
  expect(() => openDisk(host, at('base.vmdk'), { format: 'vmdk', writable: true })).toThrow(
    'which Cairn reads and never writes: convert it',
  );
  using base = open('base.vmdk', 'vmdk');
  expect(() => createCowDisk(host, at('cow'), base)).toThrow('only raw and qcow2 can be below a COW disk');
  qemuImg('convert', '-f', 'raw', '-O', 'vdi', at('raw'), at('disk.vdi'));
  const vdi = new Uint8Array(readFileSync(at('disk.vdi')));
  vdi[440] = 1; // the parent's UUID
  writeFileSync(at('disk.vdi'), vdi);
  expect(() => open('disk.vdi', 'vdi')).toThrow('differencing VDI image');
  // A footer of type 4, its checksum right.
  qemuImg('convert', '-f', 'raw', '-O', 'vpc', at('raw'), at('disk.vhd'));
  const vhd = new Uint8Array(readFileSync(at('disk.vhd')));
  vhd[63] = 4;
  vhd[67]! -= 1;
  writeFileSync(at('disk.vhd'), vhd);
  expect(() => open('disk.vhd', 'vpc')).toThrow('differencing VHD image');
});

test('extents are files of the same folder: no path, and no symbolic link, leads out of it', () => {
  mkdirSync(at('vm'));
  makeRaw('raw', 9 * MIB);
  qemuImg('convert', '-f', 'raw', '-O', 'vmdk', '-o', 'subformat=monolithicFlat', at('raw'), at('vm/disk.vmdk'));
  const descriptor = readFileSync(at('vm/disk.vmdk'), 'latin1');
  const refused = /an extent outside its own folder/;
  for (const name of ['../raw', '/etc/passwd', 'sub/raw', 'C:raw', '..', '..\\raw']) {
    writeFileSync(
      at('vm/disk.vmdk'),
      descriptor.replace('disk-flat.vmdk', () => name),
    );
    expect(() => open('vm/disk.vmdk', 'vmdk')).toThrow(refused);
  }
  writeFileSync(at('vm/disk.vmdk'), descriptor.replace('disk-flat.vmdk', 'link'));
  expect(() => open('vm/disk.vmdk', 'vmdk')).toThrow('its extent');
  symlinkSync(at('raw'), at('vm/link'));
  expect(() => open('vm/disk.vmdk', 'vmdk')).toThrow(refused);
  rmSync(at('vm/link'));
  copyFileSync(at('raw'), at('vm/link'));
  open('vm/disk.vmdk', 'vmdk')[Symbol.dispose]();
});

test.each(['monolithicFlat', 'twoGbMaxExtentSparse'])('vmdk %s: lines about extents as other programs write them', subformat => {
  const raw = makeRaw('raw', 9 * MIB);
  qemuImg('convert', '-f', 'raw', '-O', 'vmdk', '-o', `subformat=${subformat}`, at('raw'), at('disk.vmdk'));
  const descriptor = readFileSync(at('disk.vmdk'), 'latin1');
  const line = /^RW (\d+) (\w+) "([^"]+)"(.*)$/m.exec(descriptor)!;
  const [whole, sectors, kind, name] = line as unknown as [string, string, string, string];
  for (const other of [
    `RW ${sectors} ${kind} "./${name}" 0`,
    `RW ${sectors} ${kind} ".//././${name}"`,
    `RW ${sectors} ${kind} ".\\${name}" 0`,
    `RW ${sectors} ${kind} "${name}" 0 partitionUUID 5A4B device0`,
    `RW ${sectors} ${kind} "${name}" \\\\.\\PhysicalDrive0`,
    `  RDONLY\t${sectors}\t${kind} "${name}"\t0\t`,
  ]) {
    writeFileSync(
      at('disk.vmdk'),
      descriptor.replace(whole, () => other),
    );
    using disk = open('disk.vmdk', 'vmdk');
    expectReads(disk, raw);
  }
  // Another first line, as QEMU takes it, and lines that end as on Windows.
  writeFileSync(at('disk.vmdk'), `# made by hand\r\n\r\n${descriptor.slice(descriptor.indexOf('version=')).replaceAll('\n', '\r\n')}`);
  expect(probeFormat(nodeFiles, at('disk.vmdk'))).toBe('vmdk');
  using disk = open('disk.vmdk', 'vmdk');
  expectReads(disk, raw);
  for (const name of ['./../raw', './sub/raw', './', '.']) {
    writeFileSync(
      at('disk.vmdk'),
      descriptor.replace(whole, () => `RW ${sectors} ${kind} "${name}"`),
    );
    expect(() => open('disk.vmdk', 'vmdk')).toThrow(/outside its own folder|cannot be read/);
  }
});

test.each(['fixed', 'dynamic'])('vpc %s: of makers that are not known the disk is as large as its footer says, with its end', kind => {
  const raw = makeRaw('raw', 9 * MIB + 65_536);
  qemuImg('convert', '-f', 'raw', '-O', 'vpc', '-o', `subformat=${kind},force_size=on`, at('raw'), at('disk.vhd'));
  const image = new Uint8Array(readFileSync(at('disk.vhd')));
  for (const maker of ['vbox', 'abcd', '\0\0\0\0', 'qem2', 'win ', 'vpc ', 'vs  ', 'qemu']) {
    for (const from of kind === 'fixed' ? [image.length - 512] : [0, image.length - 512]) {
      const footer = new DataView(image.buffer, from, 512);
      for (let i = 0; i < 4; i++) footer.setUint8(28 + i, maker.charCodeAt(i));
      footer.setUint32(56, (272 << 16) | (4 << 8) | 17); // 18,496 sectors, of 18,560
      footer.setUint32(64, checksum(footer, 64));
    }
    writeFileSync(at('disk.vhd'), image);
    using disk = open('disk.vhd', 'vpc');
    const byGeometry = ['vpc ', 'vs  ', 'qemu'].includes(maker);
    expect([maker, disk.sizeBytes === raw.length]).toEqual([maker, !byGeometry]);
    expectReads(disk, raw.subarray(0, disk.sizeBytes));
    const told = JSON.parse(
      qemuImg(
        'info',
        '--output=json',
        '--image-opts',
        `driver=vpc,force_size_calc=${byGeometry ? 'chs' : 'current_size'},file.filename=${at('disk.vhd')}`,
      ),
    ) as { 'virtual-size': number };
    expect([maker, told['virtual-size']]).toEqual([maker, disk.sizeBytes]);
  }
});
