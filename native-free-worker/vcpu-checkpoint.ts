/** The checkpoint software's part on the vcpu thread: the stop (804-814), and afterwards removing marks (828) and freeing pages, in bounded pieces between slices. */
import { receiveMessageOnPort, type MessagePort } from 'node:worker_threads';
import type { KnownIndex } from '#engine/checkpoint/format/page-index.ts';
import type { PagesToLoad, RestorableVm, StoppableVm } from '#engine/checkpoint/ports.ts';
import { ReadyRestore, type Restored } from '#engine/checkpoint/restore.ts';
import { CheckpointStore } from '#engine/checkpoint/store.ts';
import { CowThrottle } from '#engine/checkpoint/throttle.ts';
import { whileStopped } from '#engine/checkpoint/stopped.ts';
import type { CoreExports } from '#engine/cpu/core-exports.ts';
import type { Machine } from '#engine/machine/machine.ts';
import { LIVE_MAP, PAGE_SIZE } from '#engine/memory/layout.ts';
import { MAP_ENTRIES, MMM_MAP_LIMIT } from '#engine/memory/mmm-block.ts';
import { findEmptySlot, FrozenMap, memoryStats, type MemoryStats } from '#engine/memory/mmm.ts';
import { CairnError, CheckpointError, InvariantError } from '#engine/errors/errors.ts';
import type { HostFiles } from '#engine/ports/host-files.ts';
import { failureOf, type CheckpointJob, type CheckpointOrder, type CheckpointReply } from './checkpoint-protocol.ts';
import type { DriveChannel } from './drive-channel.ts';
import { Lineage } from './lineage.ts';
import { hostClock } from './host-clock.ts';
import { Codecs } from './node-codec.ts';
import { LoadingVcpu, PatientPages, RESERVE_PART } from './page-loading.ts';
import { SharingVcpu } from './page-sharing.ts';
import { storedFiles } from './stored-files.ts';
import { writeFigures } from './throttle-figures.ts';
import type { RestoreOrder, RevertOrder } from './protocol.ts';
import { RamCheckpoints, type Kept } from './ram-checkpoints.ts';
import type { ReadyRevert, VcpuCheckpoint } from './vcpu-loop.ts';

/** Map entries looked at between two slices: some 50 µs. */
const RECLAIM_CHUNK = 16384;

export type MemoryExports = Pick<
  CoreExports,
  | 'prepareFreeze'
  | 'freeze'
  | 'thaw'
  | 'reclaim'
  | 'freePages'
  | 'installPage'
  | 'clearRam'
  | 'endEpoch'
  | 'restoreFrozen'
  | 'resetDerived'
  | 'clearPage'
  | 'expectPages'
  | 'forgetSince'
  | 'placePage'
  | 'reservePage'
  | 'adoptPage'
  | 'returnPage'
  | 'mergePages'
>;

/** The VM's disks on this thread (drive-channel.ts). */
export type CheckpointDisks = Pick<DriveChannel, 'canStop' | 'trouble' | 'switchTops' | 'hasReadThenWrite' | 'waitForAll' | 'onceEnded'>;

export class MachineCheckpoint implements VcpuCheckpoint {
  private readonly machine: Machine;
  private readonly core: MemoryExports;
  private readonly port: MessagePort;
  private readonly files: HostFiles;
  private readonly vm: StoppableVm;
  private readonly disks: CheckpointDisks | undefined;
  private underWay = 0;
  /** The frozen epoch of the first of those under way, and the pages in use then that the VM itself did not have, as far as they are not freed yet: copies in RAM hold them. */
  private began = { epoch: 0, keptPages: 0 };
  /** Where the live map is, or is being, copied to before a stop. */
  private prepared: { readonly slot: number; copied: boolean } | undefined;
  private readonly thawed: number[] = [];
  /** Ordered, and not stopped for yet. */
  private readonly orders: { readonly order: CheckpointOrder; readonly startedMs: number }[] = [];
  private readonly memory: SharedArrayBuffer;
  /** Files that the machine's memory still comes from: the last one, and what is left to be given back of those before. */
  private readonly loadings = new Map<number, LoadingVcpu>();
  private loads = 0;
  private waitForStorage: ((reason: string) => void) | undefined;
  private readonly codecs = new Codecs();
  private readonly sharing: SharingVcpu;
  private readonly inRam: RamCheckpoints;
  private readonly lineage = new Lineage();
  /** Of the checkpoint that was last taken, or restored from: what is likeliest to be gone back to. */
  private known: KnownIndex | undefined;
  private readonly throttle: CowThrottle;
  /** The checkpoint worker looks for equal pages, and tells of them unasked (§138). */
  sharesMemory = false;
  /** Slots whose maps stay in RAM once their files are written. */
  private readonly toKeep = new Map<number, Kept>();

  /** `port` leads to the checkpoint worker; nobody else may listen on it. `files`: where checkpoints lie. */
  constructor(
    machine: Machine,
    core: MemoryExports,
    memory: SharedArrayBuffer,
    port: MessagePort,
    disks?: CheckpointDisks,
    files: HostFiles = storedFiles,
  ) {
    this.files = files;
    this.machine = machine;
    this.core = core;
    this.port = port;
    this.disks = disks;
    this.memory = memory;
    this.throttle = new CowThrottle(() => this.stats());
    this.sharing = new SharingVcpu(core, job => this.send(job));
    this.inRam = new RamCheckpoints(core, memory, slot => this.thaw(slot));
    this.vm = {
      freeze: () => {
        const slot = this.prepared?.slot ?? findEmptySlot(memory);
        this.prepared = undefined;
        return slot === undefined ? undefined : { slot, epoch: core.freeze(slot) >>> 0 };
      },
      thaw: slot => this.thaw(slot),
      saveDevices: () => machine.saveDevices(),
      ...(disks && { disks }),
    };
  }

  /** An order comes soon: most of step 806 is done while the guest runs, unless the checkpoint worker has a checkpoint to write. */
  prepare(): void {
    const slot = findEmptySlot(this.memory);
    if (this.prepared !== undefined || this.underWay > 0 || slot === undefined) return;
    this.core.prepareFreeze(slot);
    this.prepared = { slot, copied: false };
    this.send({ kind: 'copy-map', slot });
  }

  /** `order` is a CheckpointOrder. The stop comes at once, or with work() where the map is being copied or disk operations are in the way. */
  take(order: unknown): void {
    const { copyLimitBytes } = order as CheckpointOrder;
    if (copyLimitBytes !== undefined) this.throttle.limitBytes = copyLimitBytes;
    this.orders.push({ order: order as CheckpointOrder, startedMs: hostClock.nowMs() });
    this.stopWherePossible();
  }

  refuse(order: unknown, reason: string): void {
    const error = new CheckpointError('STORAGE', `${reason} No checkpoint can be taken before that.`, { step: 804 });
    this.send({ kind: 'refused', id: (order as CheckpointOrder).id, failure: failureOf(error) });
  }

  /** `wait`: stands still until storage that failed is to be tried again. */
  set whenStorageFails(wait: (reason: string) => void) {
    this.waitForStorage = wait;
    for (const { patient } of this.loadings.values()) patient.wait = wait;
  }

  private stopWherePossible(): void {
    const next = this.orders[0];
    if (next === undefined || this.prepared?.copied === false) return;
    try {
      if (!(this.disks?.canStop ?? true)) {
        const trouble = this.disks?.trouble;
        if (trouble === undefined) return;
        throw new CheckpointError('DISK_TROUBLE', `${trouble} No checkpoint can be taken before that.`, { step: 804 });
      }
      this.stop(next.order, next.startedMs);
    } catch (error) {
      this.send({ kind: 'refused', id: next.order.id, failure: failureOf(error) });
    }
    this.orders.shift();
  }

  /** Steps 804-814, and 822's word when it can be given. */
  private stop(order: CheckpointOrder, startedMs: number): void {
    const { keptPages } = this.stats();
    const stopped = whileStopped(this.vm, hostClock);
    this.lineage.isAt(order.id, stopped.epoch);
    try {
      this.send({ kind: 'take', order, stopped, startedMs });
      if (this.underWay++ === 0) this.began = { epoch: stopped.epoch, keptPages };
      if (order.keepInRam) this.toKeep.set(stopped.slot, { id: order.id, slot: stopped.slot, devices: stopped.devices });
    } catch (error) {
      this.thaw(stopped.slot);
      throw error;
    }
    this.disks?.onceEnded('reads', () => this.send({ kind: 'reads-ended', id: order.id }));
  }

  /** Tells the checkpoint worker which file this machine was filled from, or, with `later`, is still to be filled from. */
  restored({ path, folder, passphrase }: RestoreOrder, { info, known, epoch, later }: Restored): void {
    this.known = known;
    this.lineage.isAt(info.id, epoch);
    const load = later && ++this.loads;
    this.send({ kind: 'restored', path, folder, epoch, load, passphrase });
    if (later === undefined || load === undefined) return;
    const loading = new LoadingVcpu(load, this.core, this.memory, later, job => this.send(job));
    loading.patient.wait = this.waitForStorage;
    this.loadings.set(load, loading);
    this.machine.loadFrom(loading.patient);
  }

  ran(elapsedNs: number): number {
    const restNs = this.throttle.ran(elapsedNs);
    if (this.underWay > 0) writeFigures(this.memory, this.throttle.figures());
    return restNs;
  }

  private stats(): MemoryStats & { readonly keptPages: number } {
    const stats = memoryStats(this.memory);
    return { ...stats, keptPages: this.underWay > 0 ? this.began.keptPages : stats.usedPages - 1 - stats.livePages };
  }

  /** The checkpoints that can be reverted to in RAM, oldest first. */
  get idsInRam(): string[] {
    return this.inRam.ids;
  }

  /** `order` is a RevertOrder. From the copy in RAM if there is one. Only between slices; the caller sees to the disks, and to host time. */
  readyRevert(order: unknown): ReadyRevert | string {
    const wanted = order as RevertOrder;
    this.takeReplies(); // who asks may have heard before this thread that the last one is written
    if (this.underWay > 0 || this.orders.length > 0) return 'A checkpoint is being taken.';
    this.freeThawed();
    try {
      return this.readyInRam(wanted) ?? this.readyFromFile(wanted);
    } catch (error) {
      if (!(error instanceof CairnError) || error instanceof InvariantError) throw error;
      return error.message;
    }
  }

  private readyInRam({ id, path, folder, passphrase }: RevertOrder): ReadyRevert | undefined {
    const revert = this.inRam.ready(id, this.machine);
    return (
      revert && {
        way: 'ram',
        go: () => {
          const epoch = revert();
          this.lineage.wentBack(epoch);
          this.lineage.isAt(id, epoch);
          this.send({ kind: 'reverted', path, folder, epoch, passphrase });
        },
        drop: () => {},
      }
    );
  }

  private readyFromFile(order: RevertOrder): ReadyRevert {
    const vm = restorableVm(this.machine, this.core, this.memory);
    const loadFrom = (pages: PagesToLoad) => {
      const patient = new PatientPages(pages);
      patient.wait = this.waitForStorage;
      vm.loadFrom(patient);
    };
    const store = new CheckpointStore(this.files, order.folder);
    const ready = ReadyRestore.open(store, order.path, { ...vm, loadFrom }, this.codecs.of(order), this.known);
    return {
      way: 'file',
      go: () => {
        this.forgetMemory();
        const unchanged = this.lineage.unchangedSince(order.id);
        this.lineage.wentBack(unchanged);
        this.restored(order, ready.restore({ lazy: true, unchanged }));
      },
      drop: () => ready[Symbol.dispose](),
    };
  }

  /** What is still to be loaded from another file is not wanted any more, and no map may wait for it. */
  private forgetMemory(): void {
    for (const loading of this.loadings.values()) loading.giveUp();
    if (memoryStats(this.memory).notLoaded === 0) return;
    this.inRam.dropWaiting();
    this.freeThawed();
  }

  /** Gives up the copy in RAM of a checkpoint that is eliminated. */
  dropFromRam(id: string): void {
    this.inRam.drop(id);
    this.lineage.forget(id);
  }

  work(): boolean {
    this.takeReplies();
    this.stopWherePossible();
    const moreToLoad = this.load();
    if (this.thawed.length === 0) this.inRam.work();
    const slot = this.thawed[0];
    if (slot !== undefined && this.reclaim(slot) === 0) this.thawed.shift();
    const moreToMerge = this.sharing.work();
    return this.thawed.length > 0 || moreToLoad || moreToMerge;
  }

  private load(): boolean {
    let more = false;
    for (const loading of this.loadings.values()) {
      more = loading.work() || more;
      if (loading.isOver) this.loadings.delete(loading.number);
    }
    return more;
  }

  private takeReplies(): void {
    while (this.underWay > 0 || this.loadings.size > 0 || this.prepared || this.sharesMemory) {
      const received = receiveMessageOnPort(this.port) as { message: CheckpointReply } | undefined;
      if (received === undefined) return;
      this.receive(received.message);
    }
  }

  private receive(reply: CheckpointReply): void {
    if (reply.kind === 'map-copied') {
      if (this.prepared) this.prepared.copied = true;
      return;
    }
    if (reply.kind === 'equal') return this.sharing.take(reply);
    if (reply.kind !== 'thaw') return this.loadings.get(reply.load)?.take(reply);
    this.underWay--;
    const kept = this.toKeep.get(reply.slot);
    this.toKeep.delete(reply.slot);
    this.known = reply.written ?? this.known;
    if (kept && reply.written) this.inRam.keep(kept);
    else this.thaw(reply.slot);
  }

  private thaw(slot: number): void {
    this.core.thaw(slot);
    this.thawed.push(slot);
  }

  private reclaim(slot: number): number {
    const before = memoryStats(this.memory).usedPages;
    const left = this.core.reclaim(slot, RECLAIM_CHUNK);
    if (new FrozenMap(this.memory, slot).epoch < this.began.epoch) this.began.keptPages -= before - memoryStats(this.memory).usedPages;
    return left;
  }

  /** At once, however much there is of it. */
  private freeThawed(): void {
    for (const slot of this.thawed.splice(0)) while (this.core.reclaim(slot, RECLAIM_CHUNK) > 0);
  }

  private send(job: CheckpointJob): void {
    this.port.postMessage(job);
  }
}

/** A machine as restoring sees it. */
export function restorableVm(machine: Machine, core: MemoryExports, memory: SharedArrayBuffer): RestorableVm {
  const reserve = memoryStats(memory).poolPages / RESERVE_PART;
  return {
    ramBytes: machine.ramBytes,
    limit: new Uint32Array(memory)[MMM_MAP_LIMIT >>> 2]!,
    liveMap: new Uint32Array(memory, LIVE_MAP, MAP_ENTRIES),
    installPage: gppn => new Uint8Array(memory, core.installPage(gppn) >>> 0, PAGE_SIZE),
    clearRam: () => core.clearRam(),
    clearPage: gppn => core.clearPage(gppn),
    forgetSince: epoch => core.forgetSince(epoch),
    expectPages: (gppn, count) => core.expectPages(gppn, count),
    placePage(gppn) {
      const address = core.placePage(gppn) >>> 0;
      return address === 0 ? undefined : new Uint8Array(memory, address, PAGE_SIZE);
    },
    hasRoom: () => core.freePages() > reserve,
    loadFrom: pages => machine.loadFrom(pages),
    readyDevices: devices => machine.readyDevices(devices),
    seal() {
      const epoch = core.endEpoch() >>> 0;
      core.resetDerived();
      return epoch;
    },
    endPending: () => machine.endPending(),
  };
}
