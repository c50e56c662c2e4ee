import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { DriveRequest } from '#engine/devices/drive.ts';
import { FrozenMap, livePpn, memoryStats } from '#engine/memory/mmm.ts';
import { contents, expectReads, pattern } from '#test/support/disk-model.ts';
import { DiskBench } from './testing/disk-bench.ts';
import { DiskModelRun } from './testing/disk-model-run.ts';

const write = (offset: number, gpa: number, length: number): DriveRequest => ({ kind: 'write', offset, ranges: [{ gpa, length }] });
const read = (offset: number, gpa: number, length: number): DriveRequest => ({ kind: 'read', offset, ranges: [{ gpa, length }] });

describe('requests', () => {
  test('move bytes between disk and scattered memory', async () => {
    const bench = await DiskBench.create();
    bench.guestWrites(3, 100, pattern(1000, 1));
    bench.guestWrites(7, 0, pattern(48, 2));
    const out = bench.submit({
      kind: 'write',
      offset: 512,
      ranges: [
        { gpa: 3 * 4096 + 100, length: 976 },
        { gpa: 7 * 4096, length: 48 },
      ],
    });
    expect(out).toEqual({});
    bench.settle();
    expect(out).toEqual({ result: 'ok' });
    const back = bench.submit(read(512, 9 * 4096 + 3700, 1024)); // over the end of a page
    const bytes = bench.submit({ kind: 'read-bytes', offset: 512, length: 1024 });
    bench.settle();
    const wanted = [...pattern(1000, 1).subarray(0, 976), ...pattern(48, 2)];
    expect(back).toEqual({ result: 'ok' });
    expect([...bytes.bytes!]).toEqual(wanted);
    expect([...bench.page(9).subarray(3700), ...bench.page(10).subarray(0, 1024 - 396)]).toEqual(wanted);
  });

  test('from a buffer, zeroes, discard, flush', async () => {
    const bench = await DiskBench.create({ diskBytes: 16384 });
    const buffer = pattern(1024, 9);
    const all = [bench.submit({ kind: 'write-bytes', offset: 0, bytes: buffer })];
    buffer.fill(0); // was copied
    all.push(bench.submit({ kind: 'write-bytes', offset: 8192, bytes: pattern(8192, 3) }));
    all.push(bench.submit({ kind: 'write-zeroes', offset: 512, length: 512, unmap: false }));
    all.push(bench.submit({ kind: 'discard', offset: 8192, length: 4096 }));
    all.push(bench.submit({ kind: 'flush' }));
    bench.settle();
    expect(all.map(({ result }) => result)).toEqual(['ok', 'ok', 'ok', 'ok', 'ok']);
    const model = new Uint8Array(16384);
    model.set(pattern(1024, 9).subarray(0, 512));
    model.set(pattern(8192, 3).subarray(4096), 12288);
    expectReads(bench.disk.backing.top, model);
  });

  test('outside RAM the disk sees ones, and what it reads is dropped', async () => {
    const bench = await DiskBench.create();
    const out = bench.submit({ kind: 'write', offset: 0, ranges: [{ gpa: 16 * 4096 - 512, length: 1024 }] });
    const back = bench.submit(read(0, 16 * 4096 - 512, 1024));
    bench.settle();
    expect([out.result, back.result]).toEqual(['ok', 'ok']);
    expect(contents(bench.disk.backing.top).subarray(0, 1024)).toEqual(new Uint8Array(1024).fill(0xff, 512));
  });

  test('a write from pages that are not loaded waits while there are no free pages to load them to', async () => {
    const bench = await DiskBench.create();
    const { lone } = bench;
    lone.mmm.expectPages(0, 2);
    const load = lone.loadPage;
    lone.loadPage = gppn => void new Uint8Array(lone.memory, lone.mmm.placePage(gppn) >>> 0, 4096).fill(5);
    try {
      const taken = [];
      while (lone.mmm.freePages() > 256) taken.push(lone.mmm.reservePage());
      const out = bench.submit(write(0, 0, 8192));
      bench.settle();
      expect([out.result, memoryStats(lone.memory).notLoaded]).toEqual([undefined, 2]);
      for (const ppn of taken) lone.mmm.returnPage(ppn);
      bench.settle();
      expect(out.result).toBe('ok');
      expect(contents(bench.disk.backing.top).subarray(0, 8192)).toEqual(new Uint8Array(8192).fill(5));
    } finally {
      lone.loadPage = load;
    }
  });

  test('that no disk can serve end with an error', async () => {
    const bench = await DiskBench.create();
    const bad: DriveRequest[] = [
      write(65536, 0, 512),
      read(65024, 0, 1024),
      { kind: 'read-bytes', offset: 0, length: 65537 },
      { kind: 'discard', offset: Number.NaN, length: 512 },
      { kind: 'write', offset: 0, ranges: Array.from({ length: 9000 }, () => ({ gpa: 0, length: 8 * 4096 })) },
    ];
    const outcomes = bad.map(request => bench.submit(request));
    expect(outcomes.every(({ result }) => result === undefined)).toBe(true);
    bench.settle();
    expect(outcomes.map(({ result }) => result)).toEqual(bad.map(() => 'error'));
  });

  test('of more pages than can ever be free end with an error, and a checkpoint does not wait for them', async () => {
    const bench = await DiskBench.create({ diskBytes: 1 << 22 });
    const pool = memoryStats(bench.lone.memory).poolPages;
    const ranges = Array.from({ length: pool }, () => ({ gpa: 0, length: 512 }));
    const out = bench.submit({ kind: 'read', offset: 0, ranges });
    bench.settle();
    expect([out.result, bench.channel.canStop]).toEqual(['error', true]);
  });

  test('a damaged image is an error for the guest, and said once', async () => {
    const bench = await DiskBench.create();
    bench.submit({ kind: 'write-bytes', offset: 0, bytes: pattern(512, 1) });
    bench.settle();
    const { mapping, refcounts } = bench.disk.backing.top as unknown as {
      mapping: { get(i: number): { hostOffset: number } };
      refcounts: { release?(c: number): void };
    };
    const cluster = mapping.get(0).hostOffset / 4096;
    Object.assign(refcounts, { get: (at: number) => (at === cluster ? 2 : 1) });
    const outcomes = [1, 2].map(() => bench.submit({ kind: 'write-bytes', offset: 0, bytes: pattern(512, 2) }));
    bench.settle();
    expect(outcomes.map(({ result }) => result)).toEqual(['error', 'error']);
    expect(bench.notices).toHaveLength(1);
    expect(bench.notices[0]).toContain('/vm/top.qcow2');
  });
});

describe('what has to wait', () => {
  test('for space in a ring is not lost, and keeps its order', async () => {
    const bench = await DiskBench.create({ ringBytes: 8192 });
    const outcomes = Array.from({ length: 100 }, (_, i) =>
      bench.submit({ kind: 'write-bytes', offset: (i % 3) * 512, bytes: pattern(512, i) }),
    );
    const reads = Array.from({ length: 100 }, (_, i) => bench.submit({ kind: 'read-bytes', offset: (i % 3) * 512, length: 4096 }));
    bench.settle();
    expect([...outcomes, ...reads].every(({ result }) => result === 'ok')).toBe(true);
    expect(reads[0]!.bytes!.subarray(0, 512)).toEqual(pattern(512, 99));
  });

  test('for free pages is not stopped for, and goes on when there are some', async () => {
    const bench = await DiskBench.create({ poolPages: 300 });
    for (let gppn = 0; gppn < 16; gppn++) bench.guestWrites(gppn, 0, pattern(8, gppn));
    for (const slot of [0, 1]) {
      bench.lone.mmm.freeze(slot);
      for (let gppn = 0; gppn < 16; gppn++) bench.guestWrites(gppn, 0, pattern(8, gppn));
    }
    bench.lone.mmm.freeze(2);
    const free = bench.lone.mmm.freePages();
    expect(free).toBeLessThan(256);
    const outcome = bench.submit(read(0, 0, 4096));
    expect(bench.channel.canStop).toBe(false);
    bench.settle();
    expect(outcome).toEqual({});
    expect(bench.channel.waitForAll()).toBe(false);
    for (const slot of [0, 1, 2]) {
      bench.lone.mmm.thaw(slot);
      while (bench.lone.mmm.reclaim(slot, 1000) > 0);
    }
    bench.settle();
    expect(outcome).toEqual({ result: 'ok' });
    expect(bench.channel.canStop).toBe(true);
  });

  test('for the host’s storage is held, tried again, and the guest never learns of it', async () => {
    const bench = await DiskBench.create();
    bench.files.failAt(bench.files.operations, { kind: 'error', code: 'DISK_FULL', lasting: true });
    const outcome = bench.submit({ kind: 'write-bytes', offset: 0, bytes: pattern(512, 1) });
    const after = bench.submit({ kind: 'read-bytes', offset: 0, length: 512 });
    bench.settle();
    expect(outcome).toEqual({});
    expect(bench.channel.trouble).toContain('the disk is full');
    bench.channel.retry();
    expect(bench.channel.trouble).toBeUndefined();
    bench.settle();
    expect(bench.channel.trouble).toContain('the disk is full');
    expect(bench.channel.waitForAll()).toBe(false);
    bench.files.mend();
    bench.channel.retry();
    bench.settle();
    expect(outcome).toEqual({ result: 'ok' });
    expect(after.bytes).toEqual(pattern(512, 1));
  });

  test('is waited for by a drain, and the slice ends', async () => {
    const bench = await DiskBench.create();
    bench.submit({ kind: 'flush' });
    const before = bench.sliceBreaks;
    bench.drive.drain();
    expect(bench.sliceBreaks - before).toBe(1);
  });

  test('is waited for by a drain; what is held ends with an error then', async () => {
    const bench = await DiskBench.create();
    const outcomes = [1, 2, 3].map(i => bench.submit({ kind: 'write-bytes', offset: i * 4096, bytes: pattern(512, i) }));
    bench.drive.drain();
    expect(outcomes.map(({ result }) => result)).toEqual(['ok', 'ok', 'ok']);
    bench.files.failAt(bench.files.operations, { kind: 'error', code: 'DISK_FULL', lasting: true });
    const held = [1, 2].map(i => bench.submit({ kind: 'write-bytes', offset: 16384, bytes: pattern(512, i) }));
    bench.settle();
    expect(bench.channel.trouble).toBeDefined();
    bench.drive.drain();
    expect(held.map(({ result }) => result)).toEqual(['error', 'error']);
    expect(bench.channel.trouble).toBeUndefined();
    expect(bench.channel.pendingOperations()).toEqual([]);
  });
});

describe('virtual time', () => {
  test('done comes exactly when the request alone says, however fast the disk worker is', async () => {
    const bench = await DiskBench.create({ pacing: 'virtual' });
    const order: string[] = [];
    const submit = (name: string, request: DriveRequest) => bench.drive.submit(request, () => order.push(`${name} ${bench.nowNs}`));
    submit('flush', { kind: 'flush' });
    submit('long', read(0, 0, 8192));
    bench.nowNs = 5;
    submit('short', read(0, 8192, 512));
    bench.settle(); // all of them have ended
    expect(order).toEqual([]);
    for (;;) {
      const deadline = bench.nextDeadlineNs;
      if (deadline === undefined) break;
      bench.advanceTo(deadline);
      expect(bench.slice()).toBe(true);
    }
    expect(order).toEqual(['short 60517', 'long 68192', 'flush 200000']);
    expect(bench.sliceBreaks).toBe(3);
  });

  test('the guest waits for a disk worker that is not done by then', async () => {
    const bench = await DiskBench.create({ pacing: 'virtual' });
    const outcome = bench.submit(read(0, 0, 512));
    bench.advanceTo(bench.nextDeadlineNs!);
    expect(bench.slice()).toBe(false);
    expect(outcome).toEqual({});
    bench.server.step();
    expect(bench.slice()).toBe(true);
    expect(outcome).toEqual({ result: 'ok' });
  });
});

describe('a checkpoint', () => {
  test('does not stop while the ring is so full that its marker would have to wait', async () => {
    const bench = await DiskBench.create({ ringBytes: 4096 });
    for (let i = 0; i < 200; i++) bench.submit({ kind: 'flush' });
    expect(bench.channel.canStop).toBe(false);
    bench.settle();
    expect(bench.channel.canStop).toBe(true);
    bench.switchTop(4096);
    bench.server.receive();
    expect(bench.disk.queue.generation).toBe(1);
  });

  test('815: a read into a page that was copied meanwhile is seen by the VM and by the checkpoint, from the old disk', async () => {
    const bench = await DiskBench.create();
    bench.submit({ kind: 'write-bytes', offset: 0, bytes: pattern(512, 1) });
    bench.settle();
    const outcome = bench.submit(read(0, 4096, 512));
    expect(bench.channel.pendingOperations()).toMatchObject([{ kind: 'read', offset: 0, length: 512, pages: [{ gppn: 1 }] }]);
    let ended = 0;
    bench.channel.onceEnded('reads', () => ended++);
    bench.lone.mmm.freeze(0);
    const frozen = new FrozenMap(bench.lone.memory, 0);
    bench.switchTop(4096);
    bench.guestWrites(1, 2048, pattern(16, 7)); // a COW fault on the page that is being read into
    bench.submit({ kind: 'write-bytes', offset: 0, bytes: pattern(512, 2) });
    expect(bench.pinned()).toEqual([frozen.ppn(1)]);
    bench.server.step();
    bench.server.step(); // the read, and the new write
    bench.slice();
    expect(outcome).toEqual({});
    expect(ended).toBe(0);
    expect(bench.pinned()).toEqual([livePpn(bench.lone.memory, 1)]);
    bench.settle();
    expect(outcome).toEqual({ result: 'ok' });
    expect(ended).toBe(1);
    for (const page of [bench.page(1), frozen.page(1)]) expect(page.subarray(0, 512)).toEqual(pattern(512, 1));
    expect(bench.page(1).subarray(2048, 2064)).toEqual(pattern(16, 7));
    expect(bench.lone.dropped.code).toContain(livePpn(bench.lone.memory, 1));
  });

  test('816: a new read never touches an original page', async () => {
    const bench = await DiskBench.create();
    bench.submit({ kind: 'write-bytes', offset: 0, bytes: pattern(512, 1) });
    bench.guestWrites(1, 0, pattern(4096, 5));
    bench.settle();
    bench.lone.mmm.freeze(0);
    const frozen = new FrozenMap(bench.lone.memory, 0);
    bench.submit(read(0, 4096, 512));
    bench.settle();
    expect(frozen.page(1)).toEqual(pattern(4096, 5));
    expect(bench.page(1).subarray(0, 512)).toEqual(pattern(512, 1));
    expect(bench.page(1).subarray(512)).toEqual(pattern(4096, 5).subarray(512));
  });

  test('812: a read and then a write of the same blocks pending at once', async () => {
    const bench = await DiskBench.create();
    bench.submit(read(0, 0, 512));
    expect(bench.channel.hasReadThenWrite()).toBe(false);
    const last = bench.submit(write(0, 4096, 512));
    expect(bench.channel.hasReadThenWrite()).toBe(true);
    expect(bench.channel.waitForAll()).toBe(true);
    expect(bench.channel.pendingOperations()).toEqual([]);
    expect(last).toEqual({}); // the guest hears of it when it runs again
    bench.slice();
    expect(last).toEqual({ result: 'ok' });
  });

  const where = { offset: fc.nat(15), sectors: fc.integer({ min: 1, max: 4 }), at: fc.nat(27) };
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.record({ do: fc.constant('read' as const), ...where }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant('write' as const), ...where }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('zero' as const), ...where }) },
    { weight: 5, arbitrary: fc.constant({ do: 'work' as const }) },
    { weight: 2, arbitrary: fc.constant({ do: 'slice' as const }) },
    { weight: 6, arbitrary: fc.record({ do: fc.constant('touch' as const), sector: fc.nat(31) }) },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('checkpoint' as const), cluster: fc.constantFrom(512, 4096, 16384) }) },
  );

  test('is the state in which everything pending at the stop has ended, whatever happens beside it', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 80 }), async steps => {
        const run = new DiskModelRun(await DiskBench.create());
        for (const [index, one] of steps.entries()) run.apply(one, index);
        run.end();
      }),
      { numRuns: 250 },
    );
  });
});
