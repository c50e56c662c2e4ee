/**
 * EFLAGS bits that the SDM (volume 2, "Flags Affected") leaves undefined, by what a snippet executes. They are not compared when the
 * snippet ends without a fault. Everything else must agree.
 */
const CF = 0x001;
const PF = 0x004;
const AF = 0x010;
const ZF = 0x040;
const SF = 0x080;
const OF = 0x800;

export const undefinedFlags = {
  /** ADD OR ADC SBB AND SUB XOR CMP, INC, DEC, NEG, XADD, CMPXCHG… */
  none: 0,
  /** AND OR XOR TEST */
  logic: AF,
  /** MUL, IMUL in all forms: only CF and OF are defined. */
  multiply: SF | ZF | AF | PF,
  /** DIV, IDIV */
  divide: CF | OF | SF | ZF | AF | PF,
  /** SHL SHR SAR by one */
  shiftByOne: AF,
  /** SHL SHR SAR by 2 to the operand's size - 1 */
  shift: AF | OF,
  /** SHL SHR by the operand's size or more */
  shiftOut: AF | OF | CF,
  /** ROL ROR RCL RCR by more than one */
  rotate: OF,
  /** SHLD SHRD by one; by more */
  doubleShiftByOne: AF,
  doubleShift: AF | OF,
  /** BT BTS BTR BTC: ZF is left alone */
  bitTest: OF | SF | AF | PF,
  /** BSF BSR: only ZF is defined (and of a zero source not the destination: QEMU and every CPU leave it) */
  bitScan: CF | OF | SF | AF | PF,
  /** AAA AAS */
  asciiAdjust: OF | SF | ZF | PF,
  /** AAM AAD */
  asciiMultiply: OF | AF | CF,
  /** DAA DAS */
  decimalAdjust: OF,
} as const;

/**
 * Where QEMU 7.2 itself departs from the SDM and from real CPUs, so that it is no witness: bits not compared.
 *  - RF in the EFLAGS image that a fault pushes: the SDM sets it (vol. 3A 6.8.3), QEMU does not.
 *  - W in a page fault's error code: an instruction that reads and then writes its operand faults as a write on a CPU, as a read in QEMU.
 *  - MXCSR.DE and FSW.DE: QEMU notes denormal operands only when it flushes them. sse.cases.txt and the x87 vectors hold a real CPU's answer.
 *  - FSW.C1 (rounded up): QEMU keeps it clear.
 *  - Sign and exponent of an x87 register that MMX wrote: all ones on a CPU, QEMU leaves them (Snippet.usesMmx).
 *  - The tags after MMX: QEMU marks all registers valid even when the instruction faults, and for CVTPI2PS and CVTPI2PD from memory.
 *  - FSW's exceptions when a store faults: QEMU has raised them before.
 *  - FCOMI and FUCOMI clear OF SF AF on a CPU; QEMU leaves them (`fcomi`, added to what the snippet leaves undefined).
 * What QEMU does not check at all is not generated: segment limits and types, x87 stack faults, LOCK and reserved ModRM fields in some
 * opcodes; and what it gets wrong: 64-bit x87 operands at 24-bit precision, FSCALE of NaNs, CF of RCL and RCR that fault, two
 * NaNs in SSE, MASKMOVDQU in part on an absent page (QEMU aborts on a locked BTS of a register).
 */
export const NOT_QEMUS = {
  eflags: 0x10000,
  pageFaultError: 2,
  mxcsr: 0x0002,
  fsw: 0x0202,
  faultingFsw: 0x003f,
  tags: 0xff,
  fcomi: OF | SF | AF,
} as const;
