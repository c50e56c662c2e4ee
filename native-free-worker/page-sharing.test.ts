import { beforeEach, describe, expect, test } from 'vitest';
import type { HostClock } from '#engine/checkpoint/ports.ts';
import { EqualPages } from '#engine/checkpoint/equal-pages.ts';
import { deriveReferences, livePpn, memoryStats } from '#engine/memory/mmm.ts';
import { FakeVm } from '#test/support/fake-vm.ts';
import type { CheckpointReply } from './checkpoint-protocol.ts';
import { SharingScanner, SharingVcpu } from './page-sharing.ts';

const RAM = 600;
const ALWAYS = 1e9;

let vm: FakeVm;
beforeEach(async () => {
  vm = await FakeVm.create(RAM);
});
const saved = () => memoryStats(vm.lone.memory).savedPages;

describe('looking for equal pages', () => {
  let pages: EqualPages;
  beforeEach(() => {
    pages = new EqualPages(vm.lone.memory);
  });
  /** A whole pass: what is found, and what it cost beside looking at the map. */
  function pass(): { pairs: number[]; hashed: number } {
    vm.lone.mmm.endEpoch();
    pages.begin();
    const { pairs, cost, isOver } = pages.next(ALWAYS);
    expect(isOver).toBe(true);
    return { pairs: [...pairs], hashed: Math.floor(cost - (RAM + 1) / 64 + 0.5) };
  }

  test('finds those that were not written for a whole pass, by content', () => {
    for (const [index, seed] of [5, 6, 5, 7, 6, 5].entries()) vm.write(index, seed);
    expect(pass()).toEqual({ pairs: [], hashed: 0 });
    expect(pass()).toEqual({ pairs: [vm.gppn(2), 0, vm.gppn(4), 1, vm.gppn(5), 0], hashed: 6 });
  });

  test('hashes a page again only when it was written, and one that many share not once for each', () => {
    for (let index = 0; index < 100; index++) vm.write(index, 9);
    pass();
    const { pairs, hashed } = pass();
    expect([pairs.length, hashed]).toEqual([198, 100]);
    for (let at = 0; at < pairs.length; at += 2) vm.lone.mmm.mergePages(pairs[at]!, pairs[at + 1]!);
    expect(saved()).toBe(99);
    expect(pass()).toEqual({ pairs: [], hashed: 0 });
    vm.write(50, 10);
    expect(pass()).toEqual({ pairs: [], hashed: 0 });
    expect(pass()).toEqual({ pairs: [], hashed: 1 });
    vm.write(60, 10);
    pass();
    expect(pass()).toEqual({ pairs: [vm.gppn(60), vm.gppn(50)], hashed: 1 });
  });

  test('comes in pieces of a bounded cost', () => {
    for (let index = 0; index < RAM; index++) vm.write(index, index + 1);
    pass();
    vm.lone.mmm.endEpoch();
    pages.begin();
    const costs: number[] = [];
    for (let isOver = false; !isOver;) {
      const piece = pages.next(50);
      costs.push(piece.cost);
      ({ isOver } = piece);
    }
    expect(Math.max(...costs)).toBeLessThan(52);
    expect(costs.reduce((sum, cost) => sum + cost)).toBeCloseTo(RAM + (RAM + 1) / 64);
  });
});

describe('scanner and vcpu', () => {
  let scanner: SharingScanner;
  let vcpu: SharingVcpu;
  let isWriting = false;
  const replies: (CheckpointReply & { kind: 'equal' })[] = [];
  const passEnds: number[] = [];
  /** What becomes of the VM at each sleep of the scanner. */
  let turn: () => void;
  let nowMs: number;

  beforeEach(() => {
    isWriting = false;
    replies.length = 0;
    passEnds.length = 0;
    vcpu = new SharingVcpu(vm.lone.mmm, () => scanner.merged());
    nowMs = 0;
    const clock: HostClock = {
      nowMs: () => nowMs,
      sleep: async ms => {
        nowMs += ms;
        turn();
      },
    };
    scanner = new SharingScanner({
      ...{ memory: vm.lone.memory, clock, pagesPerSecond: 5000, shortestPassMs: 100 },
      isWriting: () => isWriting,
      reply: reply => {
        replies.push(reply as CheckpointReply & { kind: 'equal' });
        if (replies.at(-1)!.endsPass) passEnds.push(nowMs);
        vcpu.take(replies.at(-1)!);
        queueMicrotask(() => {
          while (vcpu.work());
        });
      },
    });
  });

  test('equal pages become one, and what the guest goes on writing is left alone', async () => {
    for (let index = 0; index < RAM; index++) vm.write(index, 1 + (index % 5));
    let turns = 0;
    turn = () => {
      for (let index = 0; index < 7; index++) vm.write(index, 1);
      if (++turns === 1000) throw new Error('not all equal pages were shared');
      if (saved() === RAM - 7 - 5) scanner.end();
    };
    await scanner.run();
    const ppnOf = (index: number) => livePpn(vm.lone.memory, vm.gppn(index));
    for (let index = 12; index < RAM; index++) expect(ppnOf(index)).toBe(ppnOf(index - 5));
    deriveReferences(vm.lone.memory);
  });

  test('nothing is looked at while a checkpoint is written', async () => {
    for (let index = 0; index < RAM; index++) vm.write(index, 1);
    isWriting = true;
    let turns = 0;
    turn = () => void (++turns === 500 && scanner.end());
    await scanner.run();
    expect(replies).toEqual([]);
  });

  test('a VM in which nothing is found is looked through less often, until something is', async () => {
    for (let index = 0; index < RAM; index++) vm.write(index, index + 1);
    turn = () => {
      if (passEnds.length === 6) for (let index = 0; index < 10; index++) vm.write(index, 1);
      if (saved() > 0 && replies.at(-1)!.endsPass) scanner.end();
    };
    await scanner.run();
    const lengths = passEnds.map((end, i) => Math.round(end - (passEnds[i - 1] ?? 0)));
    expect(lengths.slice(0, 6)).toEqual([200, 400, 400, 400, 400, 400]);
    expect(lengths.at(-1)).toBeLessThan(400);
  });

  test('the vcpu merges a bounded number at a time, and ends the epoch after the last of a pass', () => {
    for (let index = 0; index < 100; index++) vm.write(index, 1);
    vm.lone.mmm.endEpoch();
    const pairs = Uint32Array.from({ length: 198 }, (_, i) => (i % 2 === 0 ? vm.gppn(i / 2 + 1) : 0));
    const { epoch } = memoryStats(vm.lone.memory);
    vcpu.take({ kind: 'equal', pairs, endsPass: true });
    const steps = [];
    for (let more = true; more;) {
      more = vcpu.work();
      steps.push(saved());
    }
    expect(steps).toEqual([16, 32, 48, 64, 80, 96, 99]);
    expect(memoryStats(vm.lone.memory).epoch).toBe(epoch + 1);
    expect(vcpu.work()).toBe(false);
  });
});
