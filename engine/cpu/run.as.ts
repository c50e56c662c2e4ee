/**
 * run(): between instructions. Finds the op at CS:RIP and lets the interpreter go on from it; delivers interrupts where they are seen;
 * executes one instruction alone where that is needed: near the end of a budget, with TF set, in an interrupt shadow, with breakpoints armed, for
 * an MMIO access, across a page boundary, outside RAM, at the edge of a segment.
 */
import { CPU_BLOCK, POOL_BASE } from '../memory/layout';
import {
  COUNT, CPL, FLAGS, HALTED, INHIBIT, INTR, IN_NMI, NMI_PENDING, RIP, SEG_BASE, SEG_CS, SEG_LIMIT, SHUTDOWN,
} from './block';
import { FLAG_IF, FLAG_RF, FLAG_TF, VEC_NMI } from './bits';
import { STOP_BUDGET, STOP_EXIT, STOP_HALT, STOP_SHUTDOWN } from './core-exports';
import { KEY_FLAT, KEY_USER, OP_HANDLER, OP_LENGTH, OP_OFFSET, OP_RUN, OP_SIZE } from './op';
import { COUNT_END, CUR_OP, EXIT_REQUEST, FETCH_BUFFER, MODE_KEY, PAGE_EIP, PAGE_INDEX, RESTART, STEP_OPS, STEP_REQUEST, STEPPING, ZERO_SLOT } from './scratch';
import { R_ICEBP, R_INT, R_INT3, R_INTO, R_IRET, R_MOVS, R_OUTS, H_RESYNC } from './handlers';
import { decodeOne } from './decode.as';
import { emptyArena, findOp } from './decode-cache.as';
import { GP, instructionsExecuted, raiseError, syncPosition } from './fault.as';
import { interpret } from './interpreter.as';
import { materialize, rawFlags } from './flags.as';
import { deliverExternal, deliverFault as deliver } from './interrupt.as';
import { breakpointsArmed, checkExecute, forgetPendingDebug, pendDebug, pendingDebug, singleStep, stepsOnBranches, takeDebugTrap } from './debug.as';
import { resetCpuBlock } from './reset.as';
import { resetTlb } from './tlb.as';
import { translateFetch } from './paging.as';
import { pageForRead } from '../memory/mmm.as';
import { physRead8 } from './access.as';
import { acknowledgeInterrupt } from './host.as';

/** Instructions that the interpreter may be given at once, so that its `end` stays below 2^31. */
const LEG: u64 = 1 << 24;
/** A PAGE_INDEX in which nothing is decoded: the op executed alone must not resolve branches in another page's index. */
const NO_INDEX: u32 = 0;

function finish(reason: u32): u32 {
  store<u32>(CUR_OP, 0);
  materialize();
  return reason;
}

/** Executes exactly `budget` instructions unless something stops it sooner. */
export function run(budget: u32): u32 {
  const stop = load<u64>(CPU_BLOCK + COUNT) + budget;
  store<u32>(CUR_OP, 0);
  store<u32>(STEPPING, 0);
  while (true) {
    // First, because it is no part of the CPU block: no run may end with a trap pending.
    if (pendingDebug != 0) takeDebugTrap();
    if (load<u32>(CPU_BLOCK + SHUTDOWN)) return finish(STOP_SHUTDOWN);
    if (load<u32>(EXIT_REQUEST)) {
      store<u32>(EXIT_REQUEST, 0);
      return finish(STOP_EXIT);
    }
    const left = stop - load<u64>(CPU_BLOCK + COUNT);
    if (left == 0) return finish(STOP_BUDGET);
    if (!load<u32>(CPU_BLOCK + INHIBIT)) takeInterrupts();
    if (load<u32>(CPU_BLOCK + HALTED)) return finish(STOP_HALT);
    if (load<u32>(CPU_BLOCK + INHIBIT) | load<u32>(STEP_REQUEST) | (rawFlags() & (FLAG_TF | FLAG_RF)) || breakpointsArmed()) {
      step();
      continue;
    }
    const op = findOp();
    if (op == 0 || left < <u64>load<u16>(op, OP_RUN)) {
      step();
      continue;
    }
    const leg = left < LEG ? left : LEG;
    store<u64>(COUNT_END, load<u64>(CPU_BLOCK + COUNT) + leg);
    interpret(op, op + <u32>leg * OP_SIZE);
  }
  return STOP_BUDGET;
}

function takeInterrupts(): void {
  if (load<u32>(CPU_BLOCK + NMI_PENDING) && !load<u32>(CPU_BLOCK + IN_NMI)) {
    store<u32>(CPU_BLOCK + NMI_PENDING, 0);
    store<u32>(CPU_BLOCK + HALTED, 0);
    deliverExternal(VEC_NMI);
  }
  if (load<u32>(CPU_BLOCK + INTR) && (rawFlags() & FLAG_IF)) {
    store<u32>(CPU_BLOCK + HALTED, 0);
    deliverExternal(acknowledgeInterrupt());
  }
}

/** Executes the instruction at CS:RIP alone, decoded afresh, with everything that goes with single instructions. */
function step(): void {
  store<u32>(STEP_REQUEST, 0);
  const traced = (rawFlags() & FLAG_TF) != 0;
  const shadow = load<u32>(CPU_BLOCK + INHIBIT) & 0xff;
  // MOV SS and POP SS hold a breakpoint on the next instruction off, too (SDM 3B 17.3.1.1).
  if (breakpointsArmed() && shadow != 2) checkExecute(load<u32>(CPU_BLOCK + RIP) + load<u32>(CPU_BLOCK + SEG_CS + SEG_BASE));
  const before = load<u64>(CPU_BLOCK + COUNT);
  const from = load<u32>(CPU_BLOCK + RIP);
  const resumed = rawFlags() & FLAG_RF;
  store<u32>(STEPPING, 1);
  decodeStep();
  const handler = <u32>load<u16>(STEP_OPS, OP_HANDLER);
  store<u64>(COUNT_END, before + 1);
  interpret(STEP_OPS, STEP_OPS + OP_SIZE);
  store<u32>(STEPPING, 0);
  // The shadow of a second STI or MOV SS in a row does not hold (SDM 2B, "STI").
  if (shadow) {
    const held = load<u32>(CPU_BLOCK + INHIBIT) >>> 8;
    store<u32>(CPU_BLOCK + INHIBIT, 0);
    pendDebug(held);
  }
  // RF holds for one instruction, unless that one loaded it.
  if (resumed && handler != R_IRET) store<u32>(CPU_BLOCK + FLAGS, rawFlags() & ~FLAG_RF);
  if (traced && !software(handler) && load<u32>(CPU_BLOCK + INHIBIT) <= 1 && (!stepsOnBranches() || branched(handler, from))) singleStep();
}

/** The instruction at EIP `from` has led elsewhere than to the one behind it. */
function branched(handler: u32, from: u32): bool {
  if (handler >= <u32>R_MOVS && handler <= <u32>R_OUTS) return false; // a repeated one goes on where it is
  return load<u32>(CPU_BLOCK + RIP) != from + <u32>load<u8>(STEP_OPS, OP_LENGTH);
}

/** INT n and its like: TF is clear in the handler, and there is no trap. */
function software(handler: u32): bool {
  return handler == R_INT || handler == R_INT3 || (handler == R_INTO && !(rawFlags() & FLAG_TF)) || handler == R_ICEBP;
}

/** Decodes the instruction at CS:RIP to STEP_OPS; it may cross a page or lie outside RAM. */
function decodeStep(): void {
  const eip = load<u32>(CPU_BLOCK + RIP);
  const lin = eip + load<u32>(CPU_BLOCK + SEG_CS + SEG_BASE);
  const offset = lin & 0xfff;
  const key = load<u32>(MODE_KEY);
  const limit = load<u32>(CPU_BLOCK + SEG_CS + SEG_LIMIT);
  if (!(key & KEY_FLAT) && eip > limit) raiseError(GP, 0);
  const user = (key & KEY_USER) != 0;
  store<u32>(PAGE_EIP, eip - offset);
  store<u32>(PAGE_INDEX, NO_INDEX);
  const host = fetchHost(lin, user);
  if (host == 0 || !decodeOne(STEP_OPS, host, (host & ~0xfff) + 4096, offset, key & ~KEY_USER)) {
    const inPage = min<u32>(16, 4096 - offset);
    fetchBytes(lin, 0, inPage, user);
    if (!decodeOne(STEP_OPS, FETCH_BUFFER, FETCH_BUFFER + inPage, offset, key & ~KEY_USER)) {
      fetchBytes(lin + inPage, inPage, 16 - inPage, user);
      decodeOne(STEP_OPS, FETCH_BUFFER, FETCH_BUFFER + 16, offset, key & ~KEY_USER);
    }
  }
  const length = <u32>load<u8>(STEP_OPS, OP_LENGTH);
  if (!(key & KEY_FLAT) && eip + length - 1 > limit) raiseError(GP, 0);
  memory.fill(STEP_OPS + OP_SIZE, 0, OP_SIZE);
  store<u16>(STEP_OPS + OP_SIZE, H_RESYNC, OP_HANDLER);
  store<u16>(STEP_OPS + OP_SIZE, <u16>(offset + length), OP_OFFSET);
}

/** Host address of the byte at `lin` for fetching, 0 outside RAM (fetchedAddress). */
function fetchHost(lin: u32, user: bool): u32 {
  fetchedAddress = <u32>translateFetch(lin, user);
  const page = <u32>pageForRead(fetchedAddress >>> 12);
  return page == 0 ? 0 : page + (lin & 0xfff);
}
let fetchedAddress: u32 = 0;

function fetchBytes(lin: u32, at: u32, count: u32, user: bool): void {
  const host = fetchHost(lin, user);
  for (let i: u32 = 0; i < count; i++) {
    store<u8>(FETCH_BUFFER + at + i, <u8>(host != 0 ? <u32>load<u8>(host + i) : physRead8(fetchedAddress + i)));
  }
}

/** Delivers the fault in the FAULT_* slots, or does nothing when the unwinding was only to start the instruction again. */
export function deliverFault(): void {
  store<u32>(CUR_OP, 0);
  store<u32>(STEPPING, 0);
  if (load<u32>(RESTART)) {
    store<u32>(RESTART, 0);
    return;
  }
  store<u32>(CPU_BLOCK + INHIBIT, 0);
  forgetPendingDebug();
  materialize();
  deliver();
}

/** The host gives up the instruction under way; it starts again in the next run(). */
export function abandonInstruction(): void {
  syncPosition();
  store<u32>(STEPPING, 0);
  store<u32>(EXIT_REQUEST, 0);
}

/** Instructions executed since reset, exact also inside a port or MMIO handler. */
export function instructionCount(): f64 { return <f64>instructionsExecuted(); }

/** Makes run() return STOP_EXIT after the current instruction. */
export function requestExit(): void { store<u32>(EXIT_REQUEST, 1); }

/** Power-on reset of the CPU. */
export function resetCpu(): void {
  resetCpuBlock();
  resetDerived();
}

/** Rebuilds everything derived from the CPU block. */
export function resetDerived(): void {
  memory.fill(CUR_OP, 0, 8);
  store<u32>(EXIT_REQUEST, 0);
  store<u32>(STEP_REQUEST, 0);
  store<u32>(STEPPING, 0);
  store<u32>(RESTART, 0);
  store<u64>(ZERO_SLOT, 0);
  forgetPendingDebug();
  emptyArena();
  resetTlb();
}
