import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CheckpointTrigger, RetentionTier } from '../ipc/contract.ts';
import { coarser, thin, thinnable, type Aged } from './retention.ts';

const HOUR = 3600;
const DAY = 24 * HOUR;
const TIERS: RetentionTier[] = [
  { forSeconds: HOUR, everySeconds: 0 },
  { forSeconds: DAY, everySeconds: HOUR },
  { forSeconds: 30 * DAY, everySeconds: DAY },
];
const at = (seconds: number): Aged => ({ id: `at${String(seconds).padStart(8, '0')}`, poweredOnMs: seconds * 1000 });

/** One checkpoint every `period`, thinned after each, until `end`. */
function live(period: number, end: number, tiers: readonly RetentionTier[]): number[] {
  let kept: Aged[] = [];
  for (let now = period; now <= end; now += period) {
    kept.push(at(now));
    const doomed = new Set(thin(kept, tiers, now * 1000));
    kept = kept.filter(({ id }) => !doomed.has(id));
  }
  return kept.map(({ poweredOnMs }) => poweredOnMs / 1000);
}

describe('retention tiers', () => {
  test('keep all of the last hour, hourly for a day, daily for a month', () => {
    const kept = live(15 * 60, 40 * DAY, TIERS);
    const age = (seconds: number) => 40 * DAY - seconds;
    expect(kept.filter(seconds => age(seconds) <= HOUR)).toHaveLength(5);
    expect(kept.filter(seconds => age(seconds) > HOUR && age(seconds) <= DAY)).toHaveLength(23);
    expect(kept.filter(seconds => age(seconds) > DAY)).toHaveLength(29);
    expect(kept.filter(seconds => age(seconds) > DAY).every(seconds => seconds % DAY === 0)).toBe(true);
    expect(Math.max(...kept.map(age))).toBeLessThanOrEqual(30 * DAY);
  });

  test('keep the first checkpoint of each of their buckets, whatever came between', () => {
    const tiers = fc
      .array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1, max: 3 })), { minLength: 1, maxLength: 4 })
      .map(parts => {
        let forSeconds = 0;
        let everySeconds = 10;
        return parts.map(([reach, factor]) => {
          everySeconds *= factor;
          forSeconds += (reach + 1) * everySeconds + 30;
          return { forSeconds, everySeconds };
        });
      });
    fc.assert(
      fc.property(tiers, fc.integer({ min: 1, max: 30 }), fc.integer({ min: 1, max: 400 }), (tiers, period, count) => {
        const end = period * count;
        const expected = Array.from({ length: count }, (_, n) => (n + 1) * period).filter(seconds => {
          const every = tiers.find(({ forSeconds }) => end - seconds <= forSeconds)?.everySeconds;
          const isFirst = every !== undefined && Math.floor((seconds - period) / every) < Math.floor(seconds / every);
          return isFirst || (seconds === period && every !== undefined) || seconds === end;
        });
        expect(live(period, end, tiers)).toEqual(expected);
      }),
    );
  });

  test('never take the newest, and nothing at all when there are none', () => {
    expect(thin([at(1), at(2)], [{ forSeconds: 1, everySeconds: 0 }], DAY * 1000)).toEqual(['at00000001']);
    expect(thin([at(1), at(2)], [], DAY * 1000)).toEqual([]);
    expect(thin([], TIERS, DAY * 1000)).toEqual([]);
  });

  test('count in powered-on time: a VM that was off for a year loses nothing', () => {
    const kept = [at(100), at(200)];
    expect(thin(kept, TIERS, 300_000)).toEqual([]);
  });

  test('what the user took or keeps is not theirs', () => {
    const of = (trigger: CheckpointTrigger, pinned: boolean) => ({ trigger, pinned });
    expect(thinnable([of('user', false), of('period', true), of('period', false), of('reset', false), of('user', true)])).toEqual([
      of('period', false),
      of('reset', false),
    ]);
  });

  test('made coarser leave fewer, at the end the oldest and the newest', () => {
    const all = Array.from({ length: 200 }, (_, n) => at((n + 1) * 600));
    let before = all.length;
    for (const factor of [2, 8, 2 ** 20]) {
      const left = all.length - thin(all, coarser({ keep: TIERS, everySeconds: 600 }, factor), 200 * 600_000).length;
      expect(left).toBeLessThan(before);
      before = left;
    }
    expect(before).toBe(2);
    expect(coarser({ keep: [], everySeconds: null }, 2)).toMatchObject([{ everySeconds: 120 }]);
  });
});
