/**
 * Starts a bzImage by the 32-bit entry of the Linux/x86 boot protocol (Linux Documentation/arch/x86/boot.rst, zero-page.rst).
 *
 *   1_0000 boot_params   1_1000 GDT   2_0000 command line   10_0000 kernel   …   initrd, as high as the kernel lets it
 */
import type { GuestMemory } from '../devices/device.ts';
import { ConfigError } from '../errors/errors.ts';
import { RSDP_ADDRESS } from './acpi-tables.ts';
import { FLAT_CODE_DESCRIPTOR, FLAT_DATA_DESCRIPTOR, type FlatStart } from './boot-cpu.ts';
import { e820Map, EXTENDED_RAM } from './memory-map.ts';

const BOOT_PARAMS = 0x10000;
const GDT = 0x11000;
const COMMAND_LINE = 0x20000;
const KERNEL = EXTENDED_RAM;
const BOOT_CS = 0x10;
const BOOT_DS = 0x18;

/** Setup header fields, by offset in the file and in boot_params. */
const Hdr = {
  SetupSects: 0x1f1,
  BootFlag: 0x1fe,
  Jump: 0x201,
  Magic: 0x202,
  Version: 0x206,
  TypeOfLoader: 0x210,
  LoadFlags: 0x211,
  Code32Start: 0x214,
  RamdiskImage: 0x218,
  RamdiskSize: 0x21c,
  HeapEndPtr: 0x224,
  CmdLinePtr: 0x228,
  InitrdAddrMax: 0x22c,
  RelocatableKernel: 0x234,
  CmdlineSize: 0x238,
  PrefAddress: 0x258,
  InitSize: 0x260,
} as const;
/** boot_params outside the header. */
const Params = { Screen: 0x000, AcpiRsdp: 0x070, AltMemK: 0x1e0, E820Entries: 0x1e8, E820Table: 0x2d0 } as const;
const PARAMS_BYTES = 4096;

const HDRS = 0x53726448;
const BOOT_FLAG = 0xaa55;
const OLDEST = 0x0204;
const LOADED_HIGH = 1 << 0;
const CAN_USE_HEAP = 1 << 7;
const UNKNOWN_LOADER = 0xff;
const SECTOR = 512;
const PAGE = 4096;
const DEFAULT_INITRD_MAX = 0x37ffffff;
const DEFAULT_CMDLINE = 255;

export function isLinux(kernel: Uint8Array): boolean {
  if (kernel.length < Hdr.LoadFlags) return false;
  const header = view(kernel);
  return header.getUint16(Hdr.BootFlag, true) === BOOT_FLAG && header.getUint32(Hdr.Magic, true) === HDRS;
}

export interface LinuxImage {
  readonly kernel: Uint8Array;
  readonly initrd: Uint8Array | undefined;
  readonly commandLine: string;
}

/** Writes kernel, initrd and parameters into memory; throws ConfigError before anything is written. */
export function loadLinux(memory: GuestMemory, ramBytes: number, image: LinuxImage): FlatStart {
  const { kernel, initrd } = image;
  const header = checkHeader(kernel);
  const version = header.getUint16(Hdr.Version, true);
  const setupBytes = ((header.getUint8(Hdr.SetupSects) || 4) + 1) * SECTOR;
  const payload = kernel.subarray(setupBytes);
  const kernelEnd = workingEnd(header, version, payload.length);
  if (kernelEnd > ramBytes) {
    throw new ConfigError(
      'KERNEL_TOO_LARGE',
      `The kernel needs ${mib(kernelEnd)} MiB of memory to start, but the machine has ${mib(ramBytes)} MiB: give it more.`,
    );
  }
  const commandLine = encodeCommandLine(image.commandLine, version >= 0x0206 ? header.getUint32(Hdr.CmdlineSize, true) : DEFAULT_CMDLINE);
  const initrdAt = initrd ? placeInitrd(header, version, initrd, kernelEnd, ramBytes) : 0;

  const params = new Uint8Array(PARAMS_BYTES);
  const out = view(params);
  const headerEnd = Math.min(Hdr.Magic + header.getUint8(Hdr.Jump), setupBytes, kernel.length, 0x280);
  params.set(kernel.subarray(Hdr.SetupSects, headerEnd), Hdr.SetupSects);
  out.setUint8(Hdr.TypeOfLoader, UNKNOWN_LOADER);
  out.setUint8(Hdr.LoadFlags, header.getUint8(Hdr.LoadFlags) | CAN_USE_HEAP);
  out.setUint16(Hdr.HeapEndPtr, 0xfe00, true);
  out.setUint32(Hdr.Code32Start, KERNEL, true);
  out.setUint32(Hdr.CmdLinePtr, COMMAND_LINE, true);
  out.setUint32(Hdr.RamdiskImage, initrdAt, true);
  out.setUint32(Hdr.RamdiskSize, initrd?.length ?? 0, true);
  out.setUint32(Params.AcpiRsdp, RSDP_ADDRESS, true);
  describeScreen(out);
  describeMemory(out, ramBytes);

  memory.write(BOOT_PARAMS, params);
  memory.write(GDT, new Uint8Array(new BigUint64Array([0n, 0n, FLAT_CODE_DESCRIPTOR, FLAT_DATA_DESCRIPTOR]).buffer));
  memory.write(COMMAND_LINE, commandLine);
  memory.write(KERNEL, payload);
  if (initrd) memory.write(initrdAt, initrd);
  return { eip: KERNEL, codeSelector: BOOT_CS, dataSelector: BOOT_DS, gdtBase: GDT, gdtLimit: 0x1f, registers: { 6: BOOT_PARAMS } };
}

function checkHeader(kernel: Uint8Array): DataView {
  if (!isLinux(kernel)) throw new ConfigError('NOT_A_KERNEL', 'The kernel file is not a Linux bzImage: choose another file.');
  const header = view(kernel);
  const version = header.getUint16(Hdr.Version, true);
  if (version < OLDEST) {
    throw new ConfigError(
      'KERNEL_TOO_OLD',
      `The kernel speaks boot protocol ${version >> 8}.${version & 255}; Cairn needs 2.4 (Linux 2.6.14) or later.`,
    );
  }
  if ((header.getUint8(Hdr.LoadFlags) & LOADED_HIGH) === 0) {
    throw new ConfigError('KERNEL_ZIMAGE', 'The kernel is a zImage, which loads below 1 MiB: build a bzImage.');
  }
  const setupBytes = ((header.getUint8(Hdr.SetupSects) || 4) + 1) * SECTOR;
  const payloadBytes = header.getUint32(0x1f4, true) * 16; // syssize
  if (kernel.length <= setupBytes || kernel.length < setupBytes + payloadBytes - 15) {
    throw new ConfigError(
      'KERNEL_TRUNCATED',
      `The kernel file ends early: it has ${kernel.length} bytes of ${setupBytes + payloadBytes}. Copy it again.`,
    );
  }
  return header;
}

/** Where the kernel's own use of memory ends before it looks at the memory map: image, then decompression in place. */
function workingEnd(header: DataView, version: number, payloadBytes: number): number {
  const image = KERNEL + payloadBytes;
  if (version < 0x020a) return image;
  const preferred = Number(header.getBigUint64(Hdr.PrefAddress, true));
  const base = header.getUint8(Hdr.RelocatableKernel) === 0 || preferred > KERNEL ? preferred : KERNEL;
  return Math.max(image, base + header.getUint32(Hdr.InitSize, true));
}

function placeInitrd(header: DataView, version: number, initrd: Uint8Array, kernelEnd: number, ramBytes: number): number {
  const max = version >= 0x0203 ? header.getUint32(Hdr.InitrdAddrMax, true) : DEFAULT_INITRD_MAX;
  const top = Math.min(max + 1, ramBytes);
  const at = Math.floor((top - initrd.length) / PAGE) * PAGE;
  if (at < kernelEnd) {
    throw new ConfigError(
      'INITRD_TOO_LARGE',
      `The initrd of ${mib(initrd.length)} MiB does not fit between the kernel and the top of ${mib(ramBytes)} MiB of memory: give the machine more.`,
    );
  }
  return at;
}

function encodeCommandLine(text: string, limit: number): Uint8Array {
  const bytes = Uint8Array.from([...text].flatMap(char => utf8(char.codePointAt(0)!)));
  if (bytes.length > limit) {
    throw new ConfigError(
      'COMMAND_LINE_TOO_LONG',
      `The kernel's command line has ${bytes.length} bytes; this kernel takes ${limit}. Shorten it.`,
    );
  }
  const out = new Uint8Array(bytes.length + 1);
  out.set(bytes);
  return out;
}

export function utf8(point: number): number[] {
  if (point < 0x80) return [point];
  if (point < 0x800) return [0xc0 | (point >> 6), 0x80 | (point & 63)];
  if (point < 0x10000) return [0xe0 | (point >> 12), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63)];
  return [0xf0 | (point >> 18), 0x80 | ((point >> 12) & 63), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63)];
}

/** screen_info: VGA text, 80×25, 16-line characters, cursor at the top. */
function describeScreen(out: DataView) {
  out.setUint8(Params.Screen + 0x06, 3); // mode
  out.setUint8(Params.Screen + 0x07, 80);
  out.setUint16(Params.Screen + 0x0a, 3, true); // EGA memory, 256 KiB
  out.setUint8(Params.Screen + 0x0e, 25);
  out.setUint8(Params.Screen + 0x0f, 1); // VGA
  out.setUint16(Params.Screen + 0x10, 16, true);
}

function describeMemory(out: DataView, ramBytes: number) {
  const map = e820Map(ramBytes);
  out.setUint16(0x002, Math.min((ramBytes - EXTENDED_RAM) >> 10, 0xffff), true); // ext_mem_k
  out.setUint32(Params.AltMemK, (ramBytes - EXTENDED_RAM) >>> 10, true);
  out.setUint8(Params.E820Entries, map.length);
  for (const [i, { base, size, type }] of map.entries()) {
    const at = Params.E820Table + i * 20;
    out.setBigUint64(at, BigInt(base), true);
    out.setBigUint64(at + 8, BigInt(size), true);
    out.setUint32(at + 16, type, true);
  }
}

const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
const mib = (bytes: number) => Math.ceil(bytes / 2 ** 20);
