/**
 * The PC's physical address space, and what firmware would tell an operating system about it (E820, ACPI Specification 6.4 § 15).
 *
 *   0000_0000  conventional RAM, usable below 9_FC00
 *   000A_0000  VGA planes: MMIO, nothing kept
 *   000B_8000  VGA text page: RAM, the screen reads it
 *   000C_0000  option ROMs: none, reads as ones
 *   000E_0000  firmware area: RAM that holds the ACPI tables
 *   000E_8000  in it, a page with the generation identifier and nothing else
 *   0010_0000  extended RAM up to the configured size
 *   C000_0000  PCI hole: MMIO
 *   FED0_0000  event timers: MMIO (devices/hpet.ts)
 */
import { ConfigError } from '../errors/errors.ts';
import { PAGE_SHIFT, PAGE_SIZE } from '../memory/layout.ts';

export const LOW_USABLE_END = 0x9fc00;
export const LOW_RAM_END = 0xa0000;
export const TEXT_PAGE = 0xb8000;
export const TEXT_PAGE_BYTES = 0x8000;
export const FIRMWARE_AREA = 0xe0000;
/** Not at a page's start, where some firmware looks for a table's header. */
export const GENERATION_ID = 0xe8028;
export const EXTENDED_RAM = 0x100000;
export const PCI_HOLE = 0xc0000000;
export const PCI_HOLE_END = 0xfec00000;

const MIN_RAM = 4 << 20;

export const E820_RAM = 1;
export const E820_RESERVED = 2;

export interface E820Entry {
  readonly base: number;
  readonly size: number;
  readonly type: number;
}

export function e820Map(ramBytes: number): E820Entry[] {
  return [
    { base: 0, size: LOW_USABLE_END, type: E820_RAM },
    { base: LOW_USABLE_END, size: LOW_RAM_END - LOW_USABLE_END, type: E820_RESERVED },
    { base: FIRMWARE_AREA, size: EXTENDED_RAM - FIRMWARE_AREA, type: E820_RESERVED },
    { base: EXTENDED_RAM, size: ramBytes - EXTENDED_RAM, type: E820_RAM },
  ];
}

/** The page ranges that are RAM: [first GPPN, count]. */
export function ramRanges(ramBytes: number): [gppn: number, count: number][] {
  return [
    [0, LOW_RAM_END >> PAGE_SHIFT],
    [TEXT_PAGE >> PAGE_SHIFT, TEXT_PAGE_BYTES >> PAGE_SHIFT],
    [FIRMWARE_AREA >> PAGE_SHIFT, (EXTENDED_RAM - FIRMWARE_AREA) >> PAGE_SHIFT],
    [EXTENDED_RAM >> PAGE_SHIFT, (ramBytes - EXTENDED_RAM) / PAGE_SIZE],
  ];
}

export function checkRamSize(ramBytes: number) {
  if (!Number.isInteger(ramBytes / PAGE_SIZE) || ramBytes < MIN_RAM || ramBytes > PCI_HOLE) {
    const mib = ramBytes / 2 ** 20;
    throw new ConfigError(
      'MEMORY_SIZE',
      `A machine can have 4 to ${PCI_HOLE / 2 ** 20} MiB of memory, but ${mib} MiB were asked for: choose a size between.`,
    );
  }
}
