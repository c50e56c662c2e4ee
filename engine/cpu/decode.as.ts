/**
 * The decoder: bytes of one instruction to one op (op.ts), by the opcode maps of SDM 2D appendix A. It reads host memory between two addresses and
 * knows only the decode key; prefixes, lengths, LOCK and undefined opcodes are settled here, so that executing needs no second look.
 */
import { CPU_BLOCK } from '../memory/layout';
import { ZERO_SLOT } from './scratch';
import {
  FLAG_ADDR16, FLAG_CHECKED, FLAG_LOCK, FLAG_MEMORY, FLAG_REP, FLAG_REPNE, FLAG_SIZE, KEY_32, KEY_FLAT, OP_BASE, OP_DISP, OP_EA, OP_FLAGS, OP_HANDLER,
  OP_IMM, OP_INDEX, OP_LENGTH, OP_OFFSET, OP_PLAIN, OP_REG, OP_RM, OP_RUN, OP_SCALE, OP_TARGET,
} from './op';
import {
  FORM_MI, FORM_MR, FORM_RI, FORM_RM, FORM_RR, H_ALU32, H_ALU8, H_BSWAP, H_CALL, H_CALL_M, H_CALL_R, H_CDQ, H_CMOV_M, H_CMOV_R, H_CWDE, H_DEC_M,
  H_DEC_R, H_IMUL_RM, H_IMUL_RMI, H_IMUL_RR, H_IMUL_RRI, H_INC_M, H_INC_R, H_JCC, H_JMP, H_JMP_M, H_JMP_R, H_LEA, H_LEAVE, H_MOV16, H_MOV32, H_MOV8,
  H_MOVSX16, H_MOVSX8, H_MOVZX16, H_MOVZX8, H_MUL_R, H_NEG_R, H_NOP, H_NOT_R, H_POP_R, H_PUSH_I, H_PUSH_M, H_PUSH_R, H_RET, H_RET_I, H_ROL_I, H_ROR_I,
  H_SAR_CL, H_SAR_I, H_SETCC_M, H_SETCC_R, H_SHLD_I, H_SHL_CL, H_SHL_I, H_SHRD_I, H_SHR_CL, H_SHR_I, H_TEST32, H_TEST8, H_XCHG_RR,
  R_AAA, R_AAD, R_AAM, R_AAS, R_ALU16, R_ARPL, R_BOUND, R_BSF, R_BSR, R_BT, R_BT_I, R_CALL, R_CALLF, R_CALLF_M, R_CALL_RM, R_CBW, R_CLC, R_CLD, R_CLI,
  R_CLTS, R_CMC, R_CMOV, R_CMPS, R_CMPXCHG, R_CMPXCHG8B, R_CPUID, R_CWD, R_DAA, R_DAS, R_DEC, R_DIV, R_ENTER, R_GP, R_GROUP6, R_GROUP7, R_HLT, R_ICEBP,
  R_IDIV, R_IMUL1, R_IMUL2, R_IMUL3, R_INC, R_INS, R_INT, R_INT3, R_INTO, R_IN_DX, R_IN_I, R_IRET, R_JCXZ, R_JMPF, R_JMPF_M, R_JMP_RM, R_LAHF, R_LAR,
  R_LEA, R_LEAVE, R_LOAD_FAR, R_LODS, R_LOOP, R_LOOPE, R_LOOPNE, R_LSL, R_MOVS, R_MOVSX8, R_MOVX16, R_MOVZX8, R_MOV_FROM_CR, R_MOV_FROM_DR,
  R_MOV_FROM_SEG, R_MOV_TO_CR, R_MOV_TO_DR, R_MOV_TO_SEG, R_MUL, R_NEG, R_NOT, R_OUTS, R_OUT_DX, R_OUT_I, R_POPA, R_POPF, R_POP_R, R_POP_RM, R_POP_SEG,
  R_PUSHA, R_PUSHF, R_PUSH_I, R_PUSH_R, R_PUSH_RM, R_PUSH_SEG, R_RDMSR, R_RDPMC, R_RDTSC, R_RET, R_RETF, R_RET_I, R_SAHF, R_SALC, R_SCAS,
  R_SHIFT_CL, R_SHIFT_I, R_SHLD_CL, R_SHLD_I, R_SHRD_CL, R_SHRD_I, R_SSE, R_STC, R_STD, R_STI, R_STOS, R_SYSENTER, R_SYSEXIT, R_TEST, R_TEST_I, R_UD,
  R_WAIT, R_WBINVD, R_WRMSR, R_X87, R_XADD, R_XCHG, R_XLAT,
} from './handlers';

const MAX_LENGTH: u32 = 15;

// What is known of the instruction so far.
let at: u32 = 0;
let start: u32 = 0;
let end: u32 = 0;
let out: u32 = 0;
let beyond: bool = false;
/** log2 of the operand size: 1 or 2. */
let size: u32 = 2;
let address16: bool = false;
let flat: bool = false;
let segment: i32 = -1;
let repeat: u32 = 0;
let operandPrefix: bool = false;
let mod: u32 = 0;
let reg: u32 = 0;
let rm: u32 = 0;
let modrmByte: u32 = 0;
let flags: u32 = 0;
let lockable: bool = false;
/** The op ends a straight run: what follows isn't reached in sequence. */
export let endsRun: bool = false;

/**
 * Decodes the instruction at host address `from`, none of whose bytes lie at or after `limit`, `offset` bytes into its page, to `op`.
 * Returns false when it doesn't end before `limit`.
 */
export function decodeOne(op: u32, from: u32, limit: u32, offset: u32, key: u32): bool {
  at = from; start = from; end = limit; out = op;
  beyond = false; endsRun = false; lockable = false; branch = false;
  size = key & KEY_32 ? 2 : 1;
  address16 = (key & KEY_32) == 0;
  flat = (key & KEY_FLAT) != 0;
  segment = -1; repeat = 0; operandPrefix = false; mod = 3; flags = 0; modrmByte = 0;
  memory.fill(op, 0, 32);
  store<u16>(op, ZERO_SLOT, OP_BASE);
  store<u16>(op, ZERO_SLOT, OP_INDEX);
  store<u16>(op, ZERO_SLOT, OP_RM);
  store<u16>(op, <u16>offset, OP_OFFSET);
  const byte = prefixes();
  opcode(byte);
  if ((flags & FLAG_LOCK) && !(lockable && (flags & FLAG_MEMORY))) undefined();
  const length = at - start;
  if (length > MAX_LENGTH) {
    h(R_GP);
    endsRun = true;
  } else if (beyond) return false;
  store<u8>(op, <u8>length, OP_LENGTH);
  // Direct branches: from relative to the next instruction to relative to the page.
  if (branch) {
    store<u32>(op, load<u32>(op, OP_IMM) + offset + length, OP_IMM);
    branch = false;
  }
  store<u8>(op, <u8>(flags | (load<u8>(op, OP_FLAGS) & FLAG_SIZE)), OP_FLAGS);
  store<u16>(op, load<u16>(op, OP_HANDLER), OP_PLAIN);
  store<u16>(op, 1, OP_RUN);
  return true;
}

let branch: bool = false;

function fetch8(): u32 {
  if (at >= end || at - start >= MAX_LENGTH) {
    beyond = true;
    at++;
    return 0;
  }
  return load<u8>(at++);
}
function fetch8s(): u32 { return <u32><i32><i8>fetch8(); }
function fetch16(): u32 { const low = fetch8(); return low | (fetch8() << 8); }
function fetch32(): u32 { const low = fetch16(); return low | (fetch16() << 16); }
/** An immediate of the operand size, at most 32 bits. */
function immediate(): u32 { return size == 2 ? fetch32() : fetch16(); }
function immediateSigned8(): u32 { return size == 2 ? fetch8s() : fetch8s() & 0xffff; }

function prefixes(): u32 {
  while (true) {
    const byte = fetch8();
    if (beyond) return 0x90;
    switch (byte) {
      case 0x26: segment = 0; break;
      case 0x2e: segment = 1; break;
      case 0x36: segment = 2; break;
      case 0x3e: segment = 3; break;
      case 0x64: segment = 4; break;
      case 0x65: segment = 5; break;
      case 0x66: if (!operandPrefix) size = 3 - size; operandPrefix = true; break;
      case 0x67: if (!addressPrefix()) address16 = !address16; break;
      case 0xf0: flags |= FLAG_LOCK; break;
      case 0xf2: repeat = 3; break;
      case 0xf3: repeat = 2; break;
      default: return byte;
    }
  }
  return 0;
}
/** Whether this is not the first 67h. */
function addressPrefix(): bool {
  for (let p = start; p < at - 1; p++) if (load<u8>(p) == 0x67) return true;
  return false;
}

function h(handler: u32): void { store<u16>(out, <u16>handler, OP_HANDLER); }
function imm(value: u32): void { store<u32>(out, value, OP_IMM); }
function sized(log2: u32): void { store<u8>(out, <u8>log2, OP_FLAGS); }
/** A rare meaning of the operand size. */
function rare(handler: u32): void { h(handler); sized(size); }
/** A rare meaning of 8 bits or of the operand size, as bit 0 of the opcode says. */
function rareWide(handler: u32, byte: u32): void { h(handler); sized(byte & 1 ? size : 0); }
function undefined(): void { h(R_UD); endsRun = true; branch = false; }
/** Transfers control: nothing follows in sequence. */
function leaves(handler: u32): void { rare(handler); endsRun = true; }

function gpr(index: u32): u32 { return CPU_BLOCK + index * 8; }
function gpr8(index: u32): u32 { return index < 4 ? CPU_BLOCK + index * 8 : CPU_BLOCK + (index - 4) * 8 + 1; }
function sizedGpr(index: u32, log2: u32): u32 { return log2 == 0 ? gpr8(index) : gpr(index); }
function setReg(address: u32): void { store<u16>(out, <u16>address, OP_REG); }
function setRm(address: u32): void { store<u16>(out, <u16>address, OP_RM); }
/** Puts both operands of log2 sizes in place after modrm(). */
function operands(regSize: u32, rmSize: u32): void {
  setReg(sizedGpr(reg, regSize));
  if (mod == 3) setRm(sizedGpr(rm, rmSize));
}

function modrm(): void {
  modrmByte = fetch8();
  mod = modrmByte >> 6;
  reg = (modrmByte >> 3) & 7;
  rm = modrmByte & 7;
  if (mod == 3) return;
  flags |= FLAG_MEMORY;
  let stack = false;
  if (address16) stack = memory16();
  else stack = memory32();
  memorySegment(stack ? 2 : 3);
}

/** Chooses how the linear address of the memory operand comes about. */
function memorySegment(standard: u32): void {
  const used = segment < 0 ? standard : <u32>segment;
  if (address16) flags |= FLAG_ADDR16;
  const simple = flat && !address16 && (used == 0 || used == 2 || used == 3);
  store<u8>(out, simple ? 0 : <u8>(used + 1), OP_EA);
}

function memory32(): bool {
  let base = rm;
  let stack = rm == 5 && mod != 0;
  if (rm == 4) {
    const sib = fetch8();
    base = sib & 7;
    const index = (sib >> 3) & 7;
    if (index != 4) {
      store<u16>(out, <u16>gpr(index), OP_INDEX);
      store<u8>(out, <u8>(sib >> 6), OP_SCALE);
    }
    stack = base == 4 || (base == 5 && mod != 0);
  }
  if (base == 5 && mod == 0) {
    store<u32>(out, fetch32(), OP_DISP);
    return false;
  }
  store<u16>(out, <u16>gpr(base), OP_BASE);
  if (mod == 1) store<u32>(out, fetch8s(), OP_DISP);
  else if (mod == 2) store<u32>(out, fetch32(), OP_DISP);
  return stack;
}

function memory16(): bool {
  let base: i32 = -1;
  let index: i32 = -1;
  switch (rm) {
    case 0: base = 3; index = 6; break;
    case 1: base = 3; index = 7; break;
    case 2: base = 5; index = 6; break;
    case 3: base = 5; index = 7; break;
    case 4: base = 6; break;
    case 5: base = 7; break;
    case 6: if (mod != 0) base = 5; break;
    default: base = 3;
  }
  if (base >= 0) store<u16>(out, <u16>gpr(base), OP_BASE);
  if (index >= 0) store<u16>(out, <u16>gpr(index), OP_INDEX);
  if (mod == 1) store<u32>(out, fetch8s(), OP_DISP);
  else if (mod == 2 || (mod == 0 && rm == 6)) store<u32>(out, fetch16(), OP_DISP);
  return base == 5;
}

/** An operation with forms RR, RM, MR for 8, 16 and 32 bits; `base16` is a rare handler. */
function alu(operation: u32, byte: u32): void {
  const kind = byte & 7;
  const width = kind & 1 ? size : 0;
  let form: u32;
  if (kind >= 4) {
    form = FORM_RI;
    setRm(gpr(0));
    setReg(gpr(0));
    imm(width == 0 ? fetch8() : immediate());
  } else {
    modrm();
    operands(width, width);
    if (mod != 3) form = kind & 2 ? FORM_RM : FORM_MR;
    else {
      form = FORM_RR;
      if (!(kind & 2)) {
        // Destination in OP_REG.
        setReg(sizedGpr(rm, width));
        setRm(sizedGpr(reg, width));
      }
    }
  }
  lockable = form == FORM_MR && operation != 7;
  aluHandler(operation, form, width);
}
function aluHandler(operation: u32, form: u32, width: u32): void {
  h((width == 0 ? H_ALU8 : width == 2 ? H_ALU32 : R_ALU16) + form * 8 + operation);
  sized(width);
}

function aluGroup(byte: u32): void {
  const width = byte & 1 ? size : 0;
  modrm();
  imm(byte == 0x81 ? immediate() : byte == 0x83 ? immediateSigned8() : fetch8());
  if (mod == 3) setReg(sizedGpr(rm, width));
  lockable = reg != 7;
  aluHandler(reg, mod == 3 ? FORM_RI : FORM_MI, width);
}

function mov(form: u32, width: u32): void {
  h((width == 0 ? H_MOV8 : width == 2 ? H_MOV32 : H_MOV16) + form);
  sized(width);
}

function jump(handler: u32, displacement: u32): void {
  h(handler);
  sized(size);
  imm(displacement);
  branch = true;
  if (!flat || size == 1) flags |= FLAG_CHECKED;
}

/** Whether the stack and near transfers need no checks. */
function plainStack(): bool { return flat && size == 2; }

function shiftGroup(byte: u32): void {
  const width = byte & 1 ? size : 0;
  modrm();
  operands(width, width);
  if (byte >= 0xd2) {
    if (width == 2 && mod == 3 && (reg >= 4)) {
      setReg(gpr(rm));
      h(reg == 5 ? H_SHR_CL : reg == 7 ? H_SAR_CL : H_SHL_CL);
    } else rareWide(R_SHIFT_CL + reg, byte);
    return;
  }
  const count = byte >= 0xd0 ? 1 : fetch8();
  imm(count & 31);
  if (width == 2 && mod == 3 && (count & 31) != 0 && (reg >= 4 || reg < 2)) {
    setReg(gpr(rm));
    h(reg == 0 ? H_ROL_I : reg == 1 ? H_ROR_I : reg == 5 ? H_SHR_I : reg == 7 ? H_SAR_I : H_SHL_I);
  } else rareWide(R_SHIFT_I + reg, byte);
}

function unaryGroup(byte: u32): void {
  const width = byte & 1 ? size : 0;
  modrm();
  operands(width, width);
  rareWide(R_TEST_I, byte);
  switch (reg) {
    case 0:
    case 1:
      imm(width == 0 ? fetch8() : immediate());
      if (width != 1) {
        setReg(sizedGpr(rm, width));
        h((width == 0 ? H_TEST8 : H_TEST32) + (mod == 3 ? 1 : 3));
      }
      break;
    case 2: lockable = true; if (width == 2 && mod == 3) { setReg(gpr(rm)); h(H_NOT_R); } else h(R_NOT); break;
    case 3: lockable = true; if (width == 2 && mod == 3) { setReg(gpr(rm)); h(H_NEG_R); } else h(R_NEG); break;
    case 4: if (width == 2 && mod == 3) h(H_MUL_R); else h(R_MUL); break;
    case 5: h(R_IMUL1); break;
    case 6: h(R_DIV); break;
    default: h(R_IDIV);
  }
}

function group5(byte: u32): void {
  const width = byte & 1 ? size : 0;
  modrm();
  operands(width, width);
  rareWide(R_INC, byte);
  if (byte == 0xfe && reg > 1) { undefined(); return; }
  switch (reg) {
    case 0:
    case 1:
      lockable = true;
      if (width == 2) {
        if (mod == 3) { setReg(gpr(rm)); h(reg == 0 ? H_INC_R : H_DEC_R); } else h(reg == 0 ? H_INC_M : H_DEC_M);
      } else h(reg == 0 ? R_INC : R_DEC);
      break;
    case 2:
      if (plainStack()) h(mod == 3 ? H_CALL_R : H_CALL_M); else h(R_CALL_RM);
      endsRun = true;
      break;
    case 4:
      if (plainStack()) h(mod == 3 ? H_JMP_R : H_JMP_M); else h(R_JMP_RM);
      endsRun = true;
      break;
    case 3:
    case 5:
      if (mod == 3) { undefined(); return; }
      h(reg == 3 ? R_CALLF_M : R_JMPF_M);
      endsRun = true;
      break;
    case 6:
      if (plainStack()) {
        if (mod == 3) { setReg(gpr(rm)); h(H_PUSH_R); } else h(H_PUSH_M);
      } else h(R_PUSH_RM);
      break;
    default: undefined();
  }
}

function stringOp(handler: u32, byte: u32): void {
  rareWide(handler, byte);
  if (repeat) flags |= repeat == 2 ? FLAG_REP : FLAG_REPNE;
  memorySegment(3);
}

function registerMemory(handler: u32): void {
  modrm();
  operands(size, size);
  rare(handler);
}

function opcode(byte: u32): void {
  if (byte < 0x40 && (byte & 7) < 6) {
    alu(byte >> 3, byte);
    return;
  }
  switch (byte) {
    case 0x06: case 0x0e: case 0x16: case 0x1e: rare(R_PUSH_SEG); imm(byte >> 3); break;
    case 0x07: case 0x17: case 0x1f: rare(R_POP_SEG); imm(byte >> 3); break;
    case 0x0f: twoByte(fetch8()); break;
    case 0x27: rare(R_DAA); break;
    case 0x2f: rare(R_DAS); break;
    case 0x37: rare(R_AAA); break;
    case 0x3f: rare(R_AAS); break;
    case 0x40: case 0x41: case 0x42: case 0x43: case 0x44: case 0x45: case 0x46: case 0x47:
      setReg(gpr(byte & 7)); setRm(gpr(byte & 7));
      if (size == 2) h(H_INC_R); else rare(R_INC);
      break;
    case 0x48: case 0x49: case 0x4a: case 0x4b: case 0x4c: case 0x4d: case 0x4e: case 0x4f:
      setReg(gpr(byte & 7)); setRm(gpr(byte & 7));
      if (size == 2) h(H_DEC_R); else rare(R_DEC);
      break;
    case 0x50: case 0x51: case 0x52: case 0x53: case 0x54: case 0x55: case 0x56: case 0x57:
      setReg(gpr(byte & 7));
      rare(R_PUSH_R);
      if (plainStack()) h(H_PUSH_R);
      break;
    case 0x58: case 0x59: case 0x5a: case 0x5b: case 0x5c: case 0x5d: case 0x5e: case 0x5f:
      setReg(gpr(byte & 7));
      rare(R_POP_R);
      if (plainStack()) h(H_POP_R);
      break;
    case 0x60: rare(R_PUSHA); break;
    case 0x61: rare(R_POPA); break;
    case 0x62: registerMemory(R_BOUND); if (mod == 3) undefined(); break;
    case 0x63: modrm(); operands(1, 1); h(R_ARPL); sized(1); break;
    case 0x68: imm(immediate()); rare(R_PUSH_I); if (plainStack()) h(H_PUSH_I); break;
    case 0x6a: imm(immediateSigned8()); rare(R_PUSH_I); if (plainStack()) h(H_PUSH_I); break;
    case 0x69: case 0x6b:
      registerMemory(R_IMUL3);
      imm(byte == 0x69 ? immediate() : immediateSigned8());
      if (size == 2) h(mod == 3 ? H_IMUL_RRI : H_IMUL_RMI);
      break;
    case 0x6c: case 0x6d: stringOp(R_INS, byte); break;
    case 0x6e: case 0x6f: stringOp(R_OUTS, byte); break;
    case 0x70: case 0x71: case 0x72: case 0x73: case 0x74: case 0x75: case 0x76: case 0x77:
    case 0x78: case 0x79: case 0x7a: case 0x7b: case 0x7c: case 0x7d: case 0x7e: case 0x7f:
      jump(H_JCC + (byte & 15), fetch8s());
      break;
    case 0x80: case 0x81: case 0x82: case 0x83: aluGroup(byte); break;
    case 0x84: case 0x85: {
      const width = byte & 1 ? size : 0;
      modrm(); operands(width, width);
      rareWide(R_TEST, byte);
      if (width != 1) h((width == 0 ? H_TEST8 : H_TEST32) + (mod == 3 ? 0 : 2));
      break;
    }
    case 0x86: case 0x87: {
      const width = byte & 1 ? size : 0;
      modrm(); operands(width, width);
      rareWide(R_XCHG, byte);
      if (width == 2 && mod == 3) h(H_XCHG_RR);
      lockable = true;
      break;
    }
    case 0x88: case 0x89: {
      const width = byte & 1 ? size : 0;
      modrm();
      if (mod == 3) { setReg(sizedGpr(rm, width)); setRm(sizedGpr(reg, width)); } else setReg(sizedGpr(reg, width));
      mov(mod == 3 ? FORM_RR : FORM_MR, width);
      break;
    }
    case 0x8a: case 0x8b: {
      const width = byte & 1 ? size : 0;
      modrm(); operands(width, width);
      mov(mod == 3 ? FORM_RR : FORM_RM, width);
      break;
    }
    case 0x8c:
      modrm(); operands(size, size);
      imm(reg);
      rare(R_MOV_FROM_SEG);
      if (reg > 5) undefined();
      break;
    case 0x8d:
      registerMemory(R_LEA);
      if (mod == 3) undefined();
      else if (size == 2 && !address16) h(H_LEA);
      break;
    case 0x8e:
      modrm(); operands(1, 1);
      imm(reg);
      rare(R_MOV_TO_SEG);
      if (reg > 5 || reg == 1) undefined();
      break;
    case 0x8f:
      modrm(); operands(size, size);
      rare(R_POP_RM);
      if (reg != 0) undefined();
      break;
    case 0x90: h(H_NOP); break;
    case 0x91: case 0x92: case 0x93: case 0x94: case 0x95: case 0x96: case 0x97:
      setReg(gpr(0)); setRm(gpr(byte & 7));
      rare(R_XCHG);
      if (size == 2) h(H_XCHG_RR);
      break;
    case 0x98: rare(R_CBW); if (size == 2) h(H_CWDE); break;
    case 0x99: rare(R_CWD); if (size == 2) h(H_CDQ); break;
    case 0x9a: imm(immediate()); store<u32>(out, fetch16(), OP_TARGET); leaves(R_CALLF); break;
    case 0x9b: rare(R_WAIT); break;
    case 0x9c: rare(R_PUSHF); break;
    case 0x9d: rare(R_POPF); break;
    case 0x9e: rare(R_SAHF); break;
    case 0x9f: rare(R_LAHF); break;
    case 0xa0: case 0xa1: case 0xa2: case 0xa3: {
      const width = byte & 1 ? size : 0;
      store<u32>(out, address16 ? fetch16() : fetch32(), OP_DISP);
      flags |= FLAG_MEMORY;
      memorySegment(3);
      setReg(gpr(0));
      mov(byte >= 0xa2 ? FORM_MR : FORM_RM, width);
      break;
    }
    case 0xa4: case 0xa5: stringOp(R_MOVS, byte); break;
    case 0xa6: case 0xa7: stringOp(R_CMPS, byte); break;
    case 0xa8: case 0xa9:
      setReg(gpr(0)); setRm(gpr(0));
      imm(byte & 1 ? immediate() : fetch8());
      rareWide(R_TEST_I, byte);
      if (byte == 0xa8) h(H_TEST8 + 1);
      else if (size == 2) h(H_TEST32 + 1);
      break;
    case 0xaa: case 0xab: stringOp(R_STOS, byte); break;
    case 0xac: case 0xad: stringOp(R_LODS, byte); break;
    case 0xae: case 0xaf: stringOp(R_SCAS, byte); break;
    case 0xb0: case 0xb1: case 0xb2: case 0xb3: case 0xb4: case 0xb5: case 0xb6: case 0xb7:
      setReg(gpr8(byte & 7)); imm(fetch8()); mov(FORM_RI, 0);
      break;
    case 0xb8: case 0xb9: case 0xba: case 0xbb: case 0xbc: case 0xbd: case 0xbe: case 0xbf:
      setReg(gpr(byte & 7)); imm(immediate()); mov(FORM_RI, size);
      break;
    case 0xc0: case 0xc1: case 0xd0: case 0xd1: case 0xd2: case 0xd3: shiftGroup(byte); break;
    case 0xc2: imm(fetch16()); leaves(R_RET_I); if (plainStack()) h(H_RET_I); break;
    case 0xc3: leaves(R_RET); if (plainStack()) h(H_RET); break;
    case 0xc4: registerMemory(R_LOAD_FAR); imm(0); if (mod == 3) undefined(); break;
    case 0xc5: registerMemory(R_LOAD_FAR); imm(3); if (mod == 3) undefined(); break;
    case 0xc6: case 0xc7: {
      const width = byte & 1 ? size : 0;
      modrm();
      imm(width == 0 ? fetch8() : immediate());
      if (mod == 3) setReg(sizedGpr(rm, width));
      mov(mod == 3 ? FORM_RI : FORM_MI, width);
      if (reg != 0) undefined();
      break;
    }
    case 0xc8: imm(fetch16()); store<u32>(out, fetch8(), OP_TARGET); rare(R_ENTER); break;
    case 0xc9: rare(R_LEAVE); if (plainStack()) h(H_LEAVE); break;
    case 0xca: imm(fetch16()); leaves(R_RETF); break;
    case 0xcb: imm(0); leaves(R_RETF); break;
    case 0xcc: leaves(R_INT3); break;
    case 0xcd: imm(fetch8()); leaves(R_INT); break;
    case 0xce: rare(R_INTO); break;
    case 0xcf: leaves(R_IRET); break;
    case 0xd4: imm(fetch8()); rare(R_AAM); break;
    case 0xd5: imm(fetch8()); rare(R_AAD); break;
    case 0xd6: rare(R_SALC); break;
    case 0xd7: rare(R_XLAT); memorySegment(3); break;
    case 0xd8: case 0xd9: case 0xda: case 0xdb: case 0xdc: case 0xdd: case 0xde: case 0xdf:
      modrm();
      imm(((byte & 7) << 8) | modrmByte);
      rare(R_X87);
      break;
    case 0xe0: jump(R_LOOPNE, fetch8s()); loopFlags(); break;
    case 0xe1: jump(R_LOOPE, fetch8s()); loopFlags(); break;
    case 0xe2: jump(R_LOOP, fetch8s()); loopFlags(); break;
    case 0xe3: jump(R_JCXZ, fetch8s()); loopFlags(); break;
    case 0xe4: case 0xe5: imm(fetch8()); rareWide(R_IN_I, byte); break;
    case 0xe6: case 0xe7: imm(fetch8()); rareWide(R_OUT_I, byte); break;
    case 0xe8:
      jump(R_CALL, immediate());
      // A call that may use the return cache is followed by the op that it returns to.
      if (plainStack()) h(H_CALL); else endsRun = true;
      break;
    case 0xe9: jump(H_JMP, immediate()); endsRun = true; break;
    case 0xea: imm(immediate()); store<u32>(out, fetch16(), OP_TARGET); leaves(R_JMPF); break;
    case 0xeb: jump(H_JMP, fetch8s()); endsRun = true; break;
    case 0xec: case 0xed: rareWide(R_IN_DX, byte); break;
    case 0xee: case 0xef: rareWide(R_OUT_DX, byte); break;
    case 0xf1: leaves(R_ICEBP); break;
    case 0xf4: leaves(R_HLT); break;
    case 0xf5: rare(R_CMC); break;
    case 0xf6: case 0xf7: unaryGroup(byte); break;
    case 0xf8: rare(R_CLC); break;
    case 0xf9: rare(R_STC); break;
    case 0xfa: rare(R_CLI); break;
    case 0xfb: rare(R_STI); break;
    case 0xfc: rare(R_CLD); break;
    case 0xfd: rare(R_STD); break;
    case 0xfe: case 0xff: group5(byte); break;
    default: undefined();
  }
}

function loopFlags(): void {
  if (address16) flags |= FLAG_ADDR16;
}

/** MMX, SSE or SSE2: the prefix as SIMD opcode maps count it, opcode and ModRM go to the meaning. */
function simd(byte: u32, withImmediate: bool): void {
  modrm();
  if (withImmediate) imm(fetch8());
  const prefix: u32 = repeat != 0 ? repeat : operandPrefix ? 1 : 0;
  store<u32>(out, (prefix << 16) | (byte << 8) | modrmByte, OP_TARGET);
  rare(R_SSE);
  if (byte == 0xf7) memorySegment(3); // MASKMOV: DS:EDI
}

function twoByte(byte: u32): void {
  if ((byte & 0xf0) == 0x80) {
    jump(H_JCC + (byte & 15), immediate());
    return;
  }
  if ((byte & 0xf0) == 0x40) {
    registerMemory(R_CMOV);
    imm(byte & 15);
    if (size == 2) h(mod == 3 ? H_CMOV_R : H_CMOV_M);
    return;
  }
  if ((byte & 0xf0) == 0x90) {
    modrm(); operands(0, 0);
    imm(byte & 15);
    h(mod == 3 ? H_SETCC_R : H_SETCC_M);
    return;
  }
  switch (byte) {
    case 0x00: modrm(); operands(size, size); imm(reg); rare(R_GROUP6); break;
    case 0x01: modrm(); operands(size, size); imm(modrmByte); leaves(R_GROUP7); break;
    case 0x02: registerMemory(R_LAR); break;
    case 0x03: registerMemory(R_LSL); break;
    case 0x06: leaves(R_CLTS); break;
    case 0x08: case 0x09: rare(R_WBINVD); break;
    case 0x0b: undefined(); break;
    case 0x0d: case 0x18: case 0x19: case 0x1a: case 0x1b: case 0x1c: case 0x1d: case 0x1e: case 0x1f: modrm(); h(H_NOP); break;
    case 0x20: case 0x21: case 0x22: case 0x23:
      modrmByte = fetch8();
      reg = (modrmByte >> 3) & 7;
      setRm(gpr(modrmByte & 7));
      imm(reg);
      leaves(byte == 0x20 ? R_MOV_FROM_CR : byte == 0x21 ? R_MOV_FROM_DR : byte == 0x22 ? R_MOV_TO_CR : R_MOV_TO_DR);
      break;
    case 0x30: leaves(R_WRMSR); break;
    case 0x31: rare(R_RDTSC); break;
    case 0x32: rare(R_RDMSR); break;
    case 0x33: rare(R_RDPMC); break;
    case 0x34: leaves(R_SYSENTER); break;
    case 0x35: leaves(R_SYSEXIT); break;
    case 0xa0: rare(R_PUSH_SEG); imm(4); break;
    case 0xa1: rare(R_POP_SEG); imm(4); break;
    case 0xa8: rare(R_PUSH_SEG); imm(5); break;
    case 0xa9: rare(R_POP_SEG); imm(5); break;
    case 0xa2: rare(R_CPUID); break;
    case 0xa3: registerMemory(R_BT); break;
    case 0xab: registerMemory(R_BT + 1); lockable = true; break;
    case 0xb3: registerMemory(R_BT + 2); lockable = true; break;
    case 0xbb: registerMemory(R_BT + 3); lockable = true; break;
    case 0xba:
      registerMemory(R_BT_I + (modrmReg() & 3));
      imm(fetch8());
      lockable = reg > 4;
      if (reg < 4) undefined();
      break;
    case 0xa4:
      registerMemory(R_SHLD_I); imm(fetch8() & 31);
      if (size == 2 && mod == 3 && load<u32>(out, OP_IMM) != 0) h(H_SHLD_I);
      break;
    case 0xa5: registerMemory(R_SHLD_CL); break;
    case 0xac:
      registerMemory(R_SHRD_I); imm(fetch8() & 31);
      if (size == 2 && mod == 3 && load<u32>(out, OP_IMM) != 0) h(H_SHRD_I);
      break;
    case 0xad: registerMemory(R_SHRD_CL); break;
    case 0xaf: registerMemory(R_IMUL2); if (size == 2) h(mod == 3 ? H_IMUL_RR : H_IMUL_RM); break;
    case 0xae: simd(byte, false); break;
    case 0xb0: case 0xb1: {
      const width = byte & 1 ? size : 0;
      modrm(); operands(width, width);
      rareWide(R_CMPXCHG, byte);
      lockable = true;
      break;
    }
    case 0xb2: registerMemory(R_LOAD_FAR); imm(2); if (mod == 3) undefined(); break;
    case 0xb4: registerMemory(R_LOAD_FAR); imm(4); if (mod == 3) undefined(); break;
    case 0xb5: registerMemory(R_LOAD_FAR); imm(5); if (mod == 3) undefined(); break;
    case 0xb6: modrm(); operands(size, 0); rare(R_MOVZX8); if (size == 2) h(H_MOVZX8 + (mod == 3 ? 0 : 1)); break;
    case 0xb7: modrm(); operands(size, 1); rare(R_MOVX16); if (size == 2) h(H_MOVZX16 + (mod == 3 ? 0 : 1)); break;
    case 0xbe: modrm(); operands(size, 0); rare(R_MOVSX8); if (size == 2) h(H_MOVSX8 + (mod == 3 ? 0 : 1)); break;
    case 0xbf: modrm(); operands(size, 1); rare(R_MOVX16); if (size == 2) h(H_MOVSX16 + (mod == 3 ? 0 : 1)); break;
    case 0xbc: registerMemory(R_BSF); break;
    case 0xbd: registerMemory(R_BSR); break;
    case 0xc0: case 0xc1: {
      const width = byte & 1 ? size : 0;
      modrm(); operands(width, width);
      rareWide(R_XADD, byte);
      lockable = true;
      break;
    }
    case 0xc3: simd(byte, false); break;
    case 0xc7:
      modrm(); operands(2, 2);
      rare(R_CMPXCHG8B);
      lockable = true;
      if (reg != 1 || mod == 3) undefined();
      break;
    case 0xc8: case 0xc9: case 0xca: case 0xcb: case 0xcc: case 0xcd: case 0xce: case 0xcf:
      setReg(gpr(byte & 7));
      // Undefined for 16 bits; processors clear the register.
      if (size == 1) { imm(0); mov(FORM_RI, 1); } else h(H_BSWAP);
      break;
    case 0x70: case 0x71: case 0x72: case 0x73: case 0xc2: case 0xc4: case 0xc5: case 0xc6: simd(byte, true); break;
    case 0x77: simdBare(byte); break;
    default:
      if ((byte >= 0x10 && byte < 0x18) || (byte >= 0x28 && byte < 0x30) || (byte >= 0x50 && byte < 0x80) || (byte >= 0xd0 && byte < 0xff)) simd(byte, false);
      else undefined();
  }
}

/** Reg field of the ModRM byte to come. */
function modrmReg(): u32 { return at < end ? (load<u8>(at) >> 3) & 7 : 0; }

/** EMMS: no ModRM. */
function simdBare(byte: u32): void {
  const prefix: u32 = repeat != 0 ? repeat : operandPrefix ? 1 : 0;
  store<u32>(out, (prefix << 16) | (byte << 8), OP_TARGET);
  rare(R_SSE);
}
