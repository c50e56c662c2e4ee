/* One case: registers and flags in, the code, registers and flags out. */
.globl exec_case
exec_case:
  pusha
  pushf
  mov %esp, saved
  pushl in_fl
  popf
  mov in_r, %eax
  mov in_r+4, %ecx
  mov in_r+8, %edx
  mov in_r+12, %ebx
  mov in_r+20, %ebp
  mov in_r+24, %esi
  mov in_r+28, %edi
  call *codeptr
  mov %eax, in_r
  mov %ecx, in_r+4
  mov %edx, in_r+8
  mov %ebx, in_r+12
  mov %ebp, in_r+20
  mov %esi, in_r+24
  mov %edi, in_r+28
  pushf
  popl in_fl
  mov saved, %esp
  popf
  cld
  popa
  ret
.data
.globl in_r,in_fl,codeptr
in_r: .fill 8,4,0
in_fl: .long 0
codeptr: .long 0
saved: .long 0
.section .note.GNU-stack,"",@progbits
