/**
 * String instructions (SDM 2A "REP"). One execution of a repeated one is a chunk: it ends at a page boundary of source or destination, after
 * at most 4,096 bytes, or when the condition of REPE/REPNE ends it, and counts as one instruction. That rule depends on addresses only, so that counts do not
 * depend on what the TLB or COW state happens to be. A chunk is one element for INS and OUTS, with TF set, which traps after each, and with breakpoints
 * armed.
 */
import { CODE_PAGES, CPU_BLOCK, POOL_BASE } from '../memory/layout';
import { REGS, SEG_BASE, SEGS } from '../cpu/block';
import { FLAG_DF, FLAG_TF } from '../cpu/bits';
import { FLAG_ADDR16, FLAG_REP, FLAG_REPNE, OP_EA, OP_FLAGS } from '../cpu/op';
import { READ_TLB, WRITE_TLB } from '../cpu/scratch';
import { rawFlags, zeroFlag } from '../cpu/flags.as';
import { getSized, readSized, setSized, sizeOf, writeSized } from '../cpu/operand.as';
import { hostForRead, hostForWrite, probeWrite } from '../cpu/access.as';
import { segLinear } from '../cpu/segmentation.as';
import { operate } from './alu.as';
import { breakpointsArmed } from '../cpu/debug.as';
import { alignmentChecked } from '../cpu/tlb.as';
import { portIn, portOut } from '../cpu/host.as';
import { checkIo } from '../cpu/system.as';

const EAX: u32 = CPU_BLOCK + REGS;
const ECX: u32 = CPU_BLOCK + REGS + 8;
const EDX: u32 = CPU_BLOCK + REGS + 16;
const ESI: u32 = CPU_BLOCK + REGS + 8 * 6;
const EDI: u32 = CPU_BLOCK + REGS + 8 * 7;
const DESTINATION: u32 = 0;
const PAGE: u32 = 4096;

export const MOVS: u32 = 0;
export const CMPS: u32 = 1;
export const STOS: u32 = 2;
export const LODS: u32 = 3;
export const SCAS: u32 = 4;
export const INS: u32 = 5;
export const OUTS: u32 = 6;

@inline function mask(op: u32): u32 { return load<u8>(op, OP_FLAGS) & FLAG_ADDR16 ? 0xffff : 0xffffffff; }
@inline function indexed(register: u32, mask: u32): u32 { return load<u32>(register) & mask; }
@inline function advance(register: u32, mask: u32, by: u32): void {
  const old = load<u32>(register);
  store<u32>(register, (old & ~mask) | ((old + by) & mask));
}
/** In a flat segment the linear address is the offset. */
@inline function sourceLinear(op: u32, m: u32, bytes: u32): u32 {
  const ea = <u32>load<u8>(op, OP_EA);
  return ea == 0 ? indexed(ESI, m) : segLinear(ea - 1, indexed(ESI, m), bytes, false);
}
@inline function destinationLinear(op: u32, m: u32, bytes: u32, write: bool): u32 {
  return load<u8>(op, OP_EA) == 0 ? indexed(EDI, m) : segLinear(DESTINATION, indexed(EDI, m), bytes, write);
}

/** Executes one chunk; returns whether the instruction has to go on. */
export function string(op: u32, kind: u32): bool {
  const flags = load<u8>(op, OP_FLAGS);
  const size = sizeOf(op);
  const m = mask(op);
  const step: u32 = rawFlags() & FLAG_DF ? -(<u32>1 << size) : <u32>1 << size;
  if (!(flags & (FLAG_REP | FLAG_REPNE))) {
    one(op, kind, size, m, step);
    return false;
  }
  let left = indexed(ECX, m);
  if (left == 0) return false;
  if (kind >= INS || (rawFlags() & FLAG_TF) || breakpointsArmed()) {
    one(op, kind, size, m, step);
    advance(ECX, m, -1);
    return left > 1 && !unlike(kind, flags);
  }
  let room = chunk(op, kind, size, m, step, left);
  if ((kind == MOVS || kind == STOS) && step == <u32>1 << size && room > 1 && !alignmentChecked()) {
    const done = kind == MOVS ? copy(op, size, m, room) : fill(op, size, m, room);
    if (done != 0) return left > done;
  }
  while (true) {
    one(op, kind, size, m, step);
    advance(ECX, m, -1);
    left--;
    room--;
    if (left == 0) return false;
    if (unlike(kind, flags)) return false;
    if (room == 0) return true;
  }
}

/** Whether a comparison ends REPE or REPNE. */
@inline function unlike(kind: u32, flags: u32): bool {
  return (kind == CMPS || kind == SCAS) && zeroFlag() != ((flags & FLAG_REP) != 0);
}

/** Elements until source or destination reaches another page, at least one. */
function chunk(op: u32, kind: u32, size: u32, m: u32, step: u32, left: u32): u32 {
  let room = PAGE >>> size;
  if (left < room) room = left;
  const segment = <u32>load<u8>(op, OP_EA);
  if (kind != STOS && kind != SCAS) {
    room = min(room, inPage(indexed(ESI, m) + (segment == 0 ? 0 : load<u32>(CPU_BLOCK + SEGS + (segment - 1) * 32 + SEG_BASE)), size, step));
  }
  if (kind != LODS) room = min(room, inPage(indexed(EDI, m) + (segment == 0 ? 0 : load<u32>(CPU_BLOCK + SEGS + SEG_BASE)), size, step));
  return room;
}
function inPage(lin: u32, size: u32, step: u32): u32 {
  const offset = lin & (PAGE - 1);
  const room = <i32>step > 0 ? (PAGE - offset) >>> size : (offset >>> size) + 1;
  return room == 0 ? 1 : room;
}

function one(op: u32, kind: u32, size: u32, m: u32, step: u32): void {
  const bytes: u32 = 1 << size;
  switch (kind) {
    case MOVS: {
      const value = readSized(size, sourceLinear(op, m, bytes));
      writeSized(size, destinationLinear(op, m, bytes, true), value);
      advance(ESI, m, step);
      advance(EDI, m, step);
      break;
    }
    case CMPS: {
      const a = readSized(size, sourceLinear(op, m, bytes));
      const b = readSized(size, destinationLinear(op, m, bytes, false));
      operate(7, size, a, b);
      advance(ESI, m, step);
      advance(EDI, m, step);
      break;
    }
    case STOS:
      writeSized(size, destinationLinear(op, m, bytes, true), load<u32>(EAX));
      advance(EDI, m, step);
      break;
    case LODS:
      setSized(size, EAX, readSized(size, sourceLinear(op, m, bytes)));
      advance(ESI, m, step);
      break;
    case SCAS:
      operate(7, size, getSized(size, EAX), readSized(size, destinationLinear(op, m, bytes, false)));
      advance(EDI, m, step);
      break;
    case INS: {
      const port = load<u32>(EDX) & 0xffff;
      checkIo(port, bytes);
      const lin = destinationLinear(op, m, bytes, true);
      probeWrite(lin, bytes);
      writeSized(size, lin, portIn(port, bytes));
      advance(EDI, m, step);
      break;
    }
    default: {
      const port = load<u32>(EDX) & 0xffff;
      checkIo(port, bytes);
      portOut(port, bytes, readSized(size, sourceLinear(op, m, bytes)));
      advance(ESI, m, step);
    }
  }
}

/** Host address of `bytes` to be written in one page, or 0 when they must be written one at a time. */
function plainDestination(lin: u32): u32 {
  const host = hostForWrite(load<u32>(WRITE_TLB), lin);
  if (host == 0 || load<u32>(CODE_PAGES + ((host - POOL_BASE) >>> 12 << 2)) != 0) return 0;
  return host;
}

/** `room` forward elements inside one page each side at once; 0 = not possible. */
function copy(op: u32, size: u32, m: u32, room: u32): u32 {
  const bytes = room << size;
  if (indexed(ESI, m) + (bytes - 1) > m || indexed(EDI, m) + (bytes - 1) > m || indexed(ESI, m) + bytes < bytes || indexed(EDI, m) + bytes < bytes) return 0;
  const from = sourceLinear(op, m, bytes);
  const to = destinationLinear(op, m, bytes, true);
  if (((from ^ (from + bytes - 1)) | (to ^ (to + bytes - 1))) >>> 12 != 0) return 0;
  // First the write: a COW copy may move the page that is read.
  const source = hostForRead(load<u32>(READ_TLB), from);
  if (source == 0) return 0;
  const destination = plainDestination(to);
  if (destination == 0) return 0;
  const now = hostForRead(load<u32>(READ_TLB), from);
  // Overlapping upwards, elements are repeated: memory.copy would not.
  if (destination - now < bytes && destination != now) return 0;
  memory.copy(destination, now, bytes);
  advance(ESI, m, bytes);
  advance(EDI, m, bytes);
  advance(ECX, m, -room);
  return room;
}

function fill(op: u32, size: u32, m: u32, room: u32): u32 {
  const bytes = room << size;
  if (indexed(EDI, m) + (bytes - 1) > m || indexed(EDI, m) + bytes < bytes) return 0;
  const to = destinationLinear(op, m, bytes, true);
  if ((to ^ (to + bytes - 1)) >>> 12 != 0) return 0;
  const destination = plainDestination(to);
  if (destination == 0) return 0;
  const value = load<u32>(EAX);
  const byte = value & 0xff;
  if (size == 0 || (size == 1 ? (value >>> 8 & 0xff) == byte : value == byte * 0x01010101)) memory.fill(destination, <u8>byte, bytes);
  else if (size == 1) for (let i: u32 = 0; i < bytes; i += 2) store<u16>(destination + i, <u16>value);
  else for (let i: u32 = 0; i < bytes; i += 4) store<u32>(destination + i, value);
  advance(EDI, m, bytes);
  advance(ECX, m, -room);
  return room;
}
