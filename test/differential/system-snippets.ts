/** Stack, transfers, segments and what is privileged (SDM volumes 2 and 3A). */
import { CODE_ABSENT, DATA_ABSENT, DATA_SMALL, LAST_SELECTOR, RING0, RING3_16, SCRATCH, STACK, VIRTUAL_8086 } from './image.ts';
import { anySize, w, wordSize } from './operand-size.ts';
import { EAX, EBP, EBX, ECX, EDX, ESI, type Kind, type Size, type Snippet } from './snippet.ts';
import { undefinedFlags } from './undefined-flags.ts';

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
      s.operandPrefix(size)
        .db(0xc8)
        .immediate(2, s.random.below(64))
        .db(s.random.pick([0, 0, 1, 2, 5, 33])); // ENTER
      break;
    case 7:
      s.fix(EBP, STACK - 0x40 + s.random.below(0x20));
      s.operandPrefix(size).db(0xc9); // LEAVE
      break;
    case 8:
      s.operandPrefix(size).db(0x9c); // PUSHF
      break;
    case 9: // POPF of anything but TF and, on the runtime's level, IF
      s.operandPrefix(size)
        .db(0x68)
        .immediate(size, s.random.u32() & (s.mode === RING0 ? 0x240dd5 : 0x247fd5) & ~0x100)
        .operandPrefix(size)
        .db(0x9d);
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
      s.db(0xe8)
        .immediate(size, 2)
        .db(0xb0, 0x11, 0x58 | s.random.pick([EAX, EBX, EDX]));
      break;
    case 1: // JMP r/m
      s.fix(EBX, s.base + 4);
      s.db(0xff, 0xe0 | EBX, 0xb0, 0x22);
      break;
    case 2: // CALL r/m, its return address popped
      s.fix(EBX, s.base + 4);
      s.db(0xff, 0xd0 | EBX, 0xb0, 0x33, 0x58);
      break;
    case 3: {
      // PUSH target, RET imm16
      const target = s.base + (size === 4 ? 10 : 8);
      s.db(0x68).immediate(size, target).db(0xc2).immediate(2, s.random.below(32)).db(0x90, 0x90, 0x90, 0x90, 0x90);
      break;
    }
    case 4:
      s.db(s.random.pick([0xcc, 0xce])); // INT3 INTO
      break;
    case 5:
      s.db(0xcd, s.random.pick([0, 3, 4, 5, 0x10, 0x21, 0x80])); // INT n
      break;
    default: {
      // BOUND
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
    s.db(
      ...s.random.pick([
        [0xf4],
        [0xfa],
        [0xfb],
        [0x0f, 0x06],
        [0x0f, 0x08],
        [0x0f, 0x30],
        [0x0f, 0x32],
        [0x0f, 0x22, 0xc0],
        [0x0f, 0x20, 0xc0],
        [0x0f, 0x23, 0xf8],
        [0x0f, 0x21, 0xf8],
        [0x0f, 0x01, 0xf0],
        [0xe4, 0x80],
        [0xe6, 0x80],
        [0xec],
        [0xee],
        [0x6c],
        [0x6e],
        [0x0f, 0x00, 0xd0],
        [0x0f, 0x00, 0xd8],
        [0x0f, 0x00, 0xc0],
        [0x0f, 0x00, 0xc8],
        [0x0f, 0x01, 0xe0],
        [0x0f, 0x01, 0x15, 0, 0x80, 0, 0],
        [0x0f, 0x0b],
        [0x0f, 0xff],
        [0x0f, 0xb9],
        [0xf0, 0x90],
        [0xf0, 0x01, 0xc0],
        [0x8d, 0xc0],
        [0xfe, 0xd0],
        [0xff, 0xf8],
        [0xff, 0xd8],
        [0x0f, 0xba, 0xc0, 1],
        [0x8e, 0xc8],
        [0x8e, 0xf0],
        [0x0f, 0xc7, 0xc8],
        [0x0f, 0x04],
        [0x0f, 0x0a],
        [0x0f, 0xa6],
        [0x0f, 0x24, 0xc0],
      ]),
    );
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
      s.memory([], [0x0f, 0x01], s.random.pick([0, 1]), 0, SCRATCH + s.random.below(64)); // SGDT SIDT
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
      s.db(
        ...s.random.pick([[0x0f, 0x06], [0xfa], [0x0f, 0x01, 0x38], [0x0f, 0x09], [0x0f, 0x0b], [0x0f, 0x20, 0xf8], [0x0f, 0x22, 0xe8]]),
      );
  }
}

const selector = (s: Snippet) =>
  s.random.pick([s.random.below(LAST_SELECTOR + 0x14), DATA_ABSENT, CODE_ABSENT, 0, 1, 2, 3, s.random.edge() & 0xffff]);

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
  const [segment, override] = s.random.pick([
    [0, 0x26],
    [3, 0x3e],
    [4, 0x64],
    [5, 0x65],
  ] as const);
  s.db(0x8e, 0xc0 | (segment << 3) | EBX, override, 0xa1).immediate(2, s.random.below(0x200));
}

/** What virtual-8086 mode allows only at IOPL 3: here it is 0, and the snippet's end faults too. */
function sensitive(s: Snippet): void {
  if (s.mode !== VIRTUAL_8086) {
    privileged(s);
    return;
  }
  s.eflags &= ~0x3000;
  s.operandPrefix(s.random.pick([2, 4])).db(
    ...s.random.pick([
      [0xfa],
      [0xfb],
      [0x9c],
      [0x9d],
      [0xcf],
      [0xcc],
      [0xce],
      [0xcd, 0x20],
      [0xf4],
      [0xec],
      [0xee],
      [0x0f, 0x00, 0xc0],
      [0x63, 0xc0],
    ]),
  );
}

/** A segment with a base. QEMU checks neither limits nor whether it may be written, so every access here is a good one. */
function bases(s: Snippet): void {
  if (s.mode === VIRTUAL_8086) {
    segmentsV86(s);
    return;
  }
  s.operandPrefix(4).db(0x68).immediate(4, DATA_SMALL).operandPrefix(4).db(0x0f, 0xa1); // push selector; pop fs
  const size = anySize(s);
  s.fix(ESI, s.random.below(0xfd));
  if (!s.wide) s.db(0x67);
  s.db(0x64)
    .operandPrefix(size)
    .db(s.random.pick([0x00, 0x02, 0x88, 0x8a, 0x38]) | w(size), (s.random.below(4) << 3) | ESI);
}

/** Jumps and calls through segments and gates. */
function farTransfers(s: Snippet): void {
  if (s.mode !== RING0 && s.mode !== VIRTUAL_8086 && s.mode !== RING3_16) {
    const target = s.base + 9;
    switch (s.random.below(3)) {
      case 0:
        s.db(0xea)
          .immediate(4, target)
          .immediate(2, s.random.pick([selector(s), 0x1b, 0x5b, 0x53]))
          .db(0x90, 0x90);
        break;
      case 1:
        s.db(0x9a)
          .immediate(4, target)
          .immediate(2, s.random.pick([selector(s), 0x1b, 0x5b, 0x7b, 0x78]))
          .db(0x90, 0x90);
        break;
      default: // push cs; push target; retf / iret
        s.db(0x9c, 0x68)
          .immediate(4, s.random.pick([selector(s), 0x1b, 0x18, 0x5b]))
          .db(0x68)
          .immediate(4, s.base + 12)
          .db(s.random.pick([0xcb, 0xcf]));
    }
    return;
  }
  transfers(s);
}

/** Junk bytes: legal or not, the length limit included. */
function prefixes(s: Snippet): void {
  const many = s.random.pick([1, 2, 3, 13, 14, 15]);
  for (let i = 0; i < many; i++) s.db(s.random.pick([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x66, 0xf3, 0xf2]));
  s.db(0x00 | (s.random.pick([0, 5, 6, 7]) << 3), 0xc0 | (s.random.below(8) << 3) | s.register(1));
  s.undefined |= undefinedFlags.logic;
}

export const systemKinds: readonly Kind[] = [
  { name: 'stack', weight: 8, make: stack },
  { name: 'transfer', weight: 5, make: transfers },
  { name: 'privileged', weight: 4, make: privileged },
  { name: 'sensitive', weight: 2, make: sensitive },
  { name: 'segment', weight: 6, make: segments },
  { name: 'base', weight: 2, make: bases },
  { name: 'far transfer', weight: 3, make: farTransfers },
  { name: 'prefixes', weight: 2, make: prefixes },
];
