/**
 * MMX, SSE and SSE2 against what a real CPU did (sse.cases.txt, made by test/golden/sse-vectors.c, which explains the format), and
 * the rules of faults, the x87 aliasing and FXSAVE that no user-mode vector shows.
 */
import { readFileSync } from 'node:fs';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CR0, CR4, FLAGS, FPU_EMPTY, FPU_REGS, FPU_SW, FPU_TOP, MXCSR, REGS, XMM } from '#engine/cpu/block.ts';
import { CPU_BLOCK, POOL_BASE } from '#engine/memory/layout.ts';
import { compileAs } from '#test/support/compile-as.ts';

interface Exports {
  sse(prefix: number, opcode: number, modrm: number, imm: number, lin: number): void;
  sseHasImm(opcode: number): number;
}

const GUEST = POOL_BASE + 0x1000;
const at = (type: string) => `load<${type}>(${GUEST} + lin)`;
const put = (type: string) => `store<${type}>(${GUEST} + lin, <${type}>value)`;
const standIns = {
  'engine/cpu/access.as': `
    export function read8(lin: u32): u32 { return ${at('u8')}; }
    export function read16(lin: u32): u32 { return ${at('u16')}; }
    export function read32(lin: u32): u32 { return ${at('u32')}; }
    export function read64(lin: u32): u64 { return ${at('u64')}; }
    export function write8(lin: u32, value: u32): void { ${put('u8')}; }
    export function write32(lin: u32, value: u32): void { ${put('u32')}; }
    export function write64(lin: u32, value: u64): void { ${put('u64')}; }
    export function probeRead(lin: u32, size: u32): void {}
    export function probeWrite(lin: u32, size: u32): void {}`,
  'engine/cpu/fault.as': `
    @external("host", "fault") declare function fault(vector: u32, error: i32): void;
    export function raise(vector: u32): void { fault(vector, -1); }
    export function waitForFpuInterrupt(): void { fault(0xffff_ffff, -1); }
    export function raiseError(vector: u32, error: u32): void { fault(vector, error); }`,
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
const OPERAND = 0x100;
let core: Exports;

beforeAll(async () => {
  const module = await compileAs('engine/isa/sse.as.ts', standIns, 3136);
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

beforeEach(() => {
  bytes.fill(0, CPU_BLOCK, CPU_BLOCK + 0x1000);
  poke(CR4, 0x600);
  poke(MXCSR, 0x1f80);
});

interface Operation {
  readonly prefix: number;
  readonly opcode: number;
  readonly modrm: number;
  readonly imm: number;
}

function decode(code: Buffer): Operation {
  const prefix = [0x0f, 0x66, 0xf3, 0xf2].indexOf(code[0]!);
  const start = prefix === 0 ? 1 : 2;
  const opcode = code[start]!;
  const length = start + 2 + core.sseHasImm(opcode);
  if (length !== code.length) throw new Error(`length of ${code.toString('hex')}`);
  return { prefix, opcode, modrm: code[start + 1]!, imm: code[start + 2] ?? 0 };
}

function execute(code: string, lin = 0): void {
  const { prefix, opcode, modrm, imm } = decode(Buffer.from(code, 'hex'));
  core.sse(prefix, opcode, modrm, imm, lin);
}

function vectorOf(code: string, lin = 0): number | undefined {
  try {
    execute(code, lin);
  } catch (error) {
    if (error instanceof GuestFault) return error.vector;
    throw error;
  }
  return undefined;
}

const POINTER = 0x7777_7777;
const FLAG_BITS = 0x8d5;

/** Runs one line of sse.cases.txt; answers what changed in its notation. */
function replay(pool: readonly Buffer[], line: string): { got: string; want: string } {
  const [code = '', a = '', b = '', mxcsr = '', ...want] = line.split(' ').filter(Boolean);
  const first = pool[Number(a)]!;
  const second = pool[Number(b)]!;
  const operation = decode(Buffer.from(code, 'hex'));
  const fromMemory = operation.modrm < 0xc0;
  const eax = fromMemory ? POINTER : first.readUInt32LE(0);
  const operand = GUEST + OPERAND;
  first.copy(bytes, CPU_BLOCK + XMM);
  second.copy(bytes, CPU_BLOCK + XMM + 16);
  first.copy(bytes, CPU_BLOCK + FPU_REGS, 0, 8);
  second.copy(bytes, CPU_BLOCK + FPU_REGS + 16, 0, 8);
  second.copy(bytes, operand);
  poke(REGS, eax);
  poke(REGS + 8, second.readUInt32LE(0));
  poke(FLAGS, 2 | FLAG_BITS);
  poke(MXCSR, Number.parseInt(mxcsr, 16));
  const fault = vectorOf(code, fromMemory || operation.opcode === 0xf7 ? OPERAND : 0);

  const got: string[] = [];
  const compare = (key: string, address: number, before: Buffer) => {
    const now = bytes.subarray(address, address + before.length);
    if (!now.equals(before)) got.push(`${key}=${now.toString('hex')}`);
  };
  const eaxBytes = Buffer.alloc(4);
  eaxBytes.writeUInt32LE(eax);
  compare('r', CPU_BLOCK + XMM, first);
  compare('s', CPU_BLOCK + XMM + 16, second);
  compare('m', CPU_BLOCK + FPU_REGS, first.subarray(0, 8));
  compare('n', CPU_BLOCK + FPU_REGS + 16, second.subarray(0, 8));
  compare('a', CPU_BLOCK + REGS, eaxBytes);
  compare('c', CPU_BLOCK + REGS + 8, second.subarray(0, 4));
  compare('M', operand, second);
  if ((peek(FLAGS) & FLAG_BITS) !== FLAG_BITS) got.push(`f=${(peek(FLAGS) & FLAG_BITS).toString(16)}`);
  if (peek(MXCSR) !== Number.parseInt(mxcsr, 16)) got.push(`x=${peek(MXCSR).toString(16)}`);
  if (fault !== undefined) got.push(fault === 19 ? 'fault' : `fault ${fault}`);
  return { got: `${line}: ${got.join(' ')}`, want: `${line}: ${want.join(' ')}` };
}

describe('a real CPU', () => {
  const lines = readFileSync(new URL('sse.cases.txt', import.meta.url), 'utf8')
    .trim()
    .split('\n');
  const pool = lines.filter(line => line.startsWith('p ')).map(line => Buffer.from(line.slice(2), 'hex'));
  const cases = lines.filter(line => !line.startsWith('p '));

  it('gives the same registers, memory, flags and exceptions', () => {
    const results = cases.map(line => replay(pool, line));
    expect(results.length).toBeGreaterThan(3000);
    expect(results.filter(({ got, want }) => got !== want)).toEqual([]);
  });
});

describe('estimates', () => {
  const single = (value: number) => {
    const buffer = Buffer.alloc(4);
    buffer.writeFloatLE(value);
    return buffer.readUInt32LE();
  };

  it.each([
    ['RCPSS', 'f30f53c1', (x: number) => 1 / x],
    ['RSQRTSS', 'f30f52c1', (x: number) => 1 / Math.sqrt(x)],
  ])('%s is within 1.5 × 2^-12 and raises no flag', (_name, code, exact) => {
    for (let x = 1e-30; x < 1e30; x *= 3.7) {
      poke(XMM + 16, single(x));
      execute(code);
      const result = bytes.readFloatLE(CPU_BLOCK + XMM);
      expect(Math.abs(result / exact(x) - 1)).toBeLessThanOrEqual(1.5 / 4096);
    }
    expect(peek(MXCSR)).toBe(0x1f80);
  });

  it.each([
    ['f30f53c1', 0x8000_0001, 0xff80_0000],
    ['f30f53c1', 0x7f80_0001, 0x7fc0_0001],
    ['f30f53c1', 0xff7f_ffff, 0x8000_0000],
    ['f30f52c1', 0xbf80_0000, 0xffc0_0000],
    ['f30f52c1', 0x8000_0000, 0xff80_0000],
    ['f30f52c1', 0x8000_0001, 0xff80_0000],
  ])('%s of %i', (code, operand, result) => {
    poke(XMM + 16, operand);
    execute(code);
    expect(peek(XMM).toString(16)).toBe(result.toString(16));
  });
});

describe('faults', () => {
  const ADDPS = '0f58c1';
  const PADDB = '0ffcc1';
  it('takes #UD before #NM, and MMX a pending x87 error last', () => {
    poke(CR4, 0);
    expect(vectorOf(ADDPS)).toBe(6);
    expect(vectorOf(PADDB)).toBeUndefined();
    poke(CR4, 0x600);
    poke(CR0, 8);
    expect(vectorOf(ADDPS)).toBe(7);
    expect(vectorOf(PADDB)).toBe(7);
    poke(CR0, 12);
    expect(vectorOf(ADDPS)).toBe(6);
    expect(vectorOf(PADDB)).toBe(6);
    poke(CR0, 0x20); // NE
    poke(FPU_SW, 0x80);
    expect(vectorOf(PADDB)).toBe(16);
    expect(vectorOf('f30fd6c1')).toBe(16);
    expect(vectorOf(ADDPS)).toBeUndefined();
  });

  it('wants 16-byte alignment but of MOVUPS and MOVDQU', () => {
    expect(vectorOf('0f5800', 0x108)).toBe(13);
    expect(vectorOf('660f6f00', 0x101)).toBe(13);
    expect(vectorOf('0f2900', 0x104)).toBe(13);
    expect(vectorOf('0f1000', 0x101)).toBeUndefined();
    expect(vectorOf('f30f7f00', 0x10f)).toBeUndefined();
    expect(vectorOf('0f5a00', 0x108)).toBeUndefined();
  });

  it('turns an unmasked exception into #UD without CR4.OSXMMEXCPT', () => {
    poke(MXCSR, 0x1d80); // ZM clear
    poke(XMM, 0x3f80_0000);
    expect(vectorOf('f30f5ec1')).toBe(19);
    poke(CR4, 0x200);
    expect(vectorOf('f30f5ec1')).toBe(6);
    expect(peek(MXCSR)).toBe(0x1d84);
    expect(peek(XMM)).toBe(0x3f80_0000);
  });

  it('knows what is no instruction', () => {
    for (const code of [
      '0f6cc1',
      '0fd6c1',
      '660f12c1',
      '660f52c1',
      'f30f54c1',
      'f20f5bc1',
      '0f71c1',
      '660f72d800',
      '0f7308',
      '0f13c1',
      '0fe7c1',
      '660fff00',
    ]) {
      const { prefix, opcode, modrm } = { ...decodeLoosely(code) };
      expect(() => core.sse(prefix, opcode, modrm, 0, OPERAND), code).toThrow('#6');
    }
  });

  function decodeLoosely(code: string): Operation {
    const raw = Buffer.from(code, 'hex');
    const prefix = [0x0f, 0x66, 0xf3, 0xf2].indexOf(raw[0]!);
    const start = prefix === 0 ? 1 : 2;
    return { prefix, opcode: raw[start]!, modrm: raw[start + 1]!, imm: 0 };
  }
});

describe('the x87 alias', () => {
  beforeEach(() => {
    poke(FPU_TOP, 5);
    poke(FPU_EMPTY, 0xff);
  });

  it('validates every register and sets the written one’s exponent', () => {
    execute('0f6ec9'); // movd mm1, ecx
    expect([peek(FPU_TOP), peek(FPU_EMPTY)]).toEqual([0, 0]);
    expect(bytes.readUInt16LE(CPU_BLOCK + FPU_REGS + 24)).toBe(0xffff);
    expect(bytes.readUInt16LE(CPU_BLOCK + FPU_REGS + 8)).toBe(0);
  });

  it('EMMS empties all', () => {
    execute('0f77c0');
    expect([peek(FPU_TOP), peek(FPU_EMPTY)]).toEqual([0, 0xff]);
  });

  it('is left alone by CVTPI2PS from memory', () => {
    execute('0f2a00', OPERAND);
    expect([peek(FPU_TOP), peek(FPU_EMPTY)]).toEqual([5, 0xff]);
    execute('0f2ac1');
    expect([peek(FPU_TOP), peek(FPU_EMPTY)]).toEqual([0, 0]);
  });
});

describe('FXSAVE', () => {
  it('keeps the stack order, and FXRSTOR brings everything back', () => {
    for (let i = 0; i < 8; i++) {
      bytes.writeBigUInt64LE(0x8000_0000_0000_0000n + BigInt(i), CPU_BLOCK + FPU_REGS + 16 * i);
      bytes.writeUInt16LE(0x3fff + i, CPU_BLOCK + FPU_REGS + 16 * i + 8);
      bytes.fill(0x10 + i, CPU_BLOCK + XMM + 16 * i, CPU_BLOCK + XMM + 16 * i + 16);
    }
    poke(FPU_TOP, 6);
    poke(FPU_EMPTY, 0x3f);
    poke(MXCSR, 0x9fc1);
    execute('0fae00', OPERAND);
    const image = bytes.subarray(GUEST + OPERAND, GUEST + OPERAND + 512);
    expect(image.readUInt16LE(2)).toBe(6 << 11);
    expect(image[4]).toBe(0xc0);
    expect(image.readUInt32LE(24)).toBe(0x9fc1);
    expect(image.readUInt32LE(28)).toBe(0xffff);
    expect(image.readUInt16LE(40)).toBe(0x3fff + 6);
    expect(image.readUInt16LE(40 + 32)).toBe(0x3fff);
    expect(image[160 + 16]).toBe(0x11);

    const before = Buffer.from(bytes.subarray(CPU_BLOCK + FPU_REGS, CPU_BLOCK + XMM + 128));
    bytes.fill(0, CPU_BLOCK + FPU_REGS, CPU_BLOCK + XMM + 128);
    execute('0fae08', OPERAND);
    bytes.writeUInt32LE(before.readUInt32LE(0x80), CPU_BLOCK + FPU_REGS + 0x80); // FCW: the reserved bit 6 reads as one
    expect(bytes.subarray(CPU_BLOCK + FPU_REGS, CPU_BLOCK + XMM + 128).equals(before)).toBe(true);
  });

  it('refuses reserved MXCSR bits and unaligned areas', () => {
    bytes.fill(0, GUEST + OPERAND, GUEST + OPERAND + 512);
    bytes.writeUInt32LE(0x1_0000, GUEST + OPERAND + 24);
    expect(vectorOf('0fae08', OPERAND)).toBe(13);
    expect(vectorOf('0fae00', OPERAND + 8)).toBe(13);
    bytes.writeUInt32LE(0x1_1f80, GUEST + OPERAND);
    expect(vectorOf('0fae10', OPERAND)).toBe(13);
    expect(peek(MXCSR)).toBe(0x1f80);
  });
});
