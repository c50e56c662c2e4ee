/**
 * The policy of one VM at work: told how things are, it says what is to be done. It does nothing itself and reads no clock, so that it can be tested at any time of any day.
 */
import type { Checkpoint, CheckpointTrigger, Policy } from '../ipc/contract.ts';
import { DiskRoom } from './disk-room.ts';
import { PowerWatch, type PowerState } from './power.ts';
import { coarser, thin, thinnable } from './retention.ts';

/** How the VM and its host are now. */
export interface Situation {
  /** It gets cycles: paused, starting and off are not. */
  readonly running: boolean;
  readonly poweredOnMs: number;
  readonly checkpoints: readonly Checkpoint[];
  /** Of the disk that the bundle is on; undefined when it can't be told. */
  readonly freeBytes: number | undefined;
  /** Undefined when the host has no battery, or does not tell. */
  readonly power: PowerState | undefined;
}

export type Decision =
  | { readonly kind: 'take'; readonly trigger: CheckpointTrigger }
  | { readonly kind: 'eliminate'; readonly ids: readonly string[] }
  | { readonly kind: 'low-on-room'; readonly freeBytes: number }
  | { readonly kind: 'room-again' };

/** After a periodic checkpoint that failed the next is tried this much later, in powered-on time. */
const RETRY_MS = 60_000;
const COARSEST = 2 ** 20;

export class VmPolicy {
  policy: Policy;
  private readonly powerWatch = new PowerWatch();
  private readonly disk = new DiskRoom();
  /** Powered-on time of the last periodic checkpoint, which may have been eliminated since. */
  private lastPeriodMs = 0;
  private coarseness = 1;

  constructor(policy: Policy) {
    this.policy = policy;
  }

  /** To be called about every second while the VM is not off; eliminations first, for they make room. */
  look(now: Situation): Decision[] {
    return [...this.thinOut(now), ...this.lookAtPower(now), ...this.period(now)];
  }

  /** Only what makes room: after a checkpoint that was taken at an event. */
  thinOut(now: Situation): Decision[] {
    return [...this.lookAtRoom(now), ...this.retention(now)];
  }

  /** Something happened that no state tells of. */
  happened(event: 'suspend' | 'shutdown' | 'reset' | 'power-off'): Decision[] {
    const { suspend, shutdown, reset, powerOff } = this.policy;
    const wanted = { suspend, shutdown, reset, 'power-off': powerOff }[event];
    return wanted ? [{ kind: 'take', trigger: event }] : [];
  }

  /** What was decided could not be done. */
  failed(trigger: CheckpointTrigger, poweredOnMs: number): void {
    const everyMs = (this.policy.everySeconds ?? 0) * 1000;
    if (trigger === 'period') this.lastPeriodMs = poweredOnMs - everyMs + Math.min(everyMs, RETRY_MS);
  }

  private lookAtRoom({ freeBytes }: Situation): Decision[] {
    if (freeBytes === undefined || !this.disk.looked(freeBytes, this.policy.diskLowMiB)) return [];
    this.coarseness = 1;
    return this.disk.room === 'low' ? [{ kind: 'low-on-room', freeBytes }] : [{ kind: 'room-again' }];
  }

  private retention({ checkpoints, poweredOnMs }: Situation): Decision[] {
    const automatic = thinnable(checkpoints);
    let ids = thin(automatic, this.policy.keep, poweredOnMs);
    if (this.disk.room === 'low') {
      // One step a look: the disk is looked at again before more goes.
      while (ids.length === 0 && this.coarseness < COARSEST) {
        this.coarseness *= 2;
        ids = thin(automatic, coarser(this.policy, this.coarseness), poweredOnMs);
      }
    }
    return ids.length === 0 ? [] : [{ kind: 'eliminate', ids }];
  }

  private lookAtPower({ power, running }: Situation): Decision[] {
    if (power === undefined) return [];
    const triggers = this.powerWatch.changed(power, this.policy);
    return running ? triggers.map(trigger => ({ kind: 'take', trigger })) : [];
  }

  private period({ running, poweredOnMs, checkpoints }: Situation): Decision[] {
    const { everySeconds } = this.policy;
    if (everySeconds === null || !running || this.disk.room === 'low') return [];
    for (const checkpoint of checkpoints)
      if (checkpoint.trigger === 'period') this.lastPeriodMs = Math.max(this.lastPeriodMs, checkpoint.poweredOnMs);
    if (poweredOnMs - this.lastPeriodMs < everySeconds * 1000) return [];
    this.lastPeriodMs = poweredOnMs;
    return [{ kind: 'take', trigger: 'period' }];
  }
}
