/**
 * Bits of the architectural registers and numbers of the exceptions (SDM 3A chapters 2, 6 and 17). Number literals only;
 * AssemblyScript and TypeScript both read it.
 */

export const CR0_PE = 0x0000_0001;
export const CR0_MP = 0x0000_0002;
export const CR0_EM = 0x0000_0004;
export const CR0_TS = 0x0000_0008;
export const CR0_ET = 0x0000_0010;
export const CR0_NE = 0x0000_0020;
export const CR0_WP = 0x0001_0000;
export const CR0_AM = 0x0004_0000;
export const CR0_NW = 0x2000_0000;
export const CR0_CD = 0x4000_0000;
export const CR0_PG = 0x8000_0000;

export const CR4_TSD = 0x004;
export const CR4_DE = 0x008;
export const CR4_PSE = 0x010;
export const CR4_PAE = 0x020;
export const CR4_MCE = 0x040;
export const CR4_PGE = 0x080;
export const CR4_PCE = 0x100;
export const CR4_OSFXSR = 0x200;
export const CR4_OSXMMEXCPT = 0x400;

export const EFER_NXE = 0x800;

export const FLAG_CF = 0x0000_0001;
export const FLAG_ONE = 0x0000_0002; // always set
export const FLAG_PF = 0x0000_0004;
export const FLAG_AF = 0x0000_0010;
export const FLAG_ZF = 0x0000_0040;
export const FLAG_SF = 0x0000_0080;
export const FLAG_TF = 0x0000_0100;
export const FLAG_IF = 0x0000_0200;
export const FLAG_DF = 0x0000_0400;
export const FLAG_OF = 0x0000_0800;
export const FLAG_IOPL = 0x0000_3000;
export const IOPL_SHIFT = 12;
export const FLAG_NT = 0x0000_4000;
export const FLAG_RF = 0x0001_0000;
export const FLAG_VM = 0x0002_0000;
export const FLAG_AC = 0x0004_0000;
export const FLAG_VIF = 0x0008_0000;
export const FLAG_VIP = 0x0010_0000;
export const FLAG_ID = 0x0020_0000;

/** Segment attributes as in a descriptor's second dword (SEG_ATTR of block.ts). */
export const ATTR_NULL = 0x0000_0001;
export const ATTR_ACCESSED = 0x0000_0100;
/** Data: writable. Code: readable. */
export const ATTR_RW = 0x0000_0200;
/** Data: expand-down. Code: conforming. */
export const ATTR_EC = 0x0000_0400;
export const ATTR_CODE = 0x0000_0800;
/** Code or data, not a system segment. */
export const ATTR_S = 0x0000_1000;
export const ATTR_DPL_SHIFT = 13;
export const ATTR_PRESENT = 0x0000_8000;
/** Default size: 32-bit. */
export const ATTR_DB = 0x0040_0000;
export const ATTR_G = 0x0080_0000;

export const VEC_DE = 0;
export const VEC_DB = 1;
export const VEC_NMI = 2;
export const VEC_BP = 3;
export const VEC_OF = 4;
export const VEC_BR = 5;
export const VEC_UD = 6;
export const VEC_NM = 7;
export const VEC_DF = 8;
export const VEC_TS = 10;
export const VEC_NP = 11;
export const VEC_SS = 12;
export const VEC_GP = 13;
export const VEC_PF = 14;
export const VEC_MF = 16;
export const VEC_AC = 17;
export const VEC_XM = 19;

/** Page-fault error code (SDM 3A 4.7). */
export const PF_PRESENT = 0x01;
export const PF_WRITE = 0x02;
export const PF_USER = 0x04;
export const PF_RESERVED = 0x08;
export const PF_FETCH = 0x10;

/** What CPUID leaf 8000_0008h says; page-table bits above are reserved. */
export const PHYSICAL_BITS = 32;
