/** x87 instructions with a memory operand: D8…DF with mod ≠ 3 (Intel SDM volume 2, appendix B.17). Nothing is stored before the last access that may fault. */
import { CPU_BLOCK } from '../memory/layout';
import { FPU_CW } from '../cpu/block';
import { raise } from '../cpu/fault.as';
import { probeWrite, read16, read32, read64, write16, write32, write64 } from '../cpu/access.as';
import { DE, IE, QUIET_BIT, RC_ZERO, SF, controlWord, isNaN80, raise80, resultSe, resultSig, roundingOf, setResult } from './float80.as';
import { bcdHigh, fromBcd, fromF32, fromF64, fromI64, toBcd, toF32, toF64, toInteger } from './float80-convert.as';
import { arithmeticMemory } from './x87-arithmetic.as';
import { canonicalControl, loadEnvironment, restoreState, saveState, statusWord, storeEnvironment } from './x87-environment.as';
import { enterStore, isEmpty, overflow, pop, pushResult, seAt, sigAt, slot, stopped, storeStopped, updateSummary } from './x87-stack.as';

/** `group` is the escape byte and 7, `op` the reg field of ModRM. False for the control instructions, which leave the pointers alone. */
export function executeMemory(group: u32, op: u32, lin: u32, wide: bool): bool {
  switch (group) {
    case 0: { // D8: single
      const denormal = fromF32(read32(lin));
      arithmeticMemory(op, resultSig, resultSe, denormal);
      break;
    }
    case 2: // DA: dword integer
      fromI64(<i32>read32(lin));
      arithmeticMemory(op, resultSig, resultSe, false);
      break;
    case 4: { // DC: double
      const denormal = fromF64(read64(lin));
      arithmeticMemory(op, resultSig, resultSe, denormal);
      break;
    }
    case 6: // DE: word integer
      fromI64(<i16>read16(lin));
      arithmeticMemory(op, resultSig, resultSe, false);
      break;
    case 1: return executeD9(op, lin, wide);
    case 3: executeDB(op, lin); break;
    case 5: return executeDD(op, lin, wide);
    default: executeDF(op, lin); break;
  }
  return true;
}

function executeD9(op: u32, lin: u32, wide: bool): bool {
  switch (op) {
    case 0: loadReal(fromF32(read32(lin))); return true;
    case 2: storeF32(lin, false); return true;
    case 3: storeF32(lin, true); return true;
    case 4: loadEnvironment(lin, wide); return false;
    case 5:
      store<u32>(CPU_BLOCK + FPU_CW, canonicalControl(read16(lin)));
      updateSummary();
      return false;
    case 6: storeEnvironment(lin, wide); return false;
    case 7: write16(lin, controlWord()); return false;
    default: raise(6); return false;
  }
}

function executeDB(op: u32, lin: u32): void {
  switch (op) {
    case 0: loadInteger(<i32>read32(lin)); break;
    case 1: storeInteger(lin, 32, RC_ZERO, true); break;
    case 2: storeInteger(lin, 32, roundingOf(controlWord()), false); break;
    case 3: storeInteger(lin, 32, roundingOf(controlWord()), true); break;
    case 5: {
      const sig = read64(lin);
      setResult(sig, read16(lin + 8));
      pushLoaded();
      break;
    }
    case 7: storeExtended(lin); break;
    default: raise(6);
  }
}

function executeDD(op: u32, lin: u32, wide: bool): bool {
  switch (op) {
    case 0: loadReal(fromF64(read64(lin))); return true;
    case 1: storeInteger(lin, 64, RC_ZERO, true); return true;
    case 2: storeF64(lin, false); return true;
    case 3: storeF64(lin, true); return true;
    case 4: restoreState(lin, wide); return false;
    case 6: saveState(lin, wide); return false;
    case 7: write16(lin, statusWord()); return false;
    default: raise(6); return false;
  }
}

function executeDF(op: u32, lin: u32): void {
  switch (op) {
    case 0: loadInteger(<i16>read16(lin)); break;
    case 1: storeInteger(lin, 16, RC_ZERO, true); break;
    case 2: storeInteger(lin, 16, roundingOf(controlWord()), false); break;
    case 3: storeInteger(lin, 16, roundingOf(controlWord()), true); break;
    case 4: {
      const low = read64(lin);
      fromBcd(low, read16(lin + 8));
      pushLoaded();
      break;
    }
    case 5: loadInteger(<i64>read64(lin)); break;
    case 6: storeBcd(lin); break;
    default: storeInteger(lin, 64, roundingOf(controlWord()), true); break;
  }
}

function pushLoaded(): void {
  if (!isEmpty(7)) overflow();
  if (!stopped()) pushResult();
}

function loadInteger(value: i64): void {
  fromI64(value);
  pushLoaded();
}

/** FLD of a widened single or double: signaling NaNs are quieted, denormals noted (and pushed even when that exception is unmasked). */
function loadReal(denormal: bool): void {
  if (isEmpty(7)) {
    if (denormal) {
      raise80(DE);
      stopped();
      return pushResult();
    }
    if (isNaN80(resultSig, resultSe) && (resultSig & QUIET_BIT) == 0) {
      raise80(IE);
      setResult(resultSig | QUIET_BIT, resultSe);
    }
  }
  pushLoaded();
}

function finishStore(popping: bool): void {
  const stop = storeStopped();
  enterStore();
  if (popping && !stop) pop();
}

function storeF32(lin: u32, popping: bool): void {
  let bits: u32 = 0xffc0_0000;
  if (isEmpty(0)) raise80(IE | SF);
  else {
    const at = slot(0);
    bits = toF32(sigAt(at), seAt(at));
  }
  if (!storeStopped()) write32(lin, bits);
  finishStore(popping);
}

function storeF64(lin: u32, popping: bool): void {
  let bits: u64 = 0xfff8_0000_0000_0000;
  if (isEmpty(0)) raise80(IE | SF);
  else {
    const at = slot(0);
    bits = toF64(sigAt(at), seAt(at));
  }
  if (!storeStopped()) write64(lin, bits);
  finishStore(popping);
}

function storeInteger(lin: u32, bits: u32, rc: u32, popping: bool): void {
  let value: i64 = -1 << (bits - 1);
  if (isEmpty(0)) raise80(IE | SF);
  else {
    const at = slot(0);
    value = toInteger(sigAt(at), seAt(at), bits, rc);
  }
  if (!storeStopped()) {
    if (bits == 16) write16(lin, <u32>value & 0xffff);
    else if (bits == 32) write32(lin, <u32>value);
    else write64(lin, <u64>value);
  }
  finishStore(popping);
}

function storeExtended(lin: u32): void {
  let sig: u64 = 0xc000_0000_0000_0000;
  let se: u32 = 0xffff;
  if (isEmpty(0)) raise80(IE | SF);
  else {
    const at = slot(0);
    sig = sigAt(at);
    se = seAt(at);
  }
  if (!storeStopped()) {
    probeWrite(lin, 10);
    write64(lin, sig);
    write16(lin + 8, se);
  }
  finishStore(true);
}

function storeBcd(lin: u32): void {
  let low: u64 = 0xc000_0000_0000_0000;
  let high: u32 = 0xffff;
  if (isEmpty(0)) raise80(IE | SF);
  else {
    const at = slot(0);
    low = toBcd(sigAt(at), seAt(at), roundingOf(controlWord()));
    high = bcdHigh;
  }
  if (!storeStopped()) {
    probeWrite(lin, 10);
    write64(lin, low);
    write16(lin + 8, high);
  }
  finishStore(true);
}
