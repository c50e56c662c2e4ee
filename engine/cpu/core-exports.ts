/** The WebAssembly core as TypeScript sees it: what core.as.ts exports and what it imports. Addresses are byte offsets in the shared memory. */

/** Why run() returned. */
export const STOP_BUDGET = 0;
/** HLT with interrupts to come: nothing to do until INTR or NMI. */
export const STOP_HALT = 1;
/** Triple fault. */
export const STOP_SHUTDOWN = 2;
/** requestExit() was called by a port or MMIO handler (reset, power off, debug exit, an earlier timer deadline). */
export const STOP_EXIT = 3;

export interface CoreExports {
  /** Lays out the pool for `ramPages` of guest RAM and `poolPages` machine pages (zero page included), CPU at reset. */
  init(ramPages: number, poolPages: number): void;
  /** Maps `count` GPPNs from `gppn` as RAM backed by the zero page. Everything else is MMIO. */
  mapRam(gppn: number, count: number): void;

  /** Executes exactly `budget` instructions unless something stops it sooner. A guest fault unwinds as GUEST_FAULT: call deliverFault(), then run() again. */
  run(budget: number): number;
  /** Delivers the fault in the FAULT_* slots; may raise in turn (double fault). */
  deliverFault(): void;
  /** Instructions executed since reset, exact also inside a port or MMIO handler; a u64 as a float (exact below 2^53). */
  instructionCount(): number;
  /** Grows whenever a user program (ring 3) goes on: two answers that differ say that one has run between them. An i32 that wraps, no part of the state. */
  userRuns(): number;
  /** Makes run() return STOP_EXIT after the current instruction. */
  requestExit(): void;
  /** Power-on reset of the CPU (SDM 3A 9.1). Count and TSC go on. */
  resetCpu(): void;
  /** Folds the lazy flags into FLAGS and zeroes LAZY_*: makes the CPU block canonical. run() does it on every return. */
  materialize(): void;
  /** Rebuilds everything derived from the CPU block (TLB, decode keys, FPU caches) after the block was overwritten. */
  resetDerived(): void;
  flushTlb(): void;
  /** FERR#: an unmasked x87 exception is pending and CR0.NE = 0. */
  ferr(): boolean;

  /** Host address of the page for reading, or 0 when `gppn` is not RAM. */
  pageForRead(gppn: number): number;
  /** Host address of the page for writing, or 0: breaks COW, fills zero pages, notes the page dirty, drops translated code in it. */
  pageForWrite(gppn: number): number;
  /** Drops the code decoded from machine page `ppn`: something else than the CPU has written it. */
  dropCode(ppn: number): void;

  /** Before step 806: the live map may be copied into `slot` (copyLiveMap of memory/mmm.ts) while the VM runs; freeze() then copies what has changed since. */
  prepareFreeze(slot: number): void;
  /** Step 806: freezes the live map into `slot`; every page becomes COW. Returns the frozen epoch. */
  freeze(slot: number): number;
  /** Forgets a frozen map's COW marks (step 828); its exclusive pages are freed by reclaim(). */
  thaw(slot: number): void;
  /** Frees up to `entries` map entries' worth of pages only a thawed map held; returns how many entries are left to look at. */
  reclaim(slot: number, entries: number): number;
  /** Makes the live map the frozen map `slot` again, which stays frozen; false, and nothing changes, while there is a newer one. Drops no translations: call resetDerived(). */
  restoreFrozen(slot: number): boolean;
  /** Starts a new epoch without freezing: after a restore, so that later writes are told from what was restored. Returns the epoch that ended. */
  endEpoch(): number;
  /** Maps two GPPNs whose pages are equal, byte for byte, to one page (§138), if nothing is about to write to either; false, and nothing changes, otherwise. Invisible to the guest. */
  mergePages(gppn: number, withGppn: number): boolean;
  /** Machine pages not in use. */
  freePages(): number;

  /**
   * Step 904: gives `gppn` a page of its own to be filled whole; returns its host address, 0 when not RAM.
   * Like clearRam() it drops no translations: call resetDerived() once when done.
   */
  installPage(gppn: number): number;
  /** A pending operation reads or writes the machine page: it is not handed out again before unpinPage(), even when it is freed. */
  pinPage(ppn: number): void;
  unpinPage(ppn: number): void;
  /** Makes `gppn` read as zero. */
  clearPage(gppn: number): void;
  /** Makes all RAM read as zero. */
  clearRam(): void;

  /** Step 904, lazily: maps GPPNs that have no page of their own as pages that loadPage() is asked for when they are touched. */
  expectPages(gppn: number, count: number): void;
  /** Only pages last written up to that epoch stay; every other one will be loaded, as expectPages() has it. */
  forgetSince(epoch: number): void;
  /** The host address of the page for `gppn`, to be filled whole at once; 0 when it is not one that is to be loaded. */
  placePage(gppn: number): number;
  /** A free machine page (PPN) for a background reader to fill; 0 when none is left. */
  reservePage(): number;
  /** The reserved page has been filled for `gppn`: it becomes that, or is freed if the guest was faster. */
  adoptPage(gppn: number, ppn: number): void;
  returnPage(ppn: number): void;
}

/** What the core calls. Port and MMIO values are unsigned; `size` in bytes (1, 2, 4; MMIO also 8 split by the core into 4 + 4). */
export interface CoreImports {
  portIn(port: number, size: number): number;
  portOut(port: number, size: number, value: number): void;
  mmioRead(gpa: number, size: number): number;
  mmioWrite(gpa: number, size: number, value: number): void;
  /** INTA cycle: the PIC's vector. Called only while INTR is set. */
  acknowledgeInterrupt(): number;
  /** FERR#: with CR0.NE = 0 an x87 instruction waits for the interrupt that reports the error before it. */
  fpuError(): void;
  /** Unwinds to the caller of run() by throwing GUEST_FAULT: a constant, so that no stack trace is taken. */
  unwind(): never;
  /** `gppn` is touched and not loaded: bring it with placePage() or adoptPage(), or throw. Invisible to the guest. */
  loadPage(gppn: number): void;
  /** The pool has no free page: the host must throttle or stop the guest; unwinds, the instruction restarts later. */
  poolExhausted(): never;
}
