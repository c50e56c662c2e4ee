/** The real checkpoint worker on real files, with the real MMM on this thread as the vcpu. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MessageChannel, type Worker } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { restoreCheckpoint } from '#engine/checkpoint/restore.ts';
import { CheckpointStore } from '#engine/checkpoint/store.ts';
import { withFolder } from '#engine/checkpoint/volume/directory.ts';
import { makeVolume } from '#engine/checkpoint/volume/make.ts';
import type { Machine } from '#engine/machine/machine.ts';
import { deriveReferences, memoryStats } from '#engine/memory/mmm.ts';
import { FakeVm } from '#test/support/fake-vm.ts';
import type { CheckpointEvent, CheckpointWorkerData } from './checkpoint-protocol.ts';
import { nodeCodec } from './node-codec.ts';
import { filePool } from './file-pool.ts';
import { nodeFiles, openDevice } from './node-files.ts';
import type { RevertOrder } from './protocol.ts';
import { storedFiles, volumeAt } from './stored-files.ts';
import { MachineCheckpoint, restorableVm } from './vcpu-checkpoint.ts';
import type { ReadyRevert } from './vcpu-loop.ts';
import { Thread } from './thread.ts';
import { vcpuDoorbell } from './world-block.ts';

const RAM = 2000;

let home: string;
/** Where checkpoints lie. */
let folder: string;
let vm: FakeVm;
let other: FakeVm;
let worker: Worker;
let software: MachineCheckpoint;
const events: CheckpointEvent[] = [];
let heard = () => {};

beforeEach(async () => {
  home = folder = mkdtempSync(join(tmpdir(), 'cairn-checkpoint-'));
  vi.stubEnv('CAIRN_LOCKS', join(home, 'locks'));
  other = await FakeVm.create(RAM);
  await begin(RAM);
});
afterEach(async () => {
  await end();
  vi.unstubAllEnvs();
  rmSync(home, { recursive: true });
});

async function begin(ramPages: number, poolPages?: number): Promise<void> {
  vm = await FakeVm.create(ramPages, poolPages);
  const { port1, port2 } = new MessageChannel();
  const data: CheckpointWorkerData = { memory: vm.lone.memory, ramBytes: vm.ramBytes, vcpu: port2, sharePagesPerSecond: undefined };
  worker = new Thread(new URL('checkpoint-worker.ts', import.meta.url), 'checkpoint').begin(data, [port2]);
  worker.on('message', (event: CheckpointEvent) => {
    events.push(event);
    heard();
  });
  software = new MachineCheckpoint(vm as unknown as Machine, core(), vm.lone.memory, port1);
  events.length = 0;
  reserved.clear();
}

async function end(): Promise<void> {
  const exited = new Promise(resolve => worker.once('exit', resolve));
  worker.postMessage({ kind: 'finish' });
  if ((await exited) !== 0) throw new Error('the checkpoint worker did not end by itself');
}

/** Pages that the checkpoint worker has, to fill them. */
const reserved = new Set<number>();
function core() {
  const { mmm } = vm.lone;
  return {
    ...mmm,
    resetDerived: () => {},
    reservePage: () => {
      const ppn = mmm.reservePage();
      reserved.add(ppn);
      return ppn;
    },
    adoptPage: (gppn: number, ppn: number) => {
      reserved.delete(ppn);
      mmm.adoptPage(gppn, ppn);
    },
    returnPage: (ppn: number) => {
      reserved.delete(ppn);
      mmm.returnPage(ppn);
    },
  };
}

async function nextFailure() {
  for (;;) {
    const failed = events.find(event => event.kind === 'failed');
    if (failed) return failed.failure;
    await new Promise(resolve => setImmediate(resolve));
  }
}

const back = (id: string): RevertOrder => ({ id, path: join(folder, `${id}.ckpt`), folder });

const order = (id: string) => ({ id, parent: null, vmName: 'Debian', title: 'Before the update', takenAt: '2026-11-22T12:00:00Z', folder });

/** What came of the checkpoint `id`; the VM writes as fast as it can until then. */
async function outcome(id: string): Promise<CheckpointEvent> {
  for (let turn = 1; ; turn++) {
    const found = events.find(event => event.kind !== 'eliminated' && event.id === id && event.kind !== 'progress');
    if (found) return found;
    for (let i = 0; i < 200; i++) vm.write((turn * 31 + i * 7) % RAM, turn);
    software.work();
    await new Promise(resolve => setImmediate(resolve));
  }
}

/** Marks go once the vcpu has heard that the map is no longer read, and pages that were to be filled come back though everything has been loaded otherwise. */
async function settle(): Promise<void> {
  while (memoryStats(vm.lone.memory).frozenMaps > 0 || reserved.size > 0) {
    software.work();
    await new Promise(resolve => setImmediate(resolve));
  }
  vm.lone.mmm.freePages();
  expect(memoryStats(vm.lone.memory).usedPages).toBe(deriveReferences(vm.lone.memory).size + 1);
}

test('checkpoints of a VM that never stops writing are each the instant of their stop', async () => {
  const instants = new Map<string, ReturnType<FakeVm['contents']>>();
  for (let index = 0; index < RAM; index++) vm.write(index, index % 3 === 0 ? 0 : index);
  for (const id of ['checkpoint1', 'checkpoint2', 'checkpoint3']) {
    vm.counter = { value: instants.size };
    instants.set(id, vm.contents());
    software.take(order(id));
    if (id !== 'checkpoint2')
      expect(await outcome(id)).toMatchObject({ kind: 'done', info: { id, title: 'Before the update', running: true } });
  }
  await outcome('checkpoint2');
  await settle();
  expect(vcpuDoorbell(vm.lone.memory).count).toBe(3);
  expect(readdirSync(folder).toSorted()).toEqual([...instants.keys()].map(id => `${id}.ckpt`));
  const store = new CheckpointStore(nodeFiles, folder);
  for (const [id, instant] of instants) {
    const { info } = restoreCheckpoint(store, store.pathOf(id), other, nodeCodec);
    expect(other.contents()).toEqual(instant);
    expect(events).toContainEqual({ kind: 'done', id, info });
  }
  const steps = events
    .filter(event => event.kind === 'progress' && event.id === 'checkpoint3')
    .map(event => (event as { step: number }).step);
  expect([...new Set(steps)]).toEqual([820, 822, 824, 832, 836]);
});

test('a stop that was prepared waits for the copy of the map, and is the instant of the stop all the same', async () => {
  for (let index = 0; index < RAM; index++) vm.write(index, index + 1);
  software.prepare();
  vm.write(5, 50);
  software.take(order('checkpoint1'));
  let instant = vm.contents();
  for (let turn = 1; memoryStats(vm.lone.memory).frozenMaps === 0; turn++) {
    vm.write(turn % RAM, turn);
    instant = vm.contents();
    software.work();
    await new Promise(resolve => setImmediate(resolve));
  }
  expect(await outcome('checkpoint1')).toMatchObject({ kind: 'done' });
  await settle();
  const store = new CheckpointStore(nodeFiles, folder);
  restoreCheckpoint(store, store.pathOf('checkpoint1'), other, nodeCodec);
  expect(other.contents()).toEqual(instant);
});

test.each([
  { keepInRam: true, isCopied: true },
  { keepInRam: true, isCopied: false },
  { keepInRam: false, isCopied: true },
  { keepInRam: false, isCopied: false },
])(
  'a stop that was prepared before the VM went back is the instant of the stop (in RAM: $keepInRam, the map copied: $isCopied)',
  async ({ keepInRam, isCopied }) => {
    const aWhile = async () => {
      for (let turn = 0; turn < 50; turn++) {
        software.work();
        await new Promise(resolve => setImmediate(resolve));
      }
    };
    for (let index = 0; index < RAM; index++) vm.write(index, index + 1);
    software.take({ ...order('checkpoint1'), keepInRam });
    while (!events.some(event => event.kind === 'done')) await aWhile();
    for (let index = 0; index < RAM; index += 5) vm.write(index, 2);
    software.prepare();
    if (isCopied) await aWhile();
    const ready = software.readyRevert(back('checkpoint1')) as ReadyRevert;
    expect(ready.way).toBe(keepInRam ? 'ram' : 'file');
    ready.go();
    for (let index = 0; index < RAM; index += 7) vm.write(index, 1);
    software.take(order('checkpoint2'));
    while (!events.some(event => event.kind === 'done' && event.id === 'checkpoint2')) await aWhile();
    software.dropFromRam('checkpoint1');
    const store = new CheckpointStore(nodeFiles, folder);
    restoreCheckpoint(store, store.pathOf('checkpoint2'), other, nodeCodec);
    expect(other.contents().ram).toBe(vm.contents().ram);
    await settle();
  },
);

test('after a restore, the next checkpoint points to the file restored from', async () => {
  for (let index = 0; index < RAM; index++) vm.write(index, index + 1);
  software.take(order('checkpoint1'));
  await outcome('checkpoint1');
  await settle();
  const store = new CheckpointStore(nodeFiles, folder);
  const path = store.pathOf('checkpoint1');
  software.restored({ path, folder }, restoreCheckpoint(store, path, vm, nodeCodec));
  vm.write(5, 1);
  software.take(order('checkpoint2'));
  expect(await outcome('checkpoint2')).toMatchObject({
    kind: 'done',
    info: { pages: { stored: 1, pointed: RAM - 1, zero: 0, absent: 1 } },
  });
  await settle();
});

test('a revert from a file while the map of a checkpoint is still being freed leaves no map behind', async () => {
  for (let index = 0; index < RAM; index++) vm.write(index, index + 1);
  const instant = vm.contents();
  software.take(order('checkpoint1'));
  let ready: ReadyRevert | string;
  // The kernel asks as soon as it hears that the checkpoint is written: the vcpu hears of it first when it is asked.
  while (typeof (ready = software.readyRevert(back('checkpoint1'))) === 'string') await new Promise(resolve => setImmediate(resolve));
  ready.go();
  expect(vm.contents()).toEqual(instant);
  software.work();
  expect(memoryStats(vm.lone.memory).frozenMaps).toBe(0);
  await settle();
});

test('a revert from a file keeps what was not written since, and only what this memory descends from is known', async () => {
  const { mmm, memory } = vm.lone;
  const goBack = (id: string) => {
    const ready = software.readyRevert(back(id)) as ReadyRevert;
    expect(ready).toMatchObject({ way: 'file' });
    ready.go();
    return memoryStats(memory).notLoaded;
  };
  const take = async (id: string) => {
    const instant = vm.contents();
    software.take(order(id));
    while (!events.some(event => event.kind === 'done' && event.id === id)) await new Promise(resolve => setImmediate(resolve));
    await settle();
    return instant;
  };
  for (let index = 0; index < RAM; index++) vm.write(index, index < 100 ? 0 : index);
  mmm.clearPage(50);
  const one = await take('checkpoint1');
  vm.write(50, 7); // zero then
  vm.write(60, 8); // zero then, too, in a page of its own
  mmm.clearPage(vm.gppn(300)); // zero now
  for (let index = 200; index < 210; index++) vm.write(index, 1);
  const two = await take('checkpoint2');
  vm.write(210, 2);
  expect(goBack('checkpoint2')).toBe(1);
  expect(vm.contents()).toEqual(two);
  vm.write(211, 3);
  expect(goBack('checkpoint1')).toBe(10 + 1 + 2); // 210 and 211 are older than the first checkpoint again when they have been loaded, and not known to be
  expect(vm.contents()).toEqual(one);
  vm.write(212, 4);
  expect(goBack('checkpoint1')).toBe(1);
  expect(vm.contents()).toEqual(one);
  expect(goBack('checkpoint2')).toBe(RAM - 99); // it is on another branch
  expect(vm.contents()).toEqual(two);
  vm.write(213, 5);
  expect(goBack('checkpoint2')).toBe(1);
  expect(vm.contents()).toEqual(two);
  const three = await take('checkpoint3');
  expect(events.at(-1)).toMatchObject({ kind: 'done', info: { pages: { stored: 0 } } });
  const store = new CheckpointStore(nodeFiles, folder);
  restoreCheckpoint(store, store.pathOf('checkpoint3'), other, nodeCodec);
  expect(other.contents()).toEqual(three);
});

describe('a checkpoint kept in RAM', () => {
  const done = async (count: number) => {
    while (
      events.filter(event => event.kind === 'done').length < count ||
      memoryStats(vm.lone.memory).frozenMaps !== software.idsInRam.length
    ) {
      software.work();
      await new Promise(resolve => setImmediate(resolve));
    }
  };
  const goBack = (id: string, way: 'ram' | 'file') => {
    const ready = software.readyRevert(back(id));
    expect(ready).toMatchObject({ way });
    (ready as ReadyRevert).go();
  };
  const takeInRam = async (id: string, count: number) => {
    software.take({ ...order(id), keepInRam: true });
    expect(software.readyRevert(back(id))).toBe('A checkpoint is being taken.');
    vm.write(3, count + 1000);
    await done(count);
  };

  test('is reverted to at once, again and again, and later ones are given up', async () => {
    for (let index = 0; index < RAM; index++) vm.write(index, index + 1);
    const first = vm.contents();
    await takeInRam('checkpoint1', 1);
    vm.write(5, 555);
    vm.counter = { value: 2 };
    const second = vm.contents();
    await takeInRam('checkpoint2', 2);
    expect(software.idsInRam).toEqual(['checkpoint1', 'checkpoint2']);
    for (let index = 0; index < RAM; index += 2) vm.write(index, 9);
    for (let time = 0; time < 2; time++) {
      goBack('checkpoint2', 'ram');
      expect(vm.contents()).toEqual(second);
      vm.write(7, 7);
    }
    goBack('checkpoint1', 'ram');
    expect(vm.contents()).toEqual(first);
    expect(software.idsInRam).toEqual(['checkpoint1']);
    goBack('checkpoint2', 'file');
    expect(memoryStats(vm.lone.memory).notLoaded).toBeGreaterThan(100);
    expect(vm.contents()).toEqual(second);
    goBack('checkpoint1', 'ram');
    expect(vm.contents()).toEqual(first);
    vm.write(9, 99);
    const third = vm.contents();
    software.take(order('checkpoint3'));
    await done(3);
    expect(events.at(-1)).toMatchObject({ kind: 'done', info: { pages: { stored: 1, pointed: RAM - 1 } } });
    const store = new CheckpointStore(nodeFiles, folder);
    restoreCheckpoint(store, store.pathOf('checkpoint3'), other, nodeCodec);
    expect(other.contents()).toEqual(third);
    software.dropFromRam('checkpoint1');
    await settle();
  });

  test('is pointed to by the next one after a revert, however many have come and gone since', async () => {
    for (let index = 0; index < RAM; index++) vm.write(index, index + 1);
    for (let n = 1; n <= 4; n++) await takeInRam(`checkpoint${n}`, n);
    goBack('checkpoint1', 'ram');
    await takeInRam('checkpoint5', 5);
    goBack('checkpoint1', 'ram');
    vm.write(9, 99);
    await takeInRam('checkpoint6', 6);
    expect(events.at(-1)).toMatchObject({ kind: 'done', info: { pages: { stored: 1, pointed: RAM - 1 } } });
    for (const id of software.idsInRam) software.dropFromRam(id);
    await settle();
  });

  test('or not: a map that is being freed when the VM goes back is freed, by whatever way it goes', async () => {
    for (let index = 0; index < RAM; index++) vm.write(index, index + 1);
    const first = vm.contents();
    software.take(order('checkpoint1'));
    for (let index = 0; index < RAM; index++) vm.write(index, index + 2);
    while (!events.some(event => event.kind === 'done')) await new Promise(resolve => setImmediate(resolve));
    goBack('checkpoint1', 'file'); // this thread has not heard before that it is written
    expect(vm.contents()).toEqual(first);
    software.work();
    expect(memoryStats(vm.lone.memory).frozenMaps).toBe(0);
    await settle();
  });

  test('goes when others come, and when pages run short', async () => {
    for (let index = 0; index < RAM; index++) vm.write(index, index + 1);
    for (let n = 1; n <= 5; n++) await takeInRam(`checkpoint${n}`, n);
    expect(software.idsInRam).toEqual([2, 3, 4, 5].map(n => `checkpoint${n}`));
    const free = vm.lone.mmm.freePages.bind(vm.lone.mmm);
    let reserved = 0;
    while (free() > RAM / 4) reserved = vm.lone.mmm.reservePage();
    expect(reserved).toBeGreaterThan(0);
    software.work();
    expect(software.idsInRam).toEqual([3, 4, 5].map(n => `checkpoint${n}`));
    for (const id of software.idsInRam) software.dropFromRam(id);
    while (memoryStats(vm.lone.memory).frozenMaps > 0) software.work();
  });

  test('goes for as many pages as are wanted, and no further one goes before its pages are free', async () => {
    await end();
    await begin(40_000, 4 * RAM); // its map is freed in several pieces
    for (let n = 1; n <= 2; n++) {
      for (let index = 0; index < RAM; index++) vm.write(index, index + n);
      await takeInRam(`checkpoint${n}`, n);
    }
    for (let index = 0; index < RAM; index++) vm.write(index, index + 3);
    while (vm.lone.mmm.freePages() >= RAM / 2) vm.lone.mmm.reservePage();
    while (software.work());
    expect(software.idsInRam).toEqual(['checkpoint2']);
    software.dropFromRam('checkpoint2');
    while (software.work());
  });

  test('stays when the VM goes back to another from its file, and the guest is not slowed for what it holds', async () => {
    for (let index = 0; index < RAM; index++) vm.write(index, index + 1);
    const first = vm.contents();
    await takeInRam('checkpoint1', 1);
    software.take(order('checkpoint2'));
    await done(2);
    for (let index = 0; index < RAM; index++) vm.write(index, index + 2); // all of it comes anew
    goBack('checkpoint2', 'file');
    while (software.work() || memoryStats(vm.lone.memory).notLoaded > 0) await new Promise(resolve => setImmediate(resolve));
    expect([software.idsInRam, software.ran(1e6)]).toEqual([['checkpoint1'], 0]);
    goBack('checkpoint1', 'ram');
    expect(vm.contents()).toEqual(first);
    software.dropFromRam('checkpoint1');
    await settle();
  });

  test('is no copy of a later checkpoint, whose copies count from its stop on, also when it goes meanwhile', async () => {
    for (let index = 0; index < RAM; index++) vm.write(index, index + 1);
    await takeInRam('checkpoint1', 1);
    for (let index = 0; index < RAM; index++) vm.write(index, index + 2);
    software.take({ ...order('checkpoint2'), copyLimitBytes: 1000 * 4096 });
    const rest = () => software.ran(1e6) / 1e6;
    expect(rest()).toBe(0);
    const hold = vm.lone.mmm.freePages(); // nothing is heard of the checkpoint worker before work()
    for (let index = 0; index < 800; index++) vm.write(RAM - 1 - index, index);
    expect(hold - vm.lone.mmm.freePages()).toBe(800);
    expect(rest()).toBeCloseTo(0.588 / 0.412, 1);
    await done(2);
    expect(rest()).toBe(0);
    software.dropFromRam('checkpoint1');
    await settle();
  });
});

describe('a lazy restore', () => {
  /** Takes checkpoint 1 of full memory, spoils the VM, and restores it lazily; returns what it must come to. */
  async function restoreLazily() {
    for (let index = 0; index < RAM; index++) vm.write(index, index + 1);
    const instant = vm.contents();
    software.take(order('checkpoint1'));
    while (!events.some(event => event.kind === 'done')) await new Promise(resolve => setImmediate(resolve));
    await settle();
    vm.reset();
    const store = new CheckpointStore(nodeFiles, folder);
    const path = store.pathOf('checkpoint1');
    const restored = restoreCheckpoint(store, path, restorableVm(vm as unknown as Machine, core(), vm.lone.memory), nodeCodec, {
      lazy: true,
    });
    return { path, restored, instant };
  }
  async function settleLoading(): Promise<void> {
    while (software.work() || memoryStats(vm.lone.memory).notLoaded > 0) await new Promise(resolve => setImmediate(resolve));
    software.work();
    await settle();
  }

  test('is loaded by the checkpoint worker while the VM touches, writes, and is checkpointed', async () => {
    const { path, restored } = await restoreLazily();
    software.restored({ path, folder }, restored);
    expect(memoryStats(vm.lone.memory).notLoaded).toBe(RAM);
    software.work();
    vm.write(7, 70);
    software.take(order('checkpoint2'));
    vm.write(1800, 180);
    while (events.filter(event => event.kind === 'done').length < 2) {
      software.work();
      await new Promise(resolve => setImmediate(resolve));
    }
    expect(events.at(-1)).toMatchObject({ kind: 'done', info: { pages: { stored: 1, pointed: RAM - 1 } } });
    const store = new CheckpointStore(nodeFiles, folder);
    await settleLoading();
    restoreCheckpoint(store, store.pathOf('checkpoint2'), other, nodeCodec);
    other.write(1800, 180);
    expect(other.contents()).toEqual(vm.contents());
  });

  test('goes on by itself when the file has gone before the checkpoint worker could open it', async () => {
    const { path, restored, instant } = await restoreLazily();
    rmSync(path); // it stays open here
    software.restored({ path, folder }, restored);
    software.take(order('checkpoint2'));
    expect(await Promise.race([nextFailure(), settleLoading()])).toMatchObject({ code: 'STILL_LOADING' });
    await settleLoading();
    expect(vm.contents()).toEqual(instant);
    software.take(order('checkpoint3'));
    expect(await outcome('checkpoint3')).toMatchObject({ kind: 'done', info: { pages: { stored: RAM } } });
    await settle();
  });

  test('that meets a damaged page group says so', async () => {
    const { path, restored } = await restoreLazily();
    const bytes = readFileSync(path);
    bytes[bytes.length >> 1]! ^= 0xff;
    writeFileSync(path, bytes);
    software.restored({ path, folder }, restored);
    await expect(settleLoading()).rejects.toThrow(/checkpoint1\.ckpt is damaged \(the page group \d+ does not match its checksum\)/);
  });
});

test('a VM whose copies come near their limit is slowed until they have been given back, and progress says so', async () => {
  for (let index = 0; index < RAM; index++) vm.write(index, index + 1);
  expect(software.ran(1e6)).toBe(0);
  software.take({ ...order('checkpoint1'), copyLimitBytes: 1000 * 4096, pace: [{ afterMs: 0, share: 0.2 }] });
  for (let index = 0; index < 800; index++) vm.write(RAM - 1 - index, index);
  expect(software.ran(1e6) / 1e6).toBeCloseTo(0.588 / 0.412, 1);
  while (!events.some(event => event.kind === 'done')) await new Promise(resolve => setImmediate(resolve));
  const figures = events.flatMap(event => (event.kind === 'progress' ? [event.figures] : []));
  expect(figures).toContainEqual(expect.objectContaining({ cowFaults: 800, limitBytes: 1000 * 4096, restShare: 0.588, workShare: 0.2 }));
  await settle();
  expect(software.ran(1e6)).toBe(0);
});

test('checkpoints are eliminated after the takes that were ordered before, and the next one is none the worse', async () => {
  for (let index = 0; index < RAM; index++) vm.write(index, index + 1);
  software.take(order('checkpoint1'));
  vm.write(5, 1);
  software.take(order('checkpoint2'));
  while (!events.some(event => event.kind === 'done')) await new Promise(resolve => setImmediate(resolve));
  worker.postMessage({ kind: 'eliminate', ticket: 'a', folder, ids: ['checkpoint1', 'nosuchcheckpoint'] });
  worker.postMessage({ kind: 'eliminate', ticket: 'b', folder, ids: ['checkpoint1'] });
  await outcome('checkpoint2');
  while (events.filter(event => event.kind === 'eliminated').length < 2) await new Promise(resolve => setImmediate(resolve));
  expect(events).toContainEqual({ kind: 'eliminated', ticket: 'a', failure: expect.objectContaining({ code: 'NO_SUCH_CHECKPOINT' }) });
  expect(events).toContainEqual({ kind: 'eliminated', ticket: 'b', failure: undefined });
  const instant = vm.contents();
  software.take(order('checkpoint3'));
  expect(await outcome('checkpoint3')).toMatchObject({ kind: 'done' });
  await settle();
  expect(readdirSync(folder).toSorted()).toEqual(['checkpoint1.pages', 'checkpoint2.ckpt', 'checkpoint3.ckpt']);
  const store = new CheckpointStore(nodeFiles, folder);
  restoreCheckpoint(store, store.pathOf('checkpoint3'), other, nodeCodec);
  expect(other.contents()).toEqual(instant);
});

test.each(['a folder', 'a folder, with its descriptor closed meanwhile', 'a volume'])(
  'the checkpoint that a VM goes back to may be deleted while its memory comes late, in %s',
  async place => {
    if (place === 'a volume') {
      const path = join(folder, 'volume');
      writeFileSync(path, new Uint8Array(32 << 20));
      using device = openDevice(path, 'write');
      makeVolume(device, 32 << 20, new Uint8Array(16).fill(7), nodeCodec.checksum);
      volumeAt(path).change(directory => withFolder(directory, 'a.checkpoints', new Map()));
      folder = join(path, 'a.checkpoints');
    }
    const aTurn = () => new Promise(resolve => setImmediate(resolve));
    const done = async (count: number) => {
      while (events.filter(({ kind }) => kind !== 'progress').length < count) await aTurn(); // nothing is loaded meanwhile
      expect(events.at(-1)).not.toHaveProperty('failure.message');
    };
    for (const each of [vm, other]) for (let index = 0; index < RAM; index++) each.write(index, index + 1);
    software.take(order('checkpoint1'));
    await done(1);
    for (let index = 0; index < RAM; index++) vm.write(index, 3);
    let ready: ReadyRevert | string;
    while (typeof (ready = software.readyRevert(back('checkpoint1'))) === 'string') await aTurn();
    ready.go();
    const rung = vcpuDoorbell(vm.lone.memory).count;
    software.work();
    while (vcpuDoorbell(vm.lone.memory).count === rung) await aTurn(); // the checkpoint worker has the file open, too
    worker.postMessage({ kind: 'eliminate', ticket: 'a', folder, ids: ['checkpoint1'] });
    await done(2);
    const files = storedFiles.list(folder);
    if (place.includes('closed')) closeDescriptors();
    for (const each of [vm, other]) for (let index = 0; index < 50; index++) each.write(index, 7);
    const instant = other.contents();
    software.take(order('checkpoint2')); // its units, in a volume, must be others
    await done(3);
    while (memoryStats(vm.lone.memory).notLoaded > 0) {
      software.work();
      await aTurn();
    }
    expect([vm.contents(), files]).toEqual([instant, ['checkpoint1.ckpt.part']]);
    const store = new CheckpointStore(storedFiles, folder);
    restoreCheckpoint(store, store.pathOf('checkpoint2'), other, nodeCodec);
    expect(other.contents()).toEqual(instant);
    software.work();
    await settle();
    while (storedFiles.list(folder).length > 1) await aTurn();
    expect(storedFiles.list(folder)).toEqual(['checkpoint2.ckpt']);
  },
);

/** Those of files that are read, as where others need them. */
function closeDescriptors(): void {
  const { budget } = filePool;
  filePool.budget = 1;
  writeFileSync(join(home, 'another'), '');
  nodeFiles.openRead(join(home, 'another'))[Symbol.dispose]();
  rmSync(join(home, 'another'));
  expect(filePool.openCount).toBe(0);
  filePool.budget = budget;
}

test('a checkpoint that cannot be taken is reported, and leaves nothing', async () => {
  vm.write(1, 1);
  software.take({ ...order('checkpoint1'), folder: join(folder, 'nowhere') });
  expect(await outcome('checkpoint1')).toMatchObject({
    kind: 'failed',
    failure: {
      code: 'NO_SUCH_FILE',
      step: 820,
      message: expect.stringMatching(
        /^The checkpoint “Before the update” of Debian was not taken: .*nowhere.* does not exist\. The VM runs on\.$/,
      ),
    },
  });
  await settle();
  for (let n = 0; n < 9; n++) software.take(order(`checkpoint1${n}`));
  expect(await outcome('checkpoint18')).toMatchObject({ kind: 'failed', failure: { code: 'TOO_MANY_CHECKPOINTS', step: 806 } });
  expect(await outcome('checkpoint17')).toMatchObject({ kind: 'done' });
  await settle();
});
