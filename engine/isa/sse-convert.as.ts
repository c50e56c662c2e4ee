// Conversions between integers, single and double (Intel SDM vol. 2, CVT*). Integer indefinite is 80000000h.
import { denormalsAreZero, DE, flag, IE, integerToSingle, isDenormal32, isDenormal64, isNan32, isSignaling32, narrow, nativeAllowed, PE, rounding } from './sse-softfloat.as';

const lanes = memory.data(16, 16);

/** CVTSS2SD and a lane of CVTPS2PD. */
export function widen(x: u32): u64 {
  const sign = <u64>(x >> 31) << 63;
  if (isNan32(x)) {
    if (isSignaling32(x)) flag(IE);
    return sign | 0x7ff8_0000_0000_0000 | (<u64>(x & 0x7f_ffff) << 29);
  }
  if (isDenormal32(x)) {
    if (denormalsAreZero()) return sign;
    flag(DE);
  }
  return reinterpret<u64>(<f64>reinterpret<f32>(x));
}

/** CVTSD2SS and a lane of CVTPD2PS. */
export function narrowed(x: u64): u32 {
  if (nativeAllowed()) {
    const r = reinterpret<u32>(<f32>reinterpret<f64>(x));
    if ((r & 0x7fff_ffff) - 0x80_0001 < 0x7eff_ffff) return r;
  }
  return narrow(x);
}

export function fromInteger(value: i32): u32 {
  const magnitude = value < 0 ? <u64>-<i64>value : <u64>value;
  return integerToSingle(<u32>value >> 31, magnitude);
}

/** A double, or a widened single, to a 32-bit integer: by MXCSR's rounding, or truncated. No DE. */
export function toInteger(x: f64, truncate: bool): u32 {
  let r: f64;
  switch (truncate ? 3 : rounding()) {
    case 0: r = nearest<f64>(x); break;
    case 1: r = floor<f64>(x); break;
    case 2: r = ceil<f64>(x); break;
    default: r = trunc<f64>(x);
  }
  if (!(r >= -2147483648.0 && r <= 2147483647.0)) {
    flag(IE);
    return 0x8000_0000;
  }
  if (r != x) flag(PE);
  return <u32><i32>r;
}

export function singleToInteger(x: u32, truncate: bool): u32 {
  if (denormalsAreZero() && isDenormal32(x)) x = 0;
  return toInteger(<f64>reinterpret<f32>(x), truncate);
}

export function doubleToInteger(x: u64, truncate: bool): u32 {
  if (denormalsAreZero() && isDenormal64(x)) x = 0;
  return toInteger(reinterpret<f64>(x), truncate);
}

/** CVTDQ2PS. */
export function integersToSingles(v: v128): v128 {
  v128.store(lanes, v);
  for (let i: usize = 0; i < 16; i += 4) store<u32>(lanes + i, fromInteger(load<i32>(lanes + i)));
  return v128.load(lanes);
}

/** CVT(T)PS2DQ. */
export function singlesToIntegers(v: v128, truncate: bool): v128 {
  v128.store(lanes, v);
  for (let i: usize = 0; i < 16; i += 4) store<u32>(lanes + i, singleToInteger(load<u32>(lanes + i), truncate));
  return v128.load(lanes);
}

/** CVTPI2PS: two integers in a quadword to two singles in one. */
export function pairToSingles(pair: u64): u64 {
  return <u64>fromInteger(<i32>pair) | (<u64>fromInteger(<i32>(pair >> 32)) << 32);
}

/** CVT(T)PS2PI. */
export function pairOfSinglesToIntegers(pair: u64, truncate: bool): u64 {
  return <u64>singleToInteger(<u32>pair, truncate) | (<u64>singleToInteger(<u32>(pair >> 32), truncate) << 32);
}

/** CVT(T)PD2PI, and the low half of CVT(T)PD2DQ. */
export function doublesToIntegers(v: v128, truncate: bool): u64 {
  const low = doubleToInteger(i64x2.extract_lane(v, 0), truncate);
  return <u64>low | (<u64>doubleToInteger(i64x2.extract_lane(v, 1), truncate) << 32);
}

/** CVTPI2PD, CVTDQ2PD: exact. */
export function pairToDoubles(pair: u64): v128 {
  const low = f64x2.splat(<f64><i32>pair);
  return f64x2.replace_lane(low, 1, <f64><i32>(pair >> 32));
}

/** CVTPS2PD. */
export function pairWidened(pair: u64): v128 {
  const low = widen(<u32>pair);
  return i64x2.replace_lane(i64x2.splat(low), 1, widen(<u32>(pair >> 32)));
}

/** CVTPD2PS: the low half of the result. */
export function pairNarrowed(v: v128): u64 {
  const low = narrowed(i64x2.extract_lane(v, 0));
  return <u64>low | (<u64>narrowed(i64x2.extract_lane(v, 1)) << 32);
}
