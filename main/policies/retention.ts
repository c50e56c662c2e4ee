/**
 * Which automatic checkpoints are thinned out: retention tiers, such as all of the last hour, hourly for a day, daily for a month. Ages are in powered-on time, so
 * a VM that is off for a year loses nothing by it.
 *
 *   age  0 ──── all ────▶ 1 h ──── one an hour ────▶ 1 d ──── one a day ────▶ 30 d ──── none
 *
 * Time is cut into buckets of a tier's spacing, from the first powered-on second on, and the oldest checkpoint of each is kept: it stays the same one however
 * often it is asked for, and the one kept of a day is among those kept of its hours.
 */
import type { Checkpoint, Policy, RetentionTier } from '../ipc/contract.ts';

export type Aged = Pick<Checkpoint, 'id' | 'poweredOnMs'>;

/** What no policy may eliminate is not among them. */
export function thinnable<C extends Pick<Checkpoint, 'trigger' | 'pinned'>>(checkpoints: readonly C[]): C[] {
  return checkpoints.filter(({ trigger, pinned }) => trigger !== 'user' && !pinned);
}

/** The ids to eliminate, oldest first. The newest is always kept. */
export function thin(checkpoints: readonly Aged[], tiers: readonly RetentionTier[], poweredOnMs: number): string[] {
  if (tiers.length === 0) return [];
  const oldestFirst = checkpoints.toSorted((a, b) => a.poweredOnMs - b.poweredOnMs);
  const newest = oldestFirst.at(-1);
  let lastKeptMs = -Infinity;
  return oldestFirst
    .filter(checkpoint => {
      if (checkpoint === newest) return false;
      const tier = tiers.findIndex(({ forSeconds }) => poweredOnMs - checkpoint.poweredOnMs <= forSeconds * 1000);
      if (tier < 0) return true;
      const spacingMs = tiers[tier]!.everySeconds * 1000;
      if (spacingMs > 0 && Math.floor(checkpoint.poweredOnMs / spacingMs) === Math.floor(lastKeptMs / spacingMs)) return true;
      lastKeptMs = checkpoint.poweredOnMs;
      return false;
    })
    .map(({ id }) => id);
}

/** Wider spacing in every tier, for a disk that is nearly full: at the end the oldest and the newest are left. */
export function coarser({ keep, everySeconds }: Pick<Policy, 'keep' | 'everySeconds'>, factor: number): RetentionTier[] {
  const finest = everySeconds ?? 60;
  const tiers = keep.length > 0 ? keep : [{ forSeconds: Number.MAX_SAFE_INTEGER / 1000, everySeconds: 0 }];
  return tiers.map(({ forSeconds, everySeconds: spacing }) => ({ forSeconds, everySeconds: Math.max(spacing, finest) * factor }));
}
