/** A CPU with nothing around it but RAM: for tests of the core. RAM from 0 to 4 MiB; above is MMIO. */
import { Cpu, type CpuHost } from '#engine/cpu/cpu.ts';
import * as block from '#engine/cpu/block.ts';
import { CPU_BLOCK, CPU_BLOCK_SIZE, PAGE_SIZE, POOL_BASE } from '#engine/memory/layout.ts';
import { coreModule } from './core-module.ts';

const RAM_PAGES = 1024;
const POOL_PAGES = 1536;
const WASM_PAGE = 0x10000;

export const EAX = 0;
export const ECX = 1;
export const EDX = 2;
export const EBX = 3;
export const ESP = 4;
export const ESI = 6;
export const EDI = 7;

export interface BareCpu {
  readonly cpu: Cpu;
  /** The CPU block. */
  readonly block: DataView;
  /** Accesses in order: ['out', port, value, count] and the like. */
  readonly log: (string | number)[][];
  reg(index: number): number;
  setReg(index: number, value: number): void;
  eip(): number;
  flags(): number;
  count(): number;
  /** Writes bytes to physical memory as a device would. */
  poke(at: number, bytes: readonly number[]): void;
  peek32(at: number): number;
  /** Puts `code` at `at` in flat 32-bit protected mode of ring 0 and points EIP there; the stack ends at 80000h. */
  start(code: readonly number[], at?: number): void;
}

export function bareCpu(host: Partial<CpuHost> = {}): BareCpu {
  const size = Math.ceil((POOL_BASE + POOL_PAGES * PAGE_SIZE) / WASM_PAGE);
  const memory = new WebAssembly.Memory({ initial: size, maximum: 65536, shared: true });
  const log: (string | number)[][] = [];
  const cpu = new Cpu(coreModule(), memory, {
    portIn: (port, bytes) => (log.push(['in', port, bytes, cpu.exports.instructionCount()]), 0x5a),
    portOut: (port, _bytes, value) => void log.push(['out', port, value, cpu.exports.instructionCount()]),
    mmioRead: (gpa, bytes) => (log.push(['read', gpa, bytes, cpu.exports.instructionCount()]), 0xff),
    mmioWrite: (gpa, _bytes, value) => void log.push(['write', gpa, value, cpu.exports.instructionCount()]),
    acknowledgeInterrupt: () => 0x20,
    fpuError: () => {},
    poolExhausted: () => {},
    ...host,
  });
  cpu.exports.init(0, POOL_PAGES);
  cpu.exports.mapRam(0, RAM_PAGES);
  const view = new DataView(memory.buffer, CPU_BLOCK, CPU_BLOCK_SIZE);
  const all = new DataView(memory.buffer);
  const u32 = (at: number, value: number) => view.setUint32(at, value >>> 0, true);
  const poke = (at: number, bytes: readonly number[]) =>
    bytes.forEach((byte, i) => all.setUint8((cpu.exports.pageForWrite((at + i) >>> 12) >>> 0) + ((at + i) & 0xfff), byte));
  return {
    cpu,
    block: view,
    log,
    reg: index => view.getUint32(block.REGS + 8 * index, true),
    setReg: (index, value) => u32(block.REGS + 8 * index, value),
    eip: () => view.getUint32(block.RIP, true),
    flags: () => view.getUint32(block.FLAGS, true),
    count: () => cpu.exports.instructionCount(),
    poke,
    peek32: at => all.getUint32((cpu.exports.pageForRead(at >>> 12) >>> 0) + (at & 0xfff), true),
    start(code, at = 0x10000) {
      cpu.exports.resetCpu();
      for (const seg of [block.SEG_ES, block.SEG_CS, block.SEG_SS, block.SEG_DS]) {
        u32(seg + block.SEG_SELECTOR, 8);
        u32(seg + block.SEG_ATTR, seg === block.SEG_CS ? 0xc09b00 : 0xc09300);
        u32(seg + block.SEG_BASE, 0);
        u32(seg + block.SEG_LIMIT, 0xffffffff);
      }
      u32(block.CR0, 0x11);
      u32(block.RIP, at);
      u32(block.REGS + 8 * ESP, 0x80000);
      poke(at, code);
      cpu.exports.resetDerived();
    },
  };
}
