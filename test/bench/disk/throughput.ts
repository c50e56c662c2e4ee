/** MB/s of a disk's file through Cairn's layers and through `qemu-img bench`, one request after the other, whatever chain the file is the top of. */
import { spawnSync } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import path from 'node:path';
import type { Layer } from '#engine/disk/block.ts';
import { openDisk } from '#engine/disk/open.ts';
import { Qcow2Image } from '#engine/disk/qcow2/image.ts';
import { nodeDecompressor } from '#worker/node-decompressor.ts';
import { nodeFiles } from '#worker/node-files.ts';

export const host = { files: nodeFiles, codec: nodeDecompressor };
export const MIB = 2 ** 20;
/** Of every disk that is measured. */
export const SIZE = 128 * MIB;
export const CLUSTER = 65_536;
export const ROUNDS = 3;
export const REQUESTS = [4096, 65_536, MIB];

export interface Disk {
  readonly name: string;
  readonly path: string;
  readonly format: 'raw' | 'qcow2';
}
export interface Workload {
  readonly name: string;
  readonly write: boolean;
  readonly random: boolean;
  /** On a new, empty top file. */
  readonly allocating: boolean;
}

export const WORKLOADS: readonly Workload[] = [
  { name: 'read', write: false, random: false, allocating: false },
  { name: 'random read', write: false, random: true, allocating: false },
  { name: 'overwrite', write: true, random: false, allocating: false },
  { name: 'random overwrite', write: true, random: true, allocating: false },
  { name: 'allocating write', write: true, random: false, allocating: true },
  { name: 'random allocating write', write: true, random: true, allocating: true },
];

export const open = (file: string, format: 'raw' | 'qcow2', writable: boolean): Layer =>
  openDisk(host, file, { format, writable, allow: { folders: [path.dirname(file)] } });

export function close(disk: Layer): void {
  if (disk instanceof Qcow2Image && disk.writable) disk.settle();
  disk[Symbol.dispose]();
}

/** Numbers that look random and are the same each time. */
export function randoms(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) | 0;
    return state >>> 0;
  };
}

/** From one request to the next: one further, or about 0.6 of the disk, so that each comes once. */
function stepOf({ random }: Workload, requestBytes: number): number {
  return random ? (Math.floor((SIZE / requestBytes) * 0.618) | 1) * requestBytes : requestBytes;
}

/** Seconds; the time that opening takes is not in it. */
export function runCairn(disk: Disk, file: string, { write }: Workload, count: number, requestBytes: number, step: number): number {
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

/** The same. */
export function runQemu(disk: Disk, file: string, { write }: Workload, count: number, requestBytes: number, step: number): number {
  const numbers = ['-c', String(count), '-d', '1', '-s', String(requestBytes), '-S', String(step)];
  const args = ['bench', '-f', disk.format, ...numbers, ...(write ? ['-w'] : []), file];
  const { stdout, stderr } = spawnSync('qemu-img', args, { encoding: 'utf8' });
  const seconds = /completed in ([\d.]+) seconds/.exec(stdout)?.[1];
  if (seconds === undefined) throw new Error(`qemu-img ${args.join(' ')}: ${stdout}${stderr}`);
  return Number(seconds);
}

export type Run = typeof runCairn;

/** The best of some rounds, in MB/s. `emptyTop` makes the new file that an allocating workload writes to. */
export function measure(
  disk: Disk,
  workload: Workload,
  requestBytes: number,
  run: Run,
  emptyTop: (file: string) => void = () => {},
): number {
  const count = Math.min(SIZE / requestBytes, 8192);
  const step = stepOf(workload, requestBytes);
  const seconds: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    // Beside the file, for its backing file's name may be relative.
    const file = workload.allocating || workload.write ? path.join(path.dirname(disk.path), 'measured') : disk.path;
    if (workload.allocating) emptyTop(file);
    else if (workload.write) copyFileSync(disk.path, file);
    seconds.push(run(disk, file, workload, count, requestBytes, step));
  }
  return (count * requestBytes) / Math.min(...seconds) / 1e6;
}
