/** A mini-assembler for test guests: 32-bit code in a Multiboot image that loads at 1 MiB. */

const LOAD = 0x100000;
/** The Multiboot header with its address fields, then the code. */
const HEADER_BYTES = 32;
const le16 = (value: number) => [value & 0xff, (value >>> 8) & 0xff];
const le32 = (value: number) => [...le16(value), ...le16(value >>> 16)];

export const CLI = 0xfa;
export const STI = 0xfb;
export const HLT = 0xf4;
const IDT = 0x180000;
const STACK = 0x190000;
const CODE_SELECTOR = 0x08;

export class TinyKernel {
  private readonly code: number[] = [];

  get here() {
    return LOAD + HEADER_BYTES + this.code.length;
  }
  raw(...bytes: number[]) {
    this.code.push(...bytes);
    return this;
  }
  /** mov dx, port; mov al, value; out dx, al */
  out8(port: number, ...values: number[]) {
    for (const value of values) this.raw(0x66, 0xba, ...le16(port), 0xb0, value, 0xee);
    return this;
  }
  /** mov dx, port; mov ax, value; out dx, ax */
  out16(port: number, value: number) {
    return this.raw(0x66, 0xba, ...le16(port), 0x66, 0xb8, ...le16(value), 0x66, 0xef);
  }
  /** mov dx, port; mov eax, value; out dx, eax */
  out32(port: number, value: number) {
    return this.raw(0x66, 0xba, ...le16(port), 0xb8, ...le32(value), 0xef);
  }
  /** mov dx, port; in al, dx */
  in8(port: number) {
    return this.raw(0x66, 0xba, ...le16(port), 0xec);
  }
  /** mov dword [address], value */
  store32(address: number, value: number) {
    return this.raw(0xc7, 0x05, ...le32(address), ...le32(value));
  }
  /** inc dword [address] */
  increment(address: number) {
    return this.raw(0xff, 0x05, ...le32(address));
  }
  jumpTo(address: number) {
    return this.raw(0xe9, ...le32(address - (this.here + 5)));
  }
  /** jmp $ */
  forever() {
    return this.jumpTo(this.here);
  }
  /** An interrupt handler in the way of the code, jumped over; registers saved, EOI at the master. */
  handler(vector: number, body: (kernel: TinyKernel) => void) {
    const inner = new TinyKernel();
    body(inner);
    const bytes = [0x60, ...inner.code, 0xb0, 0x20, 0xe6, 0x20, 0x61, 0xcf]; // pusha … mov al, 20h; out 20h, al; popa; iret
    this.raw(0xe9, ...le32(bytes.length));
    const address = this.here;
    this.raw(...bytes);
    this.store32(IDT + vector * 8, (CODE_SELECTOR << 16) | (address & 0xffff));
    return this.store32(IDT + vector * 8 + 4, (address & 0xffff0000) | 0x8e00);
  }
  /** A stack, the IDT, PICs at 20h and 28h with the master's `mask`. */
  interrupts(mask: number) {
    this.raw(0xbc, ...le32(STACK)); // mov esp
    this.raw(0x68, ...le32(IDT), 0x66, 0x68, 0xff, 0x07, 0x0f, 0x01, 0x1c, 0x24); // push base; push limit; lidt [esp]
    this.out8(0x20, 0x11).out8(0x21, 0x20, 0x04, 0x01, mask);
    return this.out8(0xa0, 0x11).out8(0xa1, 0x28, 0x02, 0x01, 0xff);
  }

  image(): Uint8Array {
    const flags = 0x10000;
    const end = LOAD + HEADER_BYTES + this.code.length;
    const header = [0x1badb002, flags, -(0x1badb002 + flags), LOAD, LOAD, end, end, LOAD + HEADER_BYTES];
    return Uint8Array.from([...header.flatMap(le32), ...this.code]);
  }
}
