/** F2XM1, FYL2X, FYL2XP1, FPATAN, FPTAN, FSIN, FCOS, FSINCOS on the register stack (Intel SDM volume 2, under those names). */
import {
  BIAS, DE, TOP_BIT, exponentOf, invalid, isDenormal, isInfinity, isZero, raise80, resultSe, resultSig, setResult, special1,
} from './float80.as';
import { exponential80, logarithm80, logarithmPlusOne80 } from './float80-log.as';
import { arcTangent80, reduceAngle, sineOfReduced, tangentOfReduced } from './float80-trig.as';
import { clearC1, clearC2, isEmpty, overflow, pop, pushResult, put, putResult, seAt, setC2, sigAt, slot, stopped, underflow } from './x87-stack.as';

export function exponential(): void {
  if (isEmpty(0)) underflow();
  else exponential80(sigAt(slot(0)), seAt(slot(0)));
  if (!stopped()) putResult(0);
}

/** The two-operand functions leave their result in ST(1) and pop. */
function finishPair(): void {
  if (stopped()) return;
  putResult(1);
  pop();
}
@inline function pairEmpty(): bool {
  if (!isEmpty(0) && !isEmpty(1)) return false;
  underflow();
  return true;
}

export function logarithm(): void {
  if (!pairEmpty()) logarithm80(sigAt(slot(0)), seAt(slot(0)), sigAt(slot(1)), seAt(slot(1)));
  finishPair();
}
export function logarithmPlusOne(): void {
  if (!pairEmpty()) logarithmPlusOne80(sigAt(slot(0)), seAt(slot(0)), sigAt(slot(1)), seAt(slot(1)));
  finishPair();
}
export function arcTangent(): void {
  if (!pairEmpty()) arcTangent80(sigAt(slot(0)), seAt(slot(0)), sigAt(slot(1)), seAt(slot(1)));
  finishPair();
}

const READY = 0;
const SPECIAL = 1;
const OUT_OF_RANGE = 2;

/** Looks at ST(0) as an angle: SPECIAL leaves the result, READY the reduced argument (or a zero). */
function takeAngle(pushes: bool): i32 {
  if (isEmpty(0)) {
    underflow();
    return SPECIAL;
  }
  if (pushes && !isEmpty(7)) {
    overflow();
    return SPECIAL;
  }
  const sig = sigAt(slot(0));
  const se = seAt(slot(0));
  if (special1(sig, se)) return SPECIAL;
  if (isInfinity(sig, se)) {
    invalid();
    return SPECIAL;
  }
  if (exponentOf(se) >= BIAS + 63) return OUT_OF_RANGE;
  if (isDenormal(sig, se)) raise80(DE);
  if (!isZero(sig, se)) reduceAngle(sig, se);
  return READY;
}

/** C2 = 1: the operand was left as it is. */
function refuse(): void {
  clearC1();
  setC2();
}

function circular(which: u32): void {
  const state = takeAngle(false);
  if (state == OUT_OF_RANGE) return refuse();
  if (state == READY) {
    const sig = sigAt(slot(0));
    const se = seAt(slot(0));
    if (!isZero(sig, se)) sineOfReduced(which);
    else if (which == 0) setResult(sig, se);
    else setResult(TOP_BIT, BIAS);
  }
  const stop = stopped();
  clearC2();
  if (!stop) putResult(0);
}
export function sine(): void {
  circular(0);
}
export function cosine(): void {
  circular(1);
}

export function tangent(): void {
  const state = takeAngle(true);
  if (state == OUT_OF_RANGE) return refuse();
  if (state == READY) {
    const sig = sigAt(slot(0));
    const se = seAt(slot(0));
    if (isZero(sig, se)) setResult(sig, se);
    else tangentOfReduced();
  }
  const stop = stopped();
  clearC2();
  if (stop) return;
  putResult(0);
  if (state == READY) setResult(TOP_BIT, BIAS);
  pushResult();
}

export function sineCosine(): void {
  const state = takeAngle(true);
  if (state == OUT_OF_RANGE) return refuse();
  let sineSig: u64 = 0;
  let sineSe: u32 = 0;
  if (state == READY) {
    sineSig = sigAt(slot(0));
    sineSe = seAt(slot(0));
    if (isZero(sineSig, sineSe)) setResult(TOP_BIT, BIAS);
    else {
      sineOfReduced(0);
      sineSig = resultSig;
      sineSe = resultSe;
      sineOfReduced(1);
    }
  } else {
    sineSig = resultSig;
    sineSe = resultSe;
  }
  const stop = stopped();
  clearC2();
  if (stop) return;
  put(0, sineSig, sineSe);
  pushResult();
}
