// PUSH, POP, PUSHA, POPA, ENTER, LEAVE and the stack side of near CALL and RET for any stack: 16 or 32 bits by SS.B, segment checks included (SDM 1, 6.2).
import { CPU_BLOCK } from '../memory/layout';
import { REGS, SEG_ATTR, SEG_SS } from '../cpu/block';
import { ATTR_DB } from '../cpu/bits';
import { segLinear } from '../cpu/segmentation.as';
import { probeWrite } from '../cpu/access.as';
import { readSized, writeSized, setSized } from '../cpu/operand.as';

const ESP: u32 = CPU_BLOCK + REGS + 8 * 4;
const EBP: u32 = CPU_BLOCK + REGS + 8 * 5;
const STACK: u32 = 2;

/** The bits of ESP that count. */
@inline export function stackMask(): u32 { return load<u32>(CPU_BLOCK + SEG_SS, SEG_ATTR) & ATTR_DB ? 0xffffffff : 0xffff; }
@inline export function setStack(value: u32): void {
  const mask = stackMask();
  store<u32>(ESP, (load<u32>(ESP) & ~mask) | (value & mask));
}
/** Linear address of `bytes` at stack offset `offset`. */
export function stackLinear(offset: u32, bytes: u32, write: bool): u32 {
  return segLinear(STACK, offset & stackMask(), bytes, write);
}

/** Pushes 1 << `size` bytes. ESP moves last. */
export function push(size: u32, value: u32): void {
  const bytes: u32 = 1 << size;
  const top = load<u32>(ESP) - bytes;
  writeSized(size, stackLinear(top, bytes, true), value);
  setStack(top);
}
/** What is `above` bytes over the top of the stack. */
export function peek(size: u32, above: u32): u32 {
  return readSized(size, stackLinear(load<u32>(ESP) + above, 1 << size, false));
}
export function drop(bytes: u32): void { setStack(load<u32>(ESP) + bytes); }
export function pop(size: u32): u32 {
  const value = peek(size, 0);
  drop(1 << size);
  return value;
}

export function pusha(size: u32): void {
  const bytes: u32 = 1 << size;
  const top = load<u32>(ESP);
  for (let i: u32 = 1; i <= 8; i++) probeWrite(stackLinear(top - i * bytes, bytes, true), bytes);
  for (let i: u32 = 1; i <= 8; i++) {
    writeSized(size, stackLinear(top - i * bytes, bytes, true), load<u32>(CPU_BLOCK + REGS + (i - 1) * 8));
  }
  setStack(top - 8 * bytes);
}

export function popa(size: u32): void {
  const bytes: u32 = 1 << size;
  for (let i: u32 = 0; i < 8; i++) peek(size, i * bytes);
  for (let i: u32 = 0; i < 8; i++) {
    if (i != 3) setSized(size, CPU_BLOCK + REGS + (7 - i) * 8, peek(size, i * bytes));
  }
  drop(8 * bytes);
}

export function enter(size: u32, room: u32, level: u32): void {
  const bytes: u32 = 1 << size;
  level &= 31;
  const oldTop = load<u32>(ESP);
  const mask = stackMask();
  let top = oldTop - bytes;
  for (let i: u32 = 1; i <= level + 1; i++) probeWrite(stackLinear(oldTop - i * bytes, bytes, true), bytes);
  writeSized(size, stackLinear(top, bytes, true), load<u32>(EBP));
  const frame = (oldTop & ~mask) | (top & mask);
  if (level > 0) {
    let from = load<u32>(EBP);
    for (let i: u32 = 1; i < level; i++) {
      from -= bytes;
      top -= bytes;
      writeSized(size, stackLinear(top, bytes, true), readSized(size, stackLinear(from, bytes, false)));
    }
    top -= bytes;
    writeSized(size, stackLinear(top, bytes, true), frame);
  }
  // It ends with a look whether the new top of the stack could be written; nothing is (SDM 2A, "ENTER", exceptions).
  probeWrite(stackLinear(top - room, bytes, true), bytes);
  setSized(size, EBP, frame);
  setStack(top - room);
}

export function leave(size: u32): void {
  const frame = load<u32>(EBP);
  const value = readSized(size, stackLinear(frame, 1 << size, false));
  setStack(frame + (1 << size));
  setSized(size, EBP, value);
}
