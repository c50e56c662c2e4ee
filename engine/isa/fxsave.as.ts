// Group 0F AE: FXSAVE, FXRSTOR, LDMXCSR, STMXCSR, fences, CLFLUSH (Intel SDM vol. 1 10.5, vol. 2).
//
//   0 FCW  2 FSW  4 FTW (bit i: physical register i valid)  6 FOP  8 FIP  12 FCS  16 FDP  20 FDS  24 MXCSR  28 MXCSR_MASK
//   32 ST0…ST7, 10 bytes in 16 each    160 XMM0…XMM7    288 reserved    416 free for software
import { CPU_BLOCK } from '../memory/layout';
import {
  CR0, CR4, FPU_CW, FPU_EMPTY, FPU_FCS, FPU_FDP, FPU_FDS, FPU_FIP, FPU_FOP, FPU_REGS, FPU_SW, FPU_TOP, MXCSR,
} from '../cpu/block';
import { probeRead, probeWrite, read16, read32, read64, read8, write32, write64 } from '../cpu/access.as';
import { raise, raiseError } from '../cpu/fault.as';
import { isMemory, NM, requireSse, UD, xmm } from './sse-operands.as';
import { endPending } from './x87-stack.as';

const MXCSR_MASK: u32 = 0xffff;
const GP: u32 = 13;

export function group15(prefix: u32, modrm: u32, lin: u32): void {
  const operation = (modrm >> 3) & 7;
  if (prefix != 0) raise(UD);
  if (!isMemory(modrm)) {
    // LFENCE, MFENCE, SFENCE order nothing here: every access is already in program order.
    if (operation < 5) raise(UD);
    return;
  }
  switch (operation) {
    case 0:
      requireFxState(lin);
      fxsave(lin);
      break;
    case 1:
      requireFxState(lin);
      fxrstor(lin);
      break;
    case 2: {
      requireSse();
      const value = read32(lin);
      if ((value & ~MXCSR_MASK) != 0) raiseError(GP, 0);
      store<u32>(CPU_BLOCK, value, MXCSR);
      break;
    }
    case 3:
      requireSse();
      write32(lin, load<u32>(CPU_BLOCK, MXCSR));
      break;
    case 7: // CLFLUSH faults like a byte read
      read8(lin);
      break;
    default:
      raise(UD);
  }
}

/** #NM with EM or TS. */
export function requireFx(): void {
  if ((load<u32>(CPU_BLOCK, CR0) & 0xc) != 0) raise(NM);
}

function requireFxState(lin: u32): void {
  requireFx();
  if ((lin & 15) != 0) raiseError(GP, 0);
}

@inline
function savesXmm(): bool {
  return (load<u32>(CPU_BLOCK, CR4) & (1 << 9)) != 0; // OSFXSR
}

function fxsave(lin: u32): void {
  probeWrite(lin, 16);
  probeWrite(lin + 496, 16);
  const top = load<u32>(CPU_BLOCK, FPU_TOP);
  const valid = ~load<u32>(CPU_BLOCK, FPU_EMPTY) & 0xff;
  write32(lin, load<u32>(CPU_BLOCK, FPU_CW) | ((load<u32>(CPU_BLOCK, FPU_SW) | (top << 11)) << 16));
  write32(lin + 4, valid | (load<u32>(CPU_BLOCK, FPU_FOP) << 16));
  write32(lin + 8, load<u32>(CPU_BLOCK, FPU_FIP));
  write32(lin + 12, load<u32>(CPU_BLOCK, FPU_FCS) & 0xffff);
  write32(lin + 16, load<u32>(CPU_BLOCK, FPU_FDP));
  write32(lin + 20, load<u32>(CPU_BLOCK, FPU_FDS) & 0xffff);
  write32(lin + 24, load<u32>(CPU_BLOCK, MXCSR));
  write32(lin + 28, MXCSR_MASK);
  for (let i: u32 = 0; i < 8; i++) {
    const register = CPU_BLOCK + FPU_REGS + (((top + i) & 7) << 4);
    write64(lin + 32 + (i << 4), load<u64>(register));
    write64(lin + 40 + (i << 4), <u64>load<u16>(register, 8));
  }
  if (!savesXmm()) return;
  for (let i: u32 = 0; i < 8; i++) {
    write64(lin + 160 + (i << 4), load<u64>(xmm(i)));
    write64(lin + 168 + (i << 4), load<u64>(xmm(i), 8));
  }
}

function fxrstor(lin: u32): void {
  probeRead(lin, 16);
  probeRead(lin + 496, 16);
  const mxcsr = read32(lin + 24);
  if ((mxcsr & ~MXCSR_MASK) != 0) raiseError(GP, 0);
  const control = read16(lin) & 0x1f7f | 0x40;
  const status = read16(lin + 2);
  const top = (status >> 11) & 7;
  // ES and B follow from the flags and masks that come with them.
  const pending = (status & ~control & 0x3f) != 0 ? <u32>0x8080 : 0;
  store<u32>(CPU_BLOCK, control, FPU_CW);
  store<u32>(CPU_BLOCK, (status & 0x477f) | pending, FPU_SW);
  if (pending == 0) endPending();
  store<u32>(CPU_BLOCK, top, FPU_TOP);
  store<u32>(CPU_BLOCK, ~read8(lin + 4) & 0xff, FPU_EMPTY);
  store<u32>(CPU_BLOCK, read16(lin + 6) & 0x7ff, FPU_FOP);
  store<u64>(CPU_BLOCK, <u64>read32(lin + 8), FPU_FIP);
  store<u32>(CPU_BLOCK, read16(lin + 12), FPU_FCS);
  store<u64>(CPU_BLOCK, <u64>read32(lin + 16), FPU_FDP);
  store<u32>(CPU_BLOCK, read16(lin + 20), FPU_FDS);
  store<u32>(CPU_BLOCK, mxcsr, MXCSR);
  for (let i: u32 = 0; i < 8; i++) {
    const register = CPU_BLOCK + FPU_REGS + (((top + i) & 7) << 4);
    store<u64>(register, read64(lin + 32 + (i << 4)));
    store<u16>(register, <u16>read16(lin + 40 + (i << 4)), 8);
  }
  if (!savesXmm()) return;
  for (let i: u32 = 0; i < 8; i++) {
    store<u64>(xmm(i), read64(lin + 160 + (i << 4)));
    store<u64>(xmm(i), read64(lin + 168 + (i << 4)), 8);
  }
}
