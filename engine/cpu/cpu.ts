/** The CPU of a machine: the WebAssembly core over a world's memory, with guest faults delivered and instructions counted exactly. */
import { InvariantError } from '../errors/errors.ts';
import { CPU_BLOCK, CPU_BLOCK_SIZE } from '../memory/layout.ts';
import { FAULT_VECTOR } from './block.ts';
import { checkCore } from './core-agreement.ts';
import { STOP_BUDGET, type CoreExports, type CoreImports } from './core-exports.ts';

/** run() ended because no machine page was left for a copy; the instruction under way starts again next time. */
export const STOP_POOL_EXHAUSTED = 4;

/** What the CPU asks of the machine around it. poolExhausted() may return: the run ends then. */
export interface CpuHost extends Omit<CoreImports, 'unwind' | 'poolExhausted' | 'loadPage'> {
  poolExhausted(): void;
  /** Left out by a machine that is never filled lazily. */
  loadPage?(gppn: number): void;
}

interface Core extends CoreExports {
  /** Makes RIP and COUNT those of the instruction that is being given up. */
  abandonInstruction(): void;
}

// Constants, so that throwing them takes no stack trace.
const GUEST_FAULT = Symbol('guest fault');
/** Thrown out of a device's write to guest memory, too. */
export const POOL_EXHAUSTED = Symbol('pool exhausted');

/** run() takes at most this many instructions at a time. */
const MAX_BUDGET = 0x7fff_ffff;

export class Cpu {
  readonly exports: CoreExports;
  private readonly core: Core;
  private readonly block: DataView;
  private readonly bytes: Uint8Array;

  /** Throws ConfigError when `module` is the core of other sources. */
  constructor(module: WebAssembly.Module, memory: WebAssembly.Memory, host: CpuHost) {
    checkCore(module);
    const instance = new WebAssembly.Instance(module, {
      env: { memory },
      host: {
        portIn: (port: number, size: number) => host.portIn(port, size),
        portOut: (port: number, size: number, value: number) => host.portOut(port, size, value >>> 0),
        mmioRead: (gpa: number, size: number) => host.mmioRead(gpa >>> 0, size),
        mmioWrite: (gpa: number, size: number, value: number) => host.mmioWrite(gpa >>> 0, size, value >>> 0),
        acknowledgeInterrupt: () => host.acknowledgeInterrupt(),
        fpuError: () => host.fpuError(),
        unwind: () => {
          throw GUEST_FAULT;
        },
        loadPage: (gppn: number) => {
          if (host.loadPage === undefined) throw new InvariantError(`nobody loads the page ${gppn}`);
          host.loadPage(gppn >>> 0);
        },
        poolExhausted: () => {
          host.poolExhausted();
          throw POOL_EXHAUSTED;
        },
      },
    });
    this.core = instance.exports as unknown as Core;
    this.exports = this.core;
    this.block = new DataView(memory.buffer, CPU_BLOCK, CPU_BLOCK_SIZE);
    this.bytes = new Uint8Array(memory.buffer, CPU_BLOCK, CPU_BLOCK_SIZE);
  }

  /** Executes exactly `budget` instructions unless something stops it sooner; returns a STOP_* reason. */
  run(budget: number): number {
    const { core } = this;
    const end = core.instructionCount() + Math.min(budget, MAX_BUDGET);
    let faulted = this.block.getUint32(FAULT_VECTOR, true) !== 0;
    for (;;) {
      try {
        if (faulted) core.deliverFault();
        faulted = false;
        const remaining = end - core.instructionCount();
        if (remaining <= 0) {
          core.materialize();
          return STOP_BUDGET;
        }
        return core.run(remaining);
      } catch (thrown) {
        if (thrown === GUEST_FAULT) {
          faulted = true;
          continue;
        }
        core.abandonInstruction();
        core.materialize();
        if (thrown === POOL_EXHAUSTED) return STOP_POOL_EXHAUSTED;
        throw thrown;
      }
    }
  }

  /** A copy of the CPU block: all the architectural state. */
  save(): Uint8Array {
    this.core.materialize();
    return this.bytes.slice();
  }

  /** Replaces the architectural state. */
  load(saved: Uint8Array): void {
    this.bytes.set(saved.subarray(0, CPU_BLOCK_SIZE));
    this.core.resetDerived();
  }
}
