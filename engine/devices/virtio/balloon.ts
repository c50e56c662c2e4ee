/**
 * The virtio memory balloon (Virtual I/O Device Specification 1.2 § 5.5): the guest gives pages that it does not use back to the host, when it is
 * asked to (inflating) and of its own accord (free page reporting). Pages given back read as zero from then on, and are no part of a
 * checkpoint (METHOD § 139); a page that the guest takes back needs no word from the host.
 *
 *   inflate, deflate   page frame numbers u32[]      reporting   buffers that are the free pages themselves
 */
import { defineState, type Migration, type StateOf, u32 } from '../../state/state.ts';
import type { AccessSize, Device, GuestMemory } from '../device.ts';
import { gather, totalLength } from '../guest-ranges.ts';
import type { Chain } from './queue.ts';
import { TURN_UNITS, withTurns } from './turns.ts';
import { virtioState, VirtioPci, type VirtioWiring } from './virtio-pci.ts';

const TYPE = 5;
const NO_CLASS = 0xff0000;
const QUEUE_SIZE = 128;
/** § 5.5.2. Queues of features that are not offered are not there, and the next ones have their numbers: so drivers count. */
const Queue = { Inflate: 0, Deflate: 1, Reporting: 2 } as const;
const QUEUES = 3;

/** § 5.5.3. */
const DEFLATE_ON_OOM = 2;
const PAGE_REPORTING = 5;
const FEATURES = (1 << DEFLATE_ON_OOM) | (1 << PAGE_REPORTING);

/** § 5.5.4: in pages of 4 KiB, whatever the guest's page size. */
const CONFIG_TARGET = 0;
const CONFIG_ACTUAL = 4;
const CONFIG_BYTES = 8;

const PAGE_BYTES = 4096;
const PFN_BYTES = 4;
/** Of one inflate request: drivers send 256. */
const MAX_PFNS = 65536;

const fields = {
  transport: virtioState(QUEUES),
  target: u32,
  actual: u32,
  /** Pages that have been released of the chain that is next in each queue. */
  inflated: u32,
  reported: u32,
};
const withProgress: Migration = old => ({ ...withTurns(old), inflated: 0, reported: 0 });
export const VirtioBalloonState = defineState('virtio-balloon', 2, fields, { 1: withProgress });

/** [first, count], in page frame numbers. */
type PageRun = readonly [number, number];

export interface BalloonPorts {
  /** Forgets what `count` pages from `gppn` hold: they read as zero. Of addresses that are not RAM it takes no notice. */
  releasePages(gppn: number, count: number): void;
}

export class VirtioBalloon implements Device<StateOf<typeof VirtioBalloonState>> {
  private readonly memory: GuestMemory;
  private readonly ports: BalloonPorts;
  private readonly transport: VirtioPci;
  private target = 0;
  private actual = 0;
  private readonly done: Record<number, number> = { [Queue.Inflate]: 0, [Queue.Reporting]: 0 };

  constructor(wiring: VirtioWiring, ports: BalloonPorts) {
    this.memory = wiring.memory;
    this.ports = ports;
    this.transport = new VirtioPci(wiring, {
      type: TYPE,
      classCode: NO_CLASS,
      features: FEATURES,
      queueSizes: Array.from({ length: QUEUES }, () => QUEUE_SIZE),
      readConfig: () => this.readConfig(),
      writeConfig: (offset, size, value) => this.writeConfig(offset, size, value),
      request: (queue, chain) => this.request(queue, chain),
      reset: () => {
        this.actual = 0;
        this.done[Queue.Inflate] = 0;
        this.done[Queue.Reporting] = 0;
      },
    });
  }

  /** How many pages the guest should give back: what it does about it, and how fast, is its own affair. */
  setTarget(pages: number) {
    this.target = pages;
    this.transport.configChanged();
  }
  /** How many it is asked to give back. */
  get targetPages() {
    return this.target;
  }
  /** How many it says it has given back by inflating. */
  get inflatedPages() {
    return this.actual;
  }

  private readConfig() {
    const bytes = new Uint8Array(CONFIG_BYTES);
    const view = new DataView(bytes.buffer);
    view.setUint32(CONFIG_TARGET, this.target, true);
    view.setUint32(CONFIG_ACTUAL, this.actual, true);
    return bytes;
  }
  private writeConfig(offset: number, size: AccessSize, value: number) {
    if (offset === CONFIG_ACTUAL && size === 4) this.actual = value;
  }

  private request(queue: number, chain: Chain): 'broken' | 'more' | void {
    if (queue !== Queue.Deflate) {
      const runs = queue === Queue.Inflate ? this.inflated(chain) : this.reported(chain);
      if (!runs) return 'broken';
      if (!this.release(queue, runs)) return 'more';
    }
    this.transport.finish(this.transport.start(queue, chain, { length: 0, writes: [] }));
  }

  private inflated({ readable }: Chain): PageRun[] | undefined {
    const length = totalLength(readable);
    if (length % PFN_BYTES !== 0 || length > MAX_PFNS * PFN_BYTES) return undefined;
    const view = new DataView(gather(this.memory, readable, length).buffer);
    return Array.from({ length: length / PFN_BYTES }, (_, i) => [view.getUint32(i * PFN_BYTES, true), 1]);
  }

  /** Whole pages only. The guest does not touch them before the buffer is given back. */
  private reported({ writable }: Chain): PageRun[] | undefined {
    if (totalLength(writable) > 2 ** 32) return undefined;
    return writable.map(({ gpa, length }) => {
      const first = Math.ceil(gpa / PAGE_BYTES);
      return [first, Math.max(0, Math.floor((gpa + length) / PAGE_BYTES) - first)];
    });
  }

  /** A turn's worth of what is left of a chain; true when nothing is. */
  private release(queue: number, runs: readonly PageRun[]): boolean {
    let skip = this.done[queue]!;
    let room = TURN_UNITS;
    for (const [first, count] of runs) {
      const skipped = Math.min(skip, count);
      const released = Math.min(count - skipped, room);
      if (released > 0) this.ports.releasePages(first + skipped, released);
      skip -= skipped;
      room -= released;
      if (skipped + released < count) break;
    }
    const released = TURN_UNITS - room;
    this.transport.spend(released);
    const total = runs.reduce((sum, [, count]) => sum + count, 0);
    const done = this.done[queue]! + released;
    this.done[queue] = done < total ? done : 0;
    return done >= total;
  }

  reset() {
    this.transport.reset();
  }
  saveState() {
    const { target, actual, done } = this;
    return { transport: this.transport.save(), target, actual, inflated: done[Queue.Inflate]!, reported: done[Queue.Reporting]! };
  }
  loadState(raw: unknown) {
    const state = VirtioBalloonState.parse(raw);
    this.transport.load(state.transport);
    this.target = state.target;
    this.actual = state.actual;
    this.done[Queue.Inflate] = state.inflated;
    this.done[Queue.Reporting] = state.reported;
  }
  restored() {
    this.transport.restored();
  }
}
