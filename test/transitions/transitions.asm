; A Multiboot guest that walks through the system half of an x86: rings, gates, tasks, virtual-8086 and real mode, paging errors, debug traps.
; Each step writes one line to COM1: what it is, then every exception or INT that came of it as  vector:error cs:eip-offset flags eax.
; transitions.txt is the whole output.
bits 32
org 0x100000
%define LOW 0x8000              ; where 16-bit code is copied
%define STACK0 0x1f0000
%define STACK3 0x1e0000
%define STACK_INNER 0x1d0000    ; esp0 of the TSS
%define PAE_TABLES 0x300000
FLAGS_SHOWN equ 0x00027700      ; VM NT IOPL DF IF TF

header:
  dd 0x1badb002, 0x10000, -(0x1badb002 + 0x10000), header, header, end, end, start

start:
  cld
  mov al, 0xff             ; no interrupt of the PC's devices
  out 0x21, al
  out 0xa1, al
  lgdt [gdtr]
  jmp 0x08:.flat
.flat:
  mov ax, 0x10
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov fs, ax
  mov gs, ax
  mov esp, STACK0
  mov edi, idt
  mov esi, stubs
  xor ecx, ecx
.gate:
  mov eax, esi
  mov [edi], ax
  mov word [edi + 2], 8
  mov word [edi + 4], 0xee00
  shr eax, 16
  mov [edi + 6], ax
  add edi, 8
  add esi, STUB_SIZE
  inc ecx
  cmp ecx, 64
  jne .gate
  lidt [idtr]
  mov esi, low_code
  mov edi, LOW
  mov ecx, low_end - low_code
  rep movsb
  mov ax, 0x28
  ltr ax
  jmp steps

; --- output -------------------------------------------------------------------
putc: ; al
  push edx
  push eax
  mov edx, 0x3fd
.wait:
  in al, dx
  test al, 0x20
  jz .wait
  pop eax
  mov edx, 0x3f8
  out dx, al
  pop edx
  ret
puts: ; esi
  lodsb
  test al, al
  jz .done
  call putc
  jmp puts
.done:
  ret
hex: ; eax, ecx digits
  pusha
  mov edx, eax
  mov ebx, ecx
  mov ecx, 8
  sub ecx, ebx
  shl ecx, 2
  shl edx, cl
.digit:
  rol edx, 4
  mov al, dl
  and al, 15
  cmp al, 10
  jb .decimal
  add al, 'a' - '0' - 10
.decimal:
  add al, '0'
  call putc
  dec ebx
  jnz .digit
  popa
  ret
%macro PUT 1
  mov al, %1
  call putc
%endmacro
%macro HEX 2
  mov eax, %1
  mov ecx, %2
  call hex
%endmacro

; --- exceptions ---------------------------------------------------------------
%macro STUB 1
%%a:
  %if %1 == 8 || (%1 >= 10 && %1 <= 14) || %1 == 17
    push dword %1
  %else
    push dword 0
    push dword %1
  %endif
  jmp near exception
  times STUB_SIZE - ($ - %%a) db 0x90
%endmacro
STUB_SIZE equ 16
stubs:
%assign n 0
%rep 64
STUB n
%assign n n + 1
%endrep

; vector, error, eip, cs, flags, (esp, ss)
exception:
  pusha
  push ds
  push es
  mov ax, 0x10
  mov ds, ax
  mov es, ax
  mov ebp, esp
  cld
  PUT ' '
  HEX [ebp + 40], 2
  PUT ':'
  HEX [ebp + 44], 4
  PUT ' '
  HEX [ebp + 52], 4
  PUT ':'
  mov eax, [ebp + 48]
  sub eax, [origin]
  HEX eax, 4
  PUT ' '
  mov eax, [ebp + 56]
  and eax, FLAGS_SHOWN
  HEX eax, 5
  PUT ' '
  HEX [ebp + 36], 8
  PUT ';'
  mov eax, [ebp + 40]
  cmp eax, 1
  je debug
  cmp eax, 0x32
  je continue
  jmp resume
debug:
  mov eax, dr6
  and eax, 0xe00f
  PUT '<'
  mov eax, dr6
  and eax, 0xe00f
  HEX eax, 4
  PUT '>'
  xor eax, eax
  mov dr6, eax
  or dword [ebp + 56], 0x10000      ; RF
  dec dword [traps]
  jz resume
continue:
  pop es
  pop ds
  popa
  add esp, 8
  iretd
resume:
  push dword 2
  popfd
  mov ax, 0x10
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov fs, ax
  mov gs, ax
  mov esp, [resume_esp]
  jmp [resume_at]

; Step "name": what follows ends in a logged exception, which goes on at the end of the step.
%macro STEP 1
  jmp %%code
%%name: db 10, %1, ':', 0
%%code:
  mov esi, %%name
  call puts
  mov dword [resume_at], %%end
  mov dword [resume_esp], esp
  mov dword [origin], %%origin
  mov dword [traps], 64
%%origin:
%define STEP_END %%end
%endmacro
%macro END_STEP 0
STEP_END:
%endmacro
%macro RING3 1 ; flags; goes on in ring 3
  push dword 0x23
  push dword STACK3
  push dword %1
  push dword 0x1b
  push dword %%in
  iretd
%%in:
%endmacro
%macro V86 2 ; flags, offset of the code from LOW
  push dword 0      ; gs fs
  push dword 0
  push dword 0x900  ; ds
  push dword 0x900
  push dword 0x700  ; ss:sp
  push dword 0x100
  push dword 0x20000 | %1
  push dword LOW >> 4
  push dword %2 - low_code
  mov dword [origin], 0
  iretd
%endmacro

; --- steps --------------------------------------------------------------------
steps:
  STEP "ring 3 and back, data segments of ring 0 are taken away"
  RING3 0x202
  mov eax, ds
  int 0x30
  END_STEP
  STEP "INT of a ring 0 gate from ring 3"
  mov byte [idt + 0x33 * 8 + 5], 0x8e
  RING3 2
  int 0x33
  END_STEP
  STEP "privileged instructions of ring 3"
  RING3 2
  hlt
  END_STEP
  STEP "CLI of ring 3, IOPL 0"
  RING3 2
  cli
  END_STEP
  STEP "CLI of ring 3, IOPL 3; POPF keeps IOPL"
  RING3 0x3202
  cli
  push dword 0x202
  popfd
  int 0x30
  END_STEP
  STEP "32-bit call gate with two parameters"
  RING3 2
  push dword 0x11110000
  push dword 0x00002222
  call 0x4b:0
  sub esp, STACK3
  mov eax, esp
  int 0x30
  END_STEP
  STEP "16-bit call gate with three parameters"
  RING3 2
  push word 0x1000
  push word 0x0200
  push word 0x0034
  call 0x53:0
  END_STEP
  STEP "call of a segment of ring 0 from ring 3"
  RING3 2
  call 0x5b:0
  END_STEP
  STEP "jump through a call gate to an inner ring"
  RING3 2
  jmp 0x4b:0
  END_STEP
  STEP "RETF to ring 3"
  push dword 0x23
  push dword STACK3 + 8
  push dword 0x1b
  push dword .outer
  retf
.outer:
  lea eax, [esp - STACK3]
  int 0x30
  END_STEP
  STEP "RETF to an inner ring"
  RING3 2
  push dword 8
  push dword 0
  retf
  END_STEP
  STEP "conforming code keeps the ring"
  RING3 2
  call 0x80:.conforming
.conforming:
  mov eax, cs
  int 0x30
  END_STEP
  STEP "from ring 3 through ring 1 to ring 0"
  mov dword [idt + 0x34 * 8], 0x00700000 + ((ring1 - $$) & 0xffff)
  mov dword [idt + 0x34 * 8 + 4], 0x00100000 + 0xee00
  mov dword [tss + 12], STACK_INNER - 0x200
  mov dword [tss + 16], 0x79
  RING3 0x202
  int 0x34
  mov eax, 0x33
  int 0x30
  END_STEP
  STEP "null SS"
  xor eax, eax
  mov ss, ax
  END_STEP
  STEP "SS that is not present"
  mov ax, 0x88
  mov ss, ax
  END_STEP
  STEP "DS that is not present"
  mov ax, 0x88
  mov ds, ax
  END_STEP
  STEP "selector beyond the GDT"
  mov ax, 0xffc8
  mov es, ax
  END_STEP
  STEP "SYSENTER and SYSEXIT"
  mov ecx, 0x174
  mov eax, 8
  xor edx, edx
  wrmsr
  inc ecx
  mov eax, STACK_INNER - 0x100
  wrmsr
  inc ecx
  mov eax, .fast
  wrmsr
  RING3 0x202
  sysenter
.fast:
  pushfd
  pop ebx
  and ebx, 0x200
  mov ecx, STACK3 - 16
  mov edx, .exited
  sysexit
.exited:
  lea eax, [esp + ebx - STACK3]
  int 0x30
  END_STEP

  ; I/O permission bitmap: port 80h may be used, 81h not; the bitmap ends after 88h.
  STEP "IN of a permitted port"
  RING3 2
  in al, 0x80
  mov eax, 1
  int 0x30
  END_STEP
  STEP "IN of a forbidden port"
  RING3 2
  in al, 0x81
  END_STEP
  STEP "a word half forbidden"
  RING3 2
  in ax, 0x80
  END_STEP
  STEP "a port beyond the bitmap"
  RING3 2
  mov dx, 0x400
  in al, dx
  END_STEP
  STEP "any port with IOPL 3"
  RING3 0x3002
  in al, 0x81
  mov eax, 2
  int 0x30
  END_STEP

  ; Tasks
  STEP "JMP to a task and back: TS, busy bits"
  mov dword [tss2 + 0x20], task_jump
  mov dword [tss2 + 0x24], 2
  mov dword [tss2 + 0x38], 0x1c0000
  jmp 0x30:0
  call task_state
  int 0x30
  END_STEP
  STEP "CALL of a task; IRET returns"
  clts
  mov dword [tss2 + 0x20], task_iret
  mov dword [tss2 + 0x24], 2
  mov dword [tss2 + 0x38], 0x1c0000
  call 0x30:0
  call task_state
  int 0x30
  END_STEP
  STEP "INT through a task gate"
  clts
  mov dword [idt + 0x31 * 8], 0x00300000
  mov dword [idt + 0x31 * 8 + 4], 0xe500
  mov dword [tss2 + 0x20], task_iret
  mov dword [tss2 + 0x24], 2
  mov dword [tss2 + 0x38], 0x1c0000
  int 0x31
  call task_state
  int 0x30
  END_STEP
  STEP "CALL of a task gate from ring 3"
  clts
  mov dword [tss2 + 0x20], task_iret
  mov dword [tss2 + 0x24], 2
  mov dword [tss2 + 0x38], 0x1c0000
  RING3 2
  call 0x43:0
  mov eax, cs
  int 0x30
  END_STEP
  STEP "CALL of a 16-bit task"
  clts
  mov word [tss16 + 0x0e], task16 - low_code + LOW
  mov word [tss16 + 0x10], 2
  mov word [tss16 + 0x1a], 0x7000
  mov ebx, 0xabcd1234
  call 0x38:0
  movzx eax, word [task16_result]
  int 0x32
  movzx eax, word [tss16 + 0x12]
  int 0x30
  END_STEP
  STEP "a busy task"
  jmp 0x28:0
  END_STEP
  STEP "a task with a DS that is not present: #NP in the new task"
  mov dword [tss2 + 0x20], task_iret
  mov dword [tss2 + 0x24], 2
  mov dword [tss2 + 0x54], 0x88
  mov dword [origin], task_iret
  mov dword [resume_at], .back
  jmp 0x30:0
.back:
  mov dword [tss2 + 0x54], 0x10
  mov dword [resume_at], STEP_END
  mov byte [gdt + 0x28 + 5], 0x89
  mov dword [origin], .back
  jmp 0x28:0
  END_STEP
  mov byte [gdt + 0x30 + 5], 0x89
  STEP "a task with the T flag: a trap before its first instruction"
  mov word [tss2 + 0x64], 1
  mov dword [tss2 + 0x20], task_iret
  mov dword [tss2 + 0x24], 2
  mov dword [traps], 1
  mov dword [origin], task_iret
  mov dword [resume_at], .trapped
  jmp 0x30:0
.trapped:
  mov word [tss2 + 0x64], 0
  END_STEP
  mov byte [gdt + 0x30 + 5], 0x89
  mov byte [gdt + 0x28 + 5], 0x89
  mov ax, 0x28
  ltr ax
  clts

  ; Virtual-8086 mode
  STEP "v86: CLI with IOPL 0"
  V86 0x202, v86_cli
  END_STEP
  STEP "v86: PUSHF with IOPL 0"
  V86 0x202, v86_pushf
  END_STEP
  STEP "v86: INT with IOPL 0"
  V86 0x202, v86_int
  END_STEP
  STEP "v86: INT with IOPL 3 and back; segments, memory"
  V86 0x3202, v86_int
  END_STEP
  STEP "v86: INT3 with IOPL 0"
  V86 0x202, v86_int3
  END_STEP
  STEP "v86: permitted and forbidden ports"
  V86 0x3202, v86_io
  END_STEP
  STEP "v86: protected-mode instructions"
  V86 0x3202, v86_sldt
  END_STEP
  STEP "v86: far calls, IRET of its own"
  V86 0x3202, v86_far
  END_STEP

  ; Code of 16 bits, real mode
  STEP "16-bit code segment: operand and address sizes"
  jmp 0x58:code16 - low_code + LOW
code16_done:
  int 0x30
  END_STEP
  STEP "real mode: interrupts, big segments"
  mov [saved_esp], esp
  lidt [real_idtr]
  jmp 0x58:to_real - low_code + LOW
real_done:
  mov ax, 0x10
  mov ds, ax
  mov es, ax
  mov ss, ax
  mov fs, ax
  mov gs, ax
  mov esp, [saved_esp]
  lidt [idtr]
  mov eax, [real_result]
  int 0x30
  END_STEP

  ; Double fault
  STEP "a gate that is not present"
  and byte [idt + 0x33 * 8 + 5], 0x7f
  int 0x33
  END_STEP
  STEP "#GP whose gate is not present: double fault"
  and byte [idt + 13 * 8 + 5], 0x7f
  mov ax, 0xffc8
  mov es, ax
  END_STEP
  or byte [idt + 13 * 8 + 5], 0x80

  ; Debug
  STEP "TF: a trap after each instruction"
  mov dword [traps], 4
  push dword 0x102
  popfd
  nop
  mov eax, 5
  inc eax
  nop
  nop
  END_STEP
  STEP "TF over REP: a trap for each element"
  mov edi, 0x200000
  mov ecx, 3
  mov dword [traps], 5
  push dword 0x102
  popfd
  rep stosb
  nop
  nop
  END_STEP
  STEP "TF over POP SS: no trap between"
  mov dword [traps], 3
  push ss
  push dword 0x102
  popfd
  pop ss
  nop
  nop
  nop
  END_STEP
  STEP "TF over INT: the handler runs untraced"
  mov dword [traps], 3
  push dword 0x102
  popfd
  int 0x32
  nop
  nop
  nop
  END_STEP
  STEP "TF set by IRET to ring 3"
  mov dword [traps], 2
  RING3 0x102
  nop
  nop
  nop
  END_STEP
  STEP "instruction breakpoint, RF, then once more"
  mov dword [traps], 2
  mov eax, .here
  mov dr0, eax
  mov eax, 0x402
  mov dr7, eax
  mov eax, 0
.here:
  inc eax
  jmp .here
  END_STEP
  STEP "data breakpoint on writes: after MOV, and reads do not count"
  mov dword [traps], 2
  mov eax, 0x200002
  mov dr1, eax
  mov eax, 0x408 | 0x00100000
  mov dr7, eax
  mov eax, [0x200000]
  mov dword [0x200000], 0
  mov byte [0x200003], 0
  mov byte [0x200002], 0
  nop
  END_STEP
  STEP "data breakpoint inside REP STOSB"
  mov dword [traps], 1
  mov edi, 0x200000
  mov ecx, 8
  rep stosb
  END_STEP
  xor eax, eax
  mov dr7, eax
  STEP "port breakpoint"
  mov dword [traps], 2
  mov eax, 8
  mov cr4, eax
  mov eax, 0x80
  mov dr2, eax
  mov eax, 0x420 | 0x02000000
  mov dr7, eax
  out 0x81, al
  out 0x80, al
  mov eax, 7
  out 0x80, al
  nop
  END_STEP
  xor eax, eax
  mov cr4, eax
  mov dr7, eax
  STEP "ICEBP"
  mov dword [traps], 1
  db 0xf1
  nop
  END_STEP
  STEP "general detect"
  mov dword [traps], 1
  mov eax, 0x2400
  mov dr7, eax
  mov eax, dr0
  END_STEP
  xor eax, eax
  mov dr7, eax

  ; Paging: PAE and execute-disable. 2 MiB pages: 0 identity for all; 400000h none; 600000h supervisor, read-only; 800000h user, NX;
  ; a00000h reserved bit; c00000h user, read-only; e00000h supervisor NX.
  mov edi, PAE_TABLES
  mov ecx, 0x2000
  xor eax, eax
  rep stosb
  mov dword [PAE_TABLES], PAE_TABLES + 0x1001
  mov esi, PAE_TABLES + 0x1000
  mov dword [esi], 0x87
  mov dword [esi + 3 * 8], 0x81
  mov dword [esi + 4 * 8], 0x87
  mov dword [esi + 4 * 8 + 4], 0x80000000
  mov dword [esi + 5 * 8], 0x2087
  mov dword [esi + 6 * 8], 0x85
  mov dword [esi + 7 * 8], 0x83
  mov dword [esi + 7 * 8 + 4], 0x80000000
  mov dword [esi + 1 * 8], 0x200087
  mov ecx, 0xc0000080
  rdmsr
  or eax, 0x800
  wrmsr
  mov eax, 0x20
  mov cr4, eax
  mov eax, PAE_TABLES
  mov cr3, eax
  mov eax, cr0
  or eax, 0x80010000
  mov cr0, eax
%macro RING3_DATA 0
  RING3 2
  mov eax, 0x23
  mov ds, eax
%endmacro
  STEP "PAE: not present, read and write of the supervisor"
  mov eax, [0x400123]
  END_STEP
  call show_cr2
  STEP "PAE: write"
  mov [0x400124], eax
  END_STEP
  call show_cr2
  STEP "PAE: write to a read-only page with WP"
  mov [0x600000], eax
  END_STEP
  STEP "PAE: reserved bit"
  mov eax, [0xa00000]
  END_STEP
  STEP "PAE: user reads the supervisor's"
  RING3_DATA
  mov eax, [0x600000]
  END_STEP
  STEP "PAE: user writes a read-only page"
  RING3_DATA
  mov [0xc00010], eax
  END_STEP
  STEP "PAE: user executes NX"
  RING3_DATA
  mov dword [origin], 0x800000
  mov eax, 0x800000
  jmp eax
  END_STEP
  STEP "PAE: supervisor executes NX"
  mov dword [origin], 0xe00000
  mov eax, 0xe00000
  jmp eax
  END_STEP
  STEP "PAE: fetch of what is not present"
  mov dword [origin], 0x400000
  mov eax, 0x400000
  jmp eax
  END_STEP
  STEP "#PF with no stack: double fault through a task gate"
  mov dword [idt + 8 * 8], 0x00300000
  mov dword [idt + 8 * 8 + 4], 0x8500
  mov dword [tss2 + 0x1c], PAE_TABLES
  mov dword [origin], 0
  mov dword [tss2 + 0x20], task_df
  mov dword [tss2 + 0x24], 2
  mov dword [tss2 + 0x38], 0x1c0000
  mov dword [tss2 + 0x48], 0x10
  mov dword [tss2 + 0x54], 0x10
  mov esp, 0x400800
  push eax
  END_STEP

  mov esi, finished
  call puts
  mov al, 0x10
  out 0xf4, al
.stop:
  hlt
  jmp .stop

show_cr2:
  PUT '@'
  mov eax, cr2
  HEX eax, 8
  ret

; eax: TS, busy bits of tss and tss2, NT
task_state:
  mov eax, cr0
  and eax, 8
  shl eax, 20
  mov ah, [gdt + 0x28 + 5]
  mov al, [gdt + 0x30 + 5]
  ret

gate32_target: ; two dwords above the return address
  mov eax, [esp + 8]
  or eax, [esp + 12]
  int 0x32
  mov eax, ss
  int 0x32
  retf 8
ring1:
  mov eax, ss
  shl eax, 16
  mov ax, cs
  int 0x32
  pushfd
  pop eax
  int 0x32
  iretd
task_jump:
  pushfd
  pop eax
  and eax, 0x4000
  call task_state_both
  int 0x32
  jmp 0x28:0
task_state_both:
  push ecx
  mov ecx, eax
  call task_state
  or eax, ecx
  shl ecx, 2
  or eax, ecx
  pop ecx
  ret
task_iret:
  pushfd
  pop eax
  and eax, 0x4000
  call task_state_both
  int 0x32
  str eax
  iretd
task_df: ; error code on the stack
  pop eax
  mov dword [origin], 0
  int 0x32
  movzx eax, word [tss2]
  int 0x32
  mov byte [gdt + 0x28 + 5], 0x89
  mov byte [gdt + 0x30 + 5], 0x89
  pushfd
  and dword [esp], ~0x4000
  popfd
  int 0x30

; --- low memory ---------------------------------------------------------------
low_code:
bits 32
gate16_target:
  xor eax, eax
  mov ax, [esp + 4]
  or ax, [esp + 6]
  or ax, [esp + 8]
  int 0x30 ; the gate kept 16 bits of the way back
bits 16
v86_cli:
  cli
v86_pushf:
  pushf
v86_int3:
  int3
v86_int:
  mov ax, 0x1234
  mov [0x10], ax
  mov bx, 0x10
  mov eax, 0xdead0000
  mov ax, [bx]
  int 0x32
  mov ax, ds
  int 0x30
v86_io:
  in al, 0x80
  mov eax, 3
  int 0x32
  in al, 0x81
v86_sldt:
  sldt ax
v86_far:
  call (LOW >> 4) - 0x10:.sub - low_code + 0x100
  pushf
  push cs
  push word .back - low_code
  iret
.back:
  mov ax, sp
  int 0x30
.sub:
  mov eax, 0x77
  int 0x32
  retf

task16: ; 32-bit code on a 16-bit stack
bits 32
  mov [task16_result], esp
  mov eax, 0x5678
  iretd

bits 16
code16:
  mov esp, 0x17000
  push word 0x1234
  push dword 0x56789abc
  pop eax
  pop ax
  mov ebx, 0x00011000
  a32 lea ecx, [ebx + 0x10]
  lea cx, [bx + 0x22]
  add eax, ecx
  mov cx, 3
.loop:
  inc ax
  loop .loop
  jmp dword 0x08:code16_done

to_real:
  mov ax, 0x60         ; data, base 0, 16 bits, 64 KiB
  mov ss, ax
  mov ds, ax
  mov es, ax
  mov sp, 0x6000
  mov ax, 0x10         ; flat: stays so in real mode
  mov fs, ax
  mov eax, cr0
  and al, 0xfe
  mov cr0, eax
  jmp 0:.real - low_code + LOW
.real:
  xor ax, ax
  mov ds, ax
  mov ss, ax
  mov word [0x60 * 4], .handler - low_code + LOW
  mov [0x60 * 4 + 2], ax
  mov eax, 0x01000000
  int 0x60
  a32 mov dword [fs:real_big], 0x00500000
  a32 add eax, [fs:real_big]
  pushf
  push cs
  push word .after - low_code + LOW
  iret
.after:
  call 0:.sub - low_code + LOW
  a32 mov [fs:real_result], eax
  mov ebx, cr0
  or bl, 1
  mov cr0, ebx
  jmp dword 0x08:real_done
.sub:
  add ah, 4
  retf
.handler:
  add eax, 0x20000000
  iret
low_end:
bits 32

; --- data ---------------------------------------------------------------------
finished: db 10, 'done', 10, 0
align 8
%macro DESCRIPTOR 4 ; base, limit, access, flags
  dw (%2) & 0xffff
  dw (%1) & 0xffff
  db ((%1) >> 16) & 0xff, %3, (((%2) >> 16) & 15) | ((%4) << 4), ((%1) >> 24) & 0xff
%endmacro
gdt:
  dq 0
  DESCRIPTOR 0, 0xfffff, 0x9b, 12           ; 08
  DESCRIPTOR 0, 0xfffff, 0x93, 12           ; 10
  DESCRIPTOR 0, 0xfffff, 0xfb, 12           ; 18
  DESCRIPTOR 0, 0xfffff, 0xf3, 12           ; 20
  dw tss_end - tss - 1, (tss - $$) & 0xffff ; 28
  db 0x10 + ((tss - $$) >> 16), 0x89, 0, 0
  dw 0x67, (tss2 - $$) & 0xffff             ; 30
  db 0x10 + ((tss2 - $$) >> 16), 0x89, 0, 0
  dw 0x2b, (tss16 - $$) & 0xffff            ; 38
  db 0x10 + ((tss16 - $$) >> 16), 0x81, 0, 0
  dw 0, 0x30, 0xe500, 0                     ; 40 task gate, DPL 3
  dw (gate32_target - $$) & 0xffff, 8, 0xec02, 0x10 ; 48 call gate, two dwords
  dw gate16_target - low_code + LOW, 8, 0xe403, 0   ; 50 call gate, three words
  DESCRIPTOR 0, 0xffff, 0x9b, 0             ; 58 16-bit code (DPL 0)
  DESCRIPTOR 0, 0xffff, 0x93, 0             ; 60
  DESCRIPTOR 0x200000, 0xffff, 0x97, 4      ; 68 expand-down
  DESCRIPTOR 0, 0xfffff, 0xbb, 12           ; 70
  DESCRIPTOR 0, 0xfffff, 0xb3, 12           ; 78
  DESCRIPTOR 0, 0xfffff, 0x9f, 12           ; 80 conforming
  DESCRIPTOR 0, 0xfffff, 0x13, 12           ; 88 not present
gdt_end:
gdtr: dw gdt_end - gdt - 1
  dd gdt
idtr: dw 64 * 8 - 1
  dd idt
real_idtr: dw 0x3ff
  dd 0
align 4
origin: dd 0
traps: dd 0
resume_at: dd 0
resume_esp: dd 0
saved_esp: dd 0
task16_result: dd 0
real_result: dd 0
real_big: dd 0
tss:
  dd 0, STACK_INNER, 0x10
  times 0x66 - 12 db 0
  dw tss_bitmap - tss
tss_bitmap:
  times 16 db 0
  db 0xfe                                   ; 80h
  times 15 db 0xff
tss_end:
tss2:
  times 0x20 db 0
  dd task_jump, 2, 0, 0, 0, 0, 0x1c0000, 0, 0, 0
  dd 0x10, 8, 0x10, 0x10, 0, 0, 0
  dw 0, 0x68
tss16:
  times 0x0e db 0
  dw 0, 2, 0, 0, 0, 0, 0x7000, 0, 0, 0
  dw 0x10, 8, 0x60, 0x10, 0
align 8
idt: times 64 dq 0
end:
