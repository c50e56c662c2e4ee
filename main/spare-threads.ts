/** One thread of each kind is kept ready, once a world has run, so that the next world (a revert above all) begins at once. */
import { freeDescriptors, requireDescriptors, THREAD_DESCRIPTORS } from '#worker/descriptors.ts';
import { Thread } from '#worker/thread.ts';

/** So long after a thread was taken its successor is started, when what it was taken for has got going. */
const REST_MS = 2000;
/** Descriptors that are left when one is kept: threads that wait take none from those that work. */
const ROOM = 64;

export class SpareThreads {
  private readonly spares = new Map<string, Thread>();
  private readonly timers = new Set<NodeJS.Timeout>();
  private closed = false;

  /** A thread that runs `entry`; name is for debuggers. */
  take(entry: URL, name: string): Thread {
    const spare = this.spares.get(entry.href);
    this.spares.delete(entry.href);
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      this.keep(entry, name);
    }, REST_MS);
    timer.unref();
    this.timers.add(timer);
    return spare ?? new Thread(entry, name);
  }

  /** Throws StorageError when threads that run `entries` could not be started for want of descriptors: sooner than one that has not got all. */
  requireRoom(entries: readonly URL[]): void {
    const missing = entries.filter(({ href }) => !this.spares.has(href)).length;
    if (missing > 0) requireDescriptors(missing * THREAD_DESCRIPTORS, 'Starting a VM');
  }

  async close(): Promise<void> {
    this.closed = true;
    for (const timer of this.timers) clearTimeout(timer);
    await Promise.all([...this.spares.values()].map(({ worker }) => worker.terminate()));
    this.spares.clear();
  }

  private keep(entry: URL, name: string): void {
    if (this.closed || this.spares.has(entry.href) || freeDescriptors() < ROOM) return;
    const thread = new Thread(entry, name);
    const forget = () => {
      if (this.spares.get(entry.href) === thread) this.spares.delete(entry.href);
    };
    // One that ends before it is used is nobody's loss: the next is started when it is needed.
    thread.worker.once('error', forget);
    thread.worker.once('exit', forget);
    this.spares.set(entry.href, thread);
  }
}
