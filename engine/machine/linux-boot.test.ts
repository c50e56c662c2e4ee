import { describe, expect, test } from 'vitest';
import { FlatRam } from '#test/support/flat-ram.ts';
import { detectKernel } from './kernel-kind.ts';
import { loadLinux } from './linux-boot.ts';

const MIB = 1 << 20;

/** A bzImage with `payload` bytes of protected-mode code. */
function bzImage(payload = 64 * 1024, patch: (header: DataView) => void = () => {}): Uint8Array {
  const kernel = new Uint8Array(5 * 512 + payload).fill(0x90, 5 * 512);
  const header = new DataView(kernel.buffer);
  header.setUint8(0x1f1, 4);
  header.setUint32(0x1f4, payload / 16, true);
  header.setUint16(0x1fe, 0xaa55, true);
  header.setUint8(0x201, 0x6a);
  header.setUint32(0x202, 0x53726448, true);
  header.setUint16(0x206, 0x020f, true);
  header.setUint8(0x211, 0x01);
  header.setUint32(0x22c, 0x7fffffff, true);
  header.setUint32(0x238, 2047, true);
  header.setUint32(0x258, 16 * MIB, true);
  header.setUint32(0x260, 8 * MIB, true);
  patch(header);
  return kernel;
}
const load = (kernel: Uint8Array, initrd?: Uint8Array, commandLine = '', ram = new FlatRam(64 * MIB)) => ({
  ram,
  start: loadLinux(ram, ram.bytes.length, { kernel, initrd, commandLine }),
});

test('boot_params say where everything is', () => {
  const initrd = new Uint8Array(5000).fill(7);
  const { ram, start } = load(bzImage(), initrd, 'console=ttyS0 ä');
  const params = start.registers[6]!;
  expect(start.eip).toBe(0x100000);
  expect(ram.bytes[0x100000]).toBe(0x90);
  expect(ram.u32(params + 0x202)).toBe(0x53726448);
  expect(ram.text(ram.u32(params + 0x228))).toBe('console=ttyS0 ä');
  const at = ram.u32(params + 0x218);
  expect(at).toBe(64 * MIB - 8192);
  expect(ram.bytes.subarray(at, at + 5000)).toEqual(initrd);
  expect(ram.u32(params + 0x21c)).toBe(5000);
  expect(ram.bytes[params + 0x210]).toBe(0xff);
});

test('the memory map ends at the top of memory', () => {
  const { ram, start } = load(bzImage());
  const params = start.registers[6]!;
  const count = ram.bytes[params + 0x1e8]!;
  const entries = Array.from({ length: count }, (_, i) => {
    const at = params + 0x2d0 + i * 20;
    return [ram.u32(at), ram.u32(at + 8), ram.u32(at + 16)];
  });
  expect(entries).toEqual([
    [0, 0x9fc00, 1],
    [0x9fc00, 0x400, 2],
    [0xe0000, 0x20000, 2],
    [MIB, 63 * MIB, 1],
  ]);
});

test('segments of the GDT are flat', () => {
  const { ram, start } = load(bzImage());
  expect([ram.u32(start.gdtBase + start.codeSelector), ram.u32(start.gdtBase + start.codeSelector + 4)]).toEqual([0xffff, 0xcf9b00]);
  expect([ram.u32(start.gdtBase + start.dataSelector), ram.u32(start.gdtBase + start.dataSelector + 4)]).toEqual([0xffff, 0xcf9300]);
});

describe('refused, with nothing written', () => {
  const cases: [name: string, code: string, run: (ram: FlatRam) => void][] = [
    [
      'an older protocol',
      'KERNEL_TOO_OLD',
      ram =>
        load(
          bzImage(1024, h => h.setUint16(0x206, 0x203, true)),
          undefined,
          '',
          ram,
        ),
    ],
    [
      'a zImage',
      'KERNEL_ZIMAGE',
      ram =>
        load(
          bzImage(1024, h => h.setUint8(0x211, 0)),
          undefined,
          '',
          ram,
        ),
    ],
    ['a truncated file', 'KERNEL_TRUNCATED', ram => load(bzImage().subarray(0, 30000), undefined, '', ram)],
    [
      'a kernel that needs more memory',
      'KERNEL_TOO_LARGE',
      ram =>
        load(
          bzImage(1024, h => h.setUint32(0x260, 60 * MIB, true)),
          undefined,
          '',
          ram,
        ),
    ],
    ['a large initrd', 'INITRD_TOO_LARGE', ram => load(bzImage(), new Uint8Array(41 * MIB), '', ram)],
    ['a long command line', 'COMMAND_LINE_TOO_LONG', ram => load(bzImage(), undefined, 'x'.repeat(2048), ram)],
    ['not a kernel', 'NOT_A_KERNEL', ram => load(new Uint8Array(100000), undefined, '', ram)],
  ];
  test.each(cases)('%s', (_name, code, run) => {
    const ram = new FlatRam(64 * MIB);
    expect(() => run(ram)).toThrow(expect.objectContaining({ code }));
    expect(ram.bytes.subarray(0, 2 * MIB).every(byte => byte === 0)).toBe(true);
  });
});

test('an initrd stays below initrd_addr_max', () => {
  const kernel = bzImage(1024, h => h.setUint32(0x22c, 32 * MIB - 1, true));
  const { ram, start } = load(kernel, new Uint8Array(4096));
  expect(ram.u32(start.registers[6]! + 0x218)).toBe(32 * MIB - 4096);
});

describe('detectKernel', () => {
  test('knows a bzImage', () => expect(detectKernel(bzImage())).toBe('linux'));
  test.each([
    ['a vmlinux', Uint8Array.of(0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0), /vmlinux/],
    ['an initrd', Uint8Array.of(0x1f, 0x8b, 8, 0), /initrd/],
    ['nothing', new Uint8Array(0), /empty/],
    ['text', new TextEncoder().encode('#!/bin/sh\n'.repeat(100)), /neither/],
  ])('explains %s', (_name, bytes, message) => expect(() => detectKernel(bytes)).toThrow(message));
});
