// The CPU block's fields as the system instructions use them: one short name for each load and store (layout in block.ts).
import { CPU_BLOCK } from '../memory/layout';
import {
  ATTR_PRESENT, CR0_PE, FLAG_IOPL, FLAG_ONE, FLAG_VM, IOPL_SHIFT,
} from './bits';
import {
  CPL, CR0, CR3, CR4, EFER, FLAGS, LAZY_OP, REGS, RIP, SEGS, SEG_ATTR, SEG_BASE, SEG_LIMIT, SEG_SELECTOR, SEG_STRIDE,
} from './block';

export const SEG_INDEX_ES: u32 = 0;
export const SEG_INDEX_CS: u32 = 1;
export const SEG_INDEX_SS: u32 = 2;
export const SEG_INDEX_DS: u32 = 3;
export const SEG_INDEX_FS: u32 = 4;
export const SEG_INDEX_GS: u32 = 5;
export const SEG_INDEX_LDTR: u32 = 6;
export const SEG_INDEX_TR: u32 = 7;

export const EAX: u32 = 0;
export const ECX: u32 = 1;
export const EDX: u32 = 2;
export const EBX: u32 = 3;
export const ESP: u32 = 4;

@inline export function reg32(index: u32): u32 { return load<u32>(CPU_BLOCK + REGS + index * 8); }
/** The high dword of the slot is zero in 32-bit modes. */
@inline export function setReg32(index: u32, value: u32): void { store<u64>(CPU_BLOCK + REGS + index * 8, value as u64); }

@inline export function eip(): u32 { return load<u32>(CPU_BLOCK + RIP); }
@inline export function setEip(value: u32): void { store<u64>(CPU_BLOCK + RIP, value as u64); }

@inline export function cr0(): u32 { return load<u32>(CPU_BLOCK + CR0); }
@inline export function cr3(): u32 { return load<u32>(CPU_BLOCK + CR3); }
@inline export function cr4(): u32 { return load<u32>(CPU_BLOCK + CR4); }
@inline export function efer(): u32 { return load<u32>(CPU_BLOCK + EFER); }
@inline export function cpl(): u32 { return load<u32>(CPU_BLOCK + CPL); }

/** FLAGS without folding the lazy arithmetic flags in: right for VM, IOPL, IF, TF, NT, RF, DF. */
@inline export function controlFlags(): u32 { return load<u32>(CPU_BLOCK + FLAGS); }
/** All of EFLAGS; what the lazy form held is void. */
@inline export function setFlags(value: u32): void {
  store<u32>(CPU_BLOCK + FLAGS, value | FLAG_ONE);
  store<u32>(CPU_BLOCK + LAZY_OP, 0);
}
@inline export function setCpl(value: u32): void { store<u32>(CPU_BLOCK + CPL, value); }
@inline export function iopl(): u32 { return (controlFlags() & FLAG_IOPL) >> IOPL_SHIFT; }
@inline export function virtual8086(): bool { return (controlFlags() & FLAG_VM) != 0; }
@inline export function protectionEnabled(): bool { return (cr0() & CR0_PE) != 0; }
/** Protected mode proper: selectors name descriptors. */
@inline export function protectedMode(): bool { return protectionEnabled() && !virtual8086(); }

@inline function seg(index: u32): usize { return CPU_BLOCK + SEGS + index * SEG_STRIDE; }
@inline export function segSelector(index: u32): u32 { return load<u32>(seg(index), SEG_SELECTOR); }
@inline export function segAttr(index: u32): u32 { return load<u32>(seg(index), SEG_ATTR); }
@inline export function segBase(index: u32): u32 { return load<u32>(seg(index), SEG_BASE); }
@inline export function segLimit(index: u32): u32 { return load<u32>(seg(index), SEG_LIMIT); }
@inline export function segUsable(index: u32): bool { return (segAttr(index) & ATTR_PRESENT) != 0; }
@inline export function setSelector(index: u32, selector: u32): void { store<u32>(seg(index), selector, SEG_SELECTOR); }
@inline export function setSegAttr(index: u32, attr: u32): void { store<u32>(seg(index), attr, SEG_ATTR); }

export function setSegment(index: u32, selector: u32, attr: u32, base: u32, limit: u32): void {
  const at = seg(index);
  store<u32>(at, selector, SEG_SELECTOR);
  store<u32>(at, attr, SEG_ATTR);
  store<u64>(at, base as u64, SEG_BASE);
  store<u32>(at, limit, SEG_LIMIT);
}
