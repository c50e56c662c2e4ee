/** x87 instructions on registers: D8…DF with mod = 3 (Intel SDM volume 2, appendix B.17 and the opcode maps; undocumented aliases included). */
import { CPU_BLOCK } from '../memory/layout';
import { FPU_SW, REGS } from '../cpu/block';
import { raise } from '../cpu/fault.as';
import { condition } from '../cpu/flags.as';
import { sqrt80 } from './float80-arith.as';
import { exponentSe, exponentSig, extract80, remainder80, roundToInteger80, scale80, significandSe, significandSig } from './float80-round.as';
import { C0, C1, C2, C3, SIGN, defaultNaN, isNaN80, raised, resultSe, resultSig, setRaised, setResult, special1 } from './float80.as';
import { loadConstant } from './float80-constants.as';
import { arithmetic, compareRegister, compareToFlags, testZero } from './x87-arithmetic.as';
import { statusWord } from './x87-environment.as';
import { clearPointers } from './x87-pointers.as';
import {
  clearC1, endPending, clearC2, initializeFpu, isEmpty, overflow, pop, pushResult, put, putResult, seAt, setConditions, setEmpty, setTop, sigAt, slot, stopped, top, underflow,
} from './x87-stack.as';
import { cosine, exponential, arcTangent, logarithm, logarithmPlusOne, sine, sineCosine, tangent } from './x87-transcendental.as';

const VECTOR_UD = 6;

/** FCMOVB, E, BE, U as the condition codes of Jcc. */
@inline function moveCondition(op: u32): bool {
  return condition(op == 3 ? 10 : 2 * op + 2);
}

/** False for the control instructions, which leave the pointers alone. */
export function executeRegister(esc: u32): bool {
  const i = esc & 7;
  const op = (esc >> 3) & 7;
  switch (esc >> 8) {
    case 0: // D8: ST = ST op ST(i)
      if ((op & 6) == 2) compareRegister(i, op & 1, false);
      else arithmetic(op, i, 0, false);
      return true;
    case 1: return executeD9(op, i);
    case 2: // DA: FCMOVB, E, BE, U; FUCOMPP
      if (op < 4) conditionalMove(moveCondition(op), i);
      else if (esc == 0x2e9) compareRegister(1, 2, true);
      else raise(VECTOR_UD);
      return true;
    case 3: return executeDB(esc, op, i);
    case 4: // DC: ST(i) = ST op ST(i); FCOM2, FCOMP3
      if ((op & 6) == 2) compareRegister(i, op & 1, false);
      else arithmetic(op, i, i, false);
      return true;
    case 5: // DD
      switch (op) {
        case 0: // FFREE
          setEmpty(i);
          clearC1();
          break;
        case 1: exchange(i); break; // FXCH4
        case 2: storeRegister(i, false); break;
        case 3: storeRegister(i, true); break;
        case 4: compareRegister(i, 0, true); break;
        case 5: compareRegister(i, 1, true); break;
        default: raise(VECTOR_UD);
      }
      return true;
    case 6: // DE: ST(i) = ST op ST(i), pop; FCOMP5, FCOMPP
      if (op == 2) compareRegister(i, 1, false);
      else if (op == 3) {
        if (i != 1) raise(VECTOR_UD);
        compareRegister(1, 2, false);
      } else arithmetic(op, i, i, true);
      return true;
    default: return executeDF(esc, op, i);
  }
}

function executeD9(op: u32, i: u32): bool {
  switch (op) {
    case 0: loadRegister(i); break;
    case 1: exchange(i); break;
    case 2: if (i != 0) raise(VECTOR_UD); break; // FNOP
    case 3: // FSTP1: an empty register is popped without a word
      if (!isEmpty(0)) storeRegister(i, true);
      else {
        pop();
        clearC1();
      }
      break;
    case 4: executeD9E0(i); break;
    case 5: {
      if (i == 7) raise(VECTOR_UD);
      loadConstant(i);
      if (!isEmpty(7)) overflow();
      if (!stopped()) pushResult();
      break;
    }
    case 6: executeD9F0(i); break;
    default: executeD9F8(i); break;
  }
  return true;
}

function executeD9E0(i: u32): void {
  switch (i) {
    case 0: changeSign(SIGN, 0); break; // FCHS
    case 1: changeSign(0, SIGN); break; // FABS
    case 4: testZero(); break;
    case 5: examine(); break;
    default: raise(VECTOR_UD);
  }
}

function executeD9F0(i: u32): void {
  switch (i) {
    case 0: exponential(); break; // F2XM1
    case 1: logarithm(); break; // FYL2X
    case 2: tangent(); break;
    case 3: arcTangent(); break;
    case 4: extract(); break; // FXTRACT
    case 5: partialRemainder(true); break; // FPREM1
    case 6: // FDECSTP
      setTop(top() - 1);
      clearC1();
      break;
    default: // FINCSTP
      setTop(top() + 1);
      clearC1();
  }
}

function executeD9F8(i: u32): void {
  switch (i) {
    case 0: partialRemainder(false); break;
    case 1: logarithmPlusOne(); break; // FYL2XP1
    case 2:
      if (isEmpty(0)) underflow();
      else sqrt80(sigAt(slot(0)), seAt(slot(0)));
      if (!stopped()) putResult(0);
      break;
    case 3: sineCosine(); break;
    case 4:
      if (isEmpty(0)) underflow();
      else roundToInteger80(sigAt(slot(0)), seAt(slot(0)));
      if (!stopped()) putResult(0);
      break;
    case 5:
      if (isEmpty(0) || isEmpty(1)) underflow();
      else scale80(sigAt(slot(0)), seAt(slot(0)), sigAt(slot(1)), seAt(slot(1)));
      if (!stopped()) putResult(0);
      break;
    case 6: sine(); break;
    default: cosine();
  }
}

function executeDB(esc: u32, op: u32, i: u32): bool {
  if (op < 4) conditionalMove(!moveCondition(op), i);
  else if (op == 5) compareToFlags(i, false, true);
  else if (op == 6) compareToFlags(i, false, false);
  else if (esc == 0x3e2) { // FNCLEX
    store<u32>(CPU_BLOCK + FPU_SW, load<u32>(CPU_BLOCK + FPU_SW) & (C0 | C1 | C2 | C3));
    endPending();
    return false;
  } else if (esc == 0x3e3) { // FNINIT
    initializeFpu();
    clearPointers();
    return false;
  } else if (esc == 0x3e0 || esc == 0x3e1 || esc == 0x3e4) return false; // FENI, FDISI, FSETPM
  else raise(VECTOR_UD);
  return true;
}

function executeDF(esc: u32, op: u32, i: u32): bool {
  switch (op) {
    case 0: // FFREEP
      setEmpty(i);
      pop();
      clearC1();
      break;
    case 1: exchange(i); break; // FXCH7
    case 2: // FSTP8
    case 3: storeRegister(i, true); break; // FSTP9
    case 5: compareToFlags(i, true, true); break;
    case 6: compareToFlags(i, true, false); break;
    default:
      if (esc != 0x7e0) raise(VECTOR_UD);
      store<u16>(CPU_BLOCK + REGS, statusWord()); // FNSTSW AX
      return false;
  }
  return true;
}

function loadRegister(i: u32): void {
  if (isEmpty(i)) underflow();
  else if (!isEmpty(7)) overflow();
  else setResult(sigAt(slot(i)), seAt(slot(i)));
  if (!stopped()) pushResult();
}

function storeRegister(i: u32, popping: bool): void {
  if (isEmpty(0)) underflow();
  else setResult(sigAt(slot(0)), seAt(slot(0)));
  if (stopped()) return;
  putResult(i);
  if (popping) pop();
}

function exchange(i: u32): void {
  if (isEmpty(0) || isEmpty(i)) underflow();
  if (stopped()) return;
  defaultNaN();
  const a = isEmpty(0);
  const aSig = a ? resultSig : sigAt(slot(0));
  const aSe = a ? resultSe : seAt(slot(0));
  if (isEmpty(i)) putResult(0);
  else put(0, sigAt(slot(i)), seAt(slot(i)));
  put(i, aSig, aSe);
}

function conditionalMove(taken: bool, i: u32): void {
  if (isEmpty(0) || isEmpty(i)) {
    underflow();
    if (!stopped()) putResult(0);
    return;
  }
  if (taken) put(0, sigAt(slot(i)), seAt(slot(i)));
}

function changeSign(flip: u32, clear: u32): void {
  if (isEmpty(0)) underflow();
  else setResult(sigAt(slot(0)), (seAt(slot(0)) ^ flip) & ~clear);
  if (!stopped()) putResult(0);
}

function examine(): void {
  const sig = sigAt(slot(0));
  const se = seAt(slot(0));
  const exp = se & 0x7fff;
  let codes: u32;
  if (isEmpty(0)) codes = C3 | C0;
  else if (exp == 0) codes = sig == 0 ? C3 : C3 | C2;
  else if (<i64>sig >= 0) codes = 0; // unsupported
  else if (exp == 0x7fff) codes = sig << 1 == 0 ? C2 | C0 : C0;
  else codes = C2;
  setConditions(codes);
  setRaised((se & SIGN) != 0 ? C1 : 0);
  stopped();
}

function extract(): void {
  if (isEmpty(0)) {
    underflow();
    if (stopped()) return;
    putResult(0);
    pushResult();
    return;
  }
  if (!isEmpty(7)) {
    overflow();
    if (stopped()) return;
    putResult(0);
    pushResult();
    return;
  }
  const sig = sigAt(slot(0));
  const se = seAt(slot(0));
  if (special1(sig, se)) {
    if (stopped()) return;
    putResult(0);
    pushResult();
    return;
  }
  extract80(sig, se);
  if (stopped()) return;
  put(0, exponentSig, exponentSe);
  setResult(significandSig, significandSe);
  pushResult();
}

/** Neither invalid operations nor NaNs give a quotient. */
@inline function resultIsSpecial(): bool {
  return isNaN80(resultSig, resultSe);
}

function partialRemainder(nearest: bool): void {
  if (isEmpty(0) || isEmpty(1)) underflow();
  else remainder80(sigAt(slot(0)), seAt(slot(0)), sigAt(slot(1)), seAt(slot(1)), nearest);
  // C1 is a quotient bit here, never a rounding direction.
  const codes = raised & (C0 | C2 | C3);
  const special = resultIsSpecial();
  setRaised(raised & ~(C0 | C2 | C3));
  const stop = stopped();
  if (special || stop) clearC2();
  else setConditions(codes);
  if (!stop) putResult(0);
}
