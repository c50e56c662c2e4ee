import { describe, expect, test } from 'vitest';
import type { StoppableVm } from './ports.ts';
import { whileStopped } from './stopped.ts';

/** A VM that notes what is done to it. */
function vm(hazard: boolean, canWait = true) {
  const done: string[] = [];
  const stoppable: StoppableVm = {
    freeze: () => {
      done.push('freeze');
      return { slot: 3, epoch: 7 };
    },
    thaw: slot => void done.push(`thaw ${slot}`),
    saveDevices: () => {
      done.push('save devices');
      return [];
    },
    disks: {
      switchTops: () => void done.push('switch'),
      hasReadThenWrite: () => hazard,
      waitForAll: () => {
        done.push('wait');
        return canWait;
      },
    },
  };
  const steps: number[] = [];
  let now = 0;
  const stop = (failAt?: number) =>
    whileStopped(stoppable, { nowMs: () => now++ }, step => {
      steps.push(step);
      if (step === failAt) throw new Error(`step ${step}`);
    });
  return { done, steps, stop };
}

describe('the stop of a VM with disks', () => {
  test('takes the steps in the order of the method', () => {
    const { done, steps, stop } = vm(false);
    expect(stop()).toEqual({ slot: 3, epoch: 7, devices: [], pauseMs: 1 });
    expect(steps).toEqual([804, 806, 808, 810, 812, 814]);
    expect(done).toEqual(['freeze', 'save devices', 'switch']);
  });

  test('waits where a pending read is followed by a write of the same block (812)', () => {
    const { done, stop } = vm(true);
    stop();
    expect(done).toEqual(['freeze', 'save devices', 'switch', 'wait']);
  });

  test('is refused, with no marks left, where that wait would not end', () => {
    const { done, stop } = vm(true, false);
    expect(() => stop()).toThrow('storage');
    expect(done.at(-1)).toBe('thaw 3');
  });

  test.each([808, 810, 812, 814])('leaves no marks when it fails at step %i', step => {
    const { done, stop } = vm(false);
    expect(() => stop(step)).toThrow(`step ${step}`);
    expect(done.at(-1)).toBe('thaw 3');
  });
});
