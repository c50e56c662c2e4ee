import { beforeEach, expect, test } from 'vitest';
import { PAGE_SIZE } from '../memory/layout.ts';
import { CowThrottle } from './throttle.ts';

const SLICE_NS = 250_000;
let stats: { cowFaults: number; usedPages: number; livePages: number; keptPages: number; poolPages: number };
let throttle: CowThrottle;
beforeEach(() => {
  stats = { cowFaults: 1000, usedPages: 2001, livePages: 2000, keptPages: 0, poolPages: 4000 };
  throttle = new CowThrottle(() => stats);
  throttle.ran(SLICE_NS);
});

test('the VM rests more the nearer its copies come to the limit, and not at all below half of it', () => {
  const rests = [];
  for (const copies of [0, 499, 500, 625, 750, 1000, 5000]) {
    stats.usedPages = 2001 + copies;
    rests.push(throttle.ran(SLICE_NS) / SLICE_NS);
  }
  expect(rests.slice(0, 3)).toEqual([0, 0, 0]);
  expect(rests[3]).toBeCloseTo(0.245 / 0.755);
  expect(rests[4]).toBeCloseTo(0.49 / 0.51);
  expect(rests[5]).toBeCloseTo(49);
  expect(rests[6]).toBeCloseTo(49);
});

test('copies that have been given back do not count, nor do pages that the guest begins to use, nor what is kept of earlier checkpoints', () => {
  stats.usedPages += 900;
  expect(throttle.ran(SLICE_NS)).toBeGreaterThan(0);
  stats.usedPages -= 500;
  expect(throttle.figures()).toMatchObject({ copiedBytes: 400 * PAGE_SIZE, limitBytes: 1000 * PAGE_SIZE, restShare: 0 });
  stats.usedPages += 600;
  stats.livePages += 600;
  expect(throttle.figures().copiedBytes).toBe(400 * PAGE_SIZE);
  stats.usedPages += 2000;
  stats.keptPages += 2000;
  expect(throttle.figures().copiedBytes).toBe(400 * PAGE_SIZE);
});

test('the limit is the user’s', () => {
  throttle.limitBytes = 100 * PAGE_SIZE;
  stats.usedPages += 75;
  expect(throttle.figures()).toMatchObject({ limitBytes: 100 * PAGE_SIZE, restShare: 0.49 });
});

test('faults are counted per second of guest execution', () => {
  for (let slice = 0; slice < 20_000; slice++) {
    stats.cowFaults += 2;
    throttle.ran(SLICE_NS);
  }
  expect(throttle.figures().faultsPerSecond).toBeCloseTo(8000, -1);
});
