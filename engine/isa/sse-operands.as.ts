// MMX and SSE operands: availability checks, registers in the CPU block, memory sources (Intel SDM vol. 1 ch. 9-11, vol. 3A 2.5 and 14).
import { CPU_BLOCK } from '../memory/layout';
import { CR0, CR4, FPU_EMPTY, FPU_REGS, FPU_TOP, REGS, XMM } from '../cpu/block';
import { probeWrite, read32, read64, write64 } from '../cpu/access.as';
import { raise, raiseError } from '../cpu/fault.as';
import { reportPending } from './x87-error.as';

export const UD: u32 = 6;
export const NM: u32 = 7;
const GP: u32 = 13;

const CR0_EM: u32 = 1 << 2;
const CR0_TS: u32 = 1 << 3;
const CR4_OSFXSR: u32 = 1 << 9;

@inline
export function isMemory(modrm: u32): bool {
  return modrm < 0xc0;
}

/** SDM vol. 2 table 2-17 ff.: #UD before #NM. */
export function requireSse(): void {
  const cr0 = load<u32>(CPU_BLOCK, CR0);
  if ((cr0 & CR0_EM) != 0 || (load<u32>(CPU_BLOCK, CR4) & CR4_OSFXSR) == 0) raise(UD);
  if ((cr0 & CR0_TS) != 0) raise(NM);
}

export function requireMmx(): void {
  const cr0 = load<u32>(CPU_BLOCK, CR0);
  if ((cr0 & CR0_EM) != 0) raise(UD);
  if ((cr0 & CR0_TS) != 0) raise(NM);
  reportPending();
}

/** XMM instructions that also touch an MMX register: #UD and #NM of SSE, then a pending x87 exception. */
export function requireSseAndMmx(): void {
  requireSse();
  reportPending();
}

/** Every MMX instruction but EMMS leaves TOP = 0 and all registers valid (SDM vol. 1 9.5.1). */
@inline
export function enterMmx(): void {
  store<u32>(CPU_BLOCK, 0, FPU_TOP);
  store<u32>(CPU_BLOCK, 0, FPU_EMPTY);
}

@inline
export function gpr(index: u32): u32 {
  return load<u32>(CPU_BLOCK + (index << 3), REGS);
}

@inline
export function setGpr(index: u32, value: u32): void {
  store<u64>(CPU_BLOCK + (index << 3), <u64>value, REGS);
}

/** Address of XMM register `index`. */
@inline
export function xmm(index: u32): usize {
  return CPU_BLOCK + XMM + (index << 4);
}

@inline
export function mm(index: u32): u64 {
  return load<u64>(CPU_BLOCK + (index << 4), FPU_REGS);
}

/** A write of MMi sets the aliased register's sign and exponent to all ones (SDM vol. 1 9.2.2). */
@inline
export function setMm(index: u32, value: u64): void {
  store<u64>(CPU_BLOCK + (index << 4), value, FPU_REGS);
  store<u16>(CPU_BLOCK + (index << 4), 0xffff, FPU_REGS + 8);
}

/** `value` in the low half, zero above. */
@inline
export function low64(value: u64): v128 {
  return i64x2.replace_lane(i64x2.splat(0), 0, value);
}

export function readUnaligned128(lin: u32): v128 {
  const low = read64(lin);
  return i64x2.replace_lane(i64x2.replace_lane(i64x2.splat(0), 0, low), 1, read64(lin + 8));
}

export function read128(lin: u32): v128 {
  if ((lin & 15) != 0) raiseError(GP, 0);
  return readUnaligned128(lin);
}

export function writeUnaligned128(lin: u32, value: v128): void {
  probeWrite(lin, 16);
  write64(lin, i64x2.extract_lane(value, 0));
  write64(lin + 8, i64x2.extract_lane(value, 1));
}

export function write128(lin: u32, value: v128): void {
  if ((lin & 15) != 0) raiseError(GP, 0);
  writeUnaligned128(lin, value);
}

/** xmm/m128, aligned. */
export function sourceXmm(modrm: u32, lin: u32): v128 {
  return isMemory(modrm) ? read128(lin) : v128.load(xmm(modrm & 7));
}

/** Low half of an XMM register, or m64 of any alignment. */
export function sourceXmm64(modrm: u32, lin: u32): u64 {
  return isMemory(modrm) ? read64(lin) : load<u64>(xmm(modrm & 7));
}

export function sourceXmm32(modrm: u32, lin: u32): u32 {
  return isMemory(modrm) ? read32(lin) : load<u32>(xmm(modrm & 7));
}

export function sourceMm(modrm: u32, lin: u32): u64 {
  return isMemory(modrm) ? read64(lin) : mm(modrm & 7);
}

export function sourceGpr(modrm: u32, lin: u32): u32 {
  return isMemory(modrm) ? read32(lin) : gpr(modrm & 7);
}
