// The WebAssembly core: what engine/cpu/core-exports.ts lists, and a little for tests and tools.
import { initMemory } from './memory/mmm.as';
import { resetCpu } from './cpu/run.as';

export { abandonInstruction, deliverFault, instructionCount, requestExit, resetCpu, resetDerived, run } from './cpu/run.as';
export { materialize } from './cpu/flags.as';
export { flushTlb, userRuns } from './cpu/tlb.as';
export { ferr } from './isa/x87.as';
export { mapRam, pageForRead, pageForWrite, prepareFreeze, freeze, thaw, reclaim, freePages, endEpoch, installPage, clearPage, clearRam, poolPages, pinPage, unpinPage, restoreFrozen, forgetSince, expectPages, placePage, reservePage, adoptPage, returnPage, mergePages } from './memory/mmm.as';
export { peekTranslate } from './cpu/paging.as';
export { dropCode, findOp } from './cpu/decode-cache.as';

/** An empty machine of `poolPages` machine pages, CPU at reset; mapRam() gives it its RAM. */
export function init(ramPages: u32, poolPages: u32): void {
  initMemory(poolPages);
  resetCpu();
}
