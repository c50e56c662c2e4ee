/**
 * The system half of the CPU (segments, paging, interrupts, tasks) over the real MMM and TLB but without the interpreter: a test sets up tables and
 * registers and calls one meaning at a time, as the interpreter would with RIP already at the next instruction.
 */
import { compileAs } from './compile-as.ts';
import * as B from '#engine/cpu/block.ts';
import { CPU_BLOCK, PAGE_SIZE, POOL_BASE } from '#engine/memory/layout.ts';

const ENTRY = `
import { initMemory } from '../memory/mmm.as';
import { resetCpuBlock } from './reset.as';
import { modeChanged, resetTlb } from './tlb.as';
export { clearPage, freePages, mapRam, pageForRead, pageForWrite } from '../memory/mmm.as';
export { flushTlb, modeChanged, userRuns } from './tlb.as';
export { read32, write32, read8 } from './access.as';
export { translateFetch, peekTranslate } from './paging.as';
export { loadSegment, segCheck } from './segmentation.as';
export { interrupt, deliverExternal, deliverFault } from './interrupt.as';
export { iret } from './iret.as';
export { farJump, farCall, farReturn } from './far.as';
export { movToCr, movFromCr, lmsw, sysenter, sysexit, checkIo, rdtsc } from './system.as';
export { lgdt, lidt, sgdt, lldt, ltr, str } from './descriptor-tables.as';
export { lar, lsl, verr, verw, arpl } from './verify.as';
export { rdmsr, wrmsr } from './msr.as';
export { cpuid } from './cpuid.as';
export { movToDr, movFromDr, checkExecute, checkData, takeDebugTrap } from './debug.as';
export function setUp(poolPages: u32): void { initMemory(poolPages); resetCpuBlock(); resetTlb(); modeChanged(); }
`;

/** The code cache, of which nothing is used here. */
const NO_CODE = `
export function dropCode(ppn: u32): void {}
export function flushCodeTlb(): void {}
export function flushLocalCode(): void {}
export function noteCodeWrite(ppn: u32, offset: u32, size: u32): void {}
`;

export interface SystemExports {
  setUp(poolPages: number): void;
  mapRam(gppn: number, count: number): void;
  pageForRead(gppn: number): number;
  pageForWrite(gppn: number): number;
  freePages(): number;
  clearPage(gppn: number): void;
  flushTlb(): void;
  modeChanged(): void;
  userRuns(): number;
  read8(lin: number): number;
  read32(lin: number): number;
  write32(lin: number, value: number): void;
  translateFetch(lin: number, user: boolean): bigint;
  peekTranslate(lin: number): bigint;
  loadSegment(seg: number, selector: number): void;
  segCheck(seg: number, offset: number, size: number, write: boolean): void;
  interrupt(vector: number, kind: number, hasError: boolean, error: number): void;
  deliverExternal(vector: number): void;
  deliverFault(): void;
  iret(wide: boolean): void;
  farJump(selector: number, offset: number): void;
  farCall(selector: number, offset: number, wide: boolean): void;
  farReturn(wide: boolean, drop: number): void;
  movToCr(index: number, value: number): void;
  movFromCr(index: number): number;
  lmsw(value: number): void;
  sysenter(): void;
  sysexit(): void;
  checkIo(port: number, size: number): void;
  rdtsc(): bigint;
  lgdt(lin: number, wide: boolean): void;
  lidt(lin: number, wide: boolean): void;
  sgdt(lin: number): void;
  lldt(selector: number): void;
  ltr(selector: number): void;
  str(): number;
  lar(selector: number): bigint;
  lsl(selector: number): bigint;
  verr(selector: number): void;
  verw(selector: number): void;
  arpl(destination: number, source: number): number;
  rdmsr(index: number): bigint;
  wrmsr(index: number, value: bigint): void;
  cpuid(): void;
  movToDr(index: number, value: number): void;
  movFromDr(index: number): number;
  checkExecute(lin: number): void;
  checkData(lin: number, size: number, write: boolean): void;
  takeDebugTrap(): void;
}

const GUEST_FAULT = new Error('guest fault');
export const POOL_EXHAUSTED = new Error('pool exhausted');

export interface Fault {
  readonly vector: number;
  /** Undefined for a vector without an error code. */
  readonly error?: number;
}

export class LoneSystem {
  readonly x: SystemExports;
  private readonly view: DataView;

  private constructor(exports: SystemExports, memory: WebAssembly.Memory) {
    this.x = exports;
    this.view = new DataView(memory.buffer);
  }

  private static module: Promise<WebAssembly.Module> | undefined;

  /** A CPU at reset with 4 MiB of RAM, of which 256 KiB can be written. */
  static async create(): Promise<LoneSystem> {
    this.module ??= compileAs('engine/cpu/lone-system.as.ts', {
      'engine/cpu/lone-system.as': ENTRY,
      'engine/cpu/decode-cache.as': NO_CODE,
    });
    const ramPages = 1024;
    const poolPages = 64;
    const memory = new WebAssembly.Memory({
      initial: Math.ceil((POOL_BASE + poolPages * PAGE_SIZE) / 0x1_0000),
      maximum: 65536,
      shared: true,
    });
    const host = {
      unwind: () => {
        throw GUEST_FAULT;
      },
      loadPage: () => {},
      poolExhausted: () => {
        throw POOL_EXHAUSTED;
      },
      mmioRead: () => 0xffff_ffff,
      mmioWrite: () => {},
      portIn: () => 0xffff_ffff,
      portOut: () => {},
      acknowledgeInterrupt: () => 0,
      fpuError: () => {},
    };
    const instance = new WebAssembly.Instance(await this.module, { env: { memory }, host });
    const cpu = new LoneSystem(instance.exports as unknown as SystemExports, memory);
    cpu.x.setUp(poolPages);
    cpu.x.mapRam(0, ramPages);
    return cpu;
  }

  get(field: number): number {
    return this.view.getUint32(CPU_BLOCK + field, true);
  }
  set(field: number, value: number): void {
    this.view.setUint32(CPU_BLOCK + field, value >>> 0, true);
  }
  reg(index: number): number {
    return this.get(B.REGS + index * 8);
  }
  setReg(index: number, value: number): void {
    this.set(B.REGS + index * 8, value);
  }
  get eip(): number {
    return this.get(B.RIP);
  }
  get flags(): number {
    return this.get(B.FLAGS);
  }
  get cpl(): number {
    return this.get(B.CPL);
  }
  selector(seg: number): number {
    return this.get(B.SEGS + seg * B.SEG_STRIDE + B.SEG_SELECTOR);
  }
  attr(seg: number): number {
    return this.get(B.SEGS + seg * B.SEG_STRIDE + B.SEG_ATTR);
  }
  base(seg: number): number {
    return this.get(B.SEGS + seg * B.SEG_STRIDE + B.SEG_BASE);
  }
  limit(seg: number): number {
    return this.get(B.SEGS + seg * B.SEG_STRIDE + B.SEG_LIMIT);
  }

  /** Physical memory. */
  peek8(pa: number): number {
    return this.view.getUint8(this.x.pageForRead(pa >>> 12) + (pa & 0xfff));
  }
  peek16(pa: number): number {
    return this.peek8(pa) | (this.peek8(pa + 1) << 8);
  }
  peek32(pa: number): number {
    return (this.peek16(pa) | (this.peek16(pa + 2) << 16)) >>> 0;
  }
  poke8(pa: number, value: number): void {
    this.view.setUint8(this.x.pageForWrite(pa >>> 12) + (pa & 0xfff), value);
  }
  poke16(pa: number, value: number): void {
    this.poke8(pa, value & 0xff);
    this.poke8(pa + 1, value >>> 8);
  }
  poke32(pa: number, value: number): void {
    this.poke16(pa, value & 0xffff);
    this.poke16(pa + 2, value >>> 16);
  }
  poke64(pa: number, low: number, high: number): void {
    this.poke32(pa, low);
    this.poke32(pa + 4, high);
  }

  /** Calls `meaning`; the fault that it raised, not yet delivered, or undefined. */
  fault(meaning: () => void): Fault | undefined {
    try {
      meaning();
      return undefined;
    } catch (error) {
      if (error !== GUEST_FAULT) throw error;
      const vector = this.get(B.FAULT_VECTOR);
      return this.get(B.FAULT_HAS_ERROR) ? { vector, error: this.get(B.FAULT_ERROR) } : { vector };
    }
  }

  /** Delivers the pending fault as the run loop does: again as long as delivering raises another. Returns the vectors raised on the way. */
  deliver(): number[] {
    const raised: number[] = [];
    for (;;) {
      const fault = this.fault(() => this.x.deliverFault());
      if (fault === undefined) return raised;
      raised.push(fault.vector);
    }
  }
}
