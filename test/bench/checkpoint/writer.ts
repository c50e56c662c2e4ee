/** Somebody else who does what the writing of a checkpoint takes: what the guest loses beside it, it does not lose by being checkpointed. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Worker } from 'node:worker_threads';

export class Writer {
  private readonly folder = mkdtempSync(path.join(os.tmpdir(), 'cairn-bench-'));
  private readonly thread = new Worker(new URL('writer-thread.ts', import.meta.url), { workerData: path.join(this.folder, 'groups') });

  /** Settles when it has written for so long. */
  async write(ms: number): Promise<void> {
    this.thread.postMessage(ms);
    await once(this.thread, 'message');
  }

  async end(): Promise<void> {
    await this.thread.terminate();
    rmSync(this.folder, { recursive: true });
  }
}
