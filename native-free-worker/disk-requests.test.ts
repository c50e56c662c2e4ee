import { describe, expect, test, vi } from 'vitest';
import type { DiskPointer } from '#engine/checkpoint/format/schemas.ts';
import { completeAdoption } from '#engine/disk/graph/adoption.ts';
import { createBlankDisk } from '#engine/disk/graph/create.ts';
import { DiskFolder } from '#engine/disk/graph/disk-folder.ts';
import { StorageError } from '#engine/errors/errors.ts';
import { expectNoneOpen, readState } from '#test/support/disk-graph-model.ts';
import { contents, pattern } from '#test/support/disk-model.ts';
import type { AfterCrash, MemoryFiles } from '#test/support/memory-files.ts';
import type { DiskMessage, DiskRequest } from './disk-protocol.ts';
import { diskHandlers } from './disk-requests.ts';
import { DiskServer } from './disk-server.ts';
import { DiskWorkerLoop } from './disk-worker-loop.ts';
import { Doorbell } from './doorbell.ts';
import { GraphBacking } from './graph-backing.ts';
import { RingReader, RingWriter } from './ring.ts';
import { ServedDisk } from './served-disk.ts';
import { FOLDER, type BenchOptions } from './testing/disk-bench.ts';
import { DiskWorld } from './testing/disk-world.ts';

const BLOCK = 512;
const RING_BYTES = 4096;
const block = (seed: number) => pattern(BLOCK, seed);
const folderOf = (world: DiskWorld, files: MemoryFiles = world.bench.files) =>
  new DiskFolder({ ...world.bench.host, files }, FOLDER, 'disk0');
const write = (world: DiskWorld, seed: number, at = 0) =>
  world.bench.submit({ kind: 'write-bytes', offset: at * BLOCK, bytes: block(seed) });
const work = (world: DiskWorld) => {
  for (let quiet = 0; quiet < 2; quiet++) {
    while (world.loop.step()) quiet = 0;
    world.bench.slice();
  }
};
const firstBlock = (bytes: Uint8Array) => bytes.subarray(0, BLOCK);
const guestSees = (world: DiskWorld) => firstBlock(contents(world.bench.disk.backing.top));
const stateHas = (world: DiskWorld, layer: string, files?: MemoryFiles) => firstBlock(readState(folderOf(world, files), layer));
const failing = (world: DiskWorld) =>
  world.bench.files.failAt(world.bench.files.operations, { kind: 'error', code: 'DISK_FULL', lasting: true });
const needs = (pointers: readonly DiskPointer[]) =>
  ({ disks: [{ disk: 'disk0', pointed: pointers.map(({ layer }) => layer), pinned: [] }], mode: 'chain' }) as const;

/** A frozen state of the disk, as of a VM that is off: 802, 810, 830. */
function freeze(world: DiskWorld): DiskPointer {
  const [pointer] = world.ask('prepare', { mode: undefined });
  world.ask('switch', {});
  world.ask('seal', {});
  return pointer!;
}

/** Another disk worker, whose guest wants nothing. */
function quietLoop({ bench }: DiskWorld, ...backings: GraphBacking[]) {
  const ring = () => ({ buffer: new SharedArrayBuffer(RING_BYTES), offset: 0, size: RING_BYTES });
  const server = new DiskServer({
    memory: bench.lone.memory,
    disks: backings.map(backing => new ServedDisk({ ...bench.disk.spec, name: backing.name }, backing)),
    submitted: new RingReader(ring()),
    done: new RingWriter(ring()),
    vcpuBell: { ring: () => {} },
    notice: text => bench.notices.push(text),
  });
  const requests: DiskRequest[] = [];
  const said: DiskMessage[] = [];
  const bell = new Doorbell(new SharedArrayBuffer(4), 0);
  const loop = new DiskWorkerLoop({
    server,
    bell,
    receive: () => requests.shift(),
    send: message => said.push(message),
    openMedium: () => expect.fail('no disc was asked for'),
  });
  return { server, loop, requests, said };
}

/** Another disk worker with two disks. */
function twoDisks(world: DiskWorld) {
  const { host } = world.bench;
  const folders = ['disk1', 'disk2'].map(name => new DiskFolder(host, FOLDER, name));
  for (const folder of folders) createBlankDisk(folder, 65536);
  const backings = folders.map(({ disk }) => new GraphBacking(host, FOLDER, disk, { startAt: undefined, running: true }));
  return { folders, backings, server: quietLoop(world, ...backings).server };
}

describe('a checkpoint', () => {
  test('of a VM that is off is prepared, switched to and sealed in three requests', async () => {
    const world = await DiskWorld.create();
    write(world, 1);
    work(world);
    const { disk, layer, sizeBytes } = freeze(world);
    expect([disk, sizeBytes]).toEqual(['disk0', 65536]);
    write(world, 2);
    work(world);
    expect(stateHas(world, layer, world.bench.files.afterCrash('lost'))).toEqual(block(1));
    expect(guestSees(world)).toEqual(block(2));
  });

  test('may change the mode of the files', async () => {
    const world = await DiskWorld.create();
    world.ask('prepare', { mode: 'copy' });
    expect(folderOf(world).read().mode).toBe('copy');
  });

  test('that cannot be prepared leaves the guest where it was', async () => {
    const world = await DiskWorld.create();
    write(world, 1);
    work(world);
    const before = folderOf(world).read().top;
    world.bench.files.failAt(world.bench.files.operations + 3, { kind: 'error', code: 'DISK_FULL', lasting: false });
    expect(() => world.ask('prepare', { mode: undefined })).toThrow('the disk is full');
    write(world, 2);
    work(world);
    expect([folderOf(world).read().top, guestSees(world)]).toEqual([before, block(2)]);
  });

  test('that one of two disks cannot prepare leaves both as they were', async () => {
    const world = await DiskWorld.create();
    createBlankDisk(new DiskFolder(world.bench.host, FOLDER, 'disk1'), 65536);
    const [one, two] = ['disk0', 'disk1'].map(
      name => new GraphBacking(world.bench.host, FOLDER, name, { startAt: undefined, running: true }),
    );
    vi.spyOn(two!, 'prepare').mockImplementation(() => {
      throw new StorageError('DISK_FULL', 'no room for disk1');
    });
    const { server } = quietLoop(world, one!, two!);
    const before = world.bench.files.paths();
    expect(() =>
      diskHandlers(server, () => expect.fail('no disc was asked for')).prepare({ id: 0, kind: 'prepare', mode: undefined }),
    ).toThrow('no room for disk1');
    expect(world.bench.files.paths()).toEqual(before);
    expect([one!.awaitsSwitch, two!.awaitsSwitch]).toEqual([false, false]);
  });

  test('is prepared again only when what was pending at the last one has ended', async () => {
    const world = await DiskWorld.create();
    world.ask('prepare', { mode: undefined });
    failing(world);
    write(world, 1);
    world.bench.channel.switchTops();
    const seal = world.request('seal', {});
    work(world);
    expect(world.answerTo(seal)).toMatchObject({ kind: 'failed', failure: { code: 'DISK_FULL' } });
    world.ask('let-go', {});
    world.bench.files.mend();
    expect(() => world.ask('prepare', { mode: undefined })).toThrow('from before the last checkpoint have not ended');
    world.bench.channel.retry();
    work(world);
    expect(stateHas(world, freeze(world).layer)).toEqual(block(1));
  });

  test('whose seal finds no room for what it flushes has failed; the next one seals both', async () => {
    const world = await DiskWorld.create();
    write(world, 1);
    work(world);
    world.ask('prepare', { mode: undefined });
    world.ask('switch', {});
    failing(world);
    expect(() => world.ask('seal', {})).toThrow('the disk is full');
    world.bench.files.mend();
    world.ask('let-go', {});
    expect(stateHas(world, freeze(world).layer, world.bench.files.afterCrash('lost'))).toEqual(block(1));
  });

  test('does not fail for what the storage once refused and the guest has given up', async () => {
    const world = await DiskWorld.create();
    failing(world);
    const held = write(world, 1);
    work(world);
    expect([held, world.bench.channel.trouble]).toEqual([{}, expect.stringContaining('the disk is full')]);
    world.bench.drive.drain();
    expect([held, world.bench.channel.trouble]).toEqual([{ result: 'error' }, undefined]);
    world.bench.files.mend();
    world.ask('prepare', { mode: undefined });
    write(world, 2);
    world.bench.channel.switchTops();
    const seal = world.request('seal', {});
    work(world);
    expect(world.answerTo(seal)).toMatchObject({ kind: 'answer' });
  });

  test('that is given up before the stop leaves no file, and ends the wait for its seal', async () => {
    const world = await DiskWorld.create();
    const before = world.bench.files.paths();
    world.ask('prepare', { mode: undefined });
    expect(world.bench.files.paths()).toHaveLength(before.length + 1);
    const seal = world.request('seal', {});
    write(world, 1);
    world.ask('let-go', {});
    work(world);
    expect(world.answerTo(seal)).toMatchObject({ kind: 'answer' });
    expect(world.bench.files.paths()).toEqual(before);
    expect(guestSees(world)).toEqual(block(1));
  });

  test('that is let go after the stop: the guest goes on in the new file, whatever comes first', async () => {
    const world = await DiskWorld.create();
    world.ask('prepare', { mode: undefined });
    world.bench.channel.switchTops(); // in the ring before the request is there
    world.ask('let-go', {});
    write(world, 1);
    work(world);
    expect(guestSees(world)).toEqual(block(1));
    expect(world.bench.disk.queue.generation).toBe(1);
  });
});

describe('the collector', () => {
  test('gets an eighth of the turns of a busy guest', async () => {
    const world = await DiskWorld.create();
    const collect = vi.spyOn(world.bench.server, 'collect');
    for (let at = 0; at < 32; at++) write(world, at, at);
    for (let turn = 0; turn < 32; turn++) world.loop.step();
    expect(collect).toHaveBeenCalledTimes(4);
    expect(world.bench.disk.queue.length).toBe(0);
  });

  test('knows what is needed before it touches anything, and says when there is no more to do', async () => {
    const world = await DiskWorld.create();
    const pointers = [1, 2, 3].map(seed => {
      write(world, seed);
      work(world);
      const pointer = freeze(world);
      world.ask('let-go', {});
      return pointer;
    });
    const layers = () => folderOf(world).layerIds().length;
    work(world);
    expect(layers()).toBe(4);
    world.ask('needs', needs(pointers.slice(0, 1)));
    const collected = world.request('collected', {});
    expect(world.answerTo(collected)).toBeUndefined();
    write(world, 9);
    work(world);
    expect(world.answerTo(collected)).toMatchObject({ kind: 'answer' });
    expect(layers()).toBe(2);
    expect([stateHas(world, pointers[0]!.layer), guestSees(world)]).toEqual([block(1), block(9)]);
  });

  test('says how far it has come', async () => {
    const world = await DiskWorld.create({ diskBytes: 4 << 20 });
    freeze(world);
    world.bench.disk.backing.top.write(0, pattern(3 << 20, 1));
    freeze(world);
    world.ask('let-go', {});
    world.ask('needs', needs([]));
    work(world);
    const [first] = world.said.filter(message => message.kind === 'progress').map(({ progress }) => progress);
    expect(first).toMatchObject({ disk: 'disk0', step: expect.any(String), totalBytes: expect.any(Number) });
    expect(first!.doneBytes).toBeGreaterThan(0);
    expect(first!.doneBytes).toBeLessThanOrEqual(first!.totalBytes);
  });

  test('that the host’s storage fails says so, and goes on when it is asked again', async () => {
    const world = await DiskWorld.create();
    write(world, 1);
    work(world);
    freeze(world);
    world.ask('let-go', {});
    world.bench.files.failAt(world.bench.files.operations + 2, { kind: 'error', code: 'DISK_ERROR', lasting: true });
    world.ask('needs', needs([]));
    const collected = world.request('collected', {});
    work(world);
    expect(world.answerTo(collected)).toMatchObject({ kind: 'answer' });
    expect(world.bench.notices).toEqual([expect.stringMatching(/The files of disk0 are not tidied up before that; nothing is lost\.$/)]);
    world.bench.files.mend();
    world.ask('needs', needs([]));
    work(world);
    expect(folderOf(world).layerIds()).toHaveLength(1);
    expect(guestSees(world)).toEqual(block(1));
  });

  test('moves nothing before a checkpoint under way has let go: a read may be done again from the frozen file', async () => {
    const world = await DiskWorld.create();
    write(world, 1);
    work(world);
    world.ask('needs', needs([freeze(world)]));
    world.ask('let-go', {});
    write(world, 2);
    work(world);
    freeze(world);
    world.ask('needs', needs([])); // the first has been eliminated, and the frozen file could take its place
    work(world);
    expect(folderOf(world).layerIds()).toHaveLength(3);
    world.ask('let-go', {});
    work(world);
    expect(folderOf(world).layerIds()).toHaveLength(1);
    expect(guestSees(world)).toEqual(block(2));
  });

  test('moves nothing while another world branches from the files', async () => {
    const world = await DiskWorld.create();
    write(world, 1);
    work(world);
    freeze(world);
    world.ask('let-go', {});
    world.ask('hold', { hold: true });
    world.ask('needs', needs([]));
    work(world);
    expect(folderOf(world).layerIds()).toHaveLength(2);
    world.ask('hold', { hold: false });
    work(world);
    expect(folderOf(world).layerIds()).toHaveLength(1);
  });

  test('is not told of disks that it has not', async () => {
    const world = await DiskWorld.create();
    expect(() => world.ask('needs', { disks: [{ disk: 'disk7', pointed: [], pinned: [] }], mode: 'chain' })).toThrow('disk7');
  });
});

describe('a VM that goes back', () => {
  /** A second disk worker on the same files, for the world that takes over. */
  function takeOver(world: DiskWorld, startAt: string) {
    const backing = new GraphBacking(world.bench.host, FOLDER, 'disk0', { startAt, running: true });
    const { loop, requests, said } = quietLoop(world, backing);
    const ask = (kind: 'adopt' | 'finish') => {
      requests.push(kind === 'adopt' ? { id: said.length, kind, drop: false } : { id: said.length, kind });
      loop.step();
      expect(said.at(-1)).toEqual({ kind: 'answer', id: said.length - 1, result: undefined });
    };
    return { backing, ask };
  }

  test('while it runs: the new world’s branch is the disk once it is adopted, and the old world writes nothing any more', async () => {
    const world = await DiskWorld.create();
    const { bench } = world;
    write(world, 1);
    work(world);
    const { layer } = freeze(world);
    write(world, 2);
    work(world);
    world.ask('hold', { hold: true });
    const fresh = takeOver(world, layer);
    expect(firstBlock(contents(fresh.backing.top))).toEqual(block(1));
    const before = folderOf(world).read().top;
    fresh.backing.top.write(0, block(3));
    expect([guestSees(world), folderOf(world).read().top]).toEqual([block(2), before]);
    fresh.ask('adopt');
    const late = write(world, 4);
    const paths = () => bench.files.paths().map(path => [path, bench.files.get(path)]);
    const files = paths();
    world.ask('release', {});
    work(world);
    expect(late).toEqual({}); // nobody will see it
    world.request('finish', {});
    expect(paths()).toEqual(files);
    expect(bench.notices).toEqual([]);
    expect(firstBlock(contents(fresh.backing.top))).toEqual(block(3));
    fresh.ask('finish');
    expect(stateHas(world, folderOf(world).read().top, bench.files.afterCrash('lost'))).toEqual(block(3));
    expectNoneOpen(bench.files);
  });

  test('while it runs: a branch that nobody adopts leaves no trace', async () => {
    const world = await DiskWorld.create();
    const { layer } = freeze(world);
    const before = world.bench.files.paths();
    takeOver(world, layer).ask('finish');
    world.ask('hold', { hold: false });
    expect(world.bench.files.paths()).toEqual(before);
    write(world, 5);
    work(world);
    expect(guestSees(world)).toEqual(block(5));
  });

  test('while it runs: when it fails after the branch was adopted, the old world’s files are the disk again', async () => {
    const world = await DiskWorld.create();
    const { layer } = freeze(world);
    world.ask('hold', { hold: true });
    const before = folderOf(world).read().top;
    const fresh = takeOver(world, layer);
    fresh.ask('adopt');
    fresh.ask('finish');
    expect(folderOf(world).read().top).not.toBe(before);
    world.ask('hold', { hold: false });
    write(world, 5);
    world.bench.submit({ kind: 'flush' });
    work(world);
    expect(stateHas(world, folderOf(world).read().top, world.bench.files.afterCrash('lost'))).toEqual(block(5));
  });

  test('inside its world: what it has submitted is dropped, and its pages are free again', async () => {
    const world = await DiskWorld.create();
    const { bench } = world;
    write(world, 1);
    work(world);
    const pointer = freeze(world);
    world.ask('let-go', {});
    world.ask('branch', { disks: [pointer] });
    world.ask('needs', needs([pointer])); // a collector would take the branch for rubbish
    write(world, 2);
    work(world);
    expect(guestSees(world)).toEqual(block(2));
    failing(world);
    const held = write(world, 3, 100);
    work(world);
    expect(bench.channel.trouble).toContain('the disk is full');
    bench.files.mend();
    const late = [
      bench.submit({ kind: 'read', offset: 0, ranges: [{ gpa: 4096, length: 8192 }] }),
      bench.submit({ kind: 'write', offset: 0, ranges: [{ gpa: 8192, length: 512 }] }),
      bench.submit({ kind: 'flush' }),
    ];
    expect(bench.pinned()).not.toEqual([]);
    world.ask('adopt', { drop: true });
    bench.channel.dropSubmitted();
    expect([guestSees(world), bench.pinned(), bench.channel.trouble]).toEqual([block(1), [], undefined]);
    work(world);
    expect([held, ...late]).toEqual([{}, {}, {}, {}]);
    const read = bench.submit({ kind: 'read-bytes', offset: 0, length: BLOCK });
    write(world, 5);
    bench.submit({ kind: 'flush' });
    work(world);
    expect(read).toEqual({ result: 'ok', bytes: block(1) });
    expect(stateHas(world, folderOf(world).read().top, bench.files.afterCrash('lost'))).toEqual(block(5));
    expect(stateHas(world, pointer.layer)).toEqual(block(1));
    world.ask('finish', {});
    expectNoneOpen(bench.files);
  });

  test('inside its world: when that is not to be, its operations end as ever, and no file is left', async () => {
    const world = await DiskWorld.create();
    const pointer = freeze(world);
    world.ask('let-go', {});
    const before = world.bench.files.paths();
    world.ask('branch', { disks: [pointer] });
    expect(world.bench.files.paths()).toHaveLength(before.length + 1);
    const pending = write(world, 4);
    world.ask('branch', { disks: [] });
    expect(world.bench.files.paths()).toEqual(before);
    work(world);
    expect([pending.result, guestSees(world)]).toEqual(['ok', block(4)]);
    world.ask('branch', { disks: [pointer] });
    world.ask('finish', {}); // the VM is stopped before it is decided
    expect(world.bench.files.paths()).toEqual(before);
    expect(stateHas(world, folderOf(world).read().top, world.bench.files.afterCrash('lost'))).toEqual(block(4));
  });

  test('inside its world: a revert that failed and cannot be taken back yet holds what the guest writes', async () => {
    const world = await DiskWorld.create();
    const { bench } = world;
    const pointer = freeze(world);
    world.ask('let-go', {});
    write(world, 5);
    work(world);
    world.ask('branch', { disks: [pointer] });
    const { top } = folderOf(world).read();
    const renamed = bench.files.operations + 5; // the descriptor is there, and may not be durable; nor has it room to be written again
    bench.files.failAt(renamed, { kind: 'error', code: 'DISK_ERROR', lasting: false });
    bench.files.onOperation = operation => (bench.files.full ||= operation === renamed);
    expect(() => world.ask('adopt', { drop: true })).toThrow('cannot be written');
    expect(folderOf(world, bench.files.afterCrash('kept')).read().top).not.toBe(top);
    const pending = write(world, 6);
    work(world);
    expect([pending, bench.channel.trouble]).toEqual([{}, expect.stringContaining('cannot be written')]);
    bench.files.full = false;
    bench.files.onOperation = undefined;
    bench.channel.retry();
    work(world);
    expect(pending).toEqual({ result: 'ok' });
    expect(folderOf(world, bench.files.afterCrash('lost')).read().top).toBe(top);
  });

  test('with two disks, of which the descriptors cannot be written yet: no other world is let to the files before', async () => {
    const world = await DiskWorld.create();
    const { files } = world.bench;
    const { folders, backings, server } = twoDisks(world);
    const handlers = diskHandlers(server, () => expect.fail('no disc was asked for'));
    const ask = { id: 0 } as const;
    const pointers = handlers.prepare({ ...ask, kind: 'prepare', mode: undefined }) as DiskPointer[];
    handlers.switch({ ...ask, kind: 'switch' });
    for (const backing of backings) backing.seal();
    handlers['let-go']({ ...ask, kind: 'let-go' });
    handlers.branch({ ...ask, kind: 'branch', disks: pointers });
    handlers.adopt({ ...ask, kind: 'adopt', drop: true });
    const hold = (held: boolean) => handlers.hold({ ...ask, kind: 'hold', hold: held });
    const found = () => {
      const host = { ...world.bench.host, files: files.afterCrash('lost') };
      completeAdoption(host, FOLDER);
      return folders.map(({ disk }) => new DiskFolder(host, FOLDER, disk).read().top);
    };
    const tops = found();
    files.full = true;
    expect(() => hold(true)).toThrow('the disk is full');
    expect(found()).toEqual(tops);
    expect(() => hold(false)).toThrow('the disk is full');
    expect(found()).toEqual(tops);
    files.full = false;
    hold(true);
    expect(folders.map(folder => folder.read().top)).toEqual(tops); // what the other one reads
  });

  test('with two disks, off for good before storage that failed is well: both are found at one instant', async () => {
    for (let n = 0, isPast = false, undecided = 0; !isPast || undecided === 0; n++) {
      const world = await DiskWorld.create();
      const { host, files } = world.bench;
      const { folders, backings, server } = twoDisks(world);
      const pointers = backings.map(backing => {
        backing.top.write(0, block(1));
        const pointer = backing.prepare(undefined);
        backing.switchTop();
        backing.seal();
        backing.letGo();
        backing.top.write(0, block(2));
        backing.flush();
        return pointer;
      });
      server.branch(backings.map((graph, i) => ({ graph, state: pointers[i]!.layer })));
      const first = files.operations;
      files.failAt(first + n, { kind: 'error', code: 'DISK_ERROR', lasting: true });
      try {
        server.adopt();
        isPast = files.operations <= first + n;
      } catch (error) {
        expect(error).toBeInstanceOf(StorageError);
      }
      if (server.adoption.isUndecided) undecided++;
      server.finish();
      for (const how of ['lost', 'kept', 'torn'] as const) {
        const after = { ...host, files: files.afterCrash(how) };
        completeAdoption(after, FOLDER);
        const [one, two] = folders.map(({ disk }) => {
          const folder = new DiskFolder(after, FOLDER, disk);
          return firstBlock(readState(folder, folder.read().top));
        });
        expect(one).toEqual(two);
        expect([block(1), block(2)]).toContainEqual(one);
      }
      expect(n).toBeLessThan(100);
    }
  });

  test('while it is off: the disk goes on from the checkpoint’s state', async () => {
    const world = await DiskWorld.create();
    write(world, 1);
    work(world);
    const pointer = freeze(world);
    write(world, 2);
    work(world);
    world.ask('branch', { disks: [pointer] });
    world.ask('adopt', { drop: true });
    expect(guestSees(world)).toEqual(block(1));
    expect(() => world.ask('branch', { disks: [{ ...pointer, layer: 'f'.repeat(32) }] })).toThrow('fffffff');
    expect(guestSees(world)).toEqual(block(1));
  });
});

describe('a flush of the guest’s', () => {
  const durable = async (cache: BenchOptions['cache'], flush: boolean) => {
    const world = await DiskWorld.create({ cache: cache! });
    const isThere = (how: AfterCrash) => {
      const files = world.bench.files.afterCrash(how);
      return Buffer.compare(stateHas(world, folderOf(world).read().top, files), block(1)) === 0;
    };
    write(world, 1);
    if (flush) world.bench.submit({ kind: 'flush' });
    work(world);
    const beforeTheEnd = isThere('lost');
    world.ask('finish', {});
    return [beforeTheEnd, isThere('lost')];
  };

  test('is durable with writeback, needless with writethrough, and nothing with unsafe before the end', async () => {
    expect(await durable('writeback', false)).toEqual([false, true]);
    expect(await durable('writeback', true)).toEqual([true, true]);
    expect(await durable('writethrough', false)).toEqual([true, true]);
    expect(await durable('unsafe', true)).toEqual([false, true]);
  });
});

describe('the end of a world', () => {
  test('what is in the ring is executed, and all files are closed', async () => {
    const world = await DiskWorld.create();
    for (let at = 0; at < 40; at++) write(world, at, at);
    world.ask('finish', {});
    world.loop.run(); // returns: it has finished
    const bytes = readState(folderOf(world, world.bench.files.afterCrash('lost')), folderOf(world).read().top);
    for (let at = 0; at < 40; at++) expect(bytes.subarray(at * BLOCK, (at + 1) * BLOCK)).toEqual(block(at));
    expectNoneOpen(world.bench.files);
  });

  test('what the host’s storage refuses to the end is lost, and said', async () => {
    const broken = async (written: boolean) => {
      const world = await DiskWorld.create();
      if (!written) failing(world);
      write(world, 1);
      write(world, 2, 1);
      work(world);
      failing(world);
      world.ask('finish', {});
      return world.bench.notices;
    };
    expect(await broken(false)).toEqual(["disk0: 2 operations of the guest that the host's disk refused are lost."]);
    expect(await broken(true)).toEqual([expect.stringMatching(/disk is full.* What the guest wrote after its last flush may be lost\.$/)]);
  });
});
