/**
 * npm run bench disk [PART…]: reads and writes of virtual disks in MB/s, one request after the other, on raw files, qcow2 files and chains of them; beside it
 * `qemu-img bench` on the same files. “Random” is a large step that comes to every request once. What is read is in the host's cache: this measures
 * the code, not the disk. Parts: names of workloads (“read”) or of disks (“chain 8”); all without any.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createCowDisk } from '#engine/disk/chain.ts';
import { createQcow2 } from '#engine/disk/qcow2/create.ts';
import type { Qcow2Image } from '#engine/disk/qcow2/image.ts';
import { createRaw } from '#engine/disk/raw.ts';
import { nodeDecompressor } from '#worker/node-decompressor.ts';
import { nodeFiles } from '#worker/node-files.ts';
import {
  CLUSTER,
  close,
  host,
  measure,
  MIB,
  open,
  randoms,
  REQUESTS,
  ROUNDS,
  runCairn,
  runQemu,
  SIZE,
  WORKLOADS,
  type Disk,
} from './disk/throughput.ts';

const CHAINS = [1, 2, 8, 32];
const folder = mkdtempSync(path.join(os.tmpdir(), 'cairn-bench-disk-'));

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
      const cells = shown.map(disk =>
        [runCairn, runQemu].map(run => Math.round(measure(disk, workload, requestBytes, run, file => emptyTop(disk, file)))).join(' / '),
      );
      console.log(`| ${workload.name} | ${requestBytes / 1024} KiB | ${cells.join(' | ')} |`);
    }
} finally {
  rmSync(folder, { recursive: true });
}
