/** Exactness of a real Linux kernel: the same instructions end in the same state, with other slices, with a checkpoint in the middle, and from it. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { restoreInto, takeFrom } from '../support/bench-checkpoint.ts';
import { BenchPc } from '../support/bench-pc.ts';
import { demo } from '../support/guests.ts';

const RAM_BYTES = 128 << 20;
/** Up to here the kernel unpacks itself; afterwards it has interrupts, paging and much to initialize. */
const UNPACKED = 2_500_000_000;
const FIRST = 50_000_000;
const REST = 150_000_000;

test('10⁸ instructions and more of a Linux boot end in one state, however they are run', async () => {
  const boot = {
    kind: 'linux',
    kernel: readFileSync(demo.kernel()),
    initrd: readFileSync(demo.initrd()),
    commandLine: 'console=ttyS0',
  } as const;
  const plain = new BenchPc({ boot, ramBytes: RAM_BYTES });
  plain.run(UNPACKED + FIRST);
  const middle = plain.pc.stateHash();
  plain.run(REST);
  const end = plain.pc.stateHash();

  const ongoing = new BenchPc({ boot, ramBytes: RAM_BYTES }, 2);
  ongoing.run(UNPACKED + FIRST, () => false, 77_777);
  expect(ongoing.pc.stateHash()).toBe(middle);
  let left = REST;
  const store = await takeFrom(ongoing, () => {
    const budget = Math.min(left, 100_003);
    ongoing.run(budget);
    left -= budget;
  });
  expect(left).toBeGreaterThan(0);
  ongoing.run(left);
  expect(ongoing.pc.stateHash()).toBe(end);

  const restored = new BenchPc({ boot: { kind: 'none' }, ramBytes: RAM_BYTES });
  restoreInto(restored, store);
  expect(restored.pc.stateHash()).toBe(middle);
  restored.run(REST, () => false, 3_001);
  expect(restored.pc.stateHash()).toBe(end);
});
