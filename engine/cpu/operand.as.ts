/**
 * Operands of decoded ops (op.ts): registers by address, memory through the inline TLB check. `op` and `end` are noted before anything that may
 * fault or call out, so that RIP and COUNT can be worked out there.
 */
import { OP_BASE, OP_DISP, OP_EA, OP_FLAGS, OP_INDEX, OP_LENGTH, OP_OFFSET, OP_REG, OP_RM, OP_SCALE, FLAG_ADDR16, FLAG_SIZE, FLAG_MEMORY } from './op';
import { CPU_BLOCK } from '../memory/layout';
import { SEGS, SEG_ATTR, SEG_BASE, SEG_LIMIT, SEG_STRIDE } from './block';
import { ATTR_CODE, ATTR_EC, ATTR_NULL, ATTR_RW } from './bits';
import { CUR_END, CUR_OP, PAGE_EIP, READ_TLB, WRITE_TLB } from './scratch';
import { probeWrite, read16, read32, read8, slowRead, slowWrite, write16, write32, write8 } from './access.as';
import { decrement, increment, operate } from '../isa/alu.as';
import { segLinear } from './segmentation.as';

@inline export function regValue<T>(op: u32): u32 { return <u32>load<T>(load<u16>(op, OP_REG)); }
@inline export function rmValue<T>(op: u32): u32 { return <u32>load<T>(load<u16>(op, OP_RM)); }
@inline export function setReg<T>(op: u32, value: u32): void { store<T>(load<u16>(op, OP_REG), <T>value); }
@inline export function setRm<T>(op: u32, value: u32): void { store<T>(load<u16>(op, OP_RM), <T>value); }

/** Notes where the interpreter is: before a slow path. */
@inline export function note(op: u32, end: u32): void {
  store<u32>(CUR_OP, op);
  store<u32>(CUR_END, end);
}

/** Offset of the memory operand before wrap at 16 bits and segment. */
@inline export function offsetOf(op: u32): u32 {
  return load<u32>(load<u16>(op, OP_BASE)) + (load<u32>(load<u16>(op, OP_INDEX)) << <u32>load<u8>(op, OP_SCALE)) + load<u32>(op, OP_DISP);
}

/** Offset of the memory operand in its segment. */
export function effectiveOffset(op: u32): u32 {
  const offset = offsetOf(op);
  return load<u8>(op, OP_FLAGS) & FLAG_ADDR16 ? offset & 0xffff : offset;
}

/** Linear address of a memory operand of `size` bytes in a segment that has to be looked at. */
export function checkedLinear(op: u32, size: u32, write: bool): u32 {
  // Most often FS or GS over all 4 GiB: per-CPU and thread-local data.
  const segment = CPU_BLOCK + SEGS - SEG_STRIDE + <u32>load<u8>(op, OP_EA) * SEG_STRIDE;
  if (load<u32>(segment, SEG_LIMIT) == 0xffffffff && (load<u32>(segment, SEG_ATTR) & (ATTR_NULL | ATTR_CODE | ATTR_EC | ATTR_RW)) == ATTR_RW
    && !(load<u8>(op, OP_FLAGS) & FLAG_ADDR16)) return load<u32>(segment, SEG_BASE) + offsetOf(op);
  return segLinear(<u32>load<u8>(op, OP_EA) - 1, effectiveOffset(op), size, write);
}

/** Linear address of the memory operand; the position was noted. */
export function linear(op: u32, size: u32, write: bool): u32 {
  return load<u8>(op, OP_EA) == 0 ? offsetOf(op) : checkedLinear(op, size, write);
}

@inline export function slot(table: u32, lin: u32): u32 { return table + ((lin >>> 9) & 0x7ff8); }

@inline export function readAt<T>(op: u32, end: u32, lin: u32): u32 {
  const entry = load<u64>(slot(load<u32>(READ_TLB), lin));
  if (((lin + (<u32>sizeof<T>() - 1)) & ~0xfff) == <u32>(entry >> 32)) return <u32>load<T>(lin + <u32>entry);
  note(op, end);
  return <u32>slowRead(load<u32>(READ_TLB), lin, <u32>sizeof<T>());
}

@inline export function writeAt<T>(op: u32, end: u32, lin: u32, value: u32): void {
  const entry = load<u64>(slot(load<u32>(WRITE_TLB), lin));
  if (((lin + (<u32>sizeof<T>() - 1)) & ~0xfff) == <u32>(entry >> 32)) {
    store<T>(lin + <u32>entry, <T>value);
    return;
  }
  note(op, end);
  slowWrite(load<u32>(WRITE_TLB), lin, <u32>sizeof<T>(), <u64>value);
}

@inline function operandLinear(op: u32, end: u32, size: u32, write: bool): u32 {
  if (load<u8>(op, OP_EA) == 0) return offsetOf(op);
  note(op, end);
  return checkedLinear(op, size, write);
}

@inline export function readOperand<T>(op: u32, end: u32): u32 {
  return readAt<T>(op, end, operandLinear(op, end, <u32>sizeof<T>(), false));
}
@inline export function writeOperand<T>(op: u32, end: u32, value: u32): void {
  writeAt<T>(op, end, operandLinear(op, end, <u32>sizeof<T>(), true), value);
}
/** Host address of a memory operand that is read and written, or 0 when it takes the slow way. */
@inline export function writableOperand<T>(op: u32, end: u32): u32 {
  const lin = operandLinear(op, end, <u32>sizeof<T>(), true);
  const entry = load<u64>(slot(load<u32>(WRITE_TLB), lin));
  if (((lin + (<u32>sizeof<T>() - 1)) & ~0xfff) == <u32>(entry >> 32)) return lin + <u32>entry;
  return 0;
}

@inline export function sizeOf(op: u32): u32 { return load<u8>(op, OP_FLAGS) & FLAG_SIZE; }
@inline export function isMemory(op: u32): bool { return (load<u8>(op, OP_FLAGS) & FLAG_MEMORY) != 0; }

export function readSized(size: u32, lin: u32): u32 { return size == 0 ? read8(lin) : size == 1 ? read16(lin) : read32(lin); }
export function writeSized(size: u32, lin: u32, value: u32): void {
  if (size == 0) write8(lin, value);
  else if (size == 1) write16(lin, value);
  else write32(lin, value);
}
export function getSized(size: u32, address: u32): u32 {
  return size == 0 ? <u32>load<u8>(address) : size == 1 ? <u32>load<u16>(address) : load<u32>(address);
}
export function setSized(size: u32, address: u32, value: u32): void {
  if (size == 0) store<u8>(address, <u8>value);
  else if (size == 1) store<u16>(address, <u16>value);
  else store<u32>(address, value);
}

export function getReg(op: u32): u32 { return getSized(sizeOf(op), load<u16>(op, OP_REG)); }
export function putReg(op: u32, value: u32): void { setSized(sizeOf(op), load<u16>(op, OP_REG), value); }

/** The r/m operand, only read. */
export function getRm(op: u32): u32 {
  const size = sizeOf(op);
  return isMemory(op) ? readSized(size, linear(op, 1 << size, false)) : getSized(size, load<u16>(op, OP_RM));
}
/** The r/m operand, only written. */
export function putRm(op: u32, value: u32): void {
  const size = sizeOf(op);
  if (isMemory(op)) writeSized(size, linear(op, 1 << size, true), value);
  else setSized(size, load<u16>(op, OP_RM), value);
}
/** Address of an r/m operand that is read and written: modifiable(), then finish() with the same address. */
export function modifyLinear(op: u32): u32 {
  if (!isMemory(op)) return 0;
  const size: u32 = 1 << sizeOf(op);
  const lin = linear(op, size, true);
  probeWrite(lin, size);
  return lin;
}
export function modifyGet(op: u32, lin: u32): u32 {
  return isMemory(op) ? readSized(sizeOf(op), lin) : getSized(sizeOf(op), load<u16>(op, OP_RM));
}
export function modifyPut(op: u32, lin: u32, value: u32): void {
  if (isMemory(op)) writeSized(sizeOf(op), lin, value);
  else setSized(sizeOf(op), load<u16>(op, OP_RM), value);
}

/** Memory operand `op`= `k` with `b`, where the inline TLB check failed. */
export function slowModify(op: u32, end: u32, k: u32, b: u32): void {
  note(op, end);
  const lin = modifyLinear(op);
  const value = operate(k, sizeOf(op), modifyGet(op, lin), b);
  modifyPut(op, lin, value);
}

export function slowIncrement(op: u32, end: u32): void {
  note(op, end);
  const lin = modifyLinear(op);
  modifyPut(op, lin, increment(sizeOf(op), modifyGet(op, lin)));
}
export function slowDecrement(op: u32, end: u32): void {
  note(op, end);
  const lin = modifyLinear(op);
  modifyPut(op, lin, decrement(sizeOf(op), modifyGet(op, lin)));
}

/** EIP of the instruction behind `op`. */
@inline export function nextEip(op: u32): u32 {
  return load<u32>(PAGE_EIP) + <u32>load<u16>(op, OP_OFFSET) + <u32>load<u8>(op, OP_LENGTH);
}
