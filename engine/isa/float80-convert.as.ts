/** Conversions between 80-bit numbers and single, double, integers and packed BCD (Intel SDM volume 1, 4.2, 4.8, 8.5; volume 2, FLD, FST, FIST, FBLD, FBSTP). */
import {
  C1, BIAS, IE, OE, PE, QUIET_BIT, RC_DOWN, RC_NEAREST, RC_UP, SIGN, TOP_BIT, UE, controlWord, exponentOf, isNaN80, isUnsupported, raise80, resultSig,
  roundingOf, roundsUp, setResult, shiftRightHigh, shiftRightJamLow,
} from './float80.as';

/** Widens a single; NaNs keep their quiet bit as it is, denormals come out normalized. True if it was denormal. */
@inline export function fromF32(bits: u32): bool {
  const se = (bits >> 16) & SIGN;
  const exp = (bits >> 23) & 0xff;
  if (exp - 1 < 0xfe) {
    setResult(TOP_BIT | (<u64>bits << 40), se | (exp + (BIAS - 127)));
    return false;
  }
  return fromF32Special(se, exp, <u64>(bits & 0x7f_ffff) << 40);
}
function fromF32Special(se: u32, exp: u32, fraction: u64): bool {
  return widenSpecial(se, exp != 0, fraction, BIAS - 127 + 1);
}

@inline export function fromF64(bits: u64): bool {
  const se = <u32>(bits >> 48) & SIGN;
  const exp = <u32>(bits >> 52) & 0x7ff;
  if (exp - 1 < 0x7fe) {
    setResult(TOP_BIT | (bits << 11), se | (exp + (BIAS - 1023)));
    return false;
  }
  return widenSpecial(se, exp != 0, (bits & 0xf_ffff_ffff_ffff) << 11, BIAS - 1023 + 1);
}

/** `fraction` lies below the (implicit) top bit, whose weight in a denormal is that of exponent `lowest`. */
function widenSpecial(se: u32, infiniteOrNaN: bool, fraction: u64, lowest: i32): bool {
  if (infiniteOrNaN) {
    setResult(TOP_BIT | fraction, se | 0x7fff);
    return false;
  }
  if (fraction == 0) {
    setResult(0, se);
    return false;
  }
  const shift = <i32>clz(fraction);
  setResult(fraction << shift, se | <u32>(lowest - shift));
  return true;
}

export function fromI64(value: i64): void {
  if (value == 0) return setResult(0, 0);
  const magnitude: u64 = value < 0 ? 0 - <u64>value : <u64>value;
  const shift = <i32>clz(magnitude);
  setResult(magnitude << shift, (value < 0 ? SIGN : 0) | <u32>(BIAS + 63 - shift));
}

/** The single nearest by the rounding control, its exceptions raised; precision control has no say. */
export function toF32(sig: u64, se: u32): u32 {
  return <u32>narrow(sig, se, 23, 8);
}
export function toF64(sig: u64, se: u32): u64 {
  return narrow(sig, se, 52, 11);
}

/** Rounds to a format of `fractionBits` and `expBits` (an infinity, NaN or zero passes as it is). */
@inline function narrow(sig: u64, se: u32, fractionBits: u32, expBits: u32): u64 {
  const sign: u64 = <u64>(se >> 15) << (fractionBits + expBits);
  const largestExp = (1 << expBits) - 1;
  const drop = 63 - fractionBits;
  const exp = exponentOf(se) - BIAS + (largestExp >> 1);
  if (<i64>sig < 0 && <u32>(exp - 1) < <u32>(largestExp - 2)) {
    const below = sig << (64 - drop);
    let packed = ((<u64>exp) << fractionBits) + ((sig << 1) >> (drop + 1));
    if (below != 0) {
      raise80(PE);
      if (roundsUp(roundingOf(controlWord()), sign != 0, (packed & 1) != 0, below)) {
        raise80(C1);
        packed++; // a carry out of the fraction raises the exponent, which has room
      }
    }
    return sign | packed;
  }
  return narrowSpecial(sig, se, sign, exp, fractionBits, largestExp, drop);
}

function narrowSpecial(sig: u64, se: u32, sign: u64, exp: i32, fractionBits: u32, largestExp: i32, drop: u32): u64 {
  const infinity = <u64>largestExp << fractionBits;
  const quiet: u64 = 1 << (fractionBits - 1);
  if (isUnsupported(sig, se)) {
    raise80(IE);
    return (infinity | quiet) | (infinity + (1 << fractionBits)); // the negative default NaN: sign, exponent, quiet bit
  }
  if (isNaN80(sig, se)) {
    if ((sig & QUIET_BIT) == 0) raise80(IE);
    return sign | infinity | quiet | ((sig << 1) >> (drop + 1));
  }
  if (exponentOf(se) == 0x7fff) return sign | infinity;
  if (sig == 0) return sign;
  const cw = controlWord();
  const rc = roundingOf(cw);
  if (exponentOf(se) == 0) exp++;
  const shift = clz(sig);
  sig <<= shift;
  exp -= <i32>shift;
  // Round with an unbounded exponent first: that decides about overflow and underflow.
  const below = sig << (64 - drop);
  let kept = sig >> drop;
  const up = roundsUp(rc, sign != 0, (kept & 1) != 0, below);
  kept += <u64>up;
  const roundedExp = kept >> (fractionBits + 1) != 0 ? exp + 1 : exp;
  if (roundedExp >= largestExp) {
    raise80(OE);
    if ((cw & OE) == 0) return 0; // not stored
    raise80(PE);
    if (rc == RC_NEAREST || (rc == RC_UP && sign == 0) || (rc == RC_DOWN && sign != 0)) {
      raise80(C1);
      return sign | infinity;
    }
    return sign | (infinity - 1);
  }
  if (roundedExp <= 0 && (cw & UE) == 0) {
    raise80(UE);
    return 0; // not stored
  }
  if (exp <= 0) {
    const places = drop + <u32>min(1 - exp, 150);
    const lost = places < 64 ? sig << (64 - places) : shiftRightJamLow(sig, 0, places);
    kept = shiftRightHigh(sig, places);
    if (lost != 0) {
      raise80(roundedExp <= 0 ? UE | PE : PE);
      if (roundsUp(rc, sign != 0, (kept & 1) != 0, lost)) {
        raise80(C1);
        kept++;
      }
    }
    return sign | kept; // a carry makes it the smallest normal number
  }
  if (below != 0) raise80(up ? PE | C1 : PE);
  return sign | ((<u64>exp << fractionBits) + (kept - (1 << fractionBits)));
}

/** Rounds to an integer of at most `bits` bits; out of range is IE and the integer indefinite, −2^(bits−1). */
export function toInteger(sig: u64, se: u32, bits: u32, rc: u32): i64 {
  const indefinite: i64 = -1 << (bits - 1);
  const negative = (se & SIGN) != 0;
  if (!roundMagnitude(sig, se, rc)) {
    raise80(IE);
    return indefinite;
  }
  const limit: u64 = 1 << (bits - 1);
  if (magnitude > limit || (magnitude == limit && !negative)) {
    raise80(IE);
    return indefinite;
  }
  if (magnitudeInexact) raise80(magnitudeUp ? PE | C1 : PE);
  return negative ? 0 - <i64>magnitude : <i64>magnitude;
}

let magnitude: u64 = 0;
let magnitudeInexact: bool = false;
let magnitudeUp: bool = false;

/** |value| rounded to an integer, into `magnitude`; false if it is no number below 2^64. */
function roundMagnitude(sig: u64, se: u32, rc: u32): bool {
  if (isUnsupported(sig, se)) return false;
  const exp = exponentOf(se) - BIAS;
  if (exp > 63) return false;
  const places = <u32>min(63 - exp, 130);
  const below = places == 0 ? 0 : places < 64 ? sig << (64 - places) : shiftRightJamLow(sig, 0, places);
  magnitude = shiftRightHigh(sig, places);
  magnitudeInexact = below != 0;
  magnitudeUp = roundsUp(rc, (se & SIGN) != 0, (magnitude & 1) != 0, below);
  if (magnitudeUp) {
    magnitude++;
    if (magnitude == 0) return false;
  }
  return true;
}

/** FBLD: 18 digits, sign in bit 79. Digits beyond 9 are taken as they come. */
export function fromBcd(low: u64, high: u32): void {
  let value: u64 = 0;
  value = ((high >> 4) & 15) * 10 + (high & 15);
  for (let shift: i32 = 60; shift >= 0; shift -= 4) value = value * 10 + ((low >> shift) & 15);
  fromI64(<i64>value);
  if ((high & SIGN) != 0) setResult(resultSig, resultSeOf(value) | SIGN);
}
@inline function resultSeOf(value: u64): u32 {
  return value == 0 ? 0 : <u32>(BIAS + 63) - <u32>clz(value);
}

export let bcdHigh: u32 = 0;
/** FBSTP: the low 64 bits are returned, the high 16 left in bcdHigh. */
export function toBcd(sig: u64, se: u32, rc: u32): u64 {
  if (!roundMagnitude(sig, se, rc) || magnitude > 999_999_999_999_999_999) {
    raise80(IE);
    bcdHigh = 0xffff;
    return 0xc000_0000_0000_0000;
  }
  if (magnitudeInexact) raise80(magnitudeUp ? PE | C1 : PE);
  let rest = magnitude;
  let low: u64 = 0;
  for (let shift: u64 = 0; shift < 64; shift += 4) {
    const next = rest / 10;
    low |= (rest - next * 10) << shift;
    rest = next;
  }
  bcdHigh = (se & SIGN) | <u32>((rest / 10) << 4) | <u32>(rest % 10);
  return low;
}
