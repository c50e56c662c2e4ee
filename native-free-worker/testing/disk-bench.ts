/** A drive channel, the real MMM and a disk server on one thread, over images in memory: the test says when the disk worker works. */
import type { DriveRequest, DriveResult } from '#engine/devices/drive.ts';
import type { Timer } from '#engine/devices/device.ts';
import type { Layer } from '#engine/disk/block.ts';
import { createCowDisk } from '#engine/disk/chain.ts';
import { createBlankDisk } from '#engine/disk/graph/create.ts';
import { DiskFolder } from '#engine/disk/graph/disk-folder.ts';
import { createQcow2 } from '#engine/disk/qcow2/create.ts';
import { Qcow2Image } from '#engine/disk/qcow2/image.ts';
import { DISK_DONE_RING, DISK_SUBMIT_RING, PAGE_PINS, PAGE_SIZE, POOL_BASE } from '#engine/memory/layout.ts';
import { livePpn } from '#engine/memory/mmm.ts';
import { graphHost } from '#test/support/disk-graph-model.ts';
import { loneMmm, type LoneMmm } from '#test/support/lone-mmm.ts';
import { MemoryFiles } from '#test/support/memory-files.ts';
import type { CachePolicy, DiskSpec } from '../disk-protocol.ts';
import { DiskServer } from '../disk-server.ts';
import { DriveChannel } from '../drive-channel.ts';
import { GraphBacking } from '../graph-backing.ts';
import type { Pacing } from '../protocol.ts';
import { RingReader, RingWriter } from '../ring.ts';
import { ServedDisk, type DiskBacking } from '../served-disk.ts';

export interface BenchOptions {
  readonly ramPages?: number;
  readonly poolPages?: number;
  readonly diskBytes?: number;
  readonly clusterBytes?: number;
  readonly pacing?: Pacing;
  readonly ringBytes?: number;
  readonly cache?: CachePolicy;
  /** The disk is one of a VM's own in FOLDER, with all that the disk worker has for it; otherwise a plain chain. */
  readonly inFolder?: boolean;
}

export const FOLDER = '/vm/disks';

const shared = loneMmm(4000);

export class DiskBench {
  readonly files = new MemoryFiles();
  readonly host = graphHost(this.files);
  readonly lone: LoneMmm;
  readonly server: DiskServer;
  readonly channel: DriveChannel;
  readonly notices: string[] = [];
  readonly ramPages: number;
  /** Virtual time. */
  nowNs = 0;
  sliceBreaks = 0;
  private deadlineNs: number | undefined;
  private onExpire: ((nowNs: number) => void) | undefined;
  /** From the first top on; the last may not have been switched to yet. */
  readonly layers: Layer[] = [];

  private constructor(lone: LoneMmm, options: BenchOptions) {
    const {
      ramPages = 16,
      poolPages = 2000,
      diskBytes = 65536,
      clusterBytes = 4096,
      pacing = 'host',
      ringBytes = 65536,
      cache = 'writeback',
      inFolder = false,
    } = options;
    this.lone = lone;
    this.ramPages = ramPages;
    lone.mmm.initMemory(poolPages);
    lone.mmm.mapRam(0, ramPages);
    for (const ring of [DISK_SUBMIT_RING, DISK_DONE_RING]) new Uint8Array(lone.memory, ring, ringBytes).fill(0);
    const spec: DiskSpec = {
      ...{ name: 'disk0', interface: 'virtio', media: 'disk', cache, serial: 'SERIAL' },
      source: { kind: 'graph', folder: FOLDER, startAt: undefined },
    };
    const backing = inFolder ? this.ownDisk(diskBytes, clusterBytes) : this.plainChain(diskBytes, clusterBytes);
    const ring = (offset: number) => ({ buffer: lone.memory, offset, size: ringBytes });
    const bell = { ring: () => {} };
    this.server = new DiskServer({
      memory: lone.memory,
      disks: [new ServedDisk(spec, backing)],
      submitted: new RingReader(ring(DISK_SUBMIT_RING)),
      done: new RingWriter(ring(DISK_DONE_RING)),
      vcpuBell: bell,
      notice: text => this.notices.push(text),
    });
    this.channel = new DriveChannel({
      memory: lone.memory,
      disks: this.server.disks.map(disk => disk.describe()),
      submit: new RingWriter(ring(DISK_SUBMIT_RING)),
      done: new RingReader(ring(DISK_DONE_RING)),
      // A vcpu that waits lets the disk worker work.
      bell: { count: 0, sleep: () => this.server.step() },
      diskBell: bell,
      pacing,
    });
    const core = { ...lone.mmm, dropCode: (ppn: number) => void lone.dropped.code.push(ppn) };
    this.channel.connect({
      core,
      timers: { nowNs: () => this.nowNs, create: expire => this.timer(expire), onEra: () => {} },
      breakSlice: () => this.sliceBreaks++,
    });
  }

  /** One at a time: they share their memory. */
  static async create(options: BenchOptions = {}): Promise<DiskBench> {
    return new DiskBench(await shared, options);
  }

  get disk(): ServedDisk {
    return this.server.disks[0]!;
  }

  get drive() {
    return this.channel.drives[0]!;
  }

  /** The request's outcome, filled in when it is done. */
  submit(request: DriveRequest): { result?: DriveResult; bytes?: Uint8Array } {
    const outcome: { result?: DriveResult; bytes?: Uint8Array } = {};
    this.drive.submit(request, (result, bytes) => Object.assign(outcome, { result }, bytes && { bytes }));
    return outcome;
  }

  /** Between two slices. */
  slice(): boolean {
    this.channel.collect();
    return this.channel.deliver();
  }

  /** Until nothing is left to do. */
  settle(): void {
    for (let quiet = 0; quiet < 2; quiet++) {
      if (this.server.step()) quiet = 0;
      this.slice();
    }
  }

  /** Steps 802 and 810. */
  switchTop(clusterBytes: number): void {
    const number = this.layers.length;
    this.layers.push(createCowDisk(this.host, `/vm/cow${number}.qcow2`, this.layers.at(-1)!, { clusterBytes }));
    this.channel.switchTops();
  }

  private ownDisk(sizeBytes: number, clusterBytes: number): DiskBacking {
    createBlankDisk(new DiskFolder(this.host, FOLDER, 'disk0'), sizeBytes, { clusterBytes });
    return new GraphBacking(this.host, FOLDER, 'disk0', { startAt: undefined, running: true });
  }

  /** A plain chain, whose layers all stay writable. */
  private plainChain(sizeBytes: number, clusterBytes: number): DiskBacking {
    const { layers } = this;
    createQcow2(this.files, this.host.codec, '/vm/top.qcow2', { sizeBytes, clusterBytes });
    layers.push(new Qcow2Image(this.files, this.host.codec, '/vm/top.qcow2', { writable: true }));
    let top = 0;
    return {
      inCheckpoints: true,
      get top() {
        return layers[top]!;
      },
      switchTop: () => layers[top++]!,
      flush: () => {
        for (const layer of layers) layer.flush();
      },
      close: () => layers.at(-1)![Symbol.dispose](),
      [Symbol.dispose]: () => layers.at(-1)![Symbol.dispose](),
    };
  }

  /** Machine pages of pending operations. */
  pinned(): number[] {
    const pins = new Uint32Array(this.lone.memory, PAGE_PINS, this.lone.mmm.freePages() + 4000);
    return [...pins.keys()].filter(ppn => pins[ppn] !== 0);
  }

  /** What the guest sees of a page. */
  page(gppn: number): Uint8Array {
    return new Uint8Array(this.lone.memory, POOL_BASE + livePpn(this.lone.memory, gppn) * PAGE_SIZE, PAGE_SIZE);
  }

  guestWrites(gppn: number, at: number, bytes: Uint8Array): void {
    new Uint8Array(this.lone.memory, (this.lone.mmm.pageForWrite(gppn) >>> 0) + at, bytes.length).set(bytes);
  }

  /** Moves virtual time on, as the machine would. */
  advanceTo(nowNs: number): void {
    this.nowNs = nowNs;
    if (this.deadlineNs === undefined || this.deadlineNs > nowNs) return;
    this.deadlineNs = undefined;
    this.onExpire!(nowNs);
  }

  get nextDeadlineNs(): number | undefined {
    return this.deadlineNs;
  }

  private timer(onExpire: (nowNs: number) => void): Timer {
    this.onExpire = onExpire;
    return {
      arm: deadlineNs => void (this.deadlineNs = deadlineNs),
      disarm: () => void (this.deadlineNs = undefined),
      deadlineNs: undefined,
    };
  }
}
