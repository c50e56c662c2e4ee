/**
 * A world's thread can be started before anybody knows for which world: it loads its program, and sleeps until the kernel begins it. Starting a thread
 * and loading its program is most of what a revert would otherwise wait for.
 */
import { parentPort, receiveMessageOnPort, Worker, workerData, type MessagePort } from 'node:worker_threads';
import { requireDescriptors, THREAD_DESCRIPTORS } from './descriptors.ts';
import { NodeVolumeUses } from './volume-uses.ts';

export class Thread {
  readonly worker: Worker;
  private readonly begun = new Int32Array(new SharedArrayBuffer(4));

  /** A thread that has not begun keeps no process alive. Throws StorageError when the process has too few descriptors for one. */
  constructor(entry: URL, name: string) {
    requireDescriptors(THREAD_DESCRIPTORS, 'Starting a thread');
    this.worker = new Worker(entry, { workerData: this.begun.buffer, name });
    this.worker.unref();
    const { threadId } = this.worker;
    this.worker.once('exit', () => new NodeVolumeUses().forgetThread(threadId));
  }

  /** Gives it what startData() answers there. */
  begin(data: object, transfer: readonly (ArrayBuffer | MessagePort)[] = []): Worker {
    this.worker.ref();
    this.worker.postMessage(data, [...transfer] as never);
    Atomics.store(this.begun, 0, 1);
    Atomics.notify(this.begun, 0);
    return this.worker;
  }
}

/** In the thread, first of all: sleeps until the kernel begins it. */
export function startData<T>(): T {
  Atomics.wait(new Int32Array(workerData as SharedArrayBuffer), 0, 0);
  return (receiveMessageOnPort(parentPort!) as { message: T }).message;
}
