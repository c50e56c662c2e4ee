import { beforeEach, describe, expect, test } from 'vitest';
import { checkpointName, CheckpointRun } from '#test/support/checkpoint-run.ts';
import { FakeVm } from '#test/support/fake-vm.ts';
import { nodeCodec } from '#worker/node-codec.ts';
import { eliminateCheckpoints } from './eliminate.ts';
import { sharingOf } from './sharing.ts';

const vm = await FakeVm.create(200);
let run: CheckpointRun;
beforeEach(async () => {
  run = await CheckpointRun.ofThreeGenerations(vm);
});

const sharing = (...ns: number[]) => sharingOf(run.store, ns.map(checkpointName), nodeCodec);

describe('what checkpoint files share', () => {
  test('own and shared bytes are the file; the newest shares nothing; together they own more', () => {
    for (const n of [1, 2, 3]) {
      const { ownBytes, sharedBytes } = sharing(n);
      expect(ownBytes + sharedBytes).toBe(run.sizeOf(n));
    }
    expect(sharing(1).sharedBytes).toBeGreaterThan(run.sizeOf(1) / 2);
    expect(sharing(3)).toEqual({ ownBytes: run.sizeOf(3), sharedBytes: 0 });
    expect(sharing(1, 2, 3)).toEqual({ ownBytes: run.sizeOf(1) + run.sizeOf(2) + run.sizeOf(3), sharedBytes: 0 });
    expect(sharing(2, 3).ownBytes).toBeGreaterThan(sharing(2).ownBytes + sharing(3).ownBytes);
  });

  test('what is left of an eliminated one belongs to whoever still points to it', () => {
    const { sharedBytes } = sharing(1);
    eliminateCheckpoints(run.store, [checkpointName(1)], nodeCodec);
    expect(sharing(2, 3)).toEqual({ ownBytes: run.sizeOf(2) + run.sizeOf(3) + sharedBytes, sharedBytes: 0 });
  });

  test('a damaged file can be counted, too', () => {
    run.scratch(run.pathOf(1), 0);
    expect(sharing(1)).toEqual({ ownBytes: run.sizeOf(1), sharedBytes: 0 });
  });
});
