/**
 * ADD OR ADC SBB AND SUB XOR CMP, INC, DEC, NEG of 8, 16 and 32 bits (SDM 2A): values come zero-extended and results are to be truncated by who stores them.
 */
import { FLAG_AF, FLAG_OF } from '../cpu/bits';
import { carryFlag, noteAdd, noteDec, noteInc, noteLogic, noteParts, noteSub } from '../cpu/flags.as';

/** Shift that puts a T at the top of 32 bits. */
@inline export function topShift<T>(): u32 { return 32 - (<u32>sizeof<T>() << 3); }

@inline export function add<T>(a: u32, b: u32): u32 {
  const r = a + b;
  noteAdd(topShift<T>(), a << topShift<T>(), r << topShift<T>());
  return r;
}
@inline export function sub<T>(a: u32, b: u32): u32 {
  const r = a - b;
  noteSub(topShift<T>(), a << topShift<T>(), r << topShift<T>());
  return r;
}
@inline export function compare<T>(a: u32, b: u32): void {
  noteSub(topShift<T>(), a << topShift<T>(), (a - b) << topShift<T>());
}
@inline export function or<T>(a: u32, b: u32): u32 {
  const r = a | b;
  noteLogic(topShift<T>(), r << topShift<T>());
  return r;
}
@inline export function and<T>(a: u32, b: u32): u32 {
  const r = a & b;
  noteLogic(topShift<T>(), r << topShift<T>());
  return r;
}
@inline export function xor<T>(a: u32, b: u32): u32 {
  const r = a ^ b;
  noteLogic(topShift<T>(), r << topShift<T>());
  return r;
}
@inline export function adc<T>(a: u32, b: u32): u32 { return addCarry(a, b, topShift<T>()); }
@inline export function sbb<T>(a: u32, b: u32): u32 { return subBorrow(a, b, topShift<T>()); }

export function addCarry(a: u32, b: u32, shift: u32): u32 {
  const r = a + b + carryFlag();
  const ta = a << shift;
  const tb = b << shift;
  const tr = r << shift;
  const carry = ((ta & tb) | ((ta | tb) & ~tr)) >>> 31;
  const overflow = ((ta ^ tr) & (tb ^ tr)) >>> 31;
  noteParts(shift, tr, carry | ((a ^ b ^ r) & FLAG_AF) | (overflow ? FLAG_OF : 0));
  return r;
}

export function subBorrow(a: u32, b: u32, shift: u32): u32 {
  const r = a - b - carryFlag();
  const ta = a << shift;
  const tb = b << shift;
  const tr = r << shift;
  const borrow = ((~ta & tb) | ((~ta | tb) & tr)) >>> 31;
  const overflow = ((ta ^ tb) & (ta ^ tr)) >>> 31;
  noteParts(shift, tr, borrow | ((a ^ b ^ r) & FLAG_AF) | (overflow ? FLAG_OF : 0));
  return r;
}

@inline export function inc<T>(a: u32): u32 {
  const r = a + 1;
  noteInc(topShift<T>(), r << topShift<T>());
  return r;
}
@inline export function dec<T>(a: u32): u32 {
  const r = a - 1;
  noteDec(topShift<T>(), r << topShift<T>());
  return r;
}

/** Operation `k` of the eight on T. */
function operateOn<T>(k: u32, a: u32, b: u32): u32 {
  switch (k) {
    case 0: return add<T>(a, b);
    case 1: return or<T>(a, b);
    case 2: return adc<T>(a, b);
    case 3: return sbb<T>(a, b);
    case 4: return and<T>(a, b);
    case 5: return sub<T>(a, b);
    case 6: return xor<T>(a, b);
    default: compare<T>(a, b); return a;
  }
}

/** Operation `k` (7 = CMP leaves `a`) on operands of 1 << `size` bytes. */
export function operate(k: u32, size: u32, a: u32, b: u32): u32 {
  return size == 0 ? operateOn<u8>(k, a, b) : size == 1 ? operateOn<u16>(k, a, b) : operateOn<u32>(k, a, b);
}
export function increment(size: u32, a: u32): u32 { return size == 0 ? inc<u8>(a) : size == 1 ? inc<u16>(a) : inc<u32>(a); }
export function decrement(size: u32, a: u32): u32 { return size == 0 ? dec<u8>(a) : size == 1 ? dec<u16>(a) : dec<u32>(a); }
