/**
 * PCI configuration mechanism #1 (PCI Local Bus Specification 2.1 § 3.7.4.1), bus 0, and what is wired to it: the chipset's functions
 * (pci-chipset.ts), the interrupt router, and the functions of devices that plug in (pci-function.ts). Port CF9h is the PIIX3's reset
 * control register.
 *
 *   CF8h  E000 0000 bbbb bbbb dddd dfff rrrr rr00      CFCh-CFFh  data
 */
import { InvariantError } from '../errors/errors.ts';
import { bytes, defineState, type Field, type Migration, optional, struct, u32, u8 } from '../state/state.ts';
import type { Device, IrqLine, MemoryBus, PortBus } from './device.ts';
import { HOST_BRIDGE, ISA_BRIDGE, PIRQ_ROUTES, POWER_MANAGEMENT } from './pci-chipset.ts';
import { CONFIG_BYTES, type PciBus, PciFunction, type PciFunctionModel, type PciSlot } from './pci-function.ts';
import { pirqOf, PIRQS, PirqRouter } from './pirq-router.ts';

const PORT_ADDRESS = 0xcf8;
const PORT_RESET = 0xcf9;
const PORT_DATA = 0xcfc;
const ENABLE = 0x80000000;
const RESET_CPU = 1 << 2; // 0 → 1 resets; bit 1 says hard or soft

export interface PciWiring {
  readonly ports: PortBus;
  readonly memory: MemoryBus;
  /** A new driver of the IRQ. */
  readonly line: (irq: number) => IrqLine;
  readonly requestReset: () => void;
}

/** Version 1 knew the chipset's three functions only, by name. */
const byPlace: Migration = ({ hostBridge, isaBridge, powerManagement, ...rest }) => ({
  ...rest,
  functions: { '00.0': hostBridge, '01.0': isaBridge, '01.3': powerManagement },
});

/** A machine's saved bus has exactly the functions that the machine has, and those that it may have. */
function stateWith(functions: Iterable<PciFunction>) {
  const space = bytes(CONFIG_BYTES);
  const places = Array.from(functions, ({ place, model }): [string, Field<Uint8Array>] => [
    place,
    model.isOptional === true ? optional(space) : space,
  ]);
  return defineState('pci', 2, { address: u32, resetControl: u8, functions: struct(Object.fromEntries(places)) }, { 1: byPlace });
}

export class Pci implements Device, PciBus {
  private address = 0;
  private resetControl = 0;
  private readonly byDevfn = new Map<number, PciFunction>();
  private readonly wiring: PciWiring;
  private readonly router: PirqRouter;

  constructor(wiring: PciWiring) {
    const { ports, requestReset } = wiring;
    this.wiring = wiring;
    this.router = new PirqRouter(wiring.line);
    this.add(HOST_BRIDGE);
    this.add({ ...ISA_BRIDGE, onConfigWrite: () => this.route() });
    this.add(POWER_MANAGEMENT);
    this.decodeAddress(ports);
    ports.onRead(PORT_RESET, () => this.resetControl);
    ports.onWrite(PORT_RESET, value => {
      const rises = (value & ~this.resetControl & RESET_CPU) !== 0;
      this.resetControl = value & 0x06;
      if (rises) requestReset();
    });
    for (const size of [1, 2, 4] as const) {
      for (let lane = 0; lane < 4; lane += size) {
        ports.onRead(PORT_DATA + lane, () => this.selected()?.read((this.address & 0xfc) + lane, size) ?? 0xffffffff, size);
        ports.onWrite(PORT_DATA + lane, value => this.selected()?.write((this.address & 0xfc) + lane, size, value), size);
      }
    }
  }

  /** Only a whole dword reaches the address register; bytes and words pass it by. */
  private decodeAddress(ports: PortBus) {
    ports.onRead(PORT_ADDRESS, () => this.address, 4);
    ports.onWrite(
      PORT_ADDRESS,
      value => {
        this.address = (value & 0x80fffffc) >>> 0;
      },
      4,
    );
    for (let i = 0; i < 4; i++) {
      if (PORT_ADDRESS + i === PORT_RESET) continue;
      ports.onRead(PORT_ADDRESS + i, () => 0xff);
      ports.onWrite(PORT_ADDRESS + i, () => {});
    }
    for (const port of [PORT_ADDRESS, PORT_ADDRESS + 2]) ports.onRead(port, () => 0xffff, 2);
    for (const port of [PORT_ADDRESS, PORT_ADDRESS + 2]) ports.onWrite(port, () => {}, 2);
  }

  add(model: PciFunctionModel): PciSlot {
    const { ports, memory } = this.wiring;
    const added = new PciFunction(model, ports, memory, this.router.input(pirqOf(model.device)));
    if (this.byDevfn.has(added.devfn)) throw new InvariantError(`Two devices are in the PCI slot ${added.place}.`);
    this.byDevfn.set(added.devfn, added);
    return added;
  }

  /** In the order of their places, as firmware finds them. */
  get functions(): readonly PciFunction[] {
    return this.all.filter(({ isPlugged }) => isPlugged);
  }
  private get all(): readonly PciFunction[] {
    return [...this.byDevfn.values()].sort((a, b) => a.devfn - b.devfn);
  }

  /** The optional function of device `device`: whether it is in its slot. */
  isPlugged(device: number) {
    return this.optional(device).isPlugged;
  }
  plug(device: number, plugged: boolean) {
    this.optional(device).plug(plugged);
  }
  private optional(device: number): PciFunction {
    const found = this.byDevfn.get(device << 3);
    if (found?.model.isOptional !== true) throw new InvariantError(`the PCI device ${device} cannot be unplugged`);
    return found;
  }

  private selected() {
    const found = (this.address & ENABLE) === 0 ? undefined : this.byDevfn.get((this.address >>> 8) & 0xffff);
    return found?.isPlugged === true ? found : undefined;
  }

  private route() {
    const isaBridge = this.byDevfn.get(ISA_BRIDGE.device << 3)!;
    for (let pirq = 0; pirq < PIRQS; pirq++) this.router.route(pirq, isaBridge.configByte(PIRQ_ROUTES + pirq));
  }

  reset() {
    this.address = 0;
    this.resetControl = 0;
    for (const each of this.byDevfn.values()) each.reset();
    this.route();
  }

  /** Of this machine: complete once every device is plugged in. */
  get definition() {
    return stateWith(this.all);
  }
  saveState() {
    const functions = Object.fromEntries(this.functions.map(each => [each.place, each.save()]));
    return { address: this.address, resetControl: this.resetControl, functions };
  }
  loadState(raw: unknown) {
    const state = this.definition.parse(raw);
    this.address = state.address;
    this.resetControl = state.resetControl;
    for (const each of this.byDevfn.values()) {
      const saved = state.functions[each.place];
      each.plug(saved !== undefined);
      if (saved !== undefined) each.load(saved);
    }
    this.route();
  }
}
