/** The chipset's own functions: the 82441FX host bridge, the 82371SB ISA bridge and the 82371AB power-management function. */
import type { PciFunctionModel } from './pci-function.ts';

const INTEL = 0x8086;
const MULTIFUNCTION = 0x80;

export const PM_BASE = 0x600;
/** PIRQRC[A:D] of the ISA bridge: bit 7 no route, bits 3-0 the IRQ. */
export const PIRQ_ROUTES = 0x60;
export const PIRQ_OFF = 0x80;

export const HOST_BRIDGE: PciFunctionModel = {
  device: 0,
  function: 0,
  vendorId: INTEL,
  deviceId: 0x1237,
  classCode: 0x060000,
  revision: 2,
  commandMask: 0,
  writable: [
    [0x50, 0x57],
    [0x59, 0x5f],
    [0x60, 0x68],
    [0x72, 0x72],
    [0x90, 0x93],
  ], // MCHCFG, PAM0-6, DRB, SMRAM, error registers
};

export const ISA_BRIDGE: PciFunctionModel = {
  device: 1,
  function: 0,
  vendorId: INTEL,
  deviceId: 0x7000,
  classCode: 0x060100,
  revision: 0,
  headerType: MULTIFUNCTION,
  commandMask: 0x08,
  commandAtReset: 0x08,
  bytes: [
    [0x4c, 0x4d],
    [0x4e, 0x03],
    [0x60, PIRQ_OFF],
    [0x61, PIRQ_OFF],
    [0x62, PIRQ_OFF],
    [0x63, PIRQ_OFF],
    [0x69, 0x02],
  ],
  writable: [
    [0x4c, 0x4f],
    [PIRQ_ROUTES, PIRQ_ROUTES + 3, 0x8f],
    [0x69, 0x72],
    [0x76, 0x77],
    [0x80, 0x80],
    [0x82, 0x82],
    [0xa0, 0xa8],
  ],
};

/** Its INTA# is the SCI, wired to IRQ 9; it never drives a PIRQ. */
export const POWER_MANAGEMENT: PciFunctionModel = {
  device: 1,
  function: 3,
  vendorId: INTEL,
  deviceId: 0x7113,
  classCode: 0x068000,
  revision: 3,
  intA: true,
  commandMask: 0x01,
  commandAtReset: 0x01,
  bytes: [
    [0x3c, 9],
    [0x40, (PM_BASE & 0xff) | 1],
    [0x41, PM_BASE >> 8],
    [0x80, 1],
  ], // the PM base stays where the ACPI tables say it is
};
