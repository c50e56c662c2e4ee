// IRET and IRETD: real mode, same ring, outer ring, to and from virtual-8086 mode, nested task (SDM 2A, "IRET").
import { CPU_BLOCK } from '../memory/layout';
import { sysRead16 } from './access.as';
import {
  FLAG_AC, FLAG_AF, FLAG_CF, FLAG_DF, FLAG_ID, FLAG_IF, FLAG_IOPL, FLAG_NT, FLAG_OF, FLAG_PF, FLAG_RF, FLAG_SF, FLAG_TF, FLAG_VIF, FLAG_VIP,
  FLAG_VM, FLAG_ZF, VEC_GP,
} from './bits';
import {
  SEG_INDEX_CS, SEG_INDEX_DS, SEG_INDEX_ES, SEG_INDEX_FS, SEG_INDEX_GS, SEG_INDEX_SS, SEG_INDEX_TR, controlFlags, cpl, iopl, ESP,
  protectionEnabled, segBase, segLimit, setCpl, setEip, setFlags, setReg32, setSegment, virtual8086,
} from './block.as';
import { IN_NMI } from './block';
import { breakpointsArmed } from './debug.as';
import { raiseError } from './fault.as';
import { materialize } from './flags.as';
import { returnToCode } from './return.as';
import { ATTR_V86, checkTarget, loadParagraph } from './segmentation.as';
import { peek, release, useCurrentStack } from './stack.as';
import { returnFromTask } from './task.as';
import { modeChanged } from './tlb.as';

const ALWAYS: u32 = FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_TF | FLAG_DF | FLAG_OF | FLAG_NT;
const ONLY_WIDE: u32 = FLAG_RF | FLAG_AC | FLAG_ID;

export function iret(wide: bool): void {
  materialize();
  if (!protectionEnabled()) iretReal(wide);
  else if (virtual8086()) iretFromV86(wide);
  else if (controlFlags() & FLAG_NT) returnFromTask(sysRead16(segBase(SEG_INDEX_TR)));
  else iretProtected(wide);
  store<u32>(CPU_BLOCK + IN_NMI, 0);
}

/** RF matters, and is cleared by the next instruction, only where breakpoints are looked for. */
function takeFlags(value: u32, mask: u32): void {
  if (!breakpointsArmed()) value &= ~FLAG_RF;
  setFlags((controlFlags() & ~mask) | (value & mask));
}

/** Pops IP, CS and FLAGS where CS is a paragraph. */
function iretParagraph(wide: bool, mask: u32): void {
  const size: u32 = wide ? 4 : 2;
  useCurrentStack();
  const offset = peek(0, size);
  const selector = peek(size, size) & 0xffff;
  const flags = peek(size * 2, size);
  checkTarget(segLimit(SEG_INDEX_CS), offset);
  release(size * 3);
  loadParagraph(SEG_INDEX_CS, selector);
  setEip(offset);
  takeFlags(flags, mask);
  modeChanged();
}

function iretReal(wide: bool): void {
  iretParagraph(wide, ALWAYS | FLAG_IF | FLAG_IOPL | (wide ? ONLY_WIDE : 0));
}

/** IOPL 3 or #GP(0): without VME there is no other way (SDM 3A 20.2.7). VM and IOPL stay. */
function iretFromV86(wide: bool): void {
  if (iopl() < 3) raiseError(VEC_GP, 0);
  iretParagraph(wide, ALWAYS | FLAG_IF | (wide ? ONLY_WIDE : 0));
}

function iretProtected(wide: bool): void {
  const size: u32 = wide ? 4 : 2;
  useCurrentStack();
  const offset = peek(0, size);
  const selector = peek(size, size) & 0xffff;
  const flags = peek(size * 2, size);
  if (wide && (flags & FLAG_VM) && cpl() == 0) {
    iretToV86(offset, selector, flags);
    return;
  }
  let mask = ALWAYS | (wide ? ONLY_WIDE : 0);
  if (cpl() <= iopl()) mask |= FLAG_IF;
  if (cpl() == 0) mask |= FLAG_IOPL | (wide ? FLAG_VIF | FLAG_VIP : 0);
  returnToCode(selector, offset, size * 3, size, 0);
  takeFlags(flags, mask);
  modeChanged();
}

function iretToV86(offset: u32, selector: u32, flags: u32): void {
  const esp = peek(12, 4);
  const ss = peek(16, 4) & 0xffff;
  const es = peek(20, 4) & 0xffff;
  const ds = peek(24, 4) & 0xffff;
  const fs = peek(28, 4) & 0xffff;
  const gs = peek(32, 4) & 0xffff;
  checkTarget(0xffff, offset);
  enterV86Segment(SEG_INDEX_CS, selector);
  enterV86Segment(SEG_INDEX_SS, ss);
  enterV86Segment(SEG_INDEX_ES, es);
  enterV86Segment(SEG_INDEX_DS, ds);
  enterV86Segment(SEG_INDEX_FS, fs);
  enterV86Segment(SEG_INDEX_GS, gs);
  setReg32(ESP, esp);
  setEip(offset);
  setCpl(3);
  takeFlags(flags, ALWAYS | ONLY_WIDE | FLAG_IF | FLAG_IOPL | FLAG_VM | FLAG_VIF | FLAG_VIP);
  modeChanged();
}

export function enterV86Segment(seg: u32, selector: u32): void {
  setSegment(seg, selector, ATTR_V86, selector << 4, 0xffff);
}
