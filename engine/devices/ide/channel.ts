/**
 * One of the two IDE channels of a PIIX3: the command and control blocks, up to two devices, a bus master, an interrupt line (82371SB data sheet § 2.7,
 * ATA/ATAPI-7 volume 2, § 5). Both devices hear every register write; the selected one answers, and for one that is not there zeros do.
 *
 *   base + 0 data   1 error/features   2 count   3 LBA low   4 mid   5 high   6 device   7 status/command
 *   control         alternate status / device control
 */
import { bool, type FieldType, struct, u8 } from '../../state/state.ts';
import type { GuestMemory, IrqLine, PortBus, Timer, Timers } from '../device.ts';
import type { AtaDevice, IdeBus } from './ata-device.ts';
import { BusMaster, BusMasterState } from './bus-master.ts';
import { Command, DEV, HOB, NIEN, Reg, SRST } from './registers.ts';

export const ChannelState = struct({
  control: u8,
  device: u8,
  asserted: bool,
  /** A transfer that found no page for its table is to be begun again. */
  again: bool,
  busMaster: BusMasterState,
});

export interface ChannelWiring {
  readonly commandPort: number;
  readonly controlPort: number;
  readonly irq: IrqLine;
  readonly time: Timers;
}

export class Channel implements IdeBus {
  readonly busMaster: BusMaster;
  private readonly devices: [AtaDevice | undefined, AtaDevice | undefined] = [undefined, undefined];
  private readonly irq: IrqLine;
  private control = 0;
  /** The device register as it was written: who is selected also when nobody is there to keep it. */
  private device = 0;
  /** The interrupt line is up. */
  private asserted = false;
  private readonly time: Timers;
  private readonly again: Timer;

  constructor(ports: PortBus, memory: GuestMemory, { commandPort, controlPort, irq, time }: ChannelWiring) {
    this.busMaster = new BusMaster(memory);
    this.irq = irq;
    this.time = time;
    this.again = time.create(() => this.beginDma());
    this.decode(ports, commandPort);
    ports.onRead(controlPort, () => this.selected?.status ?? 0);
    ports.onWrite(controlPort, value => this.writeControl(value));
  }

  plug(place: 0 | 1, device: AtaDevice) {
    this.devices[place] = device;
  }

  /** The data register has words and double words, the others have bytes; a wider access to those is several. */
  private decode(ports: PortBus, base: number) {
    for (const size of [2, 4] as const) {
      ports.onRead(base, () => this.selected?.readData(size) ?? 0, size);
      ports.onWrite(base, value => this.selected?.writeData(size, value), size);
    }
    for (let register = 1; register < 8; register++) {
      ports.onRead(base + register, () => this.readRegister(register));
      ports.onWrite(base + register, value => this.writeRegister(register, value));
      if (register === 7) continue;
      ports.onRead(base + register, () => this.readRegister(register) | (this.readRegister(register + 1) << 8), 2);
      ports.onWrite(
        base + register,
        value => {
          this.writeRegister(register, value & 0xff);
          this.writeRegister(register + 1, value >> 8);
        },
        2,
      );
    }
  }

  private get selected() {
    return this.devices[(this.device & DEV) === 0 ? 0 : 1];
  }

  private readRegister(register: number): number {
    const device = this.selected;
    if (!device) return 0;
    if (register === Reg.Error) return device.error;
    if (register !== Reg.Status) return device.taskFile.read(register, (this.control & HOB) !== 0);
    const { status } = device;
    device.acknowledgeInterrupt();
    return status;
  }

  private writeRegister(register: number, value: number) {
    this.control &= ~HOB;
    if (register === Reg.Status) {
      this.writeCommand(value);
      return;
    }
    if (register === Reg.Device) this.device = value;
    for (const device of this.devices) device?.writeRegister(register, value);
    this.interruptChanged();
  }

  private writeCommand(command: number) {
    if (command !== Command.ExecuteDiagnostic) {
      this.selected?.writeCommand(command);
      return;
    }
    this.selectFirst();
    for (const [place, device] of this.devices.entries()) device?.diagnose(place === 0);
    this.interruptChanged(); // device 0 may interrupt already, and is selected only now
  }

  private writeControl(value: number) {
    const was = this.control;
    this.control = value & (HOB | SRST | NIEN);
    const changed = was ^ value;
    if ((changed & SRST) !== 0) {
      if ((value & SRST) === 0) this.selectFirst();
      for (const device of this.devices) {
        if ((value & SRST) === 0) device?.showSignature();
        else device?.holdReset();
      }
    }
    this.interruptChanged();
  }

  private selectFirst() {
    this.device = 0;
    for (const device of this.devices) device?.select(0);
  }

  // --- bus master and interrupt -------------------------------------------------------------------------------------

  readBusMaster(offset: number) {
    return this.busMaster.read(offset);
  }
  writeBusMaster(offset: number, value: number) {
    this.busMaster.write(offset, value, {
      started: () => this.dmaWanted(),
      stopped: () => {
        for (const device of this.devices) device?.stopDma();
      },
    });
  }

  /**
   * A table that is still to be loaded may find no page. The instruction that began the transfer would be executed again then, and its device is busy: so the
   * transfer alone is tried again, between instructions.
   */
  dmaWanted() {
    try {
      this.beginDma();
    } catch {
      this.again.arm(this.time.nowNs());
    }
  }
  private beginDma() {
    if (!this.busMaster.active) return;
    const device = this.selected?.wantsDma === true ? this.selected : this.devices.find(each => each?.wantsDma === true);
    device?.runDma();
  }

  private get level() {
    return this.selected?.intrq === true && (this.control & NIEN) === 0;
  }

  interruptChanged() {
    const { level } = this;
    if (level && !this.asserted) this.busMaster.interrupt();
    this.asserted = level;
    this.irq.set(level);
  }

  /** What interrupts in a loaded state has been told to the bus master before it was saved. */
  deviceLoaded() {
    this.asserted = this.level;
    this.irq.set(this.asserted);
  }

  reset() {
    this.control = 0;
    this.device = 0;
    this.busMaster.reset();
    this.again.disarm();
    this.interruptChanged();
  }
  save(): FieldType<typeof ChannelState> {
    const { control, device, asserted } = this;
    return { control, device, asserted, again: this.again.deadlineNs !== undefined, busMaster: this.busMaster.save() };
  }
  /** State already parsed. The devices are loaded after their channel; each of them looks at the line again. */
  load({ control, device, asserted, again, busMaster }: FieldType<typeof ChannelState>) {
    this.control = control;
    this.device = device;
    this.asserted = asserted;
    this.busMaster.load(busMaster);
    if (again) this.again.arm(this.time.nowNs());
    else this.again.disarm();
    this.irq.set(asserted);
  }
}
