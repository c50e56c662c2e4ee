/**
 * What hangs on an IDE channel: the registers, status and interrupt of a device and its data register's blocks (ATA/ATAPI-7 volume 2, § 6.3).
 * What a command means is in ata-disk.ts and atapi-drive.ts.
 */
import { bool, struct, u8, type FieldType } from '../../state/state.ts';
import type { Drive, DriveRequest, DriveResult } from '../drive.ts';
import type { BusMaster } from './bus-master.ts';
import { PioBuffer, PioBufferState } from './pio-buffer.ts';
import { ABRT, BSY, Command, DRDY, DRQ, DSC, ERR, PASSED } from './registers.ts';
import { TaskFile, TaskFileState } from './task-file.ts';

/** The channel, as a device sees it. */
export interface IdeBus {
  readonly busMaster: BusMaster;
  /** INTRQ may have changed. */
  interruptChanged(): void;
  /** INTRQ is that of a saved state: nothing has happened. */
  deviceLoaded(): void;
  /** A command waits for the bus master. */
  dmaWanted(): void;
}

export const AtaDeviceState = struct({
  taskFile: TaskFileState,
  status: u8,
  error: u8,
  intrq: bool,
  command: u8,
  /** The host writes the data register's blocks. */
  outward: bool,
  pio: PioBufferState,
});

const POWER_ACTIVE = 0xff; // of CHECK POWER MODE
const ONES = { 2: 0xffff, 4: 0xffffffff } as const;

export abstract class AtaDevice {
  readonly taskFile = new TaskFile();
  status = 0;
  error = 0;
  intrq = false;
  protected command = 0;
  protected readonly pio = new PioBuffer();
  private outward = false;
  protected readonly bus: IdeBus;
  /** Requests of an earlier generation belong to a command that a reset has ended. */
  private generation = 0;

  constructor(bus: IdeBus) {
    this.bus = bus;
  }

  /** What the cylinder registers show after a reset. */
  protected abstract readonly signature: { readonly mid: number; readonly high: number };
  protected abstract readonly hasDeviceReset: boolean;
  /** Begins `command`, whose registers are in the task file. */
  protected abstract execute(command: number): void;
  /** The medium has all that was written, and the command ends: before the device sleeps. */
  protected abstract flush(): void;
  /** The host has read all that was in the buffer, or filled it. */
  protected abstract dataEnded(): void;
  /** A DRQ block has been opened. */
  protected blockOpened(_bytes: number) {}
  /** A command waits for the bus master to be started. */
  abstract readonly wantsDma: boolean;
  abstract runDma(): void;
  /** The bus master was stopped under a transfer: ends or suspends it. */
  abstract stopDma(): void;
  /** Waits for what is pending; its outcome no longer matters. */
  protected abstract abandon(): void;

  // --- the host's side ----------------------------------------------------------------------------------------------

  writeRegister(register: number, value: number) {
    if ((this.status & BSY) === 0) this.taskFile.write(register, value);
  }

  /** Busy devices hear nothing, or only DEVICE RESET. */
  writeCommand(command: number) {
    if ((this.status & (BSY | DRQ)) !== 0 && !(command === Command.DeviceReset && this.hasDeviceReset)) return;
    this.setInterrupt(false);
    this.command = command;
    this.error = 0;
    if (!this.executePower(command)) this.execute(command);
  }

  /** The power management feature set, of a device that is always active; false: `command` is none of it. */
  private executePower(command: number): boolean {
    switch (command) {
      case Command.CheckPowerMode:
        this.taskFile.count = POWER_ACTIVE;
        this.complete();
        return true;
      case Command.Idle:
      case Command.IdleImmediate:
        this.complete();
        return true;
      case Command.Standby:
      case Command.StandbyImmediate:
      case Command.Sleep:
        this.flush();
        return true;
      default:
        return false;
    }
  }

  readData(size: 2 | 4): number {
    if ((this.status & DRQ) === 0 || this.outward) return ONES[size];
    const value = this.pio.read(size);
    if (this.pio.blockEnded) this.blockEnded();
    return value;
  }

  writeData(size: 2 | 4, value: number) {
    if ((this.status & DRQ) === 0 || !this.outward) return;
    this.pio.write(size, value);
    if (this.pio.blockEnded) this.blockEnded();
  }

  private blockEnded() {
    if (!this.pio.ended) {
      this.openBlock(true);
      return;
    }
    this.status = BSY;
    this.dataEnded();
  }

  // --- the command's side -------------------------------------------------------------------------------------------

  /** The host is to read `bytes` in blocks of `blockBytes`, with an interrupt for each. */
  protected offer(bytes: Uint8Array, blockBytes: number) {
    this.outward = false;
    this.pio.begin(bytes, blockBytes);
    this.openBlock(true);
  }

  /** The host is to write `length` bytes in blocks of `blockBytes`; only a command's first block comes without an interrupt. */
  protected accept(length: number, blockBytes: number, interrupt: boolean) {
    this.outward = true;
    this.pio.begin(new Uint8Array(length), blockBytes);
    this.openBlock(interrupt);
  }

  private openBlock(interrupt: boolean) {
    this.status = DRDY | DSC | DRQ;
    this.blockOpened(this.pio.openBlock());
    if (interrupt) this.setInterrupt(true);
  }

  protected busy() {
    this.status = BSY;
  }
  protected askForDma() {
    this.busy();
    this.bus.dmaWanted();
  }

  /** The command has ended well; an interrupt tells it, except after the last block of a read by PIO. */
  protected complete(interrupt = true) {
    this.end(DRDY | DSC);
    if (interrupt) this.setInterrupt(true);
  }
  protected fail(error: number) {
    this.end(DRDY | DSC | ERR);
    this.error = error;
    this.setInterrupt(true);
  }
  protected abort() {
    this.fail(ABRT);
  }
  private end(status: number) {
    this.pio.clear();
    this.status = status;
  }

  protected setInterrupt(on: boolean) {
    this.intrq = on;
    this.bus.interruptChanged();
  }
  acknowledgeInterrupt() {
    if (this.intrq) this.setInterrupt(false);
  }

  /** `then` is not called after a reset. */
  protected submit(drive: Drive, request: DriveRequest, then: (result: DriveResult, bytes?: Uint8Array) => void) {
    const { generation } = this;
    drive.submit(request, (result, bytes) => {
      if (generation === this.generation) then(result, bytes);
    });
  }

  // --- resets -------------------------------------------------------------------------------------------------------

  /** Ends the command under way without a word. */
  protected stop() {
    this.generation++;
    this.abandon();
    this.pio.clear();
    this.command = 0;
  }

  /** SRST rises: busy until it falls. */
  holdReset() {
    this.stop();
    this.intrq = false;
    this.busy();
  }
  /** EXECUTE DEVICE DIAGNOSTIC, which both devices hear; device 0 interrupts. */
  diagnose(interrupt: boolean) {
    if ((this.status & (BSY | DRQ)) !== 0) return;
    this.showSignature();
    this.setInterrupt(interrupt);
  }
  select(device: number) {
    this.taskFile.device = device;
  }
  /** SRST has fallen: the signature shows. */
  showSignature() {
    this.stop();
    this.taskFile.setSignature(this.signature.mid, this.signature.high);
    this.error = PASSED;
    this.status = this.signature.mid === 0 ? DRDY | DSC : 0;
    this.setInterrupt(false);
  }

  protected saveDevice(): FieldType<typeof AtaDeviceState> {
    const { status, error, intrq, command, outward } = this;
    return { taskFile: this.taskFile.save(), status, error, intrq, command, outward, pio: this.pio.save() };
  }
  /** State already parsed. */
  protected loadDevice(state: FieldType<typeof AtaDeviceState>) {
    this.generation++;
    this.taskFile.load(state.taskFile);
    this.status = state.status;
    this.error = state.error;
    this.intrq = state.intrq;
    this.command = state.command;
    this.outward = state.outward;
    this.pio.load(state.pio);
    this.bus.deviceLoaded();
  }
}
