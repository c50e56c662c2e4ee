/** The kernel's side of a world's disk worker: opens the disks before the machine is built, asks for work on them, and closes them when the world has ended. */
import type { Worker } from 'node:worker_threads';
import { CairnError, StorageError, messageOf } from '#engine/errors/errors.ts';
import type { Failure } from '#worker/checkpoint-protocol.ts';
import type {
  DiskAnswers,
  DiskMessage,
  DiskProgress,
  DiskRequestKind,
  DiskRequests,
  DiskSpec,
  DiskWorkerData,
  OpenedDisk,
} from '#worker/disk-protocol.ts';
import type { Doorbell } from '#worker/doorbell.ts';
import type { Thread } from '#worker/thread.ts';
import { diskDoorbell } from '#worker/world-block.ts';

interface Asked {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

export interface DisksListener {
  notice(text: string): void;
  /** Of what the collector does. */
  progress(progress: DiskProgress): void;
  /** The worker ended before it was asked to: so must the world. */
  crashed(reason: string): void;
}

export class WorldDisks {
  /** In the order of the specs. */
  readonly opened: readonly OpenedDisk[];
  private readonly worker: Worker;
  private readonly bell: Doorbell;
  private readonly asked = new Map<number, Asked>();
  private readonly exited: Promise<void>;
  private listener: DisksListener | undefined;
  private readonly unheard: string[] = [];
  private nextId = 1;
  private finishing = false;
  /** It ended when it was asked to. */
  private hasFinished = false;
  private problem: string | undefined;

  /** `running`: a guest will write to them. Throws CairnError when one cannot be opened. */
  static async open(thread: Thread, memory: SharedArrayBuffer, specs: readonly DiskSpec[], running: boolean): Promise<WorldDisks> {
    const data: DiskWorkerData = { memory, running, disks: specs };
    const worker = thread.begin(data);
    const first = await new Promise<DiskMessage>((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    if (first.kind === 'opened') return new WorldDisks(worker, memory, first.disks);
    await worker.terminate();
    throw first.kind === 'refused' ? errorOf(first.failure) : new StorageError('STORAGE', 'the disks could not be opened.');
  }

  private constructor(worker: Worker, memory: SharedArrayBuffer, opened: readonly OpenedDisk[]) {
    this.worker = worker;
    this.opened = opened;
    this.bell = diskDoorbell(memory);
    worker.on('message', (message: DiskMessage) => this.receive(message));
    worker.on('error', error => (this.problem = error instanceof Error ? `${error.name}: ${error.message}` : String(error)));
    this.exited = new Promise(resolve => worker.once('exit', code => resolve(this.ended(code))));
  }

  /** Whether checkpoints hold any of them. */
  get inCheckpoints(): boolean {
    return this.opened.some(({ inCheckpoints }) => inCheckpoints);
  }

  listen(listener: DisksListener): void {
    this.listener = listener;
    for (const text of this.unheard.splice(0)) listener.notice(text);
  }

  /** Rejects with what went wrong there; the worker goes on. */
  request<K extends DiskRequestKind>(kind: K, what: DiskRequests[K]): Promise<DiskAnswers[K]> {
    const id = this.nextId++;
    return new Promise((resolve, reject) => {
      if (this.problem !== undefined) {
        reject(this.closed(this.problem));
        return;
      }
      this.asked.set(id, { resolve: result => resolve(result as DiskAnswers[K]), reject });
      this.worker.postMessage({ ...what, id, kind });
      this.bell.ring();
    });
  }

  /** The vcpu worker has ended: what it submitted is executed, everything is flushed and closed. */
  async finish(): Promise<void> {
    if (!this.finishing) {
      this.finishing = true;
      await this.request('finish', {}).catch((error: unknown) => this.notice(messageOf(error)));
    }
    await this.exited;
  }

  private receive(message: DiskMessage): void {
    if (message.kind === 'notice') this.notice(message.text);
    if (message.kind === 'progress') this.listener?.progress(message.progress);
    if (message.kind !== 'answer' && message.kind !== 'failed') return;
    const asked = this.asked.get(message.id);
    this.asked.delete(message.id);
    if (message.kind === 'answer') asked?.resolve(message.result);
    else asked?.reject(errorOf(message.failure));
  }

  private closed(problem: string): StorageError {
    if (this.hasFinished) return new StorageError('VM_OFF', 'The VM has ended before that.');
    return new StorageError('STORAGE', `The world's disks were closed before that: ${problem}.`);
  }

  private notice(text: string): void {
    if (this.listener) this.listener.notice(text);
    else this.unheard.push(text);
  }

  private ended(code: number): void {
    this.hasFinished = this.finishing && this.problem === undefined;
    this.problem ??= `the disk worker ended by itself (code ${code})`;
    for (const { reject } of this.asked.values()) reject(this.closed(this.problem));
    this.asked.clear();
    if (!this.finishing) this.listener?.crashed(this.problem);
  }
}

const errorOf = ({ code, message }: Failure): CairnError => new CairnError(code, message);
