/**
 * The virtio memory balloon (Virtual I/O Device Specification 1.2 § 5.5): the guest gives pages that it does not use back to the host, when it is
 * asked to (inflating) and of its own accord (free page reporting). Pages given back read as zero from then on, and are no part of a
 * checkpoint (METHOD § 139); a page that the guest takes back needs no word from the host.
 *
 *   inflate, deflate   page frame numbers u32[]      reporting   buffers that are the free pages themselves
 */
import { defineState, type StateOf, u32 } from '../../state/state.ts';
import type { AccessSize, Device, GuestMemory } from '../device.ts';
import type { GuestRange } from '../drive.ts';
import { gather, totalLength } from '../guest-ranges.ts';
import type { Chain } from './queue.ts';
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

export const VirtioBalloonState = defineState('virtio-balloon', 1, { transport: virtioState(QUEUES), target: u32, actual: u32 });

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

  private request(queue: number, chain: Chain): 'broken' | void {
    const taken = queue === Queue.Inflate ? this.inflate(chain) : queue === Queue.Reporting ? this.forget(chain.writable) : true;
    if (!taken) return 'broken';
    this.transport.finish(this.transport.start(queue, chain, { length: 0, writes: [] }));
  }

  private inflate({ readable }: Chain) {
    const length = totalLength(readable);
    if (length % PFN_BYTES !== 0 || length > MAX_PFNS * PFN_BYTES) return false;
    const bytes = gather(this.memory, readable, length);
    const view = new DataView(bytes.buffer);
    for (let at = 0; at < length; at += PFN_BYTES) this.ports.releasePages(view.getUint32(at, true), 1);
    return true;
  }

  /** Whole pages only. The guest does not touch them before the buffer is given back. */
  private forget(ranges: readonly GuestRange[]) {
    if (totalLength(ranges) > 2 ** 32) return false;
    for (const { gpa, length } of ranges) {
      const first = Math.ceil(gpa / PAGE_BYTES);
      const end = Math.floor((gpa + length) / PAGE_BYTES);
      if (end > first) this.ports.releasePages(first, end - first);
    }
    return true;
  }

  reset() {
    this.transport.reset();
  }
  saveState() {
    return { transport: this.transport.save(), target: this.target, actual: this.actual };
  }
  loadState(raw: unknown) {
    const state = VirtioBalloonState.parse(raw);
    this.transport.load(state.transport);
    this.target = state.target;
    this.actual = state.actual;
  }
  restored() {
    this.transport.restored();
  }
}
