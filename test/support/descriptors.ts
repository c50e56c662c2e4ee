/** Segment and gate descriptors as two dwords (SDM 3A 3.4.5, 6.11), for tests that build GDTs and IDTs. */

/** Access bytes: P, DPL, S, type. */
export const CODE = 0x9a;
export const CONFORMING = 0x9e;
export const EXECUTE_ONLY = 0x98;
export const DATA = 0x92;
export const READ_ONLY = 0x90;
export const EXPAND_DOWN = 0x96;
export const LDT = 0x82;
export const TSS16 = 0x81;
export const TSS32 = 0x89;
export const TASK_GATE = 0x85;
export const CALL16 = 0x84;
export const CALL32 = 0x8c;
export const INT16 = 0x86;
export const INT32 = 0x8e;
export const TRAP32 = 0x8f;
export const RING3 = 0x60;

export type Dwords = readonly [low: number, high: number];

/** `wide`: D/B = 1. A limit above 1 MiB is given in pages. */
export function segment(access: number, base: number, limit: number, wide = true): Dwords {
  const paged = limit > 0xf_ffff;
  const value = paged ? limit >>> 12 : limit;
  const low = (value & 0xffff) | (base << 16);
  const high =
    ((base >>> 16) & 0xff) | (access << 8) | (value & 0xf_0000) | (wide ? 0x40_0000 : 0) | (paged ? 0x80_0000 : 0) | (base & 0xff00_0000);
  return [low >>> 0, high >>> 0];
}

export function gate(access: number, selector: number, offset: number, parameters = 0): Dwords {
  return [((selector << 16) | (offset & 0xffff)) >>> 0, ((offset & 0xffff_0000) | (access << 8) | parameters) >>> 0];
}
