/**
 * The interpreter: one switch over decoded ops (handlers.ts), hot meanings inline, the others through rare(). Ops follow one another in memory, so
 * "next" is op += OP_SIZE; a case that ends in `continue` goes on there, one that ends in `break` takes the branch that `op` holds.
 *
 * `end` is where the op pointer would be when the budget ends: (end - op) / OP_SIZE instructions are left. It is compared with the length of
 * the straight run on entry to one, never in between.
 */
import { CPU_BLOCK, DECODE_BASE } from '../memory/layout';
import { COUNT, REGS, RIP, SEG_BASE, SEG_CS, SEG_LIMIT } from './block';
import { FLAG_CHECKED, FLAG_SIZE, OP_FLAGS, OP_HANDLER, OP_IMM, OP_LINK_FROM, OP_LINK_INDEX, OP_LINK_STAMP, OP_OFFSET, OP_RUN, OP_SIZE, OP_TARGET } from './op';
import { CODE_STAMP, COUNT_END, CUR_OP, PAGE_EIP, PAGE_INDEX, STEP_REQUEST } from './scratch';
import {
  F_ADD_RI, F_AND_RI, F_CMP32_MI, F_CMP32_MR, F_CMP32_RI, F_CMP32_RM, F_CMP32_RR, F_CMP8_MI, F_CMP8_RI, F_CMP8_RR, F_DEC_R, F_INC_R, F_SUB_RI, F_TEST32_RI,
  F_TEST32_RR, F_TEST8_MI, F_TEST8_RI, F_TEST8_RR, H_ALU32, H_ALU8, H_BSWAP, H_CALL, H_CALL_M, H_CALL_R, H_CDQ, H_CMOV_M, H_CMOV_R, H_CWDE, H_DEC_M,
  H_DEC_R, H_GOTO, H_IMUL_RM, H_IMUL_RMI, H_IMUL_RR, H_IMUL_RRI, H_INC_M, H_INC_R, H_JCC, H_JMP, H_JMP_M, H_JMP_R, H_LEA, H_LEAVE, H_MOV16, H_MOV32, H_MOV8,
  H_MOVSX16, H_MOVSX8, H_MOVZX16, H_MOVZX8, H_MUL_R, H_NEG_R, H_NOP, H_NOT_R, H_POP_R, H_PUSH_I, H_PUSH_M, H_PUSH_R, H_RESYNC, H_RET, H_RET_I, H_ROL_I,
  H_ROR_I, H_SAR_CL, H_SAR_I, H_SETCC_M, H_SETCC_R, H_SHLD_I, H_SHL_CL, H_SHL_I, H_SHRD_I, H_SHR_CL, H_SHR_I, H_STEP, H_TEST32, H_TEST8, H_XCHG_RR,
} from './handlers';
import { adc, add, and, compare, dec, inc, or, sbb, sub, xor } from '../isa/alu.as';
import { rol32, ror32, sar32, shl32, shld32, shr32, shrd32 } from '../isa/shift.as';
import { mul32, signedMultiply } from '../isa/muldiv.as';
import { carryFlag, condition, noteAdd, noteDec, noteInc, noteLogic, noteSub, overflowFlag, parityFlag, signFlag, zeroFlag } from './flags.as';
import {
  nextEip, note, offsetOf, readAt, readOperand, regValue, rmValue, setReg, setRm, slowDecrement, slowIncrement, slowModify, writableOperand, writeAt, writeOperand,
} from './operand.as';
import { GP, raiseError } from './fault.as';
import { lookup, returnSlot } from './decode-cache.as';
import { AGAIN, NEXT, rare, TAKEN } from './rare.as';

const ESP: u32 = CPU_BLOCK + REGS + 8 * 4;
const EBP: u32 = CPU_BLOCK + REGS + 8 * 5;
const ECX: u32 = CPU_BLOCK + REGS + 8;
const EAX: u32 = CPU_BLOCK + REGS;
const EDX: u32 = CPU_BLOCK + REGS + 16;

/** In OP_TARGET: the target is in another page. */
const LINKED: u32 = 0x80000000;

/** Leaves with `op` as the next instruction. */
function leaveAt(op: u32, end: u32): void {
  store<u64>(CPU_BLOCK + RIP, <u64>(load<u32>(PAGE_EIP) + <u32>load<u16>(op, OP_OFFSET)));
  leave(op, end);
}
/** Leaves with (end - op) / OP_SIZE instructions left; RIP is right. */
function leave(op: u32, end: u32): void {
  store<u64>(CPU_BLOCK + COUNT, load<u64>(COUNT_END) - <u64>(<i64>(<i32>(end - op) >> 5)));
  store<u32>(CUR_OP, 0);
}

/** The op at `eip` if it is at hand, else 0; RIP becomes `eip`. */
function enter(eip: u32): u32 {
  store<u64>(CPU_BLOCK + RIP, <u64>eip);
  return lookup(eip, eip + load<u32>(CPU_BLOCK + SEG_CS + SEG_BASE));
}

/** The op that the direct branch `op` goes to, or 0 with RIP at the target. Its first use. */
function resolve(op: u32, end: u32): u32 {
  const target = load<u32>(op, OP_IMM);
  const flags = load<u8>(op, OP_FLAGS);
  let eip = load<u32>(PAGE_EIP) + target;
  if (flags & FLAG_CHECKED) {
    if ((flags & FLAG_SIZE) == 1) eip &= 0xffff;
    if (eip > load<u32>(CPU_BLOCK + SEG_CS + SEG_LIMIT)) {
      note(op, end);
      raiseError(GP, 0);
    }
    return enter(eip);
  }
  if (target >= 4096) {
    const from = load<u32>(PAGE_EIP);
    const found = enter(eip);
    if (found != 0) {
      store<u32>(op, found | LINKED, OP_TARGET);
      store<u32>(op, from, OP_LINK_FROM);
      store<u32>(op, load<u32>(PAGE_INDEX), OP_LINK_INDEX);
      store<u32>(op, load<u32>(CODE_STAMP), OP_LINK_STAMP);
    }
    return found;
  }
  const index = load<u32>(PAGE_INDEX);
  const found = index == 0 ? 0 : load<u32>(index + (target << 2));
  if (found == 0) store<u64>(CPU_BLOCK + RIP, <u64>eip);
  else store<u32>(op, found, OP_TARGET);
  return found;
}

/** Executes from `op` until the budget or the decoded code ends, or something needs a look; then RIP and COUNT are exact. */
export function interpret(op: u32, end: u32): void {
  while (true) {
    switch (<i32>load<u16>(op, OP_HANDLER)) {
      case H_RESYNC: {
        const found = enter(load<u32>(PAGE_EIP) + <u32>load<u16>(op, OP_OFFSET));
        if (found == 0 || found == op || (end - op) >>> 5 < <u32>load<u16>(found, OP_RUN)) { leave(op, end); return; }
        end += found - op;
        op = found;
        continue;
      }
      case H_GOTO: {
        const found = load<u32>(op, OP_TARGET);
        end += found - op;
        op = found;
        if ((end - op) >>> 5 < <u32>load<u16>(op, OP_RUN)) { leaveAt(op, end); return; }
        continue;
      }
      case H_STEP:
        store<u32>(STEP_REQUEST, 1);
        leaveAt(op, end);
        return;
      case H_NOP: op += OP_SIZE; continue;
      case H_JMP: break;
      case H_CALL: {
        const esp = load<u32>(ESP) - 4;
        const back = nextEip(op);
        writeAt<u32>(op, end, esp, back);
        store<u32>(ESP, esp);
        // An instruction executed alone is followed by nothing that would stay.
        if (op >= <u32>DECODE_BASE) {
          const slot = returnSlot(esp);
          store<u32>(slot, back);
          store<u32>(slot, load<u32>(CODE_STAMP), 4);
          store<u32>(slot, op + OP_SIZE, 8);
          store<u32>(slot, load<u32>(PAGE_INDEX), 12);
        }
        break;
      }
      case H_RET: case H_RET_I: {
        const esp = load<u32>(ESP);
        const target = readAt<u32>(op, end, esp);
        store<u32>(ESP, esp + 4 + load<u32>(op, OP_IMM));
        const slot = returnSlot(esp);
        let found: u32;
        if (load<u32>(slot) == target && load<u32>(slot, 4) == load<u32>(CODE_STAMP)) {
          // The op behind a call may lie in the next page.
          found = load<u32>(slot, 8);
          store<u32>(PAGE_INDEX, load<u32>(slot, 12));
          store<u32>(PAGE_EIP, target - <u32>load<u16>(found, OP_OFFSET));
        } else {
          found = enter(target);
          if (found == 0) { leave(op + OP_SIZE, end); return; }
        }
        end += found - op - OP_SIZE;
        op = found;
        if ((end - op) >>> 5 < <u32>load<u16>(op, OP_RUN)) { leaveAt(op, end); return; }
        continue;
      }
      case H_JMP_R: case H_JMP_M: case H_CALL_R: case H_CALL_M: {
        const handler = <i32>load<u16>(op, OP_HANDLER);
        const target = handler == H_JMP_R || handler == H_CALL_R ? rmValue<u32>(op) : readOperand<u32>(op, end);
        if (handler >= H_CALL_R) {
          const esp = load<u32>(ESP) - 4;
          writeAt<u32>(op, end, esp, nextEip(op));
          store<u32>(ESP, esp);
        }
        const found = enter(target);
        if (found == 0) { leave(op + OP_SIZE, end); return; }
        end += found - op - OP_SIZE;
        op = found;
        if ((end - op) >>> 5 < <u32>load<u16>(op, OP_RUN)) { leave(op, end); return; }
        continue;
      }
      case H_MOV32 + 0: setReg<u32>(op, rmValue<u32>(op)); op += OP_SIZE; continue;
      case H_MOV32 + 1: setReg<u32>(op, load<u32>(op, OP_IMM)); op += OP_SIZE; continue;
      case H_MOV32 + 2: setReg<u32>(op, readOperand<u32>(op, end)); op += OP_SIZE; continue;
      case H_MOV32 + 3: writeOperand<u32>(op, end, regValue<u32>(op)); op += OP_SIZE; continue;
      case H_MOV32 + 4: writeOperand<u32>(op, end, load<u32>(op, OP_IMM)); op += OP_SIZE; continue;
      case H_MOV8 + 0: setReg<u8>(op, rmValue<u8>(op)); op += OP_SIZE; continue;
      case H_MOV8 + 1: setReg<u8>(op, load<u32>(op, OP_IMM)); op += OP_SIZE; continue;
      case H_MOV8 + 2: setReg<u8>(op, readOperand<u8>(op, end)); op += OP_SIZE; continue;
      case H_MOV8 + 3: writeOperand<u8>(op, end, regValue<u8>(op)); op += OP_SIZE; continue;
      case H_MOV8 + 4: writeOperand<u8>(op, end, load<u32>(op, OP_IMM)); op += OP_SIZE; continue;
      case H_MOV16 + 0: setReg<u16>(op, rmValue<u16>(op)); op += OP_SIZE; continue;
      case H_MOV16 + 1: setReg<u16>(op, load<u32>(op, OP_IMM)); op += OP_SIZE; continue;
      case H_MOV16 + 2: setReg<u16>(op, readOperand<u16>(op, end)); op += OP_SIZE; continue;
      case H_MOV16 + 3: writeOperand<u16>(op, end, regValue<u16>(op)); op += OP_SIZE; continue;
      case H_MOV16 + 4: writeOperand<u16>(op, end, load<u32>(op, OP_IMM)); op += OP_SIZE; continue;
      case H_LEA: setReg<u32>(op, offsetOf(op)); op += OP_SIZE; continue;
      case H_PUSH_R: {
        const esp = load<u32>(ESP) - 4;
        writeAt<u32>(op, end, esp, regValue<u32>(op));
        store<u32>(ESP, esp);
        op += OP_SIZE;
        continue;
      }
      case H_PUSH_I: {
        const esp = load<u32>(ESP) - 4;
        writeAt<u32>(op, end, esp, load<u32>(op, OP_IMM));
        store<u32>(ESP, esp);
        op += OP_SIZE;
        continue;
      }
      case H_PUSH_M: {
        const value = readOperand<u32>(op, end);
        const esp = load<u32>(ESP) - 4;
        writeAt<u32>(op, end, esp, value);
        store<u32>(ESP, esp);
        op += OP_SIZE;
        continue;
      }
      case H_POP_R: {
        const esp = load<u32>(ESP);
        const value = readAt<u32>(op, end, esp);
        store<u32>(ESP, esp + 4);
        setReg<u32>(op, value);
        op += OP_SIZE;
        continue;
      }
      case H_LEAVE: {
        const ebp = load<u32>(EBP);
        const value = readAt<u32>(op, end, ebp);
        store<u32>(ESP, ebp + 4);
        store<u32>(EBP, value);
        op += OP_SIZE;
        continue;
      }
      case H_MOVZX8 + 0: setReg<u32>(op, rmValue<u8>(op)); op += OP_SIZE; continue;
      case H_MOVZX8 + 1: setReg<u32>(op, readOperand<u8>(op, end)); op += OP_SIZE; continue;
      case H_MOVZX16 + 0: setReg<u32>(op, rmValue<u16>(op)); op += OP_SIZE; continue;
      case H_MOVZX16 + 1: setReg<u32>(op, readOperand<u16>(op, end)); op += OP_SIZE; continue;
      case H_MOVSX8 + 0: setReg<u32>(op, <u32><i32><i8>rmValue<u8>(op)); op += OP_SIZE; continue;
      case H_MOVSX8 + 1: setReg<u32>(op, <u32><i32><i8>readOperand<u8>(op, end)); op += OP_SIZE; continue;
      case H_MOVSX16 + 0: setReg<u32>(op, <u32><i32><i16>rmValue<u16>(op)); op += OP_SIZE; continue;
      case H_MOVSX16 + 1: setReg<u32>(op, <u32><i32><i16>readOperand<u16>(op, end)); op += OP_SIZE; continue;
      case H_XCHG_RR: {
        const value = regValue<u32>(op);
        setReg<u32>(op, rmValue<u32>(op));
        setRm<u32>(op, value);
        op += OP_SIZE;
        continue;
      }
      case H_NEG_R: setReg<u32>(op, sub<u32>(0, regValue<u32>(op))); op += OP_SIZE; continue;
      case H_NOT_R: setReg<u32>(op, ~regValue<u32>(op)); op += OP_SIZE; continue;
      case H_IMUL_RR: setReg<u32>(op, signedMultiply(regValue<u32>(op), rmValue<u32>(op))); op += OP_SIZE; continue;
      case H_IMUL_RM: setReg<u32>(op, signedMultiply(regValue<u32>(op), readOperand<u32>(op, end))); op += OP_SIZE; continue;
      case H_IMUL_RRI: setReg<u32>(op, signedMultiply(rmValue<u32>(op), load<u32>(op, OP_IMM))); op += OP_SIZE; continue;
      case H_IMUL_RMI: setReg<u32>(op, signedMultiply(readOperand<u32>(op, end), load<u32>(op, OP_IMM))); op += OP_SIZE; continue;
      case H_MUL_R: mul32(rmValue<u32>(op)); op += OP_SIZE; continue;
      case H_CDQ: store<u32>(EDX, <u32>(<i32>load<u32>(EAX) >> 31)); op += OP_SIZE; continue;
      case H_CWDE: store<u32>(EAX, <u32><i32>load<i16>(EAX)); op += OP_SIZE; continue;
      case H_BSWAP: setReg<u32>(op, bswap<u32>(regValue<u32>(op))); op += OP_SIZE; continue;
      case H_SHL_I: setReg<u32>(op, shl32(regValue<u32>(op), load<u32>(op, OP_IMM))); op += OP_SIZE; continue;
      case H_SHR_I: setReg<u32>(op, shr32(regValue<u32>(op), load<u32>(op, OP_IMM))); op += OP_SIZE; continue;
      case H_SAR_I: setReg<u32>(op, sar32(regValue<u32>(op), load<u32>(op, OP_IMM))); op += OP_SIZE; continue;
      case H_SHL_CL: { const n = load<u32>(ECX) & 31; if (n != 0) setReg<u32>(op, shl32(regValue<u32>(op), n)); op += OP_SIZE; continue; }
      case H_SHR_CL: { const n = load<u32>(ECX) & 31; if (n != 0) setReg<u32>(op, shr32(regValue<u32>(op), n)); op += OP_SIZE; continue; }
      case H_SAR_CL: { const n = load<u32>(ECX) & 31; if (n != 0) setReg<u32>(op, sar32(regValue<u32>(op), n)); op += OP_SIZE; continue; }
      case H_ROL_I: setReg<u32>(op, rol32(regValue<u32>(op), load<u32>(op, OP_IMM))); op += OP_SIZE; continue;
      case H_ROR_I: setReg<u32>(op, ror32(regValue<u32>(op), load<u32>(op, OP_IMM))); op += OP_SIZE; continue;
      case H_SHLD_I: setRm<u32>(op, shld32(rmValue<u32>(op), regValue<u32>(op), load<u32>(op, OP_IMM))); op += OP_SIZE; continue;
      case H_SHRD_I: setRm<u32>(op, shrd32(rmValue<u32>(op), regValue<u32>(op), load<u32>(op, OP_IMM))); op += OP_SIZE; continue;
      case H_SETCC_R: setRm<u8>(op, condition(load<u32>(op, OP_IMM)) ? 1 : 0); op += OP_SIZE; continue;
      case H_CMOV_R: if (condition(load<u32>(op, OP_IMM))) setReg<u32>(op, rmValue<u32>(op)); op += OP_SIZE; continue;
      case H_CMOV_M: {
        const value = readOperand<u32>(op, end);
        if (condition(load<u32>(op, OP_IMM))) setReg<u32>(op, value);
        op += OP_SIZE;
        continue;
      }
      case H_SETCC_M: writeOperand<u8>(op, end, condition(load<u32>(op, OP_IMM)) ? 1 : 0); op += OP_SIZE; continue;
      case H_INC_R: setReg<u32>(op, inc<u32>(regValue<u32>(op))); op += OP_SIZE; continue;
      case H_DEC_R: setReg<u32>(op, dec<u32>(regValue<u32>(op))); op += OP_SIZE; continue;
      case H_INC_M: {
        const at = writableOperand<u32>(op, end);
        if (at != 0) store<u32>(at, inc<u32>(load<u32>(at)));
        else slowIncrement(op, end);
        op += OP_SIZE;
        continue;
      }
      case H_DEC_M: {
        const at = writableOperand<u32>(op, end);
        if (at != 0) store<u32>(at, dec<u32>(load<u32>(at)));
        else slowDecrement(op, end);
        op += OP_SIZE;
        continue;
      }
      case H_TEST32 + 0: noteLogic(0, regValue<u32>(op) & rmValue<u32>(op)); op += OP_SIZE; continue;
      case H_TEST32 + 1: noteLogic(0, regValue<u32>(op) & load<u32>(op, OP_IMM)); op += OP_SIZE; continue;
      case H_TEST32 + 2: noteLogic(0, readOperand<u32>(op, end) & regValue<u32>(op)); op += OP_SIZE; continue;
      case H_TEST32 + 3: noteLogic(0, readOperand<u32>(op, end) & load<u32>(op, OP_IMM)); op += OP_SIZE; continue;
      case H_TEST8 + 0: noteLogic(24, (regValue<u8>(op) & rmValue<u8>(op)) << 24); op += OP_SIZE; continue;
      case H_TEST8 + 1: noteLogic(24, (regValue<u8>(op) & load<u32>(op, OP_IMM)) << 24); op += OP_SIZE; continue;
      case H_TEST8 + 2: noteLogic(24, (readOperand<u8>(op, end) & regValue<u8>(op)) << 24); op += OP_SIZE; continue;
      case H_TEST8 + 3: noteLogic(24, (readOperand<u8>(op, end) & load<u32>(op, OP_IMM)) << 24); op += OP_SIZE; continue;
      case H_JCC + 0: if (overflowFlag()) break; op += OP_SIZE; continue;
      case H_JCC + 1: if (!overflowFlag()) break; op += OP_SIZE; continue;
      case H_JCC + 2: if (carryFlag() != 0) break; op += OP_SIZE; continue;
      case H_JCC + 3: if (carryFlag() == 0) break; op += OP_SIZE; continue;
      case H_JCC + 4: if (zeroFlag()) break; op += OP_SIZE; continue;
      case H_JCC + 5: if (!zeroFlag()) break; op += OP_SIZE; continue;
      case H_JCC + 6: if (zeroFlag() || carryFlag() != 0) break; op += OP_SIZE; continue;
      case H_JCC + 7: if (!zeroFlag() && carryFlag() == 0) break; op += OP_SIZE; continue;
      case H_JCC + 8: if (signFlag()) break; op += OP_SIZE; continue;
      case H_JCC + 9: if (!signFlag()) break; op += OP_SIZE; continue;
      case H_JCC + 10: if (parityFlag()) break; op += OP_SIZE; continue;
      case H_JCC + 11: if (!parityFlag()) break; op += OP_SIZE; continue;
      case H_JCC + 12: if (signFlag() != overflowFlag()) break; op += OP_SIZE; continue;
      case H_JCC + 13: if (signFlag() == overflowFlag()) break; op += OP_SIZE; continue;
      case H_JCC + 14: if (zeroFlag() || signFlag() != overflowFlag()) break; op += OP_SIZE; continue;
      case H_JCC + 15: if (!zeroFlag() && signFlag() == overflowFlag()) break; op += OP_SIZE; continue;
      case H_ALU32 + 0: setReg<u32>(op, add<u32>(regValue<u32>(op), rmValue<u32>(op))); op += OP_SIZE; continue;
      case H_ALU32 + 1: setReg<u32>(op, or<u32>(regValue<u32>(op), rmValue<u32>(op))); op += OP_SIZE; continue;
      case H_ALU32 + 2: setReg<u32>(op, adc<u32>(regValue<u32>(op), rmValue<u32>(op))); op += OP_SIZE; continue;
      case H_ALU32 + 3: setReg<u32>(op, sbb<u32>(regValue<u32>(op), rmValue<u32>(op))); op += OP_SIZE; continue;
      case H_ALU32 + 4: setReg<u32>(op, and<u32>(regValue<u32>(op), rmValue<u32>(op))); op += OP_SIZE; continue;
      case H_ALU32 + 5: setReg<u32>(op, sub<u32>(regValue<u32>(op), rmValue<u32>(op))); op += OP_SIZE; continue;
      case H_ALU32 + 6: setReg<u32>(op, xor<u32>(regValue<u32>(op), rmValue<u32>(op))); op += OP_SIZE; continue;
      case H_ALU32 + 7: compare<u32>(regValue<u32>(op), rmValue<u32>(op)); op += OP_SIZE; continue;
      case H_ALU32 + 8: setReg<u32>(op, add<u32>(regValue<u32>(op), load<u32>(op, OP_IMM))); op += OP_SIZE; continue;
      case H_ALU32 + 9: setReg<u32>(op, or<u32>(regValue<u32>(op), load<u32>(op, OP_IMM))); op += OP_SIZE; continue;
      case H_ALU32 + 10: setReg<u32>(op, adc<u32>(regValue<u32>(op), load<u32>(op, OP_IMM))); op += OP_SIZE; continue;
      case H_ALU32 + 11: setReg<u32>(op, sbb<u32>(regValue<u32>(op), load<u32>(op, OP_IMM))); op += OP_SIZE; continue;
      case H_ALU32 + 12: setReg<u32>(op, and<u32>(regValue<u32>(op), load<u32>(op, OP_IMM))); op += OP_SIZE; continue;
      case H_ALU32 + 13: setReg<u32>(op, sub<u32>(regValue<u32>(op), load<u32>(op, OP_IMM))); op += OP_SIZE; continue;
      case H_ALU32 + 14: setReg<u32>(op, xor<u32>(regValue<u32>(op), load<u32>(op, OP_IMM))); op += OP_SIZE; continue;
      case H_ALU32 + 15: compare<u32>(regValue<u32>(op), load<u32>(op, OP_IMM)); op += OP_SIZE; continue;
      case H_ALU32 + 16: setReg<u32>(op, add<u32>(regValue<u32>(op), readOperand<u32>(op, end))); op += OP_SIZE; continue;
      case H_ALU32 + 17: setReg<u32>(op, or<u32>(regValue<u32>(op), readOperand<u32>(op, end))); op += OP_SIZE; continue;
      case H_ALU32 + 18: setReg<u32>(op, adc<u32>(regValue<u32>(op), readOperand<u32>(op, end))); op += OP_SIZE; continue;
      case H_ALU32 + 19: setReg<u32>(op, sbb<u32>(regValue<u32>(op), readOperand<u32>(op, end))); op += OP_SIZE; continue;
      case H_ALU32 + 20: setReg<u32>(op, and<u32>(regValue<u32>(op), readOperand<u32>(op, end))); op += OP_SIZE; continue;
      case H_ALU32 + 21: setReg<u32>(op, sub<u32>(regValue<u32>(op), readOperand<u32>(op, end))); op += OP_SIZE; continue;
      case H_ALU32 + 22: setReg<u32>(op, xor<u32>(regValue<u32>(op), readOperand<u32>(op, end))); op += OP_SIZE; continue;
      case H_ALU32 + 23: compare<u32>(regValue<u32>(op), readOperand<u32>(op, end)); op += OP_SIZE; continue;
      case H_ALU32 + 24: { const at = writableOperand<u32>(op, end); if (at != 0) store<u32>(at, <u32>add<u32>(<u32>load<u32>(at), regValue<u32>(op))); else slowModify(op, end, 0, regValue<u32>(op)); op += OP_SIZE; continue; }
      case H_ALU32 + 25: { const at = writableOperand<u32>(op, end); if (at != 0) store<u32>(at, <u32>or<u32>(<u32>load<u32>(at), regValue<u32>(op))); else slowModify(op, end, 1, regValue<u32>(op)); op += OP_SIZE; continue; }
      case H_ALU32 + 26: { const at = writableOperand<u32>(op, end); if (at != 0) store<u32>(at, <u32>adc<u32>(<u32>load<u32>(at), regValue<u32>(op))); else slowModify(op, end, 2, regValue<u32>(op)); op += OP_SIZE; continue; }
      case H_ALU32 + 27: { const at = writableOperand<u32>(op, end); if (at != 0) store<u32>(at, <u32>sbb<u32>(<u32>load<u32>(at), regValue<u32>(op))); else slowModify(op, end, 3, regValue<u32>(op)); op += OP_SIZE; continue; }
      case H_ALU32 + 28: { const at = writableOperand<u32>(op, end); if (at != 0) store<u32>(at, <u32>and<u32>(<u32>load<u32>(at), regValue<u32>(op))); else slowModify(op, end, 4, regValue<u32>(op)); op += OP_SIZE; continue; }
      case H_ALU32 + 29: { const at = writableOperand<u32>(op, end); if (at != 0) store<u32>(at, <u32>sub<u32>(<u32>load<u32>(at), regValue<u32>(op))); else slowModify(op, end, 5, regValue<u32>(op)); op += OP_SIZE; continue; }
      case H_ALU32 + 30: { const at = writableOperand<u32>(op, end); if (at != 0) store<u32>(at, <u32>xor<u32>(<u32>load<u32>(at), regValue<u32>(op))); else slowModify(op, end, 6, regValue<u32>(op)); op += OP_SIZE; continue; }
      case H_ALU32 + 31: compare<u32>(readOperand<u32>(op, end), regValue<u32>(op)); op += OP_SIZE; continue;
      case H_ALU32 + 32: { const at = writableOperand<u32>(op, end); if (at != 0) store<u32>(at, <u32>add<u32>(<u32>load<u32>(at), load<u32>(op, OP_IMM))); else slowModify(op, end, 0, load<u32>(op, OP_IMM)); op += OP_SIZE; continue; }
      case H_ALU32 + 33: { const at = writableOperand<u32>(op, end); if (at != 0) store<u32>(at, <u32>or<u32>(<u32>load<u32>(at), load<u32>(op, OP_IMM))); else slowModify(op, end, 1, load<u32>(op, OP_IMM)); op += OP_SIZE; continue; }
      case H_ALU32 + 34: { const at = writableOperand<u32>(op, end); if (at != 0) store<u32>(at, <u32>adc<u32>(<u32>load<u32>(at), load<u32>(op, OP_IMM))); else slowModify(op, end, 2, load<u32>(op, OP_IMM)); op += OP_SIZE; continue; }
      case H_ALU32 + 35: { const at = writableOperand<u32>(op, end); if (at != 0) store<u32>(at, <u32>sbb<u32>(<u32>load<u32>(at), load<u32>(op, OP_IMM))); else slowModify(op, end, 3, load<u32>(op, OP_IMM)); op += OP_SIZE; continue; }
      case H_ALU32 + 36: { const at = writableOperand<u32>(op, end); if (at != 0) store<u32>(at, <u32>and<u32>(<u32>load<u32>(at), load<u32>(op, OP_IMM))); else slowModify(op, end, 4, load<u32>(op, OP_IMM)); op += OP_SIZE; continue; }
      case H_ALU32 + 37: { const at = writableOperand<u32>(op, end); if (at != 0) store<u32>(at, <u32>sub<u32>(<u32>load<u32>(at), load<u32>(op, OP_IMM))); else slowModify(op, end, 5, load<u32>(op, OP_IMM)); op += OP_SIZE; continue; }
      case H_ALU32 + 38: { const at = writableOperand<u32>(op, end); if (at != 0) store<u32>(at, <u32>xor<u32>(<u32>load<u32>(at), load<u32>(op, OP_IMM))); else slowModify(op, end, 6, load<u32>(op, OP_IMM)); op += OP_SIZE; continue; }
      case H_ALU32 + 39: compare<u32>(readOperand<u32>(op, end), load<u32>(op, OP_IMM)); op += OP_SIZE; continue;
      case H_ALU8 + 0: setReg<u8>(op, add<u8>(regValue<u8>(op), rmValue<u8>(op))); op += OP_SIZE; continue;
      case H_ALU8 + 1: setReg<u8>(op, or<u8>(regValue<u8>(op), rmValue<u8>(op))); op += OP_SIZE; continue;
      case H_ALU8 + 2: setReg<u8>(op, adc<u8>(regValue<u8>(op), rmValue<u8>(op))); op += OP_SIZE; continue;
      case H_ALU8 + 3: setReg<u8>(op, sbb<u8>(regValue<u8>(op), rmValue<u8>(op))); op += OP_SIZE; continue;
      case H_ALU8 + 4: setReg<u8>(op, and<u8>(regValue<u8>(op), rmValue<u8>(op))); op += OP_SIZE; continue;
      case H_ALU8 + 5: setReg<u8>(op, sub<u8>(regValue<u8>(op), rmValue<u8>(op))); op += OP_SIZE; continue;
      case H_ALU8 + 6: setReg<u8>(op, xor<u8>(regValue<u8>(op), rmValue<u8>(op))); op += OP_SIZE; continue;
      case H_ALU8 + 7: compare<u8>(regValue<u8>(op), rmValue<u8>(op)); op += OP_SIZE; continue;
      case H_ALU8 + 8: setReg<u8>(op, add<u8>(regValue<u8>(op), load<u32>(op, OP_IMM))); op += OP_SIZE; continue;
      case H_ALU8 + 9: setReg<u8>(op, or<u8>(regValue<u8>(op), load<u32>(op, OP_IMM))); op += OP_SIZE; continue;
      case H_ALU8 + 10: setReg<u8>(op, adc<u8>(regValue<u8>(op), load<u32>(op, OP_IMM))); op += OP_SIZE; continue;
      case H_ALU8 + 11: setReg<u8>(op, sbb<u8>(regValue<u8>(op), load<u32>(op, OP_IMM))); op += OP_SIZE; continue;
      case H_ALU8 + 12: setReg<u8>(op, and<u8>(regValue<u8>(op), load<u32>(op, OP_IMM))); op += OP_SIZE; continue;
      case H_ALU8 + 13: setReg<u8>(op, sub<u8>(regValue<u8>(op), load<u32>(op, OP_IMM))); op += OP_SIZE; continue;
      case H_ALU8 + 14: setReg<u8>(op, xor<u8>(regValue<u8>(op), load<u32>(op, OP_IMM))); op += OP_SIZE; continue;
      case H_ALU8 + 15: compare<u8>(regValue<u8>(op), load<u32>(op, OP_IMM)); op += OP_SIZE; continue;
      case H_ALU8 + 16: setReg<u8>(op, add<u8>(regValue<u8>(op), readOperand<u8>(op, end))); op += OP_SIZE; continue;
      case H_ALU8 + 17: setReg<u8>(op, or<u8>(regValue<u8>(op), readOperand<u8>(op, end))); op += OP_SIZE; continue;
      case H_ALU8 + 18: setReg<u8>(op, adc<u8>(regValue<u8>(op), readOperand<u8>(op, end))); op += OP_SIZE; continue;
      case H_ALU8 + 19: setReg<u8>(op, sbb<u8>(regValue<u8>(op), readOperand<u8>(op, end))); op += OP_SIZE; continue;
      case H_ALU8 + 20: setReg<u8>(op, and<u8>(regValue<u8>(op), readOperand<u8>(op, end))); op += OP_SIZE; continue;
      case H_ALU8 + 21: setReg<u8>(op, sub<u8>(regValue<u8>(op), readOperand<u8>(op, end))); op += OP_SIZE; continue;
      case H_ALU8 + 22: setReg<u8>(op, xor<u8>(regValue<u8>(op), readOperand<u8>(op, end))); op += OP_SIZE; continue;
      case H_ALU8 + 23: compare<u8>(regValue<u8>(op), readOperand<u8>(op, end)); op += OP_SIZE; continue;
      case H_ALU8 + 24: { const at = writableOperand<u8>(op, end); if (at != 0) store<u8>(at, <u8>add<u8>(<u32>load<u8>(at), regValue<u8>(op))); else slowModify(op, end, 0, regValue<u8>(op)); op += OP_SIZE; continue; }
      case H_ALU8 + 25: { const at = writableOperand<u8>(op, end); if (at != 0) store<u8>(at, <u8>or<u8>(<u32>load<u8>(at), regValue<u8>(op))); else slowModify(op, end, 1, regValue<u8>(op)); op += OP_SIZE; continue; }
      case H_ALU8 + 26: { const at = writableOperand<u8>(op, end); if (at != 0) store<u8>(at, <u8>adc<u8>(<u32>load<u8>(at), regValue<u8>(op))); else slowModify(op, end, 2, regValue<u8>(op)); op += OP_SIZE; continue; }
      case H_ALU8 + 27: { const at = writableOperand<u8>(op, end); if (at != 0) store<u8>(at, <u8>sbb<u8>(<u32>load<u8>(at), regValue<u8>(op))); else slowModify(op, end, 3, regValue<u8>(op)); op += OP_SIZE; continue; }
      case H_ALU8 + 28: { const at = writableOperand<u8>(op, end); if (at != 0) store<u8>(at, <u8>and<u8>(<u32>load<u8>(at), regValue<u8>(op))); else slowModify(op, end, 4, regValue<u8>(op)); op += OP_SIZE; continue; }
      case H_ALU8 + 29: { const at = writableOperand<u8>(op, end); if (at != 0) store<u8>(at, <u8>sub<u8>(<u32>load<u8>(at), regValue<u8>(op))); else slowModify(op, end, 5, regValue<u8>(op)); op += OP_SIZE; continue; }
      case H_ALU8 + 30: { const at = writableOperand<u8>(op, end); if (at != 0) store<u8>(at, <u8>xor<u8>(<u32>load<u8>(at), regValue<u8>(op))); else slowModify(op, end, 6, regValue<u8>(op)); op += OP_SIZE; continue; }
      case H_ALU8 + 31: compare<u8>(readOperand<u8>(op, end), regValue<u8>(op)); op += OP_SIZE; continue;
      case H_ALU8 + 32: { const at = writableOperand<u8>(op, end); if (at != 0) store<u8>(at, <u8>add<u8>(<u32>load<u8>(at), load<u32>(op, OP_IMM))); else slowModify(op, end, 0, load<u32>(op, OP_IMM)); op += OP_SIZE; continue; }
      case H_ALU8 + 33: { const at = writableOperand<u8>(op, end); if (at != 0) store<u8>(at, <u8>or<u8>(<u32>load<u8>(at), load<u32>(op, OP_IMM))); else slowModify(op, end, 1, load<u32>(op, OP_IMM)); op += OP_SIZE; continue; }
      case H_ALU8 + 34: { const at = writableOperand<u8>(op, end); if (at != 0) store<u8>(at, <u8>adc<u8>(<u32>load<u8>(at), load<u32>(op, OP_IMM))); else slowModify(op, end, 2, load<u32>(op, OP_IMM)); op += OP_SIZE; continue; }
      case H_ALU8 + 35: { const at = writableOperand<u8>(op, end); if (at != 0) store<u8>(at, <u8>sbb<u8>(<u32>load<u8>(at), load<u32>(op, OP_IMM))); else slowModify(op, end, 3, load<u32>(op, OP_IMM)); op += OP_SIZE; continue; }
      case H_ALU8 + 36: { const at = writableOperand<u8>(op, end); if (at != 0) store<u8>(at, <u8>and<u8>(<u32>load<u8>(at), load<u32>(op, OP_IMM))); else slowModify(op, end, 4, load<u32>(op, OP_IMM)); op += OP_SIZE; continue; }
      case H_ALU8 + 37: { const at = writableOperand<u8>(op, end); if (at != 0) store<u8>(at, <u8>sub<u8>(<u32>load<u8>(at), load<u32>(op, OP_IMM))); else slowModify(op, end, 5, load<u32>(op, OP_IMM)); op += OP_SIZE; continue; }
      case H_ALU8 + 38: { const at = writableOperand<u8>(op, end); if (at != 0) store<u8>(at, <u8>xor<u8>(<u32>load<u8>(at), load<u32>(op, OP_IMM))); else slowModify(op, end, 6, load<u32>(op, OP_IMM)); op += OP_SIZE; continue; }
      case H_ALU8 + 39: compare<u8>(readOperand<u8>(op, end), load<u32>(op, OP_IMM)); op += OP_SIZE; continue;
      case F_CMP32_RR + 2: { const a = regValue<u32>(op); const b = rmValue<u32>(op); noteSub(0, a, a - b); if (a < b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_RR + 3: { const a = regValue<u32>(op); const b = rmValue<u32>(op); noteSub(0, a, a - b); if (a >= b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_RR + 4: { const a = regValue<u32>(op); const b = rmValue<u32>(op); noteSub(0, a, a - b); if (a == b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_RR + 5: { const a = regValue<u32>(op); const b = rmValue<u32>(op); noteSub(0, a, a - b); if (a != b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_RR + 6: { const a = regValue<u32>(op); const b = rmValue<u32>(op); noteSub(0, a, a - b); if (a <= b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_RR + 7: { const a = regValue<u32>(op); const b = rmValue<u32>(op); noteSub(0, a, a - b); if (a > b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_RR + 8: { const a = regValue<u32>(op); const b = rmValue<u32>(op); noteSub(0, a, a - b); if (<i32>(a - b) < 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_RR + 9: { const a = regValue<u32>(op); const b = rmValue<u32>(op); noteSub(0, a, a - b); if (<i32>(a - b) >= 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_RR + 12: { const a = regValue<u32>(op); const b = rmValue<u32>(op); noteSub(0, a, a - b); if (<i32>a < <i32>b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_RR + 13: { const a = regValue<u32>(op); const b = rmValue<u32>(op); noteSub(0, a, a - b); if (<i32>a >= <i32>b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_RR + 14: { const a = regValue<u32>(op); const b = rmValue<u32>(op); noteSub(0, a, a - b); if (<i32>a <= <i32>b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_RR + 15: { const a = regValue<u32>(op); const b = rmValue<u32>(op); noteSub(0, a, a - b); if (<i32>a > <i32>b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_RI + 2: { const a = regValue<u32>(op); const b = load<u32>(op, OP_IMM); noteSub(0, a, a - b); if (a < b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_RI + 3: { const a = regValue<u32>(op); const b = load<u32>(op, OP_IMM); noteSub(0, a, a - b); if (a >= b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_RI + 4: { const a = regValue<u32>(op); const b = load<u32>(op, OP_IMM); noteSub(0, a, a - b); if (a == b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_RI + 5: { const a = regValue<u32>(op); const b = load<u32>(op, OP_IMM); noteSub(0, a, a - b); if (a != b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_RI + 6: { const a = regValue<u32>(op); const b = load<u32>(op, OP_IMM); noteSub(0, a, a - b); if (a <= b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_RI + 7: { const a = regValue<u32>(op); const b = load<u32>(op, OP_IMM); noteSub(0, a, a - b); if (a > b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_RI + 8: { const a = regValue<u32>(op); const b = load<u32>(op, OP_IMM); noteSub(0, a, a - b); if (<i32>(a - b) < 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_RI + 9: { const a = regValue<u32>(op); const b = load<u32>(op, OP_IMM); noteSub(0, a, a - b); if (<i32>(a - b) >= 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_RI + 12: { const a = regValue<u32>(op); const b = load<u32>(op, OP_IMM); noteSub(0, a, a - b); if (<i32>a < <i32>b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_RI + 13: { const a = regValue<u32>(op); const b = load<u32>(op, OP_IMM); noteSub(0, a, a - b); if (<i32>a >= <i32>b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_RI + 14: { const a = regValue<u32>(op); const b = load<u32>(op, OP_IMM); noteSub(0, a, a - b); if (<i32>a <= <i32>b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_RI + 15: { const a = regValue<u32>(op); const b = load<u32>(op, OP_IMM); noteSub(0, a, a - b); if (<i32>a > <i32>b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_RM + 2: { const a = regValue<u32>(op); const b = readOperand<u32>(op, end); noteSub(0, a, a - b); if (a < b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_RM + 3: { const a = regValue<u32>(op); const b = readOperand<u32>(op, end); noteSub(0, a, a - b); if (a >= b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_RM + 4: { const a = regValue<u32>(op); const b = readOperand<u32>(op, end); noteSub(0, a, a - b); if (a == b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_RM + 5: { const a = regValue<u32>(op); const b = readOperand<u32>(op, end); noteSub(0, a, a - b); if (a != b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_RM + 6: { const a = regValue<u32>(op); const b = readOperand<u32>(op, end); noteSub(0, a, a - b); if (a <= b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_RM + 7: { const a = regValue<u32>(op); const b = readOperand<u32>(op, end); noteSub(0, a, a - b); if (a > b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_RM + 8: { const a = regValue<u32>(op); const b = readOperand<u32>(op, end); noteSub(0, a, a - b); if (<i32>(a - b) < 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_RM + 9: { const a = regValue<u32>(op); const b = readOperand<u32>(op, end); noteSub(0, a, a - b); if (<i32>(a - b) >= 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_RM + 12: { const a = regValue<u32>(op); const b = readOperand<u32>(op, end); noteSub(0, a, a - b); if (<i32>a < <i32>b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_RM + 13: { const a = regValue<u32>(op); const b = readOperand<u32>(op, end); noteSub(0, a, a - b); if (<i32>a >= <i32>b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_RM + 14: { const a = regValue<u32>(op); const b = readOperand<u32>(op, end); noteSub(0, a, a - b); if (<i32>a <= <i32>b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_RM + 15: { const a = regValue<u32>(op); const b = readOperand<u32>(op, end); noteSub(0, a, a - b); if (<i32>a > <i32>b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_MR + 2: { const a = readOperand<u32>(op, end); const b = regValue<u32>(op); noteSub(0, a, a - b); if (a < b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_MR + 3: { const a = readOperand<u32>(op, end); const b = regValue<u32>(op); noteSub(0, a, a - b); if (a >= b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_MR + 4: { const a = readOperand<u32>(op, end); const b = regValue<u32>(op); noteSub(0, a, a - b); if (a == b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_MR + 5: { const a = readOperand<u32>(op, end); const b = regValue<u32>(op); noteSub(0, a, a - b); if (a != b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_MR + 6: { const a = readOperand<u32>(op, end); const b = regValue<u32>(op); noteSub(0, a, a - b); if (a <= b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_MR + 7: { const a = readOperand<u32>(op, end); const b = regValue<u32>(op); noteSub(0, a, a - b); if (a > b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_MR + 8: { const a = readOperand<u32>(op, end); const b = regValue<u32>(op); noteSub(0, a, a - b); if (<i32>(a - b) < 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_MR + 9: { const a = readOperand<u32>(op, end); const b = regValue<u32>(op); noteSub(0, a, a - b); if (<i32>(a - b) >= 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_MR + 12: { const a = readOperand<u32>(op, end); const b = regValue<u32>(op); noteSub(0, a, a - b); if (<i32>a < <i32>b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_MR + 13: { const a = readOperand<u32>(op, end); const b = regValue<u32>(op); noteSub(0, a, a - b); if (<i32>a >= <i32>b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_MR + 14: { const a = readOperand<u32>(op, end); const b = regValue<u32>(op); noteSub(0, a, a - b); if (<i32>a <= <i32>b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_MR + 15: { const a = readOperand<u32>(op, end); const b = regValue<u32>(op); noteSub(0, a, a - b); if (<i32>a > <i32>b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_MI + 2: { const a = readOperand<u32>(op, end); const b = load<u32>(op, OP_IMM); noteSub(0, a, a - b); if (a < b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_MI + 3: { const a = readOperand<u32>(op, end); const b = load<u32>(op, OP_IMM); noteSub(0, a, a - b); if (a >= b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_MI + 4: { const a = readOperand<u32>(op, end); const b = load<u32>(op, OP_IMM); noteSub(0, a, a - b); if (a == b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_MI + 5: { const a = readOperand<u32>(op, end); const b = load<u32>(op, OP_IMM); noteSub(0, a, a - b); if (a != b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_MI + 6: { const a = readOperand<u32>(op, end); const b = load<u32>(op, OP_IMM); noteSub(0, a, a - b); if (a <= b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_MI + 7: { const a = readOperand<u32>(op, end); const b = load<u32>(op, OP_IMM); noteSub(0, a, a - b); if (a > b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_MI + 8: { const a = readOperand<u32>(op, end); const b = load<u32>(op, OP_IMM); noteSub(0, a, a - b); if (<i32>(a - b) < 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_MI + 9: { const a = readOperand<u32>(op, end); const b = load<u32>(op, OP_IMM); noteSub(0, a, a - b); if (<i32>(a - b) >= 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_MI + 12: { const a = readOperand<u32>(op, end); const b = load<u32>(op, OP_IMM); noteSub(0, a, a - b); if (<i32>a < <i32>b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_MI + 13: { const a = readOperand<u32>(op, end); const b = load<u32>(op, OP_IMM); noteSub(0, a, a - b); if (<i32>a >= <i32>b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_MI + 14: { const a = readOperand<u32>(op, end); const b = load<u32>(op, OP_IMM); noteSub(0, a, a - b); if (<i32>a <= <i32>b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP32_MI + 15: { const a = readOperand<u32>(op, end); const b = load<u32>(op, OP_IMM); noteSub(0, a, a - b); if (<i32>a > <i32>b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP8_RI + 2: { const a = regValue<u8>(op) << 24; const b = load<u32>(op, OP_IMM) << 24; noteSub(24, a, a - b); if (a < b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP8_RI + 3: { const a = regValue<u8>(op) << 24; const b = load<u32>(op, OP_IMM) << 24; noteSub(24, a, a - b); if (a >= b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP8_RI + 4: { const a = regValue<u8>(op) << 24; const b = load<u32>(op, OP_IMM) << 24; noteSub(24, a, a - b); if (a == b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP8_RI + 5: { const a = regValue<u8>(op) << 24; const b = load<u32>(op, OP_IMM) << 24; noteSub(24, a, a - b); if (a != b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP8_RI + 6: { const a = regValue<u8>(op) << 24; const b = load<u32>(op, OP_IMM) << 24; noteSub(24, a, a - b); if (a <= b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP8_RI + 7: { const a = regValue<u8>(op) << 24; const b = load<u32>(op, OP_IMM) << 24; noteSub(24, a, a - b); if (a > b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP8_RI + 8: { const a = regValue<u8>(op) << 24; const b = load<u32>(op, OP_IMM) << 24; noteSub(24, a, a - b); if (<i32>(a - b) < 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP8_RI + 9: { const a = regValue<u8>(op) << 24; const b = load<u32>(op, OP_IMM) << 24; noteSub(24, a, a - b); if (<i32>(a - b) >= 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP8_RI + 12: { const a = regValue<u8>(op) << 24; const b = load<u32>(op, OP_IMM) << 24; noteSub(24, a, a - b); if (<i32>a < <i32>b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP8_RI + 13: { const a = regValue<u8>(op) << 24; const b = load<u32>(op, OP_IMM) << 24; noteSub(24, a, a - b); if (<i32>a >= <i32>b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP8_RI + 14: { const a = regValue<u8>(op) << 24; const b = load<u32>(op, OP_IMM) << 24; noteSub(24, a, a - b); if (<i32>a <= <i32>b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP8_RI + 15: { const a = regValue<u8>(op) << 24; const b = load<u32>(op, OP_IMM) << 24; noteSub(24, a, a - b); if (<i32>a > <i32>b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP8_MI + 2: { const a = readOperand<u8>(op, end) << 24; const b = load<u32>(op, OP_IMM) << 24; noteSub(24, a, a - b); if (a < b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP8_MI + 3: { const a = readOperand<u8>(op, end) << 24; const b = load<u32>(op, OP_IMM) << 24; noteSub(24, a, a - b); if (a >= b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP8_MI + 4: { const a = readOperand<u8>(op, end) << 24; const b = load<u32>(op, OP_IMM) << 24; noteSub(24, a, a - b); if (a == b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP8_MI + 5: { const a = readOperand<u8>(op, end) << 24; const b = load<u32>(op, OP_IMM) << 24; noteSub(24, a, a - b); if (a != b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP8_MI + 6: { const a = readOperand<u8>(op, end) << 24; const b = load<u32>(op, OP_IMM) << 24; noteSub(24, a, a - b); if (a <= b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP8_MI + 7: { const a = readOperand<u8>(op, end) << 24; const b = load<u32>(op, OP_IMM) << 24; noteSub(24, a, a - b); if (a > b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP8_MI + 8: { const a = readOperand<u8>(op, end) << 24; const b = load<u32>(op, OP_IMM) << 24; noteSub(24, a, a - b); if (<i32>(a - b) < 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP8_MI + 9: { const a = readOperand<u8>(op, end) << 24; const b = load<u32>(op, OP_IMM) << 24; noteSub(24, a, a - b); if (<i32>(a - b) >= 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP8_MI + 12: { const a = readOperand<u8>(op, end) << 24; const b = load<u32>(op, OP_IMM) << 24; noteSub(24, a, a - b); if (<i32>a < <i32>b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP8_MI + 13: { const a = readOperand<u8>(op, end) << 24; const b = load<u32>(op, OP_IMM) << 24; noteSub(24, a, a - b); if (<i32>a >= <i32>b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP8_MI + 14: { const a = readOperand<u8>(op, end) << 24; const b = load<u32>(op, OP_IMM) << 24; noteSub(24, a, a - b); if (<i32>a <= <i32>b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP8_MI + 15: { const a = readOperand<u8>(op, end) << 24; const b = load<u32>(op, OP_IMM) << 24; noteSub(24, a, a - b); if (<i32>a > <i32>b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP8_RR + 2: { const a = regValue<u8>(op) << 24; const b = rmValue<u8>(op) << 24; noteSub(24, a, a - b); if (a < b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP8_RR + 3: { const a = regValue<u8>(op) << 24; const b = rmValue<u8>(op) << 24; noteSub(24, a, a - b); if (a >= b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP8_RR + 4: { const a = regValue<u8>(op) << 24; const b = rmValue<u8>(op) << 24; noteSub(24, a, a - b); if (a == b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP8_RR + 5: { const a = regValue<u8>(op) << 24; const b = rmValue<u8>(op) << 24; noteSub(24, a, a - b); if (a != b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP8_RR + 6: { const a = regValue<u8>(op) << 24; const b = rmValue<u8>(op) << 24; noteSub(24, a, a - b); if (a <= b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP8_RR + 7: { const a = regValue<u8>(op) << 24; const b = rmValue<u8>(op) << 24; noteSub(24, a, a - b); if (a > b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP8_RR + 8: { const a = regValue<u8>(op) << 24; const b = rmValue<u8>(op) << 24; noteSub(24, a, a - b); if (<i32>(a - b) < 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP8_RR + 9: { const a = regValue<u8>(op) << 24; const b = rmValue<u8>(op) << 24; noteSub(24, a, a - b); if (<i32>(a - b) >= 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP8_RR + 12: { const a = regValue<u8>(op) << 24; const b = rmValue<u8>(op) << 24; noteSub(24, a, a - b); if (<i32>a < <i32>b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP8_RR + 13: { const a = regValue<u8>(op) << 24; const b = rmValue<u8>(op) << 24; noteSub(24, a, a - b); if (<i32>a >= <i32>b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP8_RR + 14: { const a = regValue<u8>(op) << 24; const b = rmValue<u8>(op) << 24; noteSub(24, a, a - b); if (<i32>a <= <i32>b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_CMP8_RR + 15: { const a = regValue<u8>(op) << 24; const b = rmValue<u8>(op) << 24; noteSub(24, a, a - b); if (<i32>a > <i32>b) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_TEST32_RR + 4: { const r = regValue<u32>(op) & rmValue<u32>(op); noteLogic(0, r); if (r == 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_TEST32_RR + 5: { const r = regValue<u32>(op) & rmValue<u32>(op); noteLogic(0, r); if (r != 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_TEST32_RR + 8: { const r = regValue<u32>(op) & rmValue<u32>(op); noteLogic(0, r); if (<i32>r < 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_TEST32_RR + 9: { const r = regValue<u32>(op) & rmValue<u32>(op); noteLogic(0, r); if (<i32>r >= 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_TEST32_RR + 14: { const r = regValue<u32>(op) & rmValue<u32>(op); noteLogic(0, r); if (<i32>r <= 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_TEST32_RR + 15: { const r = regValue<u32>(op) & rmValue<u32>(op); noteLogic(0, r); if (<i32>r > 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_TEST8_RR + 4: { const r = (regValue<u8>(op) & rmValue<u8>(op)) << 24; noteLogic(24, r); if (r == 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_TEST8_RR + 5: { const r = (regValue<u8>(op) & rmValue<u8>(op)) << 24; noteLogic(24, r); if (r != 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_TEST8_RR + 8: { const r = (regValue<u8>(op) & rmValue<u8>(op)) << 24; noteLogic(24, r); if (<i32>r < 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_TEST8_RR + 9: { const r = (regValue<u8>(op) & rmValue<u8>(op)) << 24; noteLogic(24, r); if (<i32>r >= 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_TEST8_RR + 14: { const r = (regValue<u8>(op) & rmValue<u8>(op)) << 24; noteLogic(24, r); if (<i32>r <= 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_TEST8_RR + 15: { const r = (regValue<u8>(op) & rmValue<u8>(op)) << 24; noteLogic(24, r); if (<i32>r > 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_TEST8_RI + 4: { const r = (regValue<u8>(op) & load<u32>(op, OP_IMM)) << 24; noteLogic(24, r); if (r == 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_TEST8_RI + 5: { const r = (regValue<u8>(op) & load<u32>(op, OP_IMM)) << 24; noteLogic(24, r); if (r != 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_TEST8_RI + 8: { const r = (regValue<u8>(op) & load<u32>(op, OP_IMM)) << 24; noteLogic(24, r); if (<i32>r < 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_TEST8_RI + 9: { const r = (regValue<u8>(op) & load<u32>(op, OP_IMM)) << 24; noteLogic(24, r); if (<i32>r >= 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_TEST8_MI + 4: { const r = (readOperand<u8>(op, end) & load<u32>(op, OP_IMM)) << 24; noteLogic(24, r); if (r == 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_TEST8_MI + 5: { const r = (readOperand<u8>(op, end) & load<u32>(op, OP_IMM)) << 24; noteLogic(24, r); if (r != 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_TEST8_MI + 8: { const r = (readOperand<u8>(op, end) & load<u32>(op, OP_IMM)) << 24; noteLogic(24, r); if (<i32>r < 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_TEST8_MI + 9: { const r = (readOperand<u8>(op, end) & load<u32>(op, OP_IMM)) << 24; noteLogic(24, r); if (<i32>r >= 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_TEST32_RI + 4: { const r = regValue<u32>(op) & load<u32>(op, OP_IMM); noteLogic(0, r); if (r == 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_TEST32_RI + 5: { const r = regValue<u32>(op) & load<u32>(op, OP_IMM); noteLogic(0, r); if (r != 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_TEST32_RI + 8: { const r = regValue<u32>(op) & load<u32>(op, OP_IMM); noteLogic(0, r); if (<i32>r < 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_TEST32_RI + 9: { const r = regValue<u32>(op) & load<u32>(op, OP_IMM); noteLogic(0, r); if (<i32>r >= 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_DEC_R + 4: { const r = regValue<u32>(op) - 1; noteDec(0, r); setReg<u32>(op, r); if (r == 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_DEC_R + 5: { const r = regValue<u32>(op) - 1; noteDec(0, r); setReg<u32>(op, r); if (r != 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_DEC_R + 8: { const r = regValue<u32>(op) - 1; noteDec(0, r); setReg<u32>(op, r); if (<i32>r < 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_DEC_R + 9: { const r = regValue<u32>(op) - 1; noteDec(0, r); setReg<u32>(op, r); if (<i32>r >= 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_INC_R + 4: { const r = regValue<u32>(op) + 1; noteInc(0, r); setReg<u32>(op, r); if (r == 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_INC_R + 5: { const r = regValue<u32>(op) + 1; noteInc(0, r); setReg<u32>(op, r); if (r != 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_INC_R + 8: { const r = regValue<u32>(op) + 1; noteInc(0, r); setReg<u32>(op, r); if (<i32>r < 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_INC_R + 9: { const r = regValue<u32>(op) + 1; noteInc(0, r); setReg<u32>(op, r); if (<i32>r >= 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_SUB_RI + 4: { const a = regValue<u32>(op); const r = a - load<u32>(op, OP_IMM); noteSub(0, a, r); setReg<u32>(op, r); if (r == 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_SUB_RI + 5: { const a = regValue<u32>(op); const r = a - load<u32>(op, OP_IMM); noteSub(0, a, r); setReg<u32>(op, r); if (r != 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_SUB_RI + 8: { const a = regValue<u32>(op); const r = a - load<u32>(op, OP_IMM); noteSub(0, a, r); setReg<u32>(op, r); if (<i32>r < 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_SUB_RI + 9: { const a = regValue<u32>(op); const r = a - load<u32>(op, OP_IMM); noteSub(0, a, r); setReg<u32>(op, r); if (<i32>r >= 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_ADD_RI + 4: { const a = regValue<u32>(op); const r = a + load<u32>(op, OP_IMM); noteAdd(0, a, r); setReg<u32>(op, r); if (r == 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_ADD_RI + 5: { const a = regValue<u32>(op); const r = a + load<u32>(op, OP_IMM); noteAdd(0, a, r); setReg<u32>(op, r); if (r != 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_ADD_RI + 8: { const a = regValue<u32>(op); const r = a + load<u32>(op, OP_IMM); noteAdd(0, a, r); setReg<u32>(op, r); if (<i32>r < 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_ADD_RI + 9: { const a = regValue<u32>(op); const r = a + load<u32>(op, OP_IMM); noteAdd(0, a, r); setReg<u32>(op, r); if (<i32>r >= 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_AND_RI + 4: { const r = regValue<u32>(op) & load<u32>(op, OP_IMM); noteLogic(0, r); setReg<u32>(op, r); if (r == 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_AND_RI + 5: { const r = regValue<u32>(op) & load<u32>(op, OP_IMM); noteLogic(0, r); setReg<u32>(op, r); if (r != 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_AND_RI + 8: { const r = regValue<u32>(op) & load<u32>(op, OP_IMM); noteLogic(0, r); setReg<u32>(op, r); if (<i32>r < 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      case F_AND_RI + 9: { const r = regValue<u32>(op) & load<u32>(op, OP_IMM); noteLogic(0, r); setReg<u32>(op, r); if (<i32>r >= 0) { op += OP_SIZE; break; } op += 2 * OP_SIZE; continue; }
      default: {
        note(op, end);
        const outcome = rare(op);
        if (outcome == NEXT) { op += OP_SIZE; continue; }
        if (outcome == TAKEN) break;
        if (outcome == AGAIN) {
          // A chunk of a repeated string instruction: counted, and the same op again.
          end -= OP_SIZE;
          if ((end - op) >>> 5 < <u32>load<u16>(op, OP_RUN)) { leaveAt(op, end); return; }
          continue;
        }
        // RIP says where to go on. A meaning that committed its position has counted itself.
        if (load<u32>(CUR_OP) != 0) leave(op + OP_SIZE, end);
        return;
      }
    }
    // The branch in `op` is taken.
    let target = load<u32>(op, OP_TARGET);
    if (<i32>target <= 0) {
      if (target != 0 && load<u32>(op, OP_LINK_STAMP) == load<u32>(CODE_STAMP) && load<u32>(op, OP_LINK_FROM) == load<u32>(PAGE_EIP)) {
        store<u32>(PAGE_INDEX, load<u32>(op, OP_LINK_INDEX));
        store<u32>(PAGE_EIP, load<u32>(PAGE_EIP) + (load<u32>(op, OP_IMM) & ~0xfff));
        target &= ~LINKED;
      } else {
        target = resolve(op, end);
        if (target == 0) { leave(op + OP_SIZE, end); return; }
      }
    }
    end += target - op - OP_SIZE;
    op = target;
    if ((end - op) >>> 5 < <u32>load<u16>(op, OP_RUN)) { leaveAt(op, end); return; }
  }
}
