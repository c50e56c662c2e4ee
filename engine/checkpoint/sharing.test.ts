import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { FakeVm, fullSpeed, testClock } from '#test/support/fake-vm.ts';
import { MemoryFiles } from '#test/support/memory-files.ts';
import { nodeCodec } from '#worker/node-codec.ts';
import type { Base } from './base.ts';
import { eliminateCheckpoints } from './eliminate.ts';
import { sharingOf } from './sharing.ts';
import { whileStopped } from './stopped.ts';
import { CheckpointStore } from './store.ts';
import { takeCheckpoint } from './take.ts';

const RAM = 200;
let vm: FakeVm;
let files: MemoryFiles;
let store: CheckpointStore;
let base: Base | undefined;

beforeAll(async () => {
  vm = await FakeVm.create(RAM);
});
beforeEach(() => {
  vm.reset();
  files = new MemoryFiles();
  store = new CheckpointStore(files, '/vm/checkpoints');
  base = undefined;
});

const id = (n: number) => `checkpoint${n}`;
async function take(n: number): Promise<void> {
  const clock = testClock();
  const stopped = whileStopped(vm, clock);
  const request = { id: id(n), parent: null, vmName: 'Debian', title: '', takenAt: '', ramBytes: vm.ramBytes, running: true };
  const parts = { store, codec: nodeCodec, clock, pace: fullSpeed(clock), base, startedMs: 0 };
  ({ base } = await takeCheckpoint(request, stopped, vm.frozen(stopped.slot), parts));
  vm.thaw(stopped.slot);
}
const sizeOf = (n: number) => files.get(store.pathOf(id(n))).length;
const sharing = (...ns: number[]) => sharingOf(store, ns.map(id), nodeCodec);

/** 1 has all pages, 2 changed some, 3 others: both point into 1. */
async function threeGenerations(): Promise<void> {
  for (let index = 0; index < RAM; index++) vm.write(index, index + 1);
  await take(1);
  for (let index = 0; index < 70; index++) vm.write(index, index + 1000);
  await take(2);
  for (let index = 60; index < 130; index++) vm.write(index, index + 2000);
  await take(3);
}

describe('what checkpoint files share', () => {
  test('own and shared bytes are the file; the newest shares nothing; together they own more', async () => {
    await threeGenerations();
    for (const n of [1, 2, 3]) {
      const { ownBytes, sharedBytes } = sharing(n);
      expect(ownBytes + sharedBytes).toBe(sizeOf(n));
    }
    expect(sharing(1).sharedBytes).toBeGreaterThan(sizeOf(1) / 2);
    expect(sharing(3)).toEqual({ ownBytes: sizeOf(3), sharedBytes: 0 });
    expect(sharing(1, 2, 3)).toEqual({ ownBytes: sizeOf(1) + sizeOf(2) + sizeOf(3), sharedBytes: 0 });
    expect(sharing(2, 3).ownBytes).toBeGreaterThanOrEqual(sharing(2).ownBytes + sharing(3).ownBytes);
  });

  test('what is left of an eliminated one belongs to whoever still points to it', async () => {
    await threeGenerations();
    const { sharedBytes } = sharing(1);
    eliminateCheckpoints(store, [id(1)], nodeCodec);
    expect(sharing(2, 3)).toEqual({ ownBytes: sizeOf(2) + sizeOf(3) + sharedBytes, sharedBytes: 0 });
  });

  test('a damaged file can be counted, too', async () => {
    await threeGenerations();
    using file = files.openWrite(store.pathOf(id(1)));
    file.write(new Uint8Array(64).fill(0xa5), 0);
    expect(sharing(1)).toEqual({ ownBytes: sizeOf(1), sharedBytes: 0 });
  });
});
