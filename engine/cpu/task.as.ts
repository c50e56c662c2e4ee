// Task switches through 16- and 32-bit TSSs and task gates (SDM 3A chapter 7).
import { CPU_BLOCK } from '../memory/layout';
import { sysProbeRead, sysProbeWrite, sysRead16, sysRead32, sysWrite16, sysWrite32 } from './access.as';
import {
  ATTR_NULL, ATTR_PRESENT, CR0_PG, CR0_TS, CR4_PAE, FLAG_NT, FLAG_RF, FLAG_VM, VEC_GP, VEC_NP, VEC_TS,
} from './bits';
import {
  SEG_INDEX_CS, SEG_INDEX_ES, SEG_INDEX_LDTR, SEG_INDEX_SS, SEG_INDEX_TR, controlFlags, cr0, cr4, eip, reg32, segAttr, segBase, segLimit,
  segSelector, setCpl, setEip, setFlags, setReg32, setSegment,
} from './block.as';
import { CR0, CR3, DR, GDTR_BASE } from './block';
import { DR6_BT, breakpointsArmed, pendDebug } from './debug.as';
import {
  TYPE_LDT, TYPE_TSS16, TYPE_TSS16_BUSY, TYPE_TSS32, TYPE_TSS32_BUSY, attrOf, baseOf, clearBusy, descriptorAt, descriptorHigh, descriptorLow,
  dplOf, fetchDescriptor, findDescriptor, isCode, isConforming, isSystem, limitOf, raiseSelector,
  setAccessed, setBusy, systemType,
} from './descriptor.as';
import { commitPoint } from './fault.as';
import { enterV86Segment } from './iret.as';
import { checkPdptes, loadPdptes } from './paging.as';
import { checkTarget, loadCache, loadDataSegment, loadStackSegment, setNull } from './segmentation.as';
import { flushTlb, modeChanged } from './tlb.as';

export const TASK_JUMP: u32 = 0;
/** CALL, interrupts and exceptions: the new task is nested. */
export const TASK_CALL: u32 = 1;
export const TASK_RETURN: u32 = 2;

/** Where a TSS holds each field (SDM 3A figures 7-2 and 7-10). */
const WIDE_STATE: u32 = 0x20;
const WIDE_STATE_SIZE: u32 = 0x40;
const WIDE_LAST: u32 = 0x67;
const NARROW_STATE: u32 = 0x0e;
const NARROW_STATE_SIZE: u32 = 0x1c;
const NARROW_LAST: u32 = 0x2b;

/** The new task's state, read whole before the first change: eight registers, then six selectors in encoding order. */
const incoming: usize = memory.data(14 * 4, 4);

const EFLAGS_BITS: u32 = 0x003f_7fd7;

/** A task gate's TSS selector, entered by JMP, CALL or an interrupt; returns whether the TSS is a 32-bit one. */
export function enterTaskGate(selector: u32, cause: u32, image: u32): bool {
  findAvailableTss(selector);
  const wide = (systemType(descriptorHigh) & 8) != 0;
  switchTask(selector, cause, image);
  return wide;
}

/** Leaves the descriptor of an available TSS in descriptor*. */
function findAvailableTss(selector: u32): void {
  if (selector & 4) raiseSelector(VEC_GP, selector);
  fetchDescriptor(selector, VEC_GP);
  const high = descriptorHigh;
  if (!isSystem(high) || (systemType(high) != TYPE_TSS16 && systemType(high) != TYPE_TSS32)) raiseSelector(VEC_GP, selector);
  if (!(high & ATTR_PRESENT)) raiseSelector(VEC_NP, selector);
}

/** IRET with NT set: back to the task in the link field. */
export function returnFromTask(selector: u32): void {
  if ((selector & 4) || !findDescriptor(selector)) raiseSelector(VEC_TS, selector);
  const high = descriptorHigh;
  if (!isSystem(high) || (systemType(high) != TYPE_TSS16_BUSY && systemType(high) != TYPE_TSS32_BUSY)) raiseSelector(VEC_TS, selector);
  if (!(high & ATTR_PRESENT)) raiseSelector(VEC_NP, selector);
  switchTask(selector, TASK_RETURN, controlFlags());
}

/** Switches to the task whose checked descriptor is in descriptor*; `image` is what the old task's TSS gets as EFLAGS. */
export function switchTask(selector: u32, cause: u32, image: u32): void {
  const low = descriptorLow;
  const high = descriptorHigh;
  const at = descriptorAt;
  const next = baseOf(low, high);
  const wide = (systemType(high) & 8) != 0;
  if (limitOf(low, high) < (wide ? WIDE_LAST : NARROW_LAST)) raiseSelector(VEC_TS, selector);

  const previous = segBase(SEG_INDEX_TR);
  const previousWide = (systemType(segAttr(SEG_INDEX_TR)) & 8) != 0;
  const previousSelector = segSelector(SEG_INDEX_TR);
  const previousAt = load<u32>(CPU_BLOCK + GDTR_BASE) + (previousSelector & 0xfff8);
  if (previousWide) sysProbeWrite(previous + WIDE_STATE, WIDE_STATE_SIZE);
  else sysProbeWrite(previous + NARROW_STATE, NARROW_STATE_SIZE);
  sysProbeRead(next, (wide ? WIDE_LAST : NARROW_LAST) + 1);
  if (cause == TASK_CALL) sysProbeWrite(next, 2);
  sysProbeWrite(at, 8);
  sysProbeWrite(previousAt, 8);

  const newCr3 = wide ? sysRead32(next + 0x1c) : 0;
  const newEip = wide ? sysRead32(next + 0x20) : sysRead16(next + 0x0e);
  let newFlags = wide ? sysRead32(next + 0x24) & EFLAGS_BITS : sysRead16(next + 0x10) & EFLAGS_BITS;
  const newLdt = wide ? sysRead16(next + 0x60) : sysRead16(next + 0x2a);
  const trap = wide && (sysRead16(next + 0x64) & 1) != 0;
  if (wide) readWide(next);
  else readNarrow(next);
  const switchesTables = wide && (cr0() & CR0_PG) != 0;
  if (switchesTables && (cr4() & CR4_PAE)) checkPdptes(newCr3);

  // Everything is readable and writable: from here on the switch happens.
  if (cause == TASK_RETURN) image &= ~FLAG_NT;
  if (previousWide) saveWide(previous, image);
  else saveNarrow(previous, image);
  if (cause == TASK_CALL) {
    sysWrite16(next, previousSelector);
    newFlags |= FLAG_NT;
  } else {
    clearBusy(previousAt);
  }
  if (cause != TASK_RETURN) setBusy(at);

  setSegment(SEG_INDEX_TR, selector, attrOf(high) | 0x200, next, limitOf(low, high));
  store<u64>(CPU_BLOCK + CR0, (cr0() | CR0_TS) as u64);
  store<u64>(CPU_BLOCK + DR + 7 * 8, load<u64>(CPU_BLOCK + DR + 7 * 8) & ~0x155); // L0-L3 and LE (SDM 3B 17.2.4)
  if (switchesTables) {
    if (cr4() & CR4_PAE) loadPdptes(newCr3);
    store<u64>(CPU_BLOCK + CR3, newCr3 as u64);
    flushTlb();
  }
  if (!breakpointsArmed()) newFlags &= ~FLAG_RF;
  loadState(newEip, newFlags, newLdt);
  commitPoint();
  loadSegments(newLdt, newFlags);
  modeChanged();
  if (trap) pendDebug(DR6_BT);
  checkTarget(segLimit(SEG_INDEX_CS), newEip);
}

function readWide(tss: u32): void {
  for (let i: u32 = 0; i < 14; i++) store<u32>(incoming + i * 4, sysRead32(tss + 0x28 + i * 4));
}

/** The high halves of the registers become ones, as the 386 left them; FS and GS become null. */
function readNarrow(tss: u32): void {
  for (let i: u32 = 0; i < 8; i++) store<u32>(incoming + i * 4, sysRead16(tss + 0x12 + i * 2) | 0xffff_0000);
  for (let i: u32 = 0; i < 4; i++) store<u32>(incoming + (8 + i) * 4, sysRead16(tss + 0x22 + i * 2));
  store<u64>(incoming + 12 * 4, 0);
}

function saveWide(tss: u32, image: u32): void {
  sysWrite32(tss + 0x20, eip());
  sysWrite32(tss + 0x24, image);
  for (let i: u32 = 0; i < 8; i++) sysWrite32(tss + 0x28 + i * 4, reg32(i));
  for (let i: u32 = 0; i < 6; i++) sysWrite16(tss + 0x48 + i * 4, segSelector(i));
}

function saveNarrow(tss: u32, image: u32): void {
  sysWrite16(tss + 0x0e, eip());
  sysWrite16(tss + 0x10, image);
  for (let i: u32 = 0; i < 8; i++) sysWrite16(tss + 0x12 + i * 2, reg32(i));
  for (let i: u32 = 0; i < 4; i++) sysWrite16(tss + 0x22 + i * 2, segSelector(i));
}

/** Registers and selectors, with every segment unusable until it is checked. */
function loadState(newEip: u32, newFlags: u32, newLdt: u32): void {
  for (let i: u32 = 0; i < 8; i++) setReg32(i, load<u32>(incoming + i * 4));
  for (let i: u32 = 0; i < 6; i++) setNull(i, load<u32>(incoming + (8 + i) * 4) & 0xffff);
  setSegment(SEG_INDEX_LDTR, newLdt, ATTR_NULL, 0, 0);
  setEip(newEip);
  setFlags(newFlags);
  setCpl(newFlags & FLAG_VM ? 3 : segSelector(SEG_INDEX_CS) & 3);
  modeChanged();
}

/** Faults here belong to the new task (SDM 3A table 7-1). */
function loadSegments(newLdt: u32, newFlags: u32): void {
  if (newLdt & 0xfffc) {
    if ((newLdt & 4) || !findDescriptor(newLdt)) raiseSelector(VEC_TS, newLdt);
    const high = descriptorHigh;
    if (!isSystem(high) || systemType(high) != TYPE_LDT || !(high & ATTR_PRESENT)) raiseSelector(VEC_TS, newLdt);
    setSegment(SEG_INDEX_LDTR, newLdt, attrOf(high), baseOf(descriptorLow, high), limitOf(descriptorLow, high));
  }
  if (newFlags & FLAG_VM) {
    for (let i: u32 = 0; i < 6; i++) enterV86Segment(i, segSelector(i));
    return;
  }
  loadTaskCode(segSelector(SEG_INDEX_CS));
  loadStackSegment(segSelector(SEG_INDEX_SS), VEC_TS);
  for (let i: u32 = SEG_INDEX_ES; i < 6; i++) {
    if (i != SEG_INDEX_CS && i != SEG_INDEX_SS) loadDataSegment(i, segSelector(i), VEC_TS);
  }
}

function loadTaskCode(selector: u32): void {
  if (!(selector & 0xfffc)) raiseSelector(VEC_TS, selector);
  fetchDescriptor(selector, VEC_TS);
  const high = descriptorHigh;
  const rpl = selector & 3;
  if (!isCode(high) || (isConforming(high) ? dplOf(high) > rpl : dplOf(high) != rpl)) raiseSelector(VEC_TS, selector);
  if (!(high & ATTR_PRESENT)) raiseSelector(VEC_NP, selector);
  setAccessed(descriptorAt, high);
  loadCache(SEG_INDEX_CS, selector, descriptorLow, high);
}
