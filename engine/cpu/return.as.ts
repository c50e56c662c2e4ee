// What RETF and IRET have in common in protected mode: the return to a code segment of this ring or an outer one (SDM 2A, "IRET"; 2B, "RET").
import { ATTR_PRESENT, VEC_GP, VEC_NP, VEC_SS } from './bits';
import { SEG_INDEX_CS, SEG_INDEX_SS, cpl, setCpl, setEip } from './block.as';
import {
  descriptorAt, descriptorHigh, descriptorLow, dplOf, fetchDescriptor, isCode, isConforming, isWritableData, limitOf, raiseSelector, setAccessed,
} from './descriptor.as';
import { raiseError } from './fault.as';
import { checkTarget, dropInnerSegments, loadCache } from './segmentation.as';
import { peek, release, setStackPointer } from './stack.as';

/**
 * `frame` bytes of the current stack go. On a return to an outer ring its ESP and SS, of `size` bytes each, lie behind them, and `drop` bytes of
 * parameters go from its stack, too. The caller calls modeChanged().
 */
export function returnToCode(selector: u32, offset: u32, frame: u32, size: u32, drop: u32): void {
  if (!(selector & 0xfffc)) raiseError(VEC_GP, 0);
  fetchDescriptor(selector, VEC_GP);
  const low = descriptorLow;
  const high = descriptorHigh;
  const at = descriptorAt;
  const rpl = selector & 3;
  if (!isCode(high) || rpl < cpl() || (isConforming(high) ? dplOf(high) > rpl : dplOf(high) != rpl)) raiseSelector(VEC_GP, selector);
  if (!(high & ATTR_PRESENT)) raiseSelector(VEC_NP, selector);
  if (rpl == cpl()) {
    checkTarget(limitOf(low, high), offset);
    setAccessed(at, high);
    release(frame);
  } else {
    const newEsp = peek(frame, size);
    const newSs = peek(frame + size, size) & 0xffff;
    checkOuterStack(newSs, rpl);
    const ssLow = descriptorLow;
    const ssHigh = descriptorHigh;
    const ssAt = descriptorAt;
    checkTarget(limitOf(low, high), offset);
    setAccessed(at, high);
    setAccessed(ssAt, ssHigh);
    loadCache(SEG_INDEX_SS, newSs, ssLow, ssHigh);
    setStackPointer(newEsp + drop);
    setCpl(rpl);
    dropInnerSegments(rpl);
  }
  loadCache(SEG_INDEX_CS, selector, low, high);
  setEip(offset);
}

/** Checks the SS of a return to ring `rpl` and leaves its descriptor in descriptor*. */
function checkOuterStack(selector: u32, rpl: u32): void {
  if (!(selector & 0xfffc)) raiseError(VEC_GP, 0);
  fetchDescriptor(selector, VEC_GP);
  const high = descriptorHigh;
  if ((selector & 3) != rpl || !isWritableData(high) || dplOf(high) != rpl) raiseSelector(VEC_GP, selector);
  if (!(high & ATTR_PRESENT)) raiseSelector(VEC_SS, selector);
}
