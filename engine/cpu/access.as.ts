/**
 * Guest memory as instructions see it: linear accesses at the current privilege or the supervisor's, and physical ones. A page-crossing access
 * translates both pages before it touches either; a fault names the first byte that can't be accessed.
 */
import { CODE_PAGES, POOL_BASE } from '../memory/layout';
import { READ_TLB, STEPPING, STEP_REQUEST, WRITE_TLB } from './scratch';
import { ALIGNED_ONLY, fillRead, fillWrite, missAddress, SYSTEM_READ, SYSTEM_WRITE, tlbSlot } from './tlb.as';
import { noteCodeWrite } from './decode-cache.as';
import { mmioRead, mmioWrite } from './host.as';
import { pageForRead, writablePage } from '../memory/mmm.as';
import { AC, raiseError, restartInstruction } from './fault.as';
import { breakpointsArmed, checkData } from './debug.as';

@inline
function readThrough<T>(table: u32, lin: u32): T {
  const entry = load<u64>(tlbSlot(table, lin));
  if (((lin + (<u32>sizeof<T>() - 1)) & ~0xfff) == <u32>(entry >> 32)) return load<T>(lin + <u32>entry);
  return <T>slowRead(table, lin, <u32>sizeof<T>());
}

@inline
function writeThrough<T>(table: u32, lin: u32, value: T): void {
  const entry = load<u64>(tlbSlot(table, lin));
  if (((lin + (<u32>sizeof<T>() - 1)) & ~0xfff) == <u32>(entry >> 32)) {
    store<T>(lin + <u32>entry, value);
    return;
  }
  slowWrite(table, lin, <u32>sizeof<T>(), <u64>value);
}

/** Host address of the byte at `lin` for reading, or 0 outside RAM (missAddress). */
export function hostForRead(table: u32, lin: u32): u32 {
  const entry = load<u64>(tlbSlot(table, lin));
  if ((lin & ~0xfff) == <u32>(entry >> 32)) return lin + <u32>entry;
  return fillRead(table, lin);
}

/** Host address of the byte at `lin` for writing, or 0 outside RAM; the page may hold decoded code. */
export function hostForWrite(table: u32, lin: u32): u32 {
  const entry = load<u64>(tlbSlot(table, lin));
  if ((lin & ~0xfff) == <u32>(entry >> 32)) return lin + <u32>entry;
  return fillWrite(table, lin);
}

/** A port or MMIO handler may raise an interrupt, which comes after this instruction: such an instruction is executed alone. */
export function requireStep(): void {
  if (load<u32>(STEPPING)) return;
  store<u32>(STEP_REQUEST, 1);
  restartInstruction();
}

function deviceRead(gpa: u32, size: u32): u64 {
  requireStep();
  if (size == 8) return <u64>mmioRead(gpa, 4) | (<u64>mmioRead(gpa + 4, 4) << 32);
  return <u64>mmioRead(gpa, size) & (0xffffffff >> <u64>(32 - size * 8));
}

function deviceWrite(gpa: u32, size: u32, value: u64): void {
  requireStep();
  if (size == 8) {
    mmioWrite(gpa, 4, <u32>value);
    mmioWrite(gpa + 4, 4, <u32>(value >> 32));
  } else mmioWrite(gpa, size, <u32>value);
}

function loadSized(host: u32, size: u32): u64 {
  switch (size) {
    case 1: return load<u8>(host);
    case 2: return load<u16>(host);
    case 4: return load<u32>(host);
    default: return load<u64>(host);
  }
}

function storeSized(host: u32, size: u32, value: u64): void {
  switch (size) {
    case 1: store<u8>(host, <u8>value); break;
    case 2: store<u16>(host, <u16>value); break;
    case 4: store<u32>(host, <u32>value); break;
    default: store<u64>(host, value);
  }
}

/** #AC of an access through ALIGNED_ONLY; a page fault comes first (SDM 3A table 6-2). */
function checkAlignment(table: u32, lin: u32, size: u32, write: bool): void {
  if (table != ALIGNED_ONLY || !(lin & (size - 1))) return;
  probe(table, lin, size, write);
  raiseError(AC, 0);
}

export function slowRead(table: u32, lin: u32, size: u32): u64 {
  checkAlignment(table, lin, size, false);
  if (breakpointsArmed()) checkData(lin, size, false);
  if (((lin ^ (lin + size - 1)) & ~0xfff) != 0) return crossingRead(table, lin, size);
  const host = hostForRead(table, lin);
  return host != 0 ? loadSized(host, size) : deviceRead(missAddress, size);
}

function crossingRead(table: u32, lin: u32, size: u32): u64 {
  const boundary = (lin + size - 1) & ~0xfff;
  const low = hostForRead(table, lin);
  const lowGpa = missAddress;
  const high = hostForRead(table, boundary);
  const highGpa = missAddress;
  let value: u64 = 0;
  for (let i: u32 = 0; i < size; i++) {
    const past = lin + i - boundary;
    const inHigh = <i32>past >= 0;
    let byte: u64;
    if (inHigh) byte = high != 0 ? load<u8>(high + past) : deviceRead(highGpa + past, 1);
    else byte = low != 0 ? load<u8>(low + i) : deviceRead(lowGpa + i, 1);
    value |= byte << (i * 8);
  }
  return value;
}

export function slowWrite(table: u32, lin: u32, size: u32, value: u64): void {
  checkAlignment(table, lin, size, true);
  if (breakpointsArmed()) checkData(lin, size, true);
  if (((lin ^ (lin + size - 1)) & ~0xfff) != 0) {
    crossingWrite(table, lin, size, value);
    return;
  }
  const host = hostForWrite(table, lin);
  if (host == 0) {
    deviceWrite(missAddress, size, value);
    return;
  }
  storeRam(host, size, value);
}

/** Stores into a RAM page that may hold decoded code. */
function storeRam(host: u32, size: u32, value: u64): void {
  const ppn = (host - POOL_BASE) >>> 12;
  storeSized(host, size, value);
  if (load<u32>(CODE_PAGES + (ppn << 2)) != 0) noteCodeWrite(ppn, host & 0xfff, size);
}

function crossingWrite(table: u32, lin: u32, size: u32, value: u64): void {
  const boundary = (lin + size - 1) & ~0xfff;
  let low = hostForWrite(table, lin);
  const lowGpa = missAddress;
  const high = hostForWrite(table, boundary);
  const highGpa = missAddress;
  // Filling the second page may have moved nothing: a COW fault moves only the page it is for.
  if (low == 0 || high == 0) requireStep();
  for (let i: u32 = 0; i < size; i++) {
    const past = lin + i - boundary;
    const byte = (value >> (i * 8)) & 0xff;
    if (<i32>past >= 0) {
      if (high != 0) storeRam(high + past, 1, byte);
      else mmioWrite(highGpa + past, 1, <u32>byte);
    } else if (low != 0) storeRam(low + i, 1, byte);
    else mmioWrite(lowGpa + i, 1, <u32>byte);
  }
}

export function read8(lin: u32): u32 { return readThrough<u8>(load<u32>(READ_TLB), lin); }
export function read16(lin: u32): u32 { return readThrough<u16>(load<u32>(READ_TLB), lin); }
export function read32(lin: u32): u32 { return readThrough<u32>(load<u32>(READ_TLB), lin); }
export function read64(lin: u32): u64 { return readThrough<u64>(load<u32>(READ_TLB), lin); }
export function write8(lin: u32, value: u32): void { writeThrough<u8>(load<u32>(WRITE_TLB), lin, <u8>value); }
export function write16(lin: u32, value: u32): void { writeThrough<u16>(load<u32>(WRITE_TLB), lin, <u16>value); }
export function write32(lin: u32, value: u32): void { writeThrough<u32>(load<u32>(WRITE_TLB), lin, value); }
export function write64(lin: u32, value: u64): void { writeThrough<u64>(load<u32>(WRITE_TLB), lin, value); }

/** Supervisor rights whatever the CPL: descriptor tables, task state, stacks of an inner level. */
export function sysRead8(lin: u32): u32 { return readThrough<u8>(SYSTEM_READ, lin); }
export function sysRead16(lin: u32): u32 { return readThrough<u16>(SYSTEM_READ, lin); }
export function sysRead32(lin: u32): u32 { return readThrough<u32>(SYSTEM_READ, lin); }
export function sysRead64(lin: u32): u64 { return readThrough<u64>(SYSTEM_READ, lin); }
export function sysWrite8(lin: u32, value: u32): void { writeThrough<u8>(SYSTEM_WRITE, lin, <u8>value); }
export function sysWrite16(lin: u32, value: u32): void { writeThrough<u16>(SYSTEM_WRITE, lin, <u16>value); }
export function sysWrite32(lin: u32, value: u32): void { writeThrough<u32>(SYSTEM_WRITE, lin, value); }
export function sysWrite64(lin: u32, value: u64): void { writeThrough<u64>(SYSTEM_WRITE, lin, value); }

function probe(table: u32, lin: u32, size: u32, write: bool): void {
  const last = lin + size - 1;
  let page = lin;
  while (true) {
    if (write) hostForWrite(table, page);
    else hostForRead(table, page);
    if (((page ^ last) & ~0xfff) == 0) return;
    page = (page & ~0xfff) + 0x1000;
  }
}

/** Raises now what reading `size` bytes at `lin` would raise. */
export function probeRead(lin: u32, size: u32): void { probe(load<u32>(READ_TLB), lin, size, false); }
/** Raises now what writing `size` bytes at `lin` would raise. */
export function probeWrite(lin: u32, size: u32): void { probe(load<u32>(WRITE_TLB), lin, size, true); }
export function sysProbeRead(lin: u32, size: u32): void { probe(SYSTEM_READ, lin, size, false); }
export function sysProbeWrite(lin: u32, size: u32): void { probe(SYSTEM_WRITE, lin, size, true); }

@inline
function physRead<T>(pa: u32): T {
  const page = <u32>pageForRead(pa >>> 12);
  if (page == 0) return <T>deviceRead(pa, <u32>sizeof<T>());
  return load<T>(page + (pa & 0xfff));
}

@inline
function physWrite<T>(pa: u32, value: T): void {
  const page = <u32>writablePage(pa >>> 12);
  if (page == 0) deviceWrite(pa, <u32>sizeof<T>(), <u64>value);
  else storeRam(page + (pa & 0xfff), <u32>sizeof<T>(), <u64>value);
}

/** Naturally aligned physical accesses (page tables, instruction fetches outside RAM). */
export function physRead8(pa: u32): u32 { return physRead<u8>(pa); }
export function physRead16(pa: u32): u32 { return physRead<u16>(pa); }
export function physRead32(pa: u32): u32 { return physRead<u32>(pa); }
export function physRead64(pa: u32): u64 { return physRead<u64>(pa); }
export function physWrite8(pa: u32, value: u32): void { physWrite<u8>(pa, <u8>value); }
export function physWrite16(pa: u32, value: u32): void { physWrite<u16>(pa, <u16>value); }
export function physWrite32(pa: u32, value: u32): void { physWrite<u32>(pa, value); }
export function physWrite64(pa: u32, value: u64): void { physWrite<u64>(pa, value); }
