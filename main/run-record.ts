/**
 * running.json in a bundle: the VM is on. Its file is touched as long as the VM's process lives, and goes when the VM is switched off. When it is there though nobody runs the VM, the
 * process was killed or the computer failed (or the VM crashed: then it says why), and that stays known until the VM is started or goes back to a checkpoint.
 */
import { rmSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { readBoundedText } from '#worker/bounded-read.ts';
import type { Checkpoint, VmSummary } from './ipc/contract.ts';
import { replaceFile } from './replace-file.ts';

const FILE = 'running.json';
const MOST_BYTES = 16_384;
const LONGEST_REASON = 4000;
/** How exactly it is known later when the process ended. */
const TOUCH_MS = 10_000;

const schema = z.object({ version: z.literal(1), pid: z.int(), since: z.iso.datetime(), crash: z.string().optional() });

/** A run that nobody has ended. */
export interface LostRun {
  readonly pid: number;
  /** ISO 8601, UTC: when the VM was started, and when its process was alive for certain last. */
  readonly since: string;
  readonly lastSeenAt: string;
  /** Why the VM crashed, if it is that. */
  readonly crash?: string | undefined;
}

/** Only when nobody runs the VM does it mean that. */
export function readLostRun(bundlePath: string): LostRun | undefined {
  const path = join(bundlePath, FILE);
  try {
    const { pid, since, crash } = schema.parse(JSON.parse(readBoundedText(path, MOST_BYTES)));
    const touched = statSync(path).mtime.toISOString();
    return { pid, since, lastSeenAt: touched < since ? since : touched, crash }; // a file system's clock may be behind by a tick
  } catch {
    return undefined; // there is none, or none that can be believed
  }
}

/** What nobody wants to know any more. */
export function forgetLostRun(bundlePath: string): void {
  rmSync(join(bundlePath, FILE), { force: true });
}

/** Of a VM that is on in this process. Where storage fails nothing is noted, and the VM runs all the same. */
export class RunRecord {
  private readonly bundlePath: string;
  private readonly since = new Date().toISOString();
  private readonly timer: NodeJS.Timeout;

  constructor(bundlePath: string) {
    this.bundlePath = bundlePath;
    this.write({});
    this.timer = setInterval(() => this.touch(), TOUCH_MS).unref();
  }

  /** The VM is off, as somebody wanted it. */
  end(): void {
    clearInterval(this.timer);
    try {
      forgetLostRun(this.bundlePath);
    } catch {
      // It is told as lost then, which is better than the other way round.
    }
  }

  crashed(reason: string): void {
    clearInterval(this.timer);
    this.write({ crash: reason.slice(0, LONGEST_REASON) });
  }

  private touch(): void {
    try {
      const now = new Date();
      utimesSync(join(this.bundlePath, FILE), now, now);
    } catch {
      // The next time then.
    }
  }

  private write(more: { readonly crash?: string }): void {
    try {
      replaceFile(join(this.bundlePath, FILE), `${JSON.stringify({ version: 1, pid: process.pid, since: this.since, ...more })}\n`);
    } catch {
      // The disk is full, say.
    }
  }
}

/** A VM that is off and was not switched off. `current`: the checkpoint that it stood on, `known` what there is to know of it. */
export function lostVm(
  { pid, since, lastSeenAt, crash }: LostRun,
  current: string | undefined,
  known: Pick<Checkpoint, 'title' | 'takenAt'> | undefined,
): Pick<VmSummary, 'state' | 'reason' | 'killed'> {
  const what =
    crash === undefined
      ? `its process (${pid}) was killed, or the computer failed, after ${seconds(lastSeenAt)}: what it had in memory is lost.`
      : `it crashed at ${seconds(lastSeenAt)}: ${crash.replace(/\.?$/, '.')}`;
  const last = known === undefined ? current : `“${known.title}” (${current}) of ${seconds(known.takenAt)}`;
  return {
    state: 'crashed',
    reason: `${what} ${last === undefined ? 'It has no checkpoint to go back to.' : `The last checkpoint is ${last}.`}`,
    ...(crash === undefined && { killed: { pid, since, lastSeenAt } }),
  };
}

const seconds = (iso: string): string => iso.replace(/\.\d+Z$/, 'Z');
