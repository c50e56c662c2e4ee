/**
 * The ACPI tables of the machine (ACPI Specification 6.4 § 5.2): RSDP → RSDT → FADT → FACS, DSDT; HPET. No MADT: interrupts go through
 * the PICs. Power button and PM timer are fixed hardware (devices/acpi-pm.ts); reset is CF9h.
 */
import { ACPI_DISABLE, ACPI_ENABLE, GPE0, GPE0_BYTES, S5_SLEEP_TYPE, SMI_COMMAND_PORT } from '../devices/acpi-pm.ts';
import { HPET_BASE, HPET_BYTES, HPET_ID, HPET_MINIMUM_TICK } from '../devices/hpet.ts';
import { PM_BASE, POWER_MANAGEMENT } from '../devices/pci-chipset.ts';
import { pirqOf, PIRQS } from '../devices/pirq-router.ts';
import {
  busNumbers,
  device,
  eisaId,
  fixedMemory,
  integer,
  io,
  ioWindow,
  irq,
  memoryWindow,
  method,
  name,
  notify,
  pack,
  resources,
  returns,
  scope,
  text,
} from './aml.ts';
import { FIRMWARE_AREA, GENERATION_ID, LOW_RAM_END, PCI_HOLE, PCI_HOLE_END, TEXT_PAGE, TEXT_PAGE_BYTES } from './memory-map.ts';
import { PIRQ_IRQS } from './pci-firmware.ts';

/** Inside the area that operating systems search for it. */
export const RSDP_ADDRESS = FIRMWARE_AREA;
const FACS_ADDRESS = FIRMWARE_AREA + 0x40;
const DSDT_ADDRESS = FIRMWARE_AREA + 0x100;
const HEADER_BYTES = 36;
const FADT_BYTES = 244;
const FACS_BYTES = 64;
const HPET_TABLE_BYTES = 56;
const SCI = 9;
const PCI_SLOTS = 32;

/** IAPC_BOOT_ARCH: ISA devices, 8042. */
const LEGACY_DEVICES = 1 << 0;
const HAS_8042 = 1 << 1;
/** FADT flags. */
const WBINVD = 1 << 0;
const PROC_C1 = 1 << 2;
const NO_SLEEP_BUTTON = 1 << 5;
const NO_FIXED_RTC = 1 << 6;
const RESET_REGISTER = 1 << 10;
const RESET_PORT = 0xcf9;
const RESET_VALUE = 0x06;
/** Longer than the limits of § 5.2.9: no C2, no C3. */
const NO_C2 = 101;
const NO_C3 = 1001;
const CENTURY = 0x32;
/** The general-purpose event that the generation identifier is another one. \_GPE has a method of this number, for an edge. */
export const GENERATION_EVENT = 5;
const GENERATION_CHANGED = 0x80;

/** The firmware area's contents, to lie at FIRMWARE_AREA. */
export function acpiTables(): Uint8Array {
  const dsdt = table('DSDT', 1, Uint8Array.from(dsdtBody()));
  const fadtAddress = align16(DSDT_ADDRESS + dsdt.length);
  const hpetAddress = align16(fadtAddress + FADT_BYTES);
  const rsdtAddress = align16(hpetAddress + HPET_TABLE_BYTES);
  const rsdt = table('RSDT', 1, new Uint8Array(new Uint32Array([fadtAddress, hpetAddress]).buffer));
  const area = new Uint8Array(rsdtAddress + rsdt.length - FIRMWARE_AREA);
  const place = (address: number, bytes: Uint8Array) => area.set(bytes, address - FIRMWARE_AREA);
  place(RSDP_ADDRESS, rsdp(rsdtAddress));
  place(FACS_ADDRESS, facs());
  place(DSDT_ADDRESS, dsdt);
  place(fadtAddress, fadt());
  place(hpetAddress, hpet());
  place(rsdtAddress, rsdt);
  return area;
}

const align16 = (address: number) => (address + 15) & ~15;

function ascii(bytes: Uint8Array, at: number, text: string) {
  for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
}
const checksum = (bytes: Uint8Array) => -bytes.reduce((sum, byte) => sum + byte, 0) & 0xff;

/** A system description table: the common header, then `body`. */
function table(signature: string, revision: number, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + body.length);
  const view = new DataView(bytes.buffer);
  ascii(bytes, 0, signature);
  view.setUint32(4, bytes.length, true);
  bytes[8] = revision;
  ascii(bytes, 10, 'CAIRN ');
  ascii(bytes, 16, 'CAIRNPC ');
  view.setUint32(24, 1, true);
  ascii(bytes, 28, 'CARN');
  view.setUint32(32, 1, true);
  bytes.set(body, HEADER_BYTES);
  bytes[9] = checksum(bytes);
  return bytes;
}

function rsdp(rsdtAddress: number): Uint8Array {
  const bytes = new Uint8Array(20);
  ascii(bytes, 0, 'RSD PTR ');
  ascii(bytes, 9, 'CAIRN ');
  new DataView(bytes.buffer).setUint32(16, rsdtAddress, true);
  bytes[8] = checksum(bytes);
  return bytes;
}

function facs(): Uint8Array {
  const bytes = new Uint8Array(FACS_BYTES);
  ascii(bytes, 0, 'FACS');
  new DataView(bytes.buffer).setUint32(4, FACS_BYTES, true);
  return bytes;
}

/** Revision 3. Each block is given twice: as a port, and as a generic address in the second half. */
function fadt(): Uint8Array {
  const body = new Uint8Array(FADT_BYTES - HEADER_BYTES);
  const view = new DataView(body.buffer);
  const u8 = (at: number, value: number) => view.setUint8(at - HEADER_BYTES, value);
  const u16 = (at: number, value: number) => view.setUint16(at - HEADER_BYTES, value, true);
  const u32 = (at: number, value: number) => view.setUint32(at - HEADER_BYTES, value, true);
  const generic = (at: number, port: number, bits: number) => {
    u8(at, 1); // system I/O space
    u8(at + 1, bits);
    u8(at + 3, bits === 8 ? 1 : bits === 16 ? 2 : 3);
    u32(at + 4, port);
  };
  u32(36, FACS_ADDRESS);
  u32(40, DSDT_ADDRESS);
  u8(45, 1); // desktop
  u16(46, SCI);
  u32(48, SMI_COMMAND_PORT);
  u8(52, ACPI_ENABLE);
  u8(53, ACPI_DISABLE);
  u32(56, PM_BASE); // PM1a_EVT
  u32(64, PM_BASE + 4); // PM1a_CNT
  u32(76, PM_BASE + 8); // PM_TMR
  u32(80, PM_BASE + GPE0);
  u8(88, 4);
  u8(89, 2);
  u8(91, 4);
  u8(92, GPE0_BYTES);
  u16(96, NO_C2);
  u16(98, NO_C3);
  u8(108, CENTURY);
  u16(109, LEGACY_DEVICES | HAS_8042);
  u32(112, WBINVD | PROC_C1 | NO_SLEEP_BUTTON | NO_FIXED_RTC | RESET_REGISTER);
  generic(116, RESET_PORT, 8);
  u8(128, RESET_VALUE);
  u32(140, DSDT_ADDRESS);
  generic(148, PM_BASE, 32);
  generic(172, PM_BASE + 4, 16);
  generic(208, PM_BASE + 8, 32);
  generic(220, PM_BASE + GPE0, 32);
  return table('FACP', 3, body);
}

/** IA-PC HPET Specification 1.0a § 3.2.4. */
function hpet(): Uint8Array {
  const body = new Uint8Array(HPET_TABLE_BYTES - HEADER_BYTES);
  const view = new DataView(body.buffer);
  view.setUint32(0, HPET_ID, true);
  view.setUint32(8, HPET_BASE, true); // the address space before it is 0: memory
  view.setUint16(17, HPET_MINIMUM_TICK, true);
  return table('HPET', 1, body);
}

function dsdtBody() {
  const isa = (path: string, id: string, ...descriptors: (readonly number[])[]) =>
    device(path, name('_HID', eisaId(id)), name('_CRS', resources(...descriptors)));
  const com = (path: string, uid: number, port: number, line: number) =>
    device(path, name('_HID', eisaId('PNP0501')), name('_UID', integer(uid)), name('_CRS', resources(io(port, 8), irq(line))));
  return [
    ...name('\\_S5', pack(integer(S5_SLEEP_TYPE), integer(S5_SLEEP_TYPE), integer(0), integer(0))),
    ...scope(
      '\\_GPE',
      method(`_E${GENERATION_EVENT.toString(16).toUpperCase().padStart(2, '0')}`, notify('\\_SB.VGEN', GENERATION_CHANGED)),
    ),
    ...scope(
      '\\_SB',
      generationId(),
      device('HPET', name('_HID', eisaId('PNP0103')), name('_CRS', resources(fixedMemory(HPET_BASE, HPET_BYTES)))),
      device(
        'PCI0',
        name('_HID', eisaId('PNP0A03')),
        name('_UID', integer(0)),
        name(
          '_CRS',
          resources(
            busNumbers(0, 0),
            io(0xcf8, 8),
            ioWindow(0, 0xcf7),
            ioWindow(0xd00, 0xffff),
            memoryWindow(LOW_RAM_END, TEXT_PAGE + TEXT_PAGE_BYTES - 1),
            memoryWindow(PCI_HOLE, PCI_HOLE_END - 1),
          ),
        ),
        name('_PRT', interruptRoutes()),
        device(
          'ISA',
          name('_ADR', integer(0x10000)),
          isa('PS2K', 'PNP0303', io(0x60, 1), io(0x64, 1), irq(1)),
          isa('RTC', 'PNP0B00', io(0x70, 2), irq(8)),
          com('COM1', 1, 0x3f8, 4),
          com('COM2', 2, 0x2f8, 3),
        ),
      ),
    ),
  ];
}

/** As Microsoft's paper has it; the second compatible name is that of later Hyper-V, for the first is longer than ACPI lets it be. */
function generationId() {
  return device(
    'VGEN',
    name('_HID', text('CARN0001')),
    name('_CID', pack(text('VM_Gen_Counter'), text('VMGENCTR'))),
    name('_DDN', text('VM_Gen_Counter')),
    method('ADDR', returns(pack(integer(GENERATION_ID), integer(0)))),
  );
}

/**
 * _PRT (§ 6.2.13): for each slot and pin the interrupt that pci-firmware.ts has routed it to, as a global system interrupt: with PICs that
 * is the IRQ. The power-management function's pin is the SCI.
 */
function interruptRoutes() {
  const routes = [];
  for (let slot = 1; slot < PCI_SLOTS; slot++) {
    for (let pin = 0; pin < 4; pin++) {
      const wired = slot === POWER_MANAGEMENT.device && pin === 0;
      const irq = wired ? SCI : PIRQ_IRQS[(pirqOf(slot) + pin) % PIRQS]!;
      routes.push(pack(integer((slot << 16) | 0xffff), integer(pin), integer(0), integer(irq)));
    }
  }
  return pack(...routes);
}
