/**
 * The CPU block: offsets of the architectural state from CPU_BLOCK (memory/layout.ts). Number literals only;
 * AssemblyScript and TypeScript both read it. The whole block is saved in checkpoints and hashed to compare runs, so nothing
 * derived (TLB pointers, decode keys) lives here. Slots are 64 bits wide where x86-64 will need them.
 */

/** General registers: 16 × u64 in encoding order (rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8…r15). */
export const REGS = 0x000;
/** u64, offset in the code segment. Exact between instructions and at faults. */
export const RIP = 0x080;
/** u32: all of EFLAGS but OF SF ZF AF PF CF, which LAZY_* give (exact once flags are materialized at the end of run()). */
export const FLAGS = 0x088;
/** u32, what last set the arithmetic flags (FlagOp); 0 = they are in FLAGS. After run() it is always 0, so that the block is canonical. */
export const LAZY_OP = 0x08c;
export const LAZY_DST = 0x090; // u64, canonicalized to 0 after run()
export const LAZY_RES = 0x098; // u64, ditto
export const LAZY_AUX = 0x0a0; // u64, ditto

/** Segment caches, 32 bytes each, in encoding order ES CS SS DS FS GS, then LDTR, TR. */
export const SEGS = 0x100;
export const SEG_STRIDE = 32;
export const SEG_SELECTOR = 0; // u32 (16 bits used)
/** u32: bits 8-15 and 20-23 of the descriptor's second dword in place (type, S, DPL, P, AVL, L, D/B, G); bit 0 = null/unusable. */
export const SEG_ATTR = 4;
export const SEG_BASE = 8; // u64
export const SEG_LIMIT = 16; // u32, in bytes, granularity applied
export const SEG_ES = 0x100;
export const SEG_CS = 0x120;
export const SEG_SS = 0x140;
export const SEG_DS = 0x160;
export const SEG_FS = 0x180;
export const SEG_GS = 0x1a0;
export const SEG_LDTR = 0x1c0;
export const SEG_TR = 0x1e0;

export const GDTR_BASE = 0x200; // u64
export const GDTR_LIMIT = 0x208; // u32
export const IDTR_BASE = 0x210; // u64
export const IDTR_LIMIT = 0x218; // u32

export const CR0 = 0x220; // u64 each
export const CR2 = 0x228;
export const CR3 = 0x230;
export const CR4 = 0x238;
export const DR = 0x240; // 8 × u64
/** PAE page-directory-pointer registers: 4 × u64, loaded with CR3 (SDM 3A 4.4.1). */
export const PDPTE = 0x280;

export const EFER = 0x2a0; // u64 each
export const SYSENTER_CS = 0x2a8;
export const SYSENTER_ESP = 0x2b0;
export const SYSENTER_EIP = 0x2b8;
export const APIC_BASE = 0x2c0;
export const PAT = 0x2c8;
export const MISC_ENABLE = 0x2d0;
export const MTRR_DEF_TYPE = 0x2d8;
export const MTRR_FIXED = 0x2e0; // 11 × u64
export const MTRR_VAR = 0x338; // 8 pairs × u64

/** u64, instructions executed since reset: the machine's only clock. */
export const COUNT = 0x3c0;
/** u64, added to COUNT by RDTSC; moved by virtual-time adjustments and by WRMSR to the TSC. */
export const TSC_OFFSET = 0x3c8;

export const CPL = 0x3d0; // u32
/** u32: INTR line as the PIC drives it. */
export const INTR = 0x3d4;
export const NMI_PENDING = 0x3d8; // u32
export const HALTED = 0x3dc; // u32
/**
 * u32: low byte 1 = interrupts are held off for the next instruction (STI), 2 = debug traps too (MOV SS, POP SS); from bit 8 the DR6 bits of traps
 * that wait for it.
 */
export const INHIBIT = 0x3e0;
/** u32: 1 = in an NMI handler until IRET. */
export const IN_NMI = 0x3e4;
/** u32: A20 gate as an AND mask for physical addresses, 0xffffffff or 0xffefffff. */
export const A20_MASK = 0x3e8;
/** u32: 1 = triple fault, the machine must be reset. */
export const SHUTDOWN = 0x3ec;

/** The fault being raised; valid between raise() and deliverFault(), zero otherwise. */
export const FAULT_VECTOR = 0x3f0; // u32
export const FAULT_ERROR = 0x3f4; // u32
export const FAULT_HAS_ERROR = 0x3f8; // u32

/** x87: 8 physical registers × 16 bytes (significand u64, then sign+exponent u16); ST(i) is physical (TOP + i) & 7. */
export const FPU_REGS = 0x400;
export const FPU_CW = 0x480; // u32 (16 bits used)
/** u32, status word without TOP (bits 11-13 zero). */
export const FPU_SW = 0x484;
export const FPU_TOP = 0x488; // u32
/** u32, bit i = physical register i is empty. */
export const FPU_EMPTY = 0x48c;
export const FPU_FOP = 0x490; // u32, 11 bits
export const FPU_FCS = 0x494; // u32
export const FPU_FDS = 0x498; // u32
export const FPU_FIP = 0x4a0; // u64
export const FPU_FDP = 0x4a8; // u64
export const MXCSR = 0x4b0; // u32
/** u32: IGNNE# as the PC's coprocessor error logic drives it; falls with FERR#. */
export const FPU_IGNNE = 0x4b4;
/** u64: IA32_BIOS_SIGN_ID, which keeps what software writes to it. */
export const BIOS_SIGN_ID = 0x4b8;
/** u64. */
export const DEBUGCTL = 0x4c0;
/** 16 × 16 bytes. */
export const XMM = 0x500;
