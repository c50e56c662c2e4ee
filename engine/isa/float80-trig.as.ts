/**
 * Sine, cosine, tangent and arc tangent (Intel SDM volume 1, 8.3.8 and 8.3.10; volume 2, FSIN, FCOS, FPTAN, FPATAN).
 *
 * Arguments are reduced by the FPU's own π of 66 bits, 0xC90FDAA2_2168C234_C: exactly, as integers in units of 2^-65.
 */
import { divide128 } from './float80-arith.as';
import { ATAN_TABLE, COS_SERIES, ODD_SERIES, SIN_SERIES } from './float80-tables.as';
import { BIAS, DE, SIGN, TOP_BIT, isDenormal, isInfinity, isZero, multiplyHigh, normalExponent, productLow, raise80, setResult, special2 } from './float80.as';
import {
  addWide, divideWide, multiplyWide, normalizeWide, roundWide, series, setWide, wideExp, wideHigh, wideLow, wideToFraction,
} from './float80-wide.as';

/** π/2 = (PI_HIGH:PI_LOW) / 2^127 × 2^0; the reduction takes 66 bits of it. */
const PI_HIGH: u64 = 0xc90f_daa2_2168_c234;
const PI_LOW: u64 = 0xc4c6_628b_80dc_1cd1;
/** π/2 in units of 2^-65: 66 bits. */
const HALF_PI_TOP: u64 = 3;
const HALF_PI_REST: u64 = 0x243f_6a88_85a3_08d3;

/** The reduced argument |r| ≤ π/4 as a wide number, its sign and the number of quarter turns taken away. */
let reducedHigh: u64 = 0;
let reducedLow: u64 = 0;
let reducedExp: i32 = 0;
let reducedNegative: bool = false;
let quarters: u32 = 0;

/** For a finite nonzero |x| < 2^63. */
export function reduceAngle(sig: u64, se: u32): void {
  const exp = normalExponent(sig, se) - BIAS;
  sig <<= clz(sig);
  reducedNegative = (se & SIGN) != 0;
  if (exp < -1 || (exp == -1 && sig <= PI_HIGH)) {
    quarters = 0;
    reducedHigh = sig;
    reducedLow = 0;
    reducedExp = exp;
    return;
  }
  const places = <u32>(exp + 2);
  const high = places == 64 ? sig : places == 0 ? 0 : sig >> (64 - places);
  const low = places == 64 ? 0 : sig << places;
  // A quotient by the upper 64 of the 66 bits is at most a little too large.
  let q = divide128(high >> 2, (low >> 2) | (high << 62), PI_HIGH);
  let restHigh = high - (multiplyHigh(q, HALF_PI_REST) + q * HALF_PI_TOP);
  let restLow = low - productLow;
  restHigh -= <u64>(low < productLow);
  while (<i64>restHigh < 0) {
    q--;
    addHalfPi(restHigh, restLow);
    restHigh = sumHigh;
    restLow = sumLow;
  }
  // Nearest: above π/4 take one more.
  const negative = reducedNegative;
  if (restHigh > 1 || (restHigh == 1 && restLow > HALF_PI_REST / 2 + TOP_BIT)) {
    q++;
    restLow = HALF_PI_REST - restLow;
    restHigh = HALF_PI_TOP - restHigh - <u64>(restLow > HALF_PI_REST);
    reducedNegative = !negative;
  }
  quarters = <u32>q & 3;
  if (negative) quarters = (0 - quarters) & 3;
  normalizeWide(restHigh, restLow, 62); // units of 2^-65
  reducedHigh = wideHigh;
  reducedLow = wideLow;
  reducedExp = wideExp;
}

let sumHigh: u64 = 0;
let sumLow: u64 = 0;
function addHalfPi(high: u64, low: u64): void {
  sumLow = low + HALF_PI_REST;
  sumHigh = high + HALF_PI_TOP + <u64>(sumLow < low);
}

let squareHigh: u64 = 0;
let squareLow: u64 = 0;
function squareReduced(): void {
  multiplyWide(reducedHigh, reducedLow, reducedExp, reducedHigh, reducedLow, reducedExp);
  wideToFraction();
  squareHigh = wideHigh;
  squareLow = wideLow;
}
/** sin |r| */
function sineSeries(): void {
  series(SIN_SERIES, 15, squareHigh, squareLow, true);
  normalizeWide(wideHigh, wideLow, 0);
  multiplyWide(reducedHigh, reducedLow, reducedExp, wideHigh, wideLow, wideExp);
}
/** cos r */
function cosineSeries(): void {
  series(COS_SERIES, 16, squareHigh, squareLow, true);
  normalizeWide(wideHigh, wideLow, 0);
}

/** sin (which = 0) or cos (which = 1) of the argument last reduced. */
export function sineOfReduced(which: u32): void {
  const turn = (quarters + which) & 3;
  squareReduced();
  if ((turn & 1) != 0) cosineSeries();
  else sineSeries();
  const flip = (turn & 2) != 0;
  const negative = (turn & 1) != 0 ? flip : flip != reducedNegative;
  roundWide(negative ? SIGN : 0);
}

export function tangentOfReduced(): void {
  squareReduced();
  sineSeries();
  const high = wideHigh;
  const low = wideLow;
  const exp = wideExp;
  cosineSeries();
  if ((quarters & 1) == 0) divideWide(high, low, exp, wideHigh, wideLow, wideExp);
  else divideWide(wideHigh, wideLow, wideExp, high, low, exp);
  roundWide(reducedNegative != ((quarters & 1) != 0) ? SIGN : 0);
}

/** The angle of the point (x, y): FPATAN with x = ST(0), y = ST(1). */
export function arcTangent80(xSig: u64, xSe: u32, ySig: u64, ySe: u32): void {
  if (special2(xSig, xSe, ySig, ySe)) return;
  if (isDenormal(xSig, xSe) || isDenormal(ySig, ySe)) raise80(DE);
  const sign = ySe & SIGN;
  const left = (xSe & SIGN) != 0;
  const xInfinite = isInfinity(xSig, xSe);
  const yInfinite = isInfinity(ySig, ySe);
  if (yInfinite) {
    if (xInfinite) quarterPi(left ? 3 : 1);
    else setWide(PI_HIGH, PI_LOW, 0);
    return roundWide(sign);
  }
  if (isZero(ySig, ySe) || xInfinite) {
    if (!left) return setResult(0, sign);
    setWide(PI_HIGH, PI_LOW, 1);
    return roundWide(sign);
  }
  if (isZero(xSig, xSe)) {
    setWide(PI_HIGH, PI_LOW, 0);
    return roundWide(sign);
  }
  const xExp = normalExponent(xSig, xSe);
  const yExp = normalExponent(ySig, ySe);
  xSig <<= clz(xSig);
  ySig <<= clz(ySig);
  const steep = yExp > xExp || (yExp == xExp && ySig > xSig);
  if (steep) firstOctant(ySig, yExp, xSig, xExp);
  else firstOctant(xSig, xExp, ySig, yExp);
  if (steep) { // π/2 ± a
    addWide(PI_HIGH, PI_LOW, 0, wideHigh, wideLow, wideExp, !left);
  } else if (left) addWide(PI_HIGH, PI_LOW, 1, wideHigh, wideLow, wideExp, true);
  roundWide(sign);
}

function quarterPi(count: i32): void {
  if (count == 1) setWide(PI_HIGH, PI_LOW, -1);
  else addWide(PI_HIGH, PI_LOW, 0, PI_HIGH, PI_LOW, -1, false);
}

/** atan(b/a) for a ≥ b > 0: atan(k/16) + atan((16b − ka)/(16a + kb)), the table's k the nearest to 16·b/a. */
function firstOctant(aSig: u64, aExp: i32, bSig: u64, bExp: i32): void {
  const distance = aExp - bExp;
  if (distance > 5) {
    divideWide(bSig, 0, bExp, aSig, 0, aExp);
    return arcTangentSeries();
  }
  const k = <u64>nearest<f64>((16.0 * <f64>bSig) / (<f64>aSig * <f64>(1 << distance)));
  if (k == 0) {
    divideWide(bSig, 0, bExp, aSig, 0, aExp);
    return arcTangentSeries();
  }
  // 128-bit integers: a and b in units of b's last place.
  const aHigh = distance == 0 ? 0 : aSig >> (64 - distance);
  const aLow = aSig << distance;
  const kaLow = k * aLow;
  const kaHigh = multiplyHigh(k, aLow) + k * aHigh;
  const b16High = bSig >> 60;
  const b16Low = bSig << 4;
  const kbHigh = multiplyHigh(k, bSig);
  const kbLow = productLow;
  const a16High = (aHigh << 4) | (aLow >> 60);
  const a16Low = aLow << 4;
  const negative = b16High < kaHigh || (b16High == kaHigh && b16Low < kaLow);
  const differenceLow = negative ? kaLow - b16Low : b16Low - kaLow;
  const differenceHigh = negative ? kaHigh - b16High - <u64>(kaLow < b16Low) : b16High - kaHigh - <u64>(b16Low < kaLow);
  const entry = ATAN_TABLE + (<usize>k << 4);
  if ((differenceHigh | differenceLow) == 0) return normalizeWide(load<u64>(entry), load<u64>(entry, 8), 0);
  normalizeWide(differenceHigh, differenceLow, 0);
  const numeratorHigh = wideHigh;
  const numeratorLow = wideLow;
  const numeratorExp = wideExp;
  const sumLow = a16Low + kbLow;
  normalizeWide(a16High + kbHigh + <u64>(sumLow < kbLow), sumLow, 0);
  divideWide(numeratorHigh, numeratorLow, numeratorExp, wideHigh, wideLow, wideExp);
  arcTangentSeries();
  const high = wideHigh;
  const low = wideLow;
  const exp = wideExp;
  normalizeWide(load<u64>(entry), load<u64>(entry, 8), 0);
  addWide(wideHigh, wideLow, wideExp, high, low, exp, negative);
}

/** atan of the wide number, at most 1/31. */
function arcTangentSeries(): void {
  const high = wideHigh;
  const low = wideLow;
  const exp = wideExp;
  multiplyWide(high, low, exp, high, low, exp);
  wideToFraction();
  series(ODD_SERIES, 13, wideHigh, wideLow, true);
  normalizeWide(wideHigh, wideLow, 0);
  multiplyWide(high, low, exp, wideHigh, wideLow, wideExp);
}
