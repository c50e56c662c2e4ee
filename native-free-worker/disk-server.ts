/** Executes the operations of a world's disks, one after the other, on the thread that calls it. A host whose storage fails never loses one: it is held and tried again. */
import { Adoption } from '#engine/disk/graph/adoption.ts';
import type { LayerId } from '#engine/disk/graph/descriptor.ts';
import type { QueuedOperation } from '#engine/disk/queue.ts';
import { CairnError, DiskFormatError, InvariantError, StorageError } from '#engine/errors/errors.ts';
import type { Doorbell } from './doorbell.ts';
import {
  DISK_GIVE_UP,
  DISK_MARKER,
  DISK_MEDIUM,
  DISK_RETRY,
  DONE_ERROR,
  DONE_HELD,
  DONE_OK,
  decodeOperation,
  decodeOrder,
  encodeCompletion,
  type RingOperation,
} from './drive-protocol.ts';
import type { Message, RingReader, RingWriter } from './ring.ts';
import { GraphBacking } from './graph-backing.ts';
import type { ServedDisk } from './served-disk.ts';

const NO_BYTES = new Uint8Array();
/** Notices of damage remembered, so that none is said twice. */
const MOST_NOTICES = 1000;

export interface DiskServerParts {
  readonly memory: ArrayBufferLike;
  readonly disks: readonly ServedDisk[];
  readonly submitted: RingReader;
  readonly done: RingWriter;
  readonly vcpuBell: Pick<Doorbell, 'ring'>;
  /** One sentence for the user. */
  notice(text: string): void;
}

export class DiskServer {
  readonly disks: readonly ServedDisk[];
  /** The files of those that checkpoints hold. */
  readonly graphs: readonly GraphBacking[];
  readonly adoption: Adoption;
  private readonly parts: DiskServerParts;
  /** Completions that the ring had no space for. */
  private readonly waiting: Message[] = [];
  private readonly noticed = new Set<string>();
  /** Why the host's storage refused an operation that is held. */
  trouble: StorageError | undefined;
  private turn = 0;
  private released = false;

  constructor(parts: DiskServerParts) {
    this.parts = parts;
    this.disks = parts.disks;
    this.graphs = parts.disks.map(({ backing }) => backing).filter(backing => backing instanceof GraphBacking);
    this.adoption = new Adoption(this.graphs.map(({ files }) => files));
  }

  /** Whether an operation from before the last switch of some disk has not ended. */
  get isSettling(): boolean {
    return this.disks.some(disk => disk.isSettling);
  }

  /** Takes what was submitted and executes one operation. False when there is none. */
  step(): boolean {
    if (this.released) return false;
    this.receive();
    this.deliver();
    for (let i = 0; i < this.disks.length; i++) {
      const disk = this.disks[this.turn++ % this.disks.length]!;
      const queued = disk.queue.next();
      if (queued === undefined) continue;
      this.execute(disk, queued);
      this.deliver();
      return true;
    }
    return false;
  }

  /** The world has ended: executes what is left and closes all files. What the host's storage still refuses is lost, and said. */
  finish(): void {
    if (this.released) return;
    const runDry = () => {
      while (this.step());
    };
    runDry();
    for (const { queue } of this.disks) queue.retry();
    runDry();
    for (const disk of this.disks) {
      const lost = disk.queue.takeHeld().length;
      if (lost > 0) this.parts.notice(`${disk.spec.name}: ${lost} operations of the guest that the host's disk refused are lost.`);
    }
    runDry();
    this.settleOrLeave();
    for (const disk of this.disks) {
      disk.withdraw();
      try {
        disk.backing.close();
      } catch (error) {
        if (!(error instanceof StorageError || error instanceof DiskFormatError)) throw error;
        this.parts.notice(`${error.message} What the guest wrote after its last flush may be lost.`);
      }
    }
  }

  /** The files are another world's from now on: what this one's guest still wants of them is nothing that anybody will see. */
  release(): void {
    this.released = true;
    for (const disk of this.disks) {
      disk.withdraw();
      disk.backing[Symbol.dispose]();
    }
  }

  /** Steps 906 and 908, begun: exactly these disks have branches that go on from these states. When it throws, none has one. Nothing else has changed. */
  branch(to: readonly { readonly graph: GraphBacking; readonly state: LayerId }[]): void {
    this.adoption.makeSure();
    const dropAll = () => {
      for (const { files } of this.graphs) files.dropBranch();
    };
    dropAll();
    try {
      for (const { graph, state } of to) graph.files.startBranch(state);
    } catch (error) {
      this.unlessStorageFails(dropAll);
      throw error;
    }
  }

  /** The branches are the disks from now on: of all, or this throws and of none. The VM is stopped, or off. */
  adopt(): void {
    this.adoption.adopt();
    for (const graph of this.graphs) graph.wentBack();
  }

  /** What the guest still wants of the disks, and was not told of yet, is forgotten: its pages are not touched any more. */
  dropSubmitted(): void {
    this.receive();
    for (const disk of this.disks) disk.dropSubmitted();
    this.waiting.length = 0;
    this.trouble = undefined;
  }

  /** What an adoption has decided gets to where it belongs; if not now, then when the folder is opened next. */
  private settle(): boolean {
    return this.unlessStorageFails(() => this.adoption.makeSure());
  }

  private unlessStorageFails(action: () => void, meaning = 'The disks’ files are not tidied up before that; nothing is lost.'): boolean {
    try {
      action();
      return true;
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      this.noticeOnce(`${error.message} ${meaning}`);
      return false;
    }
  }

  /** The last attempt of this session. What stays undecided needs the branches' files: whoever opens the folder next sees which state the disks have. */
  private settleOrLeave(): void {
    const { isUndecided } = this.adoption;
    const open =
      'Whether the disks have gone back to the checkpoint is seen when the VM is started next; until then neither state is lost.';
    if (this.unlessStorageFails(() => this.adoption.makeSure(), isUndecided ? open : undefined)) return;
    for (const { files } of this.graphs) files.leaveBranch();
  }

  /** A piece of a collector's work, if there is any. */
  collect(): boolean {
    if (this.released || !this.settle()) return false;
    for (const graph of this.graphs) {
      try {
        if (graph.collect() === 'more') return true;
        if (graph.tooLong !== undefined) this.noticeOnce(graph.tooLong);
      } catch (error) {
        if (!(error instanceof CairnError) || error instanceof InvariantError) throw error;
        this.noticeOnce(`${error.message} The files of ${graph.name} are not tidied up before that; nothing is lost.`);
      }
    }
    return false;
  }

  /** Takes what was submitted. */
  receive(): void {
    const { submitted, vcpuBell } = this.parts;
    for (let message = submitted.read(); message !== undefined; message = submitted.read()) {
      const operation = decodeOperation(message);
      if (operation === undefined) this.obey(message);
      else this.disk(operation.disk).queue.add(operation, operation.again ? operation.generation : undefined);
    }
    if (submitted.takeSpaceWanted()) vcpuBell.ring();
  }

  private obey(order: Message): void {
    if (order.kind === DISK_RETRY) {
      this.trouble = undefined;
      for (const { queue } of this.disks) queue.retry();
      return;
    }
    const disk = decodeOrder(order);
    if (order.kind === DISK_MARKER) this.disk(disk).switchTop();
    else if (order.kind === DISK_MEDIUM) this.disk(disk).takeOffered();
    else if (order.kind === DISK_GIVE_UP) this.giveUp(this.disk(disk));
    else throw new InvariantError(`unknown order ${order.kind} to the disk worker`);
  }

  private giveUp({ queue }: ServedDisk): void {
    for (const { operation } of queue.takeHeld()) this.complete(DONE_ERROR, operation.id);
    if (!this.disks.some(disk => disk.queue.hasHeld)) this.trouble = undefined; // or checkpoints would fail for it
  }

  private execute(disk: ServedDisk, queued: QueuedOperation<RingOperation>): void {
    const { id } = queued.operation;
    try {
      if (this.adoption.isUndecided) this.adoption.makeSure();
      const bytes = disk.execute(queued, this.parts.memory);
      disk.queue.ended(queued);
      this.complete(DONE_OK, id, bytes);
    } catch (error) {
      if (error instanceof StorageError) {
        disk.queue.held(queued);
        this.trouble = error;
        this.complete(DONE_HELD, id, new TextEncoder().encode(error.message));
      } else if (error instanceof DiskFormatError) {
        disk.queue.ended(queued);
        this.complete(DONE_ERROR, id);
        this.noticeOnce(error.message);
      } else throw error;
    }
  }

  private noticeOnce(text: string): void {
    if (this.noticed.has(text) || this.noticed.size >= MOST_NOTICES) return;
    this.noticed.add(text);
    this.parts.notice(text);
  }

  private complete(kind: number, id: number, bytes: Uint8Array = NO_BYTES): void {
    this.waiting.push(encodeCompletion({ kind, id, bytes }));
  }

  /** The vcpu rings this worker's doorbell when it has made space. */
  private deliver(): void {
    const { done, vcpuBell } = this.parts;
    if (done.writeFrom(this.waiting)) vcpuBell.ring();
  }

  disk(index: number): ServedDisk {
    const disk = this.disks[index];
    if (disk === undefined) throw new InvariantError(`no disk ${index}`);
    return disk;
  }
}
