// RDMSR and WRMSR: the registers that CPUID's features bring; any other is #GP(0) (SDM 4 chapter 2, MTRRs SDM 3A 11.11, PAT 11.12,
// machine check SDM 3B chapter 15).
import { CPU_BLOCK } from '../memory/layout';
import { EFER_NXE, PHYSICAL_BITS, VEC_GP } from './bits';
import { efer } from './block.as';
import {
  BIOS_SIGN_ID, DEBUGCTL, EFER, MISC_ENABLE, MTRR_DEF_TYPE, MTRR_FIXED, MTRR_VAR, PAT, SYSENTER_CS, SYSENTER_EIP, SYSENTER_ESP, TSC_OFFSET,
} from './block';
import { instructionsExecuted, raiseError } from './fault.as';
import { requireRing0, timestamp } from './system.as';
import { flushTlb } from './tlb.as';

const IA32_P5_MC_ADDR: u32 = 0;
const IA32_P5_MC_TYPE: u32 = 1;
const IA32_TSC: u32 = 0x10;
const IA32_PLATFORM_ID: u32 = 0x17;
const IA32_BIOS_SIGN_ID: u32 = 0x8b;
const IA32_MTRRCAP: u32 = 0xfe;
const IA32_SYSENTER_CS: u32 = 0x174;
const IA32_SYSENTER_ESP: u32 = 0x175;
const IA32_SYSENTER_EIP: u32 = 0x176;
const IA32_MCG_CAP: u32 = 0x179;
const IA32_MCG_STATUS: u32 = 0x17a;
const IA32_MISC_ENABLE: u32 = 0x1a0;
const IA32_DEBUGCTL: u32 = 0x1d9;
const IA32_MTRR_PHYSBASE0: u32 = 0x200;
const IA32_MTRR_PHYSMASK7: u32 = 0x20f;
const IA32_MTRR_FIX64K: u32 = 0x250;
const IA32_MTRR_FIX16K_80000: u32 = 0x258;
const IA32_MTRR_FIX16K_A0000: u32 = 0x259;
const IA32_MTRR_FIX4K_C0000: u32 = 0x268;
const IA32_MTRR_FIX4K_F8000: u32 = 0x26f;
const IA32_PAT: u32 = 0x277;
const IA32_MTRR_DEF_TYPE: u32 = 0x2ff;
const IA32_EFER: u32 = 0xc000_0080;

/** 8 variable ranges, fixed ranges, write-combining. */
const MTRRCAP: u64 = 0x508;
const PHYSICAL_MASK: u64 = ((1 as u64) << PHYSICAL_BITS) - 1;
/** Fast strings: the only bit that a guest may change. */
const MISC_FAST_STRINGS: u64 = 1;

/** BTF and the pins PB0 to PB3 (SDM 3B 17.4.1, 17.13). No last-branch records and no branch traces, so neither LBR nor TR. */
const DEBUGCTL_BITS: u64 = 0x3e;

/** Slot of an MSR that is plain storage, 0 for the others. */
function plainSlot(index: u32): u32 {
  if (index >= IA32_MTRR_PHYSBASE0 && index <= IA32_MTRR_PHYSMASK7) return MTRR_VAR + (index - IA32_MTRR_PHYSBASE0) * 8;
  if (index >= IA32_MTRR_FIX4K_C0000 && index <= IA32_MTRR_FIX4K_F8000) return MTRR_FIXED + (3 + index - IA32_MTRR_FIX4K_C0000) * 8;
  switch (index) {
    case IA32_SYSENTER_CS: return SYSENTER_CS;
    case IA32_SYSENTER_ESP: return SYSENTER_ESP;
    case IA32_SYSENTER_EIP: return SYSENTER_EIP;
    case IA32_MTRR_FIX64K: return MTRR_FIXED;
    case IA32_MTRR_FIX16K_80000: return MTRR_FIXED + 8;
    case IA32_MTRR_FIX16K_A0000: return MTRR_FIXED + 16;
    case IA32_PAT: return PAT;
    case IA32_MTRR_DEF_TYPE: return MTRR_DEF_TYPE;
    case IA32_MISC_ENABLE: return MISC_ENABLE;
    case IA32_EFER: return EFER;
    case IA32_BIOS_SIGN_ID: return BIOS_SIGN_ID;
    case IA32_DEBUGCTL: return DEBUGCTL;
    default: return 0;
  }
}

export function rdmsr(index: u32): u64 {
  requireRing0();
  const slot = plainSlot(index);
  if (slot) return load<u64>(CPU_BLOCK + slot);
  switch (index) {
    case IA32_TSC: return timestamp();
    case IA32_MTRRCAP: return MTRRCAP;
    case IA32_PLATFORM_ID: return 0;
    // Machine checks, without a bank that could report one.
    case IA32_P5_MC_ADDR: case IA32_P5_MC_TYPE: case IA32_MCG_CAP: case IA32_MCG_STATUS: return 0;
    default:
      raiseError(VEC_GP, 0);
      return 0;
  }
}

/** Every bit is kept, or the write is refused: none is dropped. */
export function wrmsr(index: u32, value: u64): void {
  requireRing0();
  switch (index) {
    case IA32_TSC:
      store<u64>(CPU_BLOCK + TSC_OFFSET, value - instructionsExecuted());
      return;
    case IA32_P5_MC_ADDR: case IA32_P5_MC_TYPE: case IA32_MCG_STATUS: // can only be cleared
      if (value) raiseError(VEC_GP, 0);
      return;
    case IA32_DEBUGCTL:
      if (value & ~DEBUGCTL_BITS) raiseError(VEC_GP, 0);
      store<u64>(CPU_BLOCK + DEBUGCTL, value);
      return;
    case IA32_BIOS_SIGN_ID: // no microcode update is loaded that CPUID would put there
    case IA32_SYSENTER_CS:
    case IA32_SYSENTER_ESP:
    case IA32_SYSENTER_EIP:
      store<u64>(CPU_BLOCK + plainSlot(index), value);
      return;
    case IA32_MISC_ENABLE:
      if ((value ^ load<u64>(CPU_BLOCK + MISC_ENABLE)) & ~MISC_FAST_STRINGS) raiseError(VEC_GP, 0);
      store<u64>(CPU_BLOCK + MISC_ENABLE, value);
      return;
    case IA32_EFER:
      if (value & ~(EFER_NXE as u64)) raiseError(VEC_GP, 0);
      if ((value as u32) != efer()) flushTlb();
      store<u64>(CPU_BLOCK + EFER, value);
      return;
    case IA32_PAT:
      for (let i: u64 = 0; i < 64; i += 8) if (!isMemoryType((value >> i) as u32 & 0xff, true)) raiseError(VEC_GP, 0);
      store<u64>(CPU_BLOCK + PAT, value);
      return;
    case IA32_MTRR_DEF_TYPE:
      if ((value & ~0xcff) || !isMemoryType(value as u32 & 0xff, false)) raiseError(VEC_GP, 0);
      store<u64>(CPU_BLOCK + MTRR_DEF_TYPE, value);
      return;
  }
  const slot = plainSlot(index);
  if (!slot) raiseError(VEC_GP, 0);
  if (slot >= <u32>MTRR_VAR) checkVariableRange(index, value);
  else for (let i: u64 = 0; i < 64; i += 8) if (!isMemoryType((value >> i) as u32 & 0xff, false)) raiseError(VEC_GP, 0);
  store<u64>(CPU_BLOCK + slot, value);
}

/** UC, WC, WT, WP, WB; the PAT also has UC-. */
function isMemoryType(type: u32, pat: bool): bool {
  return type <= 1 || (type >= 4 && type <= 6) || (pat && type == 7);
}

function checkVariableRange(index: u32, value: u64): void {
  const mask = (index & 1) != 0;
  const reserved = ~PHYSICAL_MASK | (mask ? 0x7ff : 0xf00);
  if ((value & reserved) || (!mask && !isMemoryType(value as u32 & 0xff, false))) raiseError(VEC_GP, 0);
}
