/** The MMM against a model of it: whatever is done, in whatever order. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { loneMmm, PoolExhausted } from '#test/support/lone-mmm.ts';
import { stampedPages } from '#test/support/stamped-pages.ts';
import { FROZEN_MAPS, FROZEN_MAP_STRIDE, LIVE_MAP, PAGE_EPOCHS, PAGE_SHARES, PAGE_SIZE, POOL_BASE } from './layout.ts';
import { CHUNK_ENTRIES, MMM_LOADED_EPOCH, NOT_LOADED } from './mmm-block.ts';
import { copyLiveMap, deriveReferences, FrozenMap, livePpn, memoryStats } from './mmm.ts';

const RAM = 4;
const POOL = 200;

const lone = await loneMmm(POOL);
const { fill, write, valueAt, read } = stampedPages(lone);

type Op = {
  op:
    | ('write' | 'read' | 'merge' | 'clear' | 'install' | 'early' | 'pin' | 'unpin')
    | ('prepare' | 'copy' | 'freeze' | 'thaw' | 'reclaim' | 'endEpoch' | 'revert')
    | ('expect' | 'reserve' | 'fill' | 'adopt' | 'revertToFile' | 'rewind');
  /** Among those of RAM. */
  page: number;
  slot: number;
};

/** RAM lies in two chunks of the map. */
const FIRST = CHUNK_ENTRIES - RAM / 2;
const TIGHT_POOL = 14;

/** What a checkpoint may be pointed to for: its epoch, and what it has. */
type Base = { epoch: number; pages: number[] };
/** Slots as the model sees them: what each frozen map must keep, `undefined` where it was given back early. */
type Model = {
  live: number[];
  /** The epoch of the last pages that were expected. */
  expectedIn: number;
  slots: Map<number, { frozen: boolean; passed: boolean; pages: (number | undefined)[]; bases: Base[] }>;
  /** The slot that the next freeze is for, and what its map may have: each entry as it was once since prepareFreeze(). */
  prepared: { slot: number; isCopied: boolean; seen: number[] } | undefined;
  /** Pages of pending operations, each with the only GPPN that may have it: undefined when it was shared already. */
  pins: { ppn: number; gppn: number | undefined }[];
  /** Pages that the background reader has: filled, for which page, and whether the file that they are from is still the one. */
  reserved: { ppn: number; page: number | undefined; isWanted: boolean }[];
  /** Every checkpoint that the next one may point to. */
  bases: Base[];
};

/** Few, so that pages are often equal; one is what zero pages are. */
const valueOf = (stamp: number) => stamp % 3;
const shareOf = (ppn: number) => new Uint32Array(lone.memory, PAGE_SHARES, POOL)[ppn]!;
const mapOf = (address: number) => new Uint32Array(lone.memory, address + 4 * FIRST, RAM);
const slotMap = (slot: number) => mapOf(FROZEN_MAPS + slot * FROZEN_MAP_STRIDE);

function apply(model: Model, { op, page, slot }: Op, stamp: number): void {
  const { mmm, memory } = lone;
  const gppn = FIRST + page;
  const target = model.slots.get(slot);
  switch (op) {
    case 'read':
      expect(read(gppn)).toBe(model.live[page]);
      break;
    case 'expect': {
      const { epoch, notLoaded } = memoryStats(memory);
      if (livePpn(memory, gppn) !== 0 || (notLoaded > 0 && model.expectedIn !== epoch)) break;
      mmm.expectPages(gppn, 1);
      model.expectedIn = epoch;
      model.live[page] = valueOf(stamp);
      // Expecting is for a machine that is just filled.
      model.bases = [];
      for (const each of model.reserved) each.isWanted = false;
      break;
    }
    case 'reserve': {
      const ppn = mmm.reservePage();
      if (ppn !== 0) model.reserved.push({ ppn, page: undefined, isWanted: true });
      break;
    }
    case 'fill': {
      const reserved = model.reserved[slot];
      if (reserved === undefined || livePpn(memory, gppn) !== NOT_LOADED) break;
      fill(POOL_BASE + reserved.ppn * PAGE_SIZE, reserved.isWanted ? model.live[page]! : 0xbad);
      reserved.page = page;
      break;
    }
    case 'adopt': {
      const reserved = model.reserved.shift();
      if (reserved?.page !== undefined && reserved.isWanted) mmm.adoptPage(FIRST + reserved.page, reserved.ppn);
      else if (reserved) mmm.returnPage(reserved.ppn);
      break;
    }
    case 'write':
      write(gppn, valueOf(stamp));
      model.live[page] = valueOf(stamp);
      break;
    case 'merge': {
      const other = (page + 1 + slot) % RAM;
      if (stamp % 4 > 0) mmm.endEpoch();
      const isMerged = !!mmm.mergePages(gppn, FIRST + other);
      if (isMerged) expect(model.live[page]).toBe(model.live[other]);
      if (isMerged) merges++;
      break;
    }
    case 'clear':
      mmm.clearPage(gppn);
      model.live[page] = 0;
      break;
    case 'install':
      fill(mmm.installPage(gppn), valueOf(stamp));
      model.live[page] = valueOf(stamp);
      break;
    case 'prepare':
      if (target !== undefined || model.prepared !== undefined) break;
      mmm.prepareFreeze(slot);
      model.prepared = { slot, isCopied: false, seen: [...mapOf(LIVE_MAP)] };
      break;
    case 'copy':
      if (model.prepared === undefined || model.prepared.isCopied) break;
      copyLiveMap(memory, model.prepared.slot);
      slotMap(model.prepared.slot).set(model.prepared.seen.filter((_, i) => i < page)); // these were copied first
      model.prepared.isCopied = true;
      break;
    case 'freeze':
      if (target !== undefined || model.prepared?.isCopied === false) break;
      model.prepared = undefined;
      model.bases.push({ epoch: mmm.freeze(slot), pages: model.live.slice() });
      model.slots.set(slot, { frozen: true, passed: false, pages: model.live.slice(), bases: model.bases.slice() });
      break;
    case 'revert': {
      if (target?.frozen !== true || target.pages.includes(undefined)) break;
      const newest = Math.max(...[...model.slots.keys()].map(each => new FrozenMap(memory, each).epoch));
      const isNewest = new FrozenMap(memory, slot).epoch === newest;
      expect(!!mmm.restoreFrozen(slot)).toBe(isNewest);
      if (!isNewest) break;
      mmm.endEpoch();
      model.live = target.pages.map(value => value!);
      model.bases = target.bases.slice();
      break;
    }
    case 'rewind': {
      const base = model.bases[page % Math.max(1, model.bases.length)];
      if (base === undefined) break;
      leaveOtherFiles(model);
      mmm.forgetSince(base.epoch);
      if (model.live.some((value, i) => value !== 0 && livePpn(memory, FIRST + i) !== NOT_LOADED)) rewinds++; // some stay
      model.live = base.pages.slice();
      model.live.forEach((value, i) => {
        const ppn = livePpn(memory, FIRST + i);
        if (value !== 0 && ppn === 0) mmm.expectPages(FIRST + i, 1);
        if (value === 0 && ppn === NOT_LOADED) mmm.clearPage(FIRST + i);
      });
      model.expectedIn = memoryStats(memory).epoch;
      model.bases = model.bases.filter(({ epoch }) => epoch <= base.epoch);
      model.bases.push({ epoch: mmm.endEpoch(), pages: model.live.slice() });
      break;
    }
    case 'revertToFile':
      leaveOtherFiles(model);
      mmm.clearRam();
      expect(memoryStats(memory).notLoaded).toBe(0);
      model.live = model.live.map((_, i) => valueOf(stamp + i * (slot + 1)));
      model.live.forEach((value, i) => value !== 0 && mmm.expectPages(FIRST + i, 1));
      model.expectedIn = memoryStats(memory).epoch;
      model.bases = [{ epoch: mmm.endEpoch(), pages: model.live.slice() }];
      break;
    case 'thaw':
      if (target?.frozen !== true) break;
      mmm.thaw(slot);
      target.frozen = false;
      break;
    case 'reclaim':
      if (target?.frozen !== false) break;
      if (mmm.reclaim(slot, target.passed ? page + 1 : FIRST + page) === 0) model.slots.delete(slot);
      target.passed = true;
      break;
    case 'early':
      if (target?.frozen === true && new FrozenMap(memory, slot).freeOriginal(gppn)) target.pages[page] = undefined;
      break;
    case 'endEpoch':
      mmm.endEpoch();
      break;
    case 'pin': {
      const ppn = livePpn(memory, gppn);
      if (ppn === 0 || ppn === NOT_LOADED) break;
      mmm.pinPage(ppn);
      model.pins.push({ ppn, gppn: shareOf(ppn) === 0 ? gppn : undefined });
      break;
    }
    case 'unpin': {
      const pin = model.pins.shift();
      if (pin) mmm.unpinPage(pin.ppn);
      break;
    }
  }
}

/** Before the machine is filled from another file: no map waits for a page, and none is being freed. */
function leaveOtherFiles(model: Model): void {
  const { mmm, memory } = lone;
  for (const [slot, { frozen }] of model.slots) {
    if (frozen && (!slotMap(slot).includes(NOT_LOADED) || memoryStats(memory).notLoaded === 0)) continue;
    if (frozen) mmm.thaw(slot);
    while (mmm.reclaim(slot, 3 * CHUNK_ENTRIES) > 0);
    model.slots.delete(slot);
  }
  for (const each of model.reserved) each.isWanted = false;
}

function check(model: Model): void {
  const { memory } = lone;
  model.live.forEach((value, page) => {
    if (livePpn(memory, FIRST + page) !== NOT_LOADED) expect(read(FIRST + page)).toBe(value);
  });
  for (const [slot, { frozen, pages }] of model.slots) {
    if (!frozen) continue;
    const map = new FrozenMap(memory, slot);
    pages.forEach((value, page) => {
      const ppn = map.ppn(FIRST + page);
      if (value !== undefined && ppn !== NOT_LOADED) expect(valueAt(POOL_BASE + ppn * PAGE_SIZE)).toBe(value);
      if (ppn === NOT_LOADED) expect(model.live[page]).toBe(value);
    });
  }
  for (const { ppn, gppn } of model.pins)
    for (let other = FIRST; other < FIRST + RAM; other++)
      if (gppn !== undefined && other !== gppn) expect(livePpn(memory, other)).not.toBe(ppn);
  deriveReferences(memory, new Set(model.reserved.map(({ ppn }) => ppn)));
  expect(memoryStats(memory).notLoaded).toBe(mapOf(LIVE_MAP).filter(ppn => ppn === NOT_LOADED).length);
  for (const { epoch, pages } of model.bases) {
    pages.forEach((value, page) => {
      if (writtenEpoch(FIRST + page) <= epoch) expect(model.live[page]).toBe(value);
    });
  }
}

/** As FrozenMap.writtenEpoch() would have it after a freeze now. The zero page tells nothing. */
function writtenEpoch(gppn: number): number {
  const ppn = livePpn(lone.memory, gppn);
  if (ppn === NOT_LOADED) return new Uint32Array(lone.memory)[MMM_LOADED_EPOCH / 4]!;
  return ppn === 0 ? Infinity : new Uint32Array(lone.memory, PAGE_EPOCHS, POOL)[ppn]!;
}

const anyOp: fc.Arbitrary<Op> = fc.record({
  op: fc.oneof(
    { weight: 6, arbitrary: fc.constant('write' as const) },
    { weight: 3, arbitrary: fc.constantFrom('freeze' as const, 'thaw' as const, 'reclaim' as const, 'early' as const) },
    { weight: 5, arbitrary: fc.constant('merge' as const) },
    { weight: 3, arbitrary: fc.constantFrom('revert' as const, 'prepare' as const, 'copy' as const, 'copy' as const) },
    { weight: 2, arbitrary: fc.constantFrom('pin' as const, 'pin' as const, 'unpin' as const) },
    { weight: 2, arbitrary: fc.constantFrom('clear' as const, 'install' as const, 'endEpoch' as const) },
    {
      weight: 3,
      arbitrary: fc.constantFrom(
        'expect' as const,
        'expect' as const,
        'read' as const,
        'read' as const,
        'revertToFile' as const,
        'rewind' as const,
      ),
    },
    { weight: 3, arbitrary: fc.constantFrom('reserve' as const, 'fill' as const, 'fill' as const, 'adopt' as const) },
  ),
  page: fc.nat(RAM - 1),
  slot: fc.nat(2),
});

let merges = 0;
let rewinds = 0;
let exhausted = 0;
test('whatever is written, loaded, merged, frozen, thawed, reverted and reclaimed: frozen maps keep their contents, no page leaks, none is freed twice', () => {
  fc.assert(
    fc.property(fc.constantFrom(POOL, TIGHT_POOL), fc.array(anyOp, { minLength: 1, maxLength: 150, size: 'max' }), (pool, ops) => {
      lone.mmm.initMemory(pool);
      lone.mmm.mapRam(FIRST, RAM);
      const live = Array.from({ length: RAM }, () => 0);
      const model: Model = { live, expectedIn: 0, slots: new Map(), prepared: undefined, pins: [], reserved: [], bases: [] };
      lone.loadPage = gppn => void fill(lone.mmm.placePage(gppn), model.live[gppn - FIRST]!);
      ops.forEach((op, index) => {
        try {
          apply(model, op, index + 1);
        } catch (thrown) {
          if (!(thrown instanceof PoolExhausted)) throw thrown;
          expect(lone.mmm.freePages()).toBe(0);
          exhausted++;
        }
        check(model);
      });
      for (const { ppn } of model.pins) lone.mmm.unpinPage(ppn);
      for (const { ppn } of model.reserved.splice(0)) lone.mmm.returnPage(ppn);
      for (const [slot, { frozen }] of model.slots) {
        if (frozen) lone.mmm.thaw(slot);
        while (lone.mmm.reclaim(slot, 3 * CHUNK_ENTRIES) > 0);
      }
      for (let page = 0; page < RAM; page++) expect(read(FIRST + page)).toBe(model.live[page]);
      lone.mmm.freePages();
      const references = deriveReferences(lone.memory);
      expect(memoryStats(lone.memory).usedPages).toBe(references.size + 1);
      for (const [ppn, count] of references) if (count > 1) expect(shareOf(ppn)).not.toBe(0);
    }),
    { numRuns: 800 },
  );
  expect([merges > 200, rewinds > 50, exhausted > 5]).toEqual([true, true, true]);
});
