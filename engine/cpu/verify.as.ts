// Looking at a selector without loading it: LAR, LSL, VERR, VERW, ARPL (SDM 3A 5.10).
import { FLAG_ZF, VEC_UD } from './bits';
import { controlFlags, cpl, protectedMode, setFlags } from './block.as';
import {
  TYPE_CALL16, TYPE_CALL32, TYPE_LDT, TYPE_TASK_GATE, TYPE_TSS16, TYPE_TSS16_BUSY, TYPE_TSS32, TYPE_TSS32_BUSY, descriptorHigh, descriptorLow,
  dplOf, findDescriptor, isCode, isConforming, isReadable, isSystem, isWritableData, limitOf, systemType,
} from './descriptor.as';
import { raise } from './fault.as';
import { materialize } from './flags.as';

function setZero(on: bool): void {
  materialize();
  setFlags(on ? controlFlags() | FLAG_ZF : controlFlags() & ~FLAG_ZF);
}

/** Leaves the descriptor in descriptor*; false when this ring may not see it. */
function visible(selector: u32): bool {
  if (!protectedMode()) raise(VEC_UD);
  if (!(selector & 0xfffc) || !findDescriptor(selector & 0xffff)) return false;
  const high = descriptorHigh;
  if (isCode(high) && isConforming(high)) return true;
  return dplOf(high) >= cpl() && dplOf(high) >= (selector & 3);
}

/** Access rights, or -1 when the destination stays; ZF says the same. */
export function lar(selector: u32): i64 {
  let ok = visible(selector);
  if (ok && isSystem(descriptorHigh)) {
    const type = systemType(descriptorHigh);
    ok = hasLimit(type) || type == TYPE_CALL16 || type == TYPE_TASK_GATE || type == TYPE_CALL32;
  }
  setZero(ok);
  return ok ? ((descriptorHigh & 0x00f0_ff00) as i64) : -1;
}

/** Limit in bytes, or -1 when the destination stays; ZF says the same. */
export function lsl(selector: u32): i64 {
  let ok = visible(selector);
  if (ok && isSystem(descriptorHigh)) ok = hasLimit(systemType(descriptorHigh));
  setZero(ok);
  return ok ? (limitOf(descriptorLow, descriptorHigh) as i64) : -1;
}

function hasLimit(type: u32): bool {
  return type == TYPE_TSS16 || type == TYPE_LDT || type == TYPE_TSS16_BUSY || type == TYPE_TSS32 || type == TYPE_TSS32_BUSY;
}

export function verr(selector: u32): void { setZero(visible(selector) && isReadable(descriptorHigh)); }
export function verw(selector: u32): void { setZero(visible(selector) && isWritableData(descriptorHigh)); }

/** The adjusted destination selector; the operands are 16 bits wide. */
export function arpl(destination: u32, source: u32): u32 {
  if (!protectedMode()) raise(VEC_UD);
  const raises = (destination & 3) < (source & 3);
  setZero(raises);
  return raises ? (destination & 0xfffc) | (source & 3) : destination;
}
