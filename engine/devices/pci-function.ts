/**
 * One PCI function's configuration space (PCI Local Bus Specification 2.3 § 6) and the interface that plugs a function into the bus.
 *
 *   00 vendor, device   04 command, status   08 revision, class   0E header type   10-27 BARs   2C subsystem   34 capabilities
 *   3C interrupt line, pin                   40 capabilities, or whatever the model says
 *
 * To plug in a device: its constructor takes a `PciBus` and calls `add` once with what it is. The bus then answers configuration accesses
 * for it; BARs are windows that follow what the guest writes to them and to the command register. The device drives `slot.intx` by its
 * level, and again in loadState(): the levels are not part of the bus's state. The configuration space is: a device saves none of it.
 */
import type { AccessSize, BusWindow, IrqLine, MemoryBus, PortBus, WindowHandlers } from './device.ts';

export const CONFIG_BYTES = 256;
export const Reg = {
  VendorId: 0x00,
  DeviceId: 0x02,
  Command: 0x04,
  Status: 0x06,
  Revision: 0x08,
  HeaderType: 0x0e,
  Bars: 0x10,
  SubsystemVendorId: 0x2c,
  SubsystemId: 0x2e,
  CapabilityPointer: 0x34,
  InterruptLine: 0x3c,
  InterruptPin: 0x3d,
  FirstFree: 0x40,
} as const;

export const Command = { Io: 1 << 0, Memory: 1 << 1, Master: 1 << 2, InterruptDisable: 1 << 10 } as const;
const STATUS_INTERRUPT = 1 << 3;
const STATUS_CAPABILITIES = 1 << 4;

/** A base address register and what answers behind it. */
export interface BarModel extends WindowHandlers {
  readonly space: 'io' | 'memory';
  /** A power of two: at least 4 for I/O, at most 256; at least 16 for memory. */
  readonly bytes: number;
}

/** [first, last, mask]: bytes of the configuration space that a guest may change; all their bits without a mask. */
export type WritableBytes = readonly [first: number, last: number, mask?: number];

export interface CapabilityModel {
  readonly id: number;
  /** What follows the two bytes of id and next pointer. */
  readonly body: readonly number[];
  /** Counted from the capability's first byte. */
  readonly writable?: readonly WritableBytes[];
}

export interface PciFunctionModel {
  /** It may be missing in a machine that has its device: in one from before there was such a device, or whose user wants none. */
  readonly isOptional?: boolean;
  readonly device: number;
  readonly function: number;
  readonly vendorId: number;
  readonly deviceId: number;
  /** Class, subclass, programming interface: 24 bits. */
  readonly classCode: number;
  readonly revision: number;
  readonly subsystem?: { readonly vendorId: number; readonly id: number };
  readonly headerType?: number;
  /** Command bits that a guest may change. Without it: what the BARs need, bus master, and the interrupt disable bit if there is a pin. */
  readonly commandMask?: number;
  /** Command bits that are on after reset. */
  readonly commandAtReset?: number;
  /** Has INTA#, level-triggered. */
  readonly intA?: boolean;
  /** By number; a hole is a BAR that reads as 0. */
  readonly bars?: readonly (BarModel | undefined)[];
  /** Laid out from 40h on, in this order; so a function has either these or `bytes` there. */
  readonly capabilities?: readonly CapabilityModel[];
  /** Further values at reset. */
  readonly bytes?: readonly (readonly [offset: number, value: number])[];
  readonly writable?: readonly WritableBytes[];
  /** A value in place of what is stored; undefined: what is stored. */
  onConfigRead?(offset: number, size: AccessSize): number | undefined;
  /** After a write has been stored as far as its bits are writable. */
  onConfigWrite?(offset: number, size: AccessSize): void;
}

/** What a device holds of its place on the bus. */
export interface PciSlot {
  readonly intx: IrqLine;
  /** Where each capability lies. */
  readonly capabilities: readonly number[];
  /** The command register as the guest has it. */
  readonly command: number;
  /** The stored byte; neither hooks nor status bits. */
  configByte(offset: number): number;
}

export interface PciBus {
  /** Once for each function, before the machine runs. */
  add(model: PciFunctionModel): PciSlot;
}

interface PlacedBar {
  readonly model: BarModel;
  readonly window: BusWindow;
  readonly offset: number;
}

export class PciFunction implements PciSlot {
  readonly model: PciFunctionModel;
  readonly intx: IrqLine;
  readonly capabilities: readonly number[];
  readonly bars: readonly PlacedBar[];
  private readonly line: IrqLine;
  private asserted = false;
  private plugged = true;
  private readonly config = new Uint8Array(CONFIG_BYTES);
  private readonly view = new DataView(this.config.buffer);
  private readonly atReset = new Uint8Array(CONFIG_BYTES);
  private readonly writable = new Uint8Array(CONFIG_BYTES);

  constructor(model: PciFunctionModel, ports: PortBus, memory: MemoryBus, line: IrqLine) {
    this.model = model;
    this.line = line;
    this.intx = {
      set: level => {
        this.asserted = level;
        this.drive();
      },
    };
    this.identify();
    this.capabilities = this.layOutCapabilities();
    for (const [offset, value] of model.bytes ?? []) this.atReset[offset] = value;
    for (const [first, last, mask = 0xff] of model.writable ?? []) this.writable.fill(mask, first, last + 1);
    this.bars = (model.bars ?? []).flatMap((bar, i) =>
      bar ? [this.connect(bar, Reg.Bars + 4 * i, bar.space === 'io' ? ports : memory)] : [],
    );
    new DataView(this.writable.buffer).setUint16(Reg.Command, model.commandMask ?? this.usualCommand(), true);
    this.reset();
  }

  get isPlugged() {
    return this.plugged;
  }
  /** Out of its slot it answers nowhere and drives nothing. */
  plug(plugged: boolean) {
    this.plugged = plugged;
    if (!plugged) this.config.set(this.atReset);
    this.follow();
  }

  /** `01.3` */
  get place() {
    return `${this.model.device.toString(16).padStart(2, '0')}.${this.model.function}`;
  }
  get devfn() {
    return (this.model.device << 3) | this.model.function;
  }
  get command() {
    return this.view.getUint16(Reg.Command, true);
  }
  get commandMask() {
    return new DataView(this.writable.buffer).getUint16(Reg.Command, true);
  }
  configByte(offset: number) {
    return this.config[offset]!;
  }

  private identify() {
    const { model } = this;
    const view = new DataView(this.atReset.buffer);
    view.setUint16(Reg.VendorId, model.vendorId, true);
    view.setUint16(Reg.DeviceId, model.deviceId, true);
    view.setUint32(Reg.Revision, ((model.classCode << 8) | model.revision) >>> 0, true);
    view.setUint16(Reg.Command, model.commandAtReset ?? 0, true);
    view.setUint16(Reg.SubsystemVendorId, model.subsystem?.vendorId ?? 0, true);
    view.setUint16(Reg.SubsystemId, model.subsystem?.id ?? 0, true);
    this.atReset[Reg.HeaderType] = model.headerType ?? 0;
    this.atReset[Reg.InterruptPin] = model.intA === true ? 1 : 0;
    this.writable[Reg.InterruptLine] = 0xff;
  }

  private layOutCapabilities() {
    let link: number = Reg.CapabilityPointer;
    let at: number = Reg.FirstFree;
    const offsets: number[] = [];
    for (const { id, body, writable } of this.model.capabilities ?? []) {
      this.atReset[link] = at;
      this.atReset.set([id, 0, ...body], at);
      for (const [first, last, mask = 0xff] of writable ?? []) this.writable.fill(mask, at + first, at + last + 1);
      offsets.push(at);
      link = at + 1;
      at = (at + 2 + body.length + 3) & ~3;
    }
    if (offsets.length > 0) this.atReset[Reg.Status] = STATUS_CAPABILITIES;
    return offsets;
  }

  /** A BAR's low bits are wired, so that ones written to it read back as its size (§ 6.2.5.1). */
  private connect(model: BarModel, offset: number, bus: PortBus | MemoryBus): PlacedBar {
    const wired = model.space === 'io' ? 1 : 0;
    this.atReset[offset] = wired;
    new DataView(this.writable.buffer).setUint32(offset, -model.bytes >>> 0, true);
    return { model, offset, window: bus.window(model.bytes, model) };
  }

  private usualCommand() {
    const spaces = this.bars.reduce((bits, { model }) => bits | (model.space === 'io' ? Command.Io : Command.Memory), 0);
    return spaces | Command.Master | (this.model.intA === true ? Command.InterruptDisable : 0);
  }

  // --- accesses -----------------------------------------------------------------------------------------------------

  read(offset: number, size: AccessSize): number {
    const instead = this.model.onConfigRead?.(offset, size);
    if (instead !== undefined) return instead;
    let value = 0;
    for (let i = 0; i < size; i++) value |= this.readByte(offset + i) << (i * 8);
    return value >>> 0;
  }

  private readByte(offset: number) {
    const stored = this.config[offset]!;
    return offset === Reg.Status && this.asserted ? stored | STATUS_INTERRUPT : stored;
  }

  write(offset: number, size: AccessSize, value: number) {
    for (let i = 0; i < size; i++) {
      const mask = this.writable[offset + i]!;
      this.config[offset + i] = (this.config[offset + i]! & ~mask) | ((value >>> (i * 8)) & mask);
    }
    this.follow();
    this.model.onConfigWrite?.(offset, size);
  }

  /** What firmware does: the windows at `bases` (by BAR), the command bits on, the interrupt line's number where the guest looks for it. */
  assign(bases: readonly number[], interruptLine: number | undefined) {
    for (const [i, bar] of this.bars.entries()) this.view.setUint32(bar.offset, (bases[i]! | this.atReset[bar.offset]!) >>> 0, true);
    this.view.setUint16(Reg.Command, this.command | (this.commandMask & (Command.Io | Command.Memory | Command.Master)), true);
    if (interruptLine !== undefined) this.config[Reg.InterruptLine] = interruptLine;
    this.follow();
  }

  /** Windows and interrupt as BARs and command say. */
  private follow() {
    for (const { model, window, offset } of this.bars) {
      const io = model.space === 'io';
      const base = (this.view.getUint32(offset, true) & -model.bytes) >>> 0;
      const decodes = (this.command & (io ? Command.Io : Command.Memory)) !== 0 && base !== 0 && (!io || base + model.bytes <= 0x10000);
      window.place(decodes && this.plugged ? base : undefined);
    }
    this.drive();
  }

  private drive() {
    this.line.set(this.plugged && this.asserted && (this.command & Command.InterruptDisable) === 0);
  }

  // --- state --------------------------------------------------------------------------------------------------------

  reset() {
    this.config.set(this.atReset);
    this.follow();
  }
  save() {
    return this.config.slice();
  }
  /** Takes the bits that a guest could have changed; the rest is the model's. */
  load(saved: Uint8Array) {
    for (let i = 0; i < CONFIG_BYTES; i++) this.config[i] = (this.atReset[i]! & ~this.writable[i]!) | (saved[i]! & this.writable[i]!);
    this.follow();
  }
}
