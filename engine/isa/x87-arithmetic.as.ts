/** FADD…FDIVR, FCOM and FUCOM families: register and memory forms share these (Intel SDM volume 2, escape opcodes D8, DA, DC, DE). */
import { CPU_BLOCK } from '../memory/layout';
import { FPU_EMPTY, FPU_REGS, FPU_SW } from '../cpu/block';
import { ARITHMETIC, setFlagBits } from '../cpu/flags.as';
import { FLAG_CF, FLAG_PF, FLAG_ZF } from '../cpu/bits';
import { add80, compare80, div80, mul80, sub80 } from './float80-arith.as';
import { C0, C1, C2, C3, DE, IE, SF, ZE, isNaN80, raise80, raised, resultSe, resultSig } from './float80.as';
import { isEmpty, pop, putResult, seAt, setConditions, sigAt, slot, stopped, top, underflow } from './x87-stack.as';

/** The `reg` field: what the instruction computes; a is ST(0). */
export const ADD: u32 = 0;
export const MUL: u32 = 1;
export const COM: u32 = 2;
export const COMP: u32 = 3;
export const SUB: u32 = 4;
export const SUBR: u32 = 5;
export const DIV: u32 = 6;
export const DIVR: u32 = 7;

@inline function compute(op: u32, aSig: u64, aSe: u32, bSig: u64, bSe: u32): void {
  switch (op) {
    case ADD: add80(aSig, aSe, bSig, bSe); break;
    case MUL: mul80(aSig, aSe, bSig, bSe); break;
    case SUB: sub80(aSig, aSe, bSig, bSe); break;
    case SUBR: sub80(bSig, bSe, aSig, aSe); break;
    case DIV: div80(aSig, aSe, bSig, bSe); break;
    default: div80(bSig, bSe, aSig, aSe); break;
  }
}

/** ST(target) = ST(0) op ST(i); the target is 0 or i. */
export function arithmetic(op: u32, i: u32, target: u32, popping: bool): void {
  const first = top();
  const second = (first + i) & 7;
  const empty = load<u32>(CPU_BLOCK + FPU_EMPTY);
  if ((((empty >> first) | (empty >> second)) & 1) == 0) {
    const a = <usize>(first << 4);
    const b = <usize>(second << 4);
    compute(op, sigAt(a), seAt(a), sigAt(b), seAt(b));
    if (stopped()) return;
    const at = target == 0 ? a : b;
    store<u64>(at, resultSig, CPU_BLOCK + FPU_REGS);
    store<u16>(at, resultSe, CPU_BLOCK + FPU_REGS + 8);
  } else {
    underflow();
    if (stopped()) return;
    putResult(target);
  }
  if (popping) pop();
}

/** ST(0) = ST(0) op the memory operand; `denormal`: it was one before it was widened. */
export function arithmeticMemory(op: u32, sig: u64, se: u32, denormal: bool): void {
  if (op == COM || op == COMP) return compareMemory(sig, se, denormal, op == COMP);
  if (isEmpty(0)) underflow();
  else {
    const a = slot(0);
    compute(op, sigAt(a), seAt(a), sig, se);
    if (denormal && (raised & (IE | ZE)) == 0 && !isNaN80(resultSig, resultSe)) raise80(DE);
  }
  if (stopped()) return;
  putResult(0);
}

const UNORDERED: u32 = 0x4500;

/** ST(0) against ST(i), as condition codes. */
function compareCodes(i: u32, quiet: bool): u32 {
  if (isEmpty(0) || isEmpty(i)) {
    raise80(IE | SF);
    return UNORDERED;
  }
  const a = slot(0);
  const b = slot(i);
  return compare80(sigAt(a), seAt(a), sigAt(b), seAt(b), quiet);
}

export function compareRegister(i: u32, pops: u32, quiet: bool): void {
  finishCompare(compareCodes(i, quiet), pops);
}

function compareMemory(sig: u64, se: u32, denormal: bool, popping: bool): void {
  let codes = UNORDERED;
  if (isEmpty(0)) raise80(IE | SF);
  else {
    const a = slot(0);
    codes = compare80(sigAt(a), seAt(a), sig, se, false);
    if (denormal && codes != UNORDERED) raise80(DE);
  }
  finishCompare(codes, popping ? 1 : 0);
}

function finishCompare(codes: u32, pops: u32): void {
  const stop = stopped();
  setConditions(codes);
  if (stop) return;
  for (; pops > 0; pops--) pop();
}

export function testZero(): void {
  let codes = UNORDERED;
  if (isEmpty(0)) raise80(IE | SF);
  else {
    const a = slot(0);
    codes = compare80(sigAt(a), seAt(a), 0, 0, false);
  }
  finishCompare(codes, 0);
}

/** FCOMI, FUCOMI: the codes go to ZF PF CF. */
export function compareToFlags(i: u32, popping: bool, quiet: bool): void {
  const codes = compareCodes(i, quiet);
  const c1 = (raised & SF) != 0 ? 0 : load<u32>(CPU_BLOCK + FPU_SW) & C1; // unlike FCOM it leaves C1 alone
  const stop = stopped();
  store<u32>(CPU_BLOCK + FPU_SW, load<u32>(CPU_BLOCK + FPU_SW) | c1);
  setFlagBits(ARITHMETIC, ((codes & C3) != 0 ? FLAG_ZF : 0) | ((codes & C2) != 0 ? FLAG_PF : 0) | ((codes & C0) != 0 ? FLAG_CF : 0));
  if (!stop && popping) pop();
}
