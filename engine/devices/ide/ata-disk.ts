/**
 * An ATA disk (ATA/ATAPI-7 volume 1, § 6; DATA SET MANAGEMENT: ATA8-ACS § 7.10). Reads and writes by PIO go through a buffer of at most 64 KiB, filled and
 * emptied by one request each; a DMA command is one request on the guest's own memory.
 */
import { bool, defineState, oneOf, range, type StateOf, u53, u8 } from '../../state/state.ts';
import type { Device, GuestMemory } from '../device.ts';
import { type Drive, type DriveRequest, type DriveResult, MAX_BUFFERED_BYTES } from '../drive.ts';
import { gather, splitRanges, totalLength } from '../guest-ranges.ts';
import { AtaDevice, AtaDeviceState, type IdeBus } from './ata-device.ts';
import { DEFAULT_GEOMETRY, DEFAULT_MODE, identifyDisk, isTransferMode, MAX_MULTIPLE } from './identify.ts';
import { ABRT, Command, Feature, IDNF, SECTOR_BYTES, UNC } from './registers.ts';
import type { Geometry } from './task-file.ts';
import { MAX_SECTORS, type Transfer, TRANSFERS } from './transfers.ts';
import { type ByteRange, trimmedRanges } from './trim-list.ts';

const TRIM = 1 << 0;
const CHUNK_SECTORS = MAX_BUFFERED_BYTES / SECTOR_BYTES;

export const AtaDiskState = defineState('ata-disk', 1, {
  device: AtaDeviceState,
  heads: range(1, DEFAULT_GEOMETRY.heads),
  sectorsPerTrack: range(1, 255),
  /** Sectors a DRQ block of READ and WRITE MULTIPLE; 0 = not set. */
  multiple: range(0, MAX_MULTIPLE),
  mode: u8,
  writeCache: bool,
  lookAhead: bool,
  /** `fetch` and `store`: a request on the buffer is pending. `dma` and `rest`: one that is complete when the state is loaded (METHOD step 912). */
  phase: oneOf('none', 'fetch', 'store', 'dma-wait', 'dma', 'rest'),
  lba: u53,
  left: range(0, MAX_SECTORS),
});
type State = StateOf<typeof AtaDiskState>;

export class AtaDisk extends AtaDevice implements Device<State> {
  protected readonly signature = { mid: 0, high: 0 };
  protected readonly hasDeviceReset = false;
  private readonly drive: Drive;
  private readonly memory: GuestMemory;
  private readonly sectors: number;
  private geometry: Geometry = DEFAULT_GEOMETRY;
  private multiple = 0;
  private mode = DEFAULT_MODE;
  private writeCache: boolean;
  private lookAhead = true;
  private phase: State['phase'] = 'none';
  /** The next sector of the command under way, and how many there are from it on. */
  private lba = 0;
  private left = 0;

  constructor(bus: IdeBus, drive: Drive, memory: GuestMemory) {
    super(bus);
    this.drive = drive;
    this.writeCache = !drive.writeThrough;
    this.memory = memory;
    this.sectors = Math.floor(drive.sizeBytes / SECTOR_BYTES);
    this.reset();
  }

  // --- commands -----------------------------------------------------------------------------------------------------

  protected execute(command: number) {
    const transfer = TRANSFERS.get(command);
    if (transfer) {
      this.begin(transfer);
      return;
    }
    switch (command) {
      case Command.IdentifyDevice:
        this.offer(this.identify(), SECTOR_BYTES);
        return;
      case Command.SetFeatures:
        this.setFeatures(this.taskFile.features & 0xff, this.taskFile.count & 0xff);
        return;
      case Command.FlushCache:
      case Command.FlushCacheExt:
        this.flush();
        return;
      case Command.DataSetManagement:
        this.beginTrim();
        return;
      case Command.ReadVerify:
      case Command.ReadVerifyNoRetry:
      case Command.ReadVerifyExt:
        if (this.locate(command === Command.ReadVerifyExt)) this.complete();
        return;
      case Command.SetMultiple:
        this.setMultiple(this.taskFile.count & 0xff);
        return;
      case Command.InitializeParameters:
        this.setGeometry((this.taskFile.device & 0x0f) + 1, this.taskFile.count & 0xff);
        return;
      default:
        this.executeRange(command & 0xf0);
    }
  }

  /** RECALIBRATE and SEEK leave their low bits to the step rate of drives of old. */
  private executeRange(command: number) {
    if (command === Command.Recalibrate) this.complete();
    else if (command === Command.Seek) {
      const lba = this.taskFile.address(false, this.geometry);
      if (lba === undefined || lba >= this.sectors) this.fail(IDNF);
      else this.complete();
    } else this.abort();
  }

  private identify() {
    const { sectors, geometry, multiple, mode, writeCache, lookAhead, drive } = this;
    return identifyDisk({ sectors, serial: drive.serial, geometry, multiple, mode, writeCache, lookAhead, trim: !drive.readOnly });
  }

  private setFeatures(feature: number, value: number) {
    switch (feature) {
      case Feature.SetTransferMode:
        if (!isTransferMode(value)) break;
        this.mode = value;
        this.complete();
        return;
      case Feature.EnableWriteCache:
        this.writeCache = true;
        this.complete();
        return;
      case Feature.DisableWriteCache:
        this.writeCache = false;
        this.flush();
        return;
      case Feature.EnableLookAhead:
      case Feature.DisableLookAhead:
        this.lookAhead = feature === Feature.EnableLookAhead;
        this.complete();
        return;
      case Feature.KeepSettings:
      case Feature.RevertSettings:
        this.complete();
        return;
    }
    this.abort();
  }

  private setMultiple(count: number) {
    if (count > MAX_MULTIPLE || (count & (count - 1)) !== 0) {
      this.abort();
      return;
    }
    this.multiple = count;
    this.complete();
  }

  private setGeometry(heads: number, sectors: number) {
    if (sectors === 0) {
      this.abort();
      return;
    }
    this.geometry = { heads, sectors };
    this.complete();
  }

  // --- sectors ------------------------------------------------------------------------------------------------------

  /** Takes the address and count of a command; false, and the command has failed, if they are not on the disk. */
  private locate(ext: boolean): boolean {
    const lba = this.taskFile.address(ext, this.geometry);
    const count = this.taskFile.sectorCount(ext);
    if (lba === undefined || lba + count > this.sectors) {
      this.fail(IDNF);
      return false;
    }
    this.lba = lba;
    this.left = count;
    return true;
  }

  private get transfer(): Transfer | undefined {
    return TRANSFERS.get(this.command);
  }
  /** A write ends with a flush. */
  private get durable() {
    return (this.transfer?.fua === true || !this.writeCache) && !this.drive.writeThrough;
  }
  private get blockBytes() {
    return (this.transfer?.multiple === true ? this.multiple : 1) * SECTOR_BYTES;
  }
  /** Sectors of the buffer that is, or is to be, moved. */
  private get chunk() {
    return Math.min(this.left, CHUNK_SECTORS);
  }

  private begin(transfer: Transfer) {
    if ((transfer.multiple && this.multiple === 0) || (transfer.write && this.drive.readOnly)) {
      this.abort();
      return;
    }
    if (!this.locate(transfer.ext)) return;
    if (transfer.protocol === 'dma') this.waitForDma();
    else if (transfer.write) this.accept(this.chunk * SECTOR_BYTES, this.blockBytes, false);
    else this.fetch();
  }

  private fetch() {
    this.request('fetch', { kind: 'read-bytes', offset: this.lba * SECTOR_BYTES, length: this.chunk * SECTOR_BYTES }, bytes => {
      this.offer(bytes!.slice(), this.blockBytes);
    });
  }

  private store() {
    if (this.pio.bytes.length !== this.chunk * SECTOR_BYTES) {
      this.abort(); // only a state that no run of this device has saved
      return;
    }
    this.request('store', { kind: 'write-bytes', offset: this.lba * SECTOR_BYTES, bytes: this.pio.bytes }, () => {
      if (this.advance()) this.accept(this.chunk * SECTOR_BYTES, this.blockBytes, true);
      else this.written();
    });
  }

  protected dataEnded() {
    if (this.transfer?.write === true) this.store();
    else if (this.transfer && this.advance()) this.fetch();
    else this.complete(false);
  }

  /** Past the buffer that was moved; false at the command's end. */
  private advance(): boolean {
    const { chunk } = this;
    this.lba += chunk;
    this.left -= chunk;
    return this.left > 0;
  }

  private written() {
    if (this.durable) this.flush();
    else this.complete();
  }

  protected flush() {
    this.request('rest', { kind: 'flush' }, () => this.complete());
  }

  /** Busy until the request has ended; what fails, fails at `lba`. */
  private request(phase: State['phase'], request: DriveRequest, then: (bytes?: Uint8Array) => void) {
    this.phase = phase;
    this.busy();
    this.submit(this.drive, request, (result, bytes) => {
      this.phase = 'none';
      if (result === 'ok') then(bytes);
      else this.failAt();
    });
  }

  private failAt() {
    const { transfer } = this;
    if (transfer) this.taskFile.setAddress(this.lba, transfer.ext, this.geometry);
    this.fail(transfer?.write === false ? UNC : ABRT);
  }

  // --- DMA ----------------------------------------------------------------------------------------------------------

  private waitForDma() {
    this.phase = 'dma-wait';
    this.askForDma();
  }
  get wantsDma() {
    return this.phase === 'dma-wait';
  }

  /**
   * A table that is too short for the command moves the whole sectors that it has room for; then the bus master has stopped and the device still
   * waits, which we end without an interrupt: the host's time limit and its reset follow.
   */
  runDma() {
    if (this.command === Command.DataSetManagement) {
      this.trim();
      return;
    }
    const regions = this.bus.busMaster.regions(this.left * SECTOR_BYTES);
    const bytes = totalLength(regions);
    const whole = bytes - (bytes % SECTOR_BYTES);
    const ended = (result: DriveResult) => {
      this.phase = 'none';
      this.dmaEnded(result);
    };
    this.phase = 'dma';
    if (whole === 0) {
      ended('ok');
      return;
    }
    const kind = this.transfer?.write === true ? 'write' : 'read';
    this.submit(this.drive, { kind, offset: this.lba * SECTOR_BYTES, ranges: splitRanges(regions, whole)[0] }, ended);
  }

  private dmaEnded(result: DriveResult) {
    const { busMaster } = this.bus;
    busMaster.transferred();
    if (result === 'error') this.failAt();
    else if (!busMaster.holdsAll) this.complete(false);
    else if (this.transfer?.write === true) this.written();
    else this.complete();
  }

  /** What was submitted ends now, as it would have. */
  stopDma() {
    if (this.phase === 'dma') this.drive.drain();
  }

  // --- TRIM ---------------------------------------------------------------------------------------------------------

  private beginTrim() {
    const { taskFile } = this;
    if ((taskFile.features & 0xff) !== TRIM || taskFile.count !== 1 || this.drive.readOnly) this.abort();
    else this.waitForDma();
  }

  private trim() {
    const { busMaster } = this.bus;
    const list = gather(this.memory, busMaster.regions(SECTOR_BYTES), SECTOR_BYTES);
    busMaster.transferred();
    this.phase = 'none';
    if (busMaster.holdsAll) this.discard(trimmedRanges(list));
    else this.complete(false);
  }

  private discard(ranges: readonly ByteRange[]) {
    if (ranges.some(({ offset, length }) => offset + length > this.sectors * SECTOR_BYTES)) {
      this.fail(IDNF);
      return;
    }
    if (ranges.length === 0) {
      this.complete();
      return;
    }
    this.phase = 'rest';
    let pending = ranges.length;
    let failed = false;
    for (const { offset, length } of ranges) {
      this.submit(this.drive, { kind: 'discard', offset, length }, result => {
        failed ||= result === 'error';
        if (--pending > 0) return;
        this.phase = 'none';
        if (failed) this.abort();
        else this.written();
      });
    }
  }

  // --- state --------------------------------------------------------------------------------------------------------

  protected abandon() {
    const pending = this.phase !== 'none' && this.phase !== 'dma-wait';
    this.phase = 'none';
    if (pending) this.drive.drain();
  }

  reset() {
    this.geometry = DEFAULT_GEOMETRY;
    this.multiple = 0;
    this.mode = DEFAULT_MODE;
    this.writeCache = !this.drive.writeThrough;
    this.lookAhead = true;
    this.lba = 0;
    this.left = 0;
    this.showSignature();
  }

  saveState(): State {
    const { geometry, multiple, mode, writeCache, lookAhead, phase, lba, left } = this;
    const { heads, sectors: sectorsPerTrack } = geometry;
    return { device: this.saveDevice(), heads, sectorsPerTrack, multiple, mode, writeCache, lookAhead, phase, lba, left };
  }

  loadState(raw: unknown) {
    const state = AtaDiskState.parse(raw);
    this.geometry = { heads: state.heads, sectors: state.sectorsPerTrack };
    this.multiple = state.multiple;
    this.mode = state.mode;
    this.writeCache = state.writeCache;
    this.lookAhead = state.lookAhead;
    this.phase = state.phase;
    this.lba = state.lba;
    this.left = Math.min(state.left, this.sectors);
    if (this.lba > this.sectors - this.left) this.lba = this.sectors - this.left;
    this.loadDevice(state.device);
  }

  /** METHOD steps 912 and 914. What moved the guest's memory or no data is done: memory and disk are those after it. Buffers are moved again. */
  restored() {
    const { phase } = this;
    if (phase === 'fetch' && this.left > 0) this.fetch();
    else if (phase === 'store') this.store();
    else if (phase !== 'none' && phase !== 'dma-wait') {
      this.phase = 'none';
      if (phase === 'dma') this.bus.busMaster.transferred();
      this.complete(phase !== 'dma' || this.bus.busMaster.holdsAll);
    }
  }
}
