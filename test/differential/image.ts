/**
 * The differential test's guest: a Multiboot 1 image (flat, own bytes) with a runtime that executes snippets one after the other, each from
 * known registers and memory, and writes what came out to COM1, one line a snippet (record.ts).
 *
 *   0000_7000  the snippet's code, copied here              0002_2000  ordinary page
 *   0000_8000  scratch memory, 1 KiB; the stack at its end  0002_3000  supervisor page
 *   0001_f000  ordinary page                                0002_4000  ordinary page
 *   0002_0000  absent page                                  0002_f000  top of the runtime's stack
 *   0002_1000  read-only page                               0003_0000  page directory and tables: the first 16 MiB, identity
 *                                                           0010_0000  the image: runtime (supervisor), then the snippets
 */
import { Assembler } from './assembler.ts';

export const CODE = 0x7000;
export const SCRATCH = 0x8000;
export const SCRATCH_SIZE = 0x400;
export const STACK = 0x83c0;
export const ABSENT_PAGE = 0x20000;
export const READ_ONLY_PAGE = 0x21000;
export const SUPERVISOR_PAGE = 0x23000;
export const AFTER_PAGE = 0x24000;
const RUNTIME_STACK = 0x2f000;
const PAGE_DIRECTORY = 0x30000;
const IMAGE = 0x100000;
/** Where the snippets start: pages of their own after the runtime. */
const SNIPPETS = IMAGE + 0x2000;

/** Without or with PAE and no-execute. */
export type Paging = 'legacy' | 'pae';

/** Selectors of the guest's GDT. */
export const CODE0 = 0x08;
export const DATA0 = 0x10;
export const CODE3 = 0x1b;
export const DATA3 = 0x23;
const TSS = 0x28;
export const DATA_ABSENT = 0x33;
export const DATA_SMALL = 0x3b; // base SCRATCH, limit FFh
export const DATA_DOWN = 0x43; // expand-down: offsets above 80FFh
export const DATA_READ_ONLY = 0x4b;
export const CODE_EXECUTE_ONLY = 0x53;
export const CODE_CONFORMING = 0x5b;
export const CODE16 = 0x63;
export const STACK16 = 0x6b;
export const CODE_ABSENT = 0x73;
export const CALL_GATE = 0x7b; // to `int 20h` in ring 0
export const LAST_SELECTOR = 0x7b;

/** The vector that ends a snippet. */
export const END_VECTOR = 0x20;

export const RING0 = 0;
export const RING3 = 1;
/** Ring 3 in a 16-bit code segment with a 16-bit stack. */
export const RING3_16 = 2;
export const VIRTUAL_8086 = 3;
export type Mode = typeof RING0 | typeof RING3 | typeof RING3_16 | typeof VIRTUAL_8086;

export interface SnippetImage {
  readonly mode: Mode;
  readonly code: readonly number[];
  /** Where the code is put. */
  readonly base: number;
  /** In encoding order. */
  readonly registers: Uint32Array;
  readonly eflags: number;
  readonly seed: number;
  /** Copied over the start of scratch; whole dwords. */
  readonly scratch: readonly number[];
  /** 0 nothing, 1 x87 and SSE state as checksums, 2 in full. */
  readonly dump: 0 | 1 | 2;
}

// The snippet record in the image: the address of the next one (0 = the end) first.
const EFLAGS = 4;
const REGISTERS = 8;
const SEED = 40;
const SCRATCH_DWORDS = 44;
const MODE = 45;
const DUMP = 46;
const CODE_BYTES = 47;
const BASE = 48;
const HEADER = 52;

// The interrupt frame as the common handler completes it, from EBP up.
const F_GS = 0;
const F_DS = 12;
const F_ESP = 28;
const F_VECTOR = 48;
const F_ERROR = 52;
const F_EIP = 56;
const F_CS = 60;
const F_EFLAGS = 64;
const F_OUTER_ESP = 68;
const FRAME_DWORDS = 23;

function descriptor(base: number, limit: number, access: number, flags: number): number[] {
  return [limit, limit >> 8, base, base >> 8, base >> 16, access, (flags << 4) | ((limit >> 16) & 15), base >> 24];
}

function gdt(a: Assembler): void {
  a.align(16).label('gdt').dd(0, 0);
  a.db(...descriptor(0, 0xfffff, 0x9b, 0xc), ...descriptor(0, 0xfffff, 0x93, 0xc)); // 08 10
  a.db(...descriptor(0, 0xfffff, 0xfb, 0xc), ...descriptor(0, 0xfffff, 0xf3, 0xc)); // 18 20
  a.label('tss descriptor').db(...descriptor(0, 0x67, 0x89, 0)); // 28, its base is filled in at run time
  a.db(...descriptor(0, 0xfffff, 0x73, 0xc), ...descriptor(SCRATCH, 0xff, 0xf3, 0x4)); // 30 38
  a.db(...descriptor(0, 0x80ff, 0xf7, 0x4), ...descriptor(0, 0xfffff, 0xf1, 0xc)); // 40 48
  a.db(...descriptor(0, 0xfffff, 0xf9, 0xc), ...descriptor(0, 0xfffff, 0x9f, 0xc)); // 50 58
  a.db(...descriptor(0, 0xffff, 0xfb, 0), ...descriptor(0, 0xffff, 0xf3, 0)); // 60 68
  a.db(...descriptor(0, 0xfffff, 0x7b, 0xc)); // 70
  a.label('call gate').dd(0, 0); // 78
  a.label('gdt end');
}

/** Memory that a snippet may change: filled before it, summed after it. */
const REGIONS: readonly (readonly [start: number, dwords: number])[] = [
  [SCRATCH, SCRATCH_SIZE / 4],
  [ABSENT_PAGE - 64, 16],
  [READ_ONLY_PAGE + 0x1000, 16],
  [SUPERVISOR_PAGE - 64, 32],
  [AFTER_PAGE - 64, 16],
  [AFTER_PAGE, 16],
];

/** Machine code of the runtime; the comments are its source. */
function start(a: Assembler, paging: Paging): void {
  a.label('start').db(0xfa, 0xfc); //                cli; cld
  a.db(0xbc).dd(RUNTIME_STACK); //                   mov esp, RUNTIME_STACK
  a.db(0x0f, 0x01, 0x15).dd('gdtr'); //              lgdt [gdtr]
  a.db(0x0f, 0x01, 0x1d).dd('idtr'); //              lidt [idtr]
  a.db(0xea).dd('flat').dw(CODE0); //                jmp CODE0:flat
  a.label('flat').db(0xb8).dd(DATA0); //             mov eax, DATA0
  a.db(0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0, 0x8e, 0xe0, 0x8e, 0xe8); // mov ds/es/ss/fs/gs, ax
  if (paging === 'pae') pagesPae(a);
  else pagesLegacy(a);
  a.db(0xb8)
    .dd(paging === 'pae' ? 0x620 : 0x600)
    .db(0x0f, 0x22, 0xe0); // mov cr4, OSXMMEXCPT OSFXSR (PAE)
  a.db(0xb8).dd(0x80010033).db(0x0f, 0x22, 0xc0); //  mov cr0, PG WP NE ET MP PE
  a.db(0x31, 0xc0, 0x0f, 0x00, 0xd0); //              xor eax, eax; lldt ax
  a.db(0xb8).dd(TSS).db(0x0f, 0x00, 0xd8); //         mov eax, TSS; ltr ax
  a.db(0xb0, 0xff, 0xe6, 0x21, 0xe6, 0xa1); //        mov al, 0ffh; out 21h, al; out 0a1h, al
  a.db(0x66, 0xba).dw(0x3f9).db(0x30, 0xc0, 0xee); // mov dx, 3f9h; xor al, al; out dx, al
  a.db(0xdb, 0xe3, 0x0f, 0xae, 0x05).dd('clean'); //  fninit; fxsave [clean]
  a.db(0xc7, 0x05).dd('cursor', SNIPPETS); //         mov dword [cursor], SNIPPETS
}

/** Pages by their rights: P, R/W, U/S, and bit 63 of a PAE entry. */
const RIGHTS: readonly (readonly [page: number, rights: number, noExecute?: boolean])[] = [
  [ABSENT_PAGE, 6],
  [READ_ONLY_PAGE, 5],
  [SUPERVISOR_PAGE, 3],
  [AFTER_PAGE, 7, true],
  ...pagesOf(RUNTIME_STACK - 0x1000, PAGE_DIRECTORY + 0xa000),
  ...pagesOf(IMAGE, SNIPPETS),
];

function pagesOf(from: number, to: number): (readonly [page: number, rights: number])[] {
  return Array.from({ length: (to - from) / 0x1000 }, (_, i) => [from + i * 0x1000, 3] as const);
}

/** A directory and four tables, 32-bit entries. */
function pagesLegacy(a: Assembler): void {
  fillTable(a, PAGE_DIRECTORY + 0x1000, 7, 4096);
  fillTable(a, PAGE_DIRECTORY, PAGE_DIRECTORY + 0x1007, 4);
  for (const [page, rights] of RIGHTS) setDword(a, PAGE_DIRECTORY + 0x1000 + (page >>> 10), page | rights);
  a.db(0xb8).dd(PAGE_DIRECTORY).db(0x0f, 0x22, 0xd8); // mov cr3, PAGE_DIRECTORY
}

/** Directory pointers, a directory and eight tables, 64-bit entries, with EFER.NXE. */
function pagesPae(a: Assembler): void {
  const pointers = PAGE_DIRECTORY + 0x9000;
  for (const [table, first, entries] of [
    [PAGE_DIRECTORY + 0x1000, 7, 4096],
    [PAGE_DIRECTORY, PAGE_DIRECTORY + 0x1007, 8],
    [pointers, PAGE_DIRECTORY + 1, 1],
  ] as const) {
    a.db(0xbf).dd(table).db(0xb8).dd(first).db(0xb9).dd(entries); // mov edi, table; mov eax, first; mov ecx, entries
    a.db(0xab, 0x83, 0x27, 0, 0x83, 0xc7, 4, 0x05).dd(0x1000).db(0xe2, 0xf2); // l: stosd; and dword [edi], 0; add edi, 4; add eax, 1000h; loop l
  }
  for (const [page, rights, noExecute] of RIGHTS) {
    const entry = PAGE_DIRECTORY + 0x1000 + (page >>> 9);
    setDword(a, entry, page | rights);
    if (noExecute === true) setDword(a, entry + 4, 0x80000000);
  }
  a.db(0xb9).dd(0xc0000080).db(0x0f, 0x32, 0x80, 0xcc, 8, 0x0f, 0x30); // mov ecx, EFER; rdmsr; or ah, NXE >> 8; wrmsr
  a.db(0xb8).dd(pointers).db(0x0f, 0x22, 0xd8); // mov cr3, pointers
}

function fillTable(a: Assembler, table: number, first: number, entries: number): void {
  a.db(0xbf).dd(table).db(0xb8).dd(first).db(0xb9).dd(entries); // mov edi, table; mov eax, first; mov ecx, entries
  a.db(0xab, 0x05).dd(0x1000).db(0xe2, 0xf8); //                   l: stosd; add eax, 1000h; loop l
}

function setDword(a: Assembler, at: number, value: number): void {
  a.db(0xc7, 0x05).dd(at, value); // mov dword [at], value
}

function beginSnippet(a: Assembler): void {
  a.label('next').db(0xbc).dd(RUNTIME_STACK); //     mov esp, RUNTIME_STACK
  a.db(0x8b, 0x35).dd('cursor'); //                  mov esi, [cursor]
  a.db(0x83, 0x3e, 0x00, 0x0f, 0x84).relative('done'); // cmp dword [esi + NEXT], 0; je done
  a.db(0x8b, 0x46, SEED); //                         mov eax, [esi + SEED]
  for (const [at, dwords] of REGIONS) {
    a.db(0xbf).dd(at).db(0xb9).dd(dwords); //        mov edi, at; mov ecx, dwords
    a.db(0xe8).relative('scramble').db(0xab, 0xe2, 0xf8); // l: call scramble; stosd; loop l
  }
  a.db(0x0f, 0xb6, 0x4e, SCRATCH_DWORDS); //         movzx ecx, byte [esi + SCRATCH_DWORDS]
  a.db(0x8d, 0x76, HEADER, 0xbf).dd(SCRATCH).db(0xf3, 0xa5); // lea esi, [esi + HEADER]; mov edi, SCRATCH; rep movsd
  a.db(0x8b, 0x15).dd('cursor'); //                  mov edx, [cursor]
  a.db(0x0f, 0xb6, 0x4a, CODE_BYTES, 0x8b, 0x7a, BASE); // movzx ecx, byte [edx + CODE_BYTES]; mov edi, [edx + BASE]
  a.db(0xf3, 0xa4); //                               rep movsb
  a.db(0x0f, 0xae, 0x0d).dd('clean'); //             fxrstor [clean]
  a.db(0x31, 0xc0, 0x0f, 0x22, 0xd0, 0x0f, 0x23, 0xf0); // xor eax, eax; mov cr2, eax; mov dr6, eax
  a.db(0xb8).dd(DATA0).db(0x8e, 0xe0, 0x8e, 0xe8); // mov eax, DATA0; mov fs, ax; mov gs, ax
  a.db(0x8b, 0x35).dd('cursor').db(0x8a, 0x46, MODE); // mov esi, [cursor]; mov al, [esi + MODE]
  a.db(0x3c, RING3, 0x0f, 0x84).relative('ring 3'); // cmp al, RING3; je …
  a.db(0x3c, RING3_16, 0x0f, 0x84).relative('ring 3, 16 bits');
  a.db(0x3c, VIRTUAL_8086, 0x0f, 0x84).relative('virtual 8086');
  a.db(0x8b, 0x66, REGISTERS + 16); //               mov esp, [esi + REGISTERS + 16]
  a.db(0xff, 0x76, EFLAGS, 0x6a, CODE0, 0xff, 0x76, BASE, 0xe9).relative('general'); // push eflags, cs, eip; jmp general
  a.label('ring 3').db(0x6a, DATA3, 0xff, 0x76, REGISTERS + 16, 0xff, 0x76, EFLAGS, 0x6a, CODE3, 0xff, 0x76, BASE);
  a.db(0xe9).relative('segments');
  a.label('ring 3, 16 bits').db(0x6a, STACK16, 0xff, 0x76, REGISTERS + 16, 0xff, 0x76, EFLAGS, 0x6a, CODE16, 0xff, 0x76, BASE);
  a.db(0xe9).relative('segments');
  a.label('virtual 8086').db(0x6a, 0, 0x6a, 0, 0x6a, 0, 0x6a, 0); // push 0: gs, fs, ds, es
  a.db(0x6a, 0, 0xff, 0x76, REGISTERS + 16, 0xff, 0x76, EFLAGS, 0x6a, 0, 0xff, 0x76, BASE, 0xe9).relative('general');
  a.label('segments').db(0xb8).dd(DATA3).db(0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xe0, 0x8e, 0xe8); // ds, es, fs, gs = DATA3
  a.label('general').db(0x8b, 0x46, REGISTERS, 0x8b, 0x4e, REGISTERS + 4, 0x8b, 0x56, REGISTERS + 8); // mov eax/ecx/edx, …
  a.db(0x8b, 0x5e, REGISTERS + 12, 0x8b, 0x6e, REGISTERS + 20, 0x8b, 0x7e, REGISTERS + 28, 0x8b, 0x76, REGISTERS + 24); // ebx ebp edi esi
  a.db(0xcf); //                                     iretd
}

/** Exceptions that push an error code (SDM 3A table 6-1). */
const WITH_ERROR = new Set([8, 10, 11, 12, 13, 14, 17]);

function stubs(a: Assembler): void {
  for (let vector = 0; vector <= END_VECTOR; vector++) {
    a.label(`vector ${vector}`);
    if (!WITH_ERROR.has(vector)) a.db(0x6a, 0); //   push 0
    a.db(0x6a, vector, 0xe9).relative('common'); //  push vector; jmp common
  }
}

function endSnippet(a: Assembler): void {
  a.label('common').db(0x60, 0x1e, 0x06, 0x0f, 0xa0, 0x0f, 0xa8); // pushad; push ds, es, fs, gs
  a.db(0xb8).dd(DATA0).db(0x8e, 0xd8, 0x8e, 0xc0, 0xfc, 0x89, 0xe5); // ds = es = DATA0; cld; mov ebp, esp
  // The interrupted ESP: pushed by a change of level, else what lies above the frame.
  a.db(0xf6, 0x45, F_EFLAGS + 2, 2, 0x0f, 0x85).relative('outer'); //  test byte [ebp + F_EFLAGS + 2], VM; jnz outer
  a.db(0xf6, 0x45, F_CS, 3, 0x0f, 0x85).relative('outer'); //          test byte [ebp + F_CS], 3; jnz outer
  a.db(0x8d, 0x45, F_OUTER_ESP, 0x89, 0x45, F_ESP); //                 lea eax, [ebp + F_OUTER_ESP]; mov [ebp + F_ESP], eax
  a.db(0x89, 0xee, 0xbf).dd('frame').db(0xb9).dd(FRAME_DWORDS).db(0xf3, 0xa5); // copy to frame
  // The frame lies on the snippet's own stack: clear it, it holds flags that may be undefined.
  a.db(0x89, 0xef, 0x31, 0xc0, 0xb9)
    .dd(F_OUTER_ESP / 4)
    .db(0xf3, 0xab, 0xe9)
    .relative('print');
  a.label('outer').db(0x8b, 0x45, F_OUTER_ESP, 0x89, 0x45, F_ESP);
  a.db(0x89, 0xee, 0xbf).dd('frame').db(0xb9).dd(FRAME_DWORDS).db(0xf3, 0xa5);
  a.label('print').db(0xbc).dd(RUNTIME_STACK).db(0xbd).dd('frame'); // mov esp, RUNTIME_STACK; mov ebp, frame
  a.db(0xf6, 0x45, F_EFLAGS + 2, 2, 0x0f, 0x84).relative('protected');
  for (const [from, to] of [
    [76, 8],
    [80, 12],
    [84, 4],
    [88, 0],
  ] as const)
    a.db(0x8b, 0x45, from, 0x89, 0x45, to); // V86 segments
  a.label('protected');
  for (let at = 44; at >= 16; at -= 4) a.db(0x8b, 0x45, at, 0xe8).relative('hex'); // eax ecx edx ebx esp ebp esi edi
  for (const at of [F_EFLAGS, F_VECTOR, F_ERROR]) a.db(0x8b, 0x45, at, 0xe8).relative('hex');
  a.db(0x8b, 0x35).dd('cursor').db(0x8b, 0x45, F_EIP, 0x2b, 0x46, BASE, 0xe8).relative('hex'); // mov esi, [cursor]; … sub eax, [esi + BASE]
  a.db(0x0f, 0x20, 0xd0, 0xe8).relative('hex'); //                     mov eax, cr2; call hex
  a.db(0x0f, 0x21, 0xf0, 0xe8).relative('hex'); //                     mov eax, dr6; call hex
  for (const at of [F_DS - 4, F_DS, F_GS + 4, F_GS]) a.db(0x0f, 0xb7, 0x45, at, 0xe8).relative('hex'); // es ds fs gs
  a.db(0x31, 0xc0);
  for (const [at, dwords] of REGIONS) a.db(0xbe).dd(at).db(0xb9).dd(dwords).db(0xe8).relative('sum');
  a.db(0xe8).relative('hex');
  dumpFpu(a);
  a.label('end of line').db(0xb0, 0x0a, 0xe8).relative('putc');
  a.db(0x8b, 0x35).dd('cursor').db(0x8b, 0x06, 0xa3).dd('cursor').db(0xe9).relative('next'); // cursor = [cursor + NEXT]
  a.label('done');
  for (const character of 'END\n') a.db(0xb0, character.charCodeAt(0), 0xe8).relative('putc');
  a.db(0x30, 0xc0, 0xe6, 0xf4); //                                     xor al, al; out 0f4h, al
  a.label('stop').db(0xf4, 0xe9).relative('stop');
}

function dumpFpu(a: Assembler): void {
  a.db(0x8b, 0x35).dd('cursor').db(0x8a, 0x46, DUMP, 0x84, 0xc0, 0x0f, 0x84).relative('end of line');
  a.db(0x0f, 0xae, 0x05).dd('state').db(0xa1).dd('state').db(0xe8).relative('hex'); //  FSW:FCW
  a.db(0x0f, 0xb6, 0x05).dd('state tags').db(0xe8).relative('hex');
  a.db(0xa1).dd('state mxcsr').db(0xe8).relative('hex');
  a.db(0x8b, 0x35).dd('cursor').db(0x80, 0x7e, DUMP, 2, 0x0f, 0x84).relative('in full');
  // Of each register the significand and the head (sign and exponent) go into sums of their own.
  a.db(0x31, 0xc0, 0xbe).dd('state st');
  for (let i = 0; i < 8; i++) a.db(0xb9).dd(2).db(0xe8).relative('sum').db(0x83, 0xc6, 8); // mov ecx, 2; call sum; add esi, 8
  a.db(0xe8).relative('hex').db(0x31, 0xc0, 0xbe).dd('state st');
  for (let i = 0; i < 8; i++) a.db(0x83, 0xc6, 8, 0xb9).dd(2).db(0xe8).relative('sum'); // add esi, 8; mov ecx, 2; call sum
  a.db(0xe8).relative('hex');
  a.db(0x31, 0xc0, 0xbe).dd('state xmm').db(0xb9).dd(32).db(0xe8).relative('sum').db(0xe8).relative('hex');
  a.db(0xe9).relative('end of line');
  a.label('in full').db(0xbe).dd('state st').db(0xb9).dd(64);
  a.label('dword').db(0x51, 0x8b, 0x06, 0xe8).relative('hex').db(0x83, 0xc6, 4, 0x59, 0x49, 0x0f, 0x85).relative('dword');
}

function routines(a: Assembler): void {
  // Prints EAX as eight hexadecimal digits.
  a.label('hex').db(0xb9).dd(8); //                                    mov ecx, 8
  a.label('digit').db(0xc1, 0xc0, 4, 0x50, 0x24, 15, 0x04, 0x30, 0x3c, 0x3a, 0x72, 2, 0x04, 0x27); // rol eax, 4; push eax; …
  a.db(0xe8).relative('putc').db(0x58, 0x49, 0x0f, 0x85).relative('digit').db(0xc3);
  // Sends AL when the transmitter is empty.
  a.label('putc').db(0x52, 0x88, 0xc4, 0x66, 0xba).dw(0x3fd).db(0xec, 0xa8, 0x20, 0x74, 0xfb);
  a.db(0x66, 0xba).dw(0x3f8).db(0x88, 0xe0, 0xee, 0x5a, 0xc3);
  // xorshift32
  a.label('scramble').db(
    0x89,
    0xc2,
    0xc1,
    0xe2,
    13,
    0x31,
    0xd0,
    0x89,
    0xc2,
    0xc1,
    0xea,
    17,
    0x31,
    0xd0,
    0x89,
    0xc2,
    0xc1,
    0xe2,
    5,
    0x31,
    0xd0,
    0xc3,
  );
  // l: rol eax, 5; xor eax, [esi]; add esi, 4; loop l; ret
  a.label('sum').db(0xc1, 0xc0, 5, 0x33, 0x06, 0x83, 0xc6, 4, 0xe2, 0xf6, 0xc3);
  a.label('gate target').db(0xcd, END_VECTOR);
}

function data(a: Assembler): void {
  gdt(a);
  a.align(16).label('idt');
  for (let i = 0; i <= END_VECTOR; i++) a.dd(0, 0);
  a.label('idt end');
  a.label('gdtr')
    .dw(LAST_SELECTOR | 7)
    .dd('gdt');
  a.label('idtr')
    .dw(END_VECTOR * 8 + 7)
    .dd('idt');
  a.align(16).label('tss').dd(0, RUNTIME_STACK, DATA0);
  for (let i = 3; i < 25; i++) a.dd(0);
  a.dw(0, 0x68); // no I/O bitmap
  a.label('cursor').dd(0).label('frame');
  for (let i = 0; i < FRAME_DWORDS; i++) a.dd(0);
  a.align(16).label('clean');
  for (let i = 0; i < 128; i++) a.dd(0);
  a.label('state').dd(0).label('state tags').dd(0, 0, 0, 0, 0).label('state mxcsr').dd(0, 0).label('state st');
  for (let i = 0; i < 32; i++) a.dd(0);
  a.label('state xmm');
  for (let i = 0; i < 88; i++) a.dd(0);
}

/** The descriptors whose bytes depend on addresses. */
function patchDescriptors(a: Assembler, image: Uint8Array): void {
  const set = (label: string, bytes: readonly number[], offset = 0) => image.set(bytes, a.address(label) - IMAGE + offset);
  set('tss descriptor', descriptor(a.address('tss'), 0x67, 0x89, 0));
  const gate = (target: number, type: number) => [target, target >> 8, CODE0, 0, 0, type, target >> 16, target >> 24];
  set('call gate', gate(a.address('gate target'), 0xec));
  for (let vector = 0; vector <= END_VECTOR; vector++) {
    const fromUser = vector === 3 || vector === 4 || vector === END_VECTOR;
    set('idt', gate(a.address(`vector ${vector}`), fromUser ? 0xee : 0x8e), vector * 8);
  }
}

/** The whole Multiboot image. */
export function buildImage(snippets: readonly SnippetImage[], paging: Paging = 'legacy'): Uint8Array {
  const a = new Assembler(IMAGE);
  const flags = 0x10000; // the addresses below are to be used
  a.label('header').dd(0x1badb002, flags, -(0x1badb002 + flags), IMAGE, IMAGE, 0, 0, 'start');
  start(a, paging);
  beginSnippet(a);
  stubs(a);
  endSnippet(a);
  routines(a);
  data(a);
  if (a.here > SNIPPETS) throw new Error('the runtime has outgrown its pages');
  a.align(0x1000);
  while (a.here < SNIPPETS) a.dd(0);
  for (const snippet of snippets) {
    // Code may run into the absent page, but can't be put there.
    const room = snippet.base < ABSENT_PAGE ? ABSENT_PAGE - snippet.base : Infinity;
    const code = [...snippet.code, 0xcd, END_VECTOR].slice(0, room);
    const end = a.here + HEADER + snippet.scratch.length + code.length;
    a.dd((end + 3) & ~3, snippet.eflags, ...snippet.registers, snippet.seed);
    a.db(snippet.scratch.length / 4, snippet.mode, snippet.dump, code.length)
      .dd(snippet.base)
      .append(snippet.scratch)
      .append(code)
      .align(4);
  }
  a.dd(0);
  const image = a.finish();
  patchDescriptors(a, image);
  return image;
}
