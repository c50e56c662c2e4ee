import { describe, expect, test } from 'vitest';
import { FlatRam } from '#test/support/flat-ram.ts';
import { detectKernel } from './kernel-kind.ts';
import type { BootModule } from './machine.ts';
import { findMultibootHeader, loadMultiboot } from './multiboot.ts';

const MIB = 1 << 20;

function putHeader(file: DataView, offset: number, flags: number, ...addresses: number[]) {
  file.setUint32(offset, 0x1badb002, true);
  file.setUint32(offset + 4, flags, true);
  file.setUint32(offset + 8, -(0x1badb002 + flags) >>> 0, true);
  for (const [i, address] of addresses.entries()) file.setUint32(offset + 12 + i * 4, address, true);
}

/** One PT_LOAD of 256 bytes at 1 MiB, virtual at C0100000h, with 4 KiB of zeros after it. */
function elf(patch: (file: DataView) => void = () => {}): Uint8Array {
  const bytes = new Uint8Array(0x200).fill(0xab, 0x100);
  const file = new DataView(bytes.buffer);
  file.setUint32(0, 0x464c457f, true);
  file.setUint8(4, 1);
  file.setUint16(18, 3, true);
  file.setUint32(24, 0xc0100010, true);
  file.setUint32(28, 52, true);
  file.setUint16(42, 32, true);
  file.setUint16(44, 1, true);
  for (const [i, value] of [1, 0x100, 0xc0100000, MIB, 0x100, 0x1100].entries()) file.setUint32(52 + i * 4, value, true);
  putHeader(file, 0xe0, 0x00000003);
  patch(file);
  return bytes;
}
function load(kernel: Uint8Array, modules: BootModule[] = [], commandLine = 'a b') {
  const ram = new FlatRam(16 * MIB);
  ram.bytes.fill(0x55, MIB, MIB + 0x2000);
  return { ram, start: loadMultiboot(ram, ram.bytes.length, { kernel, modules, commandLine }) };
}

test('an ELF kernel loads at its physical addresses with its bss cleared', () => {
  const { ram, start } = load(elf());
  expect(start.eip).toBe(0x100010);
  expect(start.registers[0]).toBe(0x2badb002);
  expect(ram.bytes.subarray(MIB, MIB + 0x100).every(byte => byte === 0xab)).toBe(true);
  expect(ram.bytes.subarray(MIB + 0x100, MIB + 0x1100).every(byte => byte === 0)).toBe(true);
  expect(ram.bytes[MIB + 0x1100]).toBe(0x55);
});

test('the information structure', () => {
  const modules = [
    { contents: new Uint8Array(5000).fill(1), commandLine: 'one of them' },
    { contents: new Uint8Array(10).fill(2), commandLine: '' },
  ];
  const { ram, start } = load(elf(), modules);
  const info = start.registers[3]!;
  expect(ram.u32(info)).toBe(0x24d);
  expect([ram.u32(info + 4), ram.u32(info + 8)]).toEqual([639, 15 * 1024]);
  expect(ram.text(ram.u32(info + 16))).toBe('a b');
  expect(ram.text(ram.u32(info + 64))).toBe('Cairn');
  const list = ram.u32(info + 24);
  expect(ram.u32(info + 20)).toBe(2);
  expect([0, 4, 16, 20].map(offset => ram.u32(list + offset))).toEqual([0x102000, 0x103388, 0x104000, 0x10400a]);
  expect(ram.bytes[0x104009]).toBe(2);
  expect([8, 24].map(offset => ram.text(ram.u32(list + offset)))).toEqual(['one of them', '']);
  const map = ram.u32(info + 48);
  expect(ram.u32(info + 44)).toBe(4 * 24);
  expect([0, 4, 12, 20].map(offset => ram.u32(map + 3 * 24 + offset))).toEqual([20, MIB, 15 * MIB, 1]);
});

test('the header may give the addresses itself', () => {
  const bytes = new Uint8Array(0x400).fill(0xcd, 0x80);
  putHeader(new DataView(bytes.buffer), 0x40, 0x10000, 0x200040, 0x200000, 0x200300, 0x201000, 0x200080);
  const { ram, start } = load(bytes);
  expect(start.eip).toBe(0x200080);
  expect(ram.u32(0x200040)).toBe(0x1badb002);
  expect([ram.bytes[0x2002ff], ram.bytes[0x200300]]).toEqual([0xcd, 0]);
});

test('a kernel in low memory moves the information above it', () => {
  const { start } = load(elf(file => file.setUint32(52 + 12, 0x8ff80, true)));
  expect(start.registers[3]).toBeGreaterThanOrEqual(MIB);
});

test('the header is found only when aligned, early and summed right', () => {
  const bytes = new Uint8Array(16384);
  const file = new DataView(bytes.buffer);
  putHeader(file, 8192, 0);
  expect(findMultibootHeader(bytes)).toBeUndefined();
  putHeader(file, 1002, 0);
  expect(findMultibootHeader(bytes)).toBeUndefined();
  putHeader(file, 8180, 0);
  expect(findMultibootHeader(bytes)?.offset).toBe(8180);
  expect(detectKernel(bytes)).toBe('multiboot');
});

describe('refused', () => {
  test.each([
    ['unknown requirements', elf(file => putHeader(file, 0xe0, 0x8)), 'MULTIBOOT_FLAGS'],
    ['a 64-bit ELF', elf(file => file.setUint8(4, 2)), 'NOT_A_KERNEL'],
    ['a truncated segment', elf(file => file.setUint32(52 + 16, 0x101, true)), 'KERNEL_TRUNCATED'],
    ['a segment beyond memory', elf(file => file.setUint32(52 + 20, 16 * MIB, true)), 'KERNEL_TOO_LARGE'],
    ['a segment over the VGA', elf(file => file.setUint32(52 + 12, 0xa0000, true)), 'KERNEL_TOO_LARGE'],
  ])('%s', (_name, kernel, code) => expect(() => load(kernel)).toThrow(expect.objectContaining({ code })));

  test('modules beyond memory', () => {
    expect(() => load(elf(), [{ contents: new Uint8Array(15 * MIB), commandLine: '' }])).toThrow(
      expect.objectContaining({ code: 'MODULE_TOO_LARGE' }),
    );
  });
});
