/** Good images of every format and kind, to be damaged; and where their fields are. QEMU makes them, and we make the COW disks. */
import { mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DiskFormat } from '#engine/disk/block.ts';
import { openDisk } from '#engine/disk/open.ts';
import { createQcow2 } from '#engine/disk/qcow2/create.ts';
import type { Qcow2Image } from '#engine/disk/qcow2/image.ts';
import { createRaw } from '#engine/disk/raw.ts';
import { crc32c } from '#engine/disk/vhdx/crc32c.ts';
import { checksum } from '#engine/disk/vpc/header.ts';
import { nodeDecompressor } from '#worker/node-decompressor.ts';
import { pattern } from '../support/disk-model.ts';
import { MemoryFiles } from '../support/memory-files.ts';
import { qemuImg } from '../support/qemu-img.ts';
import { fillRing, logEntry, openLog, seal } from '../support/vhdx-log.ts';
import type { Spot } from './mutate.ts';

export interface DiskSeed {
  readonly name: string;
  readonly format: DiskFormat;
  /** By name; the first is the one that is opened. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** Of each file; a text has none. */
  readonly spots: (bytes: Uint8Array) => Spot[];
  /** Makes checksums right again, so that more than they are tested. */
  readonly mend?: (bytes: Uint8Array) => void;
}

const big = (at: number, length: number, width: Spot['width'] = 4): Spot => ({ at, length, width, little: false });
const little = (at: number, length: number, width: Spot['width'] = 4): Spot => ({ at, length, width, little: true });
const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const isVmdk = (bytes: Uint8Array) => viewOf(bytes).getUint32(0) === 0x4b44_4d56;

/** Header, directory and the first table; of a stream the footer and what is before it. */
function vmdkSpots(bytes: Uint8Array): Spot[] {
  if (!isVmdk(bytes)) return [];
  const view = viewOf(bytes);
  const directory = view.getUint32(56, true) * 512;
  if (directory >= bytes.length)
    return [little(0, 80), little(bytes.length - 1024, 80), little(bytes.length - 3072, 2048), little(65_536, 16)];
  return [little(0, 80), little(12, 64, 8), little(directory, 64), little(view.getUint32(directory, true) * 512, 512)];
}

const vdiSpots = (bytes: Uint8Array): Spot[] => [
  little(64, 32),
  little(340, 60),
  little(392, 64),
  little(viewOf(bytes).getUint32(340, true), 64),
];

function vpcSpots(bytes: Uint8Array): Spot[] {
  const end = bytes.length - 512;
  const table = Number(viewOf(bytes).getBigUint64(512 + 16));
  const dynamic = table > 0 && table < bytes.length ? [big(0, 88), big(512, 64), big(table, 64)] : [];
  return [...dynamic, big(end, 88), big(end + 16, 8, 8), big(end + 40, 16, 8)];
}

function mendVpc(bytes: Uint8Array): void {
  const set = (from: number, length: number, place: number) => {
    if (from < 0 || from + length > bytes.length) return;
    const view = new DataView(bytes.buffer, bytes.byteOffset + from, length);
    view.setUint32(place, checksum(view, place));
  };
  set(0, 512, 64);
  set(512, 1024, 36);
  set(bytes.length - 512, 512, 64);
}

const KIB64 = 65_536;
const HEADERS = [KIB64, 2 * KIB64];
const REGIONS = [3 * KIB64, 4 * KIB64];
/** The first field of the table's GUID. */
const VHDX_BAT = 0x2dc2_7766;
/** "loge" */
const LOG_ENTRY = 0x6c6f_6765;

function vhdxSpots(bytes: Uint8Array): Spot[] {
  const view = viewOf(bytes);
  const entries = [0, 1].map(i => Number(view.getBigUint64(REGIONS[0]! + 16 + i * 32 + 16, true)));
  const inEntries = entries.flatMap(at => [little(at, 64, 8), little(at, 256), little(at + KIB64, 64)]);
  return [...HEADERS.map(at => little(at, 80)), ...REGIONS.map(at => little(at, 80)), little(REGIONS[0]! + 16, 64, 8), ...inEntries];
}

function mendVhdx(bytes: Uint8Array): void {
  for (const [at, length] of [...HEADERS.map(at => [at, 4096] as const), ...REGIONS.map(at => [at, KIB64] as const)]) {
    const view = new DataView(bytes.buffer, bytes.byteOffset + at, length);
    view.setUint32(4, 0, true);
    view.setUint32(4, crc32c(bytes.subarray(at, at + length)), true);
  }
  for (const at of logEntries(bytes)) seal(bytes.subarray(at, at + viewOf(bytes).getUint32(at + 8, true)));
}

/** Where the entries of a log are whose length is one and that end in the file. */
function logEntries(bytes: Uint8Array): number[] {
  const view = viewOf(bytes);
  const log = Number(view.getBigUint64(HEADERS[0]! + 72, true));
  const found: number[] = [];
  for (let at = log; at < Math.min(log + (1 << 20), bytes.length - 4096); at += 4096) {
    const length = view.getUint32(at + 8, true);
    if (view.getUint32(at) === LOG_ENTRY && length >= 4096 && at + length <= bytes.length) found.push(at);
  }
  return found;
}

/** Headers, descriptors and the ends of data sectors of the log; the rest as of any VHDX image. */
const dirtyVhdxSpots = (bytes: Uint8Array): Spot[] => [
  ...logEntries(bytes).flatMap(at => [
    little(at, 64),
    little(at + 8, 56, 8),
    little(at + 64, 96, 8),
    little(at + 4096, 8),
    little(at + 8188, 4),
  ]),
  ...vhdxSpots(bytes),
];

/** The table of blocks is in the log only, as are zeroes and a sector of a block. */
function dirtyVhdx(clean: Uint8Array): Uint8Array {
  const image = clean.slice();
  const view = viewOf(image);
  const region = [0, 1].map(i => REGIONS[0]! + 16 + i * 32).find(at => view.getUint32(at, true) === VHDX_BAT)!;
  const bat = Number(view.getBigUint64(region + 16, true));
  const block = Number(view.getBigUint64(bat, true) >> 20n) << 20;
  const more = { tail: 0, flushedOffset: image.length };
  const changes = [
    { offset: bat, bytes: image.slice(bat, bat + 4096) },
    { offset: block, zeroes: 8192 },
  ];
  image.fill(0, bat, bat + 4096);
  fillRing(openLog(image), [
    logEntry({ sequence: 1n, changes, ...more }),
    logEntry({ sequence: 2n, changes: [{ offset: block, bytes: pattern(4096, 4) }], ...more }),
  ]);
  return image;
}

function qcow2Spots(bytes: Uint8Array): Spot[] {
  const view = viewOf(bytes);
  const [l1, counts] = [Number(view.getBigUint64(40)), Number(view.getBigUint64(48))];
  const [l2, block] = [Number(view.getBigUint64(l1) & 0xff_ffff_ffff_ff00n), Number(view.getBigUint64(counts))];
  const snapshots = view.getUint32(60) > 0 ? [big(Number(view.getBigUint64(64)), 64)] : [];
  return [big(0, 112), big(0, 112), big(112, 64), big(l1, 64, 8), big(l2, 256, 8), big(counts, 64, 8), big(block, 64, 2), ...snapshots];
}

/** Images in a folder of their own, then in memory. */
export function makeDiskSeeds(): DiskSeed[] {
  const folder = mkdtempSync(join(tmpdir(), 'cairn-fuzz-'));
  try {
    const raw = new Uint8Array(6 << 20);
    raw.set(pattern(200_000, 1), 100);
    raw.set(pattern(70_000, 2), 3_000_000);
    writeFileSync(join(folder, 'raw'), raw);
    writeFileSync(join(folder, 'small'), raw.subarray(0, 300_032));
    const make = (name: string, format: DiskFormat, options: string[], source = 'raw', more: string[] = []): Map<string, Uint8Array> => {
      qemuImg(
        'convert',
        '-f',
        'raw',
        '-O',
        format,
        ...more,
        ...options.flatMap(option => ['-o', option]),
        join(folder, source),
        join(folder, name),
      );
      const names = [name, ...readdirSync(folder).filter(other => other.startsWith(`${name}-`))];
      return new Map(names.map(each => [each, new Uint8Array(readFileSync(join(folder, each)))]));
    };
    const vmdk = (kind: string, options: string[] = []): DiskSeed => {
      const files = make(kind, 'vmdk', [`subformat=${kind}`, ...options], kind.endsWith('Flat') ? 'small' : 'raw');
      return { name: `vmdk ${kind}`, format: 'vmdk', files, spots: vmdkSpots };
    };
    const vpc = (kind: string): DiskSeed => ({
      name: `vpc ${kind}`,
      format: 'vpc',
      files: make(kind, 'vpc', [`subformat=${kind}`], 'small'),
      spots: vpcSpots,
      mend: mendVpc,
    });
    const qcow2 = (name: string, options: string[], more: string[] = []): DiskSeed => {
      const files = make(name.replaceAll(' ', '.'), 'qcow2', options, 'small', more);
      return { name: `qcow2 ${name}`, format: 'qcow2', files, spots: qcow2Spots };
    };
    qemuImg('convert', '-f', 'raw', '-O', 'qcow2', '-o', 'cluster_size=4096', join(folder, 'small'), join(folder, 'snapshots'));
    qemuImg('snapshot', '-c', 'one', join(folder, 'snapshots'));
    const snapshots = new Map([['snapshots', new Uint8Array(readFileSync(join(folder, 'snapshots')))]]);
    const vhdx = make('vhdx', 'vhdx', ['block_size=1M']);
    return [
      vmdk('monolithicSparse'),
      vmdk('streamOptimized'),
      vmdk('monolithicFlat'),
      vmdk('twoGbMaxExtentSparse', ['zeroed_grain=on']),
      { name: 'vdi dynamic', format: 'vdi', files: make('vdi', 'vdi', []), spots: vdiSpots },
      { name: 'vdi fixed', format: 'vdi', files: make('vdi.fixed', 'vdi', ['static=on']), spots: vdiSpots },
      vpc('dynamic'),
      vpc('fixed'),
      { name: 'vhdx', format: 'vhdx', files: vhdx, spots: vhdxSpots, mend: mendVhdx },
      {
        name: 'vhdx left dirty',
        format: 'vhdx',
        files: new Map([['vhdx', dirtyVhdx(vhdx.get('vhdx')!)]]),
        spots: dirtyVhdxSpots,
        mend: mendVhdx,
      },
      qcow2('plain', ['cluster_size=4096']),
      qcow2('zlib', ['cluster_size=4096'], ['-c']),
      qcow2('zstd', ['compression_type=zstd,cluster_size=8192'], ['-c']),
      qcow2('extended', ['extended_l2=on,cluster_size=16384']),
      qcow2('version 2', ['compat=0.10,cluster_size=512']),
      { name: 'qcow2 snapshots', format: 'qcow2', files: snapshots, spots: qcow2Spots },
      cowSeed(false),
      cowSeed(true),
    ];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function cowSeed(lazyRefcounts: boolean): DiskSeed {
  const files = new MemoryFiles();
  const host = { files, codec: nodeDecompressor };
  createRaw(files, '/vm/base', 65_536);
  createQcow2(files, nodeDecompressor, '/vm/cow', {
    sizeBytes: 65_536,
    clusterBytes: 512,
    lazyRefcounts,
    backing: { name: 'base', format: 'raw' },
  });
  using disk = openDisk(host, '/vm/cow', { format: 'qcow2', writable: true, allow: { folders: ['/vm'] } }) as Qcow2Image;
  disk.write(1000, pattern(20_000, 3));
  disk.writeZeroes(30_000, 4000, true);
  if (lazyRefcounts) disk.flush(); // and so it stays marked as dirty
  else disk.settle();
  return {
    name: lazyRefcounts ? 'qcow2 left dirty' : 'qcow2 COW disk',
    format: 'qcow2',
    files: new Map(['cow', 'base'].map(name => [name, files.get(`/vm/${name}`)])),
    spots: qcow2Spots,
  };
}
