import { BenchPc } from './bench-pc.ts';
import { STI, TinyKernel } from './tiny-kernel.ts';
import { memoryStats } from '#engine/memory/mmm.ts';
  const kernel = new TinyKernel().interrupts(0xfe).handler(0x20, inner => inner.increment(0x200000));
  kernel.out8(0x43, 0x34).out8(0x40, 0xa9, 0x04).raw(STI).raw(0x31, 0xdb); // xor ebx, ebx
  const loop = kernel.here;
  kernel
    .raw(0x81, 0xc3, 0x35, 0x27, 0x01, 0x00) // add ebx, 12735h
    .raw(0x81, 0xe3, 0xfc, 0xff, 0x7f, 0x00) // and ebx, 7ffffch
    .raw(0x03, 0x83, 0x00, 0x00, 0x40, 0x00) // add eax, [ebx + 400000h]
    .raw(0x40) // inc eax
    .raw(0x89, 0x83, 0x00, 0x00, 0x40, 0x00); // mov [ebx + 400000h], eax
  const patched = kernel.here + 7 + 1;
  if (process.argv[2]) kernel.raw(0x88, 0x05, patched & 0xff, (patched >> 8) & 0xff, (patched >> 16) & 0xff, 0, 0x90);
  kernel
    .raw(0xb9, 0, 0, 0, 0) // mov ecx, imm32, whose low byte is rewritten
    .raw(0x01, 0xc8) // add eax, ecx
    .jumpTo(loop);
const b = new BenchPc({ boot: { kind: 'multiboot', kernel: kernel.image(), modules: [], commandLine: '' } }, 2);
for (let i = 0; i < 5; i++) { const t = performance.now(); console.log(b.run(100000), b.pc.instructionCount(), performance.now() - t, memoryStats(b.memory.buffer as never)); }
