/** Where x87 instructions meet EFLAGS: FCMOVcc reads it, FCOMI writes it (Intel SDM volume 2, FCMOVcc, FCOMI). */
import { CPU_BLOCK } from '../memory/layout';
import { FLAGS } from '../cpu/block';
import { materialize } from '../cpu/flags.as';

const CF: u32 = 0x001;
const PF: u32 = 0x004;
const AF: u32 = 0x010;
const ZF: u32 = 0x040;
const SIGN_FLAG: u32 = 0x080;
const OF: u32 = 0x800;

export function setCompareFlags(zero: bool, parity: bool, carry: bool): void {
  materialize();
  const rest = load<u32>(CPU_BLOCK + FLAGS) & ~(CF | PF | AF | ZF | SIGN_FLAG | OF);
  store<u32>(CPU_BLOCK + FLAGS, rest | (zero ? ZF : 0) | (parity ? PF : 0) | (carry ? CF : 0));
}

/** `code`: 0 below, 1 equal, 2 below or equal, 3 unordered. */
export function moveCondition(code: u32): bool {
  materialize();
  const flags = load<u32>(CPU_BLOCK + FLAGS);
  switch (code) {
    case 0: return (flags & CF) != 0;
    case 1: return (flags & ZF) != 0;
    case 2: return (flags & (CF | ZF)) != 0;
    default: return (flags & PF) != 0;
  }
}
