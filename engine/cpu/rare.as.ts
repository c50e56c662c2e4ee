/**
 * The meanings that the interpreter calls instead of having them inline, by handler number (handlers.ts). Faults raised in them find RIP and COUNT
 * through CUR_OP; control transfers put the next RIP into the CPU block first, as the system functions expect.
 */
import { CPU_BLOCK } from '../memory/layout';
import { FLAGS, INHIBIT, INTR, NMI_PENDING, REGS, RIP, SEGS, SEG_BASE, SEG_CS, SEG_LIMIT, SEG_SELECTOR, CPL } from './block';
import {
  FLAG_AC, FLAG_AF, FLAG_CF, FLAG_DF, FLAG_ID, FLAG_IF, FLAG_IOPL, FLAG_NT, FLAG_OF, FLAG_PF, FLAG_RF, FLAG_SF, FLAG_TF, FLAG_VM, FLAG_ZF,
} from './bits';
import { FLAG_ADDR16, FLAG_CHECKED, FLAG_SIZE, OP_BASE, OP_EA, OP_FLAGS, OP_HANDLER, OP_IMM, OP_REG, OP_RM, OP_SIZE, OP_TARGET } from './op';
import { CUR_END, EXIT_REQUEST, MODE_KEY, PAGE_EIP, STEPPING } from './scratch';
import {
  R_AAA, R_AAD, R_AAM, R_AAS, R_ALU16, R_ARPL, R_BOUND, R_BSF, R_BSR, R_BT, R_BT_I, R_CALL, R_CALLF, R_CALLF_M, R_CALL_RM, R_CBW, R_CLC, R_CLD, R_CLI,
  R_CLTS, R_CMC, R_CMOV, R_CMPS, R_CMPXCHG, R_CMPXCHG8B, R_CPUID, R_CWD, R_DAA, R_DAS, R_DEC, R_DIV, R_ENTER, R_GP, R_GROUP6, R_GROUP7, R_HLT, R_ICEBP,
  R_IDIV, R_IMUL1, R_IMUL2, R_IMUL3, R_INC, R_INS, R_INT, R_INT3, R_INTO, R_IN_DX, R_IN_I, R_IRET, R_JCXZ, R_JMPF, R_JMPF_M, R_JMP_RM, R_LAHF, R_LAR,
  R_LEA, R_LEAVE, R_LOAD_FAR, R_LODS, R_LOOP, R_LOOPE, R_LOOPNE, R_LSL, R_MOVS, R_MOVSX8, R_MOVX16, R_MOVZX8, R_MOV_FROM_CR, R_MOV_FROM_DR,
  R_MOV_FROM_SEG, R_MOV_TO_CR, R_MOV_TO_DR, R_MOV_TO_SEG, R_MUL, R_NEG, R_NOT, R_OUTS, R_OUT_DX, R_OUT_I, R_POPA, R_POPF, R_POP_R, R_POP_RM, R_POP_SEG,
  R_PUSHA, R_PUSHF, R_PUSH_I, R_PUSH_R, R_PUSH_RM, R_PUSH_SEG, R_RDMSR, R_RDPMC, R_RDTSC, R_RET, R_RETF, R_RET_I, R_SAHF, R_SALC, R_SCAS,
  R_SHIFT_CL, R_SHIFT_I, R_SHLD_CL, R_SHLD_I, R_SHRD_CL, R_SHRD_I, R_SSE, R_STC, R_STD, R_STI, R_STOS, R_SYSENTER, R_SYSEXIT, R_TEST, R_TEST_I, R_UD,
  R_WAIT, R_WBINVD, R_WRMSR, R_X87, R_XADD, R_XCHG, R_XLAT,
} from './handlers';
import { carryFlag, condition, eflags, materialize, overflowFlag, rawFlags, setFlagBits, zeroFlag } from './flags.as';
import {
  checkedLinear, effectiveOffset, getReg, getRm, getSized, isMemory, linear, modifyGet, modifyLinear, modifyPut, nextEip, offsetOf, putReg, putRm, readSized, setSized, sizeOf,
  writeSized,
} from './operand.as';
import { BR, GP, raise, raiseError, UD } from './fault.as';
import { probeWrite, read16, read32, read8, write16 } from './access.as';
import { decrement, increment, operate } from '../isa/alu.as';
import { shift, shld16, shld32, shrd16, shrd32 } from '../isa/shift.as';
import { div, idiv, imul, mul, signedMultiply, signedMultiply16 } from '../isa/muldiv.as';
import { aaa, aad, aam, aas, daa, das } from '../isa/bcd.as';
import { bitScan, bitTest } from '../isa/bits.as';
import { cmpxchg, cmpxchg8b, xadd, xchg } from '../isa/exchange.as';
import { drop, enter, leave, peek, pop, popa, push, pusha, stackMask } from '../isa/stack.as';
import { string } from '../isa/string.as';
import { checkAvailable, fwait, x87 } from '../isa/x87.as';
import { requireVector, sse } from '../isa/sse.as';
import { sseOperandSize, sseStores, x87OperandSize, x87Stores } from '../isa/operand-size.as';
import { privilegeChanged } from './tlb.as';
import { segLinear, loadSegment, checkTarget } from './segmentation.as';
import { farCall, farJump, farReturn } from './far.as';
import { iret } from './iret.as';
import { breakpointTrap, interrupt, KIND_INT, KIND_INT1, overflowTrap } from './interrupt.as';
import { lgdt, lidt, lldt, ltr, sgdt, sidt, sldt, str } from './descriptor-tables.as';
import { arpl, lar, lsl, verr, verw } from './verify.as';
import { checkIo, clts, hlt, invalidateCaches, invlpg, lmsw, movFromCr, movToCr, rdpmc, rdtsc, requireRing0, smsw, sysenter, sysexit } from './system.as';
import { breakpointsArmed, checkPort, holdDebug, movFromDr, movToDr, tellHeldDebug } from './debug.as';
import { rdmsr, wrmsr } from './msr.as';
import { cpuid } from './cpuid.as';
import { portIn, portOut } from './host.as';

/** The next op follows. */
export const NEXT: u32 = 0;
/** Take the branch that the op holds. */
export const TAKEN: u32 = 1;
/** A repeated string instruction goes on. */
export const AGAIN: u32 = 2;
/** Go on at RIP, after a look at everything. */
export const LEAVE: u32 = 3;

const EAX: u32 = CPU_BLOCK + REGS;
const ECX: u32 = CPU_BLOCK + REGS + 8;
const EDX: u32 = CPU_BLOCK + REGS + 16;
const EBX: u32 = CPU_BLOCK + REGS + 24;
const ESP: u32 = CPU_BLOCK + REGS + 32;
const EDI: u32 = CPU_BLOCK + REGS + 56;
const LOW_FLAGS: u32 = FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF;

function setRip(eip: u32): void { store<u64>(CPU_BLOCK + RIP, <u64>eip); }
/** Ends the instruction; the next one is found by EIP. */
function away(op: u32): u32 {
  setRip(nextEip(op));
  return LEAVE;
}
/** Goes on behind `op` unless what is decoded depends on what has changed. */
function unlessModeChanged(op: u32, key: u32): u32 { return load<u32>(MODE_KEY) == key ? NEXT : away(op); }
/** Goes on behind `op` unless a handler of the host asked for a look. */
function unlessAttention(op: u32): u32 {
  if (load<u32>(EXIT_REQUEST) || load<u32>(CPU_BLOCK + NMI_PENDING) || (load<u32>(CPU_BLOCK + INTR) && (rawFlags() & FLAG_IF))) return away(op);
  return NEXT;
}
function immediateOf(op: u32): u32 { return load<u32>(op, OP_IMM); }
function sixteenBitRm(op: u32): u32 { return isMemory(op) ? read16(linear(op, 2, false)) : <u32>load<u16>(load<u16>(op, OP_RM)); }
/** A selector or machine status word: 16 bits in memory, the operand size in a register. */
function putWord(op: u32, value: u32): void {
  if (isMemory(op)) write16(linear(op, 2, true), value);
  else setSized(sizeOf(op), load<u16>(op, OP_RM), value);
}
function truncate(size: u32, eip: u32): u32 { return size == 1 ? eip & 0xffff : eip; }
function checkLimit(eip: u32): void { checkTarget(load<u32>(CPU_BLOCK + SEG_CS + SEG_LIMIT), eip); }
/** Checks where the direct branch `op` goes before anything is changed. */
function checkBranch(op: u32): void {
  if (load<u8>(op, OP_FLAGS) & FLAG_CHECKED) checkLimit(truncate(sizeOf(op), load<u32>(PAGE_EIP) + immediateOf(op)));
}

export function rare(op: u32): u32 {
  const handler = <u32>load<u16>(op, OP_HANDLER);
  switch (handler) {
    case R_TEST: operate(4, sizeOf(op), getRm(op), getReg(op)); return NEXT;
    case R_TEST_I: operate(4, sizeOf(op), getRm(op), immediateOf(op)); return NEXT;
    case R_XCHG: xchg(op); return NEXT;
    case R_INC: { const lin = modifyLinear(op); modifyPut(op, lin, increment(sizeOf(op), modifyGet(op, lin))); return NEXT; }
    case R_DEC: { const lin = modifyLinear(op); modifyPut(op, lin, decrement(sizeOf(op), modifyGet(op, lin))); return NEXT; }
    case R_NOT: { const lin = modifyLinear(op); modifyPut(op, lin, ~modifyGet(op, lin)); return NEXT; }
    case R_NEG: { const lin = modifyLinear(op); modifyPut(op, lin, operate(5, sizeOf(op), 0, modifyGet(op, lin))); return NEXT; }
    case R_MUL: mul(sizeOf(op), getRm(op)); return NEXT;
    case R_IMUL1: imul(sizeOf(op), getRm(op)); return NEXT;
    case R_DIV: div(sizeOf(op), getRm(op)); return NEXT;
    case R_IDIV: idiv(sizeOf(op), getRm(op)); return NEXT;
    case R_IMUL2: multiply(op, getReg(op), getRm(op)); return NEXT;
    case R_IMUL3: multiply(op, getRm(op), immediateOf(op)); return NEXT;
    case R_SHLD_I: doubleShift(op, immediateOf(op), true); return NEXT;
    case R_SHLD_CL: doubleShift(op, load<u32>(ECX) & 31, true); return NEXT;
    case R_SHRD_I: doubleShift(op, immediateOf(op), false); return NEXT;
    case R_SHRD_CL: doubleShift(op, load<u32>(ECX) & 31, false); return NEXT;
    case R_BT: case R_BT + 1: case R_BT + 2: case R_BT + 3: bitTest(op, handler - R_BT, false); return NEXT;
    case R_BT_I: case R_BT_I + 1: case R_BT_I + 2: case R_BT_I + 3: bitTest(op, handler - R_BT_I, true); return NEXT;
    case R_BSF: bitScan(op, false); return NEXT;
    case R_BSR: bitScan(op, true); return NEXT;
    case R_XADD: xadd(op); return NEXT;
    case R_CMPXCHG: cmpxchg(op); return NEXT;
    case R_CMPXCHG8B: cmpxchg8b(op); return NEXT;
    case R_MOVZX8: putReg(op, isMemory(op) ? read8(linear(op, 1, false)) : <u32>load<u8>(load<u16>(op, OP_RM))); return NEXT;
    case R_MOVSX8: putReg(op, <u32><i32><i8>(isMemory(op) ? read8(linear(op, 1, false)) : <u32>load<u8>(load<u16>(op, OP_RM)))); return NEXT;
    case R_MOVX16: putReg(op, sixteenBitRm(op)); return NEXT;
    case R_CMOV: { const value = getRm(op); if (condition(immediateOf(op))) putReg(op, value); return NEXT; }
    case R_LEA: putReg(op, effectiveOffset(op)); return NEXT;
    case R_PUSH_R: push(sizeOf(op), getReg(op)); return NEXT;
    case R_PUSH_I: push(sizeOf(op), immediateOf(op)); return NEXT;
    case R_PUSH_RM: push(sizeOf(op), getRm(op)); return NEXT;
    case R_POP_R: putReg(op, pop(sizeOf(op))); return NEXT;
    case R_POP_RM: popRm(op); return NEXT;
    case R_PUSHA: pusha(sizeOf(op)); return NEXT;
    case R_POPA: popa(sizeOf(op)); return NEXT;
    case R_PUSHF: checkVirtualIopl(); push(sizeOf(op), eflags() & ~(FLAG_VM | FLAG_RF) | 2); return NEXT;
    case R_POPF: return popf(op);
    case R_ENTER: enter(sizeOf(op), immediateOf(op), load<u32>(op, OP_TARGET)); return NEXT;
    case R_LEAVE: leave(sizeOf(op)); return NEXT;
    case R_PUSH_SEG: pushSegment(op); return NEXT;
    case R_POP_SEG: {
      const selector = peek(sizeOf(op), 0) & 0xffff;
      const bytes: u32 = 1 << sizeOf(op);
      const top = load<u32>(ESP);
      const key = load<u32>(MODE_KEY);
      if (immediateOf(op) == 2) {
        // ESP moves by the width of the old stack.
        const mask = stackMask();
        loadSegment(2, selector);
        store<u32>(ESP, (top & ~mask) | ((top + bytes) & mask));
        return inhibitAll(op);
      }
      loadSegment(immediateOf(op), selector);
      drop(bytes);
      return unlessModeChanged(op, key);
    }
    case R_MOV_FROM_SEG: putWord(op, load<u32>(CPU_BLOCK + SEGS + immediateOf(op) * 32, SEG_SELECTOR) & 0xffff); return NEXT;
    case R_MOV_TO_SEG: {
      const key = load<u32>(MODE_KEY);
      loadSegment(immediateOf(op), sixteenBitRm(op));
      return immediateOf(op) == 2 ? inhibitAll(op) : unlessModeChanged(op, key);
    }
    case R_LOAD_FAR: {
      const key = load<u32>(MODE_KEY);
      const bytes: u32 = 1 << sizeOf(op);
      const lin = linear(op, bytes + 2, false);
      const offset = readSized(sizeOf(op), lin);
      const selector = read16(lin + bytes);
      loadSegment(immediateOf(op), selector);
      putReg(op, offset);
      return unlessModeChanged(op, key);
    }
    case R_LAHF: store<u8>(EAX + 1, <u8>(eflags() & LOW_FLAGS | 2)); return NEXT;
    case R_SAHF: setFlagBits(LOW_FLAGS, <u32>load<u8>(EAX + 1)); return NEXT;
    case R_CMC: setFlagBits(FLAG_CF, carryFlag() ^ 1); return NEXT;
    case R_CLC: setFlagBits(FLAG_CF, 0); return NEXT;
    case R_STC: setFlagBits(FLAG_CF, FLAG_CF); return NEXT;
    case R_CLD: store<u32>(CPU_BLOCK + FLAGS, rawFlags() & ~FLAG_DF); return NEXT;
    case R_STD: store<u32>(CPU_BLOCK + FLAGS, rawFlags() | FLAG_DF); return NEXT;
    case R_CLI: checkIopl(); store<u32>(CPU_BLOCK + FLAGS, rawFlags() & ~FLAG_IF); return NEXT;
    case R_STI: return sti(op);
    case R_CBW: if (sizeOf(op) == 2) store<u32>(EAX, <u32><i32>load<i16>(EAX)); else store<u16>(EAX, <u16><i16>load<i8>(EAX)); return NEXT;
    case R_CWD: if (sizeOf(op) == 2) store<u32>(EDX, <u32>(load<i32>(EAX) >> 31)); else store<u16>(EDX, <u16>(<i32>load<i16>(EAX) >> 15)); return NEXT;
    case R_DAA: daa(); return NEXT;
    case R_DAS: das(); return NEXT;
    case R_AAA: aaa(); return NEXT;
    case R_AAS: aas(); return NEXT;
    case R_AAM: aam(immediateOf(op)); return NEXT;
    case R_AAD: aad(immediateOf(op)); return NEXT;
    case R_XLAT: {
      let offset = load<u32>(EBX) + <u32>load<u8>(EAX);
      if (load<u8>(op, OP_FLAGS) & FLAG_ADDR16) offset &= 0xffff;
      const ea = <u32>load<u8>(op, OP_EA);
      store<u8>(EAX, <u8>read8(ea == 0 ? offset : segLinear(ea - 1, offset, 1, false)));
      return NEXT;
    }
    case R_BOUND: bound(op); return NEXT;
    case R_SALC: store<u8>(EAX, carryFlag() ? 0xff : 0); return NEXT;
    case R_MOVS: case R_CMPS: case R_STOS: case R_LODS: case R_SCAS: return string(op, handler - R_MOVS) ? AGAIN : NEXT;
    case R_INS: case R_OUTS: {
      if (string(op, handler - R_MOVS)) {
        if (unlessAttention(op) == NEXT) return AGAIN;
        setRip(nextEip(op) - <u32>load<u8>(op, 28));
        return LEAVE;
      }
      return unlessAttention(op);
    }
    case R_IN_I: return input(op, immediateOf(op));
    case R_IN_DX: return input(op, load<u32>(EDX) & 0xffff);
    case R_OUT_I: return output(op, immediateOf(op));
    case R_OUT_DX: return output(op, load<u32>(EDX) & 0xffff);
    case R_LOOP: case R_LOOPE: case R_LOOPNE: return loop(op, handler);
    case R_JCXZ:
      if ((load<u32>(ECX) & (load<u8>(op, OP_FLAGS) & FLAG_ADDR16 ? 0xffff : 0xffffffff)) != 0) return NEXT;
      return TAKEN;
    case R_CALL: checkBranch(op); push(sizeOf(op), nextEip(op)); return TAKEN;
    case R_RET: case R_RET_I: {
      const target = peek(sizeOf(op), 0);
      checkLimit(target);
      drop((1 << sizeOf(op)) + (handler == R_RET_I ? immediateOf(op) : 0));
      setRip(target);
      return LEAVE;
    }
    case R_JMP_RM: { const target = getRm(op); checkLimit(target); setRip(target); return LEAVE; }
    case R_CALL_RM: { const target = getRm(op); checkLimit(target); push(sizeOf(op), nextEip(op)); setRip(target); return LEAVE; }
    case R_JMPF: setRip(nextEip(op)); farJump(load<u32>(op, OP_TARGET), immediateOf(op)); return LEAVE;
    case R_CALLF: setRip(nextEip(op)); farCall(load<u32>(op, OP_TARGET), immediateOf(op), sizeOf(op) == 2); return LEAVE;
    case R_JMPF_M: case R_CALLF_M: {
      const bytes: u32 = 1 << sizeOf(op);
      const lin = linear(op, bytes + 2, false);
      const offset = readSized(sizeOf(op), lin);
      const selector = read16(lin + bytes);
      setRip(nextEip(op));
      if (handler == R_JMPF_M) farJump(selector, offset);
      else farCall(selector, offset, sizeOf(op) == 2);
      return LEAVE;
    }
    case R_RETF: setRip(nextEip(op)); farReturn(sizeOf(op) == 2, immediateOf(op)); return LEAVE;
    case R_IRET: setRip(nextEip(op)); iret(sizeOf(op) == 2); return LEAVE;
    case R_INT: setRip(nextEip(op)); interrupt(immediateOf(op), KIND_INT, false, 0); return LEAVE;
    case R_INT3: setRip(nextEip(op)); breakpointTrap(); return LEAVE;
    case R_INTO: if (!overflowFlag()) return NEXT; setRip(nextEip(op)); overflowTrap(); return LEAVE;
    case R_ICEBP: setRip(nextEip(op)); tellHeldDebug(); interrupt(1, KIND_INT1, false, 0); return LEAVE;
    case R_HLT: hlt(); return away(op);
    case R_UD: raise(UD); return LEAVE;
    case R_GP: raiseError(GP, 0); return LEAVE;
    case R_X87: escape(op); return NEXT;
    case R_SSE: {
      const code = load<u32>(op, OP_TARGET);
      sse(code >>> 16, (code >>> 8) & 0xff, code & 0xff, immediateOf(op), sseLinear(op, code >>> 16, (code >>> 8) & 0xff, code & 0xff));
      return NEXT;
    }
    case R_WAIT: fwait(); return NEXT;
    case R_GROUP6: group6(op); return NEXT;
    case R_GROUP7: group7(op); return away(op);
    case R_LAR: { const value = lar(sixteenBitRm(op)); if (value >= 0) putReg(op, <u32>value); return NEXT; }
    case R_LSL: { const value = lsl(sixteenBitRm(op)); if (value >= 0) putReg(op, <u32>value); return NEXT; }
    case R_CLTS: clts(); return away(op);
    case R_WBINVD: invalidateCaches(); return NEXT;
    case R_MOV_FROM_CR: store<u32>(load<u16>(op, OP_RM), movFromCr(immediateOf(op))); return away(op);
    case R_MOV_TO_CR: movToCr(immediateOf(op), load<u32>(load<u16>(op, OP_RM))); return away(op);
    case R_MOV_FROM_DR: store<u32>(load<u16>(op, OP_RM), movFromDr(immediateOf(op))); return away(op);
    case R_MOV_TO_DR: movToDr(immediateOf(op), load<u32>(load<u16>(op, OP_RM))); return away(op);
    case R_WRMSR: wrmsr(load<u32>(ECX), <u64>load<u32>(EAX) | (<u64>load<u32>(EDX) << 32)); return away(op);
    case R_RDMSR: putPair(rdmsr(load<u32>(ECX))); return NEXT;
    case R_RDTSC: putPair(rdtsc()); return NEXT;
    case R_RDPMC: rdpmc(); return NEXT;
    case R_SYSENTER: setRip(nextEip(op)); sysenter(); return LEAVE;
    case R_SYSEXIT: setRip(nextEip(op)); sysexit(); return LEAVE;
    case R_CPUID: cpuid(); return NEXT;
    case R_ARPL: {
      const lin = modifyLinear(op);
      modifyPut(op, lin, arpl(modifyGet(op, lin), getReg(op)));
      return NEXT;
    }
    default: break;
  }
  const code = <i32>handler;
  if (code >= R_ALU16 && code < R_ALU16 + 40) alu16(op, handler - R_ALU16);
  else if (code >= R_SHIFT_I && code < R_SHIFT_I + 8) shiftBy(op, handler - R_SHIFT_I, immediateOf(op));
  else if (code >= R_SHIFT_CL && code < R_SHIFT_CL + 8) shiftBy(op, handler - R_SHIFT_CL, load<u32>(ECX) & 31);
  else unreachable();
  return NEXT;
}

function escape(op: u32): void {
  const esc = immediateOf(op);
  const wide = sizeOf(op) == 2;
  if (!isMemory(op)) {
    x87(esc, 0, 0, 0, wide);
    return;
  }
  const ea = <u32>load<u8>(op, OP_EA);
  let segment = ea - 1;
  let lin = offsetOf(op);
  if (ea != 0) {
    checkAvailable(esc);
    const size = x87OperandSize(esc, wide);
    if (size != 0) lin = checkedLinear(op, size, x87Stores(esc));
  } else segment = load<u16>(op, OP_BASE) == ESP || load<u16>(op, OP_BASE) == ESP + 8 ? 2 : 3;
  x87(esc, lin, load<u32>(CPU_BLOCK + SEGS + segment * 32, SEG_SELECTOR), effectiveOffset(op), wide);
}

/** Linear address of the memory operand of 0F `opcode`, 0 if there is none. What makes the instruction unavailable comes before the segment's limit. */
function sseLinear(op: u32, prefix: u32, opcode: u32, modrm: u32): u32 {
  const ea = <u32>load<u8>(op, OP_EA);
  const masked = opcode == 0xf7;
  if (!masked && !isMemory(op)) return 0;
  const size = sseOperandSize(prefix, opcode, modrm);
  if (ea != 0 && size != 0) {
    requireVector(prefix, opcode, modrm);
    if (!masked) return checkedLinear(op, size, sseStores(prefix, opcode, modrm));
    // Bytes that are not selected are not accessed, but the segment is checked for all of them.
    return segLinear(ea - 1, load<u8>(op, OP_FLAGS) & FLAG_ADDR16 ? load<u32>(EDI) & 0xffff : load<u32>(EDI), size, true);
  }
  return masked ? load<u32>(EDI) : offsetOf(op);
}

function putPair(value: u64): void {
  store<u32>(EAX, <u32>value);
  store<u32>(EDX, <u32>(value >> 32));
}

/** Forms as in handlers.ts: RR RI RM MR MI. */
function alu16(op: u32, code: u32): void {
  const form = code >>> 3;
  const k = code & 7;
  const source = form == 0 ? <u32>load<u16>(load<u16>(op, OP_RM)) : form == 2 ? read16(linear(op, 2, false)) : form == 3 ? getReg(op) : immediateOf(op);
  if (form < 3) {
    const result = operate(k, 1, getReg(op), source);
    if (k != 7) putReg(op, result);
    return;
  }
  if (k == 7) {
    operate(7, 1, read16(linear(op, 2, false)), source);
    return;
  }
  const lin = modifyLinear(op);
  modifyPut(op, lin, operate(k, 1, modifyGet(op, lin), source));
}

function multiply(op: u32, a: u32, b: u32): void {
  putReg(op, sizeOf(op) == 2 ? signedMultiply(a, b) : signedMultiply16(a, b));
}

function shiftBy(op: u32, k: u32, count: u32): void {
  const lin = modifyLinear(op);
  const value = modifyGet(op, lin);
  if (count != 0) modifyPut(op, lin, shift(k, sizeOf(op), value, count));
}

function doubleShift(op: u32, count: u32, left: bool): void {
  const lin = modifyLinear(op);
  const value = modifyGet(op, lin);
  if (count == 0) return;
  const other = getReg(op);
  if (sizeOf(op) == 2) modifyPut(op, lin, left ? shld32(value, other, count) : shrd32(value, other, count));
  else modifyPut(op, lin, left ? shld16(value, other, count) : shrd16(value, other, count));
}

/** The address is computed with ESP already popped. */
function popRm(op: u32): void {
  const size = sizeOf(op);
  const bytes: u32 = 1 << size;
  const value = peek(size, 0);
  if (!isMemory(op)) {
    drop(bytes);
    setSized(size, load<u16>(op, OP_RM), value);
    return;
  }
  let offset = effectiveOffset(op);
  if (load<u16>(op, OP_BASE) == ESP) offset += bytes;
  const ea = <u32>load<u8>(op, OP_EA);
  const lin = ea == 0 ? offset : segLinear(ea - 1, offset, bytes, true);
  writeSized(size, lin, value);
  drop(bytes);
}

/** A 32-bit push of a segment register writes only 16 bits, as processors since the Pentium Pro do; the stack moves by 4. */
function pushSegment(op: u32): void {
  push(sizeOf(op), load<u32>(CPU_BLOCK + SEGS + immediateOf(op) * 32, SEG_SELECTOR) & 0xffff);
}

function checkIopl(): void {
  if (load<u32>(CPU_BLOCK + CPL) > (rawFlags() & FLAG_IOPL) >>> 12) raiseError(GP, 0);
}
function checkVirtualIopl(): void {
  if ((rawFlags() & FLAG_VM) && (rawFlags() & FLAG_IOPL) != FLAG_IOPL) raiseError(GP, 0);
}

function popf(op: u32): u32 {
  checkVirtualIopl();
  const size = sizeOf(op);
  const value = peek(size, 0);
  const cpl = load<u32>(CPU_BLOCK + CPL);
  let mask: u32 = LOW_FLAGS | FLAG_OF | FLAG_DF | FLAG_TF | FLAG_NT;
  if (size == 2) mask |= FLAG_AC | FLAG_ID;
  if (cpl <= (rawFlags() & FLAG_IOPL) >>> 12) mask |= FLAG_IF;
  if (cpl == 0) mask |= FLAG_IOPL;
  drop(1 << size);
  const before = rawFlags();
  setFlagBits(mask, value);
  if ((before ^ rawFlags()) & FLAG_AC) privilegeChanged();
  return rawFlags() & FLAG_TF ? away(op) : unlessAttention(op);
}

/** Interrupts wait for one more instruction. */
function inhibit(op: u32): u32 {
  store<u32>(CPU_BLOCK + INHIBIT, (load<u32>(CPU_BLOCK + INHIBIT) & ~0xff) | 1);
  return away(op);
}

/** After a load of SS: debug traps wait too, so that ESP can be loaded (SDM 3A 6.8.3). */
function inhibitAll(op: u32): u32 {
  store<u32>(CPU_BLOCK + INHIBIT, (load<u32>(CPU_BLOCK + INHIBIT) & ~0xff) | 2 | (holdDebug() << 8));
  return away(op);
}

function sti(op: u32): u32 {
  checkIopl();
  if (rawFlags() & FLAG_IF) return NEXT;
  store<u32>(CPU_BLOCK + FLAGS, rawFlags() | FLAG_IF);
  // With nothing to hold off and another instruction to come, the shadow can't be seen.
  const left = (load<u32>(CUR_END) - op) / OP_SIZE;
  if (left >= 2 && !load<u32>(STEPPING) && !load<u32>(CPU_BLOCK + INTR) && !load<u32>(CPU_BLOCK + NMI_PENDING)) return NEXT;
  return inhibit(op);
}

function bound(op: u32): void {
  const bytes: u32 = 1 << sizeOf(op);
  const lin = linear(op, bytes * 2, false);
  const low = readSized(sizeOf(op), lin);
  const high = readSized(sizeOf(op), lin + bytes);
  const index = getReg(op);
  const outside = bytes == 4 ? <i32>index < <i32>low || <i32>index > <i32>high : <i16>index < <i16>low || <i16>index > <i16>high;
  if (outside) raise(BR);
}

function input(op: u32, port: u32): u32 {
  const size = sizeOf(op);
  checkIo(port, 1 << size);
  setSized(size, EAX, portIn(port, 1 << size));
  if (breakpointsArmed()) checkPort(port, 1 << size);
  return unlessAttention(op);
}

function output(op: u32, port: u32): u32 {
  const size = sizeOf(op);
  checkIo(port, 1 << size);
  portOut(port, 1 << size, getSized(size, EAX));
  if (breakpointsArmed()) checkPort(port, 1 << size);
  return unlessAttention(op);
}

function loop(op: u32, handler: u32): u32 {
  const mask: u32 = load<u8>(op, OP_FLAGS) & FLAG_ADDR16 ? 0xffff : 0xffffffff;
  const old = load<u32>(ECX);
  const count = (old - 1) & mask;
  const taken = count != 0 && (handler == R_LOOP || zeroFlag() == (handler == R_LOOPE));
  if (taken) checkBranch(op);
  store<u32>(ECX, (old & ~mask) | count);
  return taken ? TAKEN : NEXT;
}

function group6(op: u32): void {
  switch (immediateOf(op)) {
    case 0: putWord(op, sldt()); break;
    case 1: putWord(op, str()); break;
    case 2: lldt(sixteenBitRm(op)); break;
    case 3: ltr(sixteenBitRm(op)); break;
    case 4: verr(sixteenBitRm(op)); break;
    case 5: verw(sixteenBitRm(op)); break;
    default: raise(UD);
  }
}

function group7(op: u32): void {
  const modrm = immediateOf(op);
  const wide = sizeOf(op) == 2;
  const memory = isMemory(op);
  switch ((modrm >>> 3) & 7) {
    case 0: if (!memory) raise(UD); sgdt(linear(op, 6, true)); break;
    case 1: if (!memory) raise(UD); sidt(linear(op, 6, true)); break;
    case 2: if (!memory) raise(UD); lgdt(linear(op, 6, false), wide); break;
    case 3: if (!memory) raise(UD); lidt(linear(op, 6, false), wide); break;
    case 4: putWord(op, smsw()); break;
    case 6: lmsw(sixteenBitRm(op)); break;
    case 7: {
      if (!memory) raise(UD);
      // The address is not accessed, so no limit or rights are looked at.
      const ea = <u32>load<u8>(op, OP_EA);
      invlpg(effectiveOffset(op) + (ea == 0 ? 0 : load<u32>(CPU_BLOCK + SEGS + (ea - 1) * 32, SEG_BASE)));
      break;
    }
    default: raise(UD);
  }
}
