import { expect, test } from 'vitest';
import { takeCheckpointOf } from '#test/support/checkpoint-run.ts';
import { FakeVm, testClock } from '#test/support/fake-vm.ts';
import { MemoryFiles } from '#test/support/memory-files.ts';
import { nodeCodec } from '#worker/node-codec.ts';
import { Duplicates } from './duplicates.ts';
import { inspectCheckpoint } from './inspect.ts';
import { pageHash, samePages } from './page-hash.ts';
import { restoreCheckpoint } from './restore.ts';
import { CheckpointStore } from './store.ts';

const RAM = 300;

const vm = await FakeVm.create(RAM);
const other = await FakeVm.create(RAM);

/** Takes a checkpoint of `vm`, restores it into `other`, and returns what the file says. */
async function takeAndRestore(turn: () => void = () => {}) {
  const store = new CheckpointStore(new MemoryFiles(), '/vm');
  const instant = vm.contents();
  await takeCheckpointOf(vm, 1, { store, clock: testClock(turn) });
  other.reset();
  restoreCheckpoint(store, store.pathOf('checkpoint1'), other, nodeCodec);
  expect(other.contents()).toEqual(instant);
  return inspectCheckpoint(store.files, store.pathOf('checkpoint1'), nodeCodec, true);
}

test('equal pages are stored once, wherever they lie, and restored to pages of their own', async () => {
  vm.reset();
  for (let index = 0; index < RAM; index++) vm.write(index, (index % 7) + 1);
  const { pages, duplicates, groups } = await takeAndRestore();
  expect({ pages, duplicates, groups }).toEqual({ pages: { stored: RAM, zero: 0, pointed: 0, absent: 1 }, duplicates: RAM - 7, groups: 1 });
  const before = other.contents();
  other.write(0, 12345);
  other.write(0, 1);
  expect(other.contents()).toEqual(before);
  other.write(7, 9); // what index 0 was stored as
  expect(other.page(0)).toEqual(other.page(14));
});

test('a page whose equal was given back is stored again', async () => {
  vm.reset();
  for (let index = 0; index < RAM; index++) vm.write(index, index + 1);
  vm.write(RAM - 1, 1); // as page 0
  // Page 0 is copied by the VM after the stop, so its original goes once it is written; whatever takes its place is no page to compare with.
  let turns = 0;
  const { duplicates } = await takeAndRestore(() => {
    if (turns++ === 0) for (let index = 0; index < 40; index++) vm.write(index, 5000 + index);
    else for (let index = 100; index < 140; index++) vm.write(index, 1);
  });
  expect(duplicates).toBeLessThanOrEqual(1);
});

test('pages are told apart by every byte, also when their hashes agree', () => {
  const page = (one: number, other: number) => {
    const bytes = new Uint8Array(4096);
    new Uint32Array(bytes.buffer).set([one, other]);
    return bytes;
  };
  const seen = new Map<number, number>();
  let pair: [Uint8Array, Uint8Array] | undefined;
  for (let n = 1; pair === undefined; n++) {
    const noise = page(Math.imul(n, 0x9e3779b1), Math.imul(n, 0x85ebca6b) ^ (n << 7));
    const earlier = seen.get(pageHash(noise));
    if (earlier !== undefined) pair = [page(Math.imul(earlier, 0x9e3779b1), Math.imul(earlier, 0x85ebca6b) ^ (earlier << 7)), noise];
    seen.set(pageHash(noise), n);
  }
  const [one, two] = pair;
  expect(samePages(one, two)).toBe(false);
  const frozen = [one, two, one.slice(), two.slice()];
  const pages = {
    epoch: 1,
    limit: 4,
    ppn: (gppn: number) => gppn + 1,
    writtenEpoch: () => 1,
    page: (gppn: number) => frozen[gppn]!,
    freeOriginal: () => false,
  };
  const duplicates = new Duplicates(pages);
  expect([0, 1, 2, 3].map(gppn => duplicates.find(gppn))).toEqual([undefined, undefined, 0, 1]);
  const hashed: number[] = [];
  const shared = new Duplicates({ ...pages, ppn: gppn => (gppn % 2) + 1 }, gppn => hashed.push(gppn));
  expect([0, 1, 2, 3].map(gppn => shared.find(gppn))).toEqual([undefined, undefined, 0, 1]);
  expect(hashed).toEqual([0, 1]); // a machine page that they share is not looked at again
  for (const at of [0, 1, 4095]) {
    const changed = one.slice();
    changed[at]! ^= 1;
    expect(samePages(one, changed)).toBe(false);
    expect(pageHash(one)).not.toBe(pageHash(changed));
  }
});
