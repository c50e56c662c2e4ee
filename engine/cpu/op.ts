/**
 * The decoded form of an instruction: 32 bytes, little-endian, one after the other in execution order. Number literals only.
 *
 *    0 handler   2 plain      4 reg       6 rm
 *    8 base     10 index     12 scale    13 ea      14 offset
 *   16 disp                  20 imm
 *   24 target / imm2         28 length   29 flags   30 run left
 */
export const OP_SIZE = 32;
/** u16: what to execute (handlers.as.ts). */
export const OP_HANDLER = 0;
/** u16: the handler without fusion with the next op. */
export const OP_PLAIN = 2;
/** u16: address of the register operand (of its byte for AH…BH). */
export const OP_REG = 4;
/** u16: address of the r/m operand when it is a register. */
export const OP_RM = 6;
/** u16: addresses of base and index registers; ZERO_SLOT when there is none. */
export const OP_BASE = 8;
export const OP_INDEX = 10;
/** u8: shift of the index. */
export const OP_SCALE = 12;
/** u8: 0 = linear address is base + index + disp; else 1 + segment register: 16-bit wrap, segment base and limit are to be looked at. */
export const OP_EA = 13;
/** u16: offset in the page of the instruction's first byte; may exceed 4095 in an op that only ends a run. */
export const OP_OFFSET = 14;
export const OP_DISP = 16;
/** u32: immediate; of a direct branch its target relative to the page's first byte. */
export const OP_IMM = 20;
/**
 * u32: cached op of a direct branch's target, 0 = not yet known; else a second immediate. A target in another page has bit 31 set and holds only
 * while CODE_STAMP is OP_LINK_STAMP and the branch executes in the page at PAGE_EIP = OP_LINK_FROM; OP_LINK_INDEX becomes PAGE_INDEX then.
 */
export const OP_TARGET = 24;
export const OP_LINK_FROM = 4;
export const OP_LINK_INDEX = 8;
export const OP_LINK_STAMP = 16;
export const OP_LENGTH = 28;
/** u8: FLAG_*. */
export const OP_FLAGS = 29;
/** u16: instructions from this one (inclusive) up to the next place where the budget is looked at. */
export const OP_RUN = 30;

/** log2 of the operand size in bytes. */
export const FLAG_SIZE = 3;
export const FLAG_MEMORY = 4;
export const FLAG_ADDR16 = 8;
export const FLAG_REP = 0x10;
export const FLAG_REPNE = 0x20;
/** The string source (or the only memory operand) is in the segment OP_EA - 1. */
export const FLAG_LOCK = 0x40;
/** Stack of 16 bits or segment checks needed for stack and branches. */
export const FLAG_CHECKED = 0x80;

/** Decode key: code is 32-bit; ES, CS, SS, DS are flat (base 0, 4 GiB, SS.B = 1). */
export const KEY_32 = 1;
export const KEY_FLAT = 2;
/** Not part of what is decoded, only of the code TLB's tag: CPL 3. */
export const KEY_USER = 4;
