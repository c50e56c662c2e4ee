/**
 * The synchronous loop of a disk worker: look at the kernel's requests → execute one operation of the guest's → one piece of other work → sleep on the
 * doorbell when there is nothing. Collectors (merging, committing, copying) get what the guest leaves, and an eighth when it leaves nothing.
 */
import { failureOf } from './checkpoint-protocol.ts';
import type { DiskMessage, DiskRequest, DiskRequestKind, Medium } from './disk-protocol.ts';
import { diskHandlers, Waiting, type DiskHandlers } from './disk-requests.ts';
import type { DiskServer } from './disk-server.ts';
import type { Doorbell } from './doorbell.ts';
import type { DiskBacking } from './served-disk.ts';

/** Operations of a busy guest between two pieces of other work. */
const OPERATIONS_PER_PIECE = 8;
/** Pieces between two reports of progress. */
const PIECES_PER_REPORT = 16;

export interface DiskWorkerParts {
  readonly server: DiskServer;
  readonly bell: Doorbell;
  receive(): DiskRequest | undefined;
  send(message: DiskMessage): void;
  openMedium(medium: Medium): DiskBacking;
}

export class DiskWorkerLoop {
  private readonly parts: DiskWorkerParts;
  private readonly handlers: DiskHandlers;
  /** Requests that are answered later. */
  private waiting: { readonly id: number; readonly waiting: Waiting }[] = [];
  private sincePiece = 0;
  private pieces = 0;
  /** Disks of whose work the user has heard the beginning and not the end. */
  private readonly told = new Set<string>();
  private finished = false;

  constructor(parts: DiskWorkerParts) {
    this.parts = parts;
    this.handlers = diskHandlers(parts.server, medium => parts.openMedium(medium));
  }

  /** Returns when the kernel has asked it to finish. */
  run(): void {
    const { bell } = this.parts;
    while (!this.finished) {
      const seen = bell.count; // before looking for news, so that no ring is missed
      if (!this.step()) bell.sleep(seen);
    }
  }

  /** True when there may be more to do at once. */
  step(): boolean {
    const { server } = this.parts;
    const request = this.parts.receive();
    if (request !== undefined) {
      this.take(request);
      return true;
    }
    const served = server.step();
    this.answerWaiting();
    if (served && ++this.sincePiece < OPERATIONS_PER_PIECE) return true;
    this.sincePiece = 0;
    const more = this.piece();
    this.answerWaiting(); // the last piece may be what somebody waits for
    return more || served;
  }

  private take(request: DiskRequest): void {
    const { id, kind } = request;
    // What the vcpu sent before it asked the kernel comes before what the kernel asks.
    this.parts.server.receive();
    this.attempt(id, () => {
      const result = this.handlers[kind as DiskRequestKind](request as never);
      if (result instanceof Waiting) this.waiting.push({ id, waiting: result });
      else this.parts.send({ kind: 'answer', id, result });
    });
    if (kind === 'finish') this.finished = true; // also when that failed: who asked waits for the end
    this.answerWaiting();
  }

  private answerWaiting(): void {
    if (this.waiting.length === 0) return;
    this.waiting = this.waiting.filter(({ id, waiting }) =>
      this.attempt(id, () => {
        if (!waiting.isOver()) return true;
        this.parts.send({ kind: 'answer', id, result: undefined });
        return false;
      }),
    );
  }

  /** A request that fails is answered; the worker goes on. Undefined then. */
  private attempt<T>(id: number, work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      this.parts.send({ kind: 'failed', id, failure: failureOf(error) });
      return undefined;
    }
  }

  /** One piece of one collector's work. */
  private piece(): boolean {
    const worked = this.parts.server.collect();
    if (!worked || this.pieces++ % PIECES_PER_REPORT === 0) this.report(worked);
    return worked;
  }

  /** What is being done, and of which disks nothing more is. */
  private report(worked: boolean): void {
    const { server, send } = this.parts;
    for (const graph of server.graphs) {
      const { name, isCollected } = graph;
      const progress = worked ? graph.progress : undefined;
      if (progress !== undefined) {
        this.told.add(name);
        send({ kind: 'progress', progress });
      } else if ((!worked || isCollected) && this.told.delete(name)) {
        send({ kind: 'progress', progress: { disk: name, step: null, doneBytes: 0, totalBytes: 0 } });
      }
    }
  }
}
