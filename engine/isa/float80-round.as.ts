/** FRNDINT, FSCALE, FXTRACT, FPREM and FPREM1 on 80-bit numbers (Intel SDM volume 2, under those names). */
import {
  BIAS, C1, C2, DE, EXTENDED_NEAREST, PE, SIGN, TOP_BIT, ZE, controlWord, exponentOf, invalid, isDenormal, isInfinity, isZero, normalExponent,
  raise80, roundPackBy, roundingOf, roundsUp, setResult, shiftRightJamLow, special1, special2,
} from './float80.as';

export function roundToInteger80(sig: u64, se: u32): void {
  if (special1(sig, se)) return;
  const exp = exponentOf(se) - BIAS;
  if (exp >= 63 || sig == 0) return setResult(sig, se);
  if (isDenormal(sig, se)) raise80(DE);
  const rc = roundingOf(controlWord());
  const sign = se & SIGN;
  if (exp < 0) {
    const below = shiftRightJamLow(sig, 0, <u32>min(63 - exp, 130));
    const up = roundsUp(rc, sign != 0, false, below);
    raise80(up ? PE | C1 : PE);
    if (up) setResult(TOP_BIT, sign | BIAS);
    else setResult(0, sign);
    return;
  }
  const places = <u32>(63 - exp);
  const below = sig << (64 - places);
  let kept = sig >> places;
  if (below == 0) return setResult(sig, se);
  raise80(PE);
  if (roundsUp(rc, sign != 0, (kept & 1) != 0, below)) {
    raise80(C1);
    kept++;
    if (kept >> (64 - places) != 0) return setResult(TOP_BIT, se + 1);
  }
  setResult(kept << places, se);
}

/** a × 2^trunc(b). */
export function scale80(aSig: u64, aSe: u32, bSig: u64, bSe: u32): void {
  if (special2(aSig, aSe, bSig, bSe)) return;
  if (isInfinity(bSig, bSe)) {
    const towardZero = (bSe & SIGN) != 0;
    if (towardZero ? isInfinity(aSig, aSe) : isZero(aSig, aSe)) return invalid();
    if (isDenormal(aSig, aSe)) raise80(DE);
    if (towardZero) setResult(0, aSe & SIGN);
    else setResult(TOP_BIT, (aSe & SIGN) | 0x7fff);
    return;
  }
  if (isDenormal(aSig, aSe) || isDenormal(bSig, bSe)) raise80(DE);
  if (isInfinity(aSig, aSe) || aSig == 0) return setResult(aSig, aSe);
  const bExp = exponentOf(bSe) - BIAS;
  let by: i32 = 0;
  if (bExp >= 16) by = 0x1_8000;
  else if (bExp >= 0) by = <i32>(bSig >> (63 - bExp));
  if ((bSe & SIGN) != 0) by = -by;
  // The significand is never rounded to the precision control.
  roundPackBy(controlWord() | EXTENDED_NEAREST, aSe & SIGN, normalExponent(aSig, aSe) + by, aSig << clz(aSig), 0);
}

/** FXTRACT: the significand with exponent 0 goes to the result, the exponent (an integer, or −∞ for zero) to exponentSig/exponentSe. */
export let exponentSig: u64 = 0;
export let exponentSe: u32 = 0;
export let significandSig: u64 = 0;
export let significandSe: u32 = 0;

export function extract80(sig: u64, se: u32): void {
  significandSig = sig;
  significandSe = se;
  if (isZero(sig, se)) {
    raise80(ZE);
    exponentSig = TOP_BIT;
    exponentSe = 0xffff;
    return;
  }
  if (isInfinity(sig, se)) {
    exponentSig = TOP_BIT;
    exponentSe = 0x7fff;
    return;
  }
  if (isDenormal(sig, se)) raise80(DE);
  const exp = normalExponent(sig, se) - BIAS;
  significandSig = sig << clz(sig);
  significandSe = (se & SIGN) | BIAS;
  if (exp == 0) {
    exponentSig = 0;
    exponentSe = 0;
    return;
  }
  const distance: u64 = exp < 0 ? -exp : exp;
  const shift = <u32>clz(distance);
  exponentSig = distance << shift;
  exponentSe = (exp < 0 ? SIGN : 0) | (<u32>(BIAS + 63) - shift);
}

/** FPREM (quotient truncated) and FPREM1 (quotient rounded to nearest): exact, in one step of at most 63 quotient bits. C3 C2 C1 C0 go to `raised`. */
export function remainder80(aSig: u64, aSe: u32, bSig: u64, bSe: u32, nearest: bool): void {
  if (special2(aSig, aSe, bSig, bSe)) return;
  if (isInfinity(aSig, aSe) || isZero(bSig, bSe)) return invalid();
  if (isDenormal(aSig, aSe) || isDenormal(bSig, bSe)) raise80(DE);
  if (isZero(aSig, aSe)) return setResult(aSig, aSe);
  const sign = aSe & SIGN;
  const aExp = normalExponent(aSig, aSe);
  aSig <<= clz(aSig);
  if (isInfinity(bSig, bSe)) return finish(sign, aExp, aSig);
  const bExp = normalExponent(bSig, bSe);
  bSig <<= clz(bSig);
  const distance = aExp - bExp;
  if (distance < -1 || (distance < 0 && !nearest)) return finish(sign, aExp, aSig);
  if (distance >= 64) {
    // Partial: takes away a multiple of b × 2^(distance − n); n = 32…63.
    const n = (distance & 31) | 32;
    const rest = reduce(aSig, bSig, n);
    raise80(C2);
    if (rest == 0) return setResult(0, sign);
    return finish(sign, aExp - n - <i32>clz(rest), rest << clz(rest));
  }
  let quotient: u64 = 0;
  let rest: u64 = aSig;
  let restExp = aExp;
  if (distance >= 0) {
    rest = reduce(aSig, bSig, distance);
    quotient = quotientBits;
    restExp = bExp;
  }
  let flip = false;
  if (nearest) {
    // Compare 2·rest with b, both at exponent bExp (distance −1 means rest = a, half its weight).
    const other = distance >= 0 ? bSig - rest : 0;
    if (distance >= 0 ? rest > other || (rest == other && (quotient & 1) != 0) : aSig > bSig) {
      quotient++;
      flip = true;
      if (distance >= 0) rest = other;
      else {
        // b − a/2 at half weight: 2b − a, which fits 64 bits because a > b.
        rest = bSig - (aSig - bSig);
      }
    }
  }
  raise80((<u32>(quotient & 4) << 6) | (<u32>(quotient & 2) << 13) | (<u32>(quotient & 1) << 9));
  if (rest == 0) return setResult(0, sign);
  finish(flip ? sign ^ SIGN : sign, restExp - <i32>clz(rest), rest << clz(rest));
}

let quotientBits: u64 = 0;

/** (a × 2^n) mod b for normalized a, b; the low 64 bits of the quotient are left in quotientBits. */
function reduce(a: u64, b: u64, n: i32): u64 {
  let quotient: u64 = 0;
  if (a >= b) {
    a -= b;
    quotient = 1;
  }
  for (; n > 0; n--) {
    const carry = <i64>a < 0;
    a <<= 1;
    quotient <<= 1;
    if (carry || a >= b) {
      a -= b;
      quotient |= 1;
    }
  }
  quotientBits = quotient;
  return a;
}

/** The remainder is exact, so only its exponent can be out of range; precision control has no say. */
@inline function finish(sign: u32, exp: i32, sig: u64): void {
  roundPackBy(controlWord() | EXTENDED_NEAREST, sign, exp, sig, 0);
}
