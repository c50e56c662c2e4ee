/** Integer instructions (SDM volume 2): every form, edge operands, faults in the middle. */
import { CODE, CODE_ABSENT, DATA_ABSENT, DATA_DOWN, LAST_SELECTOR, RING0, RING3_16, SCRATCH, STACK, VIRTUAL_8086 } from './image.ts';
import { DF, EAX, EBP, EBX, ECX, EDI, EDX, ESI, ESP, type Size, type Snippet } from './snippet.ts';
import { undefinedFlags } from './undefined-flags.ts';

const sizes: readonly Size[] = [1, 2, 4];
const anySize = (s: Snippet) => s.random.pick(sizes);
const wordSize = (s: Snippet): Size => (s.random.below(3) === 0 ? 2 : 4);
/** LOCK now and then: legal on some memory destinations, #UD elsewhere. */
const lock = (s: Snippet) => (s.random.below(16) === 0 ? [0xf0] : []);
const w = (size: Size) => (size === 1 ? 0 : 1);
const bits = (size: Size) => size * 8;

function setImmediate(s: Snippet, size: Size): void {
  s.immediate(size, s.random.edge());
}

function arithmetic(s: Snippet): void {
  const op = s.random.below(8);
  const size = anySize(s);
  if (op === 1 || op === 4 || op === 6) s.undefined |= undefinedFlags.logic;
  switch (s.random.below(4)) {
    case 0: // r/m, r
      s.operand(lock(s), [(op << 3) | w(size)], s.register(size), size);
      break;
    case 1: // r, r/m
      s.operand([], [(op << 3) | 2 | w(size)], s.register(size), size);
      break;
    case 2: // accumulator, immediate
      s.operandPrefix(size).db((op << 3) | 4 | w(size));
      setImmediate(s, size);
      break;
    default: {
      const short = s.random.below(2) === 0;
      s.operand(lock(s), [size === 1 ? 0x80 : short ? 0x83 : 0x81], op, size);
      setImmediate(s, size === 1 || short ? 1 : size);
    }
  }
}

function test(s: Snippet): void {
  const size = anySize(s);
  s.undefined |= undefinedFlags.logic;
  switch (s.random.below(3)) {
    case 0:
      s.operand([], [0x84 | w(size)], s.register(size), size);
      break;
    case 1:
      s.operandPrefix(size).db(0xa8 | w(size));
      setImmediate(s, size);
      break;
    default:
      s.operand([], [0xf6 | w(size)], s.random.below(2), size);
      setImmediate(s, size);
  }
}

function unary(s: Snippet): void {
  const size = anySize(s);
  switch (s.random.below(3)) {
    case 0:
      s.operand(lock(s), [0xf6 | w(size)], 2 + s.random.below(2), size); // NOT NEG
      break;
    case 1:
      s.operand(lock(s), [0xfe | w(size)], s.random.below(2), size); // INC DEC
      break;
    default:
      s.operandPrefix(wordSize(s)).db(0x40 | s.random.below(4) | (s.random.below(3) << 2)); // INC DEC r
      if ((s.code.at(-1)! & 7) === ESP) s.code[s.code.length - 1]! -= 4;
  }
}

function multiplyDivide(s: Snippet): void {
  const size = anySize(s);
  switch (s.random.below(5)) {
    case 0:
      s.undefined |= undefinedFlags.multiply;
      s.operand([], [0x0f, 0xaf], s.register(4), size === 1 ? 4 : size);
      break;
    case 1: {
      const wide = size === 1 ? 4 : size;
      const short = s.random.below(2) === 0;
      s.undefined |= undefinedFlags.multiply;
      s.operand([], [short ? 0x6b : 0x69], s.register(4), wide);
      setImmediate(s, short ? 1 : wide);
      break;
    }
    case 2:
      s.undefined |= undefinedFlags.multiply;
      s.operand([], [0xf6 | w(size)], 4 + s.random.below(2), size);
      break;
    default: {
      s.undefined |= undefinedFlags.divide;
      // Often a quotient that just fits or just does not.
      const divisor = s.random.edge();
      s.fix(EDX, s.random.pick([s.random.edge(), 0, 0xffffffff, divisor >>> 1, (divisor >>> 1) - 1, divisor - 1]) >>> 0);
      s.fix(EAX, s.random.edge());
      if (s.random.below(2) === 0) {
        s.fix(EBX, divisor);
        s.operandPrefix(size).db(0xf6 | w(size), 0xf0 | (s.random.below(2) << 3) | EBX);
      } else s.operand([], [0xf6 | w(size)], 6 + s.random.below(2), size);
    }
  }
}

function moves(s: Snippet): void {
  const size = anySize(s);
  switch (s.random.below(9)) {
    case 0:
      s.operand([], [0x88 | w(size) | (s.random.below(2) << 1)], s.register(size), size);
      break;
    case 1: {
      const address = s.target(size);
      const narrow = address <= 0xffff && s.random.below(3) === 0;
      if (narrow === s.wide) s.db(0x67);
      s.operandPrefix(size).db(0xa0 | w(size) | (s.random.below(2) << 1)).immediate(narrow ? 2 : 4, address);
      break;
    }
    case 2:
      s.operandPrefix(size).db((size === 1 ? 0xb0 : 0xb8) | s.register(size));
      setImmediate(s, size);
      break;
    case 3:
      s.operand([], [0xc6 | w(size)], 0, size);
      setImmediate(s, size);
      break;
    case 4: // MOVZX MOVSX
      s.operand([], [0x0f, 0xb6 | s.random.below(2) | (s.random.below(2) << 3)], s.register(4), wordSize(s));
      break;
    case 5:
      s.operand(lock(s), [0x86 | w(size)], s.register(size), size);
      break;
    case 6:
      s.operandPrefix(wordSize(s)).db(0x90 | s.register(4));
      break;
    case 7:
      s.memory([], [0x8d], s.register(4), wordSize(s), s.target(4)); // LEA
      break;
    default:
      s.operand([], [0x0f, 0x40 | s.random.below(16)], s.register(4), wordSize(s)); // CMOVcc
  }
}

function atomic(s: Snippet): void {
  const size = anySize(s);
  switch (s.random.below(4)) {
    case 0:
      s.operand(lock(s), [0x0f, 0xc0 | w(size)], s.register(size), size); // XADD
      break;
    case 1: // CMPXCHG, equal half of the time
      if (s.random.below(2) === 0) {
        s.fix(EAX, s.random.edge()).fix(EBX, s.random.below(2) === 0 ? s.registers[EAX]! : s.random.edge());
        s.operandPrefix(size).db(0x0f, 0xb0 | w(size), 0xc0 | (s.register(size) << 3) | EBX);
      } else {
        s.fixed.add(EAX);
        s.operand(lock(s), [0x0f, 0xb0 | w(size)], s.register(size), size);
      }
      break;
    case 2: {
      const at = s.random.below(4) === 0 ? s.target(8) : SCRATCH;
      for (const register of [EAX, EDX, ECX, EBX]) s.fixed.add(register);
      if (at === SCRATCH && s.random.below(2) === 0) {
        for (const register of [EAX, EDX]) for (let i = 0; i < 4; i++) s.scratch.push((s.registers[register]! >>> (8 * i)) & 0xff);
      }
      s.memory(lock(s), [0x0f, 0xc7], s.random.below(16) === 0 ? s.random.below(8) : 1, 0, at); // CMPXCHG8B
      break;
    }
    default:
      s.db(0x0f, 0xc8 | s.register(4)); // BSWAP (of 16 bits it is undefined)
      if (!s.wide) s.code.unshift(0x66);
  }
}

function shifts(s: Snippet): void {
  const size = anySize(s);
  const op = s.random.below(8);
  let count = s.random.pick([1, s.random.below(34), s.random.u32() & 0xff]);
  const form = s.random.below(3);
  const opcode = (form === 0 ? 0xd0 : form === 1 ? 0xc0 : 0xd2) | w(size);
  if (form === 0) count = 1;
  if (form === 2) s.fix(ECX, ((s.registers[ECX]! & 0xffffff00) | count) >>> 0);
  count &= 31;
  if (count !== 0) {
    if (op >= 4) s.undefined |= count === 1 ? undefinedFlags.shiftByOne : count < bits(size) || op === 7 ? undefinedFlags.shift : undefinedFlags.shiftOut;
    else if (count > 1) s.undefined |= undefinedFlags.rotate;
  }
  s.operand([], [opcode], op, size);
  if (form === 1) s.db(count);
}

function doubleShifts(s: Snippet): void {
  const size = wordSize(s);
  const count = s.random.pick([1, s.random.below(size === 2 ? 17 : 32), 32]);
  const byCl = s.random.below(2) === 0;
  if (byCl) s.fix(ECX, ((s.registers[ECX]! & 0xffffff00) | count) >>> 0);
  if ((count & 31) !== 0) s.undefined |= (count & 31) === 1 ? undefinedFlags.doubleShiftByOne : undefinedFlags.doubleShift;
  s.operand([], [0x0f, 0xa4 | (s.random.below(2) << 3) | (byCl ? 1 : 0)], s.register(size), size);
  if (!byCl) s.db(count);
}

function bitOperations(s: Snippet): void {
  const size = wordSize(s);
  const op = s.random.below(4);
  if (s.random.below(4) === 0) {
    s.undefined |= undefinedFlags.bitScan;
    if (s.random.below(3) === 0) s.registers[s.random.below(4)] = 0;
    s.operand([], [0x0f, 0xbc | (op & 1)], s.register(size), size);
    return;
  }
  s.undefined |= undefinedFlags.bitTest;
  if (s.random.below(2) === 0) {
    s.operand(lock(s), [0x0f, 0xba], 4 + op, size);
    s.db(s.random.u32());
    return;
  }
  const opcode = [0x0f, 0xa3 | (op << 3)];
  if (s.random.below(2) === 0) {
    s.operandPrefix(size).db(...opcode, 0xc0 | (s.random.below(8) << 3) | s.register(4));
    return;
  }
  // The bit offset reaches beyond the operand, either way.
  const register = s.random.pick([EAX, ECX, EDX, EBX, ESI]);
  const offset = s.random.below(1024) - 512;
  s.fix(register, size === 4 ? offset >>> 0 : ((s.random.u32() << 16) | (offset & 0xffff)) >>> 0);
  s.memory(lock(s), opcode, register, size, SCRATCH + 0x100);
}

function decimal(s: Snippet): void {
  switch (s.random.below(5)) {
    case 0:
      s.undefined |= undefinedFlags.decimalAdjust;
      s.db(s.random.pick([0x27, 0x2f]));
      break;
    case 1:
      s.undefined |= undefinedFlags.asciiAdjust;
      s.db(s.random.pick([0x37, 0x3f]));
      break;
    case 2:
      s.undefined |= undefinedFlags.asciiMultiply;
      s.db(s.random.pick([0xd4, 0xd5]), s.random.pick([10, 10, s.random.u32()]));
      if (s.code.at(-2) === 0xd4 && s.code.at(-1) === 0) s.undefined = 0;
      break;
    case 3:
      s.operandPrefix(wordSize(s)).db(s.random.pick([0x98, 0x99])); // CBW CWDE CWD CDQ
      break;
    default:
      s.db(s.random.pick([0x9e, 0x9f, 0xf5, 0xf8, 0xf9, 0xfc, 0xfd, 0xd6])); // SAHF LAHF CMC CLC STC CLD STD SALC
  }
}

function conditions(s: Snippet): void {
  const condition = s.random.below(16);
  switch (s.random.below(5)) {
    case 0:
      s.operand([], [0x0f, 0x90 | condition], s.random.below(8), 1); // SETcc
      break;
    case 1:
      s.db(0x70 | condition, 2, 0xb0, 0x55); // Jcc over MOV AL, 55h
      break;
    case 2:
      s.db(0x0f, 0x80 | condition).immediate(s.wide ? 4 : 2, 2).db(0xb4, 0xaa);
      break;
    case 3: { // compare and jump: fused by some interpreters
      const size = anySize(s);
      s.operandPrefix(size).db((s.random.pick([7, 5, 0]) << 3) | w(size), 0xc0 | (s.random.below(4) << 3) | s.random.below(4));
      s.db(0x70 | condition, 2, 0xb4, 0x33);
      break;
    }
    default:
      s.fix(ECX, s.random.pick([0, 1, 2, 0x10000, 0x10001, s.random.u32()]));
      if (s.random.below(3) === 0) s.db(0x67);
      s.db(0xe0 | s.random.below(4), 2, 0xb0, 0x66); // LOOPNE LOOPE LOOP JCXZ
  }
}

/** Several instructions with all flags defined, so that what one leaves is what the next one takes. */
function chain(s: Snippet): void {
  for (let i = 2 + s.random.below(6); i > 0; i--) {
    const size = anySize(s);
    const registers = 0xc0 | (s.random.below(4) << 3) | s.random.below(4);
    switch (s.random.below(8)) {
      case 0:
      case 1:
        s.operandPrefix(size).db((s.random.pick([0, 2, 3, 5, 7]) << 3) | w(size), registers);
        break;
      case 2:
        s.operandPrefix(size).db(size === 1 ? 0x80 : 0x83, 0xc0 | (s.random.pick([0, 2, 3, 5, 7]) << 3) | s.random.below(4), s.random.edge());
        break;
      case 3:
        s.operandPrefix(size).db(0xfe | w(size), 0xc0 | (s.random.below(2) << 3) | s.random.below(4));
        break;
      case 4:
        s.operandPrefix(size).db(0xf6 | w(size), 0xd8 | s.random.below(4));
        break;
      case 5:
        s.db(0x0f, 0x90 | s.random.below(16), 0xc0 | s.random.below(8));
        break;
      case 6:
        s.db(0x0f, 0x40 | s.random.below(16), registers);
        break;
      default:
        s.db(0x70 | s.random.below(16), 2, 0x00, registers);
    }
  }
  s.db(0x9f); // LAHF
}

function strings(s: Snippet): void {
  const size = anySize(s);
  const op = s.random.pick([0xa4, 0xa6, 0xaa, 0xac, 0xae]);
  const repeat = s.random.below(3);
  const short = s.random.below(4) === 0;
  if (s.random.below(3) === 0) s.eflags |= DF;
  s.fix(ECX, repeat === 0 ? s.random.edge() : s.random.below(20));
  const trouble = s.random.below(6) === 0;
  const near = () => SCRATCH + 0x100 + s.random.below(0x100);
  s.fix(ESI, near());
  s.fix(EDI, s.random.below(3) === 0 ? s.registers[ESI]! + s.random.below(16) - 8 : near());
  if (trouble) s.registers[s.random.pick([ESI, EDI])] = s.target(size) + (s.random.below(40) - 20);
  if (short !== !s.wide) s.db(0x67);
  // In 16-bit addressing only the low words count.
  if (short || !s.wide) for (const register of [ECX, ESI, EDI]) if (s.registers[register]! < 0x10000) s.registers[register]! += (s.random.u32() << 16) >>> 0;
  if (short !== !s.wide && !s.wide) for (const register of [ECX, ESI, EDI]) s.registers[register]! &= register === ECX ? 0xff : 0xffff;
  if (s.random.below(8) === 0) s.db(s.random.pick([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65]));
  if (repeat !== 0) s.db(repeat === 1 ? 0xf3 : 0xf2);
  s.operandPrefix(size).db(op | w(size));
}

function stack(s: Snippet): void {
  const size = wordSize(s);
  switch (s.random.below(11)) {
    case 0:
      s.operandPrefix(size).db(0x50 | s.random.below(8));
      break;
    case 1:
      s.operandPrefix(size).db(0x58 | s.register(4));
      break;
    case 2:
      s.operand([], [0xff], 6, size);
      break;
    case 3:
      s.operand([], [0x8f], 0, size);
      break;
    case 4:
      s.operandPrefix(size).db(s.random.pick([0x60, 0x61]));
      break;
    case 5:
      if (s.random.below(2) === 0) s.operandPrefix(size).db(0x68).immediate(size, s.random.edge());
      else s.operandPrefix(size).db(0x6a, s.random.edge());
      break;
    case 6:
      s.fix(EBP, STACK - 0x40 + s.random.below(0x20));
      s.operandPrefix(size).db(0xc8).immediate(2, s.random.below(64)).db(s.random.pick([0, 0, 1, 2, 5, 33])); // ENTER
      break;
    case 7:
      s.fix(EBP, STACK - 0x40 + s.random.below(0x20));
      s.operandPrefix(size).db(0xc9); // LEAVE
      break;
    case 8:
      s.operandPrefix(size).db(0x9c); // PUSHF
      break;
    case 9: // POPF of anything but TF and, on the runtime's level, IF
      s.operandPrefix(size).db(size === 2 || !s.wide ? 0x68 : 0x68);
      s.immediate(size, s.random.u32() & (s.mode === RING0 ? 0x240dd5 : 0x247fd5) & ~0x100 & ~(s.user ? 0 : 0x200)).operandPrefix(size).db(0x9d);
      s.db(0x9c);
      break;
    default:
      s.operandPrefix(size).db(s.random.pick([0x06, 0x0e, 0x16, 0x1e])); // PUSH segment
  }
}

function transfers(s: Snippet): void {
  const size: Size = s.wide ? 4 : 2;
  switch (s.random.below(7)) {
    case 0: // CALL near, its return address popped
      s.db(0xe8).immediate(size, 2).db(0xb0, 0x11, 0x58 | s.random.pick([EAX, EBX, EDX]));
      break;
    case 1: // JMP r/m
      s.fix(EBX, CODE + 4);
      s.db(0xff, 0xe0 | EBX, 0xb0, 0x22);
      break;
    case 2: // CALL r/m, RET imm16
      s.fix(EBX, CODE + 4);
      s.db(0xff, 0xd0 | EBX, 0xb0, 0x33);
      s.db(0x83, 0x44, 0x24, 0x00, 0x00).code.splice(-5);
      s.operandPrefix(size).db(0x58);
      break;
    case 3: { // PUSH target, RET imm16
      const target = CODE + (size === 4 ? 10 : 8) - (size === 4 ? 0 : 0);
      s.db(0x68).immediate(size, target).db(0xc2).immediate(2, s.random.below(32)).db(0x90, 0x90, 0x90, 0x90, 0x90);
      break;
    }
    case 4:
      s.db(s.random.pick([0xcc, 0xce])); // INT3 INTO
      break;
    case 5:
      s.db(0xcd, s.random.pick([0, 3, 4, 5, 0x10, 0x21, 0x80])); // INT n
      break;
    default: { // BOUND
      const at = SCRATCH;
      for (let i = 0; i < 8; i++) s.scratch.push(s.random.pick([0, 0, 0, 0x80, 0xff, 0x7f, 1]));
      const register = s.random.pick([EAX, ECX, EDX]);
      s.fixed.add(register);
      s.memory([], [0x62], register, wordSize(s), at);
    }
  }
}

/** What ring 3 may not do, and what it may see. */
function privileged(s: Snippet): void {
  if (s.user) {
    s.fix(EAX, s.random.edge()).fix(ECX, s.random.below(0x200)).fix(EDX, 0x80);
    s.db(...s.random.pick([
      [0xf4], [0xfa], [0xfb], [0x0f, 0x06], [0x0f, 0x08], [0x0f, 0x30], [0x0f, 0x32], [0x0f, 0x22, 0xc0], [0x0f, 0x20, 0xc0], [0x0f, 0x23, 0xf8],
      [0x0f, 0x21, 0xf8], [0x0f, 0x01, 0xf0], [0xe4, 0x80], [0xe6, 0x80], [0xec], [0xee], [0x6c], [0x6e], [0x0f, 0x00, 0xd0], [0x0f, 0x00, 0xd8],
      [0x0f, 0x00, 0xc0], [0x0f, 0x00, 0xc8], [0x0f, 0x01, 0xe0], [0x0f, 0x01, 0x15, 0, 0x80, 0, 0], [0x0f, 0x0b], [0x0f, 0xff], [0x0f, 0xb9],
      [0xf0, 0x90], [0xf0, 0x01, 0xc0], [0x8d, 0xc0], [0xc4, 0xc0], [0xc6, 0xc8, 0], [0xf7, 0xc8, 0, 0, 0, 0], [0xfe, 0xd0], [0xff, 0xf8], [0xff, 0xd8],
      [0x8f, 0xc8], [0x0f, 0xba, 0xc0, 1], [0x8e, 0xc8], [0x8e, 0xf0], [0x0f, 0xc7, 0xc8], [0x0f, 0x04], [0x0f, 0x0a], [0x0f, 0xa6], [0x0f, 0x24, 0xc0],
    ]));
    return;
  }
  switch (s.random.below(6)) {
    case 0:
      s.db(0x0f, 0x20, 0xc0 | (s.random.pick([0, 2, 3, 4, 1, 5]) << 3) | s.register(4)); // MOV r, CRn
      break;
    case 1:
      s.db(0x0f, 0x01, 0xe0 | s.register(4)); // SMSW
      break;
    case 2:
      s.memory([], [0x0f, 0x01], s.random.pick([0, 1]), 0, s.target(6)); // SGDT SIDT
      break;
    case 3:
      s.operand([], [0x0f, 0x00], s.random.below(2), wordSize(s)); // SLDT STR
      break;
    case 4: {
      const register = s.random.below(4);
      const source = s.random.pick([EAX, EBX, ESI]);
      s.db(0x0f, 0x23, 0xc0 | (register << 3) | source, 0x0f, 0x21, 0xc0 | (register << 3) | EDX); // MOV DRn, r; MOV edx, DRn
      break;
    }
    default:
      s.db(...s.random.pick([[0x0f, 0x06], [0xfa], [0x0f, 0x01, 0x38], [0x0f, 0x09], [0x0f, 0x0b], [0x0f, 0x20, 0xf8], [0x0f, 0x22, 0xe8]]));
  }
}

const selector = (s: Snippet) => s.random.pick([s.random.below(LAST_SELECTOR + 0x14), DATA_ABSENT, CODE_ABSENT, 0, 1, 2, 3, s.random.edge() & 0xffff]);

function segments(s: Snippet): void {
  if (s.mode === VIRTUAL_8086) {
    segmentsV86(s);
    return;
  }
  switch (s.random.below(7)) {
    case 0: // MOV sreg, r/m
      s.fix(EBX, ((s.registers[EBX]! & 0xffff0000) | selector(s)) >>> 0);
      s.db(0x8e, 0xc0 | (s.random.pick([0, 2, 3, 4, 5]) << 3) | EBX);
      break;
    case 1: // POP sreg
      s.operandPrefix(4).db(0x68).immediate(4, selector(s)).operandPrefix(4);
      s.db(...s.random.pick([[0x07], [0x1f], [0x17], [0x0f, 0xa1], [0x0f, 0xa9]]));
      break;
    case 2: // LES LDS LSS LFS LGS
      s.scratch.push(1, 2, 3, 4, 5, 6, 7, 8);
      s.scratch[4] = selector(s) & 0xff;
      s.scratch[5] = 0;
      s.memory([], s.random.pick([[0xc4], [0xc5], [0x0f, 0xb2], [0x0f, 0xb4], [0x0f, 0xb5]]), s.random.pick([EAX, EDX]), 4, SCRATCH);
      break;
    case 3: // MOV r/m, sreg
      s.operand([], [0x8c], s.random.below(6), s.wide ? 4 : 2);
      break;
    case 4: // LAR LSL
      s.fix(EBX, ((s.registers[EBX]! & 0xffff0000) | selector(s)) >>> 0);
      s.operandPrefix(wordSize(s)).db(0x0f, s.random.pick([2, 3]), 0xc0 | (s.random.below(4) << 3) | EBX);
      break;
    case 5: // VERR VERW
      s.fix(EBX, ((s.registers[EBX]! & 0xffff0000) | selector(s)) >>> 0);
      s.db(0x0f, 0x00, 0xe0 | (s.random.below(2) << 3) | EBX);
      break;
    default:
      s.operand([], [0x63], s.random.below(8), s.wide ? 4 : 2); // ARPL
      if (s.code[0] === 0x66) s.code.shift();
  }
}

/** Real-mode style segments: any selector is good, its base is sixteen times it. */
function segmentsV86(s: Snippet): void {
  s.fix(EBX, ((s.registers[EBX]! & 0xffff0000) | (SCRATCH >> 4)) >>> 0);
  s.db(0x8e, 0xc0 | (s.random.pick([0, 3, 4, 5]) << 3) | EBX);
  s.db(s.random.pick([0x26, 0x3e, 0x64, 0x65]), 0xa1).immediate(2, s.random.below(0x200));
}

/** A segment with a limit, then accesses about it. */
function limits(s: Snippet): void {
  if (s.mode === VIRTUAL_8086) {
    s.fix(ESI, 0xfff0 + s.random.below(0x14));
    s.db(0x67, 0x8b, 0x06);
    return;
  }
  const which = s.random.pick([DATA_ABSENT + 8, DATA_DOWN, DATA_DOWN + 8, DATA_DOWN + 16, DATA_DOWN + 24]);
  s.operandPrefix(4).db(0x68).immediate(4, which).operandPrefix(4).db(0x0f, 0xa1); // push selector; pop fs
  const size = anySize(s);
  const offset = which === DATA_DOWN ? SCRATCH + 0x100 + s.random.below(8) - 4 : which === DATA_ABSENT + 8 ? 0x100 + s.random.below(10) - 6 : SCRATCH + s.random.below(64);
  s.fix(ESI, offset);
  if (!s.wide) s.db(0x67);
  s.db(0x64).operandPrefix(size).db(s.random.pick([0x00, 0x02, 0x88, 0x8a, 0x38]) | w(size), (s.random.below(4) << 3) | ESI);
}

/** Jumps and calls through segments and gates. */
function farTransfers(s: Snippet): void {
  if (s.mode !== RING0 && s.mode !== VIRTUAL_8086 && s.mode !== RING3_16) {
    const target = CODE + 9;
    switch (s.random.below(3)) {
      case 0:
        s.db(0xea).immediate(4, target).immediate(2, s.random.pick([selector(s), 0x1b, 0x5b, 0x53])).db(0x90, 0x90);
        break;
      case 1:
        s.db(0x9a).immediate(4, target).immediate(2, s.random.pick([selector(s), 0x1b, 0x5b, 0x7b, 0x78])).db(0x90, 0x90);
        break;
      default: // push cs; push target; retf / iret
        s.db(0x9c, 0x68).immediate(4, s.random.pick([selector(s), 0x1b, 0x18, 0x5b])).db(0x68).immediate(4, CODE + 12).db(s.random.pick([0xcb, 0xcf]));
    }
    return;
  }
  transfers(s);
}

function xlat(s: Snippet): void {
  s.fix(EBX, SCRATCH + s.random.below(64));
  s.db(0xd7);
}

/** Junk bytes: legal or not, the length limit included. */
function prefixes(s: Snippet): void {
  const many = s.random.pick([1, 2, 3, 13, 14, 15]);
  for (let i = 0; i < many; i++) s.db(s.random.pick([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0xf3, 0xf2]));
  s.db(0x00 | (s.random.pick([0, 5, 6, 7]) << 3), 0xc0 | (s.random.below(8) << 3) | s.register(1));
  s.undefined |= undefinedFlags.logic;
}

export const integerKinds: readonly { readonly name: string; readonly weight: number; readonly make: (s: Snippet) => void }[] = [
  { name: 'arithmetic', weight: 14, make: arithmetic },
  { name: 'test', weight: 3, make: test },
  { name: 'unary', weight: 5, make: unary },
  { name: 'multiply and divide', weight: 9, make: multiplyDivide },
  { name: 'move', weight: 10, make: moves },
  { name: 'atomic', weight: 5, make: atomic },
  { name: 'shift', weight: 12, make: shifts },
  { name: 'double shift', weight: 4, make: doubleShifts },
  { name: 'bits', weight: 6, make: bitOperations },
  { name: 'decimal', weight: 5, make: decimal },
  { name: 'condition', weight: 6, make: conditions },
  { name: 'chain', weight: 8, make: chain },
  { name: 'string', weight: 8, make: strings },
  { name: 'stack', weight: 8, make: stack },
  { name: 'transfer', weight: 5, make: transfers },
  { name: 'privileged', weight: 4, make: privileged },
  { name: 'segment', weight: 6, make: segments },
  { name: 'limit', weight: 3, make: limits },
  { name: 'far transfer', weight: 3, make: farTransfers },
  { name: 'xlat', weight: 1, make: xlat },
  { name: 'prefixes', weight: 2, make: prefixes },
];
