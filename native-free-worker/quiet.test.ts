import { expect, test } from 'vitest';
import { LONGEST_PATIENCE_NS, Quiet } from './quiet.ts';

const SECOND = 1e9;

test('a guest that only takes its ticks is quiet after a while; work and input end that', () => {
  const quiet = new Quiet();
  quiet.halted(10 * SECOND, 5_000_000);
  for (let tick = 1; tick <= 250; tick++) quiet.halted(10 * SECOND + tick * 4e6, 5_000_000 + tick * 4000);
  expect(quiet.patienceNs(11.9 * SECOND)).toBe(0);
  expect(quiet.patienceNs(12 * SECOND)).toBe(SECOND / 8);
  expect(quiet.patienceNs(60 * SECOND)).toBe(LONGEST_PATIENCE_NS);
  quiet.halted(61 * SECOND, 7_000_000);
  expect(quiet.patienceNs(62 * SECOND)).toBe(0);
  expect(quiet.patienceNs(65 * SECOND)).toBeGreaterThan(0);
  quiet.disturb(66 * SECOND);
  expect(quiet.patienceNs(67 * SECOND)).toBe(0);
});

test('what happens every second keeps the guest punctual', () => {
  const quiet = new Quiet();
  for (let second = 1; second < 100; second++) {
    quiet.halted(second * SECOND, second * 1_000_000);
    expect(quiet.patienceNs((second + 0.99) * SECOND)).toBe(0);
  }
});
