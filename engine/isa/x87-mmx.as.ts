/** MMX on the x87 registers (Intel SDM volume 1, 9.2, 9.5.1): MMi is the significand of physical register i. */
import { CPU_BLOCK } from '../memory/layout';
import { FPU_EMPTY, FPU_REGS, FPU_TOP } from '../cpu/block';

/** Every MMX instruction but EMMS: TOP = 0, all registers valid. */
@inline export function mmxTouch(): void {
  store<u32>(CPU_BLOCK + FPU_TOP, 0);
  store<u32>(CPU_BLOCK + FPU_EMPTY, 0);
}
@inline export function mmxRead(i: u32): u64 {
  return load<u64>(<usize>((i & 7) << 4), CPU_BLOCK + FPU_REGS);
}
/** A write sets the sign and exponent to ones. */
@inline export function mmxWrite(i: u32, value: u64): void {
  const at = <usize>((i & 7) << 4);
  store<u64>(at, value, CPU_BLOCK + FPU_REGS);
  store<u16>(at, 0xffff, CPU_BLOCK + FPU_REGS + 8);
}
/** EMMS: all registers empty. */
@inline export function mmxEnd(): void {
  store<u32>(CPU_BLOCK + FPU_TOP, 0);
  store<u32>(CPU_BLOCK + FPU_EMPTY, 0xff);
}
