import { expect, test } from 'vitest';
import { LONGEST_PATIENCE_NS, Quiet } from './quiet.ts';

const SECOND = 1e9;

test('a guest that only takes its ticks is quiet after a while; work and input end that', () => {
  const quiet = new Quiet();
  quiet.halted(10 * SECOND, 5_000_000, 0);
  for (let tick = 1; tick <= 250; tick++) quiet.halted(10 * SECOND + tick * 4e6, 5_000_000 + tick * 4000, 0);
  expect(quiet.patienceNs(11.9 * SECOND)).toBe(0);
  expect(quiet.patienceNs(12 * SECOND)).toBe(SECOND / 8);
  expect(quiet.patienceNs(60 * SECOND)).toBe(LONGEST_PATIENCE_NS);
  quiet.halted(61 * SECOND, 7_000_000, 0);
  expect(quiet.patienceNs(62 * SECOND)).toBe(0);
  expect(quiet.patienceNs(65 * SECOND)).toBeGreaterThan(0);
  quiet.disturb(66 * SECOND);
  expect(quiet.patienceNs(67 * SECOND)).toBe(0);
});

test('what happens every second keeps the guest punctual', () => {
  const quiet = new Quiet();
  for (let second = 1; second < 100; second++) {
    quiet.halted(second * SECOND, second * 1_000_000, 0);
    expect(quiet.patienceNs((second + 0.99) * SECOND)).toBe(0);
  }
});

/** The guest ticks every 4 ms for ever; a program runs in the tick after each `periodNs` of sleep. Answers how late it was each time. */
function latenessOf(periodNs: number, untilNs: number): number[] {
  const quiet = new Quiet();
  const late: number[] = [];
  let runs = 0;
  let dueNs = periodNs;
  for (let nowNs = 0; nowNs < untilNs; nowNs += 4e6 + quiet.patienceNs(nowNs)) {
    if (nowNs >= dueNs) {
      late.push(nowNs - dueNs);
      dueNs = nowNs + periodNs;
      runs++;
    }
    quiet.halted(nowNs, 0, runs);
  }
  return late;
}

const TICK = 4e6;

test.each([0.02, 0.5, 1, 1.99])('a user program that sleeps %d s is punctual, however little it does', seconds => {
  const late = latenessOf(seconds * SECOND, 60 * SECOND);
  expect(late.length).toBeGreaterThan(20);
  // Nobody knows of it before it has run twice.
  expect(Math.max(...late.slice(2))).toBeLessThanOrEqual(TICK);
});

test('a daemon that looks around every few seconds does not keep the guest awake', () => {
  const late = latenessOf(5 * SECOND, 60 * SECOND);
  expect(Math.max(...late)).toBeGreaterThan(SECOND / 10);
  expect(Math.max(...late)).toBeLessThanOrEqual(LONGEST_PATIENCE_NS + TICK);
});

test('a program that begins when the guest has been quiet for long is punctual from its third run on', () => {
  const quiet = new Quiet();
  quiet.halted(100 * SECOND, 0, 1);
  expect(quiet.patienceNs(100 * SECOND)).toBe(LONGEST_PATIENCE_NS);
  // The second came as late as it may.
  quiet.halted(102 * SECOND + 0.9 * LONGEST_PATIENCE_NS, 0, 2);
  expect(quiet.patienceNs(103 * SECOND)).toBe(0);
});
