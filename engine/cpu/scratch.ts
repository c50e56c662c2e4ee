/**
 * Derived CPU state in the scratch page (memory/layout.ts CPU_SCRATCH): absolute addresses, number literals only. Never saved; resetDerived()
 * rebuilds all of it from the CPU block. Absolute, because a decoded op names its registers by address in 16 bits.
 */

/** Always zero: the base, index or register of an operand that has none. */
export const ZERO_SLOT = 0x2000;
/** u32: the op being executed, 0 when RIP and COUNT in the CPU block are exact. */
export const CUR_OP = 0x2010;
/** u32: the address the op pointer would have when the budget ends, were the code straight: (CUR_END - op) / 32 = instructions left at op. */
export const CUR_END = 0x2014;
/** u32: EIP of the first byte of the page being executed (RIP = PAGE_EIP + op.OFFSET). */
export const PAGE_EIP = 0x2018;
/** u32: the op index (u32 per byte offset) of the code page being executed. */
export const PAGE_INDEX = 0x201c;
/** u64: COUNT at the moment the running budget ends. */
export const COUNT_END = 0x2020;
/** u32: read and write TLB of the current privilege. */
export const READ_TLB = 0x2028;
export const WRITE_TLB = 0x202c;
/** u32: decode key (KEY_*). */
export const MODE_KEY = 0x2030;
/** u32: requestExit() was called. */
export const EXIT_REQUEST = 0x2034;
/** u32: the next instruction is executed alone, so that its port or MMIO access may be followed by an interrupt. */
export const STEP_REQUEST = 0x2038;
/** u32: an instruction is being executed alone. */
export const STEPPING = 0x203c;
/** u32: the unwinding under way is no guest fault: the instruction is to be started again. */
export const RESTART = 0x2040;
/** u32: TLB generation, 1…0x3ff, for TLB_ALIASES. */
export const TLB_GENERATION = 0x2044;
/** u32: which of the four data TLBs may hold entries (bit per table). */
export const TLB_USED = 0x2048;
/** u32: next free byte of the decode arena. */
export const ARENA_TOP = 0x204c;
/** u32: number of whole-arena flushes and code drops, for tests and tools. */
export const CODE_DROPS = 0x2050;
/** u32: generation of the code TLB << 3 | decode key: what was found by way of it holds while this is the same. Never 0. */
export const CODE_STAMP = 0x2054;
/** u32: how many TLB slots the log of entries that are not global holds; past its end the log is not used. */
export const LOCAL_ENTRIES = 0x2058;
/** u32: grows whenever a change of mode leaves the CPU in ring 3, so whenever a user program goes on; wraps. */
export const USER_RUNS = 0x205c;
/** Bytes of an instruction that crosses a page or lies outside RAM. */
export const FETCH_BUFFER = 0x2060; // 16 bytes
/** Ops outside the arena: one instruction executed alone, and what follows it. */
export const STEP_OPS = 0x2080; // 2 × 32 bytes
/** 1024 bits: 4 MiB regions of linear space with TLB entries from large pages. */
export const LARGE_REGIONS = 0x2100; // 128 bytes
