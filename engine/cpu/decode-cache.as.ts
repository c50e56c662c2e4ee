/**
 * Decoded instructions by physical page (DESIGN.md section 3). Per page with code a header; per decode key of that page a record with an index from byte offset
 * to op; ops in straight runs. Everything lies in one arena that is emptied whole when it is full.
 *
 *   CODE_PAGES[ppn] → header  4 × u32 record by key, bitmap of decoded bytes (4,096 bits)
 *                     record  u32 first run, then at RECORD_INDEX 4,096 × u32 op address
 *                     run     u32 next run, u32 slots, then at RUN_OPS the ops; the last one is H_RESYNC, H_GOTO or H_STEP or transfers control
 *
 * Dropping a page's code turns each of its ops into H_RESYNC, so a pointer to an op stays valid, wherever it was kept, until the arena is emptied:
 * whoever follows it goes on by EIP. The arena is emptied only between instructions, in findOp().
 */
import { CODE_PAGES, CPU_BLOCK, DECODE_BASE, DECODE_END, POOL_BASE, TLB_BASE } from '../memory/layout';
import { CPL, RIP, SEG_BASE, SEG_CS, SEG_LIMIT } from './block';
import { KEY_FLAT, KEY_USER, OP_HANDLER, OP_LENGTH, OP_OFFSET, OP_PLAIN, OP_RUN, OP_SIZE, OP_TARGET } from './op';
import { ARENA_TOP, CODE_DROPS, CODE_STAMP, MODE_KEY, PAGE_EIP, PAGE_INDEX } from './scratch';
import { H_GOTO, H_RESYNC, H_STEP } from './handlers';
import { decodeOne, endsRun } from './decode.as';
import { fuse } from './fuse.as';
import { dropPageWriteTranslations } from './tlb.as';
import { pageForRead, poolPages } from '../memory/mmm.as';
import { translateFetch, walkedGlobal } from './paging.as';

const HEADER_SIZE: u32 = 544;
const HEADER_BITMAP: u32 = 16;
const RECORD_INDEX: u32 = 32;
const RECORD_SIZE: u32 = RECORD_INDEX + 4096 * 4;
const RUN_SLOTS: u32 = 4;
const RUN_OPS: u32 = 32;
/** Instructions in a run at most: the budget is looked at at least this often. */
const RUN_LIMIT: u32 = 48;
/** What decoding may need at once. */
const ROOM: u32 = HEADER_SIZE + RECORD_SIZE + RUN_OPS + (RUN_LIMIT + 2) * OP_SIZE;

/** Code TLB: linear page and key to index: 2,048 × (u32 tag, u32 index). */
const CODE_TLB: u32 = TLB_BASE + 0x20000;
const CODE_TLB_MASK: u32 = 0x7ff;
const TAG_VALID: u32 = 8;
/** Slots of the code TLB whose page is not global, since the last CR3 load: u32 count, then 256 × u32. */
const LOCAL_CODE: u32 = TLB_BASE + 0x26000;
const LOCAL_CODE_LENGTH: u32 = 256;

/**
 * Return cache: by stack slot what a near CALL pushed there and the op to return to: 512 × (u32 EIP, u32 CODE_STAMP, u32 op, u32 PAGE_INDEX). An entry is
 * only a hint: RET compares the EIP that it pops.
 */
const RETURNS: u32 = TLB_BASE + 0x24000;
const RETURNS_SIZE: u32 = 512 * 16;
@inline export function returnSlot(esp: u32): u32 { return RETURNS + ((esp << 2) & (RETURNS_SIZE - 16)); }

/** Drops the linear-to-code map, and with it links between pages and the return cache. */
export function flushCodeTlb(): void {
  memory.fill(CODE_TLB, 0, (CODE_TLB_MASK + 1) << 3);
  store<u32>(LOCAL_CODE, 0);
  nextStamp();
}

/** Ends the validity of links between pages and of the return cache. */
function nextStamp(): void {
  const stamp = load<u32>(CODE_STAMP) + 8;
  store<u32>(CODE_STAMP, stamp);
  if (stamp < 8) restartStamps();
}

/** A CR3 load: drops of the linear-to-code map what is not global. */
export function flushLocalCode(): void {
  const count = load<u32>(LOCAL_CODE);
  if (count > LOCAL_CODE_LENGTH) {
    flushCodeTlb();
    return;
  }
  if (count == 0) return;
  for (let i: u32 = 1; i <= count; i++) store<u64>(load<u32>(LOCAL_CODE + (i << 2)), 0);
  store<u32>(LOCAL_CODE, 0);
  nextStamp();
}

/** Stamps start again from the beginning: nothing may carry an old one. */
function restartStamps(): void {
  store<u32>(CODE_STAMP, load<u32>(MODE_KEY) | 8);
  memory.fill(RETURNS, 0, RETURNS_SIZE);
  for (let ppn: u32 = 0; ppn < poolPages(); ppn++) dropCode(ppn);
}

/** For resetDerived() and a full arena. */
export function emptyArena(): void {
  memory.fill(CODE_PAGES, 0, poolPages() << 2);
  store<u32>(ARENA_TOP, DECODE_BASE);
  flushCodeTlb();
}

/** Drops the code decoded from machine page `ppn`, if any. */
export function dropCode(ppn: u32): void {
  const at = CODE_PAGES + (ppn << 2);
  const header = load<u32>(at);
  if (header == 0) return;
  store<u32>(at, 0);
  store<u32>(CODE_DROPS, load<u32>(CODE_DROPS) + 1);
  for (let key: u32 = 0; key < 4; key++) {
    const record = load<u32>(header + (key << 2));
    if (record == 0) continue;
    for (let run = load<u32>(record); run != 0; run = load<u32>(run)) {
      let op = run + RUN_OPS;
      for (let end = op + load<u32>(run, 4) * OP_SIZE; op < end; op += OP_SIZE) {
        store<u16>(op, H_RESYNC, OP_HANDLER);
        store<u16>(op, H_RESYNC, OP_PLAIN);
        store<u16>(op, 0, OP_RUN);
      }
    }
  }
  flushCodeTlb();
}

/** `size` bytes at `offset` of page `ppn`, which holds decoded code, have been written: drops the code if they belong to it. */
export function noteCodeWrite(ppn: u32, offset: u32, size: u32): void {
  const bitmap = load<u32>(CODE_PAGES + (ppn << 2)) + HEADER_BITMAP;
  for (let i = offset; i < offset + size; i++) {
    if (<u32>load<u8>(bitmap + (i >>> 3)) & (<u32>1 << (i & 7))) {
      dropCode(ppn);
      return;
    }
  }
}

function mark(header: u32, offset: u32, length: u32): void {
  for (let i = offset; i < offset + length; i++) {
    const byte = header + HEADER_BITMAP + (i >>> 3);
    store<u8>(byte, <u8>(<u32>load<u8>(byte) | (<u32>1 << (i & 7))));
  }
}

function take(size: u32): u32 {
  const at = load<u32>(ARENA_TOP);
  store<u32>(ARENA_TOP, at + size);
  return at;
}

function recordOf(ppn: u32, key: u32): u32 {
  let header = load<u32>(CODE_PAGES + (ppn << 2));
  if (header == 0) {
    header = take(HEADER_SIZE);
    memory.fill(header, 0, HEADER_SIZE);
    store<u32>(CODE_PAGES + (ppn << 2), header);
    dropPageWriteTranslations(ppn);
  }
  const slot = header + (key << 2);
  let record = load<u32>(slot);
  if (record == 0) {
    record = take(RECORD_SIZE);
    memory.fill(record, 0, RECORD_SIZE);
    store<u32>(slot, record);
  }
  return record;
}

/** Decodes from `offset` of the page at host address `host` to the end of the straight run; returns the first op. */
function decodeRun(record: u32, header: u32, host: u32, offset: u32, key: u32): u32 {
  const index = record + RECORD_INDEX;
  const run = take(RUN_OPS);
  const first = run + RUN_OPS;
  let op = first;
  let count: u32 = 0;
  let ends = false;
  while (!ends) {
    const known = offset < 4096 ? load<u32>(index + (offset << 2)) : 0;
    if (offset < 4096 && known == 0 && count < RUN_LIMIT && decodeOne(op, host + offset, host + 4096, offset, key)) {
      ends = endsRun;
      store<u32>(index + (offset << 2), op);
      const length = <u32>load<u8>(op, OP_LENGTH);
      mark(header, offset, length);
      offset += length;
      count++;
    } else {
      ends = true;
      memory.fill(op, 0, OP_SIZE);
      store<u16>(op, <u16>offset, OP_OFFSET);
      if (known != 0) {
        store<u16>(op, H_GOTO, OP_HANDLER);
        store<u32>(op, known, OP_TARGET);
      } else if (offset < 4096 && count < RUN_LIMIT) {
        store<u16>(op, H_STEP, OP_HANDLER);
        if (count == 0) store<u32>(index + (offset << 2), op);
      } // else H_RESYNC
    }
    op += OP_SIZE;
  }
  store<u32>(ARENA_TOP, op);
  store<u32>(run, load<u32>(record));
  store<u32>(run, (op - first) / OP_SIZE, RUN_SLOTS);
  store<u32>(record, run);
  for (let i: u32 = 0; i < count; i++) {
    store<u16>(first + i * OP_SIZE, <u16>(count - i), OP_RUN);
    if (i + 1 < count) fuse(first + i * OP_SIZE);
  }
  return first;
}

/** The op at linear address `lin` = CS base + `eip` when it is decoded and at hand, which becomes the page being executed; else 0. */
export function lookup(eip: u32, lin: u32): u32 {
  const slot = CODE_TLB + ((lin >>> 12) & CODE_TLB_MASK) * 8;
  if (load<u32>(slot) != ((lin & ~0xfff) | load<u32>(MODE_KEY) | TAG_VALID)) return 0;
  const index = load<u32>(slot, 4);
  const op = load<u32>(index + ((lin & 0xfff) << 2));
  if (op == 0) return 0;
  store<u32>(PAGE_INDEX, index);
  store<u32>(PAGE_EIP, eip - (lin & 0xfff));
  return op;
}

/** The op at CS:RIP, decoded now if need be; 0 when the instruction there must be executed alone. May raise #PF. */
export function findOp(): u32 {
  const eip = load<u32>(CPU_BLOCK + RIP);
  const lin = eip + load<u32>(CPU_BLOCK + SEG_CS + SEG_BASE);
  const offset = lin & 0xfff;
  const key = load<u32>(MODE_KEY);
  if (!(key & KEY_FLAT)) {
    // Within a cached page nobody looks at the limit of CS.
    const limit = load<u32>(CPU_BLOCK + SEG_CS + SEG_LIMIT);
    const last = eip + (4095 - offset);
    if (last > limit || last < eip || eip < offset) return 0;
  }
  const hit = lookup(eip, lin);
  if (hit != 0) return hit;
  const host = <u32>pageForRead(<u32>translateFetch(lin & ~0xfff | offset, load<u32>(CPU_BLOCK + CPL) == 3) >>> 12);
  if (host <= <u32>POOL_BASE) return 0;
  if (load<u32>(ARENA_TOP) + ROOM > <u32>DECODE_END) emptyArena();
  const ppn = (host - POOL_BASE) >>> 12;
  const record = recordOf(ppn, key & ~KEY_USER);
  const index = record + RECORD_INDEX;
  let op = load<u32>(index + (offset << 2));
  if (op == 0) op = decodeRun(record, load<u32>(CODE_PAGES + (ppn << 2)), host, offset, key);
  const slot = CODE_TLB + ((lin >>> 12) & CODE_TLB_MASK) * 8;
  if (!walkedGlobal) {
    const count = load<u32>(LOCAL_CODE);
    if (count < LOCAL_CODE_LENGTH) store<u32>(LOCAL_CODE + 4 + (count << 2), slot);
    store<u32>(LOCAL_CODE, min(count, LOCAL_CODE_LENGTH) + 1);
  }
  store<u32>(slot, (lin & ~0xfff) | key | TAG_VALID);
  store<u32>(slot, index, 4);
  store<u32>(PAGE_INDEX, index);
  store<u32>(PAGE_EIP, eip - offset);
  return op;
}
