import { expect, test } from 'vitest';
import { PATIENCE_NS, Quiet } from './quiet.ts';

const SECOND = 1e9;

test('a guest that only takes its ticks is quiet after a while; work and input end that', () => {
  const quiet = new Quiet();
  quiet.halted(10 * SECOND, 5_000_000);
  expect(quiet.patienceNs(10.1 * SECOND)).toBe(0);
  for (let tick = 1; tick <= 100; tick++) quiet.halted(10 * SECOND + tick * 4e6, 5_000_000 + tick * 4000);
  expect(quiet.patienceNs(10.4 * SECOND)).toBe(0);
  expect(quiet.patienceNs(10.5 * SECOND)).toBe(PATIENCE_NS);
  quiet.halted(11 * SECOND, 6_000_000);
  expect(quiet.patienceNs(11 * SECOND)).toBe(0);
  expect(quiet.patienceNs(11.5 * SECOND)).toBe(PATIENCE_NS);
  quiet.disturb(12 * SECOND);
  expect(quiet.patienceNs(12.2 * SECOND)).toBe(0);
});
