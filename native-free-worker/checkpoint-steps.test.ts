/** METHOD.md, Fig. 3A, with pending disk operations: each test fails when the step that it is named after is left out. */
import { expect, test } from 'vitest';
import type { DriveRequest } from '#engine/devices/drive.ts';
import { livePpn } from '#engine/memory/mmm.ts';
import { contents, pattern } from '#test/support/disk-model.ts';
import { DiskWorld } from './testing/disk-world.ts';

const ID = 'checkpoint1';
const BLOCK = 512;
/** Guest pages: what reads go to, what writes come from, and others. */
const [INTO, FROM, OTHER] = [1, 2, 5];
const read = (offset: number, gppn: number): DriveRequest => ({ kind: 'read', offset, ranges: [{ gpa: gppn * 4096, length: BLOCK }] });
const write = (offset: number, gppn: number): DriveRequest => ({ kind: 'write', offset, ranges: [{ gpa: gppn * 4096, length: BLOCK }] });
const block = (seed: number) => pattern(BLOCK, seed);

/** A disk whose first two blocks have OLD, a guest page to read into, and one with NEW to write from. */
const [OLD, NEW, MARK] = [1, 2, 9];
async function worldWithDisk(): Promise<DiskWorld> {
  const world = await DiskWorld.create();
  const { bench } = world;
  for (const offset of [0, BLOCK]) bench.submit({ kind: 'write-bytes', offset, bytes: block(OLD) });
  bench.guestWrites(INTO, 0, pattern(4096, MARK));
  bench.guestWrites(FROM, 0, block(NEW));
  await world.settle();
  return world;
}
const diskOf = (world: DiskWorld) => contents(world.bench.disk.backing.top);
const firstBlock = (bytes: Uint8Array) => bytes.subarray(0, BLOCK);

test('812 (Fig. 3D): a pending read and then a pending write of its block, a COW fault on the page that is read into: the read does not see the write', async () => {
  const world = await worldWithDisk();
  const { bench } = world;
  const seen = bench.submit(read(0, INTO));
  bench.submit(write(0, FROM));
  world.take(ID);
  bench.guestWrites(INTO, 4000, block(MARK).subarray(0, 8)); // the COW fault
  while (bench.server.step()); // the read, then the write, before the vcpu looks at what has ended
  await world.settle();
  expect(seen).toEqual({ result: 'ok' });
  expect(firstBlock(bench.page(INTO))).toEqual(block(OLD));
  expect(firstBlock(world.savedPage(ID, INTO))).toEqual(block(OLD));
  for (const disk of [diskOf(world), world.savedDisk(ID)]) expect(firstBlock(disk)).toEqual(block(NEW));
});

test('815: a pending read into a page that was copied since is done again into the copy, from the old disk, before the guest hears of it', async () => {
  const world = await worldWithDisk();
  const { bench } = world;
  const seen = bench.submit(read(0, INTO));
  world.take(ID);
  bench.guestWrites(INTO, 4000, block(MARK).subarray(0, 8));
  bench.submit(write(0, FROM)); // a new one
  while (bench.server.step());
  bench.slice();
  expect(seen).toEqual({}); // the bytes are in the original only
  await world.settle();
  expect(seen).toEqual({ result: 'ok' });
  for (const page of [bench.page(INTO), world.savedPage(ID, INTO)]) expect(firstBlock(page)).toEqual(block(OLD));
  expect([firstBlock(diskOf(world)), firstBlock(world.savedDisk(ID))]).toEqual([block(NEW), block(OLD)]);
});

test('815: a checkpoint that fails has not failed before the pending reads have ended, for they may be done again from the files that it holds', async () => {
  const world = await worldWithDisk();
  const { bench } = world;
  const seen = bench.submit(read(0, INTO));
  world.take(ID);
  bench.files.failAt(bench.files.operations, { kind: 'error', code: 'STORAGE', lasting: true });
  await world.turn(); // no file can be made for it
  bench.files.mend();
  expect(world.stateOf(ID)).toMatchObject({ kind: 'progress', step: 820 });
  await world.settle();
  expect(world.stateOf(ID)).toMatchObject({ kind: 'failed', failure: { message: expect.stringContaining('the disk is full') } });
  expect(seen).toEqual({ result: 'ok' });
});

test('816: a new read goes to a copy: the checkpoint has the page as it was', async () => {
  const world = await worldWithDisk();
  const { bench } = world;
  world.take(ID);
  const seen = bench.submit(read(0, INTO));
  await world.settle();
  expect(seen).toEqual({ result: 'ok' });
  expect(firstBlock(bench.page(INTO))).toEqual(block(OLD));
  expect(world.savedPage(ID, INTO)).toEqual(pattern(4096, MARK));
});

test('822: no page is written before the reads that were pending at the stop have ended', async () => {
  const world = await worldWithDisk();
  const { bench } = world;
  bench.submit(read(0, INTO));
  world.take(ID);
  await world.turn();
  expect(world.stateOf(ID)).toMatchObject({ kind: 'progress', step: 822 });
  await world.settle();
  expect(world.isDone(ID)).toBe(true);
  expect(firstBlock(world.savedPage(ID, INTO))).toEqual(block(OLD));
});

test('822: a pending write holds up no page', async () => {
  const world = await worldWithDisk();
  world.bench.submit(write(0, FROM));
  world.take(ID);
  await world.turn();
  expect(world.stateOf(ID)).toMatchObject({ kind: 'progress', step: 832 });
});

test('830: the pointer waits for the writes that were pending at the stop', async () => {
  const world = await worldWithDisk();
  const { bench } = world;
  bench.submit(write(0, FROM));
  bench.submit(write(BLOCK, FROM));
  world.take(ID);
  for (const left of [2, 1]) {
    await world.turn();
    expect(bench.disk.queue.length).toBe(left);
    expect(world.stateOf(ID)).toMatchObject({ kind: 'progress', step: 832 });
    world.loop.step();
  }
  await world.settle();
  expect(world.isDone(ID)).toBe(true);
  expect(world.savedDisk(ID).subarray(0, 2 * BLOCK)).toEqual(Uint8Array.of(...block(NEW), ...block(NEW)));
});

test('830: what a checkpoint points to is on the host’s disk when the checkpoint is', async () => {
  const world = await worldWithDisk();
  const { bench } = world;
  bench.submit(write(0, FROM));
  world.take(ID);
  bench.guestWrites(OTHER, 0, block(3));
  bench.submit(write(BLOCK, OTHER)); // a new one
  await world.settle();
  expect(firstBlock(world.savedDisk(ID, bench.files.afterCrash('lost')))).toEqual(block(NEW));
  expect(world.savedDisk(ID).subarray(BLOCK, 2 * BLOCK)).toEqual(block(OLD));
});

test('832: before step 810 nothing is sealed, though nothing is pending', async () => {
  const world = await worldWithDisk();
  world.ask('prepare', { mode: undefined });
  const seal = world.request('seal', {});
  world.bench.submit(write(0, FROM));
  await world.settle();
  expect(world.answerTo(seal)).toBeUndefined();
  expect(firstBlock(diskOf(world))).toEqual(block(NEW));
});

test('854: a new write that touches the block group of a pending one waits for it, and both are in the VM’s disk', async () => {
  const world = await worldWithDisk();
  const { bench } = world;
  const fault = { kind: 'error', code: 'STORAGE', lasting: true } as const;
  bench.submit(write(0, FROM));
  world.take(ID);
  bench.files.failAt(bench.files.operations, fault);
  world.loop.step(); // the host’s storage refuses the pending write, which is held
  bench.files.mend();
  bench.guestWrites(OTHER, 0, block(3));
  bench.submit(write(BLOCK, OTHER)); // the same group, another block
  await world.settle();
  expect(bench.channel.trouble).toContain('the disk is full');
  expect(world.stateOf(ID)).toMatchObject({ kind: 'failed', failure: { message: expect.stringContaining('the disk is full') } });
  bench.channel.retry();
  await world.settle();
  expect(diskOf(world).subarray(0, 2 * BLOCK)).toEqual(Uint8Array.of(...block(NEW), ...block(3)));
});

test('824: an original that a pending write comes from is freed only when that has ended', async () => {
  const world = await worldWithDisk();
  const { bench } = world;
  const original = livePpn(bench.lone.memory, FROM);
  bench.submit(write(0, FROM));
  world.take(ID);
  bench.guestWrites(FROM, 0, block(3)); // copied: the original is the checkpoint's, which gives it back once it is written
  await world.turn();
  expect(world.stateOf(ID)).toMatchObject({ kind: 'progress', step: 832 });
  const taken = [6, 7, 8, 9].map(gppn => {
    bench.guestWrites(gppn, 0, block(4));
    return livePpn(bench.lone.memory, gppn);
  });
  expect(taken).not.toContain(original);
  await world.settle();
  for (const disk of [diskOf(world), world.savedDisk(ID)]) expect(firstBlock(disk)).toEqual(block(NEW));
  bench.guestWrites(10, 0, block(4));
  expect(livePpn(bench.lone.memory, 10)).toBe(original);
});

test('828: a page that a pending read goes to is nobody’s before that has ended, though all marks are gone', async () => {
  const world = await worldWithDisk();
  const { bench } = world;
  const { mmm, memory } = bench.lone;
  const original = livePpn(memory, INTO);
  const seen = bench.submit(read(0, INTO));
  mmm.freeze(0);
  bench.guestWrites(INTO, 4000, block(MARK).subarray(0, 8));
  mmm.thaw(0); // the checkpoint was given up
  while (mmm.reclaim(0, 1000) > 0);
  bench.guestWrites(OTHER, 0, pattern(4096, 4));
  expect(livePpn(memory, OTHER)).not.toBe(original);
  await world.settle();
  expect(seen).toEqual({ result: 'ok' });
  expect(bench.page(OTHER)).toEqual(pattern(4096, 4));
  expect(firstBlock(bench.page(INTO))).toEqual(block(OLD));
});
