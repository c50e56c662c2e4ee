import { expect, test } from 'vitest';
import { DiskWaits } from './disk-waits.ts';

test('once the VM has ended nobody waits for ever, whoever comes first', async () => {
  const waits = new DiskWaits();
  const before = waits.of('before');
  waits.finish();
  for (const { reads, pointers } of [before, waits.of('after')]) {
    await reads.promise;
    await expect(pointers.promise).rejects.toThrow('the VM ended before its disks were safe');
  }
});
