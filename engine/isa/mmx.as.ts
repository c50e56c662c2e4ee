// The packed integer meanings that MMX and SSE2 share (Intel SDM vol. 2). An MMX operand is the low half of a v128, zero above;
// the caller keeps the low half of the result.
import { raise } from '../cpu/fault.as';
import { low64, UD } from './sse-operands.as';

/** PADD… to PUNPCK…: 0F (60-6D, 74-76, D1-FE) reg, r/m. `wide` tells an XMM form. */
export function packedInteger(opcode: u32, wide: bool, d: v128, s: v128): v128 {
  switch (opcode) {
    case 0x60: return v128.shuffle<i8>(d, s, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23); // PUNPCKLBW
    case 0x61: return v128.shuffle<i16>(d, s, 0, 8, 1, 9, 2, 10, 3, 11); // PUNPCKLWD
    case 0x62: return v128.shuffle<i32>(d, s, 0, 4, 1, 5); // PUNPCKLDQ
    case 0x63: return wide ? i8x16.narrow_i16x8_s(d, s) : i8x16.narrow_i16x8_s(joinLow(d, s), s); // PACKSSWB
    case 0x64: return v128.gt<i8>(d, s); // PCMPGTB
    case 0x65: return v128.gt<i16>(d, s); // PCMPGTW
    case 0x66: return v128.gt<i32>(d, s); // PCMPGTD
    case 0x67: return wide ? i8x16.narrow_i16x8_u(d, s) : i8x16.narrow_i16x8_u(joinLow(d, s), s); // PACKUSWB
    case 0x68: // PUNPCKHBW
      return wide
        ? v128.shuffle<i8>(d, s, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
        : v128.shuffle<i8>(d, s, 4, 20, 5, 21, 6, 22, 7, 23, 4, 20, 5, 21, 6, 22, 7, 23);
    case 0x69: // PUNPCKHWD
      return wide ? v128.shuffle<i16>(d, s, 4, 12, 5, 13, 6, 14, 7, 15) : v128.shuffle<i16>(d, s, 2, 10, 3, 11, 2, 10, 3, 11);
    case 0x6a: return wide ? v128.shuffle<i32>(d, s, 2, 6, 3, 7) : v128.shuffle<i32>(d, s, 1, 5, 1, 5); // PUNPCKHDQ
    case 0x6b: return wide ? i16x8.narrow_i32x4_s(d, s) : i16x8.narrow_i32x4_s(joinLow(d, s), s); // PACKSSDW
    case 0x6c: return v128.shuffle<i64>(d, s, 0, 2); // PUNPCKLQDQ
    case 0x6d: return v128.shuffle<i64>(d, s, 1, 3); // PUNPCKHQDQ
    case 0x74: return v128.eq<i8>(d, s); // PCMPEQB
    case 0x75: return v128.eq<i16>(d, s); // PCMPEQW
    case 0x76: return v128.eq<i32>(d, s); // PCMPEQD
    case 0xd1: case 0xd2: case 0xd3: // PSRLW PSRLD PSRLQ
    case 0xe1: case 0xe2: // PSRAW PSRAD
    case 0xf1: case 0xf2: case 0xf3: // PSLLW PSLLD PSLLQ
      return shiftPacked(opcode, d, i64x2.extract_lane(s, 0));
    case 0xd4: return v128.add<i64>(d, s); // PADDQ
    case 0xd5: return v128.mul<i16>(d, s); // PMULLW
    case 0xd8: return v128.sub_sat<u8>(d, s); // PSUBUSB
    case 0xd9: return v128.sub_sat<u16>(d, s); // PSUBUSW
    case 0xda: return v128.min<u8>(d, s); // PMINUB
    case 0xdb: return v128.and(d, s); // PAND
    case 0xdc: return v128.add_sat<u8>(d, s); // PADDUSB
    case 0xdd: return v128.add_sat<u16>(d, s); // PADDUSW
    case 0xde: return v128.max<u8>(d, s); // PMAXUB
    case 0xdf: return v128.andnot(s, d); // PANDN: ~d & s
    case 0xe0: return v128.avgr<u8>(d, s); // PAVGB
    case 0xe3: return v128.avgr<u16>(d, s); // PAVGW
    case 0xe4: return highWords(i32x4.extmul_low_i16x8_u(d, s), i32x4.extmul_high_i16x8_u(d, s)); // PMULHUW
    case 0xe5: return highWords(i32x4.extmul_low_i16x8_s(d, s), i32x4.extmul_high_i16x8_s(d, s)); // PMULHW
    case 0xe8: return v128.sub_sat<i8>(d, s); // PSUBSB
    case 0xe9: return v128.sub_sat<i16>(d, s); // PSUBSW
    case 0xea: return v128.min<i16>(d, s); // PMINSW
    case 0xeb: return v128.or(d, s); // POR
    case 0xec: return v128.add_sat<i8>(d, s); // PADDSB
    case 0xed: return v128.add_sat<i16>(d, s); // PADDSW
    case 0xee: return v128.max<i16>(d, s); // PMAXSW
    case 0xef: return v128.xor(d, s); // PXOR
    case 0xf4: // PMULUDQ
      return i64x2.extmul_low_i32x4_u(v128.shuffle<i32>(d, d, 0, 2, 0, 2), v128.shuffle<i32>(s, s, 0, 2, 0, 2));
    case 0xf5: return i32x4.dot_i16x8_s(d, s); // PMADDWD
    case 0xf6: return sumOfDifferences(d, s); // PSADBW
    case 0xf8: return v128.sub<i8>(d, s); // PSUBB
    case 0xf9: return v128.sub<i16>(d, s); // PSUBW
    case 0xfa: return v128.sub<i32>(d, s); // PSUBD
    case 0xfb: return v128.sub<i64>(d, s); // PSUBQ
    case 0xfc: return v128.add<i8>(d, s); // PADDB
    case 0xfd: return v128.add<i16>(d, s); // PADDW
    case 0xfe: return v128.add<i32>(d, s); // PADDD
    default: raise(UD);
  }
  return d;
}

/** A count that reaches the element's width gives zero, or copies of the sign bit. */
export function shiftPacked(opcode: u32, d: v128, count: u64): v128 {
  const n = <i32>min<u64>(count, 64);
  switch (opcode) {
    case 0xd1: return n > 15 ? i64x2.splat(0) : v128.shr<u16>(d, n);
    case 0xd2: return n > 31 ? i64x2.splat(0) : v128.shr<u32>(d, n);
    case 0xd3: return n > 63 ? i64x2.splat(0) : v128.shr<u64>(d, n);
    case 0xe1: return v128.shr<i16>(d, min(n, 15));
    case 0xe2: return v128.shr<i32>(d, min(n, 31));
    case 0xf1: return n > 15 ? i64x2.splat(0) : v128.shl<i16>(d, n);
    case 0xf2: return n > 31 ? i64x2.splat(0) : v128.shl<i32>(d, n);
    case 0xf3: return n > 63 ? i64x2.splat(0) : v128.shl<i64>(d, n);
    default: raise(UD);
  }
  return d;
}

/** Groups 0F 71/72/73: `operation` is the reg field. Answers the opcode of the same shift by a register, 0 if there is none. */
export function shiftOpcode(opcode: u32, operation: u32): u32 {
  if (operation == 2) return 0xd0 + (opcode & 3);
  if (operation == 4 && opcode != 0x73) return 0xe0 + (opcode & 3);
  return operation == 6 ? 0xf0 + (opcode & 3) : 0;
}

const shiftWindow = memory.data(48, 16);

/** PSLLDQ (left) and PSRLDQ: whole bytes of the register; more than 15 clears it. */
export function shiftBytes(d: v128, count: u32, left: bool): v128 {
  const n = min<u32>(count, 16);
  v128.store(shiftWindow, i64x2.splat(0));
  v128.store(shiftWindow, d, 16);
  v128.store(shiftWindow, i64x2.splat(0), 32);
  return v128.load(left ? shiftWindow + 16 - n : shiftWindow + 16 + n);
}

/** PSHUFW, PSHUFLW: the low four words by two-bit selectors. */
export function shuffleWords(words: u64, selector: u32): u64 {
  return ((words >> ((selector & 3) << 4)) & 0xffff) |
    (((words >> (((selector >> 2) & 3) << 4)) & 0xffff) << 16) |
    (((words >> (((selector >> 4) & 3) << 4)) & 0xffff) << 32) |
    (((words >> (((selector >> 6) & 3) << 4)) & 0xffff) << 48);
}

@inline
function joinLow(d: v128, s: v128): v128 {
  return v128.shuffle<i64>(d, s, 0, 2);
}

@inline
function highWords(low: v128, high: v128): v128 {
  return v128.shuffle<i16>(low, high, 1, 3, 5, 7, 9, 11, 13, 15);
}

function sumOfDifferences(d: v128, s: v128): v128 {
  const difference = v128.sub<i8>(v128.max<u8>(d, s), v128.min<u8>(d, s));
  const sums = i32x4.extadd_pairwise_i16x8_u(i16x8.extadd_pairwise_i8x16_u(difference));
  return v128.and(v128.add<i64>(sums, v128.shr<u64>(sums, 32)), i64x2.splat(0xffff));
}

/** PMOVMSKB of an MMX operand. */
export function signMask64(value: u64): u32 {
  return i8x16.bitmask(low64(value));
}
