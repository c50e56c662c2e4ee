import { expect, test } from 'vitest';
import { NO_POLICY, policy as schema } from '../../main/ipc/contract.ts';
import { nextTier, policyWords, secondsOf, spanOf, spanWords, tierProblems } from './policy-form.ts';

test('a time is told in the largest unit that says it exactly, and comes back', () => {
  expect([1, 59, 90, 900, 5400, 7200, 86_400, 90_000].map(spanOf)).toEqual([
    { count: 1, unit: 's' },
    { count: 59, unit: 's' },
    { count: 90, unit: 's' },
    { count: 15, unit: 'min' },
    { count: 90, unit: 'min' },
    { count: 2, unit: 'h' },
    { count: 1, unit: 'd' },
    { count: 25, unit: 'h' },
  ]);
  for (const seconds of [1, 61, 900, 7200, 86_400]) expect(secondsOf(spanOf(seconds))).toBe(seconds);
  expect([spanWords(3600), spanWords(3600, true), spanWords(900)]).toEqual(['1 hour', 'hour', '15 minutes']);
});

test('tiers that are added reach further and further, and please the host', () => {
  let keep = [nextTier([])];
  for (let n = 0; n < 6; n++) keep = [...keep, nextTier(keep)];
  expect(keep.slice(0, 3)).toEqual(NO_POLICY.keep);
  expect(schema.safeParse({ ...NO_POLICY, keep }).success).toBe(true);
  expect(tierProblems(keep).every(problem => problem === undefined)).toBe(true);
});

test('a tier that adds nothing is told', () => {
  const hour = { everySeconds: 0, forSeconds: 3600 };
  expect(tierProblems([hour, { everySeconds: 60, forSeconds: 3600 }])).toEqual([
    undefined,
    'It must reach further back than 1 hour, where the one above ends.',
  ]);
  expect(tierProblems([{ everySeconds: 7200, forSeconds: 3600 }])).toEqual(['One in 2 hours is more than it reaches back.']);
});

test('in a few words', () => {
  expect(policyWords(NO_POLICY)).toBe('off');
  expect(policyWords({ ...NO_POLICY, everySeconds: 900 })).toBe('every 15 minutes');
  expect(policyWords({ ...NO_POLICY, everySeconds: 3600, reset: true })).toBe('every hour, at 1 event');
  expect(policyWords({ ...NO_POLICY, batteryLowPercent: 10, shutdown: true })).toBe('at 2 events');
});
