/** Exactness on the real PC: neither taking a checkpoint nor going on from one can be told from a run without (METHOD.md, "What it guarantees"). */
import { expect, test } from 'vitest';
import { EqualPages } from '#engine/checkpoint/equal-pages.ts';
import { PAGE_SIZE } from '#engine/memory/layout.ts';
import { deriveReferences, livePpn, memoryStats } from '#engine/memory/mmm.ts';
import { RamCheckpoints } from './ram-checkpoints.ts';
import { bufferOf, restoreInto, takeFrom } from '#test/support/bench-checkpoint.ts';
import { BenchPc } from '#test/support/bench-pc.ts';
import { STI, TinyKernel } from '#test/support/tiny-kernel.ts';

/** Walks 2 MiB with a stride that visits pages in disorder, writing what it read and counted; rewrites its own code; counts timer interrupts meanwhile. */
function walker(): Uint8Array {
  const kernel = new TinyKernel().interrupts(0xfe).handler(0x20, inner => inner.increment(0x200000));
  kernel.out8(0x43, 0x34).out8(0x40, 0xa9, 0x04).raw(STI).raw(0x31, 0xdb); // xor ebx, ebx
  const loop = kernel.here;
  kernel
    .raw(0x81, 0xc3, 0x35, 0x27, 0x01, 0x00) // add ebx, 12735h
    .raw(0x81, 0xe3, 0xfc, 0xff, 0x1f, 0x00) // and ebx, 1ffffch
    .raw(0x03, 0x83, 0x00, 0x00, 0x40, 0x00) // add eax, [ebx + 400000h]
    .raw(0x40) // inc eax
    .raw(0x89, 0x83, 0x00, 0x00, 0x40, 0x00); // mov [ebx + 400000h], eax
  const patched = kernel.here + 7 + 1;
  kernel
    .raw(0x88, 0x05, patched & 0xff, (patched >> 8) & 0xff, (patched >> 16) & 0xff, 0, 0x90) // mov [patched], al; nop
    .raw(0xb9, 0, 0, 0, 0) // mov ecx, imm32, whose low byte is rewritten
    .raw(0x01, 0xc8) // add eax, ecx
    .jumpTo(loop);
  return kernel.image();
}

const boot = { kind: 'multiboot', kernel: walker(), modules: [], commandLine: '' } as const;
const FIRST = 300_000;
const REST = 900_000;

test('a run with a checkpoint in its middle, and one restored from it, end as one without', async () => {
  const plain = new BenchPc({ boot }, 2);
  plain.run(FIRST);
  const atCheckpoint = plain.pc.stateHash();
  plain.run(REST);
  const atEnd = plain.pc.stateHash();
  expect(atEnd).not.toBe(atCheckpoint);

  const ongoing = new BenchPc({ boot }, 2);
  ongoing.run(FIRST);
  const { pc } = ongoing;
  let left = REST;
  const store = await takeFrom(ongoing, () => {
    const budget = Math.min(left, 40_000);
    ongoing.run(budget);
    left -= budget;
  });
  expect(left).toBeGreaterThan(0);
  ongoing.run(left);
  expect(memoryStats(bufferOf(ongoing)).cowFaults).toBeGreaterThan(300);
  expect(pc.stateHash()).toBe(atEnd);
  pc.core.freePages();
  expect(memoryStats(bufferOf(ongoing)).usedPages).toBe(deriveReferences(bufferOf(ongoing)).size + 1);

  const restored = new BenchPc({ boot: { kind: 'none' } });
  restoreInto(restored, store);
  expect(restored.pc.stateHash()).toBe(atCheckpoint);
  restored.run(REST);
  expect(restored.pc.stateHash()).toBe(atEnd);

  // Its memory brought page by page, as the guest touches it.
  const lazy = new BenchPc({ boot: { kind: 'none' } });
  using later = restoreInto(lazy, store, true);
  expect(later).toBeDefined();
  const { notLoaded } = memoryStats(bufferOf(lazy));
  lazy.run(REST / 2);
  expect(memoryStats(bufferOf(lazy)).notLoaded).toBeLessThan(notLoaded);
  lazy.run(REST / 2);
  expect(lazy.pc.stateHash()).toBe(atEnd);

  // Into a machine that has run something else.
  restoreInto(ongoing, store);
  expect(pc.stateHash()).toBe(atCheckpoint);
  ongoing.run(REST);
  expect(pc.stateHash()).toBe(atEnd);
});

/** The page of the walker’s image, which it runs in and rewrites; the first of those that it walks, and how many they are; two that it never touches. */
const CODE = 0x100;
const WALKED = 0x400;
const WALKED_PAGES = 0x200;
const SPARE = [0x700, 0x701] as const;

test('a guest whose equal pages are shared under it, its code too, cannot tell, nor can a checkpoint of it', async () => {
  const plain = new BenchPc({ boot }, 2);
  plain.run(FIRST);
  const atCheckpoint = plain.pc.stateHash();
  plain.run(REST);

  const sharing = new BenchPc({ boot }, 2);
  const { core } = sharing.pc;
  const memory = bufferOf(sharing);
  const page = (address: number) => new Uint8Array(memory, address >>> 0, PAGE_SIZE);
  const found = new EqualPages(memory);
  let rounds = 0;
  let merged = 0;
  const share = () => {
    const used = [CODE, WALKED + (rounds++ % WALKED_PAGES)];
    for (const [i, gppn] of used.entries()) page(core.pageForWrite(SPARE[i]!)).set(page(core.pageForRead(gppn)));
    core.endEpoch();
    for (const [i, gppn] of used.entries()) expect(!!core.mergePages(gppn, SPARE[i]!)).toBe(livePpn(memory, gppn) !== 0);
    core.endEpoch();
    found.begin();
    const { pairs } = found.next(Infinity);
    for (let at = 0; at < pairs.length; at += 2) if (core.mergePages(pairs[at]!, pairs[at + 1]!)) merged++;
  };
  const run = (instructions: number, piece: number) => {
    for (let left = instructions; left > 0; left -= piece) {
      share();
      sharing.run(Math.min(left, piece));
    }
  };
  const clearSpare = () => SPARE.forEach(gppn => core.clearPage(gppn));
  for (let gppn = WALKED; gppn < WALKED + WALKED_PAGES; gppn++) core.pageForWrite(gppn); // zeros, each in a page of its own
  run(FIRST, 10_007);
  clearSpare();
  expect(sharing.pc.stateHash()).toBe(atCheckpoint);
  let left = REST;
  const store = await takeFrom(sharing, () => {
    const piece = Math.min(left, 20_011);
    run(piece, 5_003);
    left -= piece;
  });
  expect(left).toBeGreaterThan(0);
  run(left, 20_011);
  clearSpare();
  expect(sharing.pc.stateHash()).toBe(plain.pc.stateHash());
  expect(merged).toBeGreaterThan(300);
  core.freePages();
  expect(memoryStats(memory).frozenMaps).toBe(0);
  deriveReferences(memory);

  const restored = new BenchPc({ boot: { kind: 'none' } });
  restoreInto(restored, store);
  expect(restored.pc.stateHash()).toBe(atCheckpoint);
});

test('a machine that goes back in RAM, while it runs and again, ends as before', () => {
  const vm = new BenchPc({ boot }, 2);
  const { core } = vm.pc;
  const inRam = new RamCheckpoints(core, bufferOf(vm), slot => core.thaw(slot));
  vm.run(FIRST);
  const [id, slot, atCheckpoint] = ['checkpoint1', 0, vm.pc.stateHash()] as const;
  core.freeze(slot);
  inRam.keep({ id, slot, devices: vm.pc.saveDevices() });
  vm.run(REST);
  const atEnd = vm.pc.stateHash();
  for (let time = 0; time < 2; time++) {
    vm.run(12_345);
    inRam.ready(id, vm.pc)!();
    expect(vm.pc.stateHash()).toBe(atCheckpoint);
    vm.run(REST);
    expect(vm.pc.stateHash()).toBe(atEnd);
  }
});

test('a guest whose copies exhaust the pool waits and goes on as if it had not', () => {
  const plain = new BenchPc({ boot });
  plain.run(FIRST + REST);
  const tight = new BenchPc({ boot }, 0);
  const { pc } = tight;
  tight.run(FIRST);
  // Pages that read as zero take up the pool, unseen by the guest.
  for (let gppn = pc.ramBytes / PAGE_SIZE - 1; gppn >= 0x600 && pc.core.freePages() > 50; gppn--) pc.core.pageForWrite(gppn);
  let slot = 0;
  while (slot < 8) {
    pc.core.freeze(slot++);
    if (tight.run(50_000).kind === 'pool-exhausted') break;
  }
  const count = pc.instructionCount();
  expect(tight.run(100_000)).toEqual({ kind: 'pool-exhausted' });
  expect(pc.instructionCount()).toBe(count);
  while (slot-- > 0) {
    pc.core.thaw(slot);
    while (pc.core.reclaim(slot, 4096) > 0);
  }
  expect(tight.run(FIRST + REST - count)).toEqual({ kind: 'budget' });
  expect(pc.instructionCount()).toBe(FIRST + REST);
  expect(pc.stateHash()).toBe(plain.pc.stateHash());
});
