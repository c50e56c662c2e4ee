/** What the kernel and a world's disk worker say to each other, by the worker's messages; after each the kernel rings the disk doorbell. Operations take the rings (drive-protocol.ts). */
import type { DiskFormat } from '#engine/disk/block.ts';
import type { CowOptions } from '#engine/disk/chain.ts';
import type { BackingPolicy } from '#engine/disk/paths.ts';
import type { Failure } from './checkpoint-protocol.ts';

/** What a flush of the guest's means: `writethrough`: every write is flushed before it ends; `unsafe`: nothing is flushed before the world ends. */
export type CachePolicy = 'writeback' | 'writethrough' | 'unsafe';

/** A virtual disk of a world, and the top file of its chain. */
export interface DiskSpec {
  /** Unique in the machine. */
  readonly name: string;
  readonly path: string;
  readonly format: DiskFormat;
  readonly writable: boolean;
  readonly interface: 'virtio' | 'ide' | 'scsi';
  readonly media: 'disk' | 'cdrom';
  readonly cache: CachePolicy;
  readonly serial: string;
  /** Which backing files may be followed. */
  readonly allow: BackingPolicy;
}

/** What the machine must know of a disk before it starts. */
export interface OpenedDisk extends Pick<DiskSpec, 'name' | 'interface' | 'media' | 'serial'> {
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  readonly clusterBytes: number;
}

/** workerData of the disk worker. */
export interface DiskWorkerData {
  readonly memory: SharedArrayBuffer;
  readonly disks: readonly DiskSpec[];
}

/** Requests by their kind: what is asked for. Each is answered once. */
export interface DiskRequests {
  /** Step 802: a new COW file over the top of a disk. The number that answers is what DriveChannel.switchTop() takes. */
  'prepare-cow': { readonly disk: number; readonly path: string; readonly options: CowOptions };
  /** The stop was refused: the file of 802 is closed; who asked removes it. */
  'drop-cow': { readonly disk: number; readonly layer: number };
  /** The world has ended: what is in the ring is executed, all layers are flushed and closed, and the worker ends after its answer. */
  finish: Record<never, never>;
}
export type DiskRequestKind = keyof DiskRequests;
export type DiskRequest<K extends DiskRequestKind = DiskRequestKind> = {
  [P in K]: { readonly id: number; readonly kind: P } & DiskRequests[P];
}[K];
/** What the answer to each carries. */
export interface DiskAnswers {
  /** The layer's number. */
  'prepare-cow': number;
  'drop-cow': undefined;
  finish: undefined;
}

export type DiskMessage =
  /** All disks are open. */
  | { readonly kind: 'opened'; readonly disks: readonly OpenedDisk[] }
  /** One cannot be: the worker has ended. */
  | { readonly kind: 'refused'; readonly failure: Failure }
  | { readonly kind: 'answer'; readonly id: number; readonly result: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly failure: Failure }
  /** One sentence for the user. */
  | { readonly kind: 'notice'; readonly text: string };
