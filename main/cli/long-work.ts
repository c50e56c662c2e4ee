/** Work that may take long: told on stderr while it runs, ended by Ctrl-C between two steps. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { CairnError } from '#engine/errors/errors.ts';
import { formatBytes } from './output.ts';
import { endingSignal } from './signals.ts';

export interface Progress {
  readonly position: number;
  readonly totalBytes: number;
}

/** Whoever waits less sees nothing. */
const QUIET_MS = 1000;
const BETWEEN_MS = 500;

export class LongWork {
  private readonly doing: string;
  private readonly json: boolean;
  private stopped = false;
  private nextMs = performance.now() + QUIET_MS;
  private shown = false;

  /** `doing`: “converting disk.vdi”. */
  constructor(doing: string, json: boolean) {
    this.doing = doing;
    this.json = json;
    void endingSignal().then(() => (this.stopped = true));
  }

  /** Calls `step` until it answers that all is done. Throws INTERRUPTED when the user wants no more. */
  async run(step: () => boolean, progress: () => Progress): Promise<void> {
    try {
      while (!step()) {
        this.tell(progress());
        await nextTurn();
        if (this.stopped) throw new CairnError('INTERRUPTED', `${this.doing} was interrupted: nothing was changed.`);
      }
    } finally {
      if (this.shown && process.stderr.isTTY && !this.json) process.stderr.write('\r\x1b[K');
    }
  }

  private tell({ position, totalBytes }: Progress): void {
    const now = performance.now();
    if (now < this.nextMs) return;
    this.nextMs = now + BETWEEN_MS;
    this.shown = true;
    if (this.json) process.stderr.write(`${JSON.stringify({ progress: { doing: this.doing, position, totalBytes } })}\n`);
    else {
      const text = `${this.doing}: ${Math.floor((position / Math.max(1, totalBytes)) * 100)} % of ${formatBytes(totalBytes)}`;
      process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${text}` : `${text}\n`);
    }
  }
}
