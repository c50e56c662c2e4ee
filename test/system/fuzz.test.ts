/** A bounded part of the nightly run (scripts/fuzz.mjs): damaged images, checkpoint files, volumes and folders of VMs are refused, and nothing else happens. */
import { expect, test } from 'vitest';
import { fuzz } from '../fuzz/fuzz.ts';

test('3,750 damaged files are read or refused within their bounds', async () => {
  const { targets } = await fuzz({ cases: 3750, seed: 2 });
  for (const [name, { cases, good }] of Object.entries(targets)) {
    // A target that takes everything, or nothing, is not being damaged where it matters.
    expect({ name, cases, some: good < cases }).toEqual({ name, cases: 150, some: true });
  }
  expect(Object.values(targets).reduce((sum, { good }) => sum + good, 0)).toBeGreaterThan(250);
});
