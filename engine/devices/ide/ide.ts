/**
 * The IDE function of the 82371SB PIIX3 (data sheet § 2.3, § 2.7): two channels at the places of a PC/AT, each with up to two devices, and the bus master's
 * registers behind BAR 4, eight for each channel.
 *
 *   primary     1F0-1F7 3F6   IRQ 14   bus master +0
 *   secondary   170-177 376   IRQ 15   bus master +8
 *
 * The channels always answer at their ports, also when a guest clears the enable bits of IDETIM or of the command register.
 */
import { defineState, type StateOf } from '../../state/state.ts';
import type { AccessSize, Device, GuestMemory, IrqLine, PortBus, Timers } from '../device.ts';
import type { Drive } from '../drive.ts';
import type { PciBus } from '../pci-function.ts';
import { AtaDisk, AtaDiskState } from './ata-disk.ts';
import { AtapiDrive, AtapiDriveState } from './atapi-drive.ts';
import { BUS_MASTER_PORTS } from './bus-master.ts';
import { Channel, ChannelState } from './channel.ts';

/** What is plugged in at a place. A CD-ROM drive is there also without a disc. */
export type IdeDevice =
  | { readonly kind: 'disk'; readonly drive: Drive }
  | { readonly kind: 'cdrom'; readonly serial: string; readonly medium: Drive | undefined };

/** Primary device 0 and 1, secondary device 0 and 1. */
export type IdePlace = 0 | 1 | 2 | 3;

export interface IdeParts {
  readonly ports: PortBus;
  readonly pci: PciBus;
  readonly memory: GuestMemory;
  readonly time: Timers;
  readonly irq14: IrqLine;
  readonly irq15: IrqLine;
}

const IDETIM_ENABLE = 0x80; // in the high byte: the channel is decoded
/** Version 1 knew no transfer that is begun again. */
const withAgain = (channel: unknown) => (typeof channel === 'object' && channel !== null ? { ...channel, again: false } : channel);
export const IdeState = defineState(
  'ide',
  2,
  { primary: ChannelState, secondary: ChannelState },
  { 1: ({ primary, secondary }) => ({ primary: withAgain(primary), secondary: withAgain(secondary) }) },
);

/** A device with a state of its own; load it after the controller. */
export type PluggedDevice =
  | { readonly name: string; readonly definition: typeof AtaDiskState; readonly device: AtaDisk }
  | { readonly name: string; readonly definition: typeof AtapiDriveState; readonly device: AtapiDrive };

export class Ide implements Device<StateOf<typeof IdeState>> {
  private readonly primary: Channel;
  private readonly secondary: Channel;
  readonly devices: readonly PluggedDevice[];

  constructor(parts: IdeParts, plugged: ReadonlyMap<IdePlace, IdeDevice>) {
    const { ports, pci, memory, time, irq14, irq15 } = parts;
    this.primary = new Channel(ports, memory, { commandPort: 0x1f0, controlPort: 0x3f6, irq: irq14, time });
    this.secondary = new Channel(ports, memory, { commandPort: 0x170, controlPort: 0x376, irq: irq15, time });
    this.devices = [...plugged].map(([place, device]) => this.plug(parts, place, device));
    pci.add({
      device: 1,
      function: 1,
      vendorId: 0x8086,
      deviceId: 0x7010,
      classCode: 0x010180, // bus master, both channels at their old ports for good
      revision: 0,
      bars: [undefined, undefined, undefined, undefined, this.busMasterBar()],
      bytes: [
        [0x41, IDETIM_ENABLE],
        [0x43, IDETIM_ENABLE],
      ], // as firmware leaves it
      writable: [[0x40, 0x44]], // IDETIM and SIDETIM: timings that cost nothing here
    });
  }

  private plug({ memory, time }: IdeParts, place: IdePlace, plugged: IdeDevice): PluggedDevice {
    const channel = place < 2 ? this.primary : this.secondary;
    const name = `ide${place}`;
    if (plugged.kind === 'disk') {
      const device = new AtaDisk(channel, plugged.drive, memory);
      channel.plug((place & 1) as 0 | 1, device);
      return { name, definition: AtaDiskState, device };
    }
    const device = new AtapiDrive(channel, { memory, time, serial: plugged.serial, medium: plugged.medium });
    channel.plug((place & 1) as 0 | 1, device);
    return { name, definition: AtapiDriveState, device };
  }

  private busMasterBar() {
    const channelAt = (offset: number) => (offset < BUS_MASTER_PORTS ? this.primary : this.secondary);
    return {
      space: 'io',
      bytes: 2 * BUS_MASTER_PORTS,
      read: (offset: number, size: AccessSize) => {
        let value = 0;
        for (let i = 0; i < size; i++) value |= channelAt(offset + i).readBusMaster((offset + i) % BUS_MASTER_PORTS) << (8 * i);
        return value >>> 0;
      },
      write: (offset: number, size: AccessSize, value: number) => {
        for (let i = 0; i < size; i++) {
          channelAt(offset + i).writeBusMaster((offset + i) % BUS_MASTER_PORTS, (value >>> (8 * i)) & 0xff);
        }
      },
    } as const;
  }

  reset() {
    this.primary.reset();
    this.secondary.reset();
  }
  saveState() {
    return { primary: this.primary.save(), secondary: this.secondary.save() };
  }
  loadState(raw: unknown) {
    const state = IdeState.parse(raw);
    this.primary.load(state.primary);
    this.secondary.load(state.secondary);
  }
}
