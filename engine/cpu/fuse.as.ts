// Fusing a compare with the branch that follows: one op does both, the branch's own op stays in its slot for whoever jumps to it.
import { OP_HANDLER, OP_SIZE } from './op';
import {
  F_ADD_RI, F_AND_RI, F_CMP32_MI, F_CMP32_MR, F_CMP32_RI, F_CMP32_RM, F_CMP32_RR, F_CMP8_MI, F_CMP8_RI, F_CMP8_RR, F_DEC_R, F_INC_R, F_SUB_RI, F_TEST32_RI,
  F_TEST32_RR, F_TEST8_MI, F_TEST8_RI, F_TEST8_RR, FORM_MI, FORM_MR, FORM_RI, FORM_RM, FORM_RR, H_ALU32, H_ALU8, H_DEC_R, H_INC_R, H_JCC, H_TEST32, H_TEST8,
} from './handlers';

/** Conditions fused after a compare: all but O, NO, P, NP. */
const AFTER_CMP: u32 = 0xf3fc;
/** After a logical operation, also after INC and DEC: E NE S NS. */
const AFTER_LOGIC: u32 = 0x0330;
/** After TEST besides: LE G. */
const AFTER_TEST: u32 = 0xc330;

/** Fuses the op at `op` with the one behind it where there is a handler for both. */
export function fuse(op: u32): void {
  const next = <i32>load<u16>(op + OP_SIZE, OP_HANDLER);
  if (next < H_JCC || next >= H_JCC + 16) return;
  const code = <u32>(next - H_JCC);
  let base: u32 = 0;
  let codes: u32 = AFTER_CMP;
  switch (<i32>load<u16>(op, OP_HANDLER)) {
    case H_ALU32 + FORM_RR * 8 + 7: base = F_CMP32_RR; break;
    case H_ALU32 + FORM_RI * 8 + 7: base = F_CMP32_RI; break;
    case H_ALU32 + FORM_RM * 8 + 7: base = F_CMP32_RM; break;
    case H_ALU32 + FORM_MR * 8 + 7: base = F_CMP32_MR; break;
    case H_ALU32 + FORM_MI * 8 + 7: base = F_CMP32_MI; break;
    case H_ALU8 + FORM_RI * 8 + 7: base = F_CMP8_RI; break;
    case H_ALU8 + FORM_MI * 8 + 7: base = F_CMP8_MI; break;
    case H_ALU8 + FORM_RR * 8 + 7: base = F_CMP8_RR; break;
    case H_TEST32: base = F_TEST32_RR; codes = AFTER_TEST; break;
    case H_TEST32 + 1: base = F_TEST32_RI; codes = AFTER_LOGIC; break;
    case H_TEST8: base = F_TEST8_RR; codes = AFTER_TEST; break;
    case H_TEST8 + 1: base = F_TEST8_RI; codes = AFTER_LOGIC; break;
    case H_TEST8 + 3: base = F_TEST8_MI; codes = AFTER_LOGIC; break;
    case H_DEC_R: base = F_DEC_R; codes = AFTER_LOGIC; break;
    case H_INC_R: base = F_INC_R; codes = AFTER_LOGIC; break;
    case H_ALU32 + FORM_RI * 8 + 0: base = F_ADD_RI; codes = AFTER_LOGIC; break;
    case H_ALU32 + FORM_RI * 8 + 5: base = F_SUB_RI; codes = AFTER_LOGIC; break;
    case H_ALU32 + FORM_RI * 8 + 4: base = F_AND_RI; codes = AFTER_LOGIC; break;
    default: return;
  }
  if (codes & (1 << code)) store<u16>(op, <u16>(base + code), OP_HANDLER);
}
