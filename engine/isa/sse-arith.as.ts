// Scalar and packed float arithmetic, MIN/MAX, compares, estimates (Intel SDM vol. 2). Native where that can be proved to leave the
// same bits and flags, else sse-softfloat. WebAssembly leaves a NaN's bits open, so no NaN ever comes from a native operation.
import { CPU_BLOCK } from '../memory/layout';
import { FLAGS, LAZY_OP } from '../cpu/block';
import { raise } from '../cpu/fault.as';
import { UD } from './sse-operands.as';
import {
  ADD, arithmetic32, arithmetic64, DE, denormalsAreZero, DIV, flag, IE, isDenormal32, isDenormal64, isNan32, isNan64,
  isSignaling32, isSignaling64, MUL, NAN32, nativeAllowed, SQRT, SUB,
} from './sse-softfloat.as';

const lanesA = memory.data(16, 16);
const lanesB = memory.data(16, 16);

const MIN: u32 = 0x5d;
const MAX: u32 = 0x5f;

/** Scalar single: SQRT ADD MUL SUB DIV MIN MAX by opcode. */
export function scalar32(op: u32, a: u32, b: u32): u32 {
  if (op == MIN || op == MAX) return minMax32(op, a, b);
  if (nativeAllowed()) {
    const x = reinterpret<f32>(a);
    const y = reinterpret<f32>(b);
    const r = reinterpret<u32>(op == ADD ? x + y : op == MUL ? x * y : op == SUB ? x - y : op == DIV ? x / y : Mathf.sqrt(y));
    if ((r & 0x7fff_ffff) - 0x80_0001 < 0x7eff_ffff && !isDenormal32(b) && (op == SQRT || !isDenormal32(a))) return r;
  }
  return arithmetic32(op, a, b);
}

export function scalar64(op: u32, a: u64, b: u64): u64 {
  if (op == MIN || op == MAX) return minMax64(op, a, b);
  if (nativeAllowed()) {
    const x = reinterpret<f64>(a);
    const y = reinterpret<f64>(b);
    const r = reinterpret<u64>(op == ADD ? x + y : op == MUL ? x * y : op == SUB ? x - y : op == DIV ? x / y : Math.sqrt(y));
    const abs = r & 0x7fff_ffff_ffff_ffff;
    if (abs - 0x10_0000_0000_0001 < 0x7fdf_ffff_ffff_ffff && !isDenormal64(b) && (op == SQRT || !isDenormal64(a))) return r;
  }
  return arithmetic64(op, a, b);
}

export function packed32(op: u32, a: v128, b: v128): v128 {
  if (op == SQRT) a = b;
  if (nativeAllowed()) {
    switch (op) {
      case SQRT: {
        const r = v128.sqrt<f32>(b);
        if (v128.all_true<i32>(v128.and(plain32(b), ordinary32(r, b, b)))) return r;
        break;
      }
      case ADD: {
        const r = v128.add<f32>(a, b);
        if (v128.all_true<i32>(v128.and(v128.and(plain32(a), plain32(b)), ordinarySum32(r)))) return r;
        break;
      }
      case SUB: {
        const r = v128.sub<f32>(a, b);
        if (v128.all_true<i32>(v128.and(v128.and(plain32(a), plain32(b)), ordinarySum32(r)))) return r;
        break;
      }
      case MUL: {
        const r = v128.mul<f32>(a, b);
        if (v128.all_true<i32>(v128.and(v128.and(plain32(a), plain32(b)), ordinary32(r, a, b)))) return r;
        break;
      }
      case DIV: {
        const r = v128.div<f32>(a, b);
        if (v128.all_true<i32>(v128.and(v128.and(plain32(a), plain32(b)), ordinary32(r, a, a)))) return r;
        break;
      }
    }
  }
  v128.store(lanesA, a);
  v128.store(lanesB, b);
  for (let i: usize = 0; i < 16; i += 4) {
    const x = load<u32>(lanesA + i);
    const y = load<u32>(lanesB + i);
    store<u32>(lanesA + i, op == MIN || op == MAX ? minMax32(op, x, y) : arithmetic32(op, x, y));
  }
  return v128.load(lanesA);
}

export function packed64(op: u32, a: v128, b: v128): v128 {
  if (op == SQRT) a = b;
  if (nativeAllowed()) {
    switch (op) {
      case SQRT: {
        const r = v128.sqrt<f64>(b);
        if (v128.all_true<i64>(v128.and(plain64(b), ordinary64(r, b, b)))) return r;
        break;
      }
      case ADD: {
        const r = v128.add<f64>(a, b);
        if (v128.all_true<i64>(v128.and(v128.and(plain64(a), plain64(b)), ordinarySum64(r)))) return r;
        break;
      }
      case SUB: {
        const r = v128.sub<f64>(a, b);
        if (v128.all_true<i64>(v128.and(v128.and(plain64(a), plain64(b)), ordinarySum64(r)))) return r;
        break;
      }
      case MUL: {
        const r = v128.mul<f64>(a, b);
        if (v128.all_true<i64>(v128.and(v128.and(plain64(a), plain64(b)), ordinary64(r, a, b)))) return r;
        break;
      }
      case DIV: {
        const r = v128.div<f64>(a, b);
        if (v128.all_true<i64>(v128.and(v128.and(plain64(a), plain64(b)), ordinary64(r, a, a)))) return r;
        break;
      }
    }
  }
  v128.store(lanesA, a);
  v128.store(lanesB, b);
  for (let i: usize = 0; i < 16; i += 8) {
    const x = load<u64>(lanesA + i);
    const y = load<u64>(lanesB + i);
    store<u64>(lanesA + i, op == MIN || op == MAX ? minMax64(op, x, y) : arithmetic64(op, x, y));
  }
  return v128.load(lanesA);
}

/** Lanes that are zero, normal or infinite. */
@inline
function plain32(v: v128): v128 {
  const abs = v128.and(v, i32x4.splat(0x7fff_ffff));
  return v128.or(v128.eq<i32>(abs, i32x4.splat(0)), v128.le<u32>(v128.sub<i32>(abs, i32x4.splat(0x80_0000)), i32x4.splat(0x7f00_0000)));
}

/** Lanes that are finite and above the smallest normal number: neither overflow nor underflow, rounded or not. */
@inline
function normal32(r: v128): v128 {
  const abs = v128.and(r, i32x4.splat(0x7fff_ffff));
  return v128.lt<u32>(v128.sub<i32>(abs, i32x4.splat(0x80_0001)), i32x4.splat(0x7eff_ffff));
}

/** A sum may also be zero: then it is exact. */
@inline
function ordinarySum32(r: v128): v128 {
  return v128.or(normal32(r), v128.eq<f32>(r, i32x4.splat(0)));
}

/** A product or quotient may be zero only if an operand (`a`, `b`) is. */
@inline
function ordinary32(r: v128, a: v128, b: v128): v128 {
  const zero = i32x4.splat(0);
  return v128.or(normal32(r), v128.and(v128.eq<f32>(r, zero), v128.or(v128.eq<f32>(a, zero), v128.eq<f32>(b, zero))));
}

@inline
function plain64(v: v128): v128 {
  const abs = v128.and(v, i64x2.splat(0x7fff_ffff_ffff_ffff));
  const normalOrInfinite = v128.and(v128.ge<i64>(abs, i64x2.splat(0x10_0000_0000_0000)), v128.le<i64>(abs, i64x2.splat(0x7ff0_0000_0000_0000)));
  return v128.or(v128.eq<i64>(abs, i64x2.splat(0)), normalOrInfinite);
}

@inline
function normal64(r: v128): v128 {
  const abs = v128.and(r, i64x2.splat(0x7fff_ffff_ffff_ffff));
  return v128.and(v128.gt<i64>(abs, i64x2.splat(0x10_0000_0000_0000)), v128.lt<i64>(abs, i64x2.splat(0x7ff0_0000_0000_0000)));
}

@inline
function ordinarySum64(r: v128): v128 {
  return v128.or(normal64(r), v128.eq<f64>(r, i64x2.splat(0)));
}

@inline
function ordinary64(r: v128, a: v128, b: v128): v128 {
  const zero = i64x2.splat(0);
  return v128.or(normal64(r), v128.and(v128.eq<f64>(r, zero), v128.or(v128.eq<f64>(a, zero), v128.eq<f64>(b, zero))));
}

/** The second operand comes back when either is a NaN and when both are zero. */
function minMax32(op: u32, a: u32, b: u32): u32 {
  if (denormalsAreZero()) {
    if (isDenormal32(a)) a &= 0x8000_0000;
    if (isDenormal32(b)) b &= 0x8000_0000;
  }
  if (isNan32(a) || isNan32(b)) {
    flag(IE);
    return b;
  }
  if (isDenormal32(a) || isDenormal32(b)) flag(DE);
  const x = reinterpret<f32>(a);
  const y = reinterpret<f32>(b);
  return (op == MIN ? x < y : x > y) ? a : b;
}

function minMax64(op: u32, a: u64, b: u64): u64 {
  if (denormalsAreZero()) {
    if (isDenormal64(a)) a &= 0x8000_0000_0000_0000;
    if (isDenormal64(b)) b &= 0x8000_0000_0000_0000;
  }
  if (isNan64(a) || isNan64(b)) {
    flag(IE);
    return b;
  }
  if (isDenormal64(a) || isDenormal64(b)) flag(DE);
  const x = reinterpret<f64>(a);
  const y = reinterpret<f64>(b);
  return (op == MIN ? x < y : x > y) ? a : b;
}

/** EQ LT LE UNORD NEQ NLT NLE ORD: bit 2 negates; LT and LE (and their negations) are invalid with any NaN. */
function compare(predicate: u32, less: bool, equal: bool, unordered: bool): bool {
  let holds = false;
  switch (predicate & 3) {
    case 0: holds = equal; break;
    case 1: holds = less; break;
    case 2: holds = less || equal; break;
    case 3: holds = unordered; break;
  }
  return holds != ((predicate & 4) != 0);
}

export function compare32(predicate: u32, a: u32, b: u32): u32 {
  noteCompare32(a, b, (predicate & 3) == 1 || (predicate & 3) == 2);
  const x = operand32(a);
  const y = operand32(b);
  return compare(predicate, x < y, x == y, isNan32(a) || isNan32(b)) ? 0xffff_ffff : 0;
}

export function compare64(predicate: u32, a: u64, b: u64): u64 {
  noteCompare64(a, b, (predicate & 3) == 1 || (predicate & 3) == 2);
  const x = operand64(a);
  const y = operand64(b);
  return compare(predicate, x < y, x == y, isNan64(a) || isNan64(b)) ? 0xffff_ffff_ffff_ffff : 0;
}

function operand32(a: u32): f32 {
  return reinterpret<f32>(denormalsAreZero() && isDenormal32(a) ? a & 0x8000_0000 : a);
}

function operand64(a: u64): f64 {
  return reinterpret<f64>(denormalsAreZero() && isDenormal64(a) ? a & 0x8000_0000_0000_0000 : a);
}

function noteCompare32(a: u32, b: u32, quietIsInvalid: bool): void {
  if (isNan32(a) || isNan32(b)) {
    if (quietIsInvalid || isSignaling32(a) || isSignaling32(b)) flag(IE);
  } else if (!denormalsAreZero() && (isDenormal32(a) || isDenormal32(b))) flag(DE);
}

function noteCompare64(a: u64, b: u64, quietIsInvalid: bool): void {
  if (isNan64(a) || isNan64(b)) {
    if (quietIsInvalid || isSignaling64(a) || isSignaling64(b)) flag(IE);
  } else if (!denormalsAreZero() && (isDenormal64(a) || isDenormal64(b))) flag(DE);
}

export function comparePacked32(predicate: u32, a: v128, b: v128): v128 {
  v128.store(lanesA, a);
  v128.store(lanesB, b);
  for (let i: usize = 0; i < 16; i += 4) store<u32>(lanesA + i, compare32(predicate, load<u32>(lanesA + i), load<u32>(lanesB + i)));
  return v128.load(lanesA);
}

export function comparePacked64(predicate: u32, a: v128, b: v128): v128 {
  v128.store(lanesA, a);
  v128.store(lanesB, b);
  for (let i: usize = 0; i < 16; i += 8) store<u64>(lanesA + i, compare64(predicate, load<u64>(lanesA + i), load<u64>(lanesB + i)));
  return v128.load(lanesA);
}

const CF: u32 = 1;
const PF: u32 = 4;
const ZF: u32 = 0x40;
const ARITHMETIC_FLAGS: u32 = 0x8d5;

/** (U)COMISS: the EFLAGS bits ZF PF CF; commitOrder() writes them once nothing can fault any more. */
export function order32(a: u32, b: u32, quietIsInvalid: bool): u32 {
  noteCompare32(a, b, quietIsInvalid);
  const x = operand32(a);
  const y = operand32(b);
  return isNan32(a) || isNan32(b) ? ZF | PF | CF : x == y ? ZF : x < y ? CF : 0;
}

export function order64(a: u64, b: u64, quietIsInvalid: bool): u32 {
  noteCompare64(a, b, quietIsInvalid);
  const x = operand64(a);
  const y = operand64(b);
  return isNan64(a) || isNan64(b) ? ZF | PF | CF : x == y ? ZF : x < y ? CF : 0;
}

export function commitOrder(order: u32): void {
  store<u32>(CPU_BLOCK, (load<u32>(CPU_BLOCK, FLAGS) & ~ARITHMETIC_FLAGS) | order, FLAGS);
  store<u32>(CPU_BLOCK, 0, LAZY_OP);
}

/**
 * RSQRT (0F 52) and RCP (0F 53): the architecture bounds the relative error by 1.5 × 2^-12 and says that denormals count as zero and
 * tiny results are flushed; within that the correctly rounded result is given. No flags, no rounding control.
 */
export function estimate(op: u32, x: u32): u32 {
  if (isNan32(x)) return x | 0x40_0000;
  if (isDenormal32(x)) x &= 0x8000_0000;
  const value = reinterpret<f32>(x);
  if (op == 0x52) {
    if (value < 0) return NAN32;
    if ((x & 0x7fff_ffff) == 0) return x | 0x7f80_0000;
    return reinterpret<u32>(<f32>(1.0 / Math.sqrt(<f64>value)));
  }
  const r = reinterpret<u32>(<f32>1.0 / value);
  return isDenormal32(r) ? r & 0x8000_0000 : r;
}

export function estimatePacked(op: u32, v: v128): v128 {
  v128.store(lanesA, v);
  for (let i: usize = 0; i < 16; i += 4) store<u32>(lanesA + i, estimate(op, load<u32>(lanesA + i)));
  return v128.load(lanesA);
}

/** 0F 54-57: AND ANDN OR XOR. */
export function logical(op: u32, d: v128, s: v128): v128 {
  switch (op) {
    case 0x54: return v128.and(d, s);
    case 0x55: return v128.andnot(s, d);
    case 0x56: return v128.or(d, s);
    case 0x57: return v128.xor(d, s);
    default: raise(UD);
  }
  return d;
}
