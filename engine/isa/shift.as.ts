/**
 * Shifts and rotates (SDM 2B "RCL/RCR/ROL/ROR", "SAL/SAR/SHL/SHR", "SHLD", "SHRD"). Counts are masked to 5 bits by the caller and not 0.
 * Where OF is undefined (count > 1) it is what QEMU's and most processors' last step gives: from the two top bits of the last step.
 */
import { FLAG_CF, FLAG_OF } from '../cpu/bits';
import { carryFlag, noteParts, setFlagBits } from '../cpu/flags.as';

@inline function parts(carry: u32, overflow: u32): u32 { return (carry & 1) | (overflow & 1 ? FLAG_OF : 0); }

@inline export function shl32(a: u32, count: u32): u32 {
  const r = a << count;
  const carry = a >>> (32 - count);
  noteParts(0, r, parts(carry, (a ^ (a << 1)) << (count - 1) >>> 31));
  return r;
}
@inline export function shr32(a: u32, count: u32): u32 {
  const before = a >>> (count - 1);
  const r = before >>> 1;
  noteParts(0, r, parts(before, before >>> 31));
  return r;
}
@inline export function sar32(a: u32, count: u32): u32 {
  const before = <u32>(<i32>a >> (count - 1));
  const r = <u32>(<i32>before >> 1);
  noteParts(0, r, before & 1);
  return r;
}
@inline function setRotate(carry: u32, overflow: u32): void {
  setFlagBits(FLAG_CF | FLAG_OF, parts(carry, overflow));
}
export function rol32(a: u32, count: u32): u32 {
  const r = rotl<u32>(a, count);
  setRotate(r, r ^ (r >>> 31));
  return r;
}
export function ror32(a: u32, count: u32): u32 {
  const r = rotr<u32>(a, count);
  setRotate(r >>> 31, (r >>> 31) ^ (r >>> 30));
  return r;
}
export function shld32(a: u32, b: u32, count: u32): u32 {
  const r = (a << count) | (b >>> (32 - count));
  const before = (a << (count - 1)) | <u32>(<u64>b >> (33 - count));
  noteParts(0, r, parts(a >>> (32 - count), (before ^ r) >>> 31));
  return r;
}
export function shrd32(a: u32, b: u32, count: u32): u32 {
  const r = (a >>> count) | (b << (32 - count));
  const before = <u32>(((<u64>b << 32) | a) >> (count - 1));
  noteParts(0, r, parts(before, (before ^ r) >>> 31));
  return r;
}

/** 16-bit SHLD and SHRD; counts above 16 are undefined: as on AMD's processors and the Pentium, the second operand comes in once more and CF is clear. */
export function shld16(a: u32, b: u32, count: u32): u32 {
  const wide = (<u64>a << 32) | (<u64>b << 16) | b;
  const before = <u32>(wide >> (33 - count));
  const r = <u32>(wide >> (32 - count)) & 0xffff;
  noteParts(16, r << 16, parts(count > 16 ? 0 : <u32>(wide >> (48 - count)), (before ^ r) >>> 15));
  return r;
}
export function shrd16(a: u32, b: u32, count: u32): u32 {
  const wide = (<u64>b << 32) | (<u64>b << 16) | a;
  const before = <u32>(wide >> (count - 1)) & 0xffff;
  const r = <u32>(wide >> count) & 0xffff;
  noteParts(16, r << 16, parts(count > 16 ? 0 : before, (before ^ r) >>> 15));
  return r;
}

/** Operation `k` (ROL ROR RCL RCR SHL SHR SHL SAR) on 1 << `size` bytes; `count` 1 to 31. */
export function shift(k: u32, size: u32, a: u32, count: u32): u32 {
  if (size == 2) {
    switch (k) {
      case 0: return rol32(a, count);
      case 1: return ror32(a, count);
      case 2: case 3: return rotateCarry(k, 32, a, count);
      case 5: return shr32(a, count);
      case 7: return sar32(a, count);
      default: return shl32(a, count);
    }
  }
  const bits: u32 = 8 << size;
  const mask: u32 = (<u32>1 << bits) - 1;
  const top = 32 - bits;
  a &= mask;
  switch (k) {
    case 0: {
      const n = count & (bits - 1);
      const r = ((a << n) | (a >>> (bits - n))) & mask;
      setRotate(r, r ^ (r >>> (bits - 1)));
      return r;
    }
    case 1: {
      const n = count & (bits - 1);
      const r = ((a >>> n) | (a << (bits - n))) & mask;
      setRotate(r >>> (bits - 1), (r >>> (bits - 1)) ^ (r >>> (bits - 2)));
      return r;
    }
    case 2: case 3: return rotateCarry(k, bits, a, count);
    case 5: {
      const before = a >>> (count - 1);
      const r = before >>> 1;
      noteParts(top, r << top, parts(before, (before >>> (bits - 1)) ^ (r >>> (bits - 1))));
      return r;
    }
    case 7: {
      const wide = <i32>(a << top) >> top;
      const before = wide >> (count - 1);
      const r = <u32>(before >> 1) & mask;
      noteParts(top, r << top, before & 1);
      return r;
    }
    default: {
      const before = <u64>a << (count - 1);
      const r = <u32>(before << 1) & mask;
      noteParts(top, r << top, parts(<u32>(before >> (bits - 1)), (<u32>(before >> (bits - 1)) ^ (r >>> (bits - 1)))));
      return r;
    }
  }
}

/** Rotates through CF: `bits` + 1 positions. */
function rotateCarry(k: u32, bits: u32, a: u32, count: u32): u32 {
  const width = bits + 1;
  const n = count % width;
  const carry = <u64>carryFlag();
  if (n == 0) {
    // As QEMU: a full turn leaves all flags alone.
    return a;
  }
  const all = <u64>a | (carry << bits);
  const mask = (<u64>1 << width) - 1;
  const turned = (k == 2 ? (all << n) | (all >> (width - n)) : (all >> n) | (all << (width - n))) & mask;
  const r = <u32>(turned & ((<u64>1 << bits) - 1));
  const out = <u32>(turned >> bits);
  // Whether the top bit has changed: right for one step, and what QEMU gives for more.
  setRotate(out, (a ^ r) >>> (bits - 1));
  return r;
}
