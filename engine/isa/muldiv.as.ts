/**
 * MUL, IMUL, DIV, IDIV (SDM 2A). After a multiplication CF = OF = "the high half matters"; SF, ZF and PF, which are undefined, follow
 * the low half as QEMU has it. A division leaves the flags alone.
 */
import { CPU_BLOCK } from '../memory/layout';
import { REGS } from '../cpu/block';
import { FLAG_CF, FLAG_OF } from '../cpu/bits';
import { noteParts } from '../cpu/flags.as';
import { DE, raise } from '../cpu/fault.as';

const EAX: u32 = CPU_BLOCK + REGS;
const EDX: u32 = CPU_BLOCK + REGS + 16;

@inline function noteProduct(shift: u32, low: u32, overflow: bool): void {
  noteParts(shift, low << shift, overflow ? FLAG_CF | FLAG_OF : 0);
}

/** IMUL with a 32-bit destination. */
export function signedMultiply(a: u32, b: u32): u32 {
  const product = <i64><i32>a * <i64><i32>b;
  const low = <u32>product;
  noteProduct(0, low, <i64><i32>low != product);
  return low;
}
export function signedMultiply16(a: u32, b: u32): u32 {
  const product = <i32><i16>a * <i32><i16>b;
  noteProduct(16, <u32>product, <i32><i16>product != product);
  return <u32>product & 0xffff;
}

/** EDX:EAX = EAX × value. */
export function mul32(value: u32): void {
  const product = <u64>load<u32>(EAX) * <u64>value;
  store<u32>(EAX, <u32>product);
  store<u32>(EDX, <u32>(product >> 32));
  noteProduct(0, <u32>product, product >> 32 != 0);
}

export function mul(size: u32, value: u32): void {
  if (size == 2) {
    mul32(value);
  } else if (size == 1) {
    const product = <u32>load<u16>(EAX) * value;
    store<u16>(EAX, <u16>product);
    store<u16>(EDX, <u16>(product >>> 16));
    noteProduct(16, product, product >>> 16 != 0);
  } else {
    const product = <u32>load<u8>(EAX) * value;
    store<u16>(EAX, <u16>product);
    noteProduct(24, product, product >>> 8 != 0);
  }
}

export function imul(size: u32, value: u32): void {
  if (size == 2) {
    const product = <i64>load<i32>(EAX) * <i64><i32>value;
    store<u32>(EAX, <u32>product);
    store<u32>(EDX, <u32>(product >> 32));
    noteProduct(0, <u32>product, <i64><i32>product != product);
  } else if (size == 1) {
    const product = <i32>load<i16>(EAX) * <i32><i16>value;
    store<u16>(EAX, <u16>product);
    store<u16>(EDX, <u16>(product >> 16));
    noteProduct(16, <u32>product, <i32><i16>product != product);
  } else {
    const product = <i32>load<i8>(EAX) * <i32><i8>value;
    store<u16>(EAX, <u16>product);
    noteProduct(24, <u32>product, <i32><i8>product != product);
  }
}

export function div(size: u32, value: u32): void {
  if (value == 0) raise(DE);
  if (size == 2) {
    const dividend = <u64>load<u32>(EAX) | (<u64>load<u32>(EDX) << 32);
    const quotient = dividend / value;
    if (quotient > 0xffffffff) raise(DE);
    store<u32>(EAX, <u32>quotient);
    store<u32>(EDX, <u32>(dividend % value));
  } else if (size == 1) {
    const dividend = <u32>load<u16>(EAX) | (<u32>load<u16>(EDX) << 16);
    const quotient = dividend / value;
    if (quotient > 0xffff) raise(DE);
    store<u16>(EAX, <u16>quotient);
    store<u16>(EDX, <u16>(dividend % value));
  } else {
    const dividend = <u32>load<u16>(EAX);
    const quotient = dividend / value;
    if (quotient > 0xff) raise(DE);
    store<u16>(EAX, <u16>(quotient | ((dividend % value) << 8)));
  }
}

export function idiv(size: u32, value: u32): void {
  if (value == 0) raise(DE);
  if (size == 2) {
    const dividend = <i64>(<u64>load<u32>(EAX) | (<u64>load<u32>(EDX) << 32));
    const divisor = <i64><i32>value;
    // The one quotient that doesn't fit 64 bits traps in WebAssembly.
    if (divisor == -1 && dividend == i64.MIN_VALUE) raise(DE);
    const quotient = dividend / divisor;
    if (<i64><i32>quotient != quotient) raise(DE);
    store<u32>(EAX, <u32>quotient);
    store<u32>(EDX, <u32>(dividend % divisor));
  } else if (size == 1) {
    const dividend = <i64><i32>(<u32>load<u16>(EAX) | (<u32>load<u16>(EDX) << 16));
    const divisor = <i64><i16>value;
    const quotient = dividend / divisor;
    if (<i64><i16>quotient != quotient) raise(DE);
    store<u16>(EAX, <u16>quotient);
    store<u16>(EDX, <u16>(dividend % divisor));
  } else {
    const dividend = <i32>load<i16>(EAX);
    const divisor = <i32><i8>value;
    const quotient = dividend / divisor;
    if (<i32><i8>quotient != quotient) raise(DE);
    store<u16>(EAX, <u16>((<u32>quotient & 0xff) | ((<u32>(dividend % divisor) & 0xff) << 8)));
  }
}
