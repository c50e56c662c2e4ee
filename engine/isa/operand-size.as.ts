/**
 * How many bytes of memory an x87, MMX, SSE or SSE2 instruction touches, for the limit of its segment (Intel SDM volume 2, the instructions' operand
 * columns; volume 1, figures 8-9 to 8-12). 0 = no such instruction with a memory operand.
 */

/** D8, DA, DC and DE take one kind of operand each: m32, m32int, m64, m16int. */
const ARITHMETIC: usize = memory.data<u8>([4, 4, 8, 2]);
/** D9, DB, DD and DF by reg field; FLDENV, FNSTENV, FRSTOR and FNSAVE with 32-bit operand size. */
const WIDE: usize = memory.data<u8>([
  4, 0, 4, 4, 28, 2, 28, 2,
  4, 4, 4, 4, 0, 10, 0, 10,
  8, 8, 8, 8, 108, 0, 108, 2,
  2, 2, 2, 2, 10, 8, 10, 8,
]);

/** `esc` = (opcode & 7) << 8 | modrm, `wide` is a 32-bit operand size. */
export function x87OperandSize(esc: u32, wide: bool): u32 {
  const group = (esc >> 8) & 7;
  if (!(group & 1)) return <u32>load<u8>(ARITHMETIC + (group >> 1));
  const size = <u32>load<u8>(WIDE + ((group >> 1) << 3) + ((esc >> 3) & 7));
  return !wide && (size == 28 || size == 108) ? size - 14 : size;
}

/** Of D9, DB, DD and DF, /0, /4 and /5 load. */
export function x87Stores(esc: u32): bool {
  if (!((esc >> 8) & 1)) return false;
  const operation = (esc >> 3) & 7;
  return operation != 0 && operation != 4 && operation != 5;
}

/** `prefix` as sse() takes it. MASKMOVQ and MASKMOVDQU included. */
export function sseOperandSize(prefix: u32, opcode: u32, modrm: u32): u32 {
  switch (opcode) {
    case 0x12: case 0x13: case 0x16: case 0x17: return prefix < 2 ? 8 : 0;
    case 0x2a: return prefix < 2 ? 8 : 4;
    case 0x2c: case 0x2d: return prefix == 1 ? 16 : prefix == 2 ? 4 : 8;
    case 0x2e: case 0x2f: return prefix == 0 ? 4 : 8;
    case 0x5a: return prefix == 1 ? 16 : prefix == 2 ? 4 : 8;
    case 0x5b: return 16;
    case 0x60: case 0x61: case 0x62: return prefix == 0 ? 4 : 16;
    case 0x6e: return 4;
    case 0x7e: return prefix == 2 ? 8 : 4;
    case 0x6f: case 0x70: case 0x7f: return prefix == 0 ? 8 : 16;
    case 0xc3: return 4;
    case 0xc4: return 2;
    case 0xd6: return 8;
    case 0xe6: return prefix == 2 ? 8 : 16;
    case 0xae: {
      const operation = (modrm >> 3) & 7;
      return operation < 2 ? 512 : operation < 4 ? 4 : operation == 7 ? 1 : 0;
    }
    default: break;
  }
  if (opcode < 0x60 || opcode == 0xc2 || opcode == 0xc6) return prefix == 2 ? 4 : prefix == 3 ? 8 : 16;
  return prefix == 0 ? 8 : 16;
}

export function sseStores(prefix: u32, opcode: u32, modrm: u32): bool {
  switch (opcode) {
    case 0x11: case 0x13: case 0x17: case 0x29: case 0x2b: case 0x7f: case 0xc3: case 0xd6: case 0xe7: case 0xf7: return true;
    case 0x7e: return prefix != 2;
    case 0xae: return ((modrm >> 3) & 7) == 0 || ((modrm >> 3) & 7) == 3;
    default: return false;
  }
}
