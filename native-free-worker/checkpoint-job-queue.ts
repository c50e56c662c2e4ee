/** The checkpoint worker's jobs, one after another: checkpoints are written in the order in which they were stopped. */
import type { MessagePort } from 'node:worker_threads';
import { baseOf, type Base } from '#engine/checkpoint/base.ts';
import { eliminateCheckpoints, endSettingAside } from '#engine/checkpoint/eliminate.ts';
import type { KnownIndex } from '#engine/checkpoint/format/page-index.ts';
import { CheckpointReader } from '#engine/checkpoint/format/reader.ts';
import { DEFAULT_PACE, Pace, type PaceStep } from '#engine/checkpoint/pace.ts';
import { PageSource } from '#engine/checkpoint/page-source.ts';
import type { HostClock } from '#engine/checkpoint/ports.ts';
import { CheckpointStore } from '#engine/checkpoint/store.ts';
import { takeCheckpoint } from '#engine/checkpoint/take.ts';
import { StorageError } from '#engine/errors/errors.ts';
import { copyLiveMap, FrozenMap, memoryStats, touchSlot } from '#engine/memory/mmm.ts';
import type { HostFiles } from '#engine/ports/host-files.ts';
import {
  errorOf,
  failureOf,
  type CheckpointCommand,
  type CheckpointEvent,
  type CheckpointJob,
  type CheckpointReply,
  type Failure,
} from './checkpoint-protocol.ts';
import { DiskWaits } from './disk-waits.ts';
import { Codecs, nodeCodec } from './node-codec.ts';
import { LoadingReader } from './page-loading.ts';
import { SharingScanner, SHORTEST_PASS_MS } from './page-sharing.ts';
import { readFigures } from './throttle-figures.ts';

/** With less of the pool free than this, the stream hurries: each copied page that it writes is one that the VM gets back. */
const URGENT_SHARE = 1 / 16;
const PROGRESS_INTERVAL_MS = 50;

export interface JobSurroundings {
  readonly memory: SharedArrayBuffer;
  readonly ramBytes: number;
  readonly files: HostFiles;
  readonly clock: HostClock;
  readonly vcpu: Pick<MessagePort, 'postMessage'>;
  /** Wakes the vcpu worker for what was posted to it. */
  ringVcpu(): void;
  toKernel(event: CheckpointEvent): void;
  readonly pace?: readonly PaceStep[];
  /** Undefined: equal pages are not shared. */
  readonly sharePagesPerSecond?: number | undefined;
}

export class CheckpointJobQueue {
  private readonly parts: JobSurroundings;
  private base: Base | undefined;
  private loading: LoadingReader | undefined;
  /** Folders with files of eliminated checkpoints from which memory is still loaded. */
  private readonly setAside = new Set<string>();
  private readonly sharing: SharingScanner | undefined;
  private isWriting = false;
  private readonly codecs = new Codecs();
  private turn: Promise<void> = Promise.resolve();
  private readonly disks = new DiskWaits();

  constructor(parts: JobSurroundings) {
    this.parts = parts;
    for (const slot of [0, 1]) touchSlot(parts.memory, slot, parts.ramBytes / 4096);
    const { sharePagesPerSecond: pagesPerSecond, memory, clock } = parts;
    if (pagesPerSecond === undefined) return;
    const isWriting = () => this.isWriting;
    const reply = (found: CheckpointReply) => this.toVcpu(found);
    this.sharing = new SharingScanner({ memory, clock, pagesPerSecond, shortestPassMs: SHORTEST_PASS_MS, isWriting, reply });
    void this.sharing.run();
  }

  add(job: CheckpointJob): void {
    if (job.kind === 'copy-map') return this.copyMap(job.slot);
    if (job.kind === 'reads-ended') return this.disks.of(job.id).reads.resolve();
    if (job.kind === 'restored') return this.restored(job);
    if (job.kind === 'reverted') return this.reverted(job);
    if (job.kind === 'fill') return this.fill(job);
    if (job.kind === 'loaded') {
      if (this.loading?.number === job.load) void this.endLoading();
      return;
    }
    if (job.kind === 'merged') return this.sharing?.merged();
    this.turn = this.turn.then(() => this.run(job));
  }

  /** What became of the disks of a checkpoint that is being written. */
  settleDisks(command: CheckpointCommand & { kind: 'disks' | 'no-disks' }): void {
    const { pointers } = this.disks.of(command.id);
    if (command.kind === 'disks') pointers.resolve(command.pointers);
    else pointers.reject(errorOf(command.failure));
  }

  /** The VM has ended, and its disk operations with it. Settles when everything added so far is done. Nothing is loaded after it. */
  async finish(): Promise<void> {
    this.sharing?.end();
    this.disks.finish();
    await this.turn;
    await this.endLoading();
    await this.turn;
  }

  /** Between two takes, in the order in which it was told. */
  eliminate({ ticket, folder, ids }: CheckpointCommand & { kind: 'eliminate' }): void {
    this.turn = this.turn.then(() => {
      let failure: Failure | undefined;
      try {
        const isLoading = this.loading !== undefined;
        if (isLoading) this.setAside.add(folder);
        eliminateCheckpoints(new CheckpointStore(this.parts.files, folder), ids, nodeCodec, { isLoading });
      } catch (error) {
        failure = failureOf(error);
      }
      this.parts.toKernel({ kind: 'eliminated', ticket, failure });
    });
  }

  private async run(job: CheckpointJob & { kind: 'take' | 'refused' }): Promise<void> {
    if (job.kind === 'take') {
      this.isWriting = true;
      await this.take(job);
      this.isWriting = false;
      return;
    }
    this.parts.toKernel({ kind: 'failed', id: job.id, failure: job.failure });
  }

  /** No checkpoint is being written then: the vcpu sees to that. */
  private reverted({ path, folder, epoch, passphrase }: CheckpointJob & { kind: 'reverted' }): void {
    const store = new CheckpointStore(this.parts.files, folder);
    try {
      using reader = CheckpointReader.open(store.files, path, this.codecs.of({ passphrase }), this.known);
      this.base = baseOf(reader, epoch, store.folder);
    } catch {
      this.base = undefined; // its file has gone, or cannot be read: the next checkpoint is a whole one
    }
  }

  /** The first job of a world that goes on from a checkpoint, or of one that has gone back. No checkpoint is being written then. */
  private restored({ path, folder, epoch, load, passphrase }: CheckpointJob & { kind: 'restored' }): void {
    const { memory, files, clock } = this.parts;
    const store = new CheckpointStore(files, folder);
    let source: PageSource | undefined;
    void this.endLoading();
    try {
      source = PageSource.open(store, path, this.codecs.of({ passphrase }), this.known);
      this.base = baseOf(source.reader, epoch, store.folder);
    } catch {
      this.base = undefined; // the file went after it was restored from: the next checkpoint is a whole one
    }
    if (load !== undefined) this.loading = new LoadingReader(load, source, memory, clock, reply => this.toVcpu(reply));
    else source?.[Symbol.dispose]();
  }

  private get known(): KnownIndex | undefined {
    if (this.base === undefined) return undefined;
    const { self, index } = this.base;
    return { id: self.id, commitChecksum: self.commitChecksum, kinds: index.kinds, places: index.places };
  }

  private copyMap(slot: number): void {
    copyLiveMap(this.parts.memory, slot);
    this.toVcpu({ kind: 'map-copied' });
  }

  private isUrgent(): boolean {
    const { poolPages, usedPages } = memoryStats(this.parts.memory);
    return poolPages - usedPages < poolPages * URGENT_SHARE;
  }

  private fill({ load, ppns }: CheckpointJob & { kind: 'fill' }): void {
    if (this.loading?.number === load) this.loading.fill(ppns);
    else this.toVcpu({ kind: 'unreadable', load, ppns });
  }

  private async endLoading(): Promise<void> {
    const { loading } = this;
    this.loading = undefined;
    await loading?.end();
    this.turn = this.turn.then(() => this.endSettingAside());
  }

  /** What storage fails to remove goes when the VM is opened next. */
  private endSettingAside(): void {
    if (this.loading !== undefined) return; // from another checkpoint by now
    for (const folder of this.setAside) {
      this.setAside.delete(folder);
      try {
        endSettingAside(new CheckpointStore(this.parts.files, folder), nodeCodec);
      } catch (error) {
        if (!(error instanceof StorageError)) throw error;
      }
    }
  }

  private toVcpu(reply: CheckpointReply): void {
    this.parts.vcpu.postMessage(reply);
    this.parts.ringVcpu();
  }

  private async take({ order, stopped, startedMs }: CheckpointJob & { kind: 'take' }): Promise<void> {
    const { memory, ramBytes, files, clock, toKernel } = this.parts;
    const { folder, hasDisks, keepInRam, pace: steps, passphrase, compression, ...request } = order;
    const pace = new Pace(clock, steps ?? this.parts.pace ?? DEFAULT_PACE, () => this.isUrgent());
    const { id } = order;
    const disks = this.disks.of(id);
    let event: CheckpointEvent;
    try {
      const taken = await takeCheckpoint({ ...request, ramBytes, running: true }, stopped, new FrozenMap(memory, stopped.slot), {
        store: new CheckpointStore(files, folder),
        codec: this.codecs.of({ passphrase, compression }),
        clock,
        pace,
        base: this.base,
        startedMs,
        ...(keepInRam && { pinned: () => true }), // its map must stay whole
        unloaded: gppn => this.loading?.page(gppn),
        step: this.progress(id, pace),
        ...(hasDisks && { beforePages: () => disks.reads.promise, disks: () => disks.pointers.promise }),
      });
      this.base = taken.base;
      event = { kind: 'done', id, info: taken.info };
    } catch (error) {
      event = { kind: 'failed', id, failure: failureOf(error) };
    }
    this.toVcpu({ kind: 'thaw', slot: stopped.slot, written: event.kind === 'done' ? this.known : undefined });
    // The kernel lets the frozen files go when it hears of a failure, and until then a read may be done again from them (815).
    if (hasDisks) await disks.reads.promise;
    this.disks.forget(id);
    toKernel(event);
  }

  /** Tells the kernel of each new step, and of the share at most every 50 ms. */
  private progress(id: string, pace: Pace): (step: number, share: number) => void {
    let lastStep = 0;
    let lastMs = 0;
    return (step, share) => {
      const nowMs = this.parts.clock.nowMs();
      if (step === lastStep && nowMs - lastMs < PROGRESS_INTERVAL_MS) return;
      lastStep = step;
      lastMs = nowMs;
      this.parts.toKernel({ kind: 'progress', id, step, share, figures: { ...readFigures(this.parts.memory), workShare: pace.share } });
    };
  }
}
