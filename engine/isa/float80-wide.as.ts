/**
 * 128-bit working precision for the transcendental functions. Two forms, both without a sign, which the callers keep:
 *   wide    (high:low) / 2^127 × 2^exp with the top bit of high set; the result is left in wideHigh, wideLow, wideExp
 *   fixed   (high:low) / 2^127, or / 2^128 for the argument of a series; the result is left in wideHigh, wideLow
 * Errors stay within a few units of the last of 128 bits; the results are rounded to 64.
 */
import { divide128, divisionRemainder } from './float80-arith.as';
import { BIAS, EXTENDED_NEAREST, PE, controlWord, multiplyHigh, productLow, raise80, roundPackBy } from './float80.as';

export let wideHigh: u64 = 0;
export let wideLow: u64 = 0;
export let wideExp: i32 = 0;

@inline export function setWide(high: u64, low: u64, exp: i32): void {
  wideHigh = high;
  wideLow = low;
  wideExp = exp;
}

/** Shifts a nonzero number up until its top bit is set. */
export function normalizeWide(high: u64, low: u64, exp: i32): void {
  if (high == 0) {
    high = low;
    low = 0;
    exp -= 64;
  }
  const up = <u32>clz(high);
  if (up != 0) {
    high = (high << up) | (low >> (64 - up));
    low <<= up;
  }
  setWide(high, low, exp - up);
}

/** The upper 128 bits of the product, the lowest partial product neglected. */
@inline export function multiplyFixed(aHigh: u64, aLow: u64, bHigh: u64, bLow: u64): void {
  let high = multiplyHigh(aHigh, bHigh);
  let low = productLow;
  const cross = multiplyHigh(aHigh, bLow);
  low += cross;
  high += <u64>(low < cross);
  const cross2 = multiplyHigh(aLow, bHigh);
  low += cross2;
  high += <u64>(low < cross2);
  wideHigh = high;
  wideLow = low;
}

export function multiplyWide(aHigh: u64, aLow: u64, aExp: i32, bHigh: u64, bLow: u64, bExp: i32): void {
  multiplyFixed(aHigh, aLow, bHigh, bLow);
  if (<i64>wideHigh < 0) setWide(wideHigh, wideLow, aExp + bExp + 1);
  else setWide((wideHigh << 1) | (wideLow >> 63), wideLow << 1, aExp + bExp);
}

/** a / b by two 64-bit quotient digits. */
export function divideWide(aHigh: u64, aLow: u64, aExp: i32, bHigh: u64, bLow: u64, bExp: i32): void {
  let exp = aExp - bExp;
  let rest: u64 = 0; // third limb of the dividend
  if (aHigh > bHigh || (aHigh == bHigh && aLow >= bLow)) {
    rest = aLow << 63;
    aLow = (aLow >> 1) | (aHigh << 63);
    aHigh >>= 1;
  } else exp--;
  const high = quotientDigit(aHigh, aLow, rest, bHigh, bLow);
  const low = quotientDigit(digitRestHigh, digitRestLow, 0, bHigh, bLow);
  setWide(high, low, exp);
}

let digitRestHigh: u64 = 0;
let digitRestLow: u64 = 0;

/** One digit of (a2:a1:a0) / (b1:b0), a2:a1 < b1:b0; the rest goes to digitRest. */
function quotientDigit(a2: u64, a1: u64, a0: u64, b1: u64, b0: u64): u64 {
  let digit: u64;
  let rest: u64;
  let overflow = false;
  if (a2 >= b1) { // equal
    digit = u64.MAX_VALUE;
    rest = a1 + b1;
    overflow = rest < b1;
  } else {
    digit = divide128(a2, a1, b1);
    rest = divisionRemainder;
  }
  while (!overflow) {
    const high = multiplyHigh(digit, b0);
    if (high < rest || (high == rest && productLow <= a0)) break;
    digit--;
    rest += b1;
    overflow = rest < b1;
  }
  const high = multiplyHigh(digit, b0);
  digitRestLow = a0 - productLow;
  digitRestHigh = rest - high - <u64>(a0 < productLow);
  return digit;
}

/** a + b, or a − b with |a| ≥ |b|. */
export function addWide(aHigh: u64, aLow: u64, aExp: i32, bHigh: u64, bLow: u64, bExp: i32, subtract: bool): void {
  if (!subtract && bExp > aExp) return addWide(bHigh, bLow, bExp, aHigh, aLow, aExp, false);
  const shift = <u32>min(aExp - bExp, 128);
  if (shift != 0) {
    if (shift < 64) {
      bLow = (bLow >> shift) | (bHigh << (64 - shift));
      bHigh >>= shift;
    } else {
      bLow = shift == 128 ? 0 : bHigh >> (shift - 64);
      bHigh = 0;
    }
  }
  if (subtract) return normalizeWide(aHigh - bHigh - <u64>(aLow < bLow), aLow - bLow, aExp);
  const low = aLow + bLow;
  const partial = aHigh + bHigh;
  const high = partial + <u64>(low < aLow);
  if (partial < aHigh || high < partial) setWide((high >> 1) | (1 << 63), (low >> 1) | (high << 63), aExp + 1);
  else setWide(high, low, aExp);
}

/** The wide number, below 1, as a fraction of 2^128: the argument of a series. */
@inline export function wideToFraction(): void {
  const shift = <u32>min(-wideExp - 1, 128);
  if (shift == 0) return;
  if (shift < 64) {
    wideLow = (wideLow >> shift) | (wideHigh << (64 - shift));
    wideHigh >>= shift;
  } else {
    wideLow = shift == 128 ? 0 : wideHigh >> (shift - 64);
    wideHigh = 0;
  }
}

/**
 * Σ table[n] tⁿ, or with alternating signs, for t a fraction of 2^128. An alternating sum stays below its first term even when the rest vanishes, and so tells
 * the final rounding that the value is not exact.
 */
export function series(table: usize, terms: u32, tHigh: u64, tLow: u64, alternate: bool): void {
  let at = table + (<usize>(terms - 1) << 4);
  let high = load<u64>(at);
  let low = load<u64>(at, 8);
  while (at != table) {
    at -= 16;
    multiplyFixed(tHigh, tLow, high, low);
    const baseHigh = load<u64>(at);
    const baseLow = load<u64>(at, 8);
    if (alternate) {
      high = baseHigh - wideHigh - <u64>(baseLow < wideLow);
      low = baseLow - wideLow;
    } else {
      low = baseLow + wideLow;
      high = baseHigh + wideHigh + <u64>(low < baseLow);
    }
  }
  if (low == 0 && high == 1 << 63) {
    if (alternate) {
      high--;
      low--;
    } else low++;
  }
  wideHigh = high;
  wideLow = low;
}

/** Rounds the wide result, which is not exact, to 80 bits; precision control has no say. */
export function roundWide(sign: u32): void {
  roundPackBy(controlWord() | EXTENDED_NEAREST, sign, wideExp + BIAS, wideHigh, wideLow | 1);
}
/** The same for a result whose bits are all there. */
export function roundWideExact(sign: u32): void {
  roundPackBy(controlWord() | EXTENDED_NEAREST, sign, wideExp + BIAS, wideHigh, wideLow);
}
