// XCHG, XADD, CMPXCHG, CMPXCHG8B (SDM 2A): locked or not, no other processor sees a difference.
import { CPU_BLOCK } from '../memory/layout';
import { REGS } from '../cpu/block';
import { FLAG_ZF } from '../cpu/bits';
import { setFlagBits } from '../cpu/flags.as';
import { operate } from './alu.as';
import { getReg, getSized, linear, modifyGet, modifyLinear, modifyPut, putReg, setSized, sizeOf } from '../cpu/operand.as';
import { probeWrite, read64, write64 } from '../cpu/access.as';

const EAX: u32 = CPU_BLOCK + REGS;

export function xchg(op: u32): void {
  const lin = modifyLinear(op);
  const old = modifyGet(op, lin);
  modifyPut(op, lin, getReg(op));
  putReg(op, old);
}

export function xadd(op: u32): void {
  const lin = modifyLinear(op);
  const old = modifyGet(op, lin);
  const sum = operate(0, sizeOf(op), old, getReg(op));
  // The destination last: with the same register twice it is the sum.
  putReg(op, old);
  modifyPut(op, lin, sum);
}

export function cmpxchg(op: u32): void {
  const size = sizeOf(op);
  const lin = modifyLinear(op);
  const old = modifyGet(op, lin);
  const accumulator = getSized(size, EAX);
  const equal = old == accumulator;
  // The destination is written in any case.
  modifyPut(op, lin, equal ? getReg(op) : old);
  operate(7, size, accumulator, old);
  if (!equal) setSized(size, EAX, old);
}

export function cmpxchg8b(op: u32): void {
  const lin = linear(op, 8, true);
  probeWrite(lin, 8);
  const old = read64(lin);
  const expected = <u64>load<u32>(EAX) | (<u64>load<u32>(EAX + 16) << 32);
  const equal = old == expected;
  write64(lin, equal ? <u64>load<u32>(EAX + 24) | (<u64>load<u32>(EAX + 8) << 32) : old);
  if (!equal) {
    store<u32>(EAX, <u32>old);
    store<u32>(EAX + 16, <u32>(old >> 32));
  }
  setFlagBits(FLAG_ZF, equal ? FLAG_ZF : 0);
}
