/** Integer instructions (SDM volume 2): every form, edge operands, faults in the middle. */
import { CODE, SCRATCH } from './image.ts';
import { anySize, w, wordSize } from './operand-size.ts';
import { DF, EAX, EBX, ECX, EDI, EDX, ESI, ESP, type Kind, type Size, type Snippet } from './snippet.ts';
import { undefinedFlags } from './undefined-flags.ts';

/** LOCK now and then, for memory destinations: on registers QEMU often forgets the #UD, and TCG 7.2 aborts on a locked BTS. */
const lock = (s: Snippet) => (s.random.below(16) === 0 ? [0xf0] : []);
/** r/m as destination, perhaps locked in memory. */
function lockable(s: Snippet, opcode: readonly number[], reg: number, size: Size): void {
  const prefix = lock(s);
  s.operand(prefix, opcode, reg, size, prefix.length > 0);
}

function setImmediate(s: Snippet, size: Size): void {
  s.immediate(size, s.random.edge());
}

function arithmetic(s: Snippet): void {
  const op = s.random.below(8);
  const size = anySize(s);
  if (op === 1 || op === 4 || op === 6) s.undefined |= undefinedFlags.logic;
  switch (s.random.below(4)) {
    case 0: // r/m, r
      if (op === 7) s.operand([], [(op << 3) | w(size)], s.register(size), size);
      else lockable(s, [(op << 3) | w(size)], s.register(size), size);
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
      if (op === 7) s.operand([], [size === 1 ? 0x80 : short ? 0x83 : 0x81], op, size);
      else lockable(s, [size === 1 ? 0x80 : short ? 0x83 : 0x81], op, size);
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
      s.operand([], [0xf6 | w(size)], 0, size); // /1 is the same on CPUs, but #UD in QEMU
      setImmediate(s, size);
  }
}

function unary(s: Snippet): void {
  const size = anySize(s);
  switch (s.random.below(3)) {
    case 0:
      lockable(s, [0xf6 | w(size)], 2 + s.random.below(2), size); // NOT NEG
      break;
    case 1:
      lockable(s, [0xfe | w(size)], s.random.below(2), size); // INC DEC
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
      s.operandPrefix(size)
        .db(0xa0 | w(size) | (s.random.below(2) << 1))
        .immediate(narrow ? 2 : 4, address);
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
      s.operand([], [0x86 | w(size)], s.register(size), size);
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
      s.operand([], [0x0f, 0xc0 | w(size)], s.register(size), size); // XADD
      break;
    case 1: // CMPXCHG, equal half of the time
      if (s.random.below(2) === 0) {
        s.fix(EAX, s.random.edge()).fix(EBX, s.random.below(2) === 0 ? s.registers[EAX]! : s.random.edge());
        s.operandPrefix(size).db(0x0f, 0xb0 | w(size), 0xc0 | (s.register(size) << 3) | EBX);
      } else {
        s.fixed.add(EAX);
        lockable(s, [0x0f, 0xb0 | w(size)], s.register(size), size);
      }
      break;
    case 2: {
      const at = s.random.below(4) === 0 ? s.target(8) : SCRATCH;
      for (const register of [EAX, EDX, ECX, EBX]) s.fixed.add(register);
      if (at === SCRATCH && s.random.below(2) === 0) {
        for (const register of [EAX, EDX]) for (let i = 0; i < 4; i++) s.scratch.push((s.registers[register]! >>> (8 * i)) & 0xff);
      }
      s.memory(lock(s), [0x0f, 0xc7], s.base === CODE && s.random.below(16) === 0 ? s.random.below(8) : 1, 0, at); // CMPXCHG8B
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
    if (op >= 4)
      s.undefined |=
        count === 1 ? undefinedFlags.shiftByOne : count < size * 8 || op === 7 ? undefinedFlags.shift : undefinedFlags.shiftOut;
    else if (count > 1) s.undefined |= undefinedFlags.rotate;
  }
  // QEMU's RCL and RCR change CF before the store faults.
  if (op === 2 || op === 3) {
    if (s.random.below(2) === 0) s.operandPrefix(size).db(opcode, 0xc0 | (op << 3) | s.register(size));
    else s.memory([], [opcode], op, size, SCRATCH + s.random.below(0x200));
  } else s.operand([], [opcode], op, size);
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
    s.operand([], [0x0f, 0xba], 4 + op, size);
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
  s.memory(op === 0 ? [] : lock(s), opcode, register, size, SCRATCH + 0x100);
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
      s.db(0x0f, 0x80 | condition)
        .immediate(s.wide ? 4 : 2, 2)
        .db(0xb4, 0xaa);
      break;
    case 3: {
      // compare and jump: fused by some interpreters
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
        s.operandPrefix(size).db(
          size === 1 ? 0x80 : 0x83,
          0xc0 | (s.random.pick([0, 2, 3, 5, 7]) << 3) | s.random.below(4),
          s.random.edge(),
        );
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

/** A counted loop over registers and memory; AF alone may come out undefined, and nothing in it looks at AF. */
function loop(s: Snippet): void {
  s.fix(EBX, SCRATCH + 0x80);
  s.undefined |= undefinedFlags.logic;
  const { random } = s;
  const register = () => random.pick([EAX, EDX, ESI, EDI]);
  const byteRegister = () => random.pick([0, 2, 4, 6]);
  s.operandPrefix(4)
    .db(0xb8 | ECX)
    .immediate(4, 1 + random.below(5));
  const top = s.code.length;
  for (let i = 3 + random.below(9); i > 0; i--) {
    const size = anySize(s);
    const reg = size === 1 ? byteRegister() : register();
    const rm = size === 1 ? byteRegister() : register();
    const memory = () => s.db(0x40 | (reg << 3) | (s.wide ? 3 : 7), random.below(128));
    switch (random.below(10)) {
      case 0:
      case 1:
        s.operandPrefix(size).db((random.below(8) << 3) | w(size), 0xc0 | (reg << 3) | rm);
        break;
      case 2:
      case 3:
        s.operandPrefix(size).db((random.below(8) << 3) | (random.below(2) << 1) | w(size));
        memory();
        break;
      case 4:
        s.operandPrefix(size).db(0x88 | (random.below(2) << 1) | w(size));
        memory();
        break;
      case 5:
        s.operandPrefix(size).db(0xd0 | w(size), 0xc0 | (random.below(8) << 3) | rm);
        break;
      case 6:
        s.operandPrefix(size).db(0xfe | w(size), 0xc0 | (random.below(2) << 3) | rm);
        break;
      case 7:
        s.db(0x0f, 0x90 | random.below(16), 0xc0 | byteRegister());
        break;
      case 8:
        s.db(0x50 | register(), 0x58 | register());
        break;
      default:
        s.db(0x70 | random.below(16), 2, (random.below(8) << 3) | 1, 0xc0 | (register() << 3) | register());
    }
  }
  s.operandPrefix(4).db(0x48 | ECX, 0x75); // DEC ecx; JNZ top
  s.db(top - s.code.length - 1);
}

function strings(s: Snippet): void {
  const size = anySize(s);
  const op = s.random.pick([0xa4, 0xa6, 0xaa, 0xac, 0xae]);
  const repeat = s.random.below(3);
  const short = s.random.below(4) === 0;
  if (s.random.below(3) === 0) s.eflags |= DF;
  s.fix(ECX, repeat === 0 ? s.random.edge() : s.random.below(20));
  const trouble = s.wide && !short && s.random.below(6) === 0;
  const near = () => SCRATCH + 0x100 + s.random.below(0x100);
  s.fix(ESI, near());
  s.fix(EDI, s.random.below(3) === 0 ? s.registers[ESI]! + s.random.below(16) - 8 : near());
  if (trouble) s.registers[s.random.pick([ESI, EDI])] = s.target(size) + (s.random.below(40) - 20);
  if (short !== !s.wide) s.db(0x67);
  // In 16-bit addressing only the low words count.
  if (short || !s.wide)
    for (const register of [ECX, ESI, EDI]) if (s.registers[register]! < 0x10000) s.registers[register]! += (s.random.u32() << 16) >>> 0;
  if (short !== !s.wide && !s.wide) for (const register of [ECX, ESI, EDI]) s.registers[register]! &= register === ECX ? 0xff : 0xffff;
  if (s.random.below(8) === 0) s.db(s.random.pick([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65]));
  if (repeat !== 0) s.db(repeat === 1 ? 0xf3 : 0xf2);
  s.operandPrefix(size).db(op | w(size));
}

function xlat(s: Snippet): void {
  s.fix(EBX, SCRATCH + s.random.below(64));
  s.db(0xd7);
}

export const integerKinds: readonly Kind[] = [
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
  { name: 'loop', weight: 8, make: loop },
  { name: 'string', weight: 8, make: strings },
  { name: 'xlat', weight: 1, make: xlat },
];
