/**
 * The CPU state in which both boot protocols start a kernel: protected mode, flat 4 GiB segments, paging and interrupts off, memory types as firmware
 * leaves them (SDM 3A 11.11).
 */
import * as block from '../cpu/block.ts';
import { CPU_BLOCK } from '../memory/layout.ts';

const CR0_PE_ET = 0x11;
const EFLAGS_RESERVED = 0x2;
/** Type, S, DPL, P, D/B, G of flat segments, as SEG_ATTR keeps them. */
const FLAT_CODE = 0x00c09b00;
const FLAT_DATA = 0x00c09300;

/** MTRRs on, fixed ones too, write-back where none says otherwise. */
const MTRR_DEFAULT = 0xc06n;
/** Eight ranges to a register: RAM below A0000h, video memory uncached, ROM write-protected. */
const MTRR_FIXED = [0x0606_0606_0606_0606n, 0x0606_0606_0606_0606n, 0n, ...Array<bigint>(8).fill(0x0505_0505_0505_0505n)];
/** Uncached from C0000000h to 4 GiB, where no RAM is. */
const MTRR_DEVICES = [0xc000_0000n, 0xc000_0800n];

/** `code` and `data` descriptors for a GDT in memory. */
export const FLAT_CODE_DESCRIPTOR = 0x00cf9b000000ffffn;
export const FLAT_DATA_DESCRIPTOR = 0x00cf93000000ffffn;

export interface FlatStart {
  readonly eip: number;
  readonly codeSelector: number;
  readonly dataSelector: number;
  readonly gdtBase: number;
  readonly gdtLimit: number;
  /** By encoding number: 0 EAX, 3 EBX, 6 ESI. */
  readonly registers: Readonly<Record<number, number>>;
}

/** Overwrites a CPU block that resetCpu() just set; resetDerived() must follow. */
export function startFlat(memory: WebAssembly.Memory, start: FlatStart) {
  const cpu = new DataView(memory.buffer, CPU_BLOCK);
  const u64 = (at: number, value: number) => cpu.setBigUint64(at, BigInt(value), true);
  const u32 = (at: number, value: number) => cpu.setUint32(at, value, true);
  for (let i = 0; i < 16; i++) u64(block.REGS + i * 8, start.registers[i] ?? 0);
  u64(block.RIP, start.eip);
  u32(block.FLAGS, EFLAGS_RESERVED);
  u64(block.CR0, CR0_PE_ET);
  u64(block.GDTR_BASE, start.gdtBase);
  u32(block.GDTR_LIMIT, start.gdtLimit);
  cpu.setBigUint64(block.MTRR_DEF_TYPE, MTRR_DEFAULT, true);
  MTRR_FIXED.forEach((types, i) => cpu.setBigUint64(block.MTRR_FIXED + i * 8, types, true));
  MTRR_DEVICES.forEach((value, i) => cpu.setBigUint64(block.MTRR_VAR + i * 8, value, true));
  u32(block.CPL, 0);
  for (const seg of [block.SEG_ES, block.SEG_CS, block.SEG_SS, block.SEG_DS, block.SEG_FS, block.SEG_GS]) {
    const code = seg === block.SEG_CS;
    u32(seg + block.SEG_SELECTOR, code ? start.codeSelector : start.dataSelector);
    u32(seg + block.SEG_ATTR, code ? FLAT_CODE : FLAT_DATA);
    u64(seg + block.SEG_BASE, 0);
    u32(seg + block.SEG_LIMIT, 0xffffffff);
  }
}
