/** How a pending unmasked x87 exception is reported: #MF, or FERR# and the PC's interrupt (Intel SDM volume 1, 8.7 and appendix D.2). */
import { CPU_BLOCK } from '../memory/layout';
import { CR0, FPU_IGNNE, FPU_SW } from '../cpu/block';
import { raise, waitForFpuInterrupt } from '../cpu/fault.as';
import { ES } from './float80.as';

const CR0_NE: u32 = 0x20;
const VECTOR_MF = 16;

/** FERR#: an unmasked exception is pending and CR0.NE = 0. */
export function ferr(): bool {
  return (load<u32>(CPU_BLOCK + FPU_SW) & ES) != 0 && (load<u32>(CPU_BLOCK + CR0) & CR0_NE) == 0;
}

/** Before a waiting instruction: reports the exception that is pending, if any. Under IGNNE# the instruction goes on. */
export function reportPending(): void {
  if ((load<u32>(CPU_BLOCK + FPU_SW) & ES) == 0) return;
  if ((load<u32>(CPU_BLOCK + CR0) & CR0_NE) != 0) raise(VECTOR_MF);
  if (!load<u32>(CPU_BLOCK + FPU_IGNNE)) waitForFpuInterrupt();
}
