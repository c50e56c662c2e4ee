/**
 * x87, MMX and SSE instructions on chosen operands (SDM volume 2). Transcendental functions, estimates, x87 stack faults (QEMU has none)
 * and which of two NaNs wins have tests of their own.
 */
import { CODE, SCRATCH } from './image.ts';
import { EAX, EDI, type Kind, type Snippet } from './snippet.ts';
import { NOT_QEMUS } from './undefined-flags.ts';

const C0_C2_C3 = 0x4500;

/** An 80-bit operand: significand low to high, then sign and exponent. */
function extended(s: Snippet): number[] {
  const { random } = s;
  const high = random.pick([0x80000000, 0x80000000, 0xc0000000, 0xffffffff, 0x80000001, (random.u32() | 0x80000000) >>> 0]);
  const low = random.pick([0, 0, 1, 0xffffffff, 0x400, 0x800, random.u32()]);
  let exponent = random.pick([
    0x3fff,
    0x3fff,
    0x4000,
    0x3ffe,
    0x401e,
    0x403e,
    0x3fff + random.below(80) - 40,
    0x7ffe,
    1,
    0x3c00,
    0x3f80,
    0x43fe,
    random.u32() & 0x7fff,
  ]);
  let top = high;
  switch (random.below(14)) {
    case 0:
      return bytesOf(0, 0, random.pick([0, 0x8000])); // zero
    case 1:
      return bytesOf(0, 0x80000000, random.pick([0x7fff, 0xffff])); // infinity
    case 2:
      return bytesOf(low, 0xc0000000 | (high & 0x3fffffff), 0x7fff); // quiet NaN
    case 3:
      return bytesOf(low | 1, 0x80000000 | (high & 0x3fffffff), 0xffff); // signalling NaN
    case 4:
      exponent = 0; // denormal
      top = high & 0x7fffffff;
  }
  if (exponent === 0x7fff) exponent = 0x3fff;
  return bytesOf(low, top, exponent | (random.below(2) << 15));
}

function bytesOf(low: number, high: number, head: number): number[] {
  const bytes: number[] = [];
  for (const word of [low, high]) for (let i = 0; i < 4; i++) bytes.push((word >>> (8 * i)) & 0xff);
  bytes.push(head & 0xff, (head >>> 8) & 0xff, 0, 0, 0, 0, 0, 0);
  return bytes;
}

/** Prefixes and an opcode byte; or opcode bytes and a reg field. */
type Encoding = readonly [bytes: readonly number[], last: number];

const absolute = (s: Snippet, at: number) => (s.wide ? s.immediate(4, at) : s.immediate(2, at));
/** ModRM of [disp32], or [disp16] in 16-bit code. */
const direct = (s: Snippet, reg: number) => (reg << 3) | (s.wide ? 5 : 6);

function x87(s: Snippet): void {
  const { random } = s;
  s.dump = 1;
  // Precision and rounding control; exceptions masked. Not 24 bits: QEMU then rounds 64-bit operands too.
  const precision = random.pick([0x300, 0x300, 0x200]);
  const control = 0x07f | precision | (random.below(4) << 10);
  s.scratch.push(...extended(s), ...extended(s), control & 0xff, control >> 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  s.db(0xd9, direct(s, 5));
  absolute(s, SCRATCH + 32); // FLDCW
  s.db(0xdb, direct(s, 5));
  absolute(s, SCRATCH + 16); // FLD m80
  s.db(0xdb, direct(s, 5));
  absolute(s, SCRATCH);
  const memory = SCRATCH + 0x40 + random.below(32);
  switch (random.below(10)) {
    case 0:
    case 1:
    case 2: {
      // FADD FMUL FSUB FSUBR FDIV FDIVR, both directions, popping too
      const op = random.pick([0, 1, 4, 5, 6, 7]);
      s.undefinedFsw |= C0_C2_C3;
      s.db(random.pick([0xd8, 0xdc, 0xde]), 0xc0 | (op << 3) | random.below(2));
      break;
    }
    case 3: // FCOM FCOMP FUCOM FUCOMP FCOMPP FUCOMPP FTST FXAM
      s.db(
        ...random.pick([
          [0xd8, 0xd1],
          [0xd8, 0xd9],
          [0xdd, 0xe1],
          [0xdd, 0xe9],
          [0xde, 0xd9],
          [0xda, 0xe9],
          [0xd9, 0xe4],
          [0xd9, 0xe5],
        ]),
      );
      break;
    case 4: // FCOMI FUCOMI and popping
      s.undefinedFsw |= C0_C2_C3;
      s.undefined |= NOT_QEMUS.fcomi;
      s.db(
        ...random.pick([
          [0xdb, 0xf1],
          [0xdb, 0xe9],
          [0xdf, 0xf1],
          [0xdf, 0xe9],
        ]),
      );
      break;
    case 5: // FCHS FABS FSQRT FRNDINT FXCH constants FINCSTP FDECSTP FFREE FLD ST
      s.undefinedFsw |= C0_C2_C3;
      s.db(
        ...random.pick([
          [0xd9, 0xe0],
          [0xd9, 0xe1],
          [0xd9, 0xfa],
          [0xd9, 0xfa],
          precision === 0x300 ? [0xd9, 0xfc] : [0xd9, 0xe0], // QEMU rounds what FRNDINT leaves alone to the precision
          [0xd9, 0xc9],
          [0xd9, 0xf7],
          [0xd9, 0xf6],
          [0xdd, 0xc1],
          [0xd9, 0xe8],
          [0xd9, 0xe9],
          [0xd9, 0xea],
          [0xd9, 0xeb],
          [0xd9, 0xec],
          [0xd9, 0xed],
          [0xd9, 0xee],
          [0xd9, 0xc0],
          [0xd9, 0xc1],
        ]),
      );
      break;
    case 6: // stores: m32 m64 m80, m16 m32 m64 integers, BCD
      s.undefinedFsw |= C0_C2_C3;
      {
        const [opcode, reg] = random.pick<Encoding>([
          [[0xd9], 2],
          [[0xd9], 3],
          [[0xdd], 2],
          [[0xdd], 3],
          [[0xdb], 7],
          [[0xdf], 2],
          [[0xdf], 3],
          [[0xdb], 2],
          [[0xdb], 3],
          [[0xdf], 7],
          [[0xdf], 6],
        ]);
        const decimal = opcode[0] === 0xdf && reg === 6; // QEMU writes FBSTP's last word first
        s.memory([], opcode, reg, 0, !decimal && random.below(10) === 0 ? s.target(8) : memory);
      }
      break;
    case 7: // arithmetic with m32 m64 m16 m32 integers
      s.undefinedFsw |= C0_C2_C3;
      s.memory(
        [],
        [random.pick([0xd8, 0xdc, 0xda, 0xde])],
        random.pick([0, 1, 4, 5, 6, 7]),
        0,
        random.below(10) === 0 ? s.target(8) : memory,
      );
      break;
    case 8: // loads
      s.undefinedFsw |= C0_C2_C3;
      {
        const [opcode, reg] = random.pick<Encoding>([
          [[0xd9], 0],
          [[0xdd], 0],
          [[0xdf], 0],
          [[0xdb], 0],
          [[0xdf], 5],
        ]);
        s.memory([], opcode, reg, 0, random.below(10) === 0 ? s.target(8) : memory);
      }
      break;
    default: // FCMOVcc, FNSTSW, FXTRACT
      if (random.below(2) === 0) s.db(random.pick([0xda, 0xdb]), 0xc0 | (random.below(4) << 3) | random.below(2));
      else
        s.db(
          ...random.pick([
            [0xdf, 0xe0],
            [0xd9, 0xf4],
          ]),
        );
      s.undefinedFsw |= C0_C2_C3;
  }
}

/** Operations by mandatory prefix: 0 none, else the byte. x: exact on any bits; f, d: single, double. */
const packedInteger = [
  0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x74, 0x75, 0x76, 0xd1, 0xd2, 0xd3, 0xd4, 0xd5, 0xd8, 0xd9, 0xda,
  0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xe0, 0xe1, 0xe2, 0xe3, 0xe4, 0xe5, 0xe8, 0xe9, 0xea, 0xeb, 0xec, 0xed, 0xee, 0xef, 0xf1, 0xf2, 0xf3, 0xf4,
  0xf5, 0xf6, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe,
];

/** `nan`: high dword of the only NaN in the snippet: of two different ones QEMU takes the larger, as the x87 does. */
function lanes(s: Snippet, kind: 'i' | 'f' | 'd', nan: number): number[] {
  const bytes: number[] = [];
  const { random } = s;
  const put = (...values: readonly number[]) => {
    for (const value of values) for (let i = 0; i < 4; i++) bytes.push((value >>> (8 * i)) & 0xff);
  };
  const normal = random.u32();
  while (bytes.length < 16) {
    if (kind === 'i') put(random.edge());
    else if (kind === 'f') {
      put(
        random.pick([
          0,
          0x80000000,
          0x3f800000,
          0xbf800001,
          0x7f7fffff,
          0x00800000,
          0x7f800000,
          nan,
          (normal & 0x807fffff) | ((100 + random.below(50)) << 23),
        ]),
      );
    } else if (random.below(5) === 0) put(0, random.pick([0, 0x80000000, 0x7ff00000, 0xfff00000, 0x3ff00000]));
    else if (random.below(8) === 0) put(0, nan);
    else put(random.u32(), random.pick([0xbff00000, 0x7fefffff, 0x00100000, (normal & 0x800fffff) | ((1000 + random.below(50)) << 20)]));
  }
  return bytes;
}

function vectorOperation(s: Snippet): void {
  const { random } = s;
  s.dump = 1;
  const kind = random.pick(['i', 'i', 'f', 'd'] as const);
  const nan = random.pick(kind === 'f' ? [0x7fc00001, 0xffa00001] : [0x7ff80001, 0xfff40000]);
  s.scratch.push(...lanes(s, kind, nan), ...lanes(s, kind, nan));
  const mxcsr = 0x1f80 | (random.below(4) << 13) | (random.below(6) === 0 ? 0x8000 : 0);
  s.scratch.push(mxcsr & 0xff, mxcsr >> 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
  s.db(0x0f, 0xae, direct(s, 2));
  absolute(s, SCRATCH + 32); // LDMXCSR
  s.db(0x0f, 0x10, direct(s, 0));
  absolute(s, SCRATCH); // MOVUPS xmm0
  s.db(0x0f, 0x10, direct(s, 1));
  absolute(s, SCRATCH + 16);
  s.fixed.add(EAX).add(EDI);
  s.usesMmx = true;
  if (kind === 'i' && random.below(2) === 0) {
    s.db(0x0f, 0x6f, direct(s, 0));
    absolute(s, SCRATCH);
    s.db(0x0f, 0x6f, direct(s, 1));
    absolute(s, SCRATCH + 16);
  }
  // QEMU checks the alignment of moves only.
  const moves = [0x28, 0x29, 0x2b, 0x6f, 0x7f, 0xe7];
  const source = (opcode: number) => {
    const aligned = SCRATCH + 16 * random.below(3);
    if (!s.wide || random.below(16) !== 0) return aligned;
    return random.pick(moves.includes(opcode) ? [aligned + 8, aligned + 1] : [0x1fff0, 0x20000, 0x21000, 0x23000]);
  };
  const operate = (prefix: readonly number[], opcode: number, reg = random.below(2)) => {
    const memoryOnly = opcode === 0xe7 || opcode === 0xc3; // QEMU takes registers too
    if (!memoryOnly && random.below(2) === 0) s.db(...prefix, 0x0f, opcode, 0xc0 | (reg << 3) | random.below(2));
    else s.memory(prefix, [0x0f, opcode], reg, 0, source(opcode));
  };
  const wide = random.below(2) === 0 ? [0x66] : [];
  if (kind === 'i') {
    switch (random.below(8)) {
      case 0: {
        // shifts by an immediate
        const opcode = 0x71 + random.below(3);
        // Whether an invalid one's immediate is fetched is no one's concern: those only where nothing can fault.
        const reg = s.base === CODE ? random.below(8) : 2;
        s.db(...wide, 0x0f, opcode, 0xc0 | (reg << 3) | random.below(2), random.pick([random.below(70), random.u32()]));
        return;
      }
      case 1:
        operate(random.pick([[], [0x66], [0xf3], [0xf2]]), 0x70);
        s.db(random.u32());
        return;
      case 2: // moves
        operate(
          ...random.pick<Encoding>([
            [[], 0x6f],
            [[], 0x7f],
            [[0x66], 0x6f],
            [[0x66], 0x7f],
            [[0xf3], 0x6f],
            [[0xf3], 0x7f],
            [[0xf3], 0x7e],
            [[0x66], 0xd6],
            [[], 0x6e],
            [[0x66], 0x6e],
            [[], 0x7e],
            [[0x66], 0x7e],
            [[], 0xe7],
            [[0x66], 0xe7],
            [[], 0xc3],
          ]),
        );
        return;
      case 3:
        operate(wide, 0xc4);
        s.db(random.u32());
        return;
      case 4:
        s.db(
          ...random.pick([
            [0x0f, 0x77],
            [0x0f, 0xd7, 0xd1],
            [0x66, 0x0f, 0xd7, 0xd1],
            [0xf3, 0x0f, 0xd6, 0xc1],
            [0xf2, 0x0f, 0xd6, 0xc1],
            [0x0f, 0xc5, 0xd1, 2],
            [0x66, 0x0f, 0xc5, 0xd1, 6],
          ]),
        );
        return;
      case 5:
        s.registers[EDI] = SCRATCH + 0x80 + random.below(64);
        s.db(...wide, 0x0f, 0xf7, 0xc1); // MASKMOVQ, MASKMOVDQU
        return;
      default:
        operate(wide, random.pick(packedInteger));
        return;
    }
  }
  const packed = kind === 'f' ? [] : [0x66];
  const scalar = kind === 'f' ? [0xf3] : [0xf2];
  switch (random.below(7)) {
    case 0:
    case 1:
      operate(random.pick([packed, scalar]), random.pick([0x51, 0x58, 0x59, 0x5c, 0x5d, 0x5e, 0x5f]));
      return;
    case 2:
      operate(random.pick([packed, scalar]), 0xc2);
      s.db(random.below(8));
      return;
    case 3:
      operate(packed, random.pick([0x2e, 0x2f]));
      return;
    case 4:
      operate(packed, random.pick([0x14, 0x15, 0x54, 0x55, 0x56, 0x57, 0x28, 0x29, 0x10, 0x11]));
      return;
    case 5:
      operate(packed, 0xc6);
      s.db(random.u32());
      return;
    default: {
      // conversions
      const integers: readonly Encoding[] =
        kind === 'f'
          ? [
              [[], 0x5b],
              [[0x66], 0x5b],
              [[0xf3], 0x5b],
            ]
          : [
              [[0x66], 0xe6],
              [[0xf3], 0xe6],
              [[0xf2], 0xe6],
            ];
      const opcodes = [0x5a, 0x2a, 0x2c, 0x2d].flatMap((opcode): Encoding[] => [
        [packed, opcode],
        [scalar, opcode],
      ]);
      operate(...random.pick([...integers, ...opcodes]));
    }
  }
}

export const floatKinds: readonly Kind[] = [
  { name: 'x87', weight: 14, make: x87 },
  { name: 'vector', weight: 16, make: vectorOperation },
];
