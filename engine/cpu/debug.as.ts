// Debug registers: breakpoints on instructions, data and ports, single step, general detect (SDM 3B chapter 17).
import { CPU_BLOCK } from '../memory/layout';
import { CR4_DE, FLAG_RF, VEC_DB, VEC_UD } from './bits';
import { controlFlags, cr4 } from './block.as';
import { DEBUGCTL, DR, INHIBIT } from './block';
import { raise } from './fault.as';
import { KIND_EXCEPTION, deliverBetween } from './interrupt.as';
import { requireRing0 } from './system.as';
import { flushTlb } from './tlb.as';

const DR6: usize = CPU_BLOCK + DR + 6 * 8;
const DR7: usize = CPU_BLOCK + DR + 7 * 8;

export const DR6_BD: u32 = 0x2000;
export const DR6_BS: u32 = 0x4000;
export const DR6_BT: u32 = 0x8000;
const DR6_ONES: u32 = 0xffff_0ff0;
const DR6_BITS: u32 = 0x0000_e00f;
const DR7_ONES: u32 = 0x0000_0400;
const DR7_BITS: u32 = 0xffff_23ff;
const DR7_GD: u32 = 0x2000;
const DR7_ENABLES: u32 = 0xff;

/** IA32_DEBUGCTL. */
export const DEBUGCTL_BTF: u32 = 2;

const ON_EXECUTE: u32 = 0;
const ON_WRITE: u32 = 1;
const ON_PORT: u32 = 2;

/** Trap conditions (DR6 bits) that the running instruction met; takeDebugTrap() delivers them when it has ended. */
export let pendingDebug: u32 = 0;
export function pendDebug(bits: u32): void { pendingDebug |= bits; }
/** The traps so far, which the caller keeps for later. */
export function holdDebug(): u32 {
  const held = pendingDebug;
  pendingDebug = 0;
  return held;
}
/** INT1 is about to be delivered as #DB: what MOV SS has put off is told with it, and not once more afterwards. */
export function tellHeldDebug(): void {
  const held = load<u32>(CPU_BLOCK + INHIBIT) >>> 8;
  if (!held) return;
  store<u64>(DR6, ((load<u32>(DR6) & ~0xf) | held) as u64);
  store<u32>(CPU_BLOCK + INHIBIT, load<u32>(CPU_BLOCK + INHIBIT) & 0xff);
}
/** A fault or reset meanwhile: the instruction did not end. */
export function forgetPendingDebug(): void { pendingDebug = 0; }

function dr(index: u32): usize { return CPU_BLOCK + DR + index * 8; }

/** DR4 and DR5 are DR6 and DR7, or #UD with CR4.DE. */
function realIndex(index: u32): u32 {
  if (index != 4 && index != 5) return index;
  if (cr4() & CR4_DE) raise(VEC_UD);
  return index + 2;
}

function guard(index: u32): u32 {
  index = realIndex(index);
  requireRing0();
  if (load<u32>(DR7) & DR7_GD) {
    tellHeldDebug();
    store<u64>(DR6, (load<u32>(DR6) | DR6_BD) as u64);
    raise(VEC_DB);
  }
  return index;
}

export function movFromDr(index: u32): u32 { return load<u32>(dr(guard(index))); }

export function movToDr(index: u32, value: u32): void {
  index = guard(index);
  if (index == 6) value = (value & DR6_BITS) | DR6_ONES;
  else if (index == 7) value = (value & DR7_BITS) | DR7_ONES;
  if (index != 6 && load<u32>(dr(index)) != value) flushTlb(); // watched pages have no entries
  store<u64>(dr(index), value as u64);
}

/** Whether any breakpoint is on: without, none of the checks below is needed. */
export function breakpointsArmed(): bool { return (load<u32>(DR7) & DR7_ENABLES) != 0; }

/** DR6 bits of the enabled breakpoints of kind `kind` that touch `size` bytes at `at`. */
function hits(at: u32, size: u32, kind: u32, write: bool): u32 {
  const control = load<u32>(DR7);
  let found: u32 = 0;
  for (let i: u32 = 0; i < 4; i++) {
    if (!(control >> (i * 2) & 3)) continue;
    const type = control >> (16 + i * 4) & 3;
    const length = (control >> (18 + i * 4) & 3) + 1; // 1, 2, (8), 4 bytes
    const matches = kind == ON_WRITE ? type == 3 || (type == ON_WRITE && write) : type == kind;
    if (!matches || length == 3) continue;
    const start = load<u32>(dr(i)) & ~(length - 1);
    if (kind == ON_EXECUTE ? start == at : at - start < length || start - at < size) found |= 1 << i;
  }
  return found;
}

/** Before an instruction at linear address `lin`: #DB as a fault, unless RF is set. */
export function checkExecute(lin: u32): void {
  if (controlFlags() & FLAG_RF) return;
  const found = hits(lin, 1, ON_EXECUTE, false);
  if (!found) return;
  store<u64>(DR6, ((load<u32>(DR6) & ~0xf) | found) as u64);
  raise(VEC_DB);
}

/** Whether a data breakpoint lies in the page of `lin`: then every access goes the slow way, which calls checkData(). */
export function watched(lin: u32): bool {
  return breakpointsArmed() && hits(lin & ~0xfff, 0x1000, ON_WRITE, true) != 0;
}

/** At a data access: notes the trap. */
export function checkData(lin: u32, size: u32, write: bool): void { pendingDebug |= hits(lin, size, ON_WRITE, write); }

/** After a port access: with CR4.DE. */
export function checkPort(port: u32, size: u32): void {
  if (cr4() & CR4_DE) pendingDebug |= hits(port, size, ON_PORT, false);
}

/** After an instruction that began with TF set. */
export function singleStep(): void { pendingDebug |= DR6_BS; }

/** Delivers #DB as a trap for pendingDebug, if any. RIP is that of the next instruction. */
export function takeDebugTrap(): void {
  const found = pendingDebug;
  if (!found) return;
  store<u64>(DR6, ((load<u32>(DR6) & ~0xf) | found) as u64);
  pendingDebug = 0;
  deliverBetween(VEC_DB, KIND_EXCEPTION);
}

/** TF traps only where control went elsewhere (SDM 3B 17.4.1, BTF). */
export function stepsOnBranches(): bool { return (load<u32>(CPU_BLOCK + DEBUGCTL) & DEBUGCTL_BTF) != 0; }

/** The handler may use the debug registers, and is not stepped through by branches. */
export function enterDebugHandler(): void {
  store<u64>(CPU_BLOCK + DEBUGCTL, load<u64>(CPU_BLOCK + DEBUGCTL) & ~(DEBUGCTL_BTF as u64));
  store<u64>(DR7, (load<u32>(DR7) & ~DR7_GD) as u64);
}
