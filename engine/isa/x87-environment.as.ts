/** FNSTENV, FLDENV, FNSAVE, FRSTOR: the four layouts of the environment (Intel SDM volume 1, figures 8-9 to 8-12), and the full tag word. */
import { CPU_BLOCK } from '../memory/layout';
import { CR0, FLAGS, FPU_CW, FPU_EMPTY, FPU_FCS, FPU_FDP, FPU_FDS, FPU_FIP, FPU_FOP, FPU_REGS, FPU_SW } from '../cpu/block';
import { probeRead, probeWrite, read16, read32, write16, write32 } from '../cpu/access.as';
import { clearPointers } from './x87-pointers.as';
import { initializeFpu, seAt, setTop, sigAt, slot, top, updateSummary } from './x87-stack.as';

const CR0_PE: u32 = 1;
const EFLAGS_VM: u32 = 0x2_0000;
const SW_WITHOUT_TOP: u32 = 0xc7ff;

@inline export function statusWord(): u32 {
  return load<u32>(CPU_BLOCK + FPU_SW) | (top() << 11);
}
export function setStatusWord(sw: u32): void {
  store<u32>(CPU_BLOCK + FPU_SW, sw & SW_WITHOUT_TOP);
  setTop(sw >> 11);
}

/** Two bits a register: 0 valid, 1 zero, 2 special, 3 empty. */
export function tagWord(): u32 {
  const empty = load<u32>(CPU_BLOCK + FPU_EMPTY);
  let tags: u32 = 0;
  for (let p: u32 = 0; p < 8; p++) {
    let tag: u32 = 3;
    if (((empty >> p) & 1) == 0) {
      const sig = sigAt(<usize>(p << 4));
      const exp = seAt(<usize>(p << 4)) & 0x7fff;
      tag = exp == 0 && sig == 0 ? 1 : exp == 0 || exp == 0x7fff || <i64>sig >= 0 ? 2 : 0;
    }
    tags |= tag << (2 * p);
  }
  return tags;
}
function setTagWord(tags: u32): void {
  let empty: u32 = 0;
  for (let p: u32 = 0; p < 8; p++) if (((tags >> (2 * p)) & 3) == 3) empty |= 1 << p;
  store<u32>(CPU_BLOCK + FPU_EMPTY, empty);
}

@inline function protectedFormat(): bool {
  return (load<u32>(CPU_BLOCK + CR0) & CR0_PE) != 0 && (load<u32>(CPU_BLOCK + FLAGS) & EFLAGS_VM) == 0;
}

function writeEnvironment(lin: u32, wide: bool): void {
  const cw = load<u32>(CPU_BLOCK + FPU_CW);
  const sw = statusWord();
  const tags = tagWord();
  let fip = load<u32>(CPU_BLOCK + FPU_FIP);
  let fdp = load<u32>(CPU_BLOCK + FPU_FDP);
  const fcs = load<u32>(CPU_BLOCK + FPU_FCS);
  const fds = load<u32>(CPU_BLOCK + FPU_FDS);
  const fop = load<u32>(CPU_BLOCK + FPU_FOP) & 0x7ff;
  const prot = protectedFormat();
  if (!prot) {
    fip += fcs << 4;
    fdp += fds << 4;
  }
  if (wide) {
    write32(lin, 0xffff_0000 | cw);
    write32(lin + 4, 0xffff_0000 | sw);
    write32(lin + 8, 0xffff_0000 | tags);
    if (prot) {
      write32(lin + 12, fip);
      write32(lin + 16, fcs | (fop << 16));
      write32(lin + 20, fdp);
      write32(lin + 24, 0xffff_0000 | fds);
    } else {
      write32(lin + 12, 0xffff_0000 | fip);
      write32(lin + 16, ((fip >> 16) << 12) | fop);
      write32(lin + 20, 0xffff_0000 | fdp);
      write32(lin + 24, (fdp >> 16) << 12);
    }
    return;
  }
  write16(lin, cw);
  write16(lin + 2, sw);
  write16(lin + 4, tags);
  write16(lin + 6, fip & 0xffff);
  write16(lin + 8, prot ? fcs : ((fip >> 4) & 0xf000) | fop);
  write16(lin + 10, fdp & 0xffff);
  write16(lin + 12, prot ? fds : (fdp >> 4) & 0xf000);
}

function readEnvironment(lin: u32, wide: bool): void {
  const prot = protectedFormat();
  const step: u32 = wide ? 4 : 2;
  const cw = read16(lin);
  const sw = read16(lin + step);
  const tags = read16(lin + 2 * step);
  let fip: u32, fcs: u32, fdp: u32, fds: u32, fop: u32;
  if (wide) {
    fip = read32(lin + 12);
    fcs = read32(lin + 16);
    fdp = read32(lin + 20);
    fds = read32(lin + 24);
    fop = prot ? fcs >> 16 : fcs;
    if (!prot) {
      fip = (fip & 0xffff) | ((fcs << 4) & 0xffff_0000);
      fdp = (fdp & 0xffff) | ((fds << 4) & 0xffff_0000);
    }
  } else {
    fip = read16(lin + 6);
    fcs = read16(lin + 8);
    fdp = read16(lin + 10);
    fds = read16(lin + 12);
    fop = prot ? 0 : fcs;
    if (!prot) {
      fip |= (fcs & 0xf000) << 4;
      fdp |= (fds & 0xf000) << 4;
    }
  }
  store<u32>(CPU_BLOCK + FPU_CW, canonicalControl(cw));
  setStatusWord(sw);
  setTagWord(tags);
  store<u64>(CPU_BLOCK + FPU_FIP, fip);
  store<u64>(CPU_BLOCK + FPU_FDP, fdp);
  store<u32>(CPU_BLOCK + FPU_FCS, prot ? fcs & 0xffff : 0);
  store<u32>(CPU_BLOCK + FPU_FDS, prot ? fds & 0xffff : 0);
  store<u32>(CPU_BLOCK + FPU_FOP, fop & 0x7ff);
  updateSummary();
}

/** Bit 6 reads as one; bits 7 and 13-15 are reserved zeros. */
@inline export function canonicalControl(cw: u32): u32 {
  return (cw & 0x1f3f) | 0x40;
}

@inline function environmentSize(wide: bool): u32 {
  return wide ? 28 : 14;
}

export function storeEnvironment(lin: u32, wide: bool): void {
  probeWrite(lin, environmentSize(wide));
  writeEnvironment(lin, wide);
  store<u32>(CPU_BLOCK + FPU_CW, load<u32>(CPU_BLOCK + FPU_CW) | 0x3f);
  updateSummary();
}

export function loadEnvironment(lin: u32, wide: bool): void {
  probeRead(lin, environmentSize(wide));
  readEnvironment(lin, wide);
}

export function saveState(lin: u32, wide: bool): void {
  const env = environmentSize(wide);
  probeWrite(lin, env + 80);
  writeEnvironment(lin, wide);
  lin += env;
  for (let i: u32 = 0; i < 8; i++, lin += 10) {
    const at = slot(i);
    // Ten bytes apart, they are aligned to two only.
    for (let j: u32 = 0; j < 4; j++) write16(lin + j * 2, <u32>(sigAt(at) >> (j * 16)) & 0xffff);
    write16(lin + 8, seAt(at));
  }
  initializeFpu();
  clearPointers();
}

export function restoreState(lin: u32, wide: bool): void {
  const env = environmentSize(wide);
  probeRead(lin, env + 80);
  readEnvironment(lin, wide);
  lin += env;
  for (let i: u32 = 0; i < 8; i++, lin += 10) {
    const at = slot(i);
    let sig: u64 = 0;
    for (let j: u32 = 0; j < 4; j++) sig |= <u64>read16(lin + j * 2) << (j * 16);
    store<u64>(at, sig, CPU_BLOCK + FPU_REGS);
    store<u16>(at, read16(lin + 8), CPU_BLOCK + FPU_REGS + 8);
  }
}
