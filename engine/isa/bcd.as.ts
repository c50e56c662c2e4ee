// Decimal adjustments (SDM 2A "AAA" … "DAS"). The undefined flags are QEMU's.
import { CPU_BLOCK } from '../memory/layout';
import { REGS } from '../cpu/block';
import { FLAG_AF, FLAG_CF } from '../cpu/bits';
import { eflags, materialize, noteLogic, noteParts, setFlagBits } from '../cpu/flags.as';
import { DE, raise } from '../cpu/fault.as';

const AX: u32 = CPU_BLOCK + REGS;

function adjustDecimal(subtract: bool): void {
  const flags = eflags();
  const old = <u32>load<u8>(AX);
  const carry = flags & FLAG_CF;
  let al = old;
  let next: u32 = 0;
  if ((old & 15) > 9 || (flags & FLAG_AF)) {
    next |= FLAG_AF;
    if (subtract) {
      if (old < 6 || carry != 0) next |= FLAG_CF;
      al -= 6;
    } else al += 6;
  }
  if (old > 0x99 || carry != 0) {
    al = subtract ? al - 0x60 : al + 0x60;
    next |= FLAG_CF;
  }
  store<u8>(AX, <u8>al);
  noteParts(24, al << 24, next);
}
export function daa(): void { adjustDecimal(false); }
export function das(): void { adjustDecimal(true); }

/** AAA and AAS touch AF and CF; the others keep their values. */
function adjustAscii(subtract: bool): void {
  const flags = eflags();
  let ax = <u32>load<u16>(AX);
  const adjust = (ax & 15) > 9 || (flags & FLAG_AF) != 0;
  if (adjust) {
    // AH takes the carry of AL besides its own (QEMU's icarry).
    const low = ax & 0xff;
    const high = ax >>> 8;
    if (subtract) ax = ((low - 6) & 15) | (((high - 1 - (low < 6 ? 1 : 0)) & 0xff) << 8);
    else ax = ((low + 6) & 15) | (((high + 1 + (low > 0xf9 ? 1 : 0)) & 0xff) << 8);
  } else ax &= 0xff0f;
  store<u16>(AX, <u16>ax);
  setFlagBits(FLAG_AF | FLAG_CF, adjust ? FLAG_AF | FLAG_CF : 0);
}
export function aaa(): void { adjustAscii(false); }
export function aas(): void { adjustAscii(true); }

export function aam(base: u32): void {
  if (base == 0) raise(DE);
  const al = <u32>load<u8>(AX);
  store<u16>(AX, <u16>(((al / base) << 8) | (al % base)));
  noteLogic(24, (al % base) << 24);
}

export function aad(base: u32): void {
  const al = (<u32>load<u8>(AX) + <u32>load<u8>(AX + 1) * base) & 0xff;
  store<u16>(AX, <u16>al);
  noteLogic(24, al << 24);
  materialize();
}
