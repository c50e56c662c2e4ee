/**
 * A world with a disk on one thread: the real MMM, drive channel, checkpoint software, disk worker and checkpoint worker over files in memory. The test is the
 * kernel, and the guest when there is no CPU, and says when each of them works.
 */
import { MessageChannel, receiveMessageOnPort, type MessagePort } from 'node:worker_threads';
import type { DiskPointer } from '#engine/checkpoint/format/schemas.ts';
import { readCheckpointInfo } from '#engine/checkpoint/info.ts';
import { PageSource } from '#engine/checkpoint/page-source.ts';
import { CheckpointStore } from '#engine/checkpoint/store.ts';
import { DiskFolder, type GraphHost } from '#engine/disk/graph/disk-folder.ts';
import type { Machine } from '#engine/machine/machine.ts';
import { PAGE_SIZE } from '#engine/memory/layout.ts';
import { readState } from '#test/support/disk-graph-model.ts';
import type { MemoryFiles } from '#test/support/memory-files.ts';
import { CheckpointJobQueue } from '../checkpoint-job-queue.ts';
import type { CheckpointEvent, CheckpointJob } from '../checkpoint-protocol.ts';
import type { DiskAnswers, DiskMessage, DiskRequest, DiskRequestKind, DiskRequests } from '../disk-protocol.ts';
import { DiskWorkerLoop } from '../disk-worker-loop.ts';
import { Doorbell } from '../doorbell.ts';
import { nodeCodec } from '../node-codec.ts';
import type { DiskServer } from '../disk-server.ts';
import type { DriveChannel } from '../drive-channel.ts';
import { ImageBacking } from '../image-backing.ts';
import { NO_DISC } from '../no-disc.ts';
import { MachineCheckpoint, type MemoryExports } from '../vcpu-checkpoint.ts';
import { DiskBench, FOLDER, type BenchOptions } from './disk-bench.ts';

export const CHECKPOINTS = '/vm/checkpoints';
const turn = () => new Promise<void>(resolve => setImmediate(resolve));

/** What a world is made of. */
export interface WorldParts {
  readonly files: MemoryFiles;
  readonly host: GraphHost;
  readonly server: DiskServer;
  readonly channel: DriveChannel;
  /** What the vcpu thread does between two slices for its disks. */
  slice(): void;
}

interface MachineParts {
  readonly machine: Pick<Machine, 'saveDevices'>;
  readonly core: MemoryExports;
  readonly memory: SharedArrayBuffer;
  readonly ramBytes: number;
}

export class DiskWorld<Parts extends WorldParts = DiskBench> {
  readonly bench: Parts;
  readonly loop: DiskWorkerLoop;
  readonly software: MachineCheckpoint;
  /** What the checkpoint worker and the disk worker have told the kernel. */
  readonly events: CheckpointEvent[] = [];
  readonly said: DiskMessage[] = [];
  private readonly writer: CheckpointJobQueue;
  private readonly writerPort: MessagePort;
  private readonly requests: DiskRequest[] = [];
  /** Checkpoints whose disks are not durable yet, by the request that says so. */
  private readonly sealing = new Map<number, { readonly id: string; readonly pointers: readonly DiskPointer[] }>();
  private nextId = 1;
  /** False: memory comes only when it is touched, and batches that were begun stay under way. */
  loadsMemory = true;
  private readonly unfilled: CheckpointJob[] = [];

  constructor(bench: Parts, { machine, core, memory, ramBytes }: MachineParts) {
    this.bench = bench;
    const { port1, port2 } = new MessageChannel();
    this.loop = new DiskWorkerLoop({
      server: bench.server,
      bell: new Doorbell(new SharedArrayBuffer(4), 0),
      receive: () => this.requests.shift(),
      send: message => this.said.push(message),
      openMedium: medium => (medium.kind === 'none' ? NO_DISC : new ImageBacking(bench.host, medium)),
    });
    this.software = new MachineCheckpoint(machine as Machine, core, memory, port1, bench.channel, bench.files);
    this.writerPort = port2;
    this.writer = new CheckpointJobQueue({
      ...{ memory, ramBytes, files: bench.files, vcpu: port2 },
      clock: { nowMs: () => 0, sleep: turn },
      ringVcpu: () => {},
      toKernel: event => this.events.push(event),
    });
  }

  /** Without a CPU. */
  static async create(options: BenchOptions = {}): Promise<DiskWorld> {
    const bench = await DiskBench.create({ ...options, inFolder: true });
    const { lone, ramPages } = bench;
    const core = { ...lone.mmm, resetDerived: () => {} };
    return new DiskWorld(bench, { machine: { saveDevices: () => [] }, core, memory: lone.memory, ramBytes: ramPages * PAGE_SIZE });
  }

  /** The disk worker takes it at once, and answers it now or later. */
  request<K extends DiskRequestKind>(kind: K, what: DiskRequests[K]): number {
    const id = this.nextId++;
    this.requests.push({ ...what, id, kind } as DiskRequest);
    this.loop.step();
    return id;
  }

  answerTo(id: number): DiskMessage | undefined {
    return this.said.find(message => 'id' in message && message.id === id);
  }

  /** The answer to a request that is answered at once. */
  ask<K extends DiskRequestKind>(kind: K, what: DiskRequests[K]): DiskAnswers[K] {
    const answer = this.answerTo(this.request(kind, what));
    if (answer?.kind !== 'answer') throw new Error(answer?.kind === 'failed' ? answer.failure.message : `${kind} was not answered`);
    return answer.result as DiskAnswers[K];
  }

  /** 800 to 814, as the kernel orders a checkpoint. */
  take(id: string, more: { readonly keepInRam?: boolean } = {}): readonly DiskPointer[] {
    const pointers = this.ask('prepare', { mode: undefined });
    this.sealing.set(this.request('seal', {}), { id, pointers });
    const about = { parent: null, vmName: 'Debian', title: id, takenAt: '2026-11-22T12:00:00Z' };
    this.software.take({ id, ...about, folder: CHECKPOINTS, hasDisks: true, ...more });
    return pointers;
  }

  /** Back to a checkpoint as the kernel orders it; answers the way, or why it cannot be. */
  revert(id: string, disks: readonly DiskPointer[]): string {
    const ready = this.software.readyRevert({ id, path: `${CHECKPOINTS}/${id}.ckpt`, folder: CHECKPOINTS });
    if (typeof ready === 'string') return ready;
    try {
      this.ask('branch', { disks });
      this.ask('adopt', { drop: true });
    } catch (error) {
      ready.drop();
      throw error;
    }
    this.bench.channel.dropSubmitted();
    ready.go();
    return ready.way;
  }

  /** All but the disk worker do what they can. */
  async turn(): Promise<void> {
    for (let turns = 0; turns < 20; turns++) {
      this.bench.slice();
      this.software.work();
      for (let job; (job = receiveMessageOnPort(this.writerPort)) !== undefined;) this.pass((job as { message: CheckpointJob }).message);
      if (this.loadsMemory) for (const job of this.unfilled.splice(0)) this.writer.add(job);
      for (const [request, { id, pointers }] of this.sealing) {
        const answer = this.answerTo(request);
        if (answer === undefined) continue;
        this.sealing.delete(request);
        if (answer.kind === 'answer') this.writer.settleDisks({ kind: 'disks', id, pointers });
        else if (answer.kind === 'failed') this.writer.settleDisks({ kind: 'no-disks', id, failure: answer.failure });
      }
      await turn();
    }
  }

  private pass(job: CheckpointJob): void {
    if (job.kind === 'fill' && !this.loadsMemory) this.unfilled.push(job);
    else this.writer.add(job);
  }

  /** Until nobody has anything left to do. */
  async settle(): Promise<void> {
    for (let quiet = 0; quiet < 2; quiet++) {
      while (this.loop.step()) quiet = 0;
      await this.turn();
    }
  }

  /** The last that is known of a checkpoint. */
  stateOf(id: string): CheckpointEvent | undefined {
    return this.events.findLast(event => event.kind !== 'eliminated' && event.id === id);
  }

  isDone(id: string): boolean {
    return this.stateOf(id)?.kind === 'done';
  }

  /** A page and the disk as a checkpoint file and what it points to have them. */
  savedPage(id: string, gppn: number): Uint8Array {
    const store = new CheckpointStore(this.bench.files, CHECKPOINTS);
    using source = PageSource.open(store, store.pathOf(id), nodeCodec);
    const file = source.fileOf(gppn);
    return file < 0 ? new Uint8Array(PAGE_SIZE) : new Uint8Array(source.pageIn(source.read(file, source.groupOf(gppn)), gppn));
  }

  savedDisk(id: string, files: MemoryFiles = this.bench.files): Uint8Array {
    const store = new CheckpointStore(files, CHECKPOINTS);
    const [pointer] = readCheckpointInfo(files, store.pathOf(id), nodeCodec).disks;
    return readState(new DiskFolder({ ...this.bench.host, files }, FOLDER, 'disk0'), pointer!.layer);
  }
}
