/** The rules of a VM's policy in its form: times as a count and a unit, what is wrong with one in a sentence, and the whole in a few words. */
import type { Policy, RetentionTier } from '../../main/ipc/contract.ts';

export type TimeUnit = 's' | 'min' | 'h' | 'd';
export const SECONDS: Readonly<Record<TimeUnit, number>> = { s: 1, min: 60, h: 3600, d: 86_400 };
const WORDS: Readonly<Record<TimeUnit, string>> = { s: 'second', min: 'minute', h: 'hour', d: 'day' };

export interface Span {
  readonly count: number;
  readonly unit: TimeUnit;
}

/** In the largest unit that says it exactly. */
export function spanOf(seconds: number): Span {
  const unit = (['d', 'h', 'min'] as const).find(each => seconds >= SECONDS[each] && seconds % SECONDS[each] === 0) ?? 's';
  return { count: seconds / SECONDS[unit], unit };
}
export const secondsOf = ({ count, unit }: Span): number => count * SECONDS[unit];

/** "15 minutes", "hour" for "every hour". */
export function spanWords(seconds: number, every = false): string {
  const { count, unit } = spanOf(seconds);
  if (count === 1) return every ? WORDS[unit] : `1 ${WORDS[unit]}`;
  return `${count} ${WORDS[unit]}s`;
}

export const PERIOD: Span = { count: 15, unit: 'min' };
export const BATTERY_LOW_PERCENT = 10;
export const DISK_LOW_MIB = 1024;

/** One more tier, which reaches further back than the last. */
export function nextTier(tiers: readonly RetentionTier[]): RetentionTier {
  const last = tiers.at(-1);
  if (last === undefined) return { everySeconds: 0, forSeconds: SECONDS.h };
  const forSeconds = last.forSeconds < SECONDS.d ? SECONDS.d : last.forSeconds < 30 * SECONDS.d ? 30 * SECONDS.d : last.forSeconds * 2;
  const everySeconds =
    last.everySeconds < SECONDS.h ? SECONDS.h : last.everySeconds < SECONDS.d ? SECONDS.d : Math.min(last.everySeconds * 2, forSeconds);
  return { everySeconds, forSeconds };
}

/** What is wrong with each tier; undefined where nothing is. */
export function tierProblems(tiers: readonly RetentionTier[]): (string | undefined)[] {
  return tiers.map(({ everySeconds, forSeconds }, n) => {
    const before = tiers[n - 1];
    if (before && forSeconds <= before.forSeconds)
      return `It must reach further back than ${spanWords(before.forSeconds)}, where the one above ends.`;
    if (everySeconds > forSeconds) return `One in ${spanWords(everySeconds)} is more than it reaches back.`;
    return undefined;
  });
}

/** What has checkpoints taken besides, and its words after "also". */
export const TRIGGERS = {
  onBattery: 'when this computer goes on battery',
  suspend: 'before this computer sleeps',
  shutdown: 'before this computer shuts down, or Cairn ends',
  reset: 'before the guest resets the machine',
  powerOff: 'when the guest has powered the machine off',
} as const satisfies Partial<Record<keyof Policy, string>>;
export type Trigger = keyof typeof TRIGGERS;

/** For the head of the checkpoints: "every 15 minutes", "at 2 events", "off". */
export function policyWords(policy: Policy): string {
  const events = Object.keys(TRIGGERS).filter(trigger => policy[trigger as Trigger]).length + (policy.batteryLowPercent === null ? 0 : 1);
  const also = events === 1 ? '1 event' : `${events} events`;
  if (policy.everySeconds === null) return events === 0 ? 'off' : `at ${also}`;
  return `every ${spanWords(policy.everySeconds, true)}${events === 0 ? '' : `, at ${also}`}`;
}
