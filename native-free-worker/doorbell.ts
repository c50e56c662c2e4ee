/**
 * A doorbell: a counter in shared memory that whoever has news increments. A sleeper reads the counter, looks for news, and sleeps only
 * while the counter still has the value it read, so no ring is ever missed.
 */
export class Doorbell {
  private readonly word: Int32Array;

  constructor(buffer: SharedArrayBuffer, offset: number) {
    this.word = new Int32Array(buffer, offset, 1);
  }

  /** Read this before looking for news. */
  get count(): number {
    return Atomics.load(this.word, 0);
  }

  ring(): void {
    Atomics.add(this.word, 0, 1);
    Atomics.notify(this.word, 0);
  }

  /** Blocks this thread until the bell rings after `seen` was read, or `timeoutMs` have passed. True when it rang. */
  sleep(seen: number, timeoutMs?: number): boolean {
    return Atomics.wait(this.word, 0, seen, timeoutMs) !== 'timed-out';
  }

  /** The same for a thread with an event loop: undefined when it has rung already. */
  rung(seen: number, timeoutMs?: number): Promise<unknown> | undefined {
    const outcome = Atomics.waitAsync(this.word, 0, seen, timeoutMs);
    return outcome.async ? outcome.value : undefined;
  }
}
