// The demo guest's "dirty [MiB]": a static i386 Linux program that keeps writing two words of every page of its memory and prints the
// number of each pass. Small enough to be written down, so that no compiler is needed to set up.
import { Buffer } from 'node:buffer';

const LOAD_ADDRESS = 0x0804_8000;
const HEADER_SIZE = 0x74; // ELF header 52 + two program headers of 32

/** The first 24 columns are machine code, the rest says what it does. */
const BYTES_WIDTH = 24;
const code = `
8b742408                esi = argv[1]
b910000000              ecx = 16 (MiB when there is no argument)
85f6 7415               no argument: size
31c9                    ecx = 0
0fb606 83e830 83f809    digit: eax = *esi - '0'
7708                    not a digit: size
6bc90a 01c1 46 ebed     ecx = ecx * 10 + eax; esi++; digit
c1e114 89cb 53          size: ebx = ecx << 20; push
b8c0000000              mmap2(
89d9 31db               address 0, size,
ba03000000 be22000000   PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS,
83cfff 31ed cd80        -1, 0)
3d00f0ffff 7757         failed: exit
5a 89c6 c1ea0c          edx = pages; esi = memory
83ec10 31ed             sixteen bytes of buffer; ebp = 0 passes
45 89f7 89d1            pass: ebp++; edi = memory; ecx = pages
892f 89af00080000       page: [edi] = [edi + 2048] = ebp
81c700100000 49 75ef    edi += 4096; the next page
8d7c240a c6070a         edi = end of the buffer; *edi = newline
89e8 b90a000000 89cb 52 eax = ebp; ten digits, base ten
31d2 f7f3 80c230        decimal: dl = eax % 10 + '0'
4f 8817 49 75f3         *--edi = dl; the next digit
b804000000 bb01000000   write(1,
89f9 ba0b000000 cd80    edi, 11)
5a 85c0 79b4            the next pass while it can be written
b801000000 bb01000000   exit(1)
cd80
`;

/** The ELF file's bytes. */
export function dirtyProgram() {
  const bytes = code
    .trim()
    .split('\n')
    .flatMap(line => [...Buffer.from(line.slice(0, BYTES_WIDTH).replaceAll(' ', ''), 'hex')]);
  const size = HEADER_SIZE + bytes.length;
  const elf = Buffer.alloc(size);
  elf.set([0x7f, 0x45, 0x4c, 0x46, 1, 1, 1]); // ELFCLASS32, little-endian
  elf.writeUInt16LE(2, 16); // ET_EXEC
  elf.writeUInt16LE(3, 18); // EM_386
  elf.writeUInt32LE(1, 20);
  elf.writeUInt32LE(LOAD_ADDRESS + HEADER_SIZE, 24); // entry
  elf.writeUInt32LE(52, 28); // program headers follow
  elf.writeUInt16LE(52, 40);
  elf.writeUInt16LE(32, 42);
  elf.writeUInt16LE(2, 44);
  const segments = [
    [1, 0, LOAD_ADDRESS, LOAD_ADDRESS, size, size, 5, 0x1000], // PT_LOAD, readable and executable
    [0x6474_e551, 0, 0, 0, 0, 0, 6, 16], // PT_GNU_STACK, not executable
  ];
  segments.flat().forEach((value, index) => elf.writeUInt32LE(value, 52 + 4 * index));
  elf.set(bytes, HEADER_SIZE);
  return elf;
}
