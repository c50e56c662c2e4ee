import { expect, test } from 'vitest';
import { Bench, deviceContract } from '#test/support/device-contract.ts';
import { CoprocessorError } from './coprocessor-error.ts';

const make = (bench: Bench, ignoreErrors = () => {}) => new CoprocessorError(bench.ports, { irq13: bench.irq(13), ignoreErrors });
deviceContract('coprocessor-error', bench => make(bench), [(_bench, device) => device.signal()]);

test('FERR# raises IRQ13 once, until F0h is written', () => {
  const bench = new Bench();
  let ignored = 0;
  const device = make(bench, () => void ignored++);
  device.signal();
  device.signal();
  expect([bench.edges.get(13), bench.levels.get(13), ignored]).toEqual([1, true, 0]);
  bench.out(0xf0, 0);
  expect([bench.levels.get(13), ignored]).toEqual([false, 1]);
  device.signal();
  expect(bench.edges.get(13)).toBe(2);
});
