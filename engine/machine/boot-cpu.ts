/** The CPU state in which both boot protocols start a kernel: protected mode, flat 4 GiB segments, paging and interrupts off. */
import * as block from '../cpu/block.ts';
import { CPU_BLOCK } from '../memory/layout.ts';

const CR0_PE_ET = 0x11;
const EFLAGS_RESERVED = 0x2;
/** Type, S, DPL, P, D/B, G of flat segments, as SEG_ATTR keeps them. */
const FLAT_CODE = 0x00c09b00;
const FLAT_DATA = 0x00c09300;

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
  u32(block.CPL, 0);
  for (const seg of [block.SEG_ES, block.SEG_CS, block.SEG_SS, block.SEG_DS, block.SEG_FS, block.SEG_GS]) {
    const code = seg === block.SEG_CS;
    u32(seg + block.SEG_SELECTOR, code ? start.codeSelector : start.dataSelector);
    u32(seg + block.SEG_ATTR, code ? FLAT_CODE : FLAT_DATA);
    u64(seg + block.SEG_BASE, 0);
    u32(seg + block.SEG_LIMIT, 0xffffffff);
  }
}
