// CPUID: what this processor has, and nothing that it has not (SDM 2A, "CPUID").
import { EAX, EBX, ECX, EDX, reg32, setReg32 } from './block.as';
import { PHYSICAL_BITS } from './bits';

/**
 * Family 6, model 28, stepping 10: an in-order Atom, which guests know to have SYSENTER and to need no mitigation of speculative execution;
 * there is none here. Also what EDX holds after reset.
 */
export const SIGNATURE: u32 = 0x0001_06ca;

const FPU: u32 = 1 << 0;
const DE: u32 = 1 << 2;
const PSE: u32 = 1 << 3;
const TSC: u32 = 1 << 4;
const MSR: u32 = 1 << 5;
const PAE: u32 = 1 << 6;
const MCE: u32 = 1 << 7;
const CX8: u32 = 1 << 8;
const SEP: u32 = 1 << 11;
const MTRR: u32 = 1 << 12;
const PGE: u32 = 1 << 13;
const MCA: u32 = 1 << 14;
const CMOV: u32 = 1 << 15;
const PAT: u32 = 1 << 16;
const CLFLUSH: u32 = 1 << 19;
const MMX: u32 = 1 << 23;
const FXSR: u32 = 1 << 24;
const SSE: u32 = 1 << 25;
const SSE2: u32 = 1 << 26;
const FEATURES: u32 =
  FPU | DE | PSE | TSC | MSR | PAE | MCE | CX8 | SEP | MTRR | PGE | MCA | CMOV | PAT | CLFLUSH | MMX | FXSR | SSE | SSE2;
/** CLFLUSH line size in units of 8 bytes. */
const LINE: u32 = 8 << 8;

const EXTENDED_NX: u32 = 1 << 20;

/** EDX of leaf 8000_0007h: the TSC runs at one rate whatever the processor does. */
const INVARIANT_TSC: u32 = 1 << 8;

/** The TSC counts virtual nanoseconds: 1 GHz, told as a 25 MHz crystal times 40. A guest that is told need not measure, and can't measure wrong. */
const CRYSTAL_HZ: u32 = 25_000_000;
const TSC_PER_CRYSTAL: u32 = 40;
const MHZ: u32 = 1000;
const BUS_MHZ: u32 = 100;

const LAST_LEAF: u32 = 0x16;
const LAST_EXTENDED: u32 = 0x8000_0008;

/** 48 bytes, padded with NUL. */
const brand: usize = memory.data<u8>([
  0x43, 0x61, 0x69, 0x72, 0x6e, 0x20, 0x56, 0x69, 0x72, 0x74, 0x75, 0x61, 0x6c, 0x20, 0x43, 0x50, // Cairn Virtual CP
  0x55, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, // U
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
]);

export function cpuid(): void {
  let leaf = reg32(EAX);
  // Beyond the last leaf the last basic one answers.
  if (leaf >= 0x8000_0000 ? leaf > LAST_EXTENDED : leaf > LAST_LEAF) leaf = LAST_LEAF;
  if (leaf >= 0x8000_0002 && leaf <= 0x8000_0004) {
    const at = brand + (leaf - 0x8000_0002) * 16;
    answer(load<u32>(at), load<u32>(at, 4), load<u32>(at, 8), load<u32>(at, 12));
    return;
  }
  switch (leaf) {
    case 0:
      answer(LAST_LEAF, 0x756e_6547, 0x6c65_746e, 0x4965_6e69); // "GenuineIntel" in EBX, EDX, ECX
      break;
    case 1:
      answer(SIGNATURE, LINE, 0, FEATURES);
      break;
    case 2:
      // 32 KiB of data and of instruction cache, 2 MiB of second level: sizes by which guests tune their copies.
      answer(0x7d30_2c01, 0, 0, 0);
      break;
    case 0x15:
      answer(1, TSC_PER_CRYSTAL, CRYSTAL_HZ, 0);
      break;
    case 0x16:
      answer(MHZ, MHZ, BUS_MHZ, 0);
      break;
    case 0x8000_0000:
      answer(LAST_EXTENDED, 0, 0, 0);
      break;
    case 0x8000_0001:
      answer(0, 0, 0, EXTENDED_NX);
      break;
    case 0x8000_0007:
      answer(0, 0, 0, INVARIANT_TSC);
      break;
    case 0x8000_0008:
      answer(PHYSICAL_BITS | (32 << 8), 0, 0, 0);
      break;
    default:
      answer(0, 0, 0, 0);
  }
}

function answer(eax: u32, ebx: u32, ecx: u32, edx: u32): void {
  setReg32(EAX, eax);
  setReg32(EBX, ebx);
  setReg32(ECX, ecx);
  setReg32(EDX, edx);
}
