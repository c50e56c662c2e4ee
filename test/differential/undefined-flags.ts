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
 * Where QEMU 7.2 itself departs from the SDM, so that it is no witness: bits not compared.
 *  - RF (bit 16) in the EFLAGS image that a fault pushes: the SDM sets it (vol. 3A 6.8.3), QEMU does not.
 *  - MXCSR.DE: QEMU notes denormal operands only when it flushes them; engine/isa/sse.cases.txt holds a real CPU's answer.
 *  - FSW.C1 (rounded up): QEMU keeps it clear; the x87 unit tests hold it. C0 C2 C3 after what is no comparison are undefined.
 */
export const NOT_QEMUS = { eflags: 0x10000, mxcsr: 0x0002, fsw: 0x0200 } as const;
