// Exact single and double arithmetic with MXCSR's rounding, tininess and flags (Intel SDM vol. 1 ch. 4.8-4.9, 11.5, app. E).
// The slow path: the callers compute natively whenever no flag but an already sticky PE can come out.
import { CPU_BLOCK } from '../memory/layout';
import { CR4, MXCSR } from '../cpu/block';
import { raise } from '../cpu/fault.as';

export const IE: u32 = 1;
export const DE: u32 = 2;
export const ZE: u32 = 4;
export const OE: u32 = 8;
export const UE: u32 = 16;
export const PE: u32 = 32;
const BEFORE: u32 = IE | DE | ZE;
const DAZ: u32 = 1 << 6;
const FTZ: u32 = 1 << 15;
const CR4_OSXMMEXCPT: u32 = 1 << 10;
const XM: u32 = 19;

/** What the running instruction has raised so far; begin() clears it, settle() commits it. */
let raised: u32 = 0;
let control: u32 = 0;

@inline
export function begin(): void {
  raised = 0;
  control = load<u32>(CPU_BLOCK, MXCSR);
}

@inline
export function flag(bits: u32): void {
  raised |= bits;
}

@inline
export function rounding(): u32 {
  return (control >> 13) & 3;
}

@inline
export function denormalsAreZero(): bool {
  return (control & DAZ) != 0;
}

/** Rounding to nearest, and PE sticky and masked: a normal result of normal operands changes nothing in MXCSR. */
@inline
export function nativeAllowed(): bool {
  return (control & 0x7020) == 0x1020;
}

/** Makes flags sticky and raises what is unmasked. Must come before the destination is written. */
@inline
export function settle(): void {
  if (raised != 0) settleFlags();
}

function settleFlags(): void {
  const enabled = ~(control >> 7) & 0x3f;
  // An unmasked exception that is found before computing stops all elements (SDM vol. 1 11.5.3).
  if ((raised & enabled & BEFORE) != 0) raised &= BEFORE;
  store<u32>(CPU_BLOCK, control | raised, MXCSR);
  if ((raised & enabled) != 0) raise((load<u32>(CPU_BLOCK, CR4) & CR4_OSXMMEXCPT) != 0 ? XM : 6);
}

@inline
export function isNan32(x: u32): bool {
  return (x & 0x7fff_ffff) > 0x7f80_0000;
}
@inline
export function isSignaling32(x: u32): bool {
  return (x & 0x7fc0_0000) == 0x7f80_0000 && (x & 0x3f_ffff) != 0;
}
@inline
export function isDenormal32(x: u32): bool {
  return (x & 0x7fff_ffff) - 1 < 0x7f_ffff;
}
@inline
export function isNan64(x: u64): bool {
  return (x & 0x7fff_ffff_ffff_ffff) > 0x7ff0_0000_0000_0000;
}
@inline
export function isSignaling64(x: u64): bool {
  return (x & 0x7ff8_0000_0000_0000) == 0x7ff0_0000_0000_0000 && (x & 0x7_ffff_ffff_ffff) != 0;
}
@inline
export function isDenormal64(x: u64): bool {
  return (x & 0x7fff_ffff_ffff_ffff) - 1 < 0xf_ffff_ffff_ffff;
}

export const NAN32: u32 = 0xffc0_0000;
export const NAN64: u64 = 0xfff8_0000_0000_0000;
const INF: u64 = 0x7ff0_0000_0000_0000;
const ABS: u64 = 0x7fff_ffff_ffff_ffff;

/** Operations by the second opcode byte. */
export const SQRT: u32 = 0x51;
export const ADD: u32 = 0x58;
export const MUL: u32 = 0x59;
export const SUB: u32 = 0x5c;
export const DIV: u32 = 0x5e;

/** One operation on single operands; for SQRT `b` is the operand and `a` is not looked at. */
export function arithmetic32(op: u32, a: u32, b: u32): u32 {
  if (op == SQRT) a = b;
  if (denormalsAreZero()) {
    if (isDenormal32(a)) a &= 0x8000_0000;
    if (isDenormal32(b)) b &= 0x8000_0000;
  }
  if (isNan32(a) || isNan32(b)) {
    if (isSignaling32(a) || isSignaling32(b)) raised |= IE;
    return (isNan32(a) ? a : b) | 0x40_0000;
  }
  const denormal = isDenormal32(a) || isDenormal32(b);
  return <u32>compute(op, reinterpret<u64>(<f64>reinterpret<f32>(a)), reinterpret<u64>(<f64>reinterpret<f32>(b)), denormal, true);
}

export function arithmetic64(op: u32, a: u64, b: u64): u64 {
  if (op == SQRT) a = b;
  if (denormalsAreZero()) {
    if (isDenormal64(a)) a &= ~ABS;
    if (isDenormal64(b)) b &= ~ABS;
  }
  if (isNan64(a) || isNan64(b)) {
    if (isSignaling64(a) || isSignaling64(b)) raised |= IE;
    return (isNan64(a) ? a : b) | 0x8_0000_0000_0000;
  }
  return compute(op, a, b, isDenormal64(a) || isDenormal64(b), false);
}

/** CVTSD2SS. */
export function narrow(x: u64): u32 {
  if (isNan64(x)) {
    if (isSignaling64(x)) raised |= IE;
    return (<u32>(x >> 63) << 31) | 0x7fc0_0000 | (<u32>(x >> 29) & 0x3f_ffff);
  }
  const sign = <u32>(x >> 63);
  if (isDenormal64(x)) {
    if (denormalsAreZero()) return sign << 31;
    raised |= DE;
  }
  if ((x & ABS) == 0) return sign << 31;
  if ((x & ABS) == INF) return (sign << 31) | 0x7f80_0000;
  unpack(x);
  return <u32>roundPack(sign, exponent, significand, true);
}

/** An integer's magnitude to single (the conversions to double are exact for 32-bit integers). */
export function integerToSingle(sign: u32, magnitude: u64): u32 {
  if (magnitude == 0) return 0;
  const shift = clz(magnitude);
  return <u32>roundPack(sign, 63 - <i32>shift, magnitude << shift, true);
}

/** unpack()'s results: value = ±significand × 2^(exponent - 63), bit 63 of the significand set. */
let exponent: i32 = 0;
let significand: u64 = 0;

function unpack(x: u64): void {
  const biased = <i32>((x >> 52) & 0x7ff);
  const fraction = x & 0xf_ffff_ffff_ffff;
  if (biased != 0) {
    exponent = biased - 1023;
    significand = (fraction | 0x10_0000_0000_0000) << 11;
  } else {
    const shift = clz(fraction);
    exponent = -1011 - <i32>shift;
    significand = fraction << shift;
  }
}

function special(bits: u64, single: bool): u64 {
  if (!single) return bits;
  return ((bits >> 63) << 31) | (bits << 1 == 0 ? 0 : bits == NAN64 ? 0x7fc0_0000 : 0x7f80_0000);
}

/** Neither operand is a NaN; both are doubles (a single widens exactly). */
function compute(op: u32, a: u64, b: u64, denormal: bool, single: bool): u64 {
  if (op == SUB) b ^= ~ABS;
  const signA = a >> 63;
  const signB = b >> 63;
  const absA = a & ABS;
  const absB = b & ABS;
  const sign = op == MUL || op == DIV ? signA ^ signB : signA;
  const signBit = sign << 63;
  // Infinities, zeros and the invalid cases.
  switch (op) {
    case SQRT:
      if (absA == 0) return special(a, single);
      if (signA != 0) return invalid(single);
      if (absA == INF) return special(a, single);
      break;
    case MUL:
      if (absA == INF || absB == INF) {
        if (absA == 0 || absB == 0) return invalid(single);
        if (denormal) raised |= DE;
        return special(signBit | INF, single);
      }
      if (absA == 0 || absB == 0) {
        if (denormal) raised |= DE;
        return special(signBit, single);
      }
      break;
    case DIV:
      if ((absA == INF && absB == INF) || (absA == 0 && absB == 0)) return invalid(single);
      if (absA == INF || absB == 0) {
        if (absA == INF) { if (denormal) raised |= DE; } else raised |= ZE;
        return special(signBit | INF, single);
      }
      if (absA == 0 || absB == INF) {
        if (denormal) raised |= DE;
        return special(signBit, single);
      }
      break;
    default: // ADD, SUB
      if (absA == INF || absB == INF) {
        if (absA == absB && signA != signB) return invalid(single);
        if (denormal) raised |= DE;
        return special(absA == INF ? a : b, single);
      }
      if (absA == 0 && absB == 0) return special(signA == signB ? a : exactZero(), single);
  }
  if (denormal) raised |= DE;
  switch (op) {
    case SQRT: return squareRoot(absA, single);
    case MUL: return multiply(<u32>sign, absA, absB, single);
    case DIV: return divide(<u32>sign, absA, absB, single);
  }
  return add(<u32>signA, absA, <u32>signB, absB, single);
}

function invalid(single: bool): u64 {
  raised |= IE;
  return single ? <u64>NAN32 : NAN64;
}

/** x - x is +0, but -0 when rounding down. */
function exactZero(): u64 {
  return rounding() == 1 ? ~ABS : 0;
}

function add(signA: u32, a: u64, signB: u32, b: u64, single: bool): u64 {
  if (a < b) {
    let swap = <u64>signA;
    signA = signB;
    signB = <u32>swap;
    swap = a;
    a = b;
    b = swap;
  }
  unpack(a);
  let exp = exponent;
  let sum = significand;
  if (b != 0) {
    unpack(b);
    // Operands have at least 11 zero bits below: one bit of room above costs nothing.
    const other = shiftRightJam(significand >> 1, exp - exponent);
    sum = signA == signB ? (sum >> 1) + other : (sum >> 1) - other;
    if (sum == 0) return single ? exactZero() >> 32 : exactZero();
    const shift = <i32>clz(sum);
    sum <<= shift;
    exp += 1 - shift;
  }
  return roundPack(signA, exp, sum, single);
}

function multiply(sign: u32, a: u64, b: u64, single: bool): u64 {
  unpack(a);
  let exp = exponent;
  const x = significand;
  unpack(b);
  exp += exponent + 1;
  const y = significand;
  const mid = (x & 0xffff_ffff) * (y >> 32) + (((x & 0xffff_ffff) * (y & 0xffff_ffff)) >> 32);
  const mid2 = (x >> 32) * (y & 0xffff_ffff) + (mid & 0xffff_ffff);
  let high = (x >> 32) * (y >> 32) + (mid >> 32) + (mid2 >> 32);
  const low = x * y;
  if (<i64>high >= 0) {
    high = (high << 1) | (low >> 63);
    exp--;
    return roundPack(sign, exp, high | <u64>(low << 1 != 0), single);
  }
  return roundPack(sign, exp, high | <u64>(low != 0), single);
}

function divide(sign: u32, a: u64, b: u64, single: bool): u64 {
  unpack(a);
  let exp = exponent;
  let rest = significand;
  unpack(b);
  exp -= exponent;
  const divisor = significand;
  if (rest < divisor) {
    exp--;
    rest = (rest << 1) - divisor;
  } else rest -= divisor;
  let quotient: u64 = 1;
  for (let i = 0; i < 63; i++) {
    const carry = <i64>rest < 0;
    rest <<= 1;
    quotient <<= 1;
    if (carry || rest >= divisor) {
      rest -= divisor;
      quotient |= 1;
    }
  }
  return roundPack(sign, exp, quotient | <u64>(rest != 0), single);
}

/** Digit by digit, two bits of the radicand a step; 60 digits and a sticky bit. */
function squareRoot(a: u64, single: bool): u64 {
  unpack(a);
  let radicand = (exponent & 1) != 0 ? significand : significand >> 1;
  let root: u64 = 0;
  let rest: u64 = 0;
  for (let i = 0; i < 60; i++) {
    rest = (rest << 2) | (radicand >> 62);
    radicand <<= 2;
    const trial = (root << 2) | 1;
    root <<= 1;
    if (rest >= trial) {
      rest -= trial;
      root |= 1;
    }
  }
  return roundPack(0, exponent >> 1, (root << 4) | <u64>(rest != 0), single);
}

function shiftRightJam(x: u64, n: i32): u64 {
  if (n == 0) return x;
  return n > 63 ? <u64>(x != 0) : (x >> n) | <u64>(x << (64 - n) != 0);
}

function roundsUp(sign: u32, quotient: u64, rest: u64, half: u64): bool {
  switch (rounding()) {
    case 0: return rest > half || (rest == half && (quotient & 1) != 0);
    case 1: return sign != 0 && rest != 0;
    case 2: return sign == 0 && rest != 0;
  }
  return false;
}

/** Rounds ±sig × 2^(exp - 63), bit 63 of `sig` set and its bit 0 sticky, to the format. */
function roundPack(sign: u32, exp: i32, sig: u64, single: bool): u64 {
  const precision = single ? 24 : 53;
  const drop = 64 - precision;
  const maxExp = single ? 127 : 1023;
  const minExp = 1 - maxExp;
  const half: u64 = 1 << <u64>(drop - 1);
  const mask = (half << 1) - 1;
  const signBit = <u64>sign << (single ? 31 : 63);
  const infinity: u64 = single ? 0x7f80_0000 : INF;

  // As if the exponent were unbounded: x86 decides tininess after rounding.
  let rest = sig & mask;
  let rounded = sig >> drop;
  if (roundsUp(sign, rounded, rest, half)) rounded++;
  let finalExp = exp;
  if (rounded >> precision != 0) {
    rounded >>= 1;
    finalExp++;
  }
  if (finalExp > maxExp) {
    const masked = (control & (OE << 7)) != 0;
    raised |= OE | (masked || rest != 0 ? PE : 0);
    const mode = rounding();
    return signBit | (mode == 0 || mode == (sign != 0 ? 1 : 2) ? infinity : infinity - 1);
  }
  if (finalExp >= minExp) {
    if (rest != 0) raised |= PE;
    return signBit | ((<u64>(finalExp + maxExp) << (precision - 1)) + (rounded & ~(<u64>1 << (precision - 1))));
  }
  if ((control & (UE << 7)) == 0) {
    raised |= UE | (rest != 0 ? PE : 0);
    return signBit;
  }
  if ((control & FTZ) != 0) {
    raised |= UE | PE;
    return signBit;
  }
  sig = shiftRightJam(sig, minExp - exp);
  rest = sig & mask;
  rounded = sig >> drop;
  if (roundsUp(sign, rounded, rest, half)) rounded++;
  if (rest != 0) raised |= UE | PE;
  return signBit | rounded;
}
