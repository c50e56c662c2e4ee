/**
 * npm run bench disk [PART…]: reads and writes of virtual disks in MB/s, one request after the other, on raw files, qcow2 files and chains of them; beside it
 * `qemu-img bench` on the same files. “Random” is a large step that comes to every request once. What is read is in the host's cache: this measures
 * the code, not the disk. Parts: names of workloads (“read”) or of disks (“chain 8”); all without any.
 */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Layer } from '#engine/disk/block.ts';
import { createCowDisk } from '#engine/disk/chain.ts';
import { openDisk } from '#engine/disk/open.ts';
import { createQcow2 } from '#engine/disk/qcow2/create.ts';
import { Qcow2Image } from '#engine/disk/qcow2/image.ts';
import { createRaw } from '#engine/disk/raw.ts';
import { nodeDecompressor } from '#worker/node-decompressor.ts';
import { nodeFiles } from '#worker/node-files.ts';

const host = { files: nodeFiles, codec: nodeDecompressor };
const MIB = 2 ** 20;
const SIZE = 128 * MIB;
const CLUSTER = 65_536;
const ROUNDS = 3;
const REQUESTS = [4096, 65_536, MIB];
const CHAINS = [1, 2, 8, 32];
const folder = mkdtempSync(path.join(os.tmpdir(), 'cairn-bench-disk-'));

interface Disk {
  readonly name: string;
  readonly path: string;
  readonly format: 'raw' | 'qcow2';
}
interface Workload {
  readonly name: string;
  readonly write: boolean;
  readonly random: boolean;
  /** On a new, empty top file. */
  readonly allocating: boolean;
}

const WORKLOADS: readonly Workload[] = [
  { name: 'read', write: false, random: false, allocating: false },
  { name: 'random read', write: false, random: true, allocating: false },
  { name: 'overwrite', write: true, random: false, allocating: false },
  { name: 'random overwrite', write: true, random: true, allocating: false },
  { name: 'allocating write', write: true, random: false, allocating: true },
  { name: 'random allocating write', write: true, random: true, allocating: true },
];

const open = (file: string, format: 'raw' | 'qcow2', writable: boolean): Layer =>
  openDisk(host, file, { format, writable, allow: { folders: [folder] } });

function close(disk: Layer): void {
  if (disk instanceof Qcow2Image && disk.writable) disk.settle();
  disk[Symbol.dispose]();
}

/** Numbers that look random and are the same each time. */
function randoms(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0;
    return state >>> 0;
  };
}

/** Every cluster of the disk has data, in any of the chain's files. */
function makeChain(length: number): Disk {
  const next = randoms(length);
  const bytes = new Uint8Array(CLUSTER).map((_, i) => i * 7 + 1);
  const name = (level: number) => path.join(folder, `chain${length}-${level}`);
  createQcow2(nodeFiles, nodeDecompressor, name(0), { sizeBytes: SIZE, clusterBytes: CLUSTER });
  let top = open(name(0), 'qcow2', true);
  for (let at = 0; at < SIZE; at += CLUSTER) top.write(at, bytes);
  for (let level = 1; level < length; level++) {
    (top as Qcow2Image).settle();
    top.setWritable(false);
    top = createCowDisk(host, name(level), top, { clusterBytes: CLUSTER });
    for (let at = 0; at < SIZE; at += CLUSTER) if (next() % length === 0) top.write(at, bytes);
  }
  close(top);
  return { name: length === 1 ? 'qcow2' : `chain ${length}`, path: name(length - 1), format: 'qcow2' };
}

function makeRaw(): Disk {
  const file = path.join(folder, 'raw');
  createRaw(nodeFiles, file, SIZE, true);
  return { name: 'raw', path: file, format: 'raw' };
}

/** A new file on top, as step 802 makes it. */
function emptyTop(disk: Disk, file: string): void {
  rmSync(file, { force: true });
  if (disk.format === 'raw') createRaw(nodeFiles, file, SIZE);
  else if (disk.name === 'qcow2') createQcow2(nodeFiles, nodeDecompressor, file, { sizeBytes: SIZE, clusterBytes: CLUSTER });
  else close(createCowDisk(host, file, open(disk.path, 'qcow2', false), { clusterBytes: CLUSTER }));
}

/** From one request to the next: one further, or about 0.6 of the disk, so that each comes once. */
function stepOf({ random }: Workload, requestBytes: number): number {
  return random ? (Math.floor((SIZE / requestBytes) * 0.618) | 1) * requestBytes : requestBytes;
}

/** Seconds. */
function runCairn(disk: Disk, file: string, { write }: Workload, count: number, requestBytes: number, step: number): number {
  const layer = open(file, disk.format, write);
  const bytes = new Uint8Array(requestBytes).fill(5);
  const start = performance.now();
  for (let i = 0, at = 0; i < count; i++, at = (at + step) % SIZE) {
    if (write) layer.write(at, bytes);
    else layer.read(at, bytes);
  }
  const seconds = (performance.now() - start) / 1000;
  close(layer);
  return seconds;
}

function runQemu(disk: Disk, file: string, { write }: Workload, count: number, requestBytes: number, step: number): number {
  const numbers = ['-c', String(count), '-d', '1', '-s', String(requestBytes), '-S', String(step)];
  const args = ['bench', '-f', disk.format, ...numbers, ...(write ? ['-w'] : []), file];
  const { stdout, stderr } = spawnSync('qemu-img', args, { encoding: 'utf8' });
  const seconds = /completed in ([\d.]+) seconds/.exec(stdout)?.[1];
  if (seconds === undefined) throw new Error(`qemu-img ${args.join(' ')}: ${stdout}${stderr}`);
  return Number(seconds);
}

function measure(disk: Disk, workload: Workload, requestBytes: number, run: typeof runCairn): number {
  const count = Math.min(SIZE / requestBytes, 8192);
  const step = stepOf(workload, requestBytes);
  const seconds: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const file = workload.allocating || workload.write ? path.join(folder, 'top') : disk.path;
    if (workload.allocating) emptyTop(disk, file);
    else if (workload.write) copyFileSync(disk.path, file);
    seconds.push(run(disk, file, workload, count, requestBytes, step));
  }
  return (count * requestBytes) / Math.min(...seconds) / 1e6;
}

const wanted = process.argv.slice(2);
const isWanted = (name: string, among: readonly string[]) => wanted.every(word => !among.includes(word)) || wanted.includes(name);
try {
  const disks = [makeRaw(), ...CHAINS.map(makeChain)];
  const shown = disks.filter(({ name }) =>
    isWanted(
      name,
      disks.map(disk => disk.name),
    ),
  );
  const workloads = WORKLOADS.filter(({ name }) =>
    isWanted(
      name,
      WORKLOADS.map(workload => workload.name),
    ),
  );
  console.log(
    `MB/s, Cairn / QEMU; disks of ${SIZE / MIB} MiB, clusters of 64 KiB, best of ${ROUNDS}; file of the longest chain's top: ${statSync(disks.at(-1)!.path).size} bytes`,
  );
  console.log(`| workload | request | ${shown.map(({ name }) => name).join(' | ')} |`);
  console.log(`|---|---|${shown.map(() => '---').join('|')}|`);
  for (const workload of workloads)
    for (const requestBytes of REQUESTS) {
      const cells = shown.map(disk => [runCairn, runQemu].map(run => Math.round(measure(disk, workload, requestBytes, run))).join(' / '));
      console.log(`| ${workload.name} | ${requestBytes / 1024} KiB | ${cells.join(' | ')} |`);
    }
} finally {
  rmSync(folder, { recursive: true });
}
