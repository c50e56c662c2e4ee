/**
 * An ATAPI CD-ROM drive (ATA/ATAPI-7 volume 2, § 11.8: the PACKET protocols). It carries the commands of a SCSI unit; their data goes to the host by PIO, in
 * blocks of at most the host's byte count, or by DMA.
 */
import { bool, defineState, oneOf, type StateOf, u16, u53, u8 } from '../../state/state.ts';
import type { Device, GuestMemory, Timer, Timers } from '../device.ts';
import { type Drive, type DriveResult, MAX_BUFFERED_BYTES } from '../drive.ts';
import { scatter, splitRanges, totalLength } from '../guest-ranges.ts';
import { CDB_BYTES } from '../scsi/cdb.ts';
import { ScsiCdrom, ScsiCdromState, withMedium } from '../scsi/cdrom.ts';
import { NO_MEDIUM, type Sense } from '../scsi/sense.ts';
import type { ScsiStep } from '../scsi/step.ts';
import { AtaDevice, AtaDeviceState, type IdeBus } from './ata-device.ts';
import { DEFAULT_MODE, identifyCdrom, isTransferMode } from './identify.ts';
import { ABRT, COD, Command, Feature, IO, SECTOR_BYTES } from './registers.ts';

const PACKET_BYTES = 12;
const USE_DMA = 1 << 0;
const OVERLAPPED = 1 << 1;
const MAX_BLOCK_BYTES = 0xfffe;
/** From the start of the bus master to the data of an answer that needs no disk: a port handler writes no guest memory, a timer may. */
const REPLY_NS = 10_000;

/** Where a read goes on whose disc was taken out: beyond any disc. */
const NOWHERE = Number.MAX_SAFE_INTEGER;

const fields = {
  device: AtaDeviceState,
  unit: ScsiCdromState,
  mode: u8,
  /**
   * `fetch`: a read into the buffer is pending. `dma-reply`, `dma-read`: the bus master is waited for. `reply`: the timer is. `dma`: a read that is complete
   * when the state is loaded (METHOD step 912).
   */
  phase: oneOf('none', 'packet', 'data', 'fetch', 'dma-reply', 'dma-read', 'reply', 'dma'),
  useDma: bool,
  byteCount: u16,
  /** The bytes of the medium that are still to be read. */
  offset: u53,
  left: u53,
  /** When the reply goes out; 0 = none does. */
  replyNs: u53,
};
export const AtapiDriveState = defineState('atapi-drive', 2, fields, { 1: old => ({ ...old, unit: withMedium(old['unit']) }) });
type State = StateOf<typeof AtapiDriveState>;

export interface AtapiParts {
  readonly memory: GuestMemory;
  readonly time: Timers;
  readonly serial: string;
  readonly medium: Drive | undefined;
}

export class AtapiDrive extends AtaDevice implements Device<State> {
  protected readonly signature = { mid: 0x14, high: 0xeb };
  protected readonly hasDeviceReset = true;
  readonly unit: ScsiCdrom;
  private readonly memory: GuestMemory;
  private readonly time: Timers;
  private readonly timer: Timer;
  private readonly serial: string;
  private mode: number = DEFAULT_MODE;
  private phase: State['phase'] = 'none';
  private useDma = false;
  private byteCount = 0;
  private offset = 0;
  private left = 0;

  constructor(bus: IdeBus, { memory, time, serial, medium }: AtapiParts) {
    super(bus);
    this.memory = memory;
    this.time = time;
    this.serial = serial;
    this.unit = new ScsiCdrom(serial, medium);
    this.timer = time.create(() => this.reply());
    this.reset();
  }

  /** The user changes the disc, between instructions. What the drive has asked the old one for arrives; the rest of a command fails. */
  insert(medium: Drive | undefined) {
    this.unit.insert(medium);
    this.offset = NOWHERE;
  }

  // --- commands -----------------------------------------------------------------------------------------------------

  protected execute(command: number) {
    switch (command) {
      case Command.Packet:
        this.beginPacket();
        return;
      case Command.IdentifyPacketDevice:
        this.phase = 'none';
        this.offer(identifyCdrom(this.serial, this.mode), SECTOR_BYTES);
        return;
      case Command.DeviceReset:
        this.showSignature();
        return;
      case Command.SetFeatures:
        this.setFeatures(this.taskFile.features & 0xff, this.taskFile.count & 0xff);
        return;
      case Command.IdentifyDevice:
      case Command.ReadSectors:
        this.taskFile.setSignature(this.signature.mid, this.signature.high); // § 9.12: so a host that guessed wrong knows
        this.abort();
        return;
      default:
        this.abort();
    }
  }

  /** The drive only reads. */
  protected flush() {
    this.complete();
  }

  private setFeatures(feature: number, value: number) {
    if (feature === Feature.SetTransferMode && isTransferMode(value)) {
      this.mode = value;
      this.complete();
    } else if (feature === Feature.KeepSettings || feature === Feature.RevertSettings) this.complete();
    else this.abort();
  }

  private beginPacket() {
    const { features, lbaMid, lbaHigh } = this.taskFile;
    if ((features & OVERLAPPED) !== 0) {
      this.abort();
      return;
    }
    this.useDma = (features & USE_DMA) !== 0;
    const byteCount = (lbaMid & 0xff) | ((lbaHigh & 0xff) << 8);
    this.byteCount = byteCount === 0 ? MAX_BLOCK_BYTES : Math.max(2, byteCount & ~1);
    this.phase = 'packet';
    this.accept(PACKET_BYTES, PACKET_BYTES, false);
  }

  protected override blockOpened(bytes: number) {
    if (this.phase === 'none') return; // IDENTIFY PACKET DEVICE has no reason to tell
    this.taskFile.count = this.phase === 'packet' ? COD : IO;
    if (this.phase === 'packet') return;
    this.taskFile.lbaMid = bytes & 0xff;
    this.taskFile.lbaHigh = bytes >> 8;
  }

  protected dataEnded() {
    switch (this.phase) {
      case 'packet': {
        const cdb = new Uint8Array(CDB_BYTES);
        cdb.set(this.pio.bytes.subarray(0, PACKET_BYTES));
        this.carryOut(this.unit.execute(cdb));
        return;
      }
      case 'data':
        if (this.left > 0) this.fetch();
        else this.finish();
        return;
      default:
        this.complete(false);
    }
  }

  /** The drive only reads: no command has a parameter list or changes the medium. */
  private carryOut(step: ScsiStep) {
    switch (step.kind) {
      case 'check':
        this.finish(step.sense);
        return;
      case 'data-in':
        this.left = 0;
        if (this.useDma) {
          this.pio.begin(step.bytes, step.bytes.length);
          this.waitForDma('dma-reply');
        } else {
          this.phase = 'data';
          this.offer(step.bytes, this.byteCount);
        }
        return;
      case 'read':
        this.offset = step.offset;
        this.left = step.length;
        if (this.useDma) this.waitForDma('dma-read');
        else this.fetch();
        return;
      default:
        this.finish();
    }
  }

  /** The status phase; the sense data waits for REQUEST SENSE. */
  private finish(sense?: Sense) {
    this.phase = 'none';
    this.taskFile.count = IO | COD;
    if (!sense) {
      this.complete();
      return;
    }
    this.unit.hold(sense);
    this.fail((sense.key << 4) | ABRT);
  }

  /** The drive that has the bytes still to be read, if the disc is still there. */
  private get drive(): Drive | undefined {
    const { drive } = this.unit;
    return drive && this.offset + this.left <= drive.sizeBytes ? drive : undefined;
  }
  private failRead() {
    this.finish(this.unit.failure({ kind: 'read', offset: this.offset, length: this.left }));
  }

  private fetch() {
    const { drive } = this;
    if (!drive) {
      this.finish(NO_MEDIUM);
      return;
    }
    const length = Math.min(this.left, MAX_BUFFERED_BYTES);
    this.phase = 'fetch';
    this.busy();
    this.submit(drive, { kind: 'read-bytes', offset: this.offset, length }, (result, bytes) => {
      if (result === 'error') {
        this.failRead();
        return;
      }
      this.offset += length;
      this.left -= length;
      this.phase = 'data';
      this.offer(bytes!.slice(), this.byteCount);
    });
  }

  // --- DMA ----------------------------------------------------------------------------------------------------------

  private waitForDma(phase: 'dma-reply' | 'dma-read') {
    this.phase = phase;
    this.askForDma();
  }
  get wantsDma() {
    return this.phase === 'dma-reply' || this.phase === 'dma-read';
  }

  runDma() {
    if (this.phase === 'dma-read') this.readByDma();
    else {
      this.phase = 'reply';
      this.timer.arm(this.time.nowNs() + REPLY_NS);
    }
  }

  /** May be thrown out of when there is no page for a copy; it is called again then. */
  private reply() {
    const { busMaster } = this.bus;
    const { bytes } = this.pio;
    for (const write of scatter(busMaster.regions(bytes.length), bytes)) this.memory.write(write.gpa, write.bytes);
    this.dmaEnded('ok');
  }

  private readByDma() {
    const { drive } = this;
    if (!drive) {
      this.finish(NO_MEDIUM);
      return;
    }
    const regions = this.bus.busMaster.regions(this.left);
    const bytes = totalLength(regions);
    const whole = bytes - (bytes % SECTOR_BYTES);
    this.phase = 'dma';
    if (whole === 0) this.dmaEnded('ok');
    else this.submit(drive, { kind: 'read', offset: this.offset, ranges: splitRanges(regions, whole)[0] }, result => this.dmaEnded(result));
  }

  /** A table without room for all ends the command without an interrupt, as on a disk. */
  private dmaEnded(result: DriveResult) {
    const { busMaster } = this.bus;
    busMaster.transferred();
    if (result === 'error') this.failRead();
    else if (busMaster.holdsAll) this.finish();
    else {
      this.phase = 'none';
      this.complete(false);
    }
  }

  /** A read ends as it would have; a reply waits for the next start. */
  stopDma() {
    if (this.phase === 'dma') this.unit.drive?.drain();
    else if (this.phase === 'reply') {
      this.timer.disarm();
      this.phase = 'dma-reply';
    }
  }

  // --- state --------------------------------------------------------------------------------------------------------

  protected abandon() {
    const pending = this.phase === 'fetch' || this.phase === 'dma';
    this.phase = 'none';
    this.timer.disarm();
    if (pending) this.unit.drive?.drain();
  }

  reset() {
    this.unit.reset();
    this.mode = DEFAULT_MODE;
    this.useDma = false;
    this.byteCount = 0;
    this.offset = 0;
    this.left = 0;
    this.showSignature();
  }

  saveState(): State {
    const { mode, phase, useDma, byteCount, offset, left } = this;
    const replyNs = this.timer.deadlineNs ?? 0;
    return { device: this.saveDevice(), unit: this.unit.save(), mode, phase, useDma, byteCount, offset, left, replyNs };
  }

  loadState(raw: unknown) {
    const state = AtapiDriveState.parse(raw);
    const isOther = this.unit.load(state.unit);
    this.mode = state.mode;
    this.phase = state.phase;
    this.useDma = state.useDma;
    this.byteCount = state.byteCount;
    this.offset = isOther ? NOWHERE : state.offset;
    this.left = state.left;
    if (state.replyNs > 0) this.timer.arm(state.replyNs);
    else this.timer.disarm();
    this.loadDevice(state.device);
  }

  /** METHOD steps 912 and 914; a read into the buffer is made again. */
  restored() {
    if (this.phase === 'fetch') this.fetch();
    else if (this.phase === 'dma') this.dmaEnded('ok');
  }
}
