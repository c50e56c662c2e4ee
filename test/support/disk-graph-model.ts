/** A disk's folder in memory, used at random beside plain arrays that say what the guest and every checkpoint must read. */
import { crc32 } from 'node:zlib';
import { expect } from 'vitest';
import type { Layer } from '#engine/disk/block.ts';
import { StorageError } from '#engine/errors/errors.ts';
import { Adoption } from '#engine/disk/graph/adoption.ts';
import { DiskCollector } from '#engine/disk/graph/collector.ts';
import { attachDisk, createBlankDisk } from '#engine/disk/graph/create.ts';
import type { DiskMode, LayerId } from '#engine/disk/graph/descriptor.ts';
import { DiskFolder, type GraphHost } from '#engine/disk/graph/disk-folder.ts';
import { OpenLayers } from '#engine/disk/graph/open-layers.ts';
import type { Needs } from '#engine/disk/graph/scan.ts';
import { verifyDisk, type DiskProblem, type DiskReport } from '#engine/disk/graph/verify.ts';
import { VirtualDiskFiles } from '#engine/disk/graph/virtual-disk-files.ts';
import { createQcow2 } from '#engine/disk/qcow2/create.ts';
import { Qcow2Image } from '#engine/disk/qcow2/image.ts';
import { apply, contents, expectClean, expectReads, memoryHost, pattern, sameBytes, type DiskOperation } from './disk-model.ts';
import type { MemoryFiles } from './memory-files.ts';

/** Ids that count up. */
export function graphHost(files: MemoryFiles, first = 1): GraphHost {
  let next = first;
  return { ...memoryHost(files), checksum: bytes => crc32(bytes), newLayerId: () => (next++).toString(16).padStart(32, '0') };
}

export interface SavedState {
  readonly layer: LayerId;
  readonly bytes: Uint8Array;
}

export const DISK_BYTES = 40_960;

/** `blank`: the disk's own; the others: the user's file, only read or written too. */
export type Kind = 'blank' | 'raw' | 'raw, written' | 'qcow2, written';

export class GraphModel {
  readonly files: MemoryFiles;
  readonly folder: DiskFolder;
  disk: VirtualDiskFiles;
  bytes: Uint8Array;
  checkpoints: SavedState[] = [];
  running = true;
  /** How many files a chain is to have at most. */
  depth: number | undefined;
  private collector: DiskCollector | undefined;

  constructor(files: MemoryFiles, kind: Kind, mode: DiskMode, clusterBytes = 4096, firstId = 1) {
    this.files = files;
    this.folder = new DiskFolder(graphHost(files, firstId), '/vm/disks', 'disk0');
    this.bytes = new Uint8Array(DISK_BYTES);
    if (kind === 'blank') createBlankDisk(this.folder, DISK_BYTES, { mode, clusterBytes });
    else {
      this.bytes.set(pattern(DISK_BYTES, 99));
      const qcow2 = kind.startsWith('qcow2');
      if (qcow2) putQcow2(files, '/user/base', this.bytes);
      else files.put('/user/base', this.bytes);
      const image = { path: '/user/base', format: qcow2 ? ('qcow2' as const) : ('raw' as const), writeBase: kind !== 'raw' };
      attachDisk(this.folder, image, { mode, clusterBytes });
    }
    this.disk = new VirtualDiskFiles(this.folder);
  }

  get needs(): Needs {
    const pointed = new Set(this.checkpoints.map(({ layer }) => layer));
    return { pointed, pinned: new Set(), ...(this.depth === undefined ? {} : { depth: this.depth }) };
  }

  /** A guest writes: a VM that was off is switched on first. */
  use(operations: readonly DiskOperation[]): void {
    this.switchOn();
    for (const operation of operations) apply(operation, this.disk.top, this.bytes);
  }

  /** Steps 802 to 832; `pending` ends after the switch, `after` is new. */
  checkpoint(pending: readonly DiskOperation[] = [], after: readonly DiskOperation[] = []): void {
    this.switchOn();
    this.disk.prepareCow();
    const old = this.disk.switchToCow();
    for (const operation of pending) apply(operation, old, this.bytes);
    const layer = this.disk.seal()!;
    this.checkpoints.push({ layer, bytes: this.bytes.slice() });
    this.disk.letGo(layer);
    this.use(after);
  }

  eliminate(index: number): void {
    this.checkpoints.splice(index, 1);
  }

  revert(index: number): void {
    const { layer, bytes } = this.checkpoints[index]!;
    goBack(this.disk, layer);
    this.bytes = bytes.slice();
  }

  setMode(mode: DiskMode): void {
    this.disk.change({ mode });
  }

  /** Closed and opened again, as a VM that is switched off and on. */
  restart(running: boolean): void {
    this.stopCollecting();
    this.disk.close();
    expectNoneOpen(this.files);
    this.disk = new VirtualDiskFiles(this.folder);
    this.running = running;
  }

  private switchOn(): void {
    if (!this.running) this.restart(true);
  }

  /** A few steps of the collector. */
  collect(steps: number): void {
    this.collector ??= new DiskCollector(this.disk, {
      needs: () => this.needs,
      running: this.running,
      landing: { thresholdBytes: 8192, whileStopped: action => action() },
    });
    for (let i = 0; i < steps; i++) if (this.collector.step(4096) !== 'more') return;
  }

  collectAll(): void {
    for (let i = 0; ; i++) {
      this.collect(50);
      const state = this.collector!.progress === undefined ? this.collector!.step(1) : 'more';
      if (state === 'done') return;
      // Storage did not let it put another layer on the top: that is given up, or repeated, by whoever gives up a checkpoint.
      if (state === 'waits') throw new StorageError('DISK_FULL', 'the top is between two files');
      if (i > 200) throw new Error('the collector comes to no end');
    }
  }

  stopCollecting(): void {
    this.collector?.[Symbol.dispose]();
    this.collector = undefined;
  }

  /** The guest and every checkpoint read as the arrays say, through files opened as they are now. */
  expectAll(): void {
    expectReads(this.disk.top, this.bytes);
    this.disk.flush();
    for (const { layer, bytes } of this.checkpoints) expectState(this.folder, layer, bytes);
  }

  /** `some`: after an error that ended an operation half-way. */
  expectCleanFiles(leaks: 'none' | 'some' = 'none'): void {
    for (const id of this.folder.layerIds()) expectClean(this.folder.host, this.folder.layerPath(id), leaks);
  }
}

/** Steps 906/908 of one disk. */
export function goBack(disk: VirtualDiskFiles, state: LayerId): void {
  const adoption = new Adoption([disk]);
  adoption.makeSure();
  disk.startBranch(state);
  adoption.adopt();
}

/** The disk is whole, and nothing of it lies about. */
export function expectVerified(
  folder: DiskFolder,
  needs: Needs,
  kinds: readonly DiskProblem['kind'][] = ['damage', 'untidy', 'pending'],
): void {
  expect(verify(folder, needs).problems.filter(({ kind }) => kinds.includes(kind))).toEqual([]);
}

export function verify(folder: DiskFolder, needs: Needs): DiskReport {
  const work = verifyDisk(folder, needs);
  for (;;) {
    const { done, value } = work.next();
    if (done === true) return value;
  }
}

/** No file was left open. */
export function expectNoneOpen({ open }: MemoryFiles): void {
  expect(open).toBe(0);
}

/** The disk as the guest's controller uses it: its top of the moment. */
export function guestView(disk: VirtualDiskFiles): Layer {
  return {
    get format() {
      return disk.top.format;
    },
    get sizeBytes() {
      return disk.top.sizeBytes;
    },
    get clusterBytes() {
      return disk.top.clusterBytes;
    },
    write: (offset: number, bytes: Uint8Array) => disk.top.write(offset, bytes),
    writeZeroes: (offset: number, length: number, unmap: boolean) => disk.top.writeZeroes(offset, length, unmap),
    discard: (offset: number, length: number) => disk.top.discard(offset, length),
    read: (offset: number, into: Uint8Array) => disk.top.read(offset, into),
    flush: () => disk.flush(),
  } as Layer;
}

/** Reads a state through files that are opened for it. */
export function readState(folder: DiskFolder, layer: LayerId | 'base'): Uint8Array {
  const descriptor = folder.read();
  using layers = new OpenLayers(folder, () => descriptor);
  return contents(layers.open(layer === 'base' ? 'base' : layers.place(layer)));
}

export function expectState(folder: DiskFolder, layer: LayerId, bytes: Uint8Array): void {
  const found = readState(folder, layer);
  if (sameBytes(found, bytes)) return;
  const differs = found.findIndex((byte, i) => byte !== bytes[i]);
  expect(differs === -1 ? 'the same' : `byte ${differs} of ${layer} differs`).toBe('the same');
}

function putQcow2(files: MemoryFiles, path: string, bytes: Uint8Array): void {
  const host = memoryHost(files);
  createQcow2(files, host.codec, path, { sizeBytes: bytes.length, clusterBytes: 4096 });
  using image = new Qcow2Image(files, host.codec, path, { writable: true });
  image.write(0, bytes);
  image.settle();
}
