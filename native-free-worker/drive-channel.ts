/**
 * A world's disks on the vcpu thread: what its controllers submit goes to the disk worker through a ring, and comes back between slices. The list of
 * what is pending is exact at every slice boundary.
 *
 *   submit ─▶ (no free page: waits) ─▶ pages resolved (816) ─▶ (ring full: waits) ─▶ disk worker ─▶ read into a page copied since? again (815) ─▶ ended ─▶ done
 *
 * With pacing `virtual`, `done` comes at a virtual time that depends on the request alone; with pacing `host`, at the next slice boundary.
 */
import type { Drive, DriveRequest, DriveResult } from '#engine/devices/drive.ts';
import { ERA_SECONDS, type Timer, type Timers } from '#engine/devices/device.ts';
import { hasReadThenWrite } from '#engine/disk/queue.ts';
import type { AttachedDrive } from '#engine/machine/machine.ts';
import { InvariantError } from '#engine/errors/errors.ts';
import type { OpenedDisk } from './disk-protocol.ts';
import type { Doorbell } from './doorbell.ts';
import {
  DISK_GIVE_UP,
  DISK_MARKER,
  DISK_MEDIUM,
  DISK_RETRY,
  DONE_ERROR,
  DONE_HELD,
  MOST_SEGMENTS,
  decodeCompletion,
  encodeOperation,
  encodeOrder,
  type Completion,
  type RingOperation,
} from './drive-protocol.ts';
import { isImpossible, latencyNs, MOST_PAGES, rangeOf, type PendingOperation, type SubmittedRequest } from './drive-request.ts';
import { GuestPages, countPages, stretches, type PageExports, type PagePart } from './guest-pages.ts';
import type { Pacing } from './protocol.ts';
import { RingReader, RingWriter, type Message } from './ring.ts';
import { diskDoneRing, diskDoorbell, diskSubmitRing, vcpuDoorbell } from './world-block.ts';

/** Pages that stay free for what happens when an operation ends: a controller writes its rings. */
const RESERVE_PAGES = 256;
/** The disk worker is not busy with one operation for long. */
const LARGEST_PIECE = 256 << 20;
/** More than one takes in the ring. */
const MARKER_BYTES = 16;
const NO_BYTES = new Uint8Array();

export interface ChannelParts {
  readonly memory: ArrayBufferLike;
  readonly disks: readonly OpenedDisk[];
  readonly submit: RingWriter;
  readonly done: RingReader;
  /** Rung by the disk worker. */
  readonly bell: Pick<Doorbell, 'count' | 'sleep'>;
  readonly diskBell: Pick<Doorbell, 'ring'>;
  readonly pacing: Pacing;
}

/** What the channel needs of the machine that its drives are part of. */
export interface ChannelMachine {
  readonly core: PageExports;
  readonly timers: Timers;
  /** Ends the slice before the next instruction. */
  breakSlice(): void;
}

/** The channel of a world, over its rings. */
export function openChannel(memory: SharedArrayBuffer, disks: readonly OpenedDisk[], pacing: Pacing): DriveChannel {
  return new DriveChannel({
    memory,
    disks,
    submit: new RingWriter(diskSubmitRing(memory)),
    done: new RingReader(diskDoneRing(memory)),
    bell: vcpuDoorbell(memory),
    diskBell: diskDoorbell(memory),
    pacing,
  });
}

interface Waiter {
  readonly ids: Set<number>;
  readonly callback: () => void;
}

export class DriveChannel {
  readonly drives: readonly Drive[];
  private readonly parts: ChannelParts;
  private machine: ChannelMachine | undefined;
  private pages: GuestPages | undefined;
  private timer: Timer | undefined;
  private nextId = 1;
  /** In the order of submission, until `done` was called. */
  private readonly requests = new Map<number, SubmittedRequest>();
  /** Submitted while pages were short: their addresses are not known yet. In order. */
  private readonly unresolved: SubmittedRequest[] = [];
  /** Messages that the ring had no space for. */
  private readonly outgoing: Message[] = [];
  /** Ring operations by id. */
  private readonly underWay = new Map<number, SubmittedRequest>();
  /** Reads that are to be done again as soon as there are pages for it. */
  private readonly stale: SubmittedRequest[] = [];
  /** Ended, not yet done, in that order. */
  private readonly ended: SubmittedRequest[] = [];
  private readonly held = new Map<number, string>();
  private readonly waiters = new Set<Waiter>();
  private readonly generations: number[];
  private pinnedPages = 0;
  /** Operations from before the last step 810 have smaller ids. */
  private switchedAt = 0;

  constructor(parts: ChannelParts) {
    this.parts = parts;
    this.generations = parts.disks.map(() => 0);
    this.drives = parts.disks.map((disk, index) => this.drive(disk, index));
  }

  /** Once the machine is built: it gets its drives first. */
  connect(machine: ChannelMachine): void {
    this.machine = machine;
    machine.timers.onEra(() => {
      for (const request of this.requests.values()) request.dueNs = Math.max(0, request.dueNs - ERA_SECONDS * 1e9);
    });
    this.pages = new GuestPages(machine.core, this.parts.memory);
    if (this.parts.pacing === 'virtual') this.timer = machine.timers.create(() => machine.breakSlice());
  }

  /** As a machine's configuration takes them. */
  get attached(): AttachedDrive[] {
    return this.parts.disks.map(({ name, serial, media, interface: kind, sizeBytes }, index) => {
      const drive = this.drives[index]!;
      if (media === 'disk') return { interface: kind, media, drive };
      return { interface: kind, media, name, serial, drive: sizeBytes === 0 ? undefined : drive };
    });
  }

  /**
   * Another disc for a CD-ROM drive, as the disk worker has opened it; undefined where that is none. What is pending on the old one ends first. The machine has to be
   * told before its guest runs on.
   */
  changeMedium(opened: OpenedDisk): Drive | undefined {
    const index = this.parts.disks.findIndex(({ name }) => name === opened.name);
    while ([...this.requests.values()].some(({ disk }) => disk === index)) this.drain(index);
    this.send(encodeOrder(DISK_MEDIUM, index));
    return opened.sizeBytes === 0 ? undefined : this.drive(opened, index);
  }

  // --- between slices -------------------------------------------------------------------------------------------------

  /** Takes what has ended and passes on what had to wait. Calls no `done`. */
  collect(): void {
    const { done, diskBell } = this.parts;
    for (let message = done.read(); message !== undefined; message = done.read()) this.complete(decodeCompletion(message));
    if (done.takeSpaceWanted()) diskBell.ring();
    if (this.stale.length > 0) for (const request of this.stale.splice(0)) this.settle(request);
    this.resolveWaiting();
    this.pump();
  }

  /** Calls `done` of what is due. False when the guest must not run on yet. */
  deliver(): boolean {
    for (;;) {
      const next = this.due();
      if (next === undefined) return true;
      if (next.state !== 'ended' || !this.hasPages(0)) return false;
      this.finish(next);
    }
  }

  /** Why an operation is held by the disk worker, in words; undefined when none is. */
  get trouble(): string | undefined {
    return this.held.values().next().value;
  }

  /** What the host's storage refused is tried again. */
  retry(): void {
    if (this.held.size === 0) return;
    this.held.clear();
    this.send(encodeOrder(DISK_RETRY, 0));
  }

  // --- for checkpoints ------------------------------------------------------------------------------------------------

  /** In the order of submission. Those that have ended but are not done are not in it: their bytes are where they belong. */
  pendingOperations(): PendingOperation[] {
    return [...this.requests.values()].filter(({ state }) => state !== 'ended');
  }

  /** Step 812. */
  hasReadThenWrite(): boolean {
    return hasReadThenWrite(this.pendingOperations());
  }

  /**
   * Whether the VM may be stopped for a checkpoint (804) now. Not while a submission waits for free pages: its DMA has no addresses yet, and the original pages
   * would miss what it reads. Nor while an operation from before the last stop is pending: its bytes would have to reach the pages of two checkpoints and the VM's.
   * Nor while the ring has no room for the markers of 810: they must be there before the kernel hears of the stop.
   */
  get canStop(): boolean {
    const { submit, disks } = this.parts;
    if (this.outgoing.length > 0 || submit.room < disks.length * MARKER_BYTES) return false;
    return this.unresolved.length === 0 && this.pendingOperations().every(({ id }) => id >= this.switchedAt);
  }

  /** Step 810: what is submitted from now on goes to the COW disks that the disk worker has prepared. */
  switchTops(): void {
    if (!this.canStop) throw new InvariantError('the disks are switched while an operation waits');
    this.switchedAt = this.nextId;
    for (const [disk, { inCheckpoints }] of this.parts.disks.entries()) {
      if (!inCheckpoints) continue;
      this.generations[disk]!++;
      this.outgoing.push(encodeOrder(DISK_MARKER, disk));
    }
    this.pump();
  }

  /** Step 812: waits, with the VM stopped, until nothing is pending. False when that cannot be: the host's storage failed, or there are no free pages. */
  waitForAll(): boolean {
    return this.waitWhile(() => this.pendingOperations().length > 0);
  }

  /** Calls back, from collect(), when those that are pending now have ended (815 included); at once when none is. `writes`: also flushes. */
  onceEnded(kinds: 'reads' | 'writes' | 'all', callback: () => void): void {
    const wanted = this.pendingOperations().filter(({ kind }) => kinds === 'all' || (kind === 'read') === (kinds === 'reads'));
    if (wanted.length === 0) callback();
    else this.waiters.add({ ids: new Set(wanted.map(({ id }) => id)), callback });
  }

  // --- for going back ---------------------------------------------------------------------------------------------------

  /**
   * The machine is about to be another one: what this one has submitted is forgotten, and never done. The disk worker has forgotten it already, so that nobody touches its pages
   * any more.
   */
  dropSubmitted(): void {
    const { done, diskBell } = this.parts;
    while (done.read() !== undefined);
    if (done.takeSpaceWanted()) diskBell.ring();
    for (const { state, pages } of this.requests.values()) if (state !== 'ended') this.pages?.release(pages);
    for (const { callback } of this.waiters) callback(); // nothing is left to be waited for
    for (const each of [this.requests, this.underWay, this.held, this.waiters]) each.clear();
    for (const each of [this.unresolved, this.outgoing, this.stale, this.ended]) each.length = 0;
    this.pinnedPages = 0;
    this.armTimer();
  }

  // --- submission -----------------------------------------------------------------------------------------------------

  private drive(disk: OpenedDisk, index: number): Drive {
    const { name, sizeBytes, readOnly, writeThrough, clusterBytes, serial, fingerprint } = disk;
    return {
      name,
      sizeBytes,
      readOnly,
      writeThrough,
      clusterBytes,
      serial,
      fingerprint,
      submit: (request, done) => this.submit(disk, index, request, done),
      drain: () => this.drain(index),
    };
  }

  private submit(disk: OpenedDisk, index: number, request: DriveRequest, done: SubmittedRequest['done']): void {
    const id = this.nextId++;
    const { kind, offset, length } = rangeOf(request);
    const copied = request.kind === 'write-bytes' ? { ...request, bytes: request.bytes.slice() } : request;
    const submitted: SubmittedRequest = {
      ...{ id, disk: index, kind, offset, length, request: copied, done },
      dueNs: this.timer === undefined ? 0 : this.machine!.timers.nowNs() + latencyNs(kind, length),
      generation: 0,
      pages: [],
      underWay: 0,
      result: 'ok',
      bytes: undefined,
      state: 'unresolved',
    };
    this.requests.set(id, submitted);
    if (isImpossible(disk, request, length, this.pages!.most)) this.end(submitted, 'error');
    else {
      this.unresolved.push(submitted);
      this.resolveWaiting();
    }
    this.armTimer();
    this.pump();
  }

  private resolveWaiting(): void {
    while (this.unresolved.length > 0 && this.begin(this.unresolved[0]!)) this.unresolved.shift();
  }

  /** False when there are not pages enough. */
  private begin(request: SubmittedRequest): boolean {
    const { kind, offset, length } = request;
    const ranges = 'ranges' in request.request ? request.request.ranges : [];
    const count = countPages(ranges);
    const needed = this.pages!.needed(ranges, kind === 'read');
    if (needed > 0 && !this.hasPages(needed)) return false;
    if (this.pinnedPages > 0 && this.pinnedPages + count > MOST_PAGES) return false;
    const pages = this.pages!.resolve(ranges, kind === 'read');
    if (pages === undefined) return false;
    request.state = 'under way';
    request.generation = this.generations[request.disk]!;
    request.pages = pages;
    this.pinnedPages += request.pages.length;
    if (request.pages.length > 0) this.transfer(request, request.pages, false);
    else if (kind === 'write-zeroes' || kind === 'discard') {
      for (let at = 0; at < length || at === 0; at += LARGEST_PIECE)
        this.operate(request, { offset: offset + at, length: Math.min(LARGEST_PIECE, length - at) });
    } else this.operate(request, { bytes: request.request.kind === 'write-bytes' ? request.request.bytes : NO_BYTES });
    return true;
  }

  private transfer(request: SubmittedRequest, parts: readonly PagePart[], again: boolean): void {
    for (const { at, length, segments } of stretches(parts, MOST_SEGMENTS))
      this.operate(request, { offset: request.offset + at, length, segments, again });
  }

  private operate(request: SubmittedRequest, what: Partial<RingOperation>): void {
    const id = this.nextId++;
    const { disk, kind, offset, length, generation } = request;
    const unmap = request.request.kind === 'write-zeroes' && request.request.unmap;
    request.underWay++;
    this.underWay.set(id, request);
    this.outgoing.push(
      encodeOperation({ id, disk, kind, offset, length, generation, unmap, again: false, segments: [], bytes: NO_BYTES, ...what }),
    );
  }

  private send(order: Message): void {
    this.outgoing.push(order);
    this.pump();
  }

  /** The disk worker rings the vcpu's doorbell once it has made space. */
  private pump(): void {
    const { submit, diskBell } = this.parts;
    if (submit.writeFrom(this.outgoing)) diskBell.ring();
  }

  // --- completion -----------------------------------------------------------------------------------------------------

  private complete({ kind, id, bytes }: Completion): void {
    const request = this.underWay.get(id);
    if (request === undefined) throw new InvariantError(`the disk worker has ended operation ${id}, which nobody submitted`);
    if (kind === DONE_HELD) {
      this.held.set(id, new TextDecoder().decode(bytes));
      return;
    }
    this.held.delete(id);
    this.underWay.delete(id);
    request.underWay--;
    if (kind === DONE_ERROR) request.result = 'error';
    if (request.request.kind === 'read-bytes') request.bytes = bytes;
    if (request.underWay === 0) this.settle(request);
  }

  /** Step 815: the bytes of a read must be where the live map looks; then it has ended. */
  private settle(request: SubmittedRequest): void {
    if (request.kind === 'read' && request.result === 'ok') {
      const stale = this.pages!.stale(request.pages);
      if (stale.length > 0) {
        if (this.hasPages(stale.length) && this.pages!.renew(stale)) this.transfer(request, stale, true);
        else this.stale.push(request);
        return;
      }
      this.pages!.dropCode(request.pages);
    }
    this.end(request, request.result);
  }

  private end(request: SubmittedRequest, result: DriveResult): void {
    request.result = result;
    request.state = 'ended';
    this.pages?.release(request.pages);
    this.pinnedPages -= request.pages.length;
    this.ended.push(request);
    for (const waiter of this.waiters) {
      if (!waiter.ids.delete(request.id) || waiter.ids.size > 0) continue;
      this.waiters.delete(waiter);
      waiter.callback();
    }
  }

  /** The next whose `done` is to be called now. */
  private due(): SubmittedRequest | undefined {
    if (this.timer === undefined) return this.ended[0];
    const nowNs = this.machine!.timers.nowNs();
    let first: SubmittedRequest | undefined;
    for (const request of this.requests.values())
      if (request.dueNs <= nowNs && (first === undefined || request.dueNs < first.dueNs)) first = request;
    return first;
  }

  private finish(request: SubmittedRequest): void {
    this.requests.delete(request.id);
    this.ended.splice(this.ended.indexOf(request), 1);
    request.done(request.result, request.bytes);
    this.armTimer();
  }

  private armTimer(): void {
    if (this.timer === undefined) return;
    let firstNs = Infinity;
    for (const { dueNs } of this.requests.values()) firstNs = Math.min(firstNs, dueNs);
    if (firstNs === Infinity) this.timer.disarm();
    else this.timer.arm(firstNs);
  }

  private hasPages(count: number): boolean {
    return this.pages!.free >= count + RESERVE_PAGES;
  }

  // --- waiting --------------------------------------------------------------------------------------------------------

  /** A controller's reset: the guest drops what was pending, so what cannot end now ends with an error. */
  private drain(disk: number): void {
    const mine = (request: SubmittedRequest) => request.disk === disk;
    const left = () => [...this.requests.values()].filter(mine);
    this.waitWhile(() => left().some(({ state }) => state === 'under way'), disk);
    for (const waiting of [this.unresolved, this.stale]) {
      const others = waiting.filter(request => !mine(request));
      for (const request of waiting.splice(0, waiting.length, ...others)) if (mine(request)) this.end(request, 'error');
    }
    for (const request of left()) this.finish(request);
    this.machine?.breakSlice(); // a guest that resets its controllers over and over is not all that this thread has to do
  }

  /** False when the disk worker cannot help any more. Of one disk: its held operations are given up. */
  private waitWhile(condition: () => boolean, disk?: number): boolean {
    const { bell } = this.parts;
    for (;;) {
      const seen = bell.count; // before looking for news, so that no ring is missed
      this.collect();
      if (!condition()) return true;
      if (disk !== undefined) this.giveUp(disk);
      else if (this.held.size > 0 && this.outgoing.length === 0) return false; // a marker is sent before the checkpoint is given up
      if (![...this.underWay.values()].some(request => disk === undefined || request.disk === disk)) return false;
      bell.sleep(seen);
    }
  }

  private giveUp(disk: number): void {
    const hopeless = [...this.held.keys()].filter(id => this.underWay.get(id)!.disk === disk);
    if (hopeless.length === 0) return;
    for (const id of hopeless) this.held.delete(id);
    this.send(encodeOrder(DISK_GIVE_UP, disk));
  }
}
