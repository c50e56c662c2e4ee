/**
 * The software TLB: four tables (user and supervisor, reading and writing) of 4,096 × u64, direct-mapped by linear page: the tag, which is the
 * linear page address, in the high half, in the low half what is added to a linear address to give the host address. A write entry exists only
 * for a page that may be written at once and holds no decoded code. The zero page has no entries, so that filling it drops nothing.
 */
import { CODE_PAGES, CPU_BLOCK, POOL_BASE, TLB_ALIASES, TLB_BASE } from '../memory/layout';
import { CPL, CR0, FLAGS, SEG_ATTR, SEG_BASE, SEG_CS, SEG_DS, SEG_ES, SEG_LIMIT, SEG_SS } from './block';
import { ATTR_CODE, ATTR_DB, ATTR_EC, ATTR_NULL, ATTR_RW, CR0_AM, FLAG_AC } from './bits';
import { KEY_32, KEY_FLAT, KEY_USER } from './op';
import { CODE_STAMP, LARGE_REGIONS, LOCAL_ENTRIES, MODE_KEY, READ_TLB, TLB_GENERATION, TLB_USED, USER_RUNS, WRITE_TLB } from './scratch';
import { pageForRead, writablePage, poolPages } from '../memory/mmm.as';
import { translate, walkedGlobal } from './paging.as';
import { dropCode, flushCodeTlb, flushLocalCode } from './decode-cache.as';
import { watched } from './debug.as';

const TABLE_BYTES: u32 = 0x8000;
const USER_READ: u32 = TLB_BASE;
const USER_WRITE: u32 = TLB_BASE + 0x8000;
export const SYSTEM_READ: u32 = TLB_BASE + 0x10000;
export const SYSTEM_WRITE: u32 = TLB_BASE + 0x18000;
/** Always empty: the user's tables while alignment is checked, so that every access goes the slow way, which looks at it. */
export const ALIGNED_ONLY: u32 = TLB_BASE + 0x28000;
/** Slots of entries that are not global, made since the last CR3 load: 1,024 × u32. */
const LOCAL_LOG: u32 = TLB_BASE + 0x27000;
const LOG_LENGTH: u32 = 1024;
/** A byte that makes no tag match: tags are page-aligned. */
const EMPTY: u8 = 1;

/** TLB_ALIASES entry: linear page | generation (11 bits) << 1 | MANY. */
const MANY: u32 = 1;
const GENERATION_LIMIT: u32 = 0x7ff;

/** A physical address of a page outside RAM, after fillRead/fillWrite returned 0. */
export let missAddress: u32 = 0;

@inline
export function tlbSlot(table: u32, lin: u32): u32 {
  return table + ((lin >>> 9) & 0x7ff8);
}

/** Chooses the tables of the current CPL and alignment check. */
export function privilegeChanged(): void {
  const user = load<u32>(CPU_BLOCK + CPL) == 3;
  const aligned = user && (load<u32>(CPU_BLOCK + CR0) & CR0_AM) && (load<u32>(CPU_BLOCK + FLAGS) & FLAG_AC);
  store<u32>(READ_TLB, aligned ? ALIGNED_ONLY : user ? USER_READ : SYSTEM_READ);
  store<u32>(WRITE_TLB, aligned ? ALIGNED_ONLY : user ? USER_WRITE : SYSTEM_WRITE);
}

/** Alignment is checked now (#AC, SDM 3A 6.15): CPL 3, CR0.AM and EFLAGS.AC. */
export function alignmentChecked(): bool { return load<u32>(READ_TLB) == ALIGNED_ONLY; }

/** Drops every cached translation, of data and of code. */
export function flushTlb(): void {
  const used = load<u32>(TLB_USED);
  for (let i: u32 = 0; i < 4; i++) {
    if (used & (1 << i)) memory.fill(TLB_BASE + i * TABLE_BYTES, EMPTY, TABLE_BYTES);
  }
  store<u32>(TLB_USED, 0);
  store<u32>(LOCAL_ENTRIES, 0);
  memory.fill(LARGE_REGIONS, 0, 128);
  flushCodeTlb();
  let generation = load<u32>(TLB_GENERATION) + 1;
  if (generation > GENERATION_LIMIT) {
    generation = 1;
    memory.fill(TLB_ALIASES, 0, poolPages() << 2);
  }
  store<u32>(TLB_GENERATION, generation);
}

/** A CR3 load. The log is short between two of them, the tables are long. */
export function flushTlbNonGlobal(): void {
  const count = load<u32>(LOCAL_ENTRIES);
  if (count > LOG_LENGTH) {
    flushTlb();
    return;
  }
  // TLB_GENERATION stays: the hints for what stays must hold. Those for what goes only cost a look.
  for (let i: u32 = 0; i < count; i++) store<u64>(load<u32>(LOCAL_LOG + (i << 2)), 0x0101010101010101);
  store<u32>(LOCAL_ENTRIES, 0);
  flushLocalCode();
}

/** Notes that the entry in `slot` goes with the next CR3 load. */
function logLocal(slot: u32): void {
  const count = load<u32>(LOCAL_ENTRIES);
  if (count < LOG_LENGTH) store<u32>(LOCAL_LOG + (count << 2), slot);
  store<u32>(LOCAL_ENTRIES, count < LOG_LENGTH ? count + 1 : LOG_LENGTH + 1);
}

/** CPL, CR0.PE, EFLAGS.VM or a segment may have changed: chooses TLB tables and decode key anew. */
export function modeChanged(): void {
  privilegeChanged();
  const key = modeKey();
  store<u32>(MODE_KEY, key);
  store<u32>(CODE_STAMP, (load<u32>(CODE_STAMP) & ~7) | key);
  if (key & KEY_USER) store<u32>(USER_RUNS, load<u32>(USER_RUNS) + 1);
}

export function userRuns(): u32 { return load<u32>(USER_RUNS); }

/** Data segment: present, writable, not expand-down, base 0, limit 4 GiB. */
@inline function isFlatData(seg: u32): bool {
  return load<u64>(CPU_BLOCK + seg, SEG_BASE) == 0 && load<u32>(CPU_BLOCK + seg, SEG_LIMIT) == 0xffffffff
    && (load<u32>(CPU_BLOCK + seg, SEG_ATTR) & (ATTR_NULL | ATTR_CODE | ATTR_EC | ATTR_RW)) == ATTR_RW;
}

/** KEY_* of the current state. */
export function modeKey(): u32 {
  const cs = load<u32>(CPU_BLOCK + SEG_CS, SEG_ATTR);
  let key: u32 = load<u32>(CPU_BLOCK + CPL) == 3 ? KEY_USER : 0;
  if (cs & ATTR_DB) key |= KEY_32;
  if (load<u64>(CPU_BLOCK + SEG_CS, SEG_BASE) == 0 && load<u32>(CPU_BLOCK + SEG_CS, SEG_LIMIT) == 0xffffffff
    && isFlatData(SEG_ES) && isFlatData(SEG_SS) && isFlatData(SEG_DS) && (load<u32>(CPU_BLOCK + SEG_SS, SEG_ATTR) & ATTR_DB)) key |= KEY_FLAT;
  return key;
}

/** For resetDerived(): the tables' contents are unknown. */
export function resetTlb(): void {
  store<u32>(TLB_USED, 15);
  memory.fill(ALIGNED_ONLY, EMPTY, TABLE_BYTES);
  store<u32>(TLB_GENERATION, GENERATION_LIMIT);
  flushTlb();
  modeChanged();
}

/** Notes that 4 MiB around `lin` have entries made from a large page, which INVLPG must drop as a whole. Called by paging. */
export function noteLargePage(lin: u32): void {
  const byte = LARGE_REGIONS + (lin >>> 25);
  store<u8>(byte, <u8>(<u32>load<u8>(byte) | (<u32>1 << ((lin >>> 22) & 7))));
}

export function invalidatePage(lin: u32): void {
  if (load<u8>(LARGE_REGIONS + (lin >>> 25)) & (1 << ((lin >>> 22) & 7))) {
    flushTlb();
    return;
  }
  for (let table: u32 = USER_READ; table <= SYSTEM_WRITE; table += TABLE_BYTES) dropSlot(table, lin & ~0xfff);
  flushCodeTlb();
}

@inline
function dropSlot(table: u32, page: u32): void {
  const slot = tlbSlot(table, page);
  if (load<u32>(slot, 4) == page) store<u64>(slot, 0x0101010101010101);
}

/** No page may be written at once any more (a freeze). */
export function dropWriteTranslations(): void {
  memory.fill(USER_WRITE, EMPTY, TABLE_BYTES);
  memory.fill(SYSTEM_WRITE, EMPTY, TABLE_BYTES);
  store<u32>(TLB_USED, load<u32>(TLB_USED) & 5);
}

/** Drops every translation to machine page `ppn`, aliases included, and the code decoded from it: the guest page moves to another one. */
export function dropPageTranslations(ppn: u32): void {
  if (ppn == 0) return;
  if (load<u32>(CODE_PAGES + (ppn << 2)) != 0) dropCode(ppn);
  dropEntries(ppn, 15);
  store<u32>(TLB_ALIASES + (ppn << 2), 0);
}

/** Drops the write translations to `ppn`: it holds decoded code now. */
export function dropPageWriteTranslations(ppn: u32): void {
  dropEntries(ppn, 10);
}

function dropEntries(ppn: u32, tables: u32): void {
  const hint = load<u32>(TLB_ALIASES + (ppn << 2));
  if (((hint >>> 1) & GENERATION_LIMIT) != load<u32>(TLB_GENERATION)) return;
  const host = POOL_BASE + (ppn << 12);
  for (let i: u32 = 0; i < 4; i++) {
    if (!(tables & (1 << i)) || !(load<u32>(TLB_USED) & (1 << i))) continue;
    const table = TLB_BASE + i * TABLE_BYTES;
    if (hint & MANY) {
      for (let slot = table; slot < table + TABLE_BYTES; slot += 8) {
        const entry = load<u64>(slot);
        if (<u32>(entry >> 32) + <u32>entry == host && !(entry & 0x100000000)) store<u64>(slot, 0x0101010101010101);
      }
    } else {
      const slot = tlbSlot(table, hint & ~0xfff);
      const entry = load<u64>(slot);
      if (<u32>(entry >> 32) + <u32>entry == host) store<u64>(slot, 0x0101010101010101);
    }
  }
}

function enter(table: u32, lin: u32, host: u32): void {
  if (watched(lin)) return;
  const page = lin & ~0xfff;
  const ppn = (host - POOL_BASE) >>> 12;
  const slot = tlbSlot(table, lin);
  store<u64>(slot, (<u64>page << 32) | <u64>(host - page));
  if (!walkedGlobal) logLocal(slot);
  store<u32>(TLB_USED, load<u32>(TLB_USED) | (1 << ((table - TLB_BASE) >>> 15)));
  const alias = TLB_ALIASES + (ppn << 2);
  const hint = load<u32>(alias);
  const fresh = page | (load<u32>(TLB_GENERATION) << 1);
  if (hint == fresh) return;
  store<u32>(alias, ((hint ^ fresh) & (GENERATION_LIMIT << 1)) == 0 ? fresh | MANY : fresh);
}

/** Translates a read at `lin` (one page) through `table` on a miss. The host address of the byte, or 0 with missAddress set outside RAM. */
export function fillRead(table: u32, lin: u32): u32 {
  if (table == ALIGNED_ONLY) table = USER_READ;
  const gpa = <u32>translate(lin, false, table == USER_READ);
  const host = <u32>pageForRead(gpa >>> 12);
  if (host == 0) {
    missAddress = gpa;
    return 0;
  }
  if (host != POOL_BASE) enter(table, lin, host);
  return host + (lin & 0xfff);
}

/**
 * Translates a write at `lin` (one page) through `table` on a miss. The host address of the byte, or 0 with missAddress set outside RAM.
 * The caller must look at CODE_PAGES before it stores: only pages without code get an entry.
 */
export function fillWrite(table: u32, lin: u32): u32 {
  if (table == ALIGNED_ONLY) table = USER_WRITE;
  const gpa = <u32>translate(lin, true, table == USER_WRITE);
  const host = <u32>writablePage(gpa >>> 12);
  if (host == 0) {
    missAddress = gpa;
    return 0;
  }
  if (load<u32>(CODE_PAGES + ((host - POOL_BASE) >>> 12 << 2)) == 0) enter(table, lin, host);
  return host + (lin & 0xfff);
}
