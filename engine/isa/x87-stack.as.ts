/** The x87 register stack, its status word and the way exceptions reach it (Intel SDM volume 1, 8.1.2, 8.1.3, 8.5, 8.6). */
import { CPU_BLOCK } from '../memory/layout';
import { FPU_CW, FPU_EMPTY, FPU_IGNNE, FPU_REGS, FPU_SW, FPU_TOP } from '../cpu/block';
import { BUSY, C0, C1, C2, C3, DE, ES, IE, OE, PE, SF, UE, ZE, defaultNaN, raise80, raised, resultSe, resultSig, setResult } from './float80.as';

@inline export function top(): u32 {
  return load<u32>(CPU_BLOCK + FPU_TOP);
}
@inline export function setTop(value: u32): void {
  store<u32>(CPU_BLOCK + FPU_TOP, value & 7);
}
/** Physical number of ST(i). */
@inline export function physical(i: u32): u32 {
  return (load<u32>(CPU_BLOCK + FPU_TOP) + i) & 7;
}
@inline export function slot(i: u32): usize {
  return <usize>(physical(i) << 4);
}
@inline export function sigAt(at: usize): u64 {
  return load<u64>(at, CPU_BLOCK + FPU_REGS);
}
@inline export function seAt(at: usize): u32 {
  return <u32>load<u16>(at, CPU_BLOCK + FPU_REGS + 8);
}
@inline export function isEmpty(i: u32): bool {
  return ((load<u32>(CPU_BLOCK + FPU_EMPTY) >> physical(i)) & 1) != 0;
}
@inline export function setEmpty(i: u32): void {
  store<u32>(CPU_BLOCK + FPU_EMPTY, load<u32>(CPU_BLOCK + FPU_EMPTY) | (1 << physical(i)));
}
/** ST(i) = the number given, tagged valid. */
@inline export function put(i: u32, sig: u64, se: u32): void {
  const p = physical(i);
  store<u64>(<usize>(p << 4), sig, CPU_BLOCK + FPU_REGS);
  store<u16>(<usize>(p << 4), se, CPU_BLOCK + FPU_REGS + 8);
  store<u32>(CPU_BLOCK + FPU_EMPTY, load<u32>(CPU_BLOCK + FPU_EMPTY) & ~(1 << p));
}
@inline export function putResult(i: u32): void {
  put(i, resultSig, resultSe);
}
@inline export function pop(): void {
  setEmpty(0);
  setTop(top() + 1);
}
/** Pushes the result; the caller has looked at the room. */
@inline export function pushResult(): void {
  setTop(top() - 1);
  putResult(0);
}

/** An operand register was empty: the masked response is the default NaN. */
export function underflow(): void {
  raise80(IE | SF);
  defaultNaN();
}
/** No room for a push. */
export function overflow(): void {
  raise80(IE | SF | C1);
  defaultNaN();
}

/**
 * Enters the exceptions raised by the instruction into the status word. True when one that stops the operation before its result
 * (invalid, denormal, divide by zero) is unmasked: then nothing may be stored, pushed or popped.
 */
@inline export function stopped(): bool {
  const unmasked = raised & ~load<u32>(CPU_BLOCK + FPU_CW) & 0x3f;
  if (unmasked != 0) return enterUnmasked(unmasked, false);
  store<u32>(CPU_BLOCK + FPU_SW, (load<u32>(CPU_BLOCK + FPU_SW) & ~C1) | raised);
  return false;
}
/** The same for a store to memory, which unmasked overflow and underflow stop too. */
export function storeStopped(): bool {
  const unmasked = raised & ~load<u32>(CPU_BLOCK + FPU_CW) & 0x3f;
  return (unmasked & (IE | DE | ZE | OE | UE)) != 0;
}
export function enterStore(): void {
  const unmasked = raised & ~load<u32>(CPU_BLOCK + FPU_CW) & 0x3f;
  if (unmasked != 0) enterUnmasked(unmasked, true);
  else store<u32>(CPU_BLOCK + FPU_SW, (load<u32>(CPU_BLOCK + FPU_SW) & ~C1) | raised);
}

function enterUnmasked(unmasked: u32, storing: bool): bool {
  let flags = raised;
  const stop = (unmasked & (IE | DE | ZE)) != 0;
  if (stop) {
    flags &= ~(OE | UE | PE);
    if ((flags & SF) == 0) flags &= ~C1;
  } else if (storing && (unmasked & (OE | UE)) != 0) flags &= ~(PE | C1);
  store<u32>(CPU_BLOCK + FPU_SW, (load<u32>(CPU_BLOCK + FPU_SW) & ~C1) | flags | ES | BUSY);
  return stop;
}

/** Condition codes C3 C2 C0 of the status word; C1 is part of `raised`. */
@inline export function setConditions(codes: u32): void {
  store<u32>(CPU_BLOCK + FPU_SW, (load<u32>(CPU_BLOCK + FPU_SW) & ~(C0 | C2 | C3)) | codes);
}
@inline export function clearC1(): void {
  store<u32>(CPU_BLOCK + FPU_SW, load<u32>(CPU_BLOCK + FPU_SW) & ~C1);
}
@inline export function setC2(): void {
  store<u32>(CPU_BLOCK + FPU_SW, load<u32>(CPU_BLOCK + FPU_SW) | C2);
}
@inline export function clearC2(): void {
  store<u32>(CPU_BLOCK + FPU_SW, load<u32>(CPU_BLOCK + FPU_SW) & ~C2);
}

/** FERR# falls, and IGNNE# with it (82371SB PIIX3 data sheet, "IGNNE#"). */
export function endPending(): void { store<u32>(CPU_BLOCK + FPU_IGNNE, 0); }

/** ES and B follow the exceptions that the control word leaves unmasked. */
export function updateSummary(): void {
  const sw = load<u32>(CPU_BLOCK + FPU_SW) & ~(ES | BUSY);
  const pending = (sw & ~load<u32>(CPU_BLOCK + FPU_CW) & 0x3f) != 0;
  store<u32>(CPU_BLOCK + FPU_SW, pending ? sw | ES | BUSY : sw);
  if (!pending) endPending();
}

export function initializeFpu(): void {
  store<u32>(CPU_BLOCK + FPU_CW, 0x37f);
  store<u32>(CPU_BLOCK + FPU_SW, 0);
  endPending();
  store<u32>(CPU_BLOCK + FPU_TOP, 0);
  store<u32>(CPU_BLOCK + FPU_EMPTY, 0xff);
}
