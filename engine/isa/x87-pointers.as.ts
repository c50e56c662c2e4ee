/** The pointers to the last non-control x87 instruction and its operand (Intel SDM volume 1, 8.1.8 and 8.1.9). */
import { CPU_BLOCK } from '../memory/layout';
import { FPU_FCS, FPU_FDP, FPU_FDS, FPU_FIP, FPU_FOP, SEG_CS, SEG_SELECTOR } from '../cpu/block';
import { currentEip } from '../cpu/fault.as';

@inline export function notePointers(esc: u32): void {
  store<u32>(CPU_BLOCK + FPU_FOP, esc);
  store<u32>(CPU_BLOCK + FPU_FCS, load<u32>(CPU_BLOCK + SEG_CS + SEG_SELECTOR) & 0xffff);
  store<u64>(CPU_BLOCK + FPU_FIP, currentEip());
}
@inline export function noteOperand(selector: u32, offset: u32): void {
  store<u32>(CPU_BLOCK + FPU_FDS, selector & 0xffff);
  store<u64>(CPU_BLOCK + FPU_FDP, offset);
}
export function clearPointers(): void {
  store<u32>(CPU_BLOCK + FPU_FOP, 0);
  store<u32>(CPU_BLOCK + FPU_FCS, 0);
  store<u64>(CPU_BLOCK + FPU_FIP, 0);
  store<u32>(CPU_BLOCK + FPU_FDS, 0);
  store<u64>(CPU_BLOCK + FPU_FDP, 0);
}
