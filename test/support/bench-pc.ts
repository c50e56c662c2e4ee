/** A PC in this process: its memory, its serial output, and a loop that skips idle time. */
import type { AttachedDrive, MachineConfig, SliceEnd } from '#engine/machine/machine.ts';
import { Pc } from '#engine/machine/pc.ts';
import { PAGE_SIZE, POOL_BASE } from '#engine/memory/layout.ts';
import { coreModule } from './core-module.ts';

const WASM_PAGE = 65536;
const SLACK_PAGES = 4096;
/** Leap day: the clock's calendar has work. */
export const RTC_START = Date.UTC(2024, 1, 29, 12, 0, 0) / 1000;

/** Of every machine of the tests: what it is, and what comes from outside, is always the same. */
export const BENCH_CONFIG = {
  ramBytes: 16 << 20,
  rtcStartSeconds: RTC_START,
  debugExit: true,
  drives: [],
  balloon: false,
  rng: false,
  random: (into: Uint8Array) => void into.fill(0x5a),
  generation: Uint8Array.from({ length: 16 }, (_, i) => i),
} as const satisfies Partial<MachineConfig>;

export class BenchPc {
  readonly pc: Pc;
  readonly memory: WebAssembly.Memory;
  readonly serial: [string, string] = ['', ''];
  onSerial: (index: 0 | 1, byte: number) => void = () => {};

  /** `attach`: drives that need the machine's memory before there is a machine. */
  constructor(
    config: Partial<MachineConfig> & Pick<MachineConfig, 'boot'>,
    poolFactor = 1,
    attach?: (memory: SharedArrayBuffer) => readonly AttachedDrive[],
  ) {
    const full: MachineConfig = { ...BENCH_CONFIG, ...config };
    const bytes = POOL_BASE + (Math.ceil((full.ramBytes / PAGE_SIZE) * poolFactor) + SLACK_PAGES) * PAGE_SIZE;
    const pages = Math.ceil(bytes / WASM_PAGE);
    this.memory = new WebAssembly.Memory({ initial: pages, maximum: 65536, shared: true });
    const drives = attach?.(this.memory.buffer as unknown as SharedArrayBuffer) ?? full.drives;
    this.pc = new Pc(
      coreModule(),
      this.memory,
      { ...full, drives },
      {
        serialOutput: (index, byte) => {
          this.serial[index] += String.fromCharCode(byte);
          this.onSerial(index, byte);
        },
      },
    );
  }

  /** Runs until something other than idleness or a budget ends it, or until `done`; idle time passes at once. */
  run(maxInstructions: number, done: () => boolean = () => false, slice = 1e6): SliceEnd {
    const { pc } = this;
    const end = pc.instructionCount() + maxInstructions;
    while (pc.instructionCount() < end) {
      if (done()) return { kind: 'budget' };
      const result = pc.runSlice(Math.min(slice, end - pc.instructionCount()));
      if (result.kind === 'halted') {
        const next = pc.nextDeadlineNs();
        if (next === undefined) return result;
        pc.advanceTimeNs(next - pc.nowNs());
      } else if (result.kind !== 'budget') {
        return result;
      }
    }
    return { kind: 'budget' };
  }
}
