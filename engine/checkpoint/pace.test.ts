import { expect, test } from 'vitest';
import { Pace } from './pace.ts';
import { isZeroPage } from './zero-page.ts';

/** A clock that work and sleep move. */
function setUp(urgent = () => false) {
  let nowMs = 0;
  let sleptMs = 0;
  const clock = {
    nowMs: () => nowMs,
    sleep: async (ms: number) => {
      nowMs += ms;
      sleptMs += ms;
    },
  };
  const steps = [
    { afterMs: 0, share: 0.25 },
    { afterMs: 1000, share: 0.5 },
    { afterMs: 2000, share: 1 },
  ];
  const pace = new Pace(clock, steps, urgent);
  /** Works in units of 1 ms until `untilMs`; returns the share of the time spent working. */
  const work = async (untilMs: number) => {
    const [startMs, sleptBefore] = [nowMs, sleptMs];
    while (nowMs < untilMs) {
      nowMs += 1;
      await pace.unitDone();
    }
    return 1 - (sleptMs - sleptBefore) / (nowMs - startMs);
  };
  return work;
}

test('the share of time spent working rises in steps the longer it takes', async () => {
  const work = setUp();
  expect(await work(990)).toBeCloseTo(0.25, 1);
  await work(1010);
  expect(await work(1990)).toBeCloseTo(0.5, 1);
  await work(2010);
  expect(await work(3000)).toBe(1);
});

test('when copies are about to exhaust the pool, it does nothing but work', async () => {
  let urgent = true;
  const work = setUp(() => urgent);
  expect(await work(100)).toBe(1);
  urgent = false;
  expect(await work(500)).toBeCloseTo(0.25, 1);
});

test('a zero page is told by all of its bytes', () => {
  const page = new Uint8Array(4096);
  expect(isZeroPage(page)).toBe(true);
  const missed = [];
  for (let at = 0; at < page.length; at++) {
    page[at] = 1;
    if (isZeroPage(page)) missed.push(at);
    page[at] = 0;
  }
  expect(missed).toEqual([]);
});
