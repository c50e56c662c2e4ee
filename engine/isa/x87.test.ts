/**
 * The x87 FPU against what a real CPU did (x87.cases.txt, made by test/golden/x87-vectors.c, which explains the format), and the rules of
 * faults, pending exceptions and the environment's layouts that no user-mode vector shows.
 */
import { readFileSync } from 'node:fs';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  CR0,
  FLAGS,
  FPU_CW,
  FPU_EMPTY,
  FPU_FCS,
  FPU_FDP,
  FPU_FDS,
  FPU_FIP,
  FPU_FOP,
  FPU_IGNNE,
  FPU_REGS,
  FPU_SW,
  FPU_TOP,
  REGS,
  SEG_CS,
} from '#engine/cpu/block.ts';
import { CPU_BLOCK, POOL_BASE } from '#engine/memory/layout.ts';
import { compileAs } from '#test/support/compile-as.ts';

interface Exports {
  x87(esc: number, lin: number, selector: number, offset: number, wide: number): void;
  fwait(): void;
  ferr(): number;
}

const GUEST = POOL_BASE + 0x1000;
/** Accesses from here on fault. */
const LIMIT = 0x1000;
const OPERAND = 0x100;
const check = (size: number) => `if (lin + ${size} > ${LIMIT}) fault(14);`;
const read = (bits: number, type = 'u32') =>
  `export function read${bits}(lin: u32): ${type} { ${check(bits / 8)} return load<u${bits}>(${GUEST} + lin); }`;
const write = (bits: number, type = 'u32') =>
  `export function write${bits}(lin: u32, value: ${type}): void { ${check(bits / 8)} store<u${bits}>(${GUEST} + lin, <u${bits}>value); }`;
const standIns = {
  'engine/cpu/access.as': `
    @external("host", "fault") declare function fault(vector: u32): void;
    ${read(16)} ${read(32)} ${read(64, 'u64')} ${write(16)} ${write(32)} ${write(64, 'u64')}
    export function probeRead(lin: u32, size: u32): void { if (lin + size > ${LIMIT}) fault(14); }
    export function probeWrite(lin: u32, size: u32): void { if (lin + size > ${LIMIT}) fault(14); }`,
  'engine/cpu/fault.as': `
    @external("host", "fault") declare function fault(vector: u32): void;
    export function raise(vector: u32): void { fault(vector); }
    export function waitForFpuInterrupt(): void { fault(0xffff_ffff); }
    export function currentEip(): u32 { return 0x12345; }`,
};

class GuestFault extends Error {
  readonly vector: number;
  constructor(vector: number) {
    super(`#${vector}`);
    this.vector = vector;
  }
}

const memory = new WebAssembly.Memory({ initial: 3136, maximum: 65536, shared: true });
const bytes = Buffer.from(memory.buffer);
let core: Exports;

beforeAll(async () => {
  const module = await compileAs('engine/isa/x87.as.ts', standIns, 3136);
  const host = {
    fault(vector: number) {
      throw new GuestFault(vector);
    },
  };
  const env = {
    memory,
    abort() {
      throw new Error('abort');
    },
  };
  core = (await WebAssembly.instantiate(module, { env, host })).exports as unknown as Exports;
});

const poke = (slot: number, value: number) => bytes.writeUInt32LE(value >>> 0, CPU_BLOCK + slot);
const peek = (slot: number) => bytes.readUInt32LE(CPU_BLOCK + slot);
/** What the stand-in of waitForFpuInterrupt() throws. */
const WAITS = -1;
const CR0_PE = 1;
const CR0_TS = 8;
const CR0_NE = 0x20;

function execute(esc: number, lin = 0, wide = true): void {
  core.x87(esc, lin, 0x23, 0x4567, wide ? 1 : 0);
}
function vectorOf(action: () => void): number | undefined {
  try {
    action();
  } catch (error) {
    if (error instanceof GuestFault) return error.vector;
    throw error;
  }
  return undefined;
}

const FNINIT = 0x3e3;
const FNCLEX = 0x3e2;
const FNSTSW_AX = 0x7e0;
const FLD1 = 0x1e8;
const FLDPI = 0x1eb;
const FLDZ = 0x1ee;
const FDIVP = 0x6f9;
const FSTP80 = 0x338;
const FLDCW = 0x128;

beforeEach(() => {
  bytes.fill(0, CPU_BLOCK, CPU_BLOCK + 0x1000);
  bytes.fill(0, GUEST, GUEST + LIMIT);
  poke(CR0, CR0_NE | CR0_PE);
  execute(FNINIT);
});

const hex = (value: number | bigint, digits: number) => value.toString(16).padStart(digits, '0');
function readNumber(address: number): string {
  return `${hex(bytes.readUInt16LE(address + 8), 4)}.${hex(bytes.readBigUInt64LE(address), 16)}`;
}
function writeNumber(address: number, text: string): void {
  const [se = '', sig = ''] = text.split('.');
  bytes.writeBigUInt64LE(BigInt(`0x${sig}`), address);
  bytes.writeUInt16LE(Number.parseInt(se, 16), address + 8);
}
const register = (physical: number) => CPU_BLOCK + FPU_REGS + 16 * (physical & 7);

/** Runs one line of x87.cases.txt; answers what it left in the line's notation. */
function replay(line: string): { got: string; want: string; esc: number } {
  const [input = '', want = ''] = line.split(' = ');
  const [escText = '', cw = '', swText = '', empty = '', flags = '', st0 = '', st1 = '', operand = ''] = input.split(' ');
  const [esc, sw] = [Number.parseInt(escText, 16), Number.parseInt(swText, 16)];
  const top = (sw >> 11) & 7;
  bytes.fill(0, CPU_BLOCK + FPU_REGS, CPU_BLOCK + FPU_REGS + 128);
  poke(REGS, 0);
  poke(FPU_CW, Number.parseInt(cw, 16));
  poke(FPU_SW, sw & 0xc7ff);
  poke(FPU_TOP, top);
  poke(FPU_EMPTY, Number.parseInt(empty, 16));
  poke(FLAGS, Number.parseInt(flags, 16));
  writeNumber(register(top), st0);
  writeNumber(register(top + 1), st1);
  writeNumber(GUEST + OPERAND, operand);
  execute(esc, OPERAND);
  const after = [register(top), register(top + 1), register(top + 7), GUEST + OPERAND].map(readNumber);
  const status = [hex(peek(FPU_SW) | (peek(FPU_TOP) << 11), 4), hex(peek(FPU_CW), 4), hex(peek(FPU_EMPTY), 2)];
  const got = [...after, ...status, hex(peek(FLAGS) & 0x8d5, 3), hex(peek(REGS), 4)].join(' ');
  return { got, want, esc };
}

const TRANSCENDENTAL = new Set([0x1f0, 0x1f1, 0x1f2, 0x1f3, 0x1f9, 0x1fb, 0x1fe, 0x1ff]);
/** Results that differ by at most one unit in the last place (and so in C1) are as good as one another. */
function agrees(got: string, want: string): boolean {
  const [a, b] = [got.split(' '), want.split(' ')];
  return a.every((value, i) => {
    const other = b[i]!;
    if (value === other) return true;
    if (i === 4) return (Number.parseInt(value, 16) & ~0x200) === (Number.parseInt(other, 16) & ~0x200);
    const [se, sig] = value.split('.');
    const [otherSe, otherSig] = other.split('.');
    const distance = BigInt(`0x${sig ?? 'f'}`) - BigInt(`0x${otherSig ?? '0'}`);
    return i < 3 && se === otherSe && distance >= -1n && distance <= 1n;
  });
}

const lines = readFileSync(new URL('x87.cases.txt', import.meta.url), 'utf8')
  .trim()
  .split('\n');

describe('golden vectors of a real CPU', () => {
  it('has every kind of instruction', () => {
    expect(lines.length).toBeGreaterThan(900);
  });
  it('are met to the last bit, transcendental functions to one unit in the last place', () => {
    const wrong: string[] = [];
    for (const line of lines) {
      const { got, want, esc } = replay(line);
      if (got !== want && !(TRANSCENDENTAL.has(esc) && agrees(got, want))) wrong.push(`${line}\n  got ${got}`);
    }
    expect(wrong).toEqual([]);
  });
});

describe('availability and pending exceptions', () => {
  const raisePending = () => {
    bytes.writeUInt16LE(0x37b, GUEST + OPERAND); // divide by zero unmasked
    execute(FLDCW, OPERAND);
    for (const esc of [FLD1, FLDZ, FDIVP]) execute(esc);
  };
  it('raises #NM under CR0.TS and CR0.EM, WAIT only under MP and TS', () => {
    poke(CR0, CR0_TS);
    expect(vectorOf(() => execute(FLD1))).toBe(7);
    expect(vectorOf(() => core.fwait())).toBeUndefined();
    poke(CR0, CR0_TS | 2);
    expect(vectorOf(() => core.fwait())).toBe(7);
    poke(CR0, 4);
    expect(vectorOf(() => execute(FNINIT))).toBe(7);
  });
  it('reports an unmasked exception at the next waiting instruction', () => {
    raisePending();
    expect(peek(FPU_SW) & 0x8084).toBe(0x8084);
    expect(vectorOf(() => execute(FLD1))).toBe(16);
    expect(vectorOf(() => core.fwait())).toBe(16);
    expect(vectorOf(() => execute(FNSTSW_AX))).toBeUndefined();
    expect(peek(REGS) & 0x80).toBe(0x80);
    execute(FNCLEX);
    expect(vectorOf(() => core.fwait())).toBeUndefined();
  });
  it('asserts FERR# instead while CR0.NE = 0', () => {
    poke(CR0, 0);
    expect(core.ferr()).toBe(0);
    raisePending();
    expect(core.ferr()).toBe(1);
    expect(vectorOf(() => execute(FLD1))).toBe(WAITS);
    expect(vectorOf(() => execute(FNSTSW_AX))).toBeUndefined();
    poke(FPU_IGNNE, 1);
    expect(vectorOf(() => execute(FLD1))).toBeUndefined();
    execute(FNCLEX);
    expect([core.ferr(), peek(FPU_IGNNE)]).toEqual([0, 0]);
  });
  it('raises #UD for undefined encodings', () => {
    for (const esc of [0x1d1, 0x1e2, 0x1ef, 0x2e8, 0x3f8, 0x5f0, 0x6d8, 0x7e1, 0x108, 0x320, 0x528]) {
      expect(
        vectorOf(() => execute(esc, OPERAND)),
        esc.toString(16),
      ).toBe(6);
    }
  });
});

describe('faults', () => {
  it('leave the stack, the status and memory as they were', () => {
    execute(FLDPI);
    const before = Buffer.from(bytes.subarray(CPU_BLOCK, CPU_BLOCK + 0x1000));
    for (const esc of [FSTP80, 0x118, 0x518, 0x730, 0x328, 0x100, 0x500, 0x530, 0x130, 0x520, 0x120, 0x720]) {
      expect(
        vectorOf(() => execute(esc, LIMIT - 2)),
        esc.toString(16),
      ).toBe(14);
      expect(bytes.subarray(CPU_BLOCK, CPU_BLOCK + 0x1000).equals(before), esc.toString(16)).toBe(true);
    }
    expect(bytes.readUInt16LE(GUEST + LIMIT - 2)).toBe(0);
  });
});

describe('the environment', () => {
  const FNSTENV = 0x130;
  const FLDENV = 0x120;
  const prepare = () => {
    poke(SEG_CS, 0x10);
    execute(FLDPI); // D9 EB
    execute(0x100, OPERAND + 64); // FLD single: D9 /0 with an operand
  };
  const words = (count: number) => Array.from({ length: count }, (_, i) => bytes.readUInt16LE(GUEST + OPERAND + 2 * i));
  it('notes the last instruction and operand', () => {
    prepare();
    expect([FPU_FOP, FPU_FCS, FPU_FIP, FPU_FDS, FPU_FDP].map(peek)).toEqual([0x100, 0x10, 0x12345, 0x23, 0x4567]);
  });
  it('has a 32-bit and a 16-bit protected-mode layout', () => {
    prepare();
    execute(FNSTENV, OPERAND, true);
    expect(words(14)).toEqual([0x37f, 0xffff, 0x3000, 0xffff, 0x1fff, 0xffff, 0x2345, 1, 0x10, 0x100, 0x4567, 0, 0x23, 0xffff]);
    execute(FNSTENV, OPERAND, false);
    expect(words(7)).toEqual([0x37f, 0x3000, 0x1fff, 0x2345, 0x10, 0x4567, 0x23]);
  });
  it('has linear addresses in the real-mode layouts', () => {
    poke(CR0, CR0_NE);
    prepare();
    execute(FNSTENV, OPERAND, true);
    expect(words(14)).toEqual([0x37f, 0xffff, 0x3000, 0xffff, 0x1fff, 0xffff, 0x2445, 0xffff, 0x1100, 0, 0x4797, 0xffff, 0, 0]);
    execute(FNSTENV, OPERAND, false);
    expect(words(7)).toEqual([0x37f, 0x3000, 0x1fff, 0x2445, 0x1100, 0x4797, 0]);
  });
  it.each([
    [CR0_PE, true],
    [CR0_PE, false],
    [0, true],
    [0, false],
  ])('comes back from FLDENV and FRSTOR as it was (PE %i, 32-bit %s)', (mode, wide) => {
    poke(CR0, CR0_NE | mode);
    prepare();
    execute(FNSTENV, OPERAND, wide);
    const image = Buffer.from(bytes.subarray(GUEST + OPERAND, GUEST + OPERAND + (wide ? 28 : 14)));
    execute(FNINIT);
    execute(FLDENV, OPERAND, wide);
    execute(FNSTENV, OPERAND + 0x100, wide);
    expect(Buffer.from(bytes.subarray(GUEST + OPERAND + 0x100, GUEST + OPERAND + 0x100 + image.length))).toEqual(image);
    const registers = Buffer.from(bytes.subarray(CPU_BLOCK + FPU_REGS, CPU_BLOCK + FPU_REGS + 128));
    execute(0x530, OPERAND, wide); // FNSAVE
    expect([FPU_CW, FPU_SW, FPU_TOP, FPU_EMPTY, FPU_FIP, FPU_FOP].map(peek)).toEqual([0x37f, 0, 0, 0xff, 0, 0]);
    bytes.fill(0x55, CPU_BLOCK + FPU_REGS, CPU_BLOCK + FPU_REGS + 10);
    execute(0x520, OPERAND, wide); // FRSTOR
    expect(Buffer.from(bytes.subarray(CPU_BLOCK + FPU_REGS, CPU_BLOCK + FPU_REGS + 128)).equals(registers)).toBe(true);
    expect([FPU_TOP, FPU_EMPTY].map(peek)).toEqual([6, 0x3f]);
  });
});

describe('corners that random operands seldom meet', () => {
  it('gives a difference of zero the sign minus when rounding down', () => {
    bytes.writeUInt16LE(0x77f, GUEST + OPERAND);
    execute(FLDCW, OPERAND);
    execute(FLD1);
    execute(0x0e0); // FSUB ST, ST
    expect(readNumber(register(7))).toBe('8000.0000000000000000');
  });
  it.each([
    [0x718, '400e.8000000000000000', 0x8000, true],
    [0x718, 'c00e.8000000000000000', 0x8000, false],
    [0x318, '401e.8000000000000000', 0, true],
    [0x738, '403e.8000000000000000', 0, true],
    [0x738, 'c03e.8000000000000000', 0, false],
  ])('calls the integer just out of range invalid (%i, %s)', (esc, operand, low, isInvalid) => {
    writeNumber(GUEST + OPERAND, operand);
    execute(0x328, OPERAND);
    execute(esc, OPERAND);
    expect(bytes.readUInt16LE(GUEST + OPERAND)).toBe(low);
    expect(peek(FPU_SW)).toBe(isInvalid ? 1 : 0);
  });
  it('pushes a denormal single although that exception is unmasked', () => {
    bytes.writeUInt16LE(0x37d, GUEST + OPERAND);
    execute(FLDCW, OPERAND);
    bytes.writeUInt32LE(1, GUEST + OPERAND);
    execute(0x100, OPERAND);
    expect(peek(FPU_SW)).toBe(0x8082);
    expect(readNumber(register(7))).toBe('3f6a.8000000000000000');
  });
});

describe('range of the trigonometric functions', () => {
  it.each([0x1fe, 0x1ff, 0x1fb, 0x1f2])('leaves an argument of 2^63 alone and sets C2 (%i)', esc => {
    writeNumber(GUEST + OPERAND, '403e.8000000000000000');
    execute(0x328, OPERAND);
    execute(esc);
    expect(peek(FPU_SW)).toBe(0x400);
    expect(peek(FPU_TOP)).toBe(7);
    expect(readNumber(register(7))).toBe('403e.8000000000000000');
  });
});
