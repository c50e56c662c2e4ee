/** What firmware does before an operating system runs: tables, a clear screen, memory sizes in CMOS, then the boot protocol's loader. */
import type { GuestMemory } from '../devices/device.ts';
import { ConfigError } from '../errors/errors.ts';
import { acpiTables } from './acpi-tables.ts';
import { startFlat } from './boot-cpu.ts';
import { loadLinux } from './linux-boot.ts';
import type { BootSource } from './machine.ts';
import { EXTENDED_RAM, FIRMWARE_AREA, LOW_RAM_END, TEXT_PAGE, TEXT_PAGE_BYTES } from './memory-map.ts';
import { loadMultiboot } from './multiboot.ts';

/** Leaves memory and the CPU block (just reset) as the kernel expects them; resetDerived() must follow. */
export function bootMachine(wasmMemory: WebAssembly.Memory, memory: GuestMemory, ramBytes: number, boot: BootSource) {
  if (boot.kind === 'none') {
    throw new ConfigError(
      'NO_BOOT_SOURCE',
      'This machine was started from a checkpoint and has no kernel to boot: revert to a checkpoint, or give it a kernel.',
    );
  }
  memory.write(FIRMWARE_AREA, acpiTables());
  memory.write(TEXT_PAGE, blankText());
  const start = boot.kind === 'linux' ? loadLinux(memory, ramBytes, boot) : loadMultiboot(memory, ramBytes, boot);
  startFlat(wasmMemory, start);
}

/** Blanks, light grey on black. */
function blankText(): Uint8Array {
  const cells = new Uint16Array(TEXT_PAGE_BYTES / 2).fill(0x0720);
  return new Uint8Array(cells.buffer);
}

/** Where a BIOS keeps memory sizes: 15h base KiB, 17h and 30h KiB above 1 MiB, 34h 64-KiB units above 16 MiB; 14h equipment. */
export function cmosMemorySize(cmos: { setRam(address: number, value: number): void }, ramBytes: number) {
  const word = (address: number, value: number) => {
    cmos.setRam(address, value & 0xff);
    cmos.setRam(address + 1, value >> 8);
  };
  const extendedKiB = Math.min((ramBytes - EXTENDED_RAM) >>> 10, 0xffff);
  cmos.setRam(0x14, 0x06); // VGA, FPU
  word(0x15, LOW_RAM_END >> 10);
  word(0x17, extendedKiB);
  word(0x30, extendedKiB);
  word(0x34, Math.max(0, Math.floor((ramBytes - (16 << 20)) / 65536)));
}
