/** A bounded part of the nightly run (scripts/fuzz-devices.mjs): whatever a guest, a host and storage do, devices answer, in bounded steps, and are what their saved state says. */
import { expect, test } from 'vitest';
import { fuzzDevices } from '../fuzz/devices/fuzz-devices.ts';

test('two million operations', () => {
  const { operations, coverage } = fuzzDevices({ operations: 2_000_000, seed: 2 });
  expect(operations).toBeGreaterThanOrEqual(2_000_000);
  // Every device is reached, and the hosts of SCSI units and discs as often as the rest.
  const reached = (beginning: string) => [...coverage].reduce((sum, [what, count]) => sum + (what.startsWith(beginning) ? count : 0), 0);
  const often = [
    'ide0 ',
    'ide1 scsi',
    'ide3 scsi',
    'virtio-balloon queue',
    'virtio-blk-0 queue',
    'virtio-scsi target0',
    'virtio-scsi target1',
    'virtio-scsi target2',
  ];
  expect(often.filter(beginning => reached(beginning) < 1000)).toEqual([]);
});
