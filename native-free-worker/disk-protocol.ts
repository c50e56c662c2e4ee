/** What the kernel and a world's disk worker say to each other, by the worker's messages; after each the kernel rings the disk doorbell. Operations take the rings (drive-protocol.ts). */
import type { DiskFormat } from '#engine/disk/block.ts';
import type { DiskMode, LayerId } from '#engine/disk/graph/descriptor.ts';
import type { DiskPointer } from '#engine/checkpoint/format/schemas.ts';
import type { Failure } from './checkpoint-protocol.ts';

/** What a flush of the guest's means: `writethrough`: every write is flushed before it ends; `unsafe`: nothing is flushed before the world ends. */
export type CachePolicy = 'writeback' | 'writethrough' | 'unsafe';

/** The files of a virtual disk. */
export type DiskSource =
  /** One image, as it lies, for reading only: it is no part of checkpoints. `allow`: where its backing files may lie besides its own folder. */
  | { readonly kind: 'image'; readonly path: string; readonly format: DiskFormat; readonly allow: readonly string[] }
  /** A CD-ROM drive without a disc. */
  | { readonly kind: 'none' }
  /** The descriptor and the layers in `folder` (docs/formats/disk-graph.md), named as the disk. `startAt`: a state to branch from, which becomes the top when it is adopted. */
  | { readonly kind: 'graph'; readonly folder: string; readonly startAt: LayerId | undefined };

/** A virtual disk of a world. */
export interface DiskSpec {
  /** Unique in the machine: `disk0`… */
  readonly name: string;
  readonly source: DiskSource;
  readonly interface: 'virtio' | 'ide' | 'scsi';
  readonly media: 'disk' | 'cdrom';
  readonly cache: CachePolicy;
  readonly serial: string;
}

/** What the machine must know of a disk before it starts. */
export interface OpenedDisk extends Pick<DiskSpec, 'name' | 'interface' | 'media' | 'serial'> {
  readonly sizeBytes: number;
  readonly readOnly: boolean;
  readonly writeThrough: boolean;
  readonly clusterBytes: number;
  /** Checkpoints hold it: step 810 switches it. */
  readonly inCheckpoints: boolean;
  /** Of the disc in a CD-ROM drive; '' of anything else. */
  readonly fingerprint: string;
}

/** What can lie in a CD-ROM drive. */
export type Medium = Extract<DiskSource, { readonly kind: 'image' | 'none' }>;

/** What the disk worker starts with. */
export interface DiskWorkerData {
  readonly memory: SharedArrayBuffer;
  /** A guest writes to the disks. */
  readonly running: boolean;
  readonly disks: readonly DiskSpec[];
}

/** What must be kept of one disk besides its top. */
export interface DiskNeeds {
  readonly disk: string;
  /** States that checkpoints point to. */
  readonly pointed: readonly LayerId[];
  /** States that linked clones lie on. */
  readonly pinned: readonly LayerId[];
  /** How many files a chain is to have at most; not given: as many as is usual. */
  readonly depth?: number;
}

/** Requests by their kind: what is asked for. Each is answered once. */
export interface DiskRequests {
  /** Step 802, for every disk that checkpoints hold. Answers where the checkpoint will point to. */
  prepare: { readonly mode: DiskMode | undefined };
  /** Step 810, where no guest runs. */
  switch: Record<never, never>;
  /** 830 and 832: answered once all operations from before the switch have ended and the old tops are durable. */
  seal: Record<never, never>;
  /** The checkpoint is complete, or there will be none: what it needs of the disks follows from the needs again. */
  'let-go': Record<never, never>;
  /** What is needed from now on; undefined: nobody can say, so everything is. The collector removes, merges and puts aside the rest between the guest's operations. */
  needs: { readonly disks: readonly DiskNeeds[] | undefined; readonly mode: DiskMode };
  /** Answered when the collector has nothing left that it can do. */
  collected: Record<never, never>;
  /** `hold`: nothing changes the files' places, for another world branches from them; false takes that back. */
  hold: { readonly hold: boolean };
  /**
   * Steps 906 and 908, what takes long: these disks get branches that go on from these states, and all others lose theirs. The guest may run on meanwhile, in the tops. When it fails no disk has one.
   */
  branch: { readonly disks: readonly DiskPointer[] };
  /** The branches become the tops: of all disks or, when it fails, of none. The VM is off, or stands still. `drop`: what it had submitted is of a future that is given up. */
  adopt: { readonly drop: boolean };
  /** Answered when it is sure of every disk which state it has: a branch or an adoption that failed may leave that open until the host's storage is well. */
  settled: Record<never, never>;
  /** Another world has the disks: everything is closed as it is. */
  release: Record<never, never>;
  /** A disc for the drive `disk` is opened beside the one that is in it. Answers what it is; the guest gets it with DISK_MEDIUM, when the drive has let go of the old one. */
  'open-medium': { readonly disk: string; readonly medium: Medium };
  /** `isTaken`: answered when the guest has the new disc, and the old one is closed. Otherwise the new one is closed. */
  'settle-medium': { readonly disk: string; readonly isTaken: boolean };
  /** The world has ended: what is in the ring is executed, all layers are flushed and closed, and the worker ends after its answer. */
  finish: Record<never, never>;
}
export type DiskRequestKind = keyof DiskRequests;
export type DiskRequest<K extends DiskRequestKind = DiskRequestKind> = {
  [P in K]: { readonly id: number; readonly kind: P } & DiskRequests[P];
}[K];
/** What the answer to each carries. */
export interface DiskAnswers extends Record<Exclude<DiskRequestKind, 'prepare' | 'open-medium'>, undefined> {
  prepare: readonly DiskPointer[];
  'open-medium': OpenedDisk;
}

/** What the collector does, for the user. */
export interface DiskProgress {
  readonly disk: string;
  /** A step of engine/disk/graph/plan.ts; null: nothing more is done. */
  readonly step: string | null;
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export type DiskMessage =
  /** All disks are open. */
  | { readonly kind: 'opened'; readonly disks: readonly OpenedDisk[] }
  /** One cannot be: the worker has ended. */
  | { readonly kind: 'refused'; readonly failure: Failure }
  | { readonly kind: 'answer'; readonly id: number; readonly result: unknown }
  | { readonly kind: 'failed'; readonly id: number; readonly failure: Failure }
  | { readonly kind: 'progress'; readonly progress: DiskProgress }
  /** One sentence for the user. */
  | { readonly kind: 'notice'; readonly text: string };
