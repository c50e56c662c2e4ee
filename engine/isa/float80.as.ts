/**
 * 80-bit floating point, the double extended format (IEEE 754-1985; Intel SDM volume 1, 4.2.2, 4.8, 8.4 and 8.5).
 *
 *    79 78            64 63 62                      0
 *   ┌──┬────────────────┬──┬─────────────────────────┐
 *   │s │ exponent + 3fff│ j│ fraction                │      a value travels as (sig: u64 bits 0-63, se: u32 bits 64-79)
 *   └──┴────────────────┴──┴─────────────────────────┘
 *
 * WebAssembly functions here return one value, so results go to resultSig/resultSe and the exceptions of the instruction gather in
 * `raised`, laid out as in the status word (C1 = the significand was rounded away from zero). Nothing here touches the CPU block but
 * to read the control word.
 */
import { CPU_BLOCK } from '../memory/layout';
import { FPU_CW } from '../cpu/block';

export const IE: u32 = 0x01;
export const DE: u32 = 0x02;
export const ZE: u32 = 0x04;
export const OE: u32 = 0x08;
export const UE: u32 = 0x10;
export const PE: u32 = 0x20;
export const SF: u32 = 0x40;
export const ES: u32 = 0x80;
export const C0: u32 = 0x100;
export const C1: u32 = 0x200;
export const C2: u32 = 0x400;
export const C3: u32 = 0x4000;
export const BUSY: u32 = 0x8000;

export const TOP_BIT: u64 = 0x8000_0000_0000_0000;
export const QUIET_BIT: u64 = 0x4000_0000_0000_0000;
export const SIGN: u32 = 0x8000;
export const MAX_EXP: i32 = 0x7fff;
export const BIAS: i32 = 0x3fff;
/** Unmasked overflow and underflow move the exponent by this much (SDM 1, 8.5.4 and 8.5.5). */
export const WRAP: i32 = 0x6000;

export const RC_NEAREST: u32 = 0;
export const RC_DOWN: u32 = 1;
export const RC_UP: u32 = 2;
export const RC_ZERO: u32 = 3;
/** Control word bits: precision 64 bits, round to nearest. */
export const EXTENDED_NEAREST: u32 = 0x300;

export let resultSig: u64 = 0;
export let resultSe: u32 = 0;
export let raised: u32 = 0;

@inline export function setResult(sig: u64, se: u32): void {
  resultSig = sig;
  resultSe = se;
}
@inline export function setRaised(flags: u32): void {
  raised = flags;
}
@inline export function raise80(flags: u32): void {
  raised |= flags;
}
@inline export function controlWord(): u32 {
  return load<u32>(CPU_BLOCK + FPU_CW);
}
@inline export function roundingOf(cw: u32): u32 {
  return (cw >> 10) & 3;
}
export function defaultNaN(): void {
  setResult(0xc000_0000_0000_0000, 0xffff);
}
export function invalid(): void {
  raised |= IE;
  defaultNaN();
}

@inline export function exponentOf(se: u32): i32 {
  return <i32>(se & 0x7fff);
}
/** Neither zero, denormal, infinity, NaN nor an unsupported encoding. */
@inline export function isNormal(sig: u64, se: u32): bool {
  return <i64>sig < 0 && <u32>((se & 0x7fff) - 1) < 0x7ffe;
}
/** Pseudo-infinity, pseudo-NaN, unnormal: invalid operands (SDM 1, table 8-3). */
@inline export function isUnsupported(sig: u64, se: u32): bool {
  return (se & 0x7fff) != 0 && <i64>sig >= 0;
}
@inline export function isNaN80(sig: u64, se: u32): bool {
  return (se & 0x7fff) == 0x7fff && sig << 1 != 0;
}
@inline export function isSignaling(sig: u64, se: u32): bool {
  return isNaN80(sig, se) && (sig & QUIET_BIT) == 0;
}
@inline export function isInfinity(sig: u64, se: u32): bool {
  return (se & 0x7fff) == 0x7fff && sig == TOP_BIT;
}
@inline export function isZero(sig: u64, se: u32): bool {
  return sig == 0 && (se & 0x7fff) == 0;
}
/** Denormals and pseudo-denormals. */
@inline export function isDenormal(sig: u64, se: u32): bool {
  return (se & 0x7fff) == 0 && sig != 0;
}
/** The exponent a finite nonzero number has once its significand is shifted left by clz(sig). */
@inline export function normalExponent(sig: u64, se: u32): i32 {
  const exp = exponentOf(se);
  return (exp == 0 ? 1 : exp) - <i32>clz(sig);
}

/** One operand that may be NaN or unsupported: gives the result (quieted) and true. */
export function special1(sig: u64, se: u32): bool {
  if (isUnsupported(sig, se)) {
    invalid();
    return true;
  }
  if (!isNaN80(sig, se)) return false;
  if ((sig & QUIET_BIT) == 0) raised |= IE;
  setResult(sig | QUIET_BIT, se);
  return true;
}

/** Two operands of which one may be NaN or unsupported: the result by SDM 1, table 4-7, and true. */
export function special2(aSig: u64, aSe: u32, bSig: u64, bSe: u32): bool {
  if (isUnsupported(aSig, aSe) || isUnsupported(bSig, bSe)) {
    invalid();
    return true;
  }
  const aNaN = isNaN80(aSig, aSe);
  const bNaN = isNaN80(bSig, bSe);
  if (!aNaN && !bNaN) return false;
  const aSignals = aNaN && (aSig & QUIET_BIT) == 0;
  const bSignals = bNaN && (bSig & QUIET_BIT) == 0;
  if (aSignals || bSignals) raised |= IE;
  let takeA = aNaN;
  if (aNaN && bNaN) {
    if (aSignals != bSignals) takeA = bSignals; // the quiet one
    else takeA = aSig > bSig || (aSig == bSig && (aSe & SIGN) == 0); // the larger significand
  }
  if (takeA) setResult(aSig | QUIET_BIT, aSe);
  else setResult(bSig | QUIET_BIT, bSe);
  return true;
}

export let productLow: u64 = 0;
/** High half of the 128-bit product; the low half is left in productLow. */
@inline export function multiplyHigh(a: u64, b: u64): u64 {
  const aLow = a & 0xffff_ffff;
  const aHigh = a >> 32;
  const bLow = b & 0xffff_ffff;
  const bHigh = b >> 32;
  const low = aLow * bLow;
  const middle = aHigh * bLow + (low >> 32);
  const middle2 = aLow * bHigh + (middle & 0xffff_ffff);
  productLow = (middle2 << 32) | (low & 0xffff_ffff);
  return aHigh * bHigh + (middle >> 32) + (middle2 >> 32);
}

/** (high:low) >> n with the bits shifted out gathered in bit 0. Gives the low half; the high half is high >> n by the caller's choice of n. */
@inline export function shiftRightJamLow(high: u64, low: u64, n: u32): u64 {
  if (n == 0) return low;
  if (n < 64) return (high << (64 - n)) | (low >> n) | <u64>(low << (64 - n) != 0);
  if (n == 64) return high | <u64>(low != 0);
  if (n < 128) return (high >> (n - 64)) | <u64>(high << (128 - n) != 0 || low != 0);
  return <u64>((high | low) != 0);
}
@inline export function shiftRightHigh(high: u64, n: u32): u64 {
  return n < 64 ? high >> n : 0;
}

/** Whether a magnitude whose discarded part, as a 64-bit fraction of the last place, is `extra` goes up. */
@inline export function roundsUp(rc: u32, negative: bool, odd: bool, extra: u64): bool {
  if (extra == 0) return false;
  if (rc == RC_NEAREST) return extra > TOP_BIT || (extra == TOP_BIT && odd);
  if (rc == RC_ZERO) return false;
  return (rc == RC_UP) != negative;
}

/**
 * Rounds the normalized number ±sig.extra × 2^(exp − bias) as the control word says and leaves it in the result.
 * `sign` is 0 or SIGN; exp may be out of range either way.
 */
@inline export function roundPack(sign: u32, exp: i32, sig: u64, extra: u64): void {
  const cw = controlWord();
  if ((cw & 0xf00) == EXTENDED_NEAREST && <u32>(exp - 1) < 0x7ffd) {
    if (extra != 0) {
      raised |= PE;
      if (extra > TOP_BIT || (extra == TOP_BIT && (sig & 1) != 0)) {
        raised |= C1;
        sig++;
        if (sig == 0) {
          sig = TOP_BIT;
          exp++;
        }
      }
    }
    setResult(sig, sign | <u32>exp);
  } else roundPackBy(cw, sign, exp, sig, extra);
}

@inline function discardedBits(cw: u32): u32 {
  const precision = (cw >> 8) & 3;
  return precision == 3 ? 0 : precision == 2 ? 11 : precision == 0 ? 40 : 0;
}

export function roundPackBy(cw: u32, sign: u32, exp: i32, sig: u64, extra: u64): void {
  const rc = roundingOf(cw);
  const negative = sign != 0;
  const drop = discardedBits(cw);
  const unit: u64 = 1 << drop;
  // The part below the last place, as a fraction of it.
  const below = drop == 0 ? extra : (sig << (64 - drop)) | <u64>(extra != 0);
  const kept = sig & ~(unit - 1);
  const up = roundsUp(rc, negative, (kept & unit) != 0, below);
  let rounded = kept;
  let roundedExp = exp;
  if (up) {
    rounded += unit;
    if (rounded == 0) {
      rounded = TOP_BIT;
      roundedExp++;
    }
  }
  if (roundedExp >= MAX_EXP) {
    overflow(cw, sign, roundedExp, rounded, below != 0, up, ~(unit - 1));
    return;
  }
  if (roundedExp <= 0) {
    if ((cw & UE) == 0) {
      raised |= UE;
      if (below != 0) raised |= PE;
      if (up) raised |= C1;
      wrapUp(sign, roundedExp, rounded);
    } else denormalize(rc, sign, exp, sig, extra, drop);
    return;
  }
  if (below != 0) {
    raised |= PE;
    if (up) raised |= C1;
  }
  setResult(rounded, sign | <u32>roundedExp);
}

function overflow(cw: u32, sign: u32, exp: i32, rounded: u64, inexact: bool, up: bool, largest: u64): void {
  raised |= OE;
  if ((cw & OE) == 0) {
    exp -= WRAP;
    if (exp < MAX_EXP) {
      if (inexact) raised |= PE;
      if (up) raised |= C1;
      setResult(rounded, sign | <u32>exp);
    } else { // only FSCALE gets that far
      raised |= PE | C1;
      setResult(TOP_BIT, sign | 0x7fff);
    }
    return;
  }
  raised |= PE;
  const rc = roundingOf(cw);
  if (rc == RC_NEAREST || (rc == RC_UP && sign == 0) || (rc == RC_DOWN && sign != 0)) {
    raised |= C1;
    setResult(TOP_BIT, sign | 0x7fff);
  } else setResult(largest, sign | 0x7ffe);
}

function wrapUp(sign: u32, exp: i32, rounded: u64): void {
  exp += WRAP;
  if (exp <= 0) { // only FSCALE gets that far
    raised |= PE;
    setResult(0, sign);
  } else setResult(rounded, sign | <u32>exp);
}

/** The masked response to underflow: a denormal, rounded once at its own last place. */
function denormalize(rc: u32, sign: u32, exp: i32, sig: u64, extra: u64, drop: u32): void {
  const shift = <u32>min(1 - exp, 200);
  const low = shiftRightJamLow(sig, extra, shift);
  const high = shiftRightHigh(sig, shift);
  const unit: u64 = 1 << drop;
  const below = drop == 0 ? low : (high << (64 - drop)) | <u64>(low != 0);
  let rounded = high & ~(unit - 1);
  if (below != 0) {
    raised |= UE | PE;
    if (roundsUp(rc, sign != 0, (rounded & unit) != 0, below)) {
      raised |= C1;
      rounded += unit;
    }
  }
  setResult(rounded, sign | <u32>(rounded >> 63));
}
