// Raising guest faults (SDM 3A 6.15): fills the FAULT_* slots, makes RIP and COUNT those of the faulting instruction and unwinds through JavaScript.
import { CPU_BLOCK } from '../memory/layout';
import { COUNT, CR2, FAULT_ERROR, FAULT_HAS_ERROR, FAULT_VECTOR, RIP } from './block';
import { COUNT_END, CUR_END, CUR_OP, PAGE_EIP, RESTART, STEP_REQUEST, STEPPING } from './scratch';
import { fpuError, unwind } from './host.as';
import { OP_OFFSET } from './op';

export const DE: u32 = 0;
export const DB: u32 = 1;
export const BP: u32 = 3;
export const OF: u32 = 4;
export const BR: u32 = 5;
export const UD: u32 = 6;
export const NM: u32 = 7;
export const TS: u32 = 10;
export const NP: u32 = 11;
export const SS: u32 = 12;
export const GP: u32 = 13;
export const PF: u32 = 14;
export const MF: u32 = 16;
export const AC: u32 = 17;

/** Makes RIP and COUNT in the CPU block exact: those of the instruction being executed, which isn't counted yet. */
export function syncPosition(): void {
  const op = load<u32>(CUR_OP);
  if (op == 0) return;
  store<u64>(CPU_BLOCK + RIP, currentEip());
  store<u64>(CPU_BLOCK + COUNT, instructionsExecuted());
  store<u32>(CUR_OP, 0);
}

/** EIP of the instruction being executed. */
export function currentEip(): u32 {
  const op = load<u32>(CUR_OP);
  return op == 0 ? load<u32>(CPU_BLOCK + RIP) : load<u32>(PAGE_EIP) + load<u16>(op, OP_OFFSET);
}

/** Instructions executed since reset, exact also inside an instruction. */
export function instructionsExecuted(): u64 {
  const op = load<u32>(CUR_OP);
  return op == 0 ? load<u64>(CPU_BLOCK + COUNT) : load<u64>(COUNT_END) - <u64>(<i64>(<i32>(load<u32>(CUR_END) - op) >> 5));
}

/**
 * Point of no return of an instruction that continues elsewhere (task switch, transfer whose faults belong to its target): from here on RIP in the CPU
 * block is exact and the instruction counts as executed.
 */
export function commitPoint(): void {
  if (load<u32>(CUR_OP) == 0) return;
  store<u64>(CPU_BLOCK + COUNT, instructionsExecuted() + 1);
  store<u32>(CUR_OP, 0);
}

function fault(vector: u32, hasError: u32, error: u32): void {
  syncPosition();
  store<u32>(CPU_BLOCK + FAULT_VECTOR, vector);
  store<u32>(CPU_BLOCK + FAULT_HAS_ERROR, hasError);
  store<u32>(CPU_BLOCK + FAULT_ERROR, error);
  unwind();
}

/** An exception without an error code. Never returns. */
export function raise(vector: u32): void {
  fault(vector, 0, 0);
}

/** An exception with an error code. Never returns. */
export function raiseError(vector: u32, error: u32): void {
  fault(vector, 1, error);
}

/** #PF at linear address `lin`. Never returns. */
export function raisePageFault(lin: u32, error: u32): void {
  store<u64>(CPU_BLOCK + CR2, lin);
  fault(PF, 1, error);
}

/** Unwinds so that the instruction is started again, with no fault delivered. Never returns. */
export function restartInstruction(): void {
  syncPosition();
  store<u32>(RESTART, 1);
  unwind();
}

/**
 * An x87 error is pending, CR0.NE = 0 and IGNNE# is not asserted: the processor tells the PC (FERR#) and waits before the instruction for the
 * interrupt. The wait passes in steps of one instruction's time. Never returns.
 */
export function waitForFpuInterrupt(): void {
  if (!load<u32>(STEPPING)) {
    store<u32>(STEP_REQUEST, 1);
    restartInstruction();
  }
  fpuError();
  syncPosition();
  store<u64>(CPU_BLOCK + COUNT, load<u64>(CPU_BLOCK + COUNT) + 1);
  store<u32>(RESTART, 1);
  unwind();
}
