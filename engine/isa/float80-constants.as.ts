/** FLD1, FLDL2T, FLDL2E, FLDPI, FLDLG2, FLDLN2, FLDZ: kept to 80 bits and rounded by the rounding control (Intel SDM volume 1, 8.3.8). */
import { BIAS, RC_NEAREST, RC_UP, controlWord, roundingOf, setResult } from './float80.as';

/** `truncated` is the significand cut off; `upNearest` says whether nearest lies above it. */
@inline function rounded(truncated: u64, upNearest: bool, exp: i32): void {
  const rc = roundingOf(controlWord());
  const up = rc == RC_UP || (rc == RC_NEAREST && upNearest);
  setResult(up ? truncated + 1 : truncated, <u32>(BIAS + exp));
}

/** `which` is the last digit of D9 E8…EE. */
export function loadConstant(which: u32): void {
  switch (which) {
    case 0: setResult(0x8000_0000_0000_0000, BIAS); break;
    case 1: rounded(0xd49a_784b_cd1b_8afe, false, 1); break; // log2(10)
    case 2: rounded(0xb8aa_3b29_5c17_f0bb, true, 0); break; // log2(e)
    case 3: rounded(0xc90f_daa2_2168_c234, true, 1); break; // π
    case 4: rounded(0x9a20_9a84_fbcf_f798, true, -2); break; // log10(2)
    case 5: rounded(0xb172_17f7_d1cf_79ab, true, -1); break; // ln(2)
    default: setResult(0, 0);
  }
}
