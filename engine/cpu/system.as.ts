// Privileged instructions: control registers, HLT, INVLPG, SYSENTER, RDTSC, I/O permission (SDM 3A chapter 2, SDM 1 chapter 18).
import { CPU_BLOCK } from '../memory/layout';
import { sysRead16 } from './access.as';
import {
  CR0_AM, CR0_CD, CR0_EM, CR0_ET, CR0_MP, CR0_NE, CR0_NW, CR0_PE, CR0_PG, CR0_TS, CR0_WP, CR4_DE, CR4_MCE, CR4_OSFXSR, CR4_OSXMMEXCPT, CR4_PAE, CR4_PCE,
  CR4_PGE, CR4_PSE, CR4_TSD, FLAG_IF, FLAG_RF, FLAG_VM, VEC_GP, VEC_UD,
} from './bits';
import {
  ECX, EDX, ESP, SEG_INDEX_CS, SEG_INDEX_SS, SEG_INDEX_TR, controlFlags, cpl, cr0, cr3, cr4, iopl, protectionEnabled, reg32, segAttr, segBase,
  segLimit, setCpl, setEip, setFlags, setReg32, setSegment, virtual8086,
} from './block.as';
import { CR0, CR2, CR3, CR4, HALTED, SYSENTER_CS, SYSENTER_EIP, SYSENTER_ESP, TSC_OFFSET } from './block';
import { systemType } from './descriptor.as';
import { instructionsExecuted, raise, raiseError } from './fault.as';
import { materialize } from './flags.as';
import { loadPdptes } from './paging.as';
import { flushTlb, flushTlbNonGlobal, invalidatePage, modeChanged } from './tlb.as';

const CR0_BITS: u32 = CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD | CR0_PG;
/** What CPUID offers; a set bit elsewhere is #GP(0). */
const CR4_BITS: u32 = CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT;

/** Flat 4 GiB code and data, as SYSENTER and SYSEXIT load them; the DPL goes in. */
const FLAT_CODE: u32 = 0x00c0_9b00;
const FLAT_DATA: u32 = 0x00c0_9300;

/** #GP(0) outside ring 0 (virtual-8086 mode has CPL 3). */
export function requireRing0(): void {
  if (cpl() != 0) raiseError(VEC_GP, 0);
}

export function movFromCr(index: u32): u32 {
  requireRing0Cr(index);
  switch (index) {
    case 0: return cr0();
    case 2: return load<u32>(CPU_BLOCK + CR2);
    case 3: return cr3();
    default: return cr4();
  }
}

export function movToCr(index: u32, value: u32): void {
  requireRing0Cr(index);
  switch (index) {
    case 0: setCr0(value); break;
    case 2: store<u64>(CPU_BLOCK + CR2, value as u64); break;
    case 3: setCr3(value); break;
    default: setCr4(value); break;
  }
}

function requireRing0Cr(index: u32): void {
  if (index != 0 && index != 2 && index != 3 && index != 4) raise(VEC_UD);
  requireRing0();
}

function setCr0(value: u32): void {
  if ((value & CR0_PG) && !(value & CR0_PE)) raiseError(VEC_GP, 0);
  if ((value & CR0_NW) && !(value & CR0_CD)) raiseError(VEC_GP, 0);
  const old = cr0();
  const next = (value & CR0_BITS) | CR0_ET;
  const changed = old ^ next;
  // PDPTEs are loaded when paging starts and when caching changes under it (SDM 3A 4.4.1).
  if ((next & CR0_PG) && (cr4() & CR4_PAE) && (changed & (CR0_PG | CR0_CD | CR0_NW))) loadPdptes(cr3());
  store<u64>(CPU_BLOCK + CR0, next as u64);
  if (changed & (CR0_PG | CR0_PE | CR0_WP)) flushTlb();
  modeChanged();
}

function setCr3(value: u32): void {
  if ((cr0() & CR0_PG) && (cr4() & CR4_PAE)) loadPdptes(value);
  store<u64>(CPU_BLOCK + CR3, value as u64);
  flushTlbNonGlobal();
}

function setCr4(value: u32): void {
  if (value & ~CR4_BITS) raiseError(VEC_GP, 0);
  const changed = cr4() ^ value;
  if ((cr0() & CR0_PG) && (value & CR4_PAE) && (changed & (CR4_PAE | CR4_PGE | CR4_PSE))) loadPdptes(cr3());
  store<u64>(CPU_BLOCK + CR4, value as u64);
  if (changed & (CR4_PSE | CR4_PAE | CR4_PGE)) flushTlb();
  modeChanged();
}

/** Loads PE, MP, EM and TS; PE can't be cleared. */
export function lmsw(value: u32): void {
  requireRing0();
  setCr0((cr0() & ~0xe) | (value & 0xf));
}

export function smsw(): u32 { return cr0(); }

export function clts(): void {
  requireRing0();
  store<u64>(CPU_BLOCK + CR0, (cr0() & ~CR0_TS) as u64);
  modeChanged();
}

export function hlt(): void {
  requireRing0();
  store<u32>(CPU_BLOCK + HALTED, 1);
}

export function invlpg(lin: u32): void {
  requireRing0();
  invalidatePage(lin);
}

/** INVD and WBINVD: there is no cache to lose. */
export function invalidateCaches(): void { requireRing0(); }

/** EDX:EAX of RDTSC. */
export function rdtsc(): u64 {
  if ((cr4() & CR4_TSD) && cpl() != 0) raiseError(VEC_GP, 0);
  return timestamp();
}

/** Virtual nanoseconds: the TSC runs at 1 GHz. */
export function timestamp(): u64 {
  return instructionsExecuted() + load<u64>(CPU_BLOCK + TSC_OFFSET);
}

/** There are no performance counters. */
export function rdpmc(): void { raiseError(VEC_GP, 0); }

export function sysenter(): void {
  const selector = load<u32>(CPU_BLOCK + SYSENTER_CS) & 0xfffc;
  if (!protectionEnabled() || selector == 0) raiseError(VEC_GP, 0);
  materialize();
  setFlags(controlFlags() & ~(FLAG_VM | FLAG_IF | FLAG_RF));
  setSegment(SEG_INDEX_CS, selector, FLAT_CODE, 0, 0xffff_ffff);
  setSegment(SEG_INDEX_SS, (selector + 8) & 0xffff, FLAT_DATA, 0, 0xffff_ffff);
  setCpl(0);
  setReg32(ESP, load<u32>(CPU_BLOCK + SYSENTER_ESP));
  setEip(load<u32>(CPU_BLOCK + SYSENTER_EIP));
  modeChanged();
}

export function sysexit(): void {
  const selector = load<u32>(CPU_BLOCK + SYSENTER_CS) & 0xfffc;
  if (!protectionEnabled() || selector == 0 || cpl() != 0) raiseError(VEC_GP, 0);
  setSegment(SEG_INDEX_CS, ((selector + 16) & 0xffff) | 3, FLAT_CODE | 0x6000, 0, 0xffff_ffff);
  setSegment(SEG_INDEX_SS, ((selector + 24) & 0xffff) | 3, FLAT_DATA | 0x6000, 0, 0xffff_ffff);
  setCpl(3);
  setReg32(ESP, reg32(ECX));
  setEip(reg32(EDX));
  modeChanged();
}

/** #GP(0) unless the program may touch `size` ports from `port`: IOPL, else the bitmap of a 32-bit TSS (SDM 1 18.5). */
export function checkIo(port: u32, size: u32): void {
  if (!protectionEnabled() || (cpl() <= iopl() && !virtual8086())) return;
  const limit = segLimit(SEG_INDEX_TR);
  const type = systemType(segAttr(SEG_INDEX_TR));
  if ((type & 8) == 0 || limit < 0x67) raiseError(VEC_GP, 0);
  const tss = segBase(SEG_INDEX_TR);
  const at = sysRead16(tss + 0x66) + (port >> 3);
  // Two bytes are read always, so the bitmap ends with a byte of ones.
  if (at + 1 > limit) raiseError(VEC_GP, 0);
  if ((sysRead16(tss + at) >> (port & 7)) & ((1 << size) - 1)) raiseError(VEC_GP, 0);
}
