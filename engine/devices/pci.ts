/**
 * PCI configuration mechanism #1 (PCI Local Bus Specification 2.1 § 3.7.4.1) and the functions on bus 0: the 82441FX host bridge,
 * the 82371SB ISA bridge and the 82371AB power-management function. Port CF9h is the PIIX3's reset control register.
 *
 *   CF8h  E000 0000 bbbb bbbb dddd dfff rrrr rr00      CFCh-CFFh  data
 */
import { bytes, defineState, type StateOf, u32, u8 } from '../state/state.ts';
import type { AccessSize, Device, PortBus } from './device.ts';

const PORT_ADDRESS = 0xcf8;
const PORT_RESET = 0xcf9;
const PORT_DATA = 0xcfc;
const ENABLE = 0x80000000;
const CONFIG_BYTES = 256;
const RESET_CPU = 1 << 2; // 0 → 1 resets; bit 1 says hard or soft

const Reg = { Id: 0, Command: 4, Class: 8, HeaderType: 14, InterruptLine: 60, InterruptPin: 61 } as const;
const MULTIFUNCTION = 0x80;

/** What a function is; `writable` are [offset, mask] bytes a guest may change besides command and interrupt line. */
interface FunctionModel {
  readonly key: 'hostBridge' | 'isaBridge' | 'powerManagement';
  readonly devfn: number;
  readonly id: number;
  readonly classRevision: number;
  readonly headerType: number;
  readonly commandMask: number;
  readonly bytes: readonly (readonly [offset: number, value: number])[];
  readonly writable: readonly (readonly [first: number, last: number])[];
}

export const PM_BASE = 0x600;
const PIRQ_OFF = 0x80;

const FUNCTIONS: readonly FunctionModel[] = [
  {
    key: 'hostBridge',
    devfn: 0x00,
    id: 0x12378086,
    classRevision: 0x06000002,
    headerType: 0,
    commandMask: 0,
    bytes: [],
    writable: [
      [0x50, 0x57],
      [0x59, 0x5f],
      [0x60, 0x68],
      [0x72, 0x72],
      [0x90, 0x93],
    ], // MCHCFG, PAM0-6, DRB, SMRAM, error registers
  },
  {
    key: 'isaBridge',
    devfn: 0x08,
    id: 0x70008086,
    classRevision: 0x06010000,
    headerType: MULTIFUNCTION,
    commandMask: 0x08,
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
      [0x60, 0x63],
      [0x69, 0x72],
      [0x76, 0x77],
      [0x80, 0x80],
      [0x82, 0x82],
      [0xa0, 0xa8],
    ],
  },
  {
    key: 'powerManagement',
    devfn: 0x0b,
    id: 0x71138086,
    classRevision: 0x06800003,
    headerType: 0,
    commandMask: 0x01,
    bytes: [
      [Reg.InterruptLine, 9],
      [Reg.InterruptPin, 1],
      [0x40, (PM_BASE & 0xff) | 1],
      [0x41, PM_BASE >> 8],
      [0x80, 1],
    ],
    writable: [], // the PM base stays where the ACPI tables say it is
  },
];

export const PciState = defineState('pci', 1, {
  address: u32,
  resetControl: u8,
  hostBridge: bytes(CONFIG_BYTES),
  isaBridge: bytes(CONFIG_BYTES),
  powerManagement: bytes(CONFIG_BYTES),
});

export class Pci implements Device<StateOf<typeof PciState>> {
  private address = 0;
  private resetControl = 0;
  private readonly functions = FUNCTIONS.map(model => ({ model, config: new Uint8Array(CONFIG_BYTES) }));

  constructor(ports: PortBus, requestReset: () => void) {
    ports.onRead(PORT_ADDRESS, () => this.address, 4);
    ports.onWrite(
      PORT_ADDRESS,
      value => {
        this.address = (value & 0x80fffffc) >>> 0;
      },
      4,
    );
    // Only a whole dword reaches the address register; bytes and words pass it by.
    for (let i = 0; i < 4; i++) {
      if (PORT_ADDRESS + i === PORT_RESET) continue;
      ports.onRead(PORT_ADDRESS + i, () => 0xff);
      ports.onWrite(PORT_ADDRESS + i, () => {});
    }
    for (const port of [PORT_ADDRESS, PORT_ADDRESS + 2]) ports.onRead(port, () => 0xffff, 2);
    for (const port of [PORT_ADDRESS, PORT_ADDRESS + 2]) ports.onWrite(port, () => {}, 2);
    ports.onRead(PORT_RESET, () => this.resetControl);
    ports.onWrite(PORT_RESET, value => {
      const rises = (value & ~this.resetControl & RESET_CPU) !== 0;
      this.resetControl = value & 0x06;
      if (rises) requestReset();
    });
    for (const size of [1, 2, 4] as const) {
      for (let lane = 0; lane < 4; lane += size) {
        ports.onRead(PORT_DATA + lane, () => this.readConfig(lane, size), size);
        ports.onWrite(PORT_DATA + lane, value => this.writeConfig(lane, size, value), size);
      }
    }
    this.reset();
  }

  private selected() {
    if ((this.address & ENABLE) === 0) return undefined;
    const busDevfn = (this.address >>> 8) & 0xffff;
    return this.functions.find(({ model }) => model.devfn === busDevfn);
  }

  private readConfig(lane: number, size: AccessSize): number {
    const config = this.selected()?.config;
    if (!config) return 0xffffffff;
    const at = (this.address & 0xfc) + lane;
    let value = 0;
    for (let i = 0; i < size; i++) value |= config[at + i]! << (i * 8);
    return value >>> 0;
  }

  private writeConfig(lane: number, size: AccessSize, value: number) {
    const selected = this.selected();
    if (!selected) return;
    const { model, config } = selected;
    for (let i = 0; i < size; i++) {
      const at = (this.address & 0xfc) + lane + i;
      const byte = (value >>> (i * 8)) & 0xff;
      if (at === Reg.Command) config[at] = (config[at]! & ~model.commandMask) | (byte & model.commandMask);
      else if (at === Reg.InterruptLine || model.writable.some(([first, last]) => at >= first && at <= last)) config[at] = byte;
    }
  }

  reset() {
    this.address = 0;
    this.resetControl = 0;
    for (const { model, config } of this.functions) {
      config.fill(0);
      const view = new DataView(config.buffer);
      view.setUint32(Reg.Id, model.id, true);
      view.setUint32(Reg.Class, model.classRevision, true);
      config[Reg.Command] = model.commandMask;
      config[Reg.HeaderType] = model.headerType;
      for (const [offset, value] of model.bytes) config[offset] = value;
    }
  }
  saveState() {
    const [hostBridge, isaBridge, powerManagement] = this.functions.map(({ config }) => config.slice());
    return {
      address: this.address,
      resetControl: this.resetControl,
      hostBridge: hostBridge!,
      isaBridge: isaBridge!,
      powerManagement: powerManagement!,
    };
  }
  loadState(raw: unknown) {
    const state = PciState.parse(raw);
    this.address = state.address;
    this.resetControl = state.resetControl;
    for (const { model, config } of this.functions) config.set(state[model.key]);
  }
}
