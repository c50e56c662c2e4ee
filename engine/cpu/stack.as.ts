// Stacks as control transfers use them: the current one, or an inner ring's from the TSS (SDM 3A 5.8.5), checked whole before the first push.
import { probeWrite, read16, read32, sysProbeWrite, sysRead16, sysRead32, sysWrite16, sysWrite32, write16, write32 } from './access.as';
import { ATTR_DB, ATTR_NULL, ATTR_PRESENT, VEC_SS, VEC_TS } from './bits';
import {
  ESP, SEG_INDEX_SS, SEG_INDEX_TR, cpl, reg32, segAttr, segBase, segLimit, segSelector, setReg32,
} from './block.as';
import {
  attrOf, baseOf, descriptorAt, descriptorHigh, descriptorLow, dplOf, ext, fetchDescriptor, isWritableData, limitOf, raiseSelector,
  setAccessed, systemType,
} from './descriptor.as';
import { raiseError } from './fault.as';
import { inLimit, loadCache } from './segmentation.as';

let base: u32 = 0;
let limit: u32 = 0;
let attr: u32 = 0;
/** Which bits of ESP move: 16- or 32-bit stack. */
let mask: u32 = 0;
let pointer: u32 = 0;
let user: bool = false;
/** Error code of the #SS when there is no room. */
let roomError: u32 = 0;

// The inner ring's SS that enterInnerStack() found.
let innerSelector: u32 = 0;
let innerLow: u32 = 0;
let innerHigh: u32 = 0;
let innerAt: u32 = 0;

/** Push and pop on SS:ESP as they are. */
export function useCurrentStack(): void {
  base = segBase(SEG_INDEX_SS);
  limit = segLimit(SEG_INDEX_SS);
  attr = segAttr(SEG_INDEX_SS);
  mask = attr & ATTR_DB ? 0xffff_ffff : 0xffff;
  pointer = reg32(ESP);
  user = cpl() == 3;
  roomError = ext;
}

/** Finds and checks the stack of ring `ring` (0 to 2) in the TSS; pushes then go to it. commitInnerStack() makes it SS:ESP. */
export function useInnerStack(ring: u32): void {
  const tss = segBase(SEG_INDEX_TR);
  const wide = (systemType(segAttr(SEG_INDEX_TR)) & 8) != 0;
  const slot = wide ? ring * 8 + 4 : ring * 4 + 2;
  if (slot + (wide ? 5 : 3) > segLimit(SEG_INDEX_TR)) raiseSelector(VEC_TS, segSelector(SEG_INDEX_TR));
  const selector = wide ? sysRead16(tss + slot + 4) : sysRead16(tss + slot + 2);
  pointer = wide ? sysRead32(tss + slot) : sysRead16(tss + slot);
  if (!(selector & 0xfffc)) raiseError(VEC_TS, ext);
  fetchDescriptor(selector, VEC_TS);
  const high = descriptorHigh;
  if ((selector & 3) != ring || dplOf(high) != ring || !isWritableData(high)) raiseSelector(VEC_TS, selector);
  if (!(high & ATTR_PRESENT)) raiseSelector(VEC_SS, selector);
  innerSelector = selector;
  innerLow = descriptorLow;
  innerHigh = high;
  innerAt = descriptorAt;
  base = baseOf(innerLow, high);
  limit = limitOf(innerLow, high);
  attr = attrOf(high);
  mask = attr & ATTR_DB ? 0xffff_ffff : 0xffff;
  user = false;
  roomError = (selector & 0xfffc) | ext;
}

/** Raises #SS or #PF unless `count` pushes of `size` bytes will succeed; for an inner stack also marks its descriptor accessed. */
export function reserve(count: u32, size: u32, inner: bool): void {
  if (attr & ATTR_NULL) raiseError(VEC_SS, roomError);
  const total = count * size;
  const top = pointer & mask;
  if (top >= total || mask == 0xffff_ffff) {
    checkRoom(top - total, total);
  } else {
    // A 16-bit stack wraps between pushes.
    for (let i: u32 = 1; i <= count; i++) checkRoom((top - i * size) & mask, size);
  }
  if (inner) setAccessed(innerAt, innerHigh);
}

function checkRoom(offset: u32, size: u32): void {
  if (!inLimit(attr, limit, offset, size)) raiseError(VEC_SS, roomError);
  if (user) probeWrite(base + offset, size);
  else sysProbeWrite(base + offset, size);
}

/** Pushes 2 or 4 bytes; room was reserved. */
export function push(value: u32, size: u32): void {
  pointer = (pointer & ~mask) | ((pointer - size) & mask);
  const at = base + (pointer & mask);
  if (size == 4) {
    if (user) write32(at, value);
    else sysWrite32(at, value);
  } else {
    if (user) write16(at, value);
    else sysWrite16(at, value);
  }
}

/** The value `offset` bytes above the top of the current stack, at the current CPL. */
export function peek(offset: u32, size: u32): u32 {
  const at = (pointer + offset) & mask;
  if ((attr & ATTR_NULL) || !inLimit(attr, limit, at, size)) raiseError(VEC_SS, ext);
  return size == 4 ? read32(base + at) : read16(base + at);
}

/** ESP becomes the pushes' end. */
export function commitStack(): void { setReg32(ESP, pointer); }

/** SS:ESP becomes the inner stack; the CPL must be the new one afterwards. */
export function commitInnerStack(): void {
  loadCache(SEG_INDEX_SS, innerSelector, innerLow, innerHigh);
  setReg32(ESP, pointer);
}

/** ESP moves up by `bytes`, within the width of the current stack. */
export function release(bytes: u32): void {
  setReg32(ESP, (pointer & ~mask) | ((pointer + bytes) & mask));
}

/** ESP = `value`, as wide as SS (just loaded) says. */
export function setStackPointer(value: u32): void {
  if (segAttr(SEG_INDEX_SS) & ATTR_DB) setReg32(ESP, value);
  else setReg32(ESP, (reg32(ESP) & 0xffff_0000) | (value & 0xffff));
}
