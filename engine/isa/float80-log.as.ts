/**
 * 2^x − 1, y·log2 x and y·log2(x + 1) (Intel SDM volume 2, F2XM1, FYL2X, FYL2XP1).
 *
 * log2 m = log2 c + (2/ln 2)·atanh((m − c)/(m + c)) with c the nearest k/32: m − c and m + c are exact, |u| < 2^-6.
 */
import { EXP_SERIES, LOG2_TABLE, ODD_SERIES } from './float80-tables.as';
import {
  BIAS, DE, PE, SIGN, TOP_BIT, ZE, exponentOf, invalid, isDenormal, isInfinity, isZero, normalExponent, raise80, setResult, special1, special2,
} from './float80.as';
import {
  addWide, divideWide, multiplyWide, normalizeWide, roundWide, roundWideExact, series, setWide, wideExp, wideHigh, wideLow, wideToFraction,
} from './float80-wide.as';

const LN2_HIGH: u64 = 0xb172_17f7_d1cf_79ab;
const LN2_LOW: u64 = 0xc9e3_b398_03f2_f6af;
const TWO_BY_LN2_HIGH: u64 = 0xb8aa_3b29_5c17_f0bb;
const TWO_BY_LN2_LOW: u64 = 0xbe87_fed0_691d_3e89;

export function exponential80(sig: u64, se: u32): void {
  if (special1(sig, se)) return;
  const sign = se & SIGN;
  if (isInfinity(sig, se)) return sign != 0 ? setResult(TOP_BIT, SIGN | BIAS) : setResult(sig, se);
  if (sig == 0) return setResult(sig, se);
  if (isDenormal(sig, se)) raise80(DE);
  const exp = normalExponent(sig, se) - BIAS;
  if (exp >= 0) { // ±1 is exact; beyond, the result is undefined
    if (exp == 0 && sig == TOP_BIT) setResult(TOP_BIT, sign != 0 ? SIGN | (BIAS - 1) : BIAS);
    else {
      raise80(PE);
      setResult(sig, se);
    }
    return;
  }
  multiplyWide(sig << clz(sig), 0, exp, LN2_HIGH, LN2_LOW, -1);
  const high = wideHigh;
  const low = wideLow;
  const tExp = wideExp;
  wideToFraction();
  series(EXP_SERIES, 28, wideHigh, wideLow, sign != 0);
  normalizeWide(wideHigh, wideLow, 0);
  multiplyWide(high, low, tExp, wideHigh, wideLow, wideExp);
  roundWide(sign);
}

/** y·log2 x, y in b. */
export function logarithm80(xSig: u64, xSe: u32, ySig: u64, ySe: u32): void {
  if (special2(xSig, xSe, ySig, ySe)) return;
  const xZero = isZero(xSig, xSe);
  if ((xSe & SIGN) != 0 && !xZero) return invalid();
  const yInfinite = isInfinity(ySig, ySe);
  const yZero = isZero(ySig, ySe);
  if (xZero) {
    if (yZero) return invalid();
    if (!yInfinite) raise80(ZE);
    return setResult(TOP_BIT, (ySe & SIGN) ^ 0xffff);
  }
  const one = xSig == TOP_BIT && xSe == BIAS;
  if ((yInfinite && one) || (yZero && isInfinity(xSig, xSe))) return invalid();
  if (isDenormal(xSig, xSe) || isDenormal(ySig, ySe)) raise80(DE);
  const below = exponentOf(xSe) < BIAS;
  const sign = below ? (ySe & SIGN) ^ SIGN : ySe & SIGN;
  if (isInfinity(xSig, xSe) || yInfinite) return setResult(TOP_BIT, sign | 0x7fff);
  if (yZero || one) return setResult(0, sign);
  logOf(xSig << clz(xSig), 0, normalExponent(xSig, xSe) - BIAS);
  finishProduct(ySig, ySe);
}

/** y·log2(x + 1). */
export function logarithmPlusOne80(xSig: u64, xSe: u32, ySig: u64, ySe: u32): void {
  if (special2(xSig, xSe, ySig, ySe)) return;
  const xNegative = (xSe & SIGN) != 0;
  const xInfinite = isInfinity(xSig, xSe);
  const yInfinite = isInfinity(ySig, ySe);
  const yZero = isZero(ySig, ySe);
  const xZero = isZero(xSig, xSe);
  if ((xInfinite && (xNegative || yZero)) || (yInfinite && xZero)) return invalid();
  if (isDenormal(xSig, xSe) || isDenormal(ySig, ySe)) raise80(DE);
  const sign = (xSe ^ ySe) & SIGN;
  if (xInfinite || yInfinite) return setResult(TOP_BIT, sign | 0x7fff);
  if (xZero || yZero) return setResult(0, sign);
  const exp = normalExponent(xSig, xSe) - BIAS;
  xSig <<= clz(xSig);
  if (xNegative && exp >= 0) { // undefined
    raise80(PE);
    return setResult(xSig, xSe);
  }
  if (exp < -6) logNearOne(xSig, exp, xNegative);
  else {
    if (xNegative) addWide(TOP_BIT, 0, 0, xSig, 0, exp, true);
    else addWide(TOP_BIT, 0, 0, xSig, 0, exp, false);
    logOf(wideHigh, wideLow, wideExp);
  }
  finishProduct(ySig, ySe);
}

let logNegative: bool = false;
let logExact: bool = false;

function finishProduct(ySig: u64, ySe: u32): void {
  const sign = (ySe & SIGN) ^ (logNegative ? SIGN : 0);
  multiplyWide(wideHigh, wideLow, wideExp, ySig << clz(ySig), 0, normalExponent(ySig, ySe) - BIAS);
  if (logExact) roundWideExact(sign);
  else roundWide(sign);
}

/** log2(1 ± x), x < 2^-6: c = 1, u = x/(2 ± x). */
function logNearOne(sig: u64, exp: i32, negative: bool): void {
  addWide(TOP_BIT, 0, 1, sig, 0, exp, negative);
  divideWide(sig, 0, exp, wideHigh, wideLow, wideExp);
  atanhBits();
  logNegative = negative;
  logExact = false;
}

/** (2/ln 2)·atanh of the wide number. */
function atanhBits(): void {
  const high = wideHigh;
  const low = wideLow;
  const exp = wideExp;
  multiplyWide(high, low, exp, high, low, exp);
  wideToFraction();
  series(ODD_SERIES, 11, wideHigh, wideLow, false);
  normalizeWide(wideHigh, wideLow, 0);
  multiplyWide(high, low, exp, wideHigh, wideLow, wideExp);
  multiplyWide(wideHigh, wideLow, wideExp, TWO_BY_LN2_HIGH, TWO_BY_LN2_LOW, 1);
}

/** log2 of (high:low)/2^127 × 2^exp, not 1. */
function logOf(high: u64, low: u64, exp: i32): void {
  // m in [0.7, 1.41]: in units of 2^-128 below, m = (high:low) or half of it.
  let k = <i32>((high + (1 << 57)) >> 58); // of m = high/2^63 in 1/32
  if (high >= 0xfe00_0000_0000_0000) k = 64;
  let unit: u32 = 58; // c = k << unit in the scale of high
  if (k > 45) {
    exp++;
    k = (k + 1) >> 1;
    unit = 59;
  }
  const c: u64 = k == 32 && unit == 59 ? 0 : <u64>k << unit; // 0 stands for 2^64
  // difference m − c
  let differenceHigh: u64;
  let differenceLow: u64 = low;
  let negative: bool;
  if (c == 0 || high < c) {
    negative = true;
    differenceLow = 0 - low;
    differenceHigh = c - high - <u64>(low != 0);
  } else {
    negative = false;
    differenceHigh = high - c;
  }
  const atanhIsZero = (differenceHigh | differenceLow) == 0;
  if (!atanhIsZero) {
    normalizeWide(differenceHigh, differenceLow, 0);
    const numeratorHigh = wideHigh;
    const numeratorLow = wideLow;
    const numeratorExp = wideExp;
    if (c == 0) setWide((high >> 1) | TOP_BIT, (low >> 1) | (high << 63), 1);
    else {
      const sum = high + c; // carries, or m and c are near 1 from below after halving
      if (sum < high) setWide((sum >> 1) | TOP_BIT, (low >> 1) | (sum << 63), 1);
      else setWide(sum, low, 0);
    }
    divideWide(numeratorHigh, numeratorLow, numeratorExp, wideHigh, wideLow, wideExp);
    atanhBits();
  }
  // Add exp + log2(k/32).
  const partHigh = wideHigh;
  const partLow = wideLow;
  const partExp = wideExp;
  const entry = LOG2_TABLE + (<usize>(k - 22) << 4);
  let baseHigh = load<u64>(entry);
  let baseLow = load<u64>(entry, 8);
  let baseNegative = k < 32;
  logExact = false;
  if (exp != 0) {
    const distance: u64 = exp < 0 ? -exp : exp;
    normalizeWide(distance, 0, 63);
    if (k == 32) {
      baseNegative = exp < 0;
    } else {
      const integerHigh = wideHigh;
      const integerExp = wideExp;
      normalizeWide(baseHigh, baseLow, 0);
      addWide(integerHigh, 0, integerExp, wideHigh, wideLow, wideExp, baseNegative != exp < 0);
      baseNegative = exp < 0;
    }
  } else if (k == 32) {
    logNegative = negative; // only the atanh part
    return;
  } else normalizeWide(baseHigh, baseLow, 0);
  if (atanhIsZero) {
    logNegative = baseNegative;
    logExact = k == 32;
    return;
  }
  logNegative = baseNegative;
  addWide(wideHigh, wideLow, wideExp, partHigh, partLow, partExp, negative != baseNegative);
}
