// MMX, SSE and SSE2: the 0F opcode map by mandatory prefix (Intel SDM vol. 2, table A-3). A meaning reads its operands (which may
// fault), computes, settles MXCSR (which may fault), and only then commits.
import { CPU_BLOCK } from '../memory/layout';
import { FPU_EMPTY } from '../cpu/block';
import { raise } from '../cpu/fault.as';
import {
  enterMmx, gpr, isMemory, low64, mm, readUnaligned128, requireMmx, requireSse, requireSseAndMmx, setGpr, setMm, sourceGpr, sourceMm,
  sourceXmm, sourceXmm32, sourceXmm64, UD, write128, writeUnaligned128, xmm,
} from './sse-operands.as';
import { probeWrite, read16, read32, write32, write64, write8 } from '../cpu/access.as';
import { packedInteger, shiftBytes, shiftOpcode, shiftPacked, shuffleWords, signMask64 } from './mmx.as';
import {
  commitOrder, compare32, compare64, comparePacked32, comparePacked64, estimate, estimatePacked, logical, order32, order64, packed32,
  packed64, scalar32, scalar64,
} from './sse-arith.as';
import {
  doublesToIntegers, doubleToInteger, fromInteger, integersToSingles, narrowed, pairNarrowed, pairOfSinglesToIntegers, pairToDoubles,
  pairToSingles, pairWidened, singlesToIntegers, singleToInteger, widen,
} from './sse-convert.as';
import { begin, settle } from './sse-softfloat.as';
import { group15, requireFx } from './fxsave.as';

/** Whether 0F `opcode` takes an immediate byte (of the opcodes that sse() knows). */
export function sseHasImm(opcode: u32): bool {
  return (opcode >= 0x70 && opcode <= 0x73) || opcode == 0xc2 || (opcode >= 0xc4 && opcode <= 0xc6);
}

/**
 * Executes 0F `opcode`. `prefix`: 0 none, 1 = 66, 2 = F3, 3 = F2. `lin` is the linear address of the memory operand (DS:EDI, or the
 * overriding segment, for MASKMOVQ and MASKMOVDQU), else 0.
 */
export function sse(prefix: u32, opcode: u32, modrm: u32, imm: u32, lin: u32): void {
  if (opcode == 0xae) {
    group15(prefix, modrm, lin);
    return;
  }
  switch (prefix) {
    case 0: plain(opcode, modrm, imm, lin); break;
    case 1: prefixed66(opcode, modrm, imm, lin); break;
    case 2: prefixedF3(opcode, modrm, imm, lin); break;
    default: prefixedF2(opcode, modrm, imm, lin);
  }
}

/** Raises what the instruction raises whatever its operand is. */
export function requireVector(prefix: u32, opcode: u32, modrm: u32): void {
  if (opcode == 0xc3) return; // MOVNTI uses general registers
  if (opcode == 0xae && ((modrm >> 3) & 7) < 2) requireFx();
  else if (prefix == 0 && (opcode == 0x2a || opcode == 0x2c || opcode == 0x2d)) requireSseAndMmx();
  else if (prefix == 0 && opcode >= 0x60 && opcode != 0xae && opcode != 0xc2 && opcode != 0xc3 && opcode != 0xc6) requireMmx();
  else requireSse();
}

@inline
function reg(modrm: u32): u32 {
  return (modrm >> 3) & 7;
}

/** No prefix: packed single, and MMX. */
function plain(opcode: u32, modrm: u32, imm: u32, lin: u32): void {
  const d = xmm(reg(modrm));
  switch (opcode) {
    case 0x10: moveIn(modrm, lin, false); break; // MOVUPS
    case 0x11: moveOut(modrm, lin, false); break;
    case 0x12: // MOVLPS, MOVHLPS
      requireSse();
      store<u64>(d, isMemory(modrm) ? sourceXmm64(modrm, lin) : load<u64>(xmm(modrm & 7), 8));
      break;
    case 0x13: storeHalf(modrm, lin, 0); break; // MOVLPS
    case 0x14: // UNPCKLPS
      requireSse();
      v128.store(d, v128.shuffle<i32>(v128.load(d), sourceXmm(modrm, lin), 0, 4, 1, 5));
      break;
    case 0x15: // UNPCKHPS
      requireSse();
      v128.store(d, v128.shuffle<i32>(v128.load(d), sourceXmm(modrm, lin), 2, 6, 3, 7));
      break;
    case 0x16: // MOVHPS, MOVLHPS
      requireSse();
      store<u64>(d, sourceXmm64(modrm, lin), 8);
      break;
    case 0x17: storeHalf(modrm, lin, 8); break; // MOVHPS
    case 0x28: moveIn(modrm, lin, true); break; // MOVAPS
    case 0x29: moveOut(modrm, lin, true); break;
    case 0x2a: { // CVTPI2PS
      const pair = mmxOrMemory(modrm, lin);
      begin();
      const r = pairToSingles(pair);
      settle();
      if (!isMemory(modrm)) enterMmx();
      store<u64>(d, r);
      break;
    }
    case 0x2b: // MOVNTPS
      if (!isMemory(modrm)) raise(UD);
      moveOut(modrm, lin, true);
      break;
    case 0x2c: case 0x2d: { // CVTTPS2PI, CVTPS2PI
      requireSseAndMmx();
      const pair = sourceXmm64(modrm, lin);
      begin();
      const r = pairOfSinglesToIntegers(pair, opcode == 0x2c);
      settle();
      enterMmx();
      setMm(reg(modrm), r);
      break;
    }
    case 0x2e: case 0x2f: { // UCOMISS, COMISS
      requireSse();
      const b = sourceXmm32(modrm, lin);
      begin();
      const order = order32(load<u32>(d), b, opcode == 0x2f);
      settle();
      commitOrder(order);
      break;
    }
    case 0x50: // MOVMSKPS
      if (isMemory(modrm)) raise(UD);
      requireSse();
      setGpr(reg(modrm), v128.bitmask<i32>(v128.load(xmm(modrm & 7))));
      break;
    case 0x52: case 0x53: // RSQRTPS, RCPPS
      requireSse();
      v128.store(d, estimatePacked(opcode, sourceXmm(modrm, lin)));
      break;
    case 0x54: case 0x55: case 0x56: case 0x57:
      requireSse();
      v128.store(d, logical(opcode, v128.load(d), sourceXmm(modrm, lin)));
      break;
    case 0x51: case 0x58: case 0x59: case 0x5c: case 0x5d: case 0x5e: case 0x5f: {
      requireSse();
      const b = sourceXmm(modrm, lin);
      begin();
      const r = packed32(opcode, v128.load(d), b);
      settle();
      v128.store(d, r);
      break;
    }
    case 0x5a: { // CVTPS2PD
      requireSse();
      const pair = sourceXmm64(modrm, lin);
      begin();
      const r = pairWidened(pair);
      settle();
      v128.store(d, r);
      break;
    }
    case 0x5b: { // CVTDQ2PS
      requireSse();
      const v = sourceXmm(modrm, lin);
      begin();
      const r = integersToSingles(v);
      settle();
      v128.store(d, r);
      break;
    }
    case 0x60: case 0x61: case 0x62: { // PUNPCKL*: the memory operand is 32 bits
      requireMmx();
      const s = isMemory(modrm) ? <u64>read32(lin) : mm(modrm & 7);
      setMmx(modrm, i64x2.extract_lane(packedInteger(opcode, false, low64(mm(reg(modrm))), low64(s)), 0));
      break;
    }
    case 0x6c: case 0x6d: case 0xd0: case 0xd6: case 0xe6: case 0xf0:
      raise(UD);
      break;
    case 0x6e: { // MOVD mm, r/m32
      requireMmx();
      const value = <u64>sourceGpr(modrm, lin);
      setMmx(modrm, value);
      break;
    }
    case 0x6f: { // MOVQ mm, mm/m64
      requireMmx();
      const value = sourceMm(modrm, lin);
      setMmx(modrm, value);
      break;
    }
    case 0x70: { // PSHUFW
      requireMmx();
      const words = sourceMm(modrm, lin);
      setMmx(modrm, shuffleWords(words, imm));
      break;
    }
    case 0x71: case 0x72: case 0x73: {
      const shift = isMemory(modrm) ? 0 : shiftOpcode(opcode, reg(modrm));
      if (shift == 0) raise(UD);
      requireMmx();
      const r = i64x2.extract_lane(shiftPacked(shift, low64(mm(modrm & 7)), imm), 0);
      enterMmx();
      setMm(modrm & 7, r);
      break;
    }
    case 0x77: // EMMS
      requireMmx();
      enterMmx();
      markEmpty();
      break;
    case 0x7e: // MOVD r/m32, mm
      requireMmx();
      if (isMemory(modrm)) write32(lin, <u32>mm(reg(modrm)));
      else setGpr(modrm & 7, <u32>mm(reg(modrm)));
      enterMmx();
      break;
    case 0x7f: // MOVQ mm/m64, mm
      requireMmx();
      if (isMemory(modrm)) write64(lin, mm(reg(modrm)));
      else setMm(modrm & 7, mm(reg(modrm)));
      enterMmx();
      break;
    case 0xc2: { // CMPPS
      requireSse();
      const b = sourceXmm(modrm, lin);
      begin();
      const r = comparePacked32(imm, v128.load(d), b);
      settle();
      v128.store(d, r);
      break;
    }
    case 0xc3: // MOVNTI
      if (!isMemory(modrm)) raise(UD);
      write32(lin, gpr(reg(modrm)));
      break;
    case 0xc4: { // PINSRW mm, r32/m16, imm8
      requireMmx();
      const word = <u64>(isMemory(modrm) ? read16(lin) : gpr(modrm & 7) & 0xffff);
      const shift = <u64>(imm & 3) << 4;
      setMmx(modrm, (mm(reg(modrm)) & ~(0xffff << shift)) | (word << shift));
      break;
    }
    case 0xc5: // PEXTRW r32, mm, imm8
      if (isMemory(modrm)) raise(UD);
      requireMmx();
      setGpr(reg(modrm), <u32>(mm(modrm & 7) >> (<u64>(imm & 3) << 4)) & 0xffff);
      enterMmx();
      break;
    case 0xc6: // SHUFPS
      requireSse();
      v128.store(d, shuffleSingles(v128.load(d), sourceXmm(modrm, lin), imm));
      break;
    case 0xd7: // PMOVMSKB
      if (isMemory(modrm)) raise(UD);
      requireMmx();
      setGpr(reg(modrm), signMask64(mm(modrm & 7)));
      enterMmx();
      break;
    case 0xe7: // MOVNTQ
      if (!isMemory(modrm)) raise(UD);
      requireMmx();
      write64(lin, mm(reg(modrm)));
      enterMmx();
      break;
    case 0xf7: // MASKMOVQ
      if (isMemory(modrm)) raise(UD);
      requireMmx();
      storeSelected(lin, low64(mm(reg(modrm))), signMask64(mm(modrm & 7)));
      enterMmx();
      break;
    default: {
      if (!isPackedInteger(opcode)) raise(UD);
      requireMmx();
      const s = sourceMm(modrm, lin);
      setMmx(modrm, i64x2.extract_lane(packedInteger(opcode, false, low64(mm(reg(modrm))), low64(s)), 0));
    }
  }
}

/** 66: packed double, and integers in XMM registers. */
function prefixed66(opcode: u32, modrm: u32, imm: u32, lin: u32): void {
  const d = xmm(reg(modrm));
  switch (opcode) {
    case 0x10: moveIn(modrm, lin, false); break; // MOVUPD
    case 0x11: moveOut(modrm, lin, false); break;
    case 0x12: // MOVLPD
      if (!isMemory(modrm)) raise(UD);
      requireSse();
      store<u64>(d, sourceXmm64(modrm, lin));
      break;
    case 0x13: storeHalf(modrm, lin, 0); break; // MOVLPD
    case 0x14: // UNPCKLPD
      requireSse();
      v128.store(d, v128.shuffle<i64>(v128.load(d), sourceXmm(modrm, lin), 0, 2));
      break;
    case 0x15: // UNPCKHPD
      requireSse();
      v128.store(d, v128.shuffle<i64>(v128.load(d), sourceXmm(modrm, lin), 1, 3));
      break;
    case 0x16: // MOVHPD
      if (!isMemory(modrm)) raise(UD);
      requireSse();
      store<u64>(d, sourceXmm64(modrm, lin), 8);
      break;
    case 0x17: storeHalf(modrm, lin, 8); break; // MOVHPD
    case 0x28: case 0x6f: moveIn(modrm, lin, true); break; // MOVAPD, MOVDQA
    case 0x29: case 0x7f: moveOut(modrm, lin, true); break;
    case 0x2a: { // CVTPI2PD
      const pair = mmxOrMemory(modrm, lin);
      if (!isMemory(modrm)) enterMmx();
      v128.store(d, pairToDoubles(pair));
      break;
    }
    case 0x2b: case 0xe7: // MOVNTPD, MOVNTDQ
      if (!isMemory(modrm)) raise(UD);
      moveOut(modrm, lin, true);
      break;
    case 0x2c: case 0x2d: { // CVTTPD2PI, CVTPD2PI
      requireSseAndMmx();
      const v = sourceXmm(modrm, lin);
      begin();
      const r = doublesToIntegers(v, opcode == 0x2c);
      settle();
      enterMmx();
      setMm(reg(modrm), r);
      break;
    }
    case 0x2e: case 0x2f: { // UCOMISD, COMISD
      requireSse();
      const b = sourceXmm64(modrm, lin);
      begin();
      const order = order64(load<u64>(d), b, opcode == 0x2f);
      settle();
      commitOrder(order);
      break;
    }
    case 0x50: // MOVMSKPD
      if (isMemory(modrm)) raise(UD);
      requireSse();
      setGpr(reg(modrm), v128.bitmask<i64>(v128.load(xmm(modrm & 7))));
      break;
    case 0x54: case 0x55: case 0x56: case 0x57:
      requireSse();
      v128.store(d, logical(opcode, v128.load(d), sourceXmm(modrm, lin)));
      break;
    case 0x51: case 0x58: case 0x59: case 0x5c: case 0x5d: case 0x5e: case 0x5f: {
      requireSse();
      const b = sourceXmm(modrm, lin);
      begin();
      const r = packed64(opcode, v128.load(d), b);
      settle();
      v128.store(d, r);
      break;
    }
    case 0x5a: { // CVTPD2PS
      requireSse();
      const v = sourceXmm(modrm, lin);
      begin();
      const r = pairNarrowed(v);
      settle();
      v128.store(d, low64(r));
      break;
    }
    case 0x5b: { // CVTPS2DQ
      requireSse();
      const v = sourceXmm(modrm, lin);
      begin();
      const r = singlesToIntegers(v, false);
      settle();
      v128.store(d, r);
      break;
    }
    case 0x6e: { // MOVD xmm, r/m32
      requireSse();
      const value = sourceGpr(modrm, lin);
      v128.store(d, low64(value));
      break;
    }
    case 0x70: { // PSHUFD
      requireSse();
      const s = sourceXmm(modrm, lin);
      v128.store(d, shuffleSingles(s, s, imm));
      break;
    }
    case 0x71: case 0x72: case 0x73: {
      const s = xmm(modrm & 7);
      const operation = reg(modrm);
      if (isMemory(modrm)) raise(UD);
      if (opcode == 0x73 && (operation & 3) == 3) { // PSRLDQ, PSLLDQ
        requireSse();
        v128.store(s, shiftBytes(v128.load(s), imm, operation == 7));
        break;
      }
      const shift = shiftOpcode(opcode, operation);
      if (shift == 0) raise(UD);
      requireSse();
      v128.store(s, shiftPacked(shift, v128.load(s), imm));
      break;
    }
    case 0x7e: // MOVD r/m32, xmm
      requireSse();
      if (isMemory(modrm)) write32(lin, load<u32>(d));
      else setGpr(modrm & 7, load<u32>(d));
      break;
    case 0xc2: { // CMPPD
      requireSse();
      const b = sourceXmm(modrm, lin);
      begin();
      const r = comparePacked64(imm, v128.load(d), b);
      settle();
      v128.store(d, r);
      break;
    }
    case 0xc4: { // PINSRW xmm, r32/m16, imm8
      requireSse();
      const word = isMemory(modrm) ? read16(lin) : gpr(modrm & 7);
      store<u16>(d + ((imm & 7) << 1), <u16>word);
      break;
    }
    case 0xc5: // PEXTRW r32, xmm, imm8
      if (isMemory(modrm)) raise(UD);
      requireSse();
      setGpr(reg(modrm), load<u16>(xmm(modrm & 7) + ((imm & 7) << 1)));
      break;
    case 0xc6: { // SHUFPD
      requireSse();
      const s = sourceXmm(modrm, lin);
      const low = (imm & 1) != 0 ? load<u64>(d, 8) : load<u64>(d);
      const high = (imm & 2) != 0 ? i64x2.extract_lane(s, 1) : i64x2.extract_lane(s, 0);
      v128.store(d, i64x2.replace_lane(i64x2.splat(low), 1, high));
      break;
    }
    case 0xd6: // MOVQ xmm/m64, xmm
      requireSse();
      if (isMemory(modrm)) write64(lin, load<u64>(d));
      else v128.store(xmm(modrm & 7), low64(load<u64>(d)));
      break;
    case 0xd7: // PMOVMSKB
      if (isMemory(modrm)) raise(UD);
      requireSse();
      setGpr(reg(modrm), v128.bitmask<i8>(v128.load(xmm(modrm & 7))));
      break;
    case 0xe6: convertDoubles(modrm, lin, true); break; // CVTTPD2DQ
    case 0xf7: // MASKMOVDQU
      if (isMemory(modrm)) raise(UD);
      requireSse();
      storeSelected(lin, v128.load(d), v128.bitmask<i8>(v128.load(xmm(modrm & 7))));
      break;
    default: {
      if (!isPackedInteger(opcode)) raise(UD);
      requireSse();
      const s = sourceXmm(modrm, lin);
      v128.store(d, packedInteger(opcode, true, v128.load(d), s));
    }
  }
}

/** F3: scalar single. */
function prefixedF3(opcode: u32, modrm: u32, imm: u32, lin: u32): void {
  const d = xmm(reg(modrm));
  if (opcode != 0xd6) requireSse();
  switch (opcode) {
    case 0x10: // MOVSS xmm, xmm/m32: from memory the rest is cleared
      if (isMemory(modrm)) v128.store(d, low64(read32(lin)));
      else store<u32>(d, load<u32>(xmm(modrm & 7)));
      break;
    case 0x11:
      if (isMemory(modrm)) write32(lin, load<u32>(d));
      else store<u32>(xmm(modrm & 7), load<u32>(d));
      break;
    case 0x2a: { // CVTSI2SS
      const value = sourceGpr(modrm, lin);
      begin();
      const r = fromInteger(value);
      settle();
      store<u32>(d, r);
      break;
    }
    case 0x2c: case 0x2d: { // CVTTSS2SI, CVTSS2SI
      const x = sourceXmm32(modrm, lin);
      begin();
      const r = singleToInteger(x, opcode == 0x2c);
      settle();
      setGpr(reg(modrm), r);
      break;
    }
    case 0x52: case 0x53: // RSQRTSS, RCPSS
      store<u32>(d, estimate(opcode, sourceXmm32(modrm, lin)));
      break;
    case 0x51: case 0x58: case 0x59: case 0x5c: case 0x5d: case 0x5e: case 0x5f: {
      const b = sourceXmm32(modrm, lin);
      begin();
      const r = scalar32(opcode, load<u32>(d), b);
      settle();
      store<u32>(d, r);
      break;
    }
    case 0x5a: { // CVTSS2SD
      const x = sourceXmm32(modrm, lin);
      begin();
      const r = widen(x);
      settle();
      store<u64>(d, r);
      break;
    }
    case 0x5b: { // CVTTPS2DQ
      const v = sourceXmm(modrm, lin);
      begin();
      const r = singlesToIntegers(v, true);
      settle();
      v128.store(d, r);
      break;
    }
    case 0x6f: moveIn(modrm, lin, false); break; // MOVDQU
    case 0x7f: moveOut(modrm, lin, false); break;
    case 0x70: { // PSHUFHW
      const s = sourceXmm(modrm, lin);
      v128.store(d, i64x2.replace_lane(s, 1, shuffleWords(i64x2.extract_lane(s, 1), imm)));
      break;
    }
    case 0x7e: // MOVQ xmm, xmm/m64
      v128.store(d, low64(sourceXmm64(modrm, lin)));
      break;
    case 0xc2: { // CMPSS
      const b = sourceXmm32(modrm, lin);
      begin();
      const r = compare32(imm, load<u32>(d), b);
      settle();
      store<u32>(d, r);
      break;
    }
    case 0xd6: // MOVQ2DQ
      if (isMemory(modrm)) raise(UD);
      requireSseAndMmx();
      v128.store(d, low64(mm(modrm & 7)));
      enterMmx();
      break;
    case 0xe6: { // CVTDQ2PD
      const pair = sourceXmm64(modrm, lin);
      v128.store(d, pairToDoubles(pair));
      break;
    }
    default:
      raise(UD);
  }
}

/** F2: scalar double. */
function prefixedF2(opcode: u32, modrm: u32, imm: u32, lin: u32): void {
  const d = xmm(reg(modrm));
  if (opcode != 0xd6) requireSse();
  switch (opcode) {
    case 0x10: // MOVSD xmm, xmm/m64
      if (isMemory(modrm)) v128.store(d, low64(sourceXmm64(modrm, lin)));
      else store<u64>(d, load<u64>(xmm(modrm & 7)));
      break;
    case 0x11:
      if (isMemory(modrm)) write64(lin, load<u64>(d));
      else store<u64>(xmm(modrm & 7), load<u64>(d));
      break;
    case 0x2a: { // CVTSI2SD: exact
      const value = sourceGpr(modrm, lin);
      store<f64>(d, <f64><i32>value);
      break;
    }
    case 0x2c: case 0x2d: { // CVTTSD2SI, CVTSD2SI
      const x = sourceXmm64(modrm, lin);
      begin();
      const r = doubleToInteger(x, opcode == 0x2c);
      settle();
      setGpr(reg(modrm), r);
      break;
    }
    case 0x51: case 0x58: case 0x59: case 0x5c: case 0x5d: case 0x5e: case 0x5f: {
      const b = sourceXmm64(modrm, lin);
      begin();
      const r = scalar64(opcode, load<u64>(d), b);
      settle();
      store<u64>(d, r);
      break;
    }
    case 0x5a: { // CVTSD2SS
      const x = sourceXmm64(modrm, lin);
      begin();
      const r = narrowed(x);
      settle();
      store<u32>(d, r);
      break;
    }
    case 0x70: { // PSHUFLW
      const s = sourceXmm(modrm, lin);
      v128.store(d, i64x2.replace_lane(s, 0, shuffleWords(i64x2.extract_lane(s, 0), imm)));
      break;
    }
    case 0xc2: { // CMPSD
      const b = sourceXmm64(modrm, lin);
      begin();
      const r = compare64(imm, load<u64>(d), b);
      settle();
      store<u64>(d, r);
      break;
    }
    case 0xd6: // MOVDQ2Q
      if (isMemory(modrm)) raise(UD);
      requireSseAndMmx();
      setMmx(modrm, load<u64>(xmm(modrm & 7)));
      break;
    case 0xe6: convertDoubles(modrm, lin, false); break; // CVTPD2DQ
    default:
      raise(UD);
  }
}

function isPackedInteger(opcode: u32): bool {
  return (opcode >= 0x60 && opcode <= 0x6d) || (opcode >= 0x74 && opcode <= 0x76) || (opcode > 0xd0 && opcode < 0xff);
}

/** Commits an MMX result. Its operands have been read: nothing can fault any more. */
function setMmx(modrm: u32, value: u64): void {
  enterMmx();
  setMm(reg(modrm), value);
}

function markEmpty(): void {
  store<u32>(CPU_BLOCK, 0xff, FPU_EMPTY);
}

function moveIn(modrm: u32, lin: u32, aligned: bool): void {
  requireSse();
  const value = aligned || !isMemory(modrm) ? sourceXmm(modrm, lin) : readUnaligned128(lin);
  v128.store(xmm(reg(modrm)), value);
}

function moveOut(modrm: u32, lin: u32, aligned: bool): void {
  requireSse();
  const value = v128.load(xmm(reg(modrm)));
  if (!isMemory(modrm)) v128.store(xmm(modrm & 7), value);
  else if (aligned) write128(lin, value);
  else writeUnaligned128(lin, value);
}

/** MOVLPS, MOVHPS and their double twins, to memory only. */
function storeHalf(modrm: u32, lin: u32, offset: usize): void {
  if (!isMemory(modrm)) raise(UD);
  requireSse();
  write64(lin, load<u64>(xmm(reg(modrm)) + offset));
}

/** The source of CVTPI2PS and CVTPI2PD. From memory the x87 state is not touched. */
function mmxOrMemory(modrm: u32, lin: u32): u64 {
  if (isMemory(modrm)) {
    requireSse();
    return sourceXmm64(modrm, lin);
  }
  requireSseAndMmx();
  return mm(modrm & 7);
}

function convertDoubles(modrm: u32, lin: u32, truncate: bool): void {
  requireSse();
  const v = sourceXmm(modrm, lin);
  begin();
  const r = doublesToIntegers(v, truncate);
  settle();
  v128.store(xmm(reg(modrm)), low64(r));
}

const lanes = memory.data(32, 16);

/** SHUFPS, PSHUFD: two dwords of `d`, two of `s`. */
function shuffleSingles(d: v128, s: v128, selector: u32): v128 {
  v128.store(lanes, d);
  v128.store(lanes, s, 16);
  const a = load<u32>(lanes + ((selector & 3) << 2));
  const b = load<u32>(lanes + ((selector & 12)));
  const c = load<u32>(lanes + ((selector >> 2) & 12), 16);
  const e = load<u32>(lanes + ((selector >> 4) & 12), 16);
  return i32x4.replace_lane(i32x4.replace_lane(i32x4.replace_lane(i32x4.splat(a), 1, b), 2, c), 3, e);
}

/** MASKMOVQ, MASKMOVDQU: writes the bytes whose mask bit is set; the others are not accessed. */
function storeSelected(lin: u32, value: v128, mask: u32): void {
  if (mask == 0) return;
  const first: u32 = ctz(mask);
  const last: u32 = 31 - clz(mask);
  probeWrite(lin + first, 1);
  probeWrite(lin + last, 1);
  v128.store(lanes, value);
  for (let i = first; i <= last; i++) if (((mask >> i) & 1) != 0) write8(lin + i, load<u8>(lanes + i));
}
