/** The MMM's tables as TypeScript sees them (layout.ts, mmm-block.ts): the checkpoint worker's reader of a frozen map, counters, and a check of the whole. */
import {
  FREED_RING,
  FREED_RING_SIZE,
  FREE_STACK,
  FROZEN_MAPS,
  FROZEN_MAP_SLOTS,
  FROZEN_MAP_STRIDE,
  LIVE_MAP,
  PAGE_EPOCHS,
  PAGE_PINS,
  PAGE_SHARES,
  PAGE_SIZE,
  POOL_BASE,
} from './layout.ts';
import * as block from './mmm-block.ts';
import {
  MAP_ENTRIES,
  NOT_LOADED,
  NOT_RAM,
  PIN_FREED,
  SHARE_COUNT,
  SHARE_DYING,
  SHARE_LISTED,
  SLOT_EMPTY,
  SLOT_FROZEN,
  SLOT_THAWED,
} from './mmm-block.ts';

const RING_MASK = FREED_RING_SIZE / 4 - 1;

/** A page of guest physical memory. */
export type Gppn = number & { readonly gppn?: never };
/** A page of machine memory. */
export type Ppn = number & { readonly ppn?: never };

function slotWord(slot: number, field: number): number {
  return (block.MMM_SLOTS + slot * block.MMM_SLOT_STRIDE + field) >>> 2;
}

/** A frozen map, read without locks by the checkpoint worker: while it is frozen, its pages’ contents never change. */
export class FrozenMap {
  readonly slot: number;
  readonly epoch: number;
  /** GPPNs covered; those from here on are not RAM. */
  readonly limit: number;
  private readonly words: Uint32Array;
  private readonly bytes: Uint8Array;
  private readonly map: Uint32Array;

  constructor(memory: SharedArrayBuffer | ArrayBuffer, slot: number) {
    this.words = new Uint32Array(memory);
    this.bytes = new Uint8Array(memory);
    this.slot = slot;
    this.epoch = this.words[slotWord(slot, block.SLOT_EPOCH)]!;
    this.limit = this.words[slotWord(slot, block.SLOT_LIMIT)]!;
    this.map = new Uint32Array(memory, FROZEN_MAPS + slot * FROZEN_MAP_STRIDE, this.limit);
  }

  /** NOT_RAM, NOT_LOADED, 0 for the zero page, or the machine page. Of pages that are loaded meanwhile it says the one or the other. */
  ppn(gppn: Gppn): Ppn {
    return this.map[gppn] ?? NOT_RAM;
  }

  /** Whether a page of it is not loaded. */
  get isWaiting(): boolean {
    return this.map.includes(NOT_LOADED);
  }

  /** The epoch of the last write to the page at `gppn` before the freeze. */
  writtenEpoch(gppn: Gppn): number {
    const ppn = this.ppn(gppn);
    return this.words[ppn === NOT_LOADED ? block.MMM_LOADED_EPOCH >>> 2 : (PAGE_EPOCHS >>> 2) + ppn]!;
  }

  page(gppn: Gppn): Uint8Array {
    const address = POOL_BASE + this.ppn(gppn) * PAGE_SIZE;
    return this.bytes.subarray(address, address + PAGE_SIZE);
  }

  /**
   * Step 824: gives the page at `gppn` back once it is written, if it is an original that only this map has, and no shared page. The map must not be read at `gppn` again.
   * Safe against the running vcpu: an ordinary page that has left the live map never comes back, so it cannot become a shared one any more; freezes are looked at after the live map.
   */
  freeOriginal(gppn: Gppn): boolean {
    const { words } = this;
    const ppn = Atomics.load(this.map, gppn);
    if (ppn === 0 || ppn >= NOT_LOADED || Atomics.load(words, (LIVE_MAP >>> 2) + gppn) === ppn) return false;
    if (Atomics.load(words, (PAGE_SHARES >>> 2) + ppn) !== 0) return false;
    const written = words[(PAGE_EPOCHS >>> 2) + ppn]!;
    for (let slot = 0; slot < FROZEN_MAP_SLOTS; slot++) {
      if (slot === this.slot || Atomics.load(words, slotWord(slot, block.SLOT_STATE)) === SLOT_EMPTY) continue;
      const epoch = words[slotWord(slot, block.SLOT_EPOCH)]!;
      if (epoch < this.epoch && written <= epoch) return false;
      if (epoch > this.epoch && words[((FROZEN_MAPS + slot * FROZEN_MAP_STRIDE) >>> 2) + gppn] === ppn) return false;
    }
    const head = Atomics.load(words, block.MMM_FREED_HEAD >>> 2);
    if (((head - Atomics.load(words, block.MMM_FREED_TAIL >>> 2)) | 0) > RING_MASK) return false;
    this.map[gppn] = 0;
    words[(FREED_RING >>> 2) + (head & RING_MASK)] = ppn;
    Atomics.store(words, block.MMM_FREED_HEAD >>> 2, (head + 1) >>> 0);
    return true;
  }
}

/** The live map as another thread sees it, without locks: what it reads may be past already. */
export class LiveMap {
  /** GPPNs covered; those from here on are not RAM. */
  readonly limit: number;
  private readonly words: Uint32Array;
  private readonly bytes: Uint8Array;

  constructor(memory: SharedArrayBuffer | ArrayBuffer) {
    this.words = new Uint32Array(memory);
    this.bytes = new Uint8Array(memory);
    this.limit = this.words[block.MMM_MAP_LIMIT >>> 2]!;
  }

  /** NOT_RAM, NOT_LOADED, 0 for the zero page, or the machine page. */
  ppn(gppn: Gppn): Ppn {
    return gppn < this.limit ? Atomics.load(this.words, (LIVE_MAP >>> 2) + gppn) : NOT_RAM;
  }

  /** The epoch of the last write to the machine page `ppn`. */
  writtenEpoch(ppn: Ppn): number {
    return this.words[(PAGE_EPOCHS >>> 2) + ppn]!;
  }

  /** Empty when `gppn` has no page. */
  page(gppn: Gppn): Uint8Array {
    const address = POOL_BASE + this.ppn(gppn) * PAGE_SIZE;
    return this.bytes.subarray(address, address + PAGE_SIZE);
  }
}

/** A slot for the next freeze; undefined when all are in use. Only the vcpu thread freezes, so what it finds stays empty. */
export function findEmptySlot(memory: SharedArrayBuffer | ArrayBuffer): number | undefined {
  const words = new Uint32Array(memory);
  for (let slot = 0; slot < FROZEN_MAP_SLOTS; slot++) {
    if (Atomics.load(words, slotWord(slot, block.SLOT_STATE)) === SLOT_EMPTY) return slot;
  }
  return undefined;
}

/** Whether no other map, frozen or being freed, is newer than that of `slot`. */
export function isNewestMap(memory: SharedArrayBuffer | ArrayBuffer, slot: number): boolean {
  const words = new Uint32Array(memory);
  const epoch = words[slotWord(slot, block.SLOT_EPOCH)]!;
  for (let other = 0; other < FROZEN_MAP_SLOTS; other++)
    if (words[slotWord(other, block.SLOT_STATE)] !== SLOT_EMPTY && words[slotWord(other, block.SLOT_EPOCH)]! > epoch) return false;
  return true;
}

/** Makes the host give a slot memory for a map of `entries` GPPNs now, so that no freeze pays for it while the VM is stopped. Changes nothing, whatever the slot is used for. */
export function touchSlot(memory: SharedArrayBuffer | ArrayBuffer, slot: number, entries: number): void {
  const map = new Uint32Array(memory, FROZEN_MAPS + slot * FROZEN_MAP_STRIDE, FROZEN_MAP_STRIDE / 4);
  for (let entry = 0; entry < entries; entry += PAGE_SIZE / 4) Atomics.or(map, entry, 0);
}

/** Copies the live map into the empty `slot` for prepareFreeze(), on any thread: what changes meanwhile freeze() copies again. */
export function copyLiveMap(memory: SharedArrayBuffer | ArrayBuffer, slot: number): void {
  const words = new Uint32Array(memory);
  const limit = words[block.MMM_MAP_LIMIT >>> 2]!;
  words.copyWithin((FROZEN_MAPS + slot * FROZEN_MAP_STRIDE) >>> 2, LIVE_MAP >>> 2, (LIVE_MAP >>> 2) + limit);
  Atomics.store(words, block.MMM_COPIED_SLOT >>> 2, slot + 1);
}

export interface MemoryStats {
  readonly epoch: number;
  readonly poolPages: number;
  /** Pages in use, the zero page included. */
  readonly usedPages: number;
  readonly cowFaults: number;
  readonly zeroFaults: number;
  readonly dirtyNotes: number;
  /** Pages that the VM itself has. What else is in use are copied originals, which checkpoints hold. */
  readonly livePages: number;
  readonly frozenMaps: number;
  /** Pages that still lie in the checkpoint file that the machine was filled from. */
  readonly notLoaded: number;
  /** Pages that the VM would have more if equal ones were not shared. */
  readonly savedPages: number;
}

export function memoryStats(memory: SharedArrayBuffer | ArrayBuffer): MemoryStats {
  const words = new Uint32Array(memory);
  const word = (address: number) => words[address >>> 2]!;
  const underway = (word(block.MMM_FREED_HEAD) - word(block.MMM_FREED_TAIL)) | 0;
  let frozenMaps = 0;
  for (let slot = 0; slot < FROZEN_MAP_SLOTS; slot++) if (words[slotWord(slot, block.SLOT_STATE)] !== SLOT_EMPTY) frozenMaps++;
  return {
    epoch: word(block.MMM_EPOCH),
    poolPages: word(block.MMM_POOL_PAGES),
    usedPages: word(block.MMM_UNTOUCHED) - word(block.MMM_FREE_TOP) - underway,
    cowFaults: word(block.MMM_COW_FAULTS),
    zeroFaults: word(block.MMM_ZERO_FAULTS),
    dirtyNotes: word(block.MMM_DIRTY_NOTES),
    livePages: word(block.MMM_LIVE_PAGES),
    frozenMaps,
    notLoaded: word(block.MMM_NOT_LOADED_COUNT),
    savedPages: word(block.MMM_SAVED_PAGES),
  };
}

/** The page that the live map has at `gppn`: NOT_RAM, NOT_LOADED, 0 or a machine page. */
export function livePpn(memory: SharedArrayBuffer | ArrayBuffer, gppn: Gppn): Ppn {
  return gppn < MAP_ENTRIES ? new Uint32Array(memory)[(LIVE_MAP >>> 2) + gppn]! : NOT_RAM;
}

/**
 * Reference counts, derived: how many map entries have each page. Throws Error when the MMM's promises do not hold: an ordinary page at two GPPNs, freed twice, free and
 * still mapped, neither free nor mapped (leaked), or not loaded in a frozen map alone; a shared page that is counted wrongly. For tests and for `--check` runs; nothing may run meanwhile.
 * `reserved`: pages that reservePage() gave and that have not come back.
 */
export function deriveReferences(memory: SharedArrayBuffer | ArrayBuffer, reserved: ReadonlySet<Ppn> = new Set()): Map<Ppn, number> {
  const words = new Uint32Array(memory);
  const sharesOf = (ppn: Ppn) => words[(PAGE_SHARES >>> 2) + ppn]!;
  const references = new Map<Ppn, number>();
  const home = new Map<Ppn, Gppn>();
  const count = (map: number, limit: number) => {
    for (let gppn = 0; gppn < limit; gppn++) {
      const ppn = words[(map >>> 2) + gppn]!;
      if (ppn === NOT_LOADED && words[(LIVE_MAP >>> 2) + gppn] !== ppn) throw new Error(`page ${gppn} is not loaded in a frozen map alone`);
      if (ppn === 0 || ppn >= NOT_LOADED) continue;
      if ((home.get(ppn) ?? gppn) !== gppn && sharesOf(ppn) === 0)
        throw new Error(`page ${ppn} is mapped at ${home.get(ppn)} and at ${gppn}`);
      home.set(ppn, gppn);
      references.set(ppn, (references.get(ppn) ?? 0) + 1);
    }
  };
  count(LIVE_MAP, words[block.MMM_MAP_LIMIT >>> 2]!);
  const live = new Map(references);
  const thawed = new Set<Ppn>();
  const inSlots = new Map<Ppn, number>();
  for (let slot = 0; slot < FROZEN_MAP_SLOTS; slot++) {
    const state = words[slotWord(slot, block.SLOT_STATE)];
    const map = FROZEN_MAPS + slot * FROZEN_MAP_STRIDE;
    const end = words[slotWord(slot, block.SLOT_LIMIT)]!;
    if (state === SLOT_FROZEN) count(map, end);
    if (state === SLOT_EMPTY) continue;
    for (let gppn = words[slotWord(slot, block.SLOT_CURSOR)]!; gppn < end; gppn++) {
      const ppn = words[(map >>> 2) + gppn]!;
      if (state === SLOT_THAWED) thawed.add(ppn);
      inSlots.set(ppn, (inSlots.get(ppn) ?? 0) | (1 << slot));
    }
  }
  const free = new Set<Ppn>();
  const noteFree = (ppn: Ppn) => {
    if (free.has(ppn)) throw new Error(`page ${ppn} was freed twice`);
    if (reserved.has(ppn)) throw new Error(`page ${ppn} is free and reserved`);
    if (references.has(ppn)) throw new Error(`page ${ppn} is free and mapped at ${home.get(ppn)}`);
    if (sharesOf(ppn) !== 0) throw new Error(`page ${ppn} is free and shared`);
    free.add(ppn);
  };
  for (let i = 0; i < words[block.MMM_FREE_TOP >>> 2]!; i++) noteFree(words[(FREE_STACK >>> 2) + i]!);
  const head = words[block.MMM_FREED_HEAD >>> 2]!;
  for (let tail = words[block.MMM_FREED_TAIL >>> 2]!; tail !== head; tail = (tail + 1) >>> 0)
    noteFree(words[(FREED_RING >>> 2) + (tail & RING_MASK)]!);
  const dying = dyingPages(words);
  let saved = 0;
  for (let ppn = 1; ppn < words[block.MMM_UNTOUCHED >>> 2]!; ppn++) {
    const isPinned = words[(PAGE_PINS >>> 2) + ppn]! >= PIN_FREED;
    if (!free.has(ppn) && !references.has(ppn) && !thawed.has(ppn) && !isPinned && !dying.has(ppn) && !reserved.has(ppn))
      throw new Error(`page ${ppn} has leaked`);
    const shares = sharesOf(ppn);
    if (((shares & SHARE_LISTED) !== 0) !== dying.has(ppn))
      throw new Error(`page ${ppn} is on the list of dying pages, or is not, against its mark`);
    if (shares === 0) continue;
    if ((shares & SHARE_DYING) === 0) {
      if ((shares & SHARE_COUNT) !== live.get(ppn))
        throw new Error(`page ${ppn} is shared by ${live.get(ppn)} GPPNs, not ${shares & SHARE_COUNT}`);
      saved += (shares & SHARE_COUNT) - 1;
    } else {
      if (live.has(ppn)) throw new Error(`page ${ppn} is dying, and mapped`);
      if (((inSlots.get(ppn) ?? 0) & ~(shares & SHARE_COUNT)) !== 0) throw new Error(`page ${ppn} is in more maps than it knows of`);
    }
  }
  if (live.size !== words[block.MMM_LIVE_PAGES >>> 2])
    throw new Error(`the live map has ${live.size} pages, not ${words[block.MMM_LIVE_PAGES >>> 2]}`);
  if (saved !== words[block.MMM_SAVED_PAGES >>> 2])
    throw new Error(`sharing saves ${saved} pages, not ${words[block.MMM_SAVED_PAGES >>> 2]}`);
  return references;
}

/** The list of shared pages that the live map has no more, or has again. */
function dyingPages(words: Uint32Array): ReadonlySet<Ppn> {
  const dying = new Set<Ppn>();
  const last = (FREE_STACK >>> 2) + words[block.MMM_POOL_PAGES >>> 2]! - 1;
  for (let i = 0; i < words[block.MMM_DYING_COUNT >>> 2]!; i++) {
    const ppn = words[last - i]!;
    if (dying.has(ppn)) throw new Error(`page ${ppn} is listed twice`);
    dying.add(ppn);
  }
  return dying;
}
