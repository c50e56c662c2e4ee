/**
 * Sharing equal pages (§138), both sides: the checkpoint worker looks for them at a bounded pace while it has nothing else to do; the vcpu thread, which alone may change the map, merges them
 * between slices, a few at a time.
 */
import { EqualPages } from '#engine/checkpoint/equal-pages.ts';
import type { HostClock } from '#engine/checkpoint/ports.ts';
import type { CoreExports } from '#engine/cpu/core-exports.ts';
import type { CheckpointJob, CheckpointReply } from './checkpoint-protocol.ts';

/** Hashed between two sleeps. */
const PIECE_PAGES = 100;
/** A pass takes at least this long: a page that was not written meanwhile is worth sharing. */
export const SHORTEST_PASS_MS = 2000;
/** Passes that find nothing take ever longer, up to so many times that. */
const QUIET_FACTOR = 4;
/** A sleep at a time, so that the worker ends soon when it is to. */
const LONGEST_SLEEP_MS = 250;
/** Merged between two slices: each compares 4 KiB, and may look through the TLBs. */
const MERGED_AT_ONCE = 16;

export interface ScannerParts {
  readonly memory: SharedArrayBuffer;
  readonly clock: HostClock;
  /** Pages hashed in a second at most. */
  readonly pagesPerSecond: number;
  readonly shortestPassMs: number;
  /** A checkpoint is being written: nothing is looked at meanwhile. */
  isWriting(): boolean;
  reply(reply: CheckpointReply): void;
}

/** The checkpoint worker's side. */
export class SharingScanner {
  private readonly parts: ScannerParts;
  private readonly pages: EqualPages;
  private tellMerged: () => void = () => {};
  private hasEnded = false;
  private passMs: number;

  constructor(parts: ScannerParts) {
    this.parts = parts;
    this.passMs = parts.shortestPassMs;
    this.pages = new EqualPages(parts.memory);
  }

  /** Settles after end(). */
  async run(): Promise<void> {
    while (!this.hasEnded) await this.pass();
  }

  /** The vcpu has merged what it was told of. */
  merged(): void {
    this.tellMerged();
  }

  end(): void {
    this.hasEnded = true;
    this.merged();
  }

  private async pass(): Promise<void> {
    const { clock, pagesPerSecond, shortestPassMs } = this.parts;
    const begunMs = clock.nowMs();
    let isQuiet = true;
    for (let isOver = false; !isOver && !this.hasEnded;) {
      if (this.parts.isWriting()) {
        await this.sleep(LONGEST_SLEEP_MS);
        continue;
      }
      const found = this.pages.next(PIECE_PAGES);
      isOver = found.isOver;
      if (found.pairs.length > 0) {
        isQuiet = false;
        await this.tell(found.pairs, false);
      }
      await this.sleep((found.cost / pagesPerSecond) * 1000);
    }
    this.passMs = isQuiet ? Math.min(this.passMs * 2, shortestPassMs * QUIET_FACTOR) : shortestPassMs;
    await this.sleep(begunMs + this.passMs - clock.nowMs());
    await this.tell(new Uint32Array(), true);
    this.pages.begin();
  }

  private async tell(pairs: Uint32Array<ArrayBuffer>, endsPass: boolean): Promise<void> {
    if (this.hasEnded) return;
    const merged = new Promise<void>(resolve => (this.tellMerged = resolve));
    this.parts.reply({ kind: 'equal', pairs, endsPass });
    await merged;
  }

  private async sleep(ms: number): Promise<void> {
    for (let left = ms; left > 0 && !this.hasEnded; left -= LONGEST_SLEEP_MS)
      await this.parts.clock.sleep(Math.min(left, LONGEST_SLEEP_MS));
  }
}

/** The vcpu thread's side. */
export class SharingVcpu {
  private readonly core: Pick<CoreExports, 'mergePages' | 'endEpoch'>;
  private readonly send: (job: CheckpointJob) => void;
  private found: (CheckpointReply & { kind: 'equal' }) | undefined;
  private at = 0;

  constructor(core: Pick<CoreExports, 'mergePages' | 'endEpoch'>, send: (job: CheckpointJob) => void) {
    this.core = core;
    this.send = send;
  }

  take(found: CheckpointReply & { kind: 'equal' }): void {
    this.found = found;
    this.at = 0;
  }

  /** A bounded piece of work between two slices; true when there is more to be done at once. */
  work(): boolean {
    if (this.found === undefined) return false;
    const { pairs, endsPass } = this.found;
    for (const end = Math.min(pairs.length, this.at + 2 * MERGED_AT_ONCE); this.at < end; this.at += 2)
      this.core.mergePages(pairs[this.at]!, pairs[this.at + 1]!);
    if (this.at < pairs.length) return true;
    if (endsPass) this.core.endEpoch();
    this.found = undefined;
    this.send({ kind: 'merged' });
    return false;
  }
}
