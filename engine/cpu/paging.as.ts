// Page walks on a TLB miss: 32-bit paging with 4 MiB pages, PAE paging with 2 MiB pages and execute-disable (SDM 3A chapter 4).
import { CPU_BLOCK } from '../memory/layout';
import { physRead32, physRead64, physWrite32 } from './access.as';
import {
  CR0_PG, CR0_WP, CR4_PAE, CR4_PGE, CR4_PSE, EFER_NXE, PF_FETCH, PF_PRESENT, PF_RESERVED, PF_USER, PF_WRITE, PHYSICAL_BITS, VEC_GP,
} from './bits';
import { cr0, cr3, cr4, efer } from './block.as';
import { A20_MASK, PDPTE } from './block';
import { raiseError, raisePageFault } from './fault.as';
import { noteLargePage } from './tlb.as';

// Bits of every paging-structure entry (SDM 3A tables 4-4 to 4-11).
const P: u32 = 0x001;
const RW: u32 = 0x002;
const US: u32 = 0x004;
const A: u32 = 0x020;
const D: u32 = 0x040;
const PS: u32 = 0x080;
const G: u32 = 0x100;

/** Physical-address bits of a PAE entry that this CPU does not have. */
const RESERVED_HIGH: u64 = 0x7fff_ffff_ffff_ffff & ~(((1 as u64) << PHYSICAL_BITS) - 1);
const NX: u64 = 0x8000_0000_0000_0000;

/** A walk's result with bit 63 set is a page fault; its low bits are the error code. */
const FAULT: u64 = 0x8000_0000_0000_0000;
/** The last walk's page is global (SDM 3A 4.10.2.4): a CR3 load need not drop what is made of it. */
export let walkedGlobal: bool = false;
/** Access kind besides PF_WRITE, PF_USER and PF_FETCH: look only, with no check of rights and no A or D bit set. */
const PEEK: u32 = 0x100;

@inline function a20(): u32 { return load<u32>(CPU_BLOCK + A20_MASK); }

/** Physical address of a data access, or #PF. */
export function translate(lin: u32, write: bool, user: bool): u64 {
  return walkOrFault(lin, (write ? PF_WRITE : 0) | (user ? PF_USER : 0));
}

/** Physical address of an instruction fetch, or #PF. */
export function translateFetch(lin: u32, user: bool): u64 {
  return walkOrFault(lin, PF_FETCH | (user ? PF_USER : 0));
}

/** Physical address as a debugger sees it, or -1: nothing changes, nothing is raised. */
export function peekTranslate(lin: u32): i64 {
  const pa = walk(lin, PEEK);
  return pa & FAULT ? -1 : (pa as i64);
}

function walkOrFault(lin: u32, access: u32): u64 {
  const pa = walk(lin, access);
  if (pa & FAULT) raisePageFault(lin, pa as u32);
  return pa;
}

function walk(lin: u32, access: u32): u64 {
  walkedGlobal = false;
  if (!(cr0() & CR0_PG)) return (lin & a20()) as u64;
  return cr4() & CR4_PAE ? walkPae(lin, access) : walk32(lin, access);
}

@inline function fault(access: u32, code: u32): u64 {
  // I/D is defined only where execute-disable is (SDM 3A 4.7).
  const fetch: u32 = (access & PF_FETCH) != 0 && (cr4() & CR4_PAE) != 0 && (efer() & EFER_NXE) != 0 ? PF_FETCH : 0;
  return FAULT | ((access & (PF_WRITE | PF_USER)) | fetch | code) as u64;
}

/** Access rights (SDM 3A 4.6): `rights` is the AND of the entries' R/W and U/S bits. */
@inline function allowed(access: u32, rights: u32): bool {
  if (access & PEEK) return true;
  if ((access & PF_USER) && !(rights & US)) return false;
  if ((access & PF_WRITE) && !(rights & RW) && ((access & PF_USER) || (cr0() & CR0_WP))) return false;
  return true;
}

function walk32(lin: u32, access: u32): u64 {
  const mask = a20();
  const pdeAt = ((cr3() & 0xffff_f000) + ((lin >> 22) << 2)) & mask;
  const pde = physRead32(pdeAt);
  if (!(pde & P)) return fault(access, 0);
  if ((pde & PS) && (cr4() & CR4_PSE)) {
    if (pde & 0x003f_e000) return fault(access, PF_PRESENT | PF_RESERVED); // no PSE-36
    if (!allowed(access, pde)) return fault(access, PF_PRESENT);
    mark(pdeAt, pde, access, true);
    noteGlobal(pde);
    noteLargePage(lin);
    return (((pde & 0xffc0_0000) | (lin & 0x003f_ffff)) & mask) as u64;
  }
  const pteAt = ((pde & 0xffff_f000) + ((lin >> 12 & 0x3ff) << 2)) & mask;
  const pte = physRead32(pteAt);
  if (!(pte & P)) return fault(access, 0);
  if (!allowed(access, pde & pte)) return fault(access, PF_PRESENT);
  mark(pdeAt, pde, access, false);
  mark(pteAt, pte, access, true);
  noteGlobal(pte);
  return (((pte & 0xffff_f000) | (lin & 0xfff)) & mask) as u64;
}

function walkPae(lin: u32, access: u32): u64 {
  const mask = a20();
  const noExecute = (efer() & EFER_NXE) != 0;
  const reserved = noExecute ? RESERVED_HIGH : RESERVED_HIGH | NX;
  const pdpte = load<u64>(CPU_BLOCK + PDPTE + (lin >> 30) * 8);
  if (!(pdpte & P)) return fault(access, 0);
  const pdeAt = ((pdpte as u32 & 0xffff_f000) + ((lin >> 21 & 0x1ff) << 3)) & mask;
  const pde = physRead64(pdeAt);
  if (!(pde & P)) return fault(access, 0);
  if (pde & reserved) return fault(access, PF_PRESENT | PF_RESERVED);
  if (pde & PS) {
    if (pde & 0x001f_e000) return fault(access, PF_PRESENT | PF_RESERVED);
    if (!allowed(access, pde as u32) || ((access & PF_FETCH) && noExecute && (pde & NX))) return fault(access, PF_PRESENT);
    mark(pdeAt, pde as u32, access, true);
    noteGlobal(pde as u32);
    noteLargePage(lin);
    return (((pde as u32 & 0xffe0_0000) | (lin & 0x001f_ffff)) & mask) as u64;
  }
  const pteAt = ((pde as u32 & 0xffff_f000) + ((lin >> 12 & 0x1ff) << 3)) & mask;
  const pte = physRead64(pteAt);
  if (!(pte & P)) return fault(access, 0);
  if (pte & reserved) return fault(access, PF_PRESENT | PF_RESERVED);
  if (!allowed(access, (pde & pte) as u32) || ((access & PF_FETCH) && noExecute && ((pde | pte) & NX))) return fault(access, PF_PRESENT);
  mark(pdeAt, pde as u32, access, false);
  mark(pteAt, pte as u32, access, true);
  noteGlobal(pte as u32);
  return (((pte as u32 & 0xffff_f000) | (lin & 0xfff)) & mask) as u64;
}

@inline function noteGlobal(leaf: u32): void { walkedGlobal = (leaf & G) != 0 && (cr4() & CR4_PGE) != 0; }

/** Sets the accessed bit, and in the entry that maps the page the dirty bit (SDM 3A 4.8). */
@inline function mark(at: u32, entry: u32, access: u32, leaf: bool): void {
  if (access & PEEK) return;
  const wanted = entry | A | (leaf && (access & PF_WRITE) ? D : 0);
  if (wanted != entry) physWrite32(at, wanted);
}

/** Loads the PDPTE registers from the table at `table` (a CR3 value); #GP(0) on a reserved bit, with nothing changed (SDM 3A 4.4.1). */
export function loadPdptes(table: u32): void {
  checkPdptes(table);
  const at = table & 0xffff_ffe0 & a20();
  for (let i: u32 = 0; i < 4; i++) store<u64>(CPU_BLOCK + PDPTE + i * 8, physRead64(at + i * 8));
}

export function checkPdptes(table: u32): void {
  const at = table & 0xffff_ffe0 & a20();
  for (let i: u32 = 0; i < 4; i++) {
    const entry = physRead64(at + i * 8);
    if ((entry & P) && (entry & (RESERVED_HIGH | NX | 0x1e6))) raiseError(VEC_GP, 0);
  }
}
