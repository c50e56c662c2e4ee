/**
 * Throughput of a virtual disk after 0, 1, 7 and 31 checkpoints, in the second implementation (each leaves a file in the VM's chain) and in the third (the
 * chain stays base + 1), on the files that the disk graph makes; beside it `qemu-img bench` on the same files.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { layersOf } from '#engine/disk/chain.ts';
import { DiskCollector } from '#engine/disk/graph/collector.ts';
import { createBlankDisk } from '#engine/disk/graph/create.ts';
import type { DiskMode, LayerId } from '#engine/disk/graph/descriptor.ts';
import { DiskFolder } from '#engine/disk/graph/disk-folder.ts';
import { VirtualDiskFiles } from '#engine/disk/graph/virtual-disk-files.ts';
import { graphHost } from '#worker/node-graph-host.ts';
import { CLUSTER, measure, randoms, runCairn, runQemu, SIZE, WORKLOADS, type Disk } from '../disk/throughput.ts';
import { Table } from './figures.ts';

const CHECKPOINTS = [0, 1, 7, 31];
const MODES: readonly DiskMode[] = ['chain', 'copy'];
const REQUESTS = [4096, 65_536];
const SHOWN = WORKLOADS.filter(({ allocating }) => !allocating);

interface Made extends Disk {
  /** Of the chain that the guest's reads go through. */
  readonly files: number;
}

/** A full disk, of which every checkpoint's successor changes an equal part. */
function makeDisk(parent: string, mode: DiskMode, checkpoints: number): Made {
  const folder = new DiskFolder(graphHost, mkdtempSync(path.join(parent, `${mode}-${checkpoints}-`)), 'disk0');
  createBlankDisk(folder, SIZE, { mode, clusterBytes: CLUSTER });
  const pointed = new Set<LayerId>();
  const next = randoms(checkpoints);
  const bytes = new Uint8Array(CLUSTER).map((_, i) => i * 7 + 1);
  const disk = new VirtualDiskFiles(folder);
  const collector = new DiskCollector(disk, { needs: () => ({ pointed, pinned: new Set() }), running: false });
  for (let at = 0; at < SIZE; at += CLUSTER) disk.top.write(at, bytes);
  for (let n = 0; n < checkpoints; n++) {
    disk.prepareCow();
    disk.switchToCow();
    const layer = disk.seal()!;
    pointed.add(layer);
    disk.letGo(layer);
    for (let at = 0; at < SIZE; at += CLUSTER) if (next() % (checkpoints + 1) === 0) disk.top.write(at, bytes);
    collector.run();
  }
  const files = layersOf(disk.top).length;
  const { topId } = disk;
  collector[Symbol.dispose]();
  disk.close();
  return { name: `${mode} ${checkpoints}`, path: folder.layerPath(topId), format: 'qcow2', files };
}

export function chainPart(): void {
  const parent = mkdtempSync(path.join(os.tmpdir(), 'cairn-bench-chain-'));
  try {
    console.log('MB/s, Cairn / QEMU on the same files; disks of 128 MiB, clusters of 64 KiB, in the host’s cache\n');
    const table = new Table('implementation', 'checkpoints', 'files in the chain', ...titles());
    for (const checkpoints of CHECKPOINTS) {
      for (const mode of MODES) {
        const disk = makeDisk(parent, mode, checkpoints);
        const cells = SHOWN.flatMap(workload =>
          REQUESTS.map(bytes => [runCairn, runQemu].map(run => Math.round(measure(disk, workload, bytes, run))).join(' / ')),
        );
        table.row(mode === 'chain' ? 'second' : 'third', String(checkpoints), String(disk.files), ...cells);
      }
    }
  } finally {
    rmSync(parent, { recursive: true, force: true });
  }
}

const titles = () => SHOWN.flatMap(({ name }) => REQUESTS.map(bytes => `${name} ${bytes / 1024} KiB`));
