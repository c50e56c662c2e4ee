// Segment descriptors in the GDT and LDT: fetching, unpacking, the accessed and busy bits (SDM 3A 3.4.5 and 3.5).
import { CPU_BLOCK } from '../memory/layout';
import { sysRead32, sysRead8, sysWrite8 } from './access.as';
import { ATTR_ACCESSED, ATTR_CODE, ATTR_DPL_SHIFT, ATTR_EC, ATTR_G, ATTR_RW, ATTR_S } from './bits';
import { SEG_INDEX_LDTR, segBase, segLimit, segUsable } from './block.as';
import { GDTR_BASE, GDTR_LIMIT } from './block';
import { raiseError } from './fault.as';

/** System descriptor types, S = 0 (SDM 3A table 3-2). */
export const TYPE_TSS16: u32 = 1;
export const TYPE_LDT: u32 = 2;
export const TYPE_TSS16_BUSY: u32 = 3;
export const TYPE_CALL16: u32 = 4;
export const TYPE_TASK_GATE: u32 = 5;
export const TYPE_INT16: u32 = 6;
export const TYPE_TRAP16: u32 = 7;
export const TYPE_TSS32: u32 = 9;
export const TYPE_TSS32_BUSY: u32 = 11;
export const TYPE_CALL32: u32 = 12;
export const TYPE_INT32: u32 = 14;
export const TYPE_TRAP32: u32 = 15;

/** The descriptor of the last fetchDescriptor(): copy before fetching another. */
export let descriptorLow: u32 = 0;
export let descriptorHigh: u32 = 0;
export let descriptorAt: u32 = 0;

/** EXT bit of error codes: 1 while an event from outside the program is being delivered (SDM 3A 6.13). */
export let ext: u32 = 0;
export function setExt(value: u32): void { ext = value; }

/** Linear address of a selector's descriptor, or 0xffffffff when it lies outside its table. */
function descriptorAddress(selector: u32): u32 {
  const last = selector | 7;
  if (selector & 4) {
    if (!segUsable(SEG_INDEX_LDTR) || last > segLimit(SEG_INDEX_LDTR)) return 0xffff_ffff;
    return segBase(SEG_INDEX_LDTR) + (selector & 0xfff8);
  }
  if (last > load<u32>(CPU_BLOCK + GDTR_LIMIT)) return 0xffff_ffff;
  return load<u32>(CPU_BLOCK + GDTR_BASE) + (selector & 0xfff8);
}

/** Fills descriptor*; false when the selector points outside its table. May raise #PF. */
export function findDescriptor(selector: u32): bool {
  const at = descriptorAddress(selector);
  if (at == 0xffff_ffff) return false;
  descriptorLow = sysRead32(at);
  descriptorHigh = sysRead32(at + 4);
  descriptorAt = at;
  return true;
}

/** Fills descriptor*, or raises `vector`(selector). */
export function fetchDescriptor(selector: u32, vector: u32): void {
  if (!findDescriptor(selector)) raiseSelector(vector, selector);
}

/** Raises `vector` with the selector as its error code: index, TI and EXT. */
export function raiseSelector(vector: u32, selector: u32): void {
  raiseError(vector, (selector & 0xfffc) | ext);
}

@inline export function attrOf(high: u32): u32 { return high & 0x00f0_ff00; }
@inline export function dplOf(high: u32): u32 { return (high >> ATTR_DPL_SHIFT) & 3; }
@inline export function systemType(high: u32): u32 { return (high >> 8) & 0xf; }
@inline export function isSystem(high: u32): bool { return (high & ATTR_S) == 0; }
@inline export function isCode(high: u32): bool { return (high & (ATTR_S | ATTR_CODE)) == (ATTR_S | ATTR_CODE); }
@inline export function isConforming(high: u32): bool { return (high & ATTR_EC) != 0; }
@inline export function isWritableData(high: u32): bool { return (high & (ATTR_S | ATTR_CODE | ATTR_RW)) == (ATTR_S | ATTR_RW); }
/** Data, or code that may be read. */
@inline export function isReadable(high: u32): bool {
  return (high & ATTR_S) != 0 && (high & (ATTR_CODE | ATTR_RW)) != ATTR_CODE;
}

export function baseOf(low: u32, high: u32): u32 {
  return (low >> 16) | ((high & 0xff) << 16) | (high & 0xff00_0000);
}

export function limitOf(low: u32, high: u32): u32 {
  const limit = (low & 0xffff) | (high & 0x000f_0000);
  return high & ATTR_G ? (limit << 12) | 0xfff : limit;
}

/** Sets the accessed bit of a code or data descriptor in its table; may raise #PF, so before anything is committed. */
export function setAccessed(at: u32, high: u32): void {
  if (!(high & ATTR_ACCESSED)) sysWrite8(at + 5, ((high >> 8) & 0xff) | 1);
}

export function setBusy(at: u32): void { sysWrite8(at + 5, sysRead8(at + 5) | 2); }
export function clearBusy(at: u32): void { sysWrite8(at + 5, sysRead8(at + 5) & ~2); }
