// Far JMP, CALL and RET: paragraphs, code segments, call gates with a stack switch, task gates and TSSs (SDM 2A/2B, SDM 3A 5.8).
import { ATTR_PRESENT, VEC_GP, VEC_NP } from './bits';
import {
  ESP, SEG_INDEX_CS, SEG_INDEX_SS, controlFlags, cpl, eip, protectedMode, reg32, segLimit, segSelector, setCpl, setEip,
} from './block.as';
import {
  TYPE_CALL16, TYPE_CALL32, TYPE_TASK_GATE, TYPE_TSS16, TYPE_TSS32, descriptorAt, descriptorHigh, descriptorLow, dplOf, fetchDescriptor,
  isCode, isConforming, isSystem, limitOf, raiseSelector, setAccessed, systemType,
} from './descriptor.as';
import { raiseError } from './fault.as';
import { materialize } from './flags.as';
import { returnToCode } from './return.as';
import { checkTarget, loadCache, loadParagraph } from './segmentation.as';
import { commitInnerStack, commitStack, peek, push, release, reserve, useCurrentStack, useInnerStack } from './stack.as';
import { TASK_CALL, TASK_JUMP, enterTaskGate, switchTask } from './task.as';
import { modeChanged } from './tlb.as';

/** Parameters on their way from one stack to the other: at most 31. */
const parameters: usize = memory.data(31 * 4, 4);

export function farJump(selector: u32, offset: u32): void {
  selector &= 0xffff;
  if (!protectedMode()) {
    checkTarget(segLimit(SEG_INDEX_CS), offset);
    loadParagraph(SEG_INDEX_CS, selector);
    setEip(offset);
    modeChanged();
    return;
  }
  findTarget(selector);
  if (isSystem(descriptorHigh)) {
    if (isCallGate(descriptorHigh)) jumpThroughGate(selector);
    else toTask(selector, TASK_JUMP);
    return;
  }
  checkDirect(selector);
  enterSameRing(selector, offset);
}

/** Fetches what a far transfer names; a null selector is #GP(0). */
function findTarget(selector: u32): void {
  if (!(selector & 0xfffc)) raiseError(VEC_GP, 0);
  fetchDescriptor(selector, VEC_GP);
}

@inline function isCallGate(high: u32): bool { return systemType(high) == TYPE_CALL16 || systemType(high) == TYPE_CALL32; }

/** A code segment named directly: conforming ones of this or an inner ring, others of this ring. */
function checkDirect(selector: u32): void {
  const high = descriptorHigh;
  if (!isCode(high)) raiseSelector(VEC_GP, selector);
  if (isConforming(high) ? dplOf(high) > cpl() : (selector & 3) > cpl() || dplOf(high) != cpl()) raiseSelector(VEC_GP, selector);
  if (!(high & ATTR_PRESENT)) raiseSelector(VEC_NP, selector);
}

/** Transfers to the checked code segment in descriptor*, at the same CPL. */
function enterSameRing(selector: u32, offset: u32): void {
  const low = descriptorLow;
  const high = descriptorHigh;
  checkTarget(limitOf(low, high), offset);
  setAccessed(descriptorAt, high);
  loadCache(SEG_INDEX_CS, (selector & 0xfffc) | cpl(), low, high);
  setEip(offset);
  modeChanged();
}

/** Checks of every gate and TSS: DPL ≥ CPL and RPL, present. */
function checkGate(selector: u32): void {
  const dpl = dplOf(descriptorHigh);
  if (dpl < cpl() || dpl < (selector & 3)) raiseSelector(VEC_GP, selector);
}

function toTask(selector: u32, cause: u32): void {
  const high = descriptorHigh;
  const type = systemType(high);
  if (type != TYPE_TASK_GATE && type != TYPE_TSS16 && type != TYPE_TSS32) raiseSelector(VEC_GP, selector);
  checkGate(selector);
  if (type != TYPE_TASK_GATE && (selector & 4)) raiseSelector(VEC_GP, selector);
  if (!(high & ATTR_PRESENT)) raiseSelector(VEC_NP, selector);
  materialize();
  if (type == TYPE_TASK_GATE) enterTaskGate(descriptorLow >> 16, cause, controlFlags());
  else switchTask(selector, cause, controlFlags());
}

/** The gate's target code segment, checked but for its ring; left in descriptor*. */
function findGateTarget(selector: u32): void {
  findTarget(selector);
  const high = descriptorHigh;
  if (!isCode(high) || dplOf(high) > cpl()) raiseSelector(VEC_GP, selector);
}

function gateOffset(low: u32, high: u32): u32 {
  return systemType(high) == TYPE_CALL32 ? (low & 0xffff) | (high & 0xffff_0000) : low & 0xffff;
}

function jumpThroughGate(gate: u32): void {
  const low = descriptorLow;
  const high = descriptorHigh;
  checkGate(gate);
  if (!(high & ATTR_PRESENT)) raiseSelector(VEC_NP, gate);
  const selector = low >> 16;
  findGateTarget(selector);
  if (!isConforming(descriptorHigh) && dplOf(descriptorHigh) != cpl()) raiseSelector(VEC_GP, selector);
  if (!(descriptorHigh & ATTR_PRESENT)) raiseSelector(VEC_NP, selector);
  enterSameRing(selector, gateOffset(low, high));
}

/** RIP is the return address. */
export function farCall(selector: u32, offset: u32, wide: bool): void {
  selector &= 0xffff;
  const size: u32 = wide ? 4 : 2;
  if (!protectedMode()) {
    useCurrentStack();
    reserve(2, size, false);
    checkTarget(segLimit(SEG_INDEX_CS), offset);
    push(segSelector(SEG_INDEX_CS), size);
    push(eip(), size);
    commitStack();
    loadParagraph(SEG_INDEX_CS, selector);
    setEip(offset);
    modeChanged();
    return;
  }
  findTarget(selector);
  if (isSystem(descriptorHigh)) {
    if (isCallGate(descriptorHigh)) callThroughGate(selector);
    else toTask(selector, TASK_CALL);
    return;
  }
  checkDirect(selector);
  callSameRing(selector, offset, size);
}

/** Pushes the return address and enters the checked code segment in descriptor*. */
function callSameRing(selector: u32, offset: u32, size: u32): void {
  const low = descriptorLow;
  const high = descriptorHigh;
  const at = descriptorAt;
  useCurrentStack();
  reserve(2, size, false);
  checkTarget(limitOf(low, high), offset);
  setAccessed(at, high);
  push(segSelector(SEG_INDEX_CS), size);
  push(eip(), size);
  commitStack();
  loadCache(SEG_INDEX_CS, (selector & 0xfffc) | cpl(), low, high);
  setEip(offset);
  modeChanged();
}

function callThroughGate(gate: u32): void {
  const gateLow = descriptorLow;
  const gateHigh = descriptorHigh;
  checkGate(gate);
  if (!(gateHigh & ATTR_PRESENT)) raiseSelector(VEC_NP, gate);
  const size: u32 = systemType(gateHigh) == TYPE_CALL32 ? 4 : 2;
  const offset = gateOffset(gateLow, gateHigh);
  const selector = gateLow >> 16;
  findGateTarget(selector);
  if (!(descriptorHigh & ATTR_PRESENT)) raiseSelector(VEC_NP, selector);
  if (isConforming(descriptorHigh) || dplOf(descriptorHigh) == cpl()) {
    callSameRing(selector, offset, size);
    return;
  }

  const low = descriptorLow;
  const high = descriptorHigh;
  const at = descriptorAt;
  const newCpl = dplOf(high);
  const count = gateHigh & 0x1f;
  useCurrentStack();
  for (let i: u32 = 0; i < count; i++) store<u32>(parameters + i * 4, peek(i * size, size));
  useInnerStack(newCpl);
  reserve(4 + count, size, true);
  checkTarget(limitOf(low, high), offset);
  setAccessed(at, high);

  push(segSelector(SEG_INDEX_SS), size);
  push(reg32(ESP), size);
  for (let i: u32 = count; i > 0; i--) push(load<u32>(parameters + (i - 1) * 4), size);
  push(segSelector(SEG_INDEX_CS), size);
  push(eip(), size);
  commitInnerStack();
  loadCache(SEG_INDEX_CS, (selector & 0xfffc) | newCpl, low, high);
  setCpl(newCpl);
  setEip(offset);
  modeChanged();
}

/** RETF and RETF imm16: `drop` bytes of parameters go, from both stacks on a return to an outer ring. */
export function farReturn(wide: bool, drop: u32): void {
  const size: u32 = wide ? 4 : 2;
  useCurrentStack();
  const offset = peek(0, size);
  const selector = peek(size, size) & 0xffff;
  if (!protectedMode()) {
    checkTarget(segLimit(SEG_INDEX_CS), offset);
    release(size * 2 + drop);
    loadParagraph(SEG_INDEX_CS, selector);
    setEip(offset);
    modeChanged();
    return;
  }
  returnToCode(selector, offset, size * 2 + drop, size, drop);
  modeChanged();
}
