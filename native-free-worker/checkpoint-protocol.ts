/**
 * What kernel, vcpu worker and checkpoint worker say to each other about checkpoints.
 *
 *   kernel ── ACTION_CHECKPOINT { CheckpointOrder } ──▶ vcpu ── CheckpointJob ──▶ checkpoint worker ── CheckpointEvent ──▶ kernel
 *   kernel ── CheckpointCommand ───────────────────────────────────────────────▶ checkpoint worker ── CheckpointEvent ──▶ kernel
 *                                                       vcpu ◀── CheckpointReply (and its doorbell) ──┘
 *
 * The vcpu and the checkpoint worker share a MessagePort; the kernel hears the checkpoint worker by its worker's messages.
 */
import type { KnownIndex } from '#engine/checkpoint/format/page-index.ts';
import type { DiskPointer } from '#engine/checkpoint/format/schemas.ts';
import type { Filled } from '#engine/checkpoint/prefetch.ts';
import type { PaceStep } from '#engine/checkpoint/pace.ts';
import type { ThrottleFigures } from '#engine/checkpoint/throttle.ts';
import type { Stopped } from '#engine/checkpoint/stopped.ts';
import type { CheckpointInfo } from '#engine/checkpoint/info.ts';
import { CairnError, CheckpointError, messageOf } from '#engine/errors/errors.ts';
import type { MessagePort } from 'node:worker_threads';

/** Payload of ACTION_CHECKPOINT, as JSON. */
export interface CheckpointOrder {
  readonly id: string;
  readonly parent: string | null;
  readonly vmName: string;
  readonly title: string;
  /** ISO 8601, UTC. */
  readonly takenAt: string;
  /** What copies may take while it is written, for this and later ones; undefined: a part of the pool (§111). */
  readonly copyLimitBytes?: number;
  /** How hard the checkpoint worker works, in steps (§110); undefined: DEFAULT_PACE. */
  readonly pace?: readonly PaceStep[];
  /** The file is encrypted with it. */
  readonly passphrase?: string;
  /** zstd level 1 to 19, 0 for none; undefined: 1. */
  readonly compression?: number;
  /** It can be reverted to in RAM, too, as long as there are pages enough. */
  readonly keepInRam?: boolean;
  /** The folder of ID.ckpt files. */
  readonly folder: string;
  /** The VM has disks that the checkpoint holds: its pointers to them come by CheckpointCommand once they are durable. */
  readonly hasDisks: boolean;
  readonly trigger?: string;
  readonly mode?: string;
  readonly poweredOnMs?: number;
}

/** What the checkpoint worker starts with. */
export interface CheckpointWorkerData {
  readonly memory: SharedArrayBuffer;
  readonly ramBytes: number;
  readonly vcpu: MessagePort;
  /** Equal pages are looked for at this pace (§138); undefined: not at all. */
  readonly sharePagesPerSecond: number | undefined;
}

/** What a checkpoint costs while it is written. */
export interface ProgressFigures extends ThrottleFigures {
  /** The share of the time that the checkpoint worker works, 0 to 1 (§110). */
  readonly workShare: number;
}

export interface Failure {
  readonly code: string;
  readonly message: string;
  readonly step: number | undefined;
}

/** vcpu → checkpoint worker. */
export type CheckpointJob =
  /** The stop is near: the live map is to be copied into this empty slot. */
  | { readonly kind: 'copy-map'; readonly slot: number }
  | { readonly kind: 'take'; readonly order: CheckpointOrder; readonly stopped: Stopped; readonly startedMs: number }
  /** Step 822: every read that was pending at the stop of this checkpoint has ended. Comes after its 'take'. */
  | { readonly kind: 'reads-ended'; readonly id: string }
  /** The stopped part failed: the kernel is to be told. */
  | { readonly kind: 'refused'; readonly id: string; readonly failure: Failure }
  /** The machine was filled from this checkpoint, at the start or again: later ones may point to it. `load`: numbers what still has to be loaded; undefined when nothing has. */
  | {
      readonly kind: 'restored';
      readonly path: string;
      readonly folder: string;
      readonly epoch: number;
      readonly load: number | undefined;
      readonly passphrase: string | undefined;
    }
  /** Reserved machine pages (PPN), to be filled with what is not loaded yet. */
  | { readonly kind: 'fill'; readonly load: number; readonly ppns: Uint32Array }
  /** Everything is loaded, or nothing more is wanted. */
  | { readonly kind: 'loaded'; readonly load: number }
  /** The machine is again what it was at this checkpoint of this world, whose marks are of `epoch`: later ones may point to it, and to none that came after it. */
  | {
      readonly kind: 'reverted';
      readonly path: string;
      readonly folder: string;
      readonly epoch: number;
      readonly passphrase: string | undefined;
    }
  /** The answer to each `equal`. */
  | { readonly kind: 'merged' };

/** checkpoint worker → vcpu. */
export type CheckpointReply =
  /** The answer to `copy-map`. */
  | { readonly kind: 'map-copied' }
  /** Nobody reads the frozen map any more (step 828). `written`: the index of the file; undefined: there is none. */
  | { readonly kind: 'thaw'; readonly slot: number; readonly written: KnownIndex | undefined }
  /** The answer to each `fill`. `done`: nothing is left that this worker could load. */
  | { readonly kind: 'filled'; readonly load: number; readonly filled: Filled; readonly done: boolean }
  /** The answer to a `fill` that met a page group that is damaged, or cannot be read. */
  | { readonly kind: 'unreadable'; readonly load: number; readonly ppns: Uint32Array }
  /** Pages that look equal: GPPN, GPPN, … in pairs, to be merged (§138). `endsPass`: then the epoch ends. */
  | { readonly kind: 'equal'; readonly pairs: Uint32Array; readonly endsPass: boolean };

/** checkpoint worker → kernel. */
export type CheckpointEvent =
  | { readonly kind: 'progress'; readonly id: string; readonly step: number; readonly share: number; readonly figures: ProgressFigures }
  | { readonly kind: 'done'; readonly id: string; readonly info: CheckpointInfo }
  | { readonly kind: 'failed'; readonly id: string; readonly failure: Failure }
  /** Without a failure: they are eliminated. */
  | { readonly kind: 'eliminated'; readonly ticket: string; readonly failure: Failure | undefined };

/** kernel → checkpoint worker. */
export type CheckpointCommand =
  /** No more will come, and every disk operation has ended; end when what is under way is done. */
  | { readonly kind: 'finish' }
  /** Step 832: the layers pointed to are durable; or they can't be, and the checkpoint fails. */
  | { readonly kind: 'disks'; readonly id: string; readonly pointers: readonly DiskPointer[] }
  | { readonly kind: 'no-disks'; readonly id: string; readonly failure: Failure }
  /** While a world runs, checkpoints of its folder are eliminated here, between two takes, for one that is being written may point to any of them. */
  | { readonly kind: 'eliminate'; readonly ticket: string; readonly folder: string; readonly ids: readonly string[] };

export function failureOf(error: unknown): Failure {
  return {
    code: error instanceof CairnError ? error.code : 'INTERNAL',
    message: messageOf(error),
    step: error instanceof CheckpointError ? error.step : undefined,
  };
}

export const errorOf = ({ code, message, step }: Failure): CheckpointError =>
  new CheckpointError(code, message, step === undefined ? {} : { step });
