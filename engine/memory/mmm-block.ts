/** The MMM block: byte offsets from address 0, in the page at MMM_BLOCK (layout.ts). Number literals only; AssemblyScript and TypeScript both read it. */

/** u32, the epoch that a page written now belongs to; starts at 1. */
export const MMM_EPOCH = 0x3000;
/** u32, frozen epoch of the newest map whose marks are set; 0 = no page is COW (but the zero page). */
export const MMM_NEWEST_FROZEN = 0x3004;
/** u32, machine pages in the pool, the zero page included. */
export const MMM_POOL_PAGES = 0x3008;
/** u32, pages from here on were never handed out. */
export const MMM_UNTOUCHED = 0x300c;
/** u32, entries on the free stack. */
export const MMM_FREE_TOP = 0x3010;
/** u32, no GPPN from here on is RAM. */
export const MMM_MAP_LIMIT = 0x3014;
/** u32, COW faults that copied a page (step 818). */
export const MMM_COW_FAULTS = 0x3018;
/** u32, faults that gave a page of its own to a GPPN that read as zero. */
export const MMM_ZERO_FAULTS = 0x301c;
/** u32, pages noted dirty in place. */
export const MMM_DIRTY_NOTES = 0x3020;
/** u32, the epoch that pages get which are not loaded yet: the one in which the machine was filled. */
export const MMM_LOADED_EPOCH = 0x3024;
/** u32, GPPNs whose page is not loaded. */
export const MMM_NOT_LOADED_COUNT = 0x3028;
/** u32, pages that the live map has, each counted once, the zero page not. */
export const MMM_LIVE_PAGES = 0x302c;
/** u32, the slot + 1 into which copyLiveMap() has copied the live map since prepareFreeze(); 0 = none. */
export const MMM_COPIED_SLOT = 0x3030;
/** u32, entries on the list of shared pages that the live map has no more. */
export const MMM_DYING_COUNT = 0x3034;
/** u32, pages that the live map would have more if no page were shared. */
export const MMM_SAVED_PAGES = 0x3038;
/** u32, freed-page ring: entries ever written (by the checkpoint worker) and ever taken (by the vcpu thread), modulo 2^32. */
export const MMM_FREED_HEAD = 0x3040;
export const MMM_FREED_TAIL = 0x3080;

/** One record for each frozen map. */
export const MMM_SLOTS = 0x3100;
export const MMM_SLOT_STRIDE = 32;
export const SLOT_STATE = 0; // u32: SLOT_EMPTY…
export const SLOT_EPOCH = 4; // u32: its frozen epoch
export const SLOT_CURSOR = 8; // u32: while it is reclaimed, the GPPNs below are done
export const SLOT_LIMIT = 12; // u32: GPPNs that the map covers
export const SLOT_SWEEP = 16; // u32: after that, entries of the list of dying pages that are still to be looked at

/** u8 for each chunk of the live map: an entry of it has changed since prepareFreeze(). */
export const MMM_CHANGED_CHUNKS = 0x3400;
/** Map entries in a chunk: 4 KiB of map, 4 MiB of guest memory. */
export const CHUNK_ENTRIES = 1024;
export const MAP_CHUNKS = 1024;

export const SLOT_EMPTY = 0;
/** Its pages are COW: they never change. */
export const SLOT_FROZEN = 1;
/** Its marks are gone; reclaim() is freeing what only it held. */
export const SLOT_THAWED = 2;

/** A map entry of a GPPN that is not RAM. */
export const NOT_RAM = 0xffffffff;
/** A map entry of a GPPN whose page still lies in the checkpoint file that the machine was filled from. */
export const NOT_LOADED = 0xfffffffe;
/** GPPNs in the 4 GiB of guest physical address space. */
export const MAP_ENTRIES = 0x100000;

/** A page's pins: pending operations that read or write it, and whether it is to be freed when there are none. */
export const PIN_COUNT = 0x7fffffff;
export const PIN_FREED = 0x80000000;

/**
 * A page's shares: 0 of an ordinary page; else SHARE_MARK, and the number of live GPPNs that have it, or, with SHARE_DYING, the slots (bit n: slot n) whose maps may have it
 * when no live GPPN does.
 */
export const SHARE_MARK = 0x80000000;
/** It is on the list of dying pages, on which it may have come back to life. */
export const SHARE_LISTED = 0x40000000;
export const SHARE_DYING = 0x20000000;
export const SHARE_COUNT = 0x1fffffff;
