// Segment registers: loading in each mode, limit and type checks of accesses (SDM 3A 3.4, 5.3 to 5.6).
import {
  ATTR_ACCESSED, ATTR_CODE, ATTR_DB, ATTR_EC, ATTR_NULL, ATTR_PRESENT, ATTR_RW, CR0_PE, VEC_GP, VEC_NP, VEC_SS,
} from './bits';
import {
  SEG_INDEX_CS, SEG_INDEX_SS, cpl, protectedMode, segAttr, segBase, segLimit, setSegment, virtual8086, cr0, SEG_INDEX_ES, SEG_INDEX_DS,
  SEG_INDEX_FS, SEG_INDEX_GS,
} from './block.as';
import {
  attrOf, baseOf, descriptorAt, descriptorHigh, descriptorLow, dplOf, ext, fetchDescriptor, isCode, isConforming, isReadable,
  isWritableData, limitOf, raiseSelector, setAccessed,
} from './descriptor.as';
import { raiseError } from './fault.as';
import { modeChanged } from './tlb.as';

/** Present, writable data, accessed: what every segment is in virtual-8086 mode (DPL 3). */
export const ATTR_V86: u32 = 0xf300;
/** The same of DPL 0: what reset makes of every segment but CS. */
export const ATTR_REAL: u32 = 0x9300;

/** MOV, POP and LxS to ES, SS, DS, FS or GS (encoding order). CS changes only by control transfers. */
export function loadSegment(seg: u32, selector: u32): void {
  selector &= 0xffff;
  if (!protectedMode()) {
    loadParagraph(seg, selector);
  } else if (seg == SEG_INDEX_SS) {
    loadStackSegment(selector, VEC_GP);
  } else {
    loadDataSegment(seg, selector, VEC_GP);
  }
  modeChanged();
}

/** Real and virtual-8086 mode: real mode keeps limit and attributes as they are (SDM 3A 20.1.1). */
export function loadParagraph(seg: u32, selector: u32): void {
  if (virtual8086()) setSegment(seg, selector, ATTR_V86, selector << 4, 0xffff);
  else if (segAttr(seg) & ATTR_NULL) setSegment(seg, selector, ATTR_REAL, selector << 4, 0xffff); // nulled in protected mode
  else setSegment(seg, selector, segAttr(seg), selector << 4, segLimit(seg));
}

/** `vector`: what a selector that will not do raises. */
export function loadStackSegment(selector: u32, vector: u32): void {
  if (!(selector & 0xfffc)) raiseSelector(vector, selector);
  fetchDescriptor(selector, vector);
  const high = descriptorHigh;
  if ((selector & 3) != cpl() || !isWritableData(high) || dplOf(high) != cpl()) raiseSelector(vector, selector);
  if (!(high & ATTR_PRESENT)) raiseSelector(VEC_SS, selector);
  setAccessed(descriptorAt, high);
  loadCache(SEG_INDEX_SS, selector, descriptorLow, high);
}

/** `vector`: what a selector that will not do raises. */
export function loadDataSegment(seg: u32, selector: u32, vector: u32): void {
  if (!(selector & 0xfffc)) {
    setNull(seg, selector);
    return;
  }
  fetchDescriptor(selector, vector);
  const high = descriptorHigh;
  if (!isReadable(high)) raiseSelector(vector, selector);
  if (!(isCode(high) && isConforming(high)) && ((selector & 3) > dplOf(high) || cpl() > dplOf(high))) raiseSelector(vector, selector);
  if (!(high & ATTR_PRESENT)) raiseSelector(VEC_NP, selector);
  setAccessed(descriptorAt, high);
  loadCache(seg, selector, descriptorLow, high);
}

/** Fills a descriptor cache; the accessed bit in memory is the caller's matter. */
export function loadCache(seg: u32, selector: u32, low: u32, high: u32): void {
  setSegment(seg, selector, attrOf(high) | ATTR_ACCESSED, baseOf(low, high), limitOf(low, high));
}

export function setNull(seg: u32, selector: u32): void {
  setSegment(seg, selector, ATTR_NULL, 0, 0);
}

/** A return to an outer ring takes away the data segments that it may not use (SDM 3A 5.8.6). */
export function dropInnerSegments(newCpl: u32): void {
  dropInner(SEG_INDEX_ES, newCpl);
  dropInner(SEG_INDEX_DS, newCpl);
  dropInner(SEG_INDEX_FS, newCpl);
  dropInner(SEG_INDEX_GS, newCpl);
}

function dropInner(seg: u32, newCpl: u32): void {
  const attr = segAttr(seg);
  if ((attr & ATTR_NULL) || (isCode(attr) && isConforming(attr))) return;
  if (dplOf(attr) < newCpl) setNull(seg, 0);
}

/** Whether `size` bytes at `offset` lie in a segment of these attributes and limit (SDM 3A 5.3). */
export function inLimit(attr: u32, limit: u32, offset: u32, size: u32): bool {
  const last: u64 = (offset as u64) + size - 1;
  if ((attr & (ATTR_CODE | ATTR_EC)) == ATTR_EC) {
    return offset > limit && last <= (attr & ATTR_DB ? 0xffff_ffff : 0xffff);
  }
  // With a 4 GiB limit an access may wrap around.
  return last <= (limit as u64) || limit == 0xffff_ffff;
}

/** Raises #GP or #SS unless `size` bytes at `offset` of segment `seg` may be read, or written. Flat segments need no call. */
export function segCheck(seg: u32, offset: u32, size: u32, write: bool): void {
  const attr = segAttr(seg);
  if (attr & ATTR_NULL) segFault(seg);
  if ((cr0() & CR0_PE) && (write ? (attr & (ATTR_CODE | ATTR_RW)) != ATTR_RW : (attr & (ATTR_CODE | ATTR_RW)) == ATTR_CODE)) segFault(seg);
  if (!inLimit(attr, segLimit(seg), offset, size)) segFault(seg);
}

/** segCheck(), then the linear address. */
export function segLinear(seg: u32, offset: u32, size: u32, write: bool): u32 {
  segCheck(seg, offset, size, write);
  return segBase(seg) + offset;
}

function segFault(seg: u32): void {
  raiseError(seg == SEG_INDEX_SS ? VEC_SS : VEC_GP, ext);
}

/** #GP(0) unless the instruction at `offset` starts inside CS; a control transfer checks its target with it before committing. */
export function checkTarget(limit: u32, offset: u32): void {
  if (offset > limit) raiseError(VEC_GP, ext);
}

/** The limit of CS now. */
export function codeLimit(): u32 { return segLimit(SEG_INDEX_CS); }
