/** Addition, subtraction, multiplication, division and square root of 80-bit numbers (Intel SDM volume 1, 8.3.5; volume 2, tables of FADD, FMUL, FDIV). */
import {
  BIAS, C0, DE, RC_DOWN, SIGN, TOP_BIT, ZE, controlWord, defaultNaN, exponentOf, invalid, isDenormal, isInfinity, isNormal, isZero,
  multiplyHigh, normalExponent, productLow, raise80, roundPack, roundingOf, setResult, shiftRightHigh, shiftRightJamLow, special1, special2,
} from './float80.as';

export function add80(aSig: u64, aSe: u32, bSig: u64, bSe: u32): void {
  if (isNormal(aSig, aSe) && isNormal(bSig, bSe)) {
    addNormalized(aSe & SIGN, exponentOf(aSe), aSig, bSe & SIGN, exponentOf(bSe), bSig);
  } else addSpecial(aSig, aSe, bSig, bSe, 0);
}

export function sub80(aSig: u64, aSe: u32, bSig: u64, bSe: u32): void {
  if (isNormal(aSig, aSe) && isNormal(bSig, bSe)) {
    addNormalized(aSe & SIGN, exponentOf(aSe), aSig, (bSe & SIGN) ^ SIGN, exponentOf(bSe), bSig);
  } else addSpecial(aSig, aSe, bSig, bSe, SIGN);
}

function addNormalized(aSign: u32, aExp: i32, aSig: u64, bSign: u32, bExp: i32, bSig: u64): void {
  if (aExp < bExp || (aExp == bExp && aSig < bSig)) {
    const sign = aSign;
    aSign = bSign;
    bSign = sign;
    const exp = aExp;
    aExp = bExp;
    bExp = exp;
    const sig = aSig;
    aSig = bSig;
    bSig = sig;
  }
  const shift = <u32>(aExp - bExp);
  const low = shiftRightJamLow(bSig, 0, shift);
  const high = shiftRightHigh(bSig, shift);
  if (aSign == bSign) {
    const sum = aSig + high;
    if (sum < aSig) roundPack(aSign, aExp + 1, (sum >> 1) | TOP_BIT, (sum << 63) | (low >> 1) | (low & 1));
    else roundPack(aSign, aExp, sum, low);
    return;
  }
  const difference = aSig - high - <u64>(low != 0);
  const rest = 0 - low;
  if (difference == 0) {
    if (rest == 0) setResult(0, exactZeroSign());
    else roundPack(aSign, aExp - 64 - <i32>clz(rest), rest << clz(rest), 0);
    return;
  }
  const up = <u32>clz(difference);
  if (up == 0) roundPack(aSign, aExp, difference, rest);
  else roundPack(aSign, aExp - up, (difference << up) | (rest >> (64 - up)), rest << up);
}

@inline function exactZeroSign(): u32 {
  return roundingOf(controlWord()) == RC_DOWN ? SIGN : 0;
}

function addSpecial(aSig: u64, aSe: u32, bSig: u64, bSe: u32, flip: u32): void {
  if (special2(aSig, aSe, bSig, bSe)) return;
  bSe ^= flip;
  const aInfinite = isInfinity(aSig, aSe);
  const bInfinite = isInfinity(bSig, bSe);
  if (aInfinite && bInfinite && aSe != bSe) return invalid();
  if (isDenormal(aSig, aSe) || isDenormal(bSig, bSe)) raise80(DE);
  if (aInfinite) return setResult(aSig, aSe);
  if (bInfinite) return setResult(bSig, bSe);
  if (aSig == 0 && bSig == 0) return setResult(0, aSe == bSe ? aSe : exactZeroSign());
  // A zero operand still lets precision control round the other.
  if (aSig == 0) return roundPack(bSe & SIGN, normalExponent(bSig, bSe), bSig << clz(bSig), 0);
  if (bSig == 0) return roundPack(aSe & SIGN, normalExponent(aSig, aSe), aSig << clz(aSig), 0);
  addNormalized(aSe & SIGN, normalExponent(aSig, aSe), aSig << clz(aSig), bSe & SIGN, normalExponent(bSig, bSe), bSig << clz(bSig));
}

export function mul80(aSig: u64, aSe: u32, bSig: u64, bSe: u32): void {
  const sign = (aSe ^ bSe) & SIGN;
  if (isNormal(aSig, aSe) && isNormal(bSig, bSe)) {
    multiplyNormalized(sign, exponentOf(aSe) + exponentOf(bSe), aSig, bSig);
    return;
  }
  if (special2(aSig, aSe, bSig, bSe)) return;
  const infinite = isInfinity(aSig, aSe) || isInfinity(bSig, bSe);
  const zero = aSig == 0 || bSig == 0;
  if (infinite && zero) return invalid();
  if (isDenormal(aSig, aSe) || isDenormal(bSig, bSe)) raise80(DE);
  if (infinite) return setResult(TOP_BIT, sign | 0x7fff);
  if (zero) return setResult(0, sign);
  multiplyNormalized(sign, normalExponent(aSig, aSe) + normalExponent(bSig, bSe), aSig << clz(aSig), bSig << clz(bSig));
}

@inline function multiplyNormalized(sign: u32, exps: i32, aSig: u64, bSig: u64): void {
  const high = multiplyHigh(aSig, bSig);
  const low = productLow;
  if (<i64>high < 0) roundPack(sign, exps - BIAS + 1, high, low);
  else roundPack(sign, exps - BIAS, (high << 1) | (low >> 63), low << 1);
}

export let divisionRemainder: u64 = 0;

/** floor((high:low) / d) for high < d and a normalized d; the remainder is left in `divisionRemainder` (Knuth, algorithm D with 32-bit digits). */
export function divide128(high: u64, low: u64, d: u64): u64 {
  const dHigh = d >> 32;
  const dLow = d & 0xffff_ffff;
  let q1 = high / dHigh;
  let r = high - q1 * dHigh;
  while (q1 >> 32 != 0 || q1 * dLow > ((r << 32) | (low >> 32))) {
    q1--;
    r += dHigh;
    if (r >> 32 != 0) break;
  }
  const middle = ((high << 32) | (low >> 32)) - q1 * d;
  let q0 = middle / dHigh;
  r = middle - q0 * dHigh;
  while (q0 >> 32 != 0 || q0 * dLow > ((r << 32) | (low & 0xffff_ffff))) {
    q0--;
    r += dHigh;
    if (r >> 32 != 0) break;
  }
  divisionRemainder = ((middle << 32) | (low & 0xffff_ffff)) - q0 * d;
  return (q1 << 32) | q0;
}

export function div80(aSig: u64, aSe: u32, bSig: u64, bSe: u32): void {
  const sign = (aSe ^ bSe) & SIGN;
  if (isNormal(aSig, aSe) && isNormal(bSig, bSe)) {
    divideNormalized(sign, exponentOf(aSe) - exponentOf(bSe), aSig, bSig);
    return;
  }
  if (special2(aSig, aSe, bSig, bSe)) return;
  const aInfinite = isInfinity(aSig, aSe);
  const bInfinite = isInfinity(bSig, bSe);
  const aZero = isZero(aSig, aSe);
  const bZero = isZero(bSig, bSe);
  if ((aInfinite && bInfinite) || (aZero && bZero)) return invalid();
  if (bZero && !aInfinite) {
    raise80(ZE);
    return setResult(TOP_BIT, sign | 0x7fff);
  }
  if (isDenormal(aSig, aSe) || isDenormal(bSig, bSe)) raise80(DE);
  if (aInfinite) return setResult(TOP_BIT, sign | 0x7fff);
  if (aZero || bInfinite) return setResult(0, sign);
  divideNormalized(sign, normalExponent(aSig, aSe) - normalExponent(bSig, bSe), aSig << clz(aSig), bSig << clz(bSig));
}

function divideNormalized(sign: u32, exp: i32, aSig: u64, bSig: u64): void {
  let quotient: u64;
  exp += BIAS;
  if (aSig >= bSig) quotient = divide128(aSig >> 1, aSig << 63, bSig);
  else {
    exp--;
    quotient = divide128(aSig, 0, bSig);
  }
  const rest = divisionRemainder;
  let extra: u64 = 0;
  if (rest != 0) {
    const other = bSig - rest;
    extra = rest > other ? 0xc000_0000_0000_0000 : rest == other ? TOP_BIT : 1;
  }
  roundPack(sign, exp, quotient, extra);
}

export function sqrt80(sig: u64, se: u32): void {
  if (special1(sig, se)) return;
  if (isZero(sig, se)) return setResult(sig, se);
  if ((se & SIGN) != 0) return invalid();
  if (isInfinity(sig, se)) return setResult(sig, se);
  if (isDenormal(sig, se)) raise80(DE);
  const exp = normalExponent(sig, se) - BIAS;
  sig <<= clz(sig);
  // value = n / 2^126 × 2^(even), n = high:low of 127 or 128 bits.
  const odd = (exp & 1) != 0;
  const high = odd ? sig : sig >> 1;
  const low = odd ? 0 : sig << 63;
  const root = squareRoot128(high, low);
  const rest = divisionRemainder;
  roundPack(0, (exp >> 1) + BIAS, root, rest == 0 && !remainderCarry ? 0 : remainderCarry || rest > root ? 0xc000_0000_0000_0000 : 1);
}

let remainderCarry: bool = false;

/** floor(sqrt(high:low)) for high ≥ 2^62; n − root² is left in remainderCarry:divisionRemainder. */
function squareRoot128(high: u64, low: u64): u64 {
  const estimate = sqrt<f64>(<f64>high) * 4294967296.0;
  let root: u64 = estimate >= 18446744073709551615.0 ? u64.MAX_VALUE : <u64>estimate;
  if (high < root) {
    const quotient = divide128(high, low, root);
    root = (root >> 1) + (quotient >> 1) + (root & quotient & 1);
  } else root = u64.MAX_VALUE;
  // The Newton step leaves an error of one place or so; settle it exactly.
  for (;;) {
    const squareHigh = multiplyHigh(root, root);
    const squareLow = productLow;
    if (squareHigh > high || (squareHigh == high && squareLow > low)) {
      root--;
      continue;
    }
    divisionRemainder = low - squareLow;
    const restHigh = high - squareHigh - <u64>(low < squareLow);
    // n − root² ≤ 2·root, or the root is too small.
    if (restHigh > 1 || (restHigh == 1 && divisionRemainder > root << 1)) {
      root++;
      continue;
    }
    remainderCarry = restHigh != 0;
    return root;
  }
}

/** x87 equality of encodings is not equality of numbers: gives C3 C2 C0 as FCOM does; `quiet` compares (FUCOM) let quiet NaNs pass. */
export function compare80(aSig: u64, aSe: u32, bSig: u64, bSe: u32, quiet: bool): u32 {
  const UNORDERED: u32 = 0x4500;
  if (!isNormal(aSig, aSe) || !isNormal(bSig, bSe)) {
    const before = special2(aSig, aSe, bSig, bSe);
    if (before) {
      if (!quiet) raise80(1);
      return UNORDERED;
    }
    if (isDenormal(aSig, aSe) || isDenormal(bSig, bSe)) raise80(DE);
    if (aSig == 0 && bSig == 0) return 0x4000;
  }
  const aNegative = (aSe & SIGN) != 0;
  const bNegative = (bSe & SIGN) != 0;
  if (aNegative != bNegative) return aNegative ? C0 : 0;
  // A pseudo-denormal equals the normal number of exponent 1.
  const aExp = aSig == 0 ? 0 : max(exponentOf(aSe), 1);
  const bExp = bSig == 0 ? 0 : max(exponentOf(bSe), 1);
  if (aExp == bExp && aSig == bSig) return 0x4000;
  const less = aExp < bExp || (aExp == bExp && aSig < bSig);
  return less != aNegative ? C0 : 0;
}
