/**
 * The synchronous loop of a disk worker: look at the kernel's requests → execute one operation of the guest's → one piece of a job → sleep on the
 * doorbell when there is nothing. Jobs (commit, copy: work beside the guest's operations) get what the guest leaves, and an eighth when it leaves nothing.
 */
import { createCowDisk } from '#engine/disk/chain.ts';
import type { DiskHost } from '#engine/disk/open.ts';
import { Qcow2Image } from '#engine/disk/qcow2/image.ts';
import { failureOf } from './checkpoint-protocol.ts';
import type { DiskMessage, DiskRequest, DiskRequestKind } from './disk-protocol.ts';
import type { DiskServer } from './disk-server.ts';
import type { Doorbell } from './doorbell.ts';

/** Operations of a busy guest between two pieces of a job. */
const OPERATIONS_PER_PIECE = 8;

/** Its request is answered with `result` once step() says that there is no more, or throws. Disposed then, and when the world ends before. */
export interface DiskJob extends Disposable {
  /** One piece, of a few milliseconds at most. True when there is more. */
  step(): boolean;
  readonly result: unknown;
}

export interface DiskWorkerParts {
  readonly server: DiskServer;
  readonly host: DiskHost;
  readonly bell: Doorbell;
  receive(): DiskRequest | undefined;
  send(message: DiskMessage): void;
}

interface RunningJob {
  readonly id: number;
  readonly job: DiskJob;
}

export class DiskWorkerLoop {
  private readonly parts: DiskWorkerParts;
  private readonly jobs: RunningJob[] = [];
  private sincePiece = 0;
  private finished = false;

  constructor(parts: DiskWorkerParts) {
    this.parts = parts;
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
    if (this.jobs.length === 0) return served;
    if (!served || ++this.sincePiece >= OPERATIONS_PER_PIECE) this.piece();
    return true;
  }

  private take(request: DiskRequest): void {
    this.parts.server.receive(); // a marker that was submitted before it has made another layer the top
    this.answer(request.id, () => {
      const result = this.handlers[request.kind](request as never);
      if (!isJob(result)) this.parts.send({ kind: 'answer', id: request.id, result });
      else this.jobs.push({ id: request.id, job: result });
    });
  }

  /** What each request does: its answer at once, or a job. */
  private readonly handlers: { readonly [K in DiskRequestKind]: (request: DiskRequest<K>) => unknown } = {
    'prepare-cow': ({ id, disk, path, options }) => {
      const served = this.parts.server.disk(disk);
      served.prepare(id, createCowDisk(this.parts.host, path, served.top, options));
      return id;
    },
    'drop-cow': ({ disk, layer }) => {
      const dropped = this.parts.server.disk(disk).takePrepared(layer);
      if (dropped instanceof Qcow2Image) dropped.attachParent(undefined); // the parent is still the guest's
      dropped[Symbol.dispose]();
    },
    finish: () => {
      for (const { job } of this.jobs.splice(0)) job[Symbol.dispose]();
      this.finished = true;
      this.parts.server.finish();
    },
  };

  private piece(): void {
    this.sincePiece = 0;
    const running = this.jobs[0]!;
    const { id, job } = running;
    this.answer(id, () => {
      if (job.step()) {
        this.jobs.push(this.jobs.shift()!); // each in turn
        return;
      }
      this.parts.send({ kind: 'answer', id, result: job.result });
      this.end(running);
    });
  }

  private end(running: RunningJob): void {
    const index = this.jobs.indexOf(running);
    if (index < 0) return;
    this.jobs.splice(index, 1);
    running.job[Symbol.dispose]();
  }

  /** A request that fails is answered; the worker goes on. */
  private answer(id: number, work: () => void): void {
    try {
      work();
    } catch (error) {
      for (const running of this.jobs.filter(job => job.id === id)) this.end(running);
      this.parts.send({ kind: 'failed', id, failure: failureOf(error) });
    }
  }
}

const isJob = (result: unknown): result is DiskJob => typeof result === 'object' && result !== null && 'step' in result;
