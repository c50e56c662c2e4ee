/**
 * Loading memory in the background, both sides: the vcpu thread reserves machine pages and takes them over filled, between slices; the checkpoint worker fills them, at
 * its own pace.
 */
import { Pace, type PaceStep } from '#engine/checkpoint/pace.ts';
import type { PageSource } from '#engine/checkpoint/page-source.ts';
import type { HostClock, PagesToLoad } from '#engine/checkpoint/ports.ts';
import { Prefetch, type Filled } from '#engine/checkpoint/prefetch.ts';
import type { CoreExports } from '#engine/cpu/core-exports.ts';
import { memoryStats } from '#engine/memory/mmm.ts';
import { StorageError } from '#engine/errors/errors.ts';
import type { CheckpointJob, CheckpointReply } from './checkpoint-protocol.ts';

/** Pages in one batch, and batches under way: a megabyte each, so that the worker always has one to fill. */
const BATCH_PAGES = 256;
const BATCHES = 3;
/** Pages are loaded ahead of need while more than this part of the pool is free. */
export const RESERVE_PART = 32;
/** The guest has just begun, and touches what it needs by itself: the reader leaves it half of a processor for a while. */
export const LOADING_PACE: readonly PaceStep[] = [
  { afterMs: 0, share: 0.5 },
  { afterMs: 3000, share: 1 },
];

export type LoadingExports = Pick<CoreExports, 'freePages' | 'reservePage' | 'adoptPage' | 'returnPage'>;

/**
 * Pages that come when they are touched, from a file on storage that may fail. The guest cannot go on without its page, nor can the thread leave the
 * instruction or the device that touched it: so it stands still there, and reads again when the user says so.
 */
export class PatientPages {
  private readonly pages: PagesToLoad;
  /** Returns when it is to be tried again; `reason` is a sentence. Until it is set, errors are thrown. */
  wait: ((reason: string) => void) | undefined;

  constructor(pages: PagesToLoad) {
    this.pages = pages;
  }

  load(gppn: number): void {
    this.untilWell(() => this.pages.load(gppn));
  }

  loadNext(): boolean {
    return this.untilWell(() => this.pages.loadNext());
  }

  private untilWell<T>(read: () => T): T {
    for (;;) {
      try {
        return read();
      } catch (error) {
        if (!(error instanceof StorageError) || this.wait === undefined) throw error;
        this.wait(error.message);
      }
    }
  }
}

/** The vcpu thread's side. */
export class LoadingVcpu {
  private readonly core: LoadingExports;
  private readonly memory: SharedArrayBuffer;
  private readonly later: PagesToLoad & Disposable;
  /** Of `later`. */
  readonly patient: PatientPages;
  private readonly send: (job: CheckpointJob) => void;
  /** Tells its batches from those of a restore before. */
  readonly number: number;
  private underWay = 0;
  private givenUp = false;
  /** The checkpoint worker cannot load any more: what is left is loaded here. */
  private alone = false;
  private ended = false;

  constructor(
    number: number,
    core: LoadingExports,
    memory: SharedArrayBuffer,
    later: PagesToLoad & Disposable,
    send: (job: CheckpointJob) => void,
  ) {
    this.number = number;
    this.core = core;
    this.memory = memory;
    this.later = later;
    this.patient = new PatientPages(later);
    this.send = send;
  }

  get isOver(): boolean {
    return this.ended && this.underWay === 0;
  }

  /** The machine is about to be filled from another file: what is under way is not taken over any more. */
  giveUp(): void {
    this.givenUp = true;
    if (!this.ended) this.end();
  }

  take(reply: CheckpointReply & { kind: 'filled' | 'unreadable' }): void {
    this.underWay--;
    if (reply.kind === 'unreadable') {
      for (const ppn of reply.ppns) this.core.returnPage(ppn);
      this.alone = true; // what is wrong with it is found again here
      return;
    }
    const { pairs, unused } = reply.filled;
    for (let at = 0; at < pairs.length; at += 2) {
      if (this.givenUp) this.core.returnPage(pairs[at + 1]!);
      else this.core.adoptPage(pairs[at]!, pairs[at + 1]!);
    }
    for (const ppn of unused) this.core.returnPage(ppn);
    this.alone ||= reply.done;
  }

  /** A bounded piece of work between two slices; true when there is more to be done at once. */
  work(): boolean {
    if (this.ended) return false;
    if (memoryStats(this.memory).notLoaded === 0) {
      if (this.underWay === 0) this.end();
      return false;
    }
    if (this.alone) return this.underWay === 0 && this.patient.loadNext();
    while (this.underWay < BATCHES && this.reserve());
    return false;
  }

  /** False when the pool is too short to load ahead of need. */
  private reserve(): boolean {
    const { poolPages } = memoryStats(this.memory);
    if (this.core.freePages() < BATCH_PAGES + poolPages / RESERVE_PART) return false;
    const ppns = Uint32Array.from({ length: BATCH_PAGES }, () => this.core.reservePage());
    this.underWay++;
    this.send({ kind: 'fill', load: this.number, ppns });
    return true;
  }

  private end(): void {
    this.later[Symbol.dispose]();
    this.send({ kind: 'loaded', load: this.number });
    this.ended = true;
  }
}

/** Thrown out of a batch that nobody wants any more. */
const OVER = Symbol('over');

/** The checkpoint worker's side. */
export class LoadingReader {
  readonly number: number;
  private isOver = false;
  private readonly source: PageSource | undefined;
  private readonly prefetch: Prefetch | undefined;
  private readonly pace: Pace;
  private readonly reply: (reply: CheckpointReply) => void;
  private turn: Promise<void> = Promise.resolve();
  private last: { readonly file: number; readonly group: number; readonly pages: Uint8Array } | undefined;

  /** `source`: undefined when the files have gone meanwhile. */
  constructor(
    number: number,
    source: PageSource | undefined,
    memory: SharedArrayBuffer,
    clock: HostClock,
    reply: (reply: CheckpointReply) => void,
  ) {
    this.number = number;
    this.source = source;
    this.prefetch = source && new Prefetch(source, memory);
    this.pace = new Pace(clock, LOADING_PACE);
    this.reply = reply;
  }

  fill(ppns: Uint32Array): void {
    const load = this.number;
    this.turn = this.turn.then(async () => {
      try {
        const filled: Filled = (await this.prefetch?.fill(ppns, () => this.unitDone())) ?? { pairs: new Uint32Array(), unused: ppns };
        this.reply({ kind: 'filled', load, filled, done: this.prefetch?.done ?? true });
      } catch {
        this.reply({ kind: 'unreadable', load, ppns });
      }
    });
  }

  /** A page that is not loaded yet; undefined when the files have gone. */
  page(gppn: number): Uint8Array | undefined {
    const { source } = this;
    if (source === undefined) return undefined;
    const [file, group] = [source.fileOf(gppn), source.groupOf(gppn)];
    if (this.last?.file !== file || this.last.group !== group) this.last = { file, group, pages: source.read(file, group) };
    return source.pageIn(this.last.pages, gppn);
  }

  /** Nothing more is loaded; the files are closed once what is being read has been. */
  end(): Promise<void> {
    this.isOver = true;
    return this.turn.then(() => this.source?.[Symbol.dispose]());
  }

  private async unitDone(): Promise<void> {
    await this.pace.unitDone();
    if (this.isOver) throw OVER;
  }
}
