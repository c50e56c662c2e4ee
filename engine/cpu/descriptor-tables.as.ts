// GDTR, IDTR, LDTR and TR: LGDT, SGDT, LIDT, SIDT, LLDT, SLDT, LTR, STR (SDM 3A 2.4 and 5.9).
import { CPU_BLOCK } from '../memory/layout';
import { probeWrite, read16, read32, write16, write32 } from './access.as';
import { ATTR_NULL, ATTR_PRESENT, VEC_GP, VEC_NP, VEC_UD } from './bits';
import { SEG_INDEX_LDTR, SEG_INDEX_TR, protectedMode, segSelector, setSegment } from './block.as';
import { GDTR_BASE, GDTR_LIMIT, IDTR_BASE, IDTR_LIMIT } from './block';
import {
  TYPE_LDT, TYPE_TSS16, TYPE_TSS32, attrOf, baseOf, descriptorAt, descriptorHigh, descriptorLow, fetchDescriptor, isSystem, limitOf,
  raiseSelector, setBusy, systemType,
} from './descriptor.as';
import { raise, raiseError } from './fault.as';
import { requireRing0 } from './system.as';

/** A 16-bit operand size takes only 24 bits of the base. */
export function lgdt(lin: u32, wide: bool): void { loadTable(lin, wide, GDTR_BASE, GDTR_LIMIT); }
export function lidt(lin: u32, wide: bool): void { loadTable(lin, wide, IDTR_BASE, IDTR_LIMIT); }
/** All 32 bits of the base are stored whatever the operand size, as processors since the 386 do. */
export function sgdt(lin: u32): void { storeTable(lin, GDTR_BASE, GDTR_LIMIT); }
export function sidt(lin: u32): void { storeTable(lin, IDTR_BASE, IDTR_LIMIT); }

function loadTable(lin: u32, wide: bool, base: u32, limit: u32): void {
  requireRing0();
  const newLimit = read16(lin);
  const newBase = read32(lin + 2);
  store<u32>(CPU_BLOCK + limit, newLimit);
  store<u64>(CPU_BLOCK + base, (wide ? newBase : newBase & 0x00ff_ffff) as u64);
}

function storeTable(lin: u32, base: u32, limit: u32): void {
  probeWrite(lin, 6);
  write16(lin, load<u32>(CPU_BLOCK + limit));
  write32(lin + 2, load<u32>(CPU_BLOCK + base));
}

export function sldt(): u32 { return selectorOf(SEG_INDEX_LDTR); }
export function str(): u32 { return selectorOf(SEG_INDEX_TR); }

function selectorOf(seg: u32): u32 {
  if (!protectedMode()) raise(VEC_UD);
  return segSelector(seg);
}

export function lldt(selector: u32): void {
  if (!protectedMode()) raise(VEC_UD);
  requireRing0();
  selector &= 0xffff;
  if (!(selector & 0xfffc)) {
    setSegment(SEG_INDEX_LDTR, selector, ATTR_NULL, 0, 0);
    return;
  }
  if (selector & 4) raiseSelector(VEC_GP, selector);
  fetchDescriptor(selector, VEC_GP);
  const high = descriptorHigh;
  if (!isSystem(high) || systemType(high) != TYPE_LDT) raiseSelector(VEC_GP, selector);
  if (!(high & ATTR_PRESENT)) raiseSelector(VEC_NP, selector);
  setSegment(SEG_INDEX_LDTR, selector, attrOf(high), baseOf(descriptorLow, high), limitOf(descriptorLow, high));
}

export function ltr(selector: u32): void {
  if (!protectedMode()) raise(VEC_UD);
  requireRing0();
  selector &= 0xffff;
  if (!(selector & 0xfffc)) raiseError(VEC_GP, 0);
  if (selector & 4) raiseSelector(VEC_GP, selector);
  fetchDescriptor(selector, VEC_GP);
  const low = descriptorLow;
  const high = descriptorHigh;
  if (!isSystem(high) || (systemType(high) != TYPE_TSS16 && systemType(high) != TYPE_TSS32)) raiseSelector(VEC_GP, selector);
  if (!(high & ATTR_PRESENT)) raiseSelector(VEC_NP, selector);
  setBusy(descriptorAt);
  setSegment(SEG_INDEX_TR, selector, attrOf(high) | 0x200, baseOf(low, high), limitOf(low, high));
}
