// Delivery of interrupts and exceptions in every mode (SDM 3A chapter 6; SDM 2A, "INT n").
import { CPU_BLOCK } from '../memory/layout';
import { sysRead16, sysRead32 } from './access.as';
import {
  ATTR_PRESENT, FLAG_AC, FLAG_IF, FLAG_NT, FLAG_RF, FLAG_TF, FLAG_VM, VEC_DB, VEC_DF, VEC_GP, VEC_MF, VEC_NMI, VEC_NP, VEC_PF, VEC_TS,
} from './bits';
import {
  ESP, SEG_INDEX_CS, SEG_INDEX_DS, SEG_INDEX_ES, SEG_INDEX_FS, SEG_INDEX_GS, SEG_INDEX_SS, controlFlags, cpl, eip, iopl,
  protectionEnabled, reg32, segAttr, segLimit, segSelector, setCpl, setEip, setFlags, setSegment, virtual8086,
} from './block.as';
import { COUNT, FAULT_ERROR, FAULT_HAS_ERROR, FAULT_VECTOR, HALTED, IDTR_BASE, IDTR_LIMIT, IN_NMI, SHUTDOWN } from './block';
import { enterDebugHandler } from './debug.as';
import {
  TYPE_INT16, TYPE_INT32, TYPE_TASK_GATE, TYPE_TRAP16, TYPE_TRAP32, descriptorAt, descriptorHigh, descriptorLow, dplOf, ext, fetchDescriptor,
  isCode, isConforming, limitOf, raiseSelector, setAccessed, setExt,
} from './descriptor.as';
import { raise, raiseError } from './fault.as';
import { materialize } from './flags.as';
import { loadCache, setNull } from './segmentation.as';
import { STEPPING } from './scratch';
import { commitInnerStack, commitStack, push, reserve, useCurrentStack, useInnerStack } from './stack.as';
import { TASK_CALL, enterTaskGate } from './task.as';
import { modeChanged } from './tlb.as';

/** INTR or NMI. */
export const KIND_EXTERNAL: u32 = 0;
export const KIND_EXCEPTION: u32 = 1;
/** INT n. */
export const KIND_INT: u32 = 2;
/** INT3 and INTO: as INT n, but IOPL does not matter in virtual-8086 mode. */
export const KIND_TRAP: u32 = 3;
/** INT1: no DPL check either (SDM 3A 6.13). */
export const KIND_INT1: u32 = 4;

/** The exception whose delivery is under way, or -1: a fault meanwhile may make it a double or triple fault. */
let delivering: i32 = -1;
/** FAULT_VECTOR while it is being delivered: when the pool runs dry in the middle, the delivery starts again and is no double fault. */
const UNDER_WAY: u32 = 0x8000_0000;
/** Likewise between instructions, with the KIND in bits 8-15: an acknowledged vector or a debug trap must not be lost. */
const UNDER_WAY_BETWEEN: u32 = 0xc000_0000;

/** INTR with the acknowledged vector, or NMI. */
export function deliverExternal(vector: u32): void {
  deliverBetween(vector, KIND_EXTERNAL);
}

/** An interrupt or trap between instructions. */
export function deliverBetween(vector: u32, kind: u32): void {
  store<u32>(CPU_BLOCK + FAULT_VECTOR, vector | (kind << 8) | UNDER_WAY_BETWEEN);
  interrupt(vector, kind, false, 0);
  clearFault();
}

/**
 * Delivers the fault in the FAULT_* slots. May raise in turn; then it is called again and combines the two (SDM 3A 6.15, "#DF"). Counts as an
 * instruction, so that a guest whose handler faults at once, for ever, still uses up its budget.
 */
export function deliverFault(): void {
  let vector = load<u32>(CPU_BLOCK + FAULT_VECTOR);
  if ((vector & UNDER_WAY_BETWEEN) == UNDER_WAY_BETWEEN) {
    deliverBetween(vector & 0xff, (vector >> 8) & 0xff);
    return;
  }
  if (!(vector & UNDER_WAY)) {
    if (delivering == VEC_DF) {
      delivering = -1;
      clearFault();
      store<u32>(CPU_BLOCK + SHUTDOWN, 1);
      return;
    }
    if (makesDoubleFault(delivering, vector)) {
      vector = VEC_DF;
      store<u32>(CPU_BLOCK + FAULT_ERROR, 0);
      store<u32>(CPU_BLOCK + FAULT_HAS_ERROR, 1);
    }
    delivering = vector;
    store<u32>(CPU_BLOCK + FAULT_VECTOR, vector | UNDER_WAY);
  }
  vector &= ~UNDER_WAY;
  delivering = vector; // also in a machine restored in the middle of the delivery
  interrupt(vector, KIND_EXCEPTION, load<u32>(CPU_BLOCK + FAULT_HAS_ERROR) != 0, load<u32>(CPU_BLOCK + FAULT_ERROR));
  store<u32>(STEPPING, 0);
  store<u64>(CPU_BLOCK + COUNT, load<u64>(CPU_BLOCK + COUNT) + 1);
  delivering = -1;
  clearFault();
}

function clearFault(): void {
  store<u32>(CPU_BLOCK + FAULT_VECTOR, 0);
  store<u32>(CPU_BLOCK + FAULT_ERROR, 0);
  store<u32>(CPU_BLOCK + FAULT_HAS_ERROR, 0);
}

/** SDM 3A table 6-5. */
function makesDoubleFault(first: i32, second: u32): bool {
  if (first < 0) return false;
  if (first == VEC_PF) return second == VEC_PF || contributory(second);
  return contributory(first) && contributory(second);
}

function contributory(vector: u32): bool {
  return vector == 0 || (vector >= <u32>VEC_TS && vector <= <u32>VEC_GP);
}

/** Faults push RF = 1, so that an instruction breakpoint does not strike again; traps and aborts do not (SDM 3B 17.3.1.1). */
function pushesResume(vector: u32): bool {
  return vector != VEC_DB && vector != VEC_NMI && vector != VEC_DF && !(vector == 3 || vector == 4 || vector == 18);
}

/** Delivers `vector`. RIP is what the handler returns to: the next instruction, or the faulting one. */
export function interrupt(vector: u32, kind: u32, hasError: bool, error: u32): void {
  materialize();
  // A stack or table outside RAM is accessed at once: a delivery between instructions has no instruction to start again.
  const stepping = load<u32>(STEPPING);
  store<u32>(STEPPING, 1);
  setExt(kind == KIND_INT || kind == KIND_TRAP ? 0 : 1);
  if (protectionEnabled()) throughIdt(vector, kind, hasError, error);
  else throughVectorTable(vector);
  setExt(0);
  store<u32>(STEPPING, stepping);
  store<u32>(CPU_BLOCK + HALTED, 0);
  if (vector == VEC_DB && (kind == KIND_EXCEPTION || kind == KIND_INT1)) enterDebugHandler();
  if (vector == VEC_NMI && kind == KIND_EXTERNAL) store<u32>(CPU_BLOCK + IN_NMI, 1);
}

/** Real mode (SDM 3A 20.1.4). */
function throughVectorTable(vector: u32): void {
  const flags = controlFlags();
  if (vector * 4 + 3 > load<u32>(CPU_BLOCK + IDTR_LIMIT)) raiseError(VEC_GP, vector * 8 + 2 + ext);
  const at = load<u32>(CPU_BLOCK + IDTR_BASE) + vector * 4;
  const offset = sysRead16(at);
  const selector = sysRead16(at + 2);
  useCurrentStack();
  reserve(3, 2, false);
  push(flags, 2);
  push(segSelector(SEG_INDEX_CS), 2);
  push(eip(), 2);
  commitStack();
  setSegment(SEG_INDEX_CS, selector, segAttr(SEG_INDEX_CS), selector << 4, segLimit(SEG_INDEX_CS));
  setEip(offset);
  setFlags(flags & ~(FLAG_IF | FLAG_TF | FLAG_AC | FLAG_RF));
  modeChanged();
}

/** Protected and virtual-8086 mode (SDM 3A 6.12 and 20.3). */
function throughIdt(vector: u32, kind: u32, hasError: bool, error: u32): void {
  const gateError = vector * 8 + 2;
  const software = kind == KIND_INT || kind == KIND_TRAP;
  if (kind == KIND_INT && virtual8086() && iopl() < 3) raiseError(VEC_GP, 0);
  if (vector * 8 + 7 > load<u32>(CPU_BLOCK + IDTR_LIMIT)) raiseError(VEC_GP, gateError + ext);
  const at = load<u32>(CPU_BLOCK + IDTR_BASE) + vector * 8;
  const low = sysRead32(at);
  const high = sysRead32(at + 4);
  const type = (high >> 8) & 0x1f;
  if (type != TYPE_INT32 && type != TYPE_TRAP32 && type != TYPE_INT16 && type != TYPE_TRAP16 && type != TYPE_TASK_GATE) {
    raiseError(VEC_GP, gateError + ext);
  }
  if (software && dplOf(high) < cpl()) raiseError(VEC_GP, gateError);
  if (!(high & ATTR_PRESENT)) raiseError(VEC_NP, gateError + ext);

  const image = kind == KIND_EXCEPTION && pushesResume(vector) ? controlFlags() | FLAG_RF : controlFlags();
  if (type == TYPE_TASK_GATE) {
    const wide = enterTaskGate(low >> 16, TASK_CALL, image);
    if (hasError) {
      useCurrentStack();
      reserve(1, wide ? 4 : 2, false);
      push(error, wide ? 4 : 2);
      commitStack();
    }
    return;
  }
  const offset = type & 8 ? (low & 0xffff) | (high & 0xffff_0000) : low & 0xffff;
  enterHandler(low >> 16, offset, type & 8 ? 4 : 2, (type & 1) != 0, image, hasError, error);
}

function enterHandler(selector: u32, offset: u32, size: u32, keepIf: bool, image: u32, hasError: bool, error: u32): void {
  if (!(selector & 0xfffc)) raiseError(VEC_GP, ext);
  fetchDescriptor(selector, VEC_GP);
  const low = descriptorLow;
  const high = descriptorHigh;
  const at = descriptorAt;
  const dpl = dplOf(high);
  if (!isCode(high) || dpl > cpl()) raiseSelector(VEC_GP, selector);
  if (!(high & ATTR_PRESENT)) raiseSelector(VEC_NP, selector);

  const inner = !isConforming(high) && dpl < cpl();
  const fromV86 = virtual8086();
  if (fromV86 ? !inner || dpl != 0 : !inner && !isConforming(high) && dpl != cpl()) raiseSelector(VEC_GP, selector);
  const newCpl = inner ? dpl : cpl();
  if (inner) useInnerStack(newCpl);
  else useCurrentStack();
  reserve((fromV86 ? 9 : inner ? 5 : 3) + (hasError ? 1 : 0), size, inner);
  if (offset > limitOf(low, high)) raiseError(VEC_GP, ext);
  setAccessed(at, high);

  // Nothing below can fault.
  if (fromV86) {
    push(segSelector(SEG_INDEX_GS), size);
    push(segSelector(SEG_INDEX_FS), size);
    push(segSelector(SEG_INDEX_DS), size);
    push(segSelector(SEG_INDEX_ES), size);
  }
  if (inner) {
    push(segSelector(SEG_INDEX_SS), size);
    push(reg32(ESP), size);
  }
  push(image, size);
  push(segSelector(SEG_INDEX_CS), size);
  push(eip(), size);
  if (hasError) push(error, size);

  if (inner) commitInnerStack();
  else commitStack();
  if (fromV86) {
    setNull(SEG_INDEX_GS, 0);
    setNull(SEG_INDEX_FS, 0);
    setNull(SEG_INDEX_DS, 0);
    setNull(SEG_INDEX_ES, 0);
  }
  loadCache(SEG_INDEX_CS, (selector & 0xfffc) | newCpl, low, high);
  setCpl(newCpl);
  setEip(offset);
  setFlags(controlFlags() & ~(FLAG_TF | FLAG_NT | FLAG_RF | FLAG_VM | (keepIf ? 0 : FLAG_IF)));
  modeChanged();
}

/** INTO: #OF as a trap when OF is set (the caller looks). */
export function overflowTrap(): void { interrupt(4, KIND_TRAP, false, 0); }
/** INT3. */
export function breakpointTrap(): void { interrupt(3, KIND_TRAP, false, 0); }
/** x87 error reported natively (CR0.NE = 1). */
export function raiseFpuError(): void { raise(VEC_MF); }
