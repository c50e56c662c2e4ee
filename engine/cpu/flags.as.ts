/**
 * The arithmetic flags, lazily (SDM 1, 3.4.3.1): an instruction notes what it did (kind, first operand, result), and flags are worked out when
 * somebody looks. Operands of 8 and 16 bits are noted shifted to the top of 32, so that carry, overflow, zero and sign need not know the width;
 * only AF and PF do.
 *
 *   LAZY_OP   bits 0-2 kind, bits 8-12 shift (0, 16, 24)
 *   ADD SUB   LAZY_DST, LAZY_RES          the second operand follows from them
 *   LOGIC     LAZY_RES                    CF = OF = AF = 0
 *   INC DEC   LAZY_RES, LAZY_AUX = CF
 *   PARTS     LAZY_RES, LAZY_AUX = CF | AF | OF in their EFLAGS places
 */
import { CPU_BLOCK } from '../memory/layout';
import { FLAGS, LAZY_AUX, LAZY_DST, LAZY_OP, LAZY_RES } from './block';
import { FLAG_AF, FLAG_CF, FLAG_OF, FLAG_PF, FLAG_SF, FLAG_ZF } from './bits';

export const KIND_ADD: u32 = 1;
export const KIND_SUB: u32 = 2;
export const KIND_LOGIC: u32 = 3;
export const KIND_INC: u32 = 4;
export const KIND_DEC: u32 = 5;
export const KIND_PARTS: u32 = 6;

export const ARITHMETIC: u32 = FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF;

@inline export function lazyOp(): u32 { return load<u32>(CPU_BLOCK + LAZY_OP); }
@inline export function lazyDst(): u32 { return load<u32>(CPU_BLOCK + LAZY_DST); }
@inline export function lazyRes(): u32 { return load<u32>(CPU_BLOCK + LAZY_RES); }
@inline export function lazyAux(): u32 { return load<u32>(CPU_BLOCK + LAZY_AUX); }
/** All of EFLAGS but the arithmetic flags. */
@inline export function rawFlags(): u32 { return load<u32>(CPU_BLOCK + FLAGS); }

@inline function setLazy(kind: u32, shift: u32, dst: u32, res: u32): void {
  store<u32>(CPU_BLOCK + LAZY_OP, kind | (shift << 8));
  store<u32>(CPU_BLOCK + LAZY_DST, dst);
  store<u32>(CPU_BLOCK + LAZY_RES, res);
}
/** Operands and result shifted to the top already. */
@inline export function noteAdd(shift: u32, dst: u32, res: u32): void { setLazy(KIND_ADD, shift, dst, res); }
@inline export function noteSub(shift: u32, dst: u32, res: u32): void { setLazy(KIND_SUB, shift, dst, res); }
@inline export function noteLogic(shift: u32, res: u32): void {
  store<u32>(CPU_BLOCK + LAZY_OP, KIND_LOGIC | (shift << 8));
  store<u32>(CPU_BLOCK + LAZY_RES, res);
}
@inline export function noteParts(shift: u32, res: u32, parts: u32): void {
  store<u32>(CPU_BLOCK + LAZY_OP, KIND_PARTS | (shift << 8));
  store<u32>(CPU_BLOCK + LAZY_RES, res);
  store<u32>(CPU_BLOCK + LAZY_AUX, parts);
}
@inline export function noteInc(shift: u32, res: u32): void {
  const carry = carryFlag();
  store<u32>(CPU_BLOCK + LAZY_OP, KIND_INC | (shift << 8));
  store<u32>(CPU_BLOCK + LAZY_RES, res);
  store<u32>(CPU_BLOCK + LAZY_AUX, carry);
}
@inline export function noteDec(shift: u32, res: u32): void {
  const carry = carryFlag();
  store<u32>(CPU_BLOCK + LAZY_OP, KIND_DEC | (shift << 8));
  store<u32>(CPU_BLOCK + LAZY_RES, res);
  store<u32>(CPU_BLOCK + LAZY_AUX, carry);
}

/** CF as 0 or 1. */
export function carryFlag(): u32 {
  switch (lazyOp() & 7) {
    case KIND_ADD: return lazyRes() < lazyDst() ? 1 : 0;
    case KIND_SUB: return lazyRes() > lazyDst() ? 1 : 0;
    case KIND_LOGIC: return 0;
    case KIND_INC: case KIND_DEC: case KIND_PARTS: return lazyAux() & 1;
    default: return rawFlags() & FLAG_CF;
  }
}
@inline export function zeroFlag(): bool {
  return lazyOp() != 0 ? lazyRes() == 0 : (rawFlags() & FLAG_ZF) != 0;
}
@inline export function signFlag(): bool {
  return lazyOp() != 0 ? <i32>lazyRes() < 0 : (rawFlags() & FLAG_SF) != 0;
}
export function parityFlag(): bool {
  const op = lazyOp();
  if (op == 0) return (rawFlags() & FLAG_PF) != 0;
  return (popcnt<u32>((lazyRes() >>> (op >>> 8)) & 0xff) & 1) == 0;
}
export function overflowFlag(): bool {
  const op = lazyOp();
  switch (op & 7) {
    case KIND_ADD: {
      const dst = lazyDst();
      const res = lazyRes();
      return <i32>((dst ^ res) & ((res - dst) ^ res)) < 0;
    }
    case KIND_SUB: {
      const dst = lazyDst();
      const res = lazyRes();
      return <i32>((dst ^ (dst - res)) & (dst ^ res)) < 0;
    }
    case KIND_LOGIC: return false;
    case KIND_INC: return lazyRes() == 0x80000000;
    case KIND_DEC: return lazyRes() + (<u32>1 << (op >>> 8)) == 0x80000000;
    case KIND_PARTS: return (lazyAux() & FLAG_OF) != 0;
    default: return (rawFlags() & FLAG_OF) != 0;
  }
}
function adjustFlag(): bool {
  const op = lazyOp();
  const shift = op >>> 8;
  const res = lazyRes() >>> shift;
  switch (op & 7) {
    case KIND_ADD: case KIND_SUB: {
      const dst = lazyDst() >>> shift;
      return ((op & 7) == KIND_ADD ? (res & 15) < (dst & 15) : (res & 15) > (dst & 15));
    }
    case KIND_LOGIC: return false;
    case KIND_INC: return (res & 15) == 0;
    case KIND_DEC: return (res & 15) == 15;
    case KIND_PARTS: return (lazyAux() & FLAG_AF) != 0;
    default: return (rawFlags() & FLAG_AF) != 0;
  }
}

/** EFLAGS with everything in it. */
export function eflags(): u32 {
  if (lazyOp() == 0) return rawFlags();
  return (rawFlags() & ~ARITHMETIC) | carryFlag() | (parityFlag() ? FLAG_PF : 0) | (adjustFlag() ? FLAG_AF : 0) | (zeroFlag() ? FLAG_ZF : 0)
    | (signFlag() ? FLAG_SF : 0) | (overflowFlag() ? FLAG_OF : 0);
}

/** Folds the lazy flags into FLAGS: makes the CPU block canonical. */
export function materialize(): void {
  if (lazyOp() != 0) store<u32>(CPU_BLOCK + FLAGS, eflags());
  store<u32>(CPU_BLOCK + LAZY_OP, 0);
  store<u32>(CPU_BLOCK + LAZY_DST, 0);
  store<u32>(CPU_BLOCK + LAZY_RES, 0);
  store<u32>(CPU_BLOCK + LAZY_AUX, 0);
}

/** Replaces the flags in `mask` by those of `value`; the other arithmetic flags stay. */
export function setFlagBits(mask: u32, value: u32): void {
  materialize();
  store<u32>(CPU_BLOCK + FLAGS, (rawFlags() & ~mask) | (value & mask));
}

/** Condition `code` of Jcc, SETcc and CMOVcc (SDM 1, appendix B). */
export function condition(code: u32): bool {
  let result: bool;
  switch (code >>> 1) {
    case 0: result = overflowFlag(); break;
    case 1: result = carryFlag() != 0; break;
    case 2: result = zeroFlag(); break;
    case 3: result = zeroFlag() || carryFlag() != 0; break;
    case 4: result = signFlag(); break;
    case 5: result = parityFlag(); break;
    case 6: result = signFlag() != overflowFlag(); break;
    default: result = zeroFlag() || signFlag() != overflowFlag();
  }
  return result != ((code & 1) != 0);
}
