/**
 * Starts a kernel by the Multiboot Specification 0.6.96: ELF32 or the address fields of its header ("a.out kludge"), modules, memory
 * map, command line. EAX = 2BADB002h, EBX = information structure.
 */
import type { GuestMemory } from '../devices/device.ts';
import { ConfigError } from '../errors/errors.ts';
import { FLAT_CODE_DESCRIPTOR, FLAT_DATA_DESCRIPTOR, type FlatStart } from './boot-cpu.ts';
import { utf8 } from './linux-boot.ts';
import type { BootModule } from './machine.ts';
import { e820Map, EXTENDED_RAM, LOW_RAM_END, LOW_USABLE_END } from './memory-map.ts';

const HEADER_MAGIC = 0x1badb002;
const LOADER_MAGIC = 0x2badb002;
const SEARCH_BYTES = 8192;
/** Bits 0-15 are requirements: page-aligned modules, memory information, video mode (a wish). */
const KNOWN_REQUIREMENTS = 0x0007;
const HAS_ADDRESSES = 1 << 16;

/** Information flags: mem_*, cmdline, mods_*, mmap_*, boot_loader_name. */
const INFO_FLAGS = (1 << 0) | (1 << 2) | (1 << 3) | (1 << 6) | (1 << 9);
const INFO_BYTES = 0x78;
const MODULE_BYTES = 16;
const MMAP_ENTRY_BYTES = 24;
const PAGE = 4096;
/** The structures' usual place, below the reserved top of conventional memory. */
const LOW_AREA = 0x90000;
const BOOT_CS = 0x08;
const BOOT_DS = 0x10;

export interface MultibootHeader {
  readonly offset: number;
  readonly flags: number;
}

export function findMultibootHeader(kernel: Uint8Array): MultibootHeader | undefined {
  const bytes = view(kernel);
  const end = Math.min(kernel.length, SEARCH_BYTES) - 12;
  for (let offset = 0; offset <= end; offset += 4) {
    if (bytes.getUint32(offset, true) !== HEADER_MAGIC) continue;
    const flags = bytes.getUint32(offset + 4, true);
    if ((HEADER_MAGIC + flags + bytes.getUint32(offset + 8, true)) >>> 0 === 0) return { offset, flags };
  }
  return undefined;
}

interface Segment {
  readonly address: number;
  readonly bytes: Uint8Array;
  /** Zero bytes follow up to this size. */
  readonly memorySize: number;
}

export interface MultibootImage {
  readonly kernel: Uint8Array;
  readonly modules: readonly BootModule[];
  readonly commandLine: string;
}

/** Writes kernel, modules and information into memory; throws ConfigError before anything is written. */
export function loadMultiboot(memory: GuestMemory, ramBytes: number, image: MultibootImage): FlatStart {
  const { segments, entry } = parse(image.kernel);
  for (const segment of segments) checkFits(segment, ramBytes);
  const kernelEnd = Math.max(EXTENDED_RAM, ...segments.map(end));
  let next = align(kernelEnd);
  const modules = image.modules.map(({ contents: bytes, commandLine }) => {
    const at = next;
    next = align(at + bytes.length);
    if (at + bytes.length > ramBytes) {
      throw new ConfigError(
        'MODULE_TOO_LARGE',
        `The modules end at ${mib(next)} MiB, but the machine has ${mib(ramBytes)} MiB of memory: give it more.`,
      );
    }
    return { at, bytes, commandLine };
  });
  const lowIsFree = segments.every(segment => end(segment) <= LOW_AREA || segment.address >= LOW_USABLE_END);
  const area = lowIsFree ? LOW_AREA : next;
  const info = buildInfo(area, ramBytes, image.commandLine, modules);
  if (area + info.bytes.length > (lowIsFree ? LOW_USABLE_END : ramBytes)) {
    throw new ConfigError(
      'COMMAND_LINE_TOO_LONG',
      "The kernel's command line does not fit into memory beside the boot information: shorten it.",
    );
  }

  for (const { address, bytes, memorySize } of segments) {
    memory.write(address, bytes);
    memory.write(address + bytes.length, new Uint8Array(memorySize - bytes.length));
  }
  for (const { at, bytes } of modules) memory.write(at, bytes);
  memory.write(area, info.bytes);
  return {
    eip: entry,
    codeSelector: BOOT_CS,
    dataSelector: BOOT_DS,
    gdtBase: info.gdt,
    gdtLimit: 0x17,
    registers: { 0: LOADER_MAGIC, 3: info.info },
  };
}

// --- the kernel file --------------------------------------------------------------------------------------------------

function parse(kernel: Uint8Array): { segments: Segment[]; entry: number } {
  const header = findMultibootHeader(kernel);
  if (!header) throw new ConfigError('NOT_A_KERNEL', 'The kernel file has no Multiboot 1 header: choose another file.');
  if ((header.flags & 0xffff & ~KNOWN_REQUIREMENTS) !== 0) {
    throw new ConfigError(
      'MULTIBOOT_FLAGS',
      `The kernel asks for Multiboot features that Cairn does not have (flags ${header.flags.toString(16)}h).`,
    );
  }
  return (header.flags & HAS_ADDRESSES) !== 0 ? parseAddresses(kernel, header) : parseElf(kernel);
}

function parseAddresses(kernel: Uint8Array, { offset }: MultibootHeader) {
  const bytes = view(kernel);
  if (offset + 32 > kernel.length) throw truncated();
  const field = (i: number) => bytes.getUint32(offset + 12 + i * 4, true);
  const [headerAddr, loadAddr, loadEnd, bssEnd, entry] = [field(0), field(1), field(2), field(3), field(4)];
  const fileStart = offset - (headerAddr - loadAddr);
  if (fileStart < 0) throw new ConfigError('NOT_A_KERNEL', "The Multiboot header's load address lies before the start of the file.");
  const size = loadEnd === 0 ? kernel.length - fileStart : loadEnd - loadAddr;
  if (size < 0 || fileStart + size > kernel.length) throw truncated();
  const memorySize = bssEnd === 0 ? size : Math.max(size, bssEnd - loadAddr);
  return { segments: [{ address: loadAddr, bytes: kernel.subarray(fileStart, fileStart + size), memorySize }], entry };
}

const ELF_MAGIC = 0x464c457f;
const PT_LOAD = 1;

function parseElf(kernel: Uint8Array) {
  const bytes = view(kernel);
  if (kernel.length < 52 || bytes.getUint32(0, true) !== ELF_MAGIC || kernel[4] !== 1 || bytes.getUint16(18, true) !== 3) {
    throw new ConfigError(
      'NOT_A_KERNEL',
      'The Multiboot kernel is neither a 32-bit x86 ELF file nor does its header say where to load it.',
    );
  }
  const entry = bytes.getUint32(24, true);
  const table = bytes.getUint32(28, true);
  const entrySize = bytes.getUint16(42, true);
  const count = bytes.getUint16(44, true);
  const segments: Segment[] = [];
  let physicalEntry = entry;
  for (let i = 0; i < count; i++) {
    const at = table + i * entrySize;
    if (at + 32 > kernel.length) throw truncated();
    if (bytes.getUint32(at, true) !== PT_LOAD) continue;
    const field = (offset: number) => bytes.getUint32(at + offset, true);
    const [offset, virtual, address, fileSize, memorySize] = [field(4), field(8), field(12), field(16), field(20)];
    if (offset + fileSize > kernel.length || memorySize < fileSize) throw truncated();
    if (entry >= virtual && entry < virtual + memorySize) physicalEntry = entry - virtual + address;
    segments.push({ address, bytes: kernel.subarray(offset, offset + fileSize), memorySize });
  }
  if (segments.length === 0) throw new ConfigError('NOT_A_KERNEL', 'The Multiboot kernel has no loadable segment.');
  return { segments, entry: physicalEntry };
}

function checkFits(segment: Segment, ramBytes: number) {
  const inLow = end(segment) <= LOW_RAM_END;
  const inHigh = segment.address >= EXTENDED_RAM && end(segment) <= ramBytes;
  if (inLow || inHigh) return;
  throw new ConfigError(
    'KERNEL_TOO_LARGE',
    `The kernel wants memory from ${segment.address.toString(16)}h to ${end(segment).toString(16)}h, which a machine with ${mib(ramBytes)} MiB does not have: give it more.`,
  );
}

// --- the information structure ------------------------------------------------------------------------------------------

interface PlacedModule {
  readonly at: number;
  readonly bytes: Uint8Array;
  readonly commandLine: string;
}

/** Everything that EBX leads to, and a GDT, in one piece that lies at `area`. */
function buildInfo(area: number, ramBytes: number, commandLine: string, modules: readonly PlacedModule[]) {
  const text = (value: string) => [...[...value].flatMap(char => utf8(char.codePointAt(0)!)), 0];
  const gdt = new Uint8Array(new BigUint64Array([0n, FLAT_CODE_DESCRIPTOR, FLAT_DATA_DESCRIPTOR]).buffer);
  const map = e820Map(ramBytes);
  const commandLineBytes = Uint8Array.from(text(commandLine));
  const loaderName = Uint8Array.from(text('Cairn'));
  const strings = modules.map(module => Uint8Array.from(text(module.commandLine)));
  const parts = [
    INFO_BYTES,
    gdt.length,
    map.length * MMAP_ENTRY_BYTES,
    modules.length * MODULE_BYTES,
    commandLineBytes.length,
    loaderName.length,
    ...strings.map(string => string.length),
  ];
  const offsets: number[] = [];
  let size = 0;
  for (const part of parts) {
    offsets.push(size);
    size = (size + part + 15) & ~15;
  }
  const [, gdtAt, mapAt, modulesAt, commandLineAt, nameAt, ...stringsAt] = offsets as [number, number, number, number, number, number];
  const bytes = new Uint8Array(size);
  const out = view(bytes);
  const u32 = (at: number, value: number) => out.setUint32(at, value, true);
  u32(0, INFO_FLAGS);
  u32(4, LOW_USABLE_END >> 10);
  u32(8, (ramBytes - EXTENDED_RAM) >>> 10);
  u32(16, area + commandLineAt);
  u32(20, modules.length);
  u32(24, area + modulesAt);
  u32(44, map.length * MMAP_ENTRY_BYTES);
  u32(48, area + mapAt);
  u32(64, area + nameAt);
  for (const [i, { base, size: length, type }] of map.entries()) {
    const at = mapAt + i * MMAP_ENTRY_BYTES;
    u32(at, MMAP_ENTRY_BYTES - 4);
    u32(at + 4, base);
    u32(at + 12, length);
    u32(at + 20, type);
  }
  for (const [i, module] of modules.entries()) {
    const at = modulesAt + i * MODULE_BYTES;
    u32(at, module.at);
    u32(at + 4, module.at + module.bytes.length);
    u32(at + 8, area + stringsAt[i]!);
    bytes.set(strings[i]!, stringsAt[i]);
  }
  bytes.set(gdt, gdtAt);
  bytes.set(commandLineBytes, commandLineAt);
  bytes.set(loaderName, nameAt);
  return { bytes, info: area, gdt: area + gdtAt };
}

const view = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
const end = (segment: Segment) => segment.address + segment.memorySize;
const align = (address: number) => Math.ceil(address / PAGE) * PAGE;
const mib = (bytes: number) => Math.ceil(bytes / 2 ** 20);
const truncated = () => new ConfigError('KERNEL_TRUNCATED', 'The kernel file ends before the parts that its header names. Copy it again.');
