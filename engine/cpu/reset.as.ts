// The CPU block after RESET# (SDM 3A table 9-1). Count and TSC go on: they are the machine's clock.
import { CPU_BLOCK } from '../memory/layout';
import { CR0_CD, CR0_ET, CR0_NW } from './bits';
import { EDX, SEG_INDEX_CS, SEG_INDEX_LDTR, SEG_INDEX_TR, setEip, setFlags, setReg32, setSegment } from './block.as';
import {
  A20_MASK, COUNT, CPL, CR0, DR, FPU_CW, GDTR_LIMIT, IDTR_LIMIT, INTR, MISC_ENABLE, MXCSR, PAT, XMM,
} from './block';
import { SIGNATURE } from './cpuid.as';
import { forgetPendingDebug } from './debug.as';
import { ATTR_REAL } from './segmentation.as';

/** Everything but COUNT, TSC_OFFSET and the INTR line, which the interrupt controller drives. */
export function resetCpuBlock(): void {
  memory.fill(CPU_BLOCK, 0, COUNT);
  const intr = load<u32>(CPU_BLOCK + INTR);
  memory.fill(CPU_BLOCK + CPL, 0, XMM + 16 * 16 - CPL);
  store<u32>(CPU_BLOCK + INTR, intr);

  setReg32(EDX, SIGNATURE);
  setEip(0xfff0);
  setFlags(0);
  for (let i: u32 = 0; i < 6; i++) setSegment(i, 0, ATTR_REAL, 0, 0xffff);
  setSegment(SEG_INDEX_CS, 0xf000, 0x9b00, 0xffff_0000, 0xffff);
  setSegment(SEG_INDEX_LDTR, 0, 0x8200, 0, 0xffff);
  setSegment(SEG_INDEX_TR, 0, 0x8b00, 0, 0xffff);
  store<u32>(CPU_BLOCK + GDTR_LIMIT, 0xffff);
  store<u32>(CPU_BLOCK + IDTR_LIMIT, 0xffff);
  store<u64>(CPU_BLOCK + CR0, (CR0_CD | CR0_NW | CR0_ET) as u64);
  store<u64>(CPU_BLOCK + DR + 6 * 8, 0xffff_0ff0);
  store<u64>(CPU_BLOCK + DR + 7 * 8, 0x400);
  store<u64>(CPU_BLOCK + PAT, 0x0007_0406_0007_0406);
  // Fast strings on; branch trace store and precise event sampling unavailable.
  store<u64>(CPU_BLOCK + MISC_ENABLE, 0x1801);
  store<u32>(CPU_BLOCK + A20_MASK, 0xffff_ffff);
  // Power-up state of the x87: registers hold +0 and are not empty.
  store<u32>(CPU_BLOCK + FPU_CW, 0x40);
  store<u32>(CPU_BLOCK + MXCSR, 0x1f80);
  forgetPendingDebug();
}
