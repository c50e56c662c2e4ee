/** One generated test: instruction bytes, the registers and memory before them, and which flags come out undefined. */
import {
  ABSENT_PAGE,
  AFTER_PAGE,
  CODE,
  RING0,
  RING3,
  RING3_16,
  SCRATCH,
  STACK,
  VIRTUAL_8086,
  type Mode,
  type SnippetImage,
} from './image.ts';
import { Random } from './random.ts';

export const EAX = 0;
export const ECX = 1;
export const EDX = 2;
export const EBX = 3;
export const ESP = 4;
export const EBP = 5;
export const ESI = 6;
export const EDI = 7;

export const DF = 0x400;
const ARITHMETIC = 0x8d5;
const IOPL3 = 0x3000;
const VM = 0x20000;
const TF = 0x100;

export type Size = 1 | 2 | 4;

/** A kind of snippet, and how often it comes. */
export interface Kind {
  readonly name: string;
  readonly weight: number;
  make(s: Snippet): void;
}

export class Snippet implements SnippetImage {
  readonly random: Random;
  readonly mode: Mode;
  readonly code: number[] = [];
  readonly base: number;
  readonly registers = new Uint32Array(8);
  readonly seed: number;
  scratch: number[] = [];
  eflags: number;
  dump: 0 | 1 | 2 = 0;
  undefined = 0;
  /** MMX registers are written (undefined-flags.ts). */
  usesMmx = false;
  /** x87 condition codes that come out undefined. */
  undefinedFsw = 0;
  /** Registers whose values the instruction needs: no address is computed from them. */
  readonly fixed = new Set<number>([ESP]);

  constructor(random: Random, mode: Mode) {
    this.random = random;
    this.mode = mode;
    for (let i = 0; i < 8; i++) this.registers[i] = random.edge();
    this.registers[ESP] = STACK;
    this.seed = random.u32() | 1;
    this.base = this.#place();
    this.eflags = 2 | (random.below(24) === 0 ? TF : 0) | (random.u32() & ARITHMETIC) | (mode === VIRTUAL_8086 ? VM | IOPL3 : 0);
  }

  /** Mostly a page by itself; also across two pages, up to the absent one, or where PAE forbids execution. */
  #place(): number {
    const kind = this.random.below(20);
    if (kind < 4) return CODE - 1 - this.random.below(12);
    if (!this.wide || kind > 5) return CODE;
    return kind === 4 ? ABSENT_PAGE - 1 - this.random.below(30) : AFTER_PAGE;
  }

  /** Default operand and address size. */
  get wide(): boolean {
    return this.mode === RING0 || this.mode === RING3;
  }

  get user(): boolean {
    return this.mode !== RING0;
  }

  db(...bytes: number[]): this {
    for (const byte of bytes) this.code.push(byte & 0xff);
    return this;
  }

  immediate(size: Size, value: number): this {
    for (let i = 0; i < size; i++) this.db(value >>> (8 * i));
    return this;
  }

  /** 66h where `size` is not the code's own operand size. */
  operandPrefix(size: Size): this {
    return size !== 1 && (size === 4) !== this.wide ? this.db(0x66) : this;
  }

  fix(register: number, value: number): this {
    this.registers[register] = value;
    this.fixed.add(register);
    return this;
  }

  /** A register that may be written: in ring 0 not ESP, on which the runtime's own frames are pushed. */
  register(size: Size): number {
    const register = this.random.below(8);
    return register === ESP && size !== 1 && this.mode === RING0 ? EAX : register;
  }

  /** The last operand of a ModRM instruction: a register or memory. */
  operand(prefix: readonly number[], opcode: readonly number[], reg: number, size: Size, memoryOnly = false): 'register' | 'memory' {
    if (!memoryOnly && this.random.below(2) === 0) {
      this.db(...prefix).operandPrefix(size);
      this.db(...opcode, 0xc0 | (reg << 3) | this.register(size));
      return 'register';
    }
    this.memory(prefix, opcode, reg, size, this.target(size));
    return 'memory';
  }

  /** An address for `size` bytes: mostly in scratch, now and then where a fault or a page boundary is. */
  target(size: number): number {
    // QEMU checks no segment limits: 16-bit segments must not be left.
    return this.wide && this.random.below(12) === 0
      ? this.random.pick(troubles) + this.random.below(size + 2) - size
      : SCRATCH + this.random.below(0x200);
  }

  /** Emits prefixes, opcode and a random addressing form for linear address `at`. `sized` adds the operand size prefix. */
  memory(prefix: readonly number[], opcode: readonly number[], reg: number, size: Size | 0, at: number): void {
    const far = at > 0xffff - 16;
    const flip = far ? !this.wide : this.random.below(4) === 0;
    if (flip) this.db(0x67);
    if (size !== 0) this.operandPrefix(size);
    this.db(...prefix, ...opcode);
    if (this.wide !== flip) this.address32(reg, at);
    else this.address16(reg, at);
  }

  #free(except: number): number | undefined {
    const free = [EAX, ECX, EDX, EBX, EBP, ESI, EDI].filter(register => register !== except && !this.fixed.has(register));
    return free.length === 0 ? undefined : this.random.pick(free);
  }

  /** ModRM, SIB and displacement of [base + index × scale + disp] = `at`. */
  address32(reg: number, at: number): void {
    const field = reg << 3;
    // A 16-bit stack's ESP has a high word that no one sets.
    const base = this.random.below(8) === 0 && this.mode !== RING3_16 ? ESP : this.random.below(6) === 0 ? undefined : this.#free(-1);
    const index = this.random.below(2) === 0 ? this.#free(base ?? -1) : undefined;
    const scale = this.random.below(4);
    if (index !== undefined) this.fixed.add(index);
    let offset = index === undefined ? 0 : Math.imul(this.registers[index]!, 1 << scale);
    if (base === undefined) {
      if (index === undefined) this.db(field | 5).immediate(4, at);
      else this.db(field | 4, (scale << 6) | (index << 3) | 5).immediate(4, at - offset);
      return;
    }
    let displacement = this.random.pick([0, (this.random.u32() << 24) >> 24, this.random.edge()]);
    if (base === ESP) displacement = (at - offset - STACK) | 0;
    else {
      offset += displacement;
      this.fix(base, at - offset);
    }
    const small = displacement === (displacement << 24) >> 24;
    const mod = displacement === 0 && base !== EBP ? 0 : small && this.random.below(4) !== 0 ? 1 : 2;
    if (index === undefined && base !== ESP) this.db((mod << 6) | field | base);
    else this.db((mod << 6) | field | 4, (scale << 6) | ((index ?? 4) << 3) | base);
    if (mod === 1) this.db(displacement);
    if (mod === 2) this.immediate(4, displacement);
  }

  address16(reg: number, at: number): void {
    const pairs: readonly (readonly number[])[] = [[EBX, ESI], [EBX, EDI], [EBP, ESI], [EBP, EDI], [ESI], [EDI], [EBP], [EBX]];
    const usable = pairs.map((registers, rm) => ({ registers, rm })).filter(({ registers }) => registers.every(r => !this.fixed.has(r)));
    if (usable.length === 0 || this.random.below(8) === 0) {
      this.db((reg << 3) | 6).immediate(2, at);
      return;
    }
    const { registers, rm } = this.random.pick(usable);
    const mod = this.random.below(rm === 6 ? 2 : 3) + (rm === 6 ? 1 : 0);
    const displacement = mod === 0 ? 0 : mod === 1 ? (this.random.u32() << 24) >> 24 : this.random.u32() & 0xffff;
    const [first, second] = registers;
    if (second !== undefined) this.fixed.add(second);
    const low = (at - displacement - (second === undefined ? 0 : this.registers[second]!)) & 0xffff;
    this.fix(first!, (this.registers[first!]! & 0xffff0000) | low);
    this.db((mod << 6) | (reg << 3) | rm);
    if (mod === 1) this.db(displacement);
    if (mod === 2) this.immediate(2, displacement);
  }
}

/** Around the page boundaries with an absent, a read-only or a supervisor page behind or before. */
const troubles = [0x20000, 0x20040, 0x21000, 0x21080, 0x22000, 0x23000, 0x23010, 0x24000];

export const modes: readonly Mode[] = [RING3, RING3, RING3, RING0, RING0, RING3_16, VIRTUAL_8086];
