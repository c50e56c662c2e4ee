/**
 * The memory management module 350: the pool of machine pages, the map GPPN → PPN, COW by epochs (docs/decisions/0001-epochs-not-counters.md).
 *
 * Every page carries the epoch of its last noted write. A frozen map marks all pages COW by one number: a page whose epoch is not
 * newer than the newest frozen epoch is shared, and a write to it takes a copy (Fig. 3E, 844-850).
 *
 *   epoch == MMM_EPOCH            write at once
 *   epoch  > MMM_NEWEST_FROZEN    no frozen map has it: note it dirty, write in place
 *   otherwise, or merged          COW: copy, remap, drop cached translations of the original
 *
 * Invariants
 *  1. A page is mapped at one GPPN only, from when it is taken until it is freed; the zero page and shared pages excepted.
 *  2. An ordinary page that has left the live map never comes back into it, but by restoreFrozen(), which makes the live map equal to the newest other one. So a page that is in two
 *     maps is in every map between them.
 *  3. While a map is frozen, its pages' contents do not change, nor the epochs of ordinary pages; that of a shared page may only rise.
 *  4. A map that holds a GPPN has it NOT_LOADED only if the live map has: the page, once loaded, comes into all of them at once.
 * A map "holds" a GPPN while it is frozen, or thawed and its reclaim has not passed that GPPN. When a map lets go of an ordinary page at a GPPN, the page is free iff
 * the next newer holder (or the live map) has another page there and the page was born after the next older holder was frozen.
 *
 * Shared pages (§138; docs/decisions/0008-equal-pages-share-one.md): mergePages() maps equal pages to one of them, which is COW from then on, whatever its epoch, until it is freed. Its live
 * GPPNs are counted. When the last one leaves it, the page is dying: only maps in slots that are in use at that moment may have it, and once each of these slots has been emptied it is free.
 * A page that is loaded late while a map is being freed is one of them, too, of one GPPN: so it need not wait for that map.
 *
 * All of it runs on the vcpu thread. The checkpoint worker only reads frozen maps and gives early freed pages back through the freed-page ring.
 */
import { FREE_STACK, FREED_RING, FREED_RING_SIZE, FROZEN_MAPS, FROZEN_MAP_SLOTS, FROZEN_MAP_STRIDE, LIVE_MAP, PAGE_EPOCHS, PAGE_PINS, PAGE_SHARES, PAGE_SHIFT, PAGE_SIZE, POOL_BASE } from './layout';
import {
  CHUNK_ENTRIES, MAP_CHUNKS, MAP_ENTRIES, MMM_CHANGED_CHUNKS, MMM_COPIED_SLOT, MMM_COW_FAULTS, MMM_DIRTY_NOTES, MMM_DYING_COUNT, MMM_EPOCH, MMM_FREED_HEAD, MMM_FREED_TAIL, MMM_FREE_TOP, MMM_LIVE_PAGES, MMM_LOADED_EPOCH,
  MMM_MAP_LIMIT, MMM_NEWEST_FROZEN, MMM_NOT_LOADED_COUNT, MMM_POOL_PAGES, MMM_SAVED_PAGES, MMM_SLOTS, MMM_SLOT_STRIDE, MMM_UNTOUCHED, MMM_ZERO_FAULTS, NOT_LOADED, NOT_RAM, PIN_COUNT, PIN_FREED, SHARE_COUNT, SHARE_DYING,
  SHARE_LISTED, SHARE_MARK, SLOT_CURSOR, SLOT_EMPTY, SLOT_EPOCH, SLOT_FROZEN, SLOT_LIMIT, SLOT_STATE, SLOT_SWEEP, SLOT_THAWED,
} from './mmm-block';
import { dropPageTranslations, dropWriteTranslations } from '../cpu/tlb.as';
import { dropCode } from '../cpu/decode-cache.as';
import { loadPage, poolExhausted } from '../cpu/host.as';

// Shared constants are i32 literals; these compare with u32.
const ENTRIES: u32 = MAP_ENTRIES;
const SLOTS: u32 = FROZEN_MAP_SLOTS;
const ABSENT: u32 = NOT_RAM;
const UNLOADED: u32 = NOT_LOADED;

@inline function address(ppn: u32): usize { return POOL_BASE + (ppn << PAGE_SHIFT); }
@inline function entry(map: usize, gppn: u32): usize { return map + (gppn << 2); }
@inline function epochOf(ppn: u32): u32 { return load<u32>(entry(0, ppn), PAGE_EPOCHS); }
@inline function setEpoch(ppn: u32, epoch: u32): void { store<u32>(entry(0, ppn), epoch, PAGE_EPOCHS); }
@inline function frozenMap(slot: u32): usize { return FROZEN_MAPS + slot * FROZEN_MAP_STRIDE; }
@inline function slotRecord(slot: u32): usize { return MMM_SLOTS + slot * MMM_SLOT_STRIDE; }
@inline function sharesOf(ppn: u32): u32 { return load<u32>(entry(0, ppn), PAGE_SHARES); }
@inline function setShares(ppn: u32, shares: u32): void { atomic.store<u32>(entry(0, ppn), shares, PAGE_SHARES); }
/**
 * The live map is read by the checkpoint worker: it must not see a remapping before the frozen map that came first, nor one to a shared page before that is marked. An ordinary page that
 * is left is the caller's to free; a shared one is taken care of.
 */
function remap(gppn: u32, ppn: u32): void {
  const before = load<u32>(entry(0, gppn), LIVE_MAP);
  if (isPage(ppn)) {
    const shares = sharesOf(ppn);
    if (shares != 0 && !(shares & SHARE_DYING)) {
      setShares(ppn, shares + 1);
      store<u32>(MMM_SAVED_PAGES, load<u32>(MMM_SAVED_PAGES) + 1);
    } else {
      if (shares != 0) setShares(ppn, (shares & SHARE_LISTED) | SHARE_MARK | 1);
      store<u32>(MMM_LIVE_PAGES, load<u32>(MMM_LIVE_PAGES) + 1);
    }
  }
  store<u8>(gppn / CHUNK_ENTRIES, 1, MMM_CHANGED_CHUNKS);
  atomic.store<u32>(entry(0, gppn), ppn, LIVE_MAP);
  if (!isPage(before)) return;
  const shares = sharesOf(before);
  if ((shares & SHARE_COUNT) > 1) {
    setShares(before, shares - 1);
    store<u32>(MMM_SAVED_PAGES, load<u32>(MMM_SAVED_PAGES) - 1);
    return;
  }
  store<u32>(MMM_LIVE_PAGES, load<u32>(MMM_LIVE_PAGES) - 1);
  if (shares != 0) die(before, shares);
}
@inline function isPage(ppn: u32): bool { return ppn != 0 && ppn < UNLOADED; }

/** An empty machine: no RAM mapped, every page free, epoch 1. */
export function initMemory(poolPages: u32): void {
  memory.fill(MMM_EPOCH, 0, MMM_SLOTS + FROZEN_MAP_SLOTS * MMM_SLOT_STRIDE - MMM_EPOCH);
  memory.fill(LIVE_MAP, 0xff, MAP_ENTRIES * 4);
  memory.fill(PAGE_EPOCHS, 0, (poolPages as usize) << 2);
  memory.fill(PAGE_PINS, 0, (poolPages as usize) << 2);
  memory.fill(PAGE_SHARES, 0, (poolPages as usize) << 2);
  memory.fill(POOL_BASE, 0, PAGE_SIZE);
  store<u32>(MMM_EPOCH, 1);
  store<u32>(MMM_POOL_PAGES, poolPages);
  store<u32>(MMM_UNTOUCHED, 1);
}

/** Maps `count` GPPNs from `gppn` as RAM that reads as zero. */
export function mapRam(gppn: u32, count: u32): void {
  const end = gppn + count;
  if (!(end <= ENTRIES && gppn <= end)) unreachable();
  for (let g = gppn; g < end; g++) remap(g, 0);
  if (end > load<u32>(MMM_MAP_LIMIT)) store<u32>(MMM_MAP_LIMIT, end);
}

/** Host address of the page for reading, or 0 when `gppn` is not RAM. */
export function pageForRead(gppn: u32): usize {
  if (gppn >= ENTRIES) return 0;
  const ppn = load<u32>(entry(0, gppn), LIVE_MAP);
  if (ppn >= UNLOADED) return ppn == ABSENT ? 0 : address(loadNow(gppn));
  return address(ppn);
}

/** Host address of the page for writing, or 0 when `gppn` is not RAM: breaks COW, notes the page dirty, drops the code decoded from it. */
export function pageForWrite(gppn: u32): usize {
  const page = writablePage(gppn);
  if (page != 0) dropCode(<u32>((page - POOL_BASE) >> PAGE_SHIFT));
  return page;
}

/** As pageForWrite(), for a caller that compares its writes with the code decoded from the page itself. */
export function writablePage(gppn: u32): usize {
  if (gppn >= ENTRIES) return 0;
  let ppn = load<u32>(entry(0, gppn), LIVE_MAP);
  if (ppn >= UNLOADED) {
    if (ppn == ABSENT) return 0;
    ppn = loadNow(gppn);
  }
  const written = epochOf(ppn);
  const now = load<u32>(MMM_EPOCH);
  if (written != now) {
    // The zero page has epoch 0, which no frozen epoch is below: it is COW for ever, as shared pages are.
    if (written <= load<u32>(MMM_NEWEST_FROZEN) || sharesOf(ppn) != 0) return copyForWrite(gppn, ppn);
    setEpoch(ppn, now);
    store<u32>(MMM_DIRTY_NOTES, load<u32>(MMM_DIRTY_NOTES) + 1);
  }
  return address(ppn);
}

/** A COW fault (Fig. 3E, 844-850): the live map goes on with a copy, the original stays with the frozen maps. */
function copyForWrite(gppn: u32, original: u32): usize {
  const copy = takePage();
  const to = address(copy);
  if (original == 0) {
    memory.fill(to, 0, PAGE_SIZE);
    store<u32>(MMM_ZERO_FAULTS, load<u32>(MMM_ZERO_FAULTS) + 1);
  } else {
    memory.copy(to, address(original), PAGE_SIZE);
    store<u32>(MMM_COW_FAULTS, load<u32>(MMM_COW_FAULTS) + 1);
    dropCode(original);
  }
  remap(gppn, copy);
  dropPageTranslations(original);
  return to;
}

/** A free page, born in this epoch; its contents are whatever they were. */
function takePage(): u32 {
  // Pages that were in use before come first: the host has given them memory already.
  if (load<u32>(MMM_FREE_TOP) == 0) drainFreedRing();
  let top = load<u32>(MMM_FREE_TOP);
  if (top == 0) {
    const untouched = load<u32>(MMM_UNTOUCHED);
    // Unwinds: the instruction restarts once the checkpoint worker has given pages back.
    if (untouched == load<u32>(MMM_POOL_PAGES)) poolExhausted();
    store<u32>(MMM_UNTOUCHED, untouched + 1);
    setEpoch(untouched, load<u32>(MMM_EPOCH));
    return untouched;
  }
  top--;
  store<u32>(MMM_FREE_TOP, top);
  const ppn = load<u32>(entry(0, top), FREE_STACK);
  setEpoch(ppn, load<u32>(MMM_EPOCH));
  return ppn;
}

/** Epoch 0 tells a map that still names the page that it is no longer its to free. */
function freePage(ppn: u32): void {
  dropCode(ppn);
  setEpoch(ppn, 0);
  setShares(ppn, 0);
  const pins = load<u32>(entry(0, ppn), PAGE_PINS);
  if (pins != 0) store<u32>(entry(0, ppn), pins | PIN_FREED, PAGE_PINS);
  else pushFree(ppn);
}

function pushFree(ppn: u32): void {
  const top = load<u32>(MMM_FREE_TOP);
  store<u32>(entry(0, top), ppn, FREE_STACK);
  store<u32>(MMM_FREE_TOP, top + 1);
}

/**
 * A pending disk operation reads or writes the page: whoever frees it meanwhile, it is not handed out again before unpinPage(). The zero page and pages that
 * were never handed out need no pin.
 */
export function pinPage(ppn: u32): void {
  if (!(ppn < load<u32>(MMM_UNTOUCHED))) unreachable();
  store<u32>(entry(0, ppn), load<u32>(entry(0, ppn), PAGE_PINS) + 1, PAGE_PINS);
}

/** The operation has ended. */
export function unpinPage(ppn: u32): void {
  const pins = load<u32>(entry(0, ppn), PAGE_PINS);
  if ((pins & PIN_COUNT) == 0) unreachable();
  if (pins == (PIN_FREED | 1)) {
    store<u32>(entry(0, ppn), 0, PAGE_PINS);
    pushFree(ppn);
  } else store<u32>(entry(0, ppn), pins - 1, PAGE_PINS);
}

/** Takes the copied originals that the checkpoint worker freed early (step 824). */
function drainFreedRing(): void {
  const head = atomic.load<u32>(MMM_FREED_HEAD);
  let tail = load<u32>(MMM_FREED_TAIL);
  while (tail != head) {
    freePage(load<u32>(entry(0, tail & (FREED_RING_SIZE / 4 - 1)), FREED_RING));
    tail++;
  }
  atomic.store<u32>(MMM_FREED_TAIL, tail);
}

/** Machine pages in the pool. */
export function poolPages(): u32 {
  return load<u32>(MMM_POOL_PAGES);
}

/** Machine pages not in use. */
export function freePages(): u32 {
  drainFreedRing();
  return load<u32>(MMM_FREE_TOP) + load<u32>(MMM_POOL_PAGES) - load<u32>(MMM_UNTOUCHED);
}

/**
 * Before the stop, while the VM runs: the checkpoint worker may copy the live map into the empty `slot` now (copyLiveMap()), which nobody else uses before it has. What
 * changes from here on is noted, and freeze() copies only that once more: step 806 takes as long with much memory as with little.
 */
export function prepareFreeze(slot: u32): void {
  if (!(slot < SLOTS && load<u32>(slotRecord(slot), SLOT_STATE) == SLOT_EMPTY)) unreachable();
  memory.fill(MMM_CHANGED_CHUNKS, 0, MAP_CHUNKS);
  atomic.store<u32>(MMM_COPIED_SLOT, 0);
}

/** Step 806: the live map is copied into `slot` and every page in it becomes COW. Returns the frozen epoch. */
export function freeze(slot: u32): u32 {
  const record = slotRecord(slot);
  if (!(slot < SLOTS && load<u32>(record, SLOT_STATE) == SLOT_EMPTY)) unreachable();
  const limit = load<u32>(MMM_MAP_LIMIT);
  const frozen = load<u32>(MMM_EPOCH);
  if (atomic.load<u32>(MMM_COPIED_SLOT) == slot + 1) copyChangedChunks(frozenMap(slot), limit);
  else memory.copy(frozenMap(slot), LIVE_MAP, (limit as usize) << 2);
  atomic.store<u32>(MMM_COPIED_SLOT, 0);
  store<u32>(record, frozen, SLOT_EPOCH);
  store<u32>(record, 0, SLOT_CURSOR);
  store<u32>(record, limit, SLOT_LIMIT);
  atomic.store<u32>(record, SLOT_FROZEN, SLOT_STATE);
  store<u32>(MMM_NEWEST_FROZEN, frozen);
  return endEpoch();
}

function copyChangedChunks(map: usize, limit: u32): void {
  for (let first: u32 = 0; first < limit; first += CHUNK_ENTRIES) {
    if (load<u8>(first / CHUNK_ENTRIES, MMM_CHANGED_CHUNKS) != 0) memory.copy(entry(map, first), entry(LIVE_MAP, first), CHUNK_ENTRIES << 2);
  }
}

/** Starts a new epoch: writes from now on are noted apart from those before. Returns the epoch that ended. */
export function endEpoch(): u32 {
  const ended = load<u32>(MMM_EPOCH);
  store<u32>(MMM_EPOCH, ended + 1);
  dropWriteTranslations();
  return ended;
}

/** Step 828: the map's COW marks vanish at once. Nobody may read it any more; reclaim() frees what only it held. */
export function thaw(slot: u32): void {
  const record = slotRecord(slot);
  if (!(slot < SLOTS && load<u32>(record, SLOT_STATE) == SLOT_FROZEN)) unreachable();
  store<u32>(record, 0, SLOT_CURSOR);
  store<u32>(record, u32.MAX_VALUE, SLOT_SWEEP);
  atomic.store<u32>(record, SLOT_THAWED, SLOT_STATE);
  let newest: u32 = 0;
  for (let i: u32 = 0; i < SLOTS; i++) {
    const other = slotRecord(i);
    if (load<u32>(other, SLOT_STATE) == SLOT_FROZEN) newest = max(newest, load<u32>(other, SLOT_EPOCH));
  }
  store<u32>(MMM_NEWEST_FROZEN, newest);
}

/**
 * Reverting in RAM: the live map becomes the frozen map `slot` again, which stays frozen. False, and nothing changes, while there is a map that is newer: what it has may not
 * come between two maps that share a page (invariant 2). What the live map alone had is freed. Drops no translations, as installPage().
 */
export function restoreFrozen(slot: u32): bool {
  const record = slotRecord(slot);
  if (!(slot < SLOTS && load<u32>(record, SLOT_STATE) == SLOT_FROZEN)) unreachable();
  if (hasNewer(load<u32>(record, SLOT_EPOCH))) return false;
  const map = frozenMap(slot);
  const limit = load<u32>(record, SLOT_LIMIT);
  for (let gppn: u32 = 0; gppn < limit; gppn++) {
    const frozen = load<u32>(entry(map, gppn));
    const live = load<u32>(entry(0, gppn), LIVE_MAP);
    if (live == frozen) continue;
    const isOrdinary = isPage(live) && sharesOf(live) == 0;
    remap(gppn, frozen);
    if (live == UNLOADED) store<u32>(MMM_NOT_LOADED_COUNT, load<u32>(MMM_NOT_LOADED_COUNT) - 1);
    // It was taken after the freeze, and no other map is as new.
    else if (isOrdinary) freePage(live);
  }
  return true;
}

function hasNewer(epoch: u32): bool {
  for (let i: u32 = 0; i < SLOTS; i++) {
    const other = slotRecord(i);
    if (load<u32>(other, SLOT_STATE) != SLOT_EMPTY && load<u32>(other, SLOT_EPOCH) > epoch) return true;
  }
  return false;
}

/** Frees what only the thawed map `slot` held among its next `entries` GPPNs and dying pages; returns how many are left, at least. At 0 the slot is empty. */
export function reclaim(slot: u32, entries: u32): u32 {
  const record = slotRecord(slot);
  if (!(slot < SLOTS && load<u32>(record, SLOT_STATE) == SLOT_THAWED)) unreachable();
  const passed = load<u32>(record, SLOT_CURSOR);
  const left = letGo(slot, entries);
  if (left != 0) return left;
  const dying = sweep(slot, entries - (load<u32>(record, SLOT_CURSOR) - passed));
  if (dying == 0) atomic.store<u32>(record, SLOT_EMPTY, SLOT_STATE);
  return dying;
}

/** reclaim(), but for shared pages and the end. */
function letGo(slot: u32, entries: u32): u32 {
  const record = slotRecord(slot);
  const map = frozenMap(slot);
  const limit = load<u32>(record, SLOT_LIMIT);
  let gppn = load<u32>(record, SLOT_CURSOR);
  const end = entries < limit - gppn ? gppn + entries : limit;
  for (; gppn < end; gppn++) {
    const ppn = load<u32>(entry(map, gppn));
    if (ppn == 0 || ppn >= UNLOADED || ppn == load<u32>(entry(0, gppn), LIVE_MAP) || sharesOf(ppn) != 0) continue;
    if (isLast(load<u32>(record, SLOT_EPOCH), gppn, ppn)) freePage(ppn);
  }
  store<u32>(record, gppn, SLOT_CURSOR);
  return limit - gppn;
}

/** Whether a map of epoch `epoch` that lets go of `ppn`, which the live map does not have, is its last holder. */
function isLast(epoch: u32, gppn: u32, ppn: u32): bool {
  const written = epochOf(ppn);
  // Newer than the map: rewritten in place after the thaw, or freed and taken again. Not this map's any more.
  if (written > epoch) return false;
  let older: u32 = 0;
  let newer: u32 = u32.MAX_VALUE;
  let newerMap: usize = LIVE_MAP;
  for (let i: u32 = 0; i < SLOTS; i++) {
    const other = slotRecord(i);
    if (!holds(other, gppn)) continue;
    const otherEpoch = load<u32>(other, SLOT_EPOCH);
    if (otherEpoch < epoch) older = max(older, otherEpoch);
    if (otherEpoch > epoch && otherEpoch < newer) {
      newer = otherEpoch;
      newerMap = frozenMap(i);
    }
  }
  return written > older && load<u32>(entry(newerMap, gppn)) != ppn;
}

@inline function holds(record: usize, gppn: u32): bool {
  const state = load<u32>(record, SLOT_STATE);
  return gppn < load<u32>(record, SLOT_LIMIT) && (state == SLOT_FROZEN || (state == SLOT_THAWED && gppn >= load<u32>(record, SLOT_CURSOR)));
}

/**
 * Restoring (step 904): gives `gppn` a page of its own for the caller to fill whole, and returns its host address; 0 when `gppn` is not RAM.
 * Drops no translations: the restorer rebuilds all derived state once at its end.
 */
export function installPage(gppn: u32): usize {
  if (gppn >= ENTRIES || load<u32>(entry(0, gppn), LIVE_MAP) == ABSENT) return 0;
  // What may unwind for want of a free page comes before anything changes.
  if (load<u32>(entry(0, gppn), LIVE_MAP) == UNLOADED && isAwaited(gppn)) loadNow(gppn);
  const ppn = takePage();
  unmap(gppn);
  remap(gppn, ppn);
  return address(ppn);
}

/** Makes `gppn` read as zero and frees its page unless a frozen map has it. No effect when `gppn` is not RAM. */
export function clearPage(gppn: u32): void {
  const ppn = unmap(gppn);
  if (ppn != 0) dropPageTranslations(ppn);
}

/** All RAM reads as zero again: before a restore into a machine that has run. Drops no translations, as installPage(). */
export function clearRam(): void {
  const limit = load<u32>(MMM_MAP_LIMIT);
  for (let g: u32 = 0; g < limit; g++) unmap(g);
}

/** Maps `gppn` to the zero page; returns the page that it had, 0 for none. */
function unmap(gppn: u32): u32 {
  if (gppn >= ENTRIES) return 0;
  let ppn = load<u32>(entry(0, gppn), LIVE_MAP);
  if (ppn == 0 || ppn == ABSENT) return 0;
  if (ppn == UNLOADED) {
    if (!isAwaited(gppn)) {
      remap(gppn, 0);
      store<u32>(MMM_NOT_LOADED_COUNT, load<u32>(MMM_NOT_LOADED_COUNT) - 1);
      return 0;
    }
    ppn = loadNow(gppn);
  }
  leave(gppn, ppn, 0);
  return ppn;
}

/** Maps `gppn` to `to` instead of its page `ppn`, which is freed unless it is needed. */
function leave(gppn: u32, ppn: u32, to: u32): void {
  const isShared = sharesOf(ppn) != 0;
  remap(gppn, to);
  if (isShared) return;
  let newest: u32 = 0;
  for (let i: u32 = 0; i < SLOTS; i++) {
    const other = slotRecord(i);
    if (holds(other, gppn)) newest = max(newest, load<u32>(other, SLOT_EPOCH));
  }
  if (epochOf(ppn) > newest) freePage(ppn);
}

// --- Shared pages (§138) -------------------------------------------------------------------------------------------------

/**
 * Maps `gppn` and `withGppn` to one page if each has a page of its own, equal to the other's, that nothing is about to write: not written in this epoch, no pending disk operation. Whoever asks
 * need not be sure of any of it. Frozen maps keep what they have. False, and nothing changes, otherwise.
 */
export function mergePages(gppn: u32, withGppn: u32): bool {
  if (!(gppn < ENTRIES && withGppn < ENTRIES)) return false;
  let gone = load<u32>(entry(0, gppn), LIVE_MAP);
  let kept = load<u32>(entry(0, withGppn), LIVE_MAP);
  if (gone == kept || !mayBeShared(gone) || !mayBeShared(kept) || !areEqual(address(gone), address(kept))) return false;
  if (sharesOf(kept) == 0 && sharesOf(gone) != 0) {
    const swap = gone;
    gone = kept;
    kept = swap;
    gppn = withGppn;
  }
  // At neither GPPN may it look older than what was there: pointers to earlier checkpoints (§137) go by it.
  setEpoch(kept, max(epochOf(kept), epochOf(gone)));
  if (sharesOf(kept) == 0) setShares(kept, SHARE_MARK | 1);
  leave(gppn, gone, kept);
  dropPageTranslations(gone);
  return true;
}

/** Pages written in this epoch may have write translations. */
@inline function mayBeShared(ppn: u32): bool {
  return isPage(ppn) && epochOf(ppn) < load<u32>(MMM_EPOCH) && load<u32>(entry(0, ppn), PAGE_PINS) == 0;
}

function areEqual(one: usize, other: usize): bool {
  for (let at: u32 = 0; at < <u32>PAGE_SIZE; at += 8) if (load<u64>(one + at) != load<u64>(other + at)) return false;
  return true;
}

@inline function dyingEntry(index: u32): usize { return FREE_STACK + ((load<u32>(MMM_POOL_PAGES) - 1 - index) << 2); }

/** No live GPPN has the shared page `ppn` any more. */
function die(ppn: u32, shares: u32): void {
  let slots: u32 = 0;
  for (let i: u32 = 0; i < SLOTS; i++) {
    const record = slotRecord(i);
    if (holds(record, load<u32>(record, SLOT_LIMIT) - 1)) slots |= 1 << i;
  }
  if (shares & SHARE_LISTED) {
    setShares(ppn, SHARE_MARK | SHARE_LISTED | SHARE_DYING | slots); // a sweep is to come by, even if no map has it
    return;
  }
  if (slots == 0) {
    freePage(ppn);
    return;
  }
  setShares(ppn, SHARE_MARK | SHARE_LISTED | SHARE_DYING | slots);
  const count = load<u32>(MMM_DYING_COUNT);
  store<u32>(dyingEntry(count), ppn);
  store<u32>(MMM_DYING_COUNT, count + 1);
}

/** The map `slot` has let go of everything: looks at the next `entries` dying pages, from the newest down, and frees those that no other map can have. Returns how many are left. */
function sweep(slot: u32, entries: u32): u32 {
  const record = slotRecord(slot);
  let at = min(load<u32>(record, SLOT_SWEEP), load<u32>(MMM_DYING_COUNT));
  const end = entries < at ? at - entries : 0;
  while (at > end) {
    at--;
    const ppn = load<u32>(dyingEntry(at));
    const shares = sharesOf(ppn);
    const slots = shares & SHARE_COUNT & ~(<u32>1 << slot);
    if (!(shares & SHARE_DYING)) {
      setShares(ppn, shares & ~SHARE_LISTED);
      unlist(at);
    } else if (slots == 0) {
      unlist(at);
      freePage(ppn);
    } else setShares(ppn, (shares & ~SHARE_COUNT) | slots);
  }
  store<u32>(record, at, SLOT_SWEEP);
  return at;
}

/** The last one comes into its place: one that was looked at, or need not be. */
function unlist(index: u32): void {
  const last = load<u32>(MMM_DYING_COUNT) - 1;
  store<u32>(dyingEntry(index), load<u32>(dyingEntry(last)));
  store<u32>(MMM_DYING_COUNT, last);
}

// --- Pages that are loaded later (step 904) -----------------------------------------------------------------------------

/**
 * Going back while the machine stands still: only pages that were last written up to the epoch `since` stay, and what was not loaded stays so; every other page will be loaded. No map may wait for one.
 * Drops no translations, as installPage().
 */
export function forgetSince(since: u32): void {
  const limit = load<u32>(MMM_MAP_LIMIT);
  let notLoaded: u32 = 0;
  for (let g: u32 = 0; g < limit; g++) {
    const ppn = load<u32>(entry(0, g), LIVE_MAP);
    if (ppn == 0 || ppn == ABSENT) continue;
    if (ppn != UNLOADED) {
      if (epochOf(ppn) <= since) continue;
      leave(g, ppn, UNLOADED);
    }
    notLoaded++;
  }
  store<u32>(MMM_LOADED_EPOCH, load<u32>(MMM_EPOCH));
  store<u32>(MMM_NOT_LOADED_COUNT, notLoaded);
}

/** Maps `count` GPPNs from `gppn`, which have no page of their own, as not loaded. Their pages will belong to the present epoch, which must be one for all that are awaited. */
export function expectPages(gppn: u32, count: u32): void {
  const end = gppn + count;
  if (!(end <= ENTRIES && gppn <= end)) unreachable();
  if (load<u32>(MMM_NOT_LOADED_COUNT) != 0 && load<u32>(MMM_LOADED_EPOCH) != load<u32>(MMM_EPOCH)) unreachable();
  for (let g = gppn; g < end; g++) {
    if (load<u32>(entry(0, g), LIVE_MAP) != 0) unreachable();
    remap(g, UNLOADED);
  }
  store<u32>(MMM_LOADED_EPOCH, load<u32>(MMM_EPOCH));
  store<u32>(MMM_NOT_LOADED_COUNT, load<u32>(MMM_NOT_LOADED_COUNT) + count);
}

/** Waits for the host to bring the page, by placePage() or adoptPage(); unwinds when it cannot. */
function loadNow(gppn: u32): u32 {
  loadPage(gppn);
  const ppn = load<u32>(entry(0, gppn), LIVE_MAP);
  if (ppn >= UNLOADED) unreachable();
  return ppn;
}

/** Gives `gppn` its page, for the caller to fill whole before the guest runs on: its host address, or 0 when it is not one that is to be loaded. */
export function placePage(gppn: u32): usize {
  if (gppn >= ENTRIES || load<u32>(entry(0, gppn), LIVE_MAP) != UNLOADED) return 0;
  const ppn = takePage();
  place(gppn, ppn);
  return address(ppn);
}

/** A free page for the background reader to fill, which comes back by adoptPage() or returnPage(); 0 when none is left. */
export function reservePage(): u32 {
  return freePages() == 0 ? 0 : takePage();
}

/** The reserved page `ppn` has been filled with what belongs at `gppn`. It is freed if that was loaded, or overwritten, before. */
export function adoptPage(gppn: u32, ppn: u32): void {
  if (load<u32>(entry(0, gppn), LIVE_MAP) == UNLOADED) place(gppn, ppn);
  else freePage(ppn);
}

/** The reserved page `ppn` is not needed. */
export function returnPage(ppn: u32): void {
  freePage(ppn);
}

/** Into the live map and every frozen map that waits for it: as if it had been there since the machine was filled. */
function place(gppn: u32, ppn: u32): void {
  const loaded = load<u32>(MMM_LOADED_EPOCH);
  // A thawed map may name the page from an earlier life: with an old epoch, isLast() would take it for that map's. Shared pages are freed by other means.
  if (isPerhapsNamed(loaded)) setShares(ppn, SHARE_MARK | SHARE_DYING); // remap() brings it to life
  setEpoch(ppn, loaded);
  // The live map first: the checkpoint worker takes a page that only a frozen map has for one to be freed.
  remap(gppn, ppn);
  for (let i: u32 = 0; i < SLOTS; i++) {
    const waiting = entry(frozenMap(i), gppn);
    if (holds(slotRecord(i), gppn) && load<u32>(waiting) == UNLOADED) atomic.store<u32>(waiting, ppn);
  }
  store<u32>(MMM_NOT_LOADED_COUNT, load<u32>(MMM_NOT_LOADED_COUNT) - 1);
}

/** Whether there is a thawed map that names pages which have been freed since, and would take them for its own if they had the epoch `epoch`. */
function isPerhapsNamed(epoch: u32): bool {
  for (let i: u32 = 0; i < SLOTS; i++) {
    const record = slotRecord(i);
    if (load<u32>(record, SLOT_STATE) == SLOT_THAWED && load<u32>(record, SLOT_EPOCH) >= epoch && load<u32>(record, SLOT_CURSOR) < load<u32>(record, SLOT_LIMIT)) return true;
  }
  return false;
}

/** Whether a frozen map, too, waits for the page at `gppn`. */
function isAwaited(gppn: u32): bool {
  for (let i: u32 = 0; i < SLOTS; i++) {
    if (holds(slotRecord(i), gppn) && load<u32>(entry(frozenMap(i), gppn)) == UNLOADED) return true;
  }
  return false;
}
