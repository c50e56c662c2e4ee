/** The kernel's side of a world's checkpoint worker: orders under way and what became of them. */
import type { MessagePort, Worker } from 'node:worker_threads';
import { CheckpointError, messageOf } from '#engine/errors/errors.ts';
import type { DiskPointer } from '#engine/checkpoint/format/schemas.ts';
import {
  errorOf,
  failureOf,
  type CheckpointEvent,
  type CheckpointCommand,
  type CheckpointOrder,
  type CheckpointWorkerData,
} from '#worker/checkpoint-protocol.ts';
import type { Thread } from '#worker/thread.ts';
import { checkpointFacts, type CheckpointFacts, type CheckpointProgress } from './ipc/contract.ts';

interface UnderWay {
  readonly title: string;
  progress(progress: CheckpointProgress): void;
  resolve(info: CheckpointFacts): void;
  reject(error: Error): void;
}

export class WorldCheckpoints {
  private readonly worker: Worker;
  private readonly underWay = new Map<string, UnderWay>();
  private readonly eliminations = new Map<string, { resolve(): void; reject(error: Error): void }>();
  private tickets = 1;
  private readonly exited: Promise<void>;
  private problem = 'the VM ended before that';
  private hasExited = false;

  constructor(thread: Thread, memory: SharedArrayBuffer, ramBytes: number, vcpu: MessagePort, sharePagesPerSecond?: number) {
    const data: CheckpointWorkerData = { memory, ramBytes, vcpu, sharePagesPerSecond };
    this.worker = thread.begin(data, [vcpu]);
    this.worker.on('message', (event: CheckpointEvent) => this.receive(event));
    this.worker.on('error', error => (this.problem = messageOf(error)));
    this.exited = new Promise(resolve => {
      this.worker.once('exit', () => {
        this.hasExited = true;
        this.loseAll();
        resolve();
      });
    });
  }

  /** Nobody answers any more. */
  private loseAll(): void {
    for (const { title, reject } of this.underWay.values())
      reject(new CheckpointError('CHECKPOINT_LOST', `The checkpoint “${title}” was not taken: ${this.problem}.`));
    this.underWay.clear();
    for (const { reject } of this.eliminations.values())
      reject(new CheckpointError('CHECKPOINT_LOST', `Not every checkpoint was deleted: ${this.problem}. Look at those that are left.`));
    this.eliminations.clear();
  }

  /** Call it before the order is posted to the vcpu. */
  expect(order: CheckpointOrder, progress: (progress: CheckpointProgress) => void): Promise<CheckpointFacts> {
    return new Promise((resolve, reject) => {
      this.underWay.set(order.id, { title: order.title, progress, resolve, reject });
      if (this.hasExited) this.loseAll();
    });
  }

  /** Step 832: where the checkpoint points to is durable. */
  settleDisks(id: string, pointers: readonly DiskPointer[]): void {
    this.command({ kind: 'disks', id, pointers });
  }

  /** It cannot be made durable: the checkpoint fails. */
  failDisks(id: string, error: unknown): void {
    this.command({ kind: 'no-disks', id, failure: failureOf(error) });
  }

  /** Eliminates checkpoints of `folder` (engine/checkpoint/eliminate.ts) between two that are taken. */
  eliminate(folder: string, ids: readonly string[]): Promise<void> {
    const ticket = String(this.tickets++);
    return new Promise((resolve, reject) => {
      this.eliminations.set(ticket, { resolve, reject });
      this.command({ kind: 'eliminate', ticket, folder, ids });
      if (this.hasExited) this.loseAll();
    });
  }

  /** The vcpu worker has ended: what was stopped for (804-814) is still written, then the worker ends. */
  async finish(): Promise<void> {
    this.command({ kind: 'finish' });
    await this.exited;
  }

  async terminate(): Promise<void> {
    await this.worker.terminate();
  }

  private command(command: CheckpointCommand): void {
    this.worker.postMessage(command);
  }

  private receive(event: CheckpointEvent): void {
    if (event.kind === 'eliminated') {
      const waiting = this.eliminations.get(event.ticket);
      this.eliminations.delete(event.ticket);
      if (event.failure) waiting?.reject(errorOf(event.failure));
      else waiting?.resolve();
      return;
    }
    const order = this.underWay.get(event.id);
    if (!order) return;
    if (event.kind === 'progress') {
      order.progress({ step: event.step, share: event.share, figures: event.figures });
      return;
    }
    this.underWay.delete(event.id);
    if (event.kind === 'done') order.resolve(checkpointFacts.parse(event.info));
    else order.reject(errorOf(event.failure));
  }
}
