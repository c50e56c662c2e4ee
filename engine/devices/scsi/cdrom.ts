/** A CD-ROM or DVD-ROM drive as a SCSI unit (MMC-6): a medium that may be absent, a tray that the guest may lock and open. */
import { bool, range, struct, text, u53 } from '../../state/state.ts';
import type { Drive } from '../drive.ts';
import { capacity10 } from './block-pages.ts';
import { type Blocks, blocksOf, Op, u16be, u24be, u32be } from './cdb.ts';
import { capabilitiesPage, getConfiguration, isDvd } from './configuration.ts';
import { fixedPage, type ModeData, modeSense } from './mode.ts';
import {
  INVALID_FIELD_IN_CDB,
  INVALID_OPCODE,
  MEDIUM_CHANGED,
  NO_MEDIUM,
  NO_MEDIUM_TRAY_OPEN,
  OUT_OF_RANGE,
  REMOVAL_PREVENTED,
  type Sense,
} from './sense.ts';
import { check, dataIn, GOOD, type ScsiStep } from './step.ts';
import { discInformation, dvdStructure, readToc } from './toc.ts';
import { ScsiUnit, ScsiUnitState } from './unit.ts';

const BLOCK_BYTES = 2048;
const LOEJ = 1 << 1;
const START = 1 << 0;
const PREVENT = 1 << 0;
const POLLED = 1 << 0;
const MEDIA_CLASS = 4;
const NO_EVENT_AVAILABLE = 0x80;
const USER_DATA = 0x10; // of READ CD's main channel selection
const DOOR_OPEN = 0x10; // of MECHANISM STATUS

/** Media events of GET EVENT STATUS NOTIFICATION (MMC-6 § 6.7.2.4). */
const Event = { None: 0, EjectRequest: 1, NewMedia: 2, MediaRemoval: 3 } as const;
const MOST_FINGERPRINT = 64;

export const ScsiCdromState = struct({
  unit: ScsiUnitState,
  locked: bool,
  trayOpen: bool,
  event: range(Event.None, Event.MediaRemoval),
  /** Of the disc in the drive, to notice that another one is there when the state is loaded; 0 = no disc. */
  mediumBytes: u53,
  /** Its fingerprint; '' of no disc, and of one in a state that an older Cairn saved. */
  medium: text(MOST_FINGERPRINT),
});

/** A unit's state as version 1 of its transport saved it. */
export const withMedium = (old: unknown): unknown =>
  typeof old === 'object' && old !== null && 'mediumBytes' in old ? { ...old, medium: '' } : old;

export class ScsiCdrom extends ScsiUnit {
  readonly stateField = ScsiCdromState;
  readonly blockBytes = BLOCK_BYTES;
  private medium: Drive | undefined;
  private locked = false;
  private trayOpen = false;
  private event: number = Event.None;

  constructor(serial: string, medium: Drive | undefined) {
    super({ type: 5, removable: true, product: 'Virtual CD-ROM', serial });
    this.medium = medium;
    this.addReads();
    this.addDisc();
    this.addTray();
  }

  private addReads() {
    const read = (cdb: Uint8Array) => this.read(blocksOf(cdb));
    this.add(Op.Read10, { usage: '18ffffffff00ffff00', run: read });
    this.add(Op.Read12, { usage: '18ffffffffffffffff0000', run: read });
    this.add(Op.ReadCd, { usage: '00ffffffffffffffff0000', run: cdb => this.readCd(cdb) });
    this.add(Op.Seek10, { usage: '00ffffffff00000000', run: cdb => this.seek(cdb) });
    this.add(Op.SetCdSpeed, { usage: '0000000000000000000000', run: () => GOOD });
  }

  private addDisc() {
    const onDisc = (usage: string, run: (cdb: Uint8Array) => ScsiStep) => ({
      usage,
      run: (cdb: Uint8Array) => (this.blocks === 0 ? this.ready() : run(cdb)),
    });
    this.add(
      Op.ReadCapacity10,
      onDisc('000000000000000000', () => dataIn(capacity10(this.blocks, BLOCK_BYTES), 8)),
    );
    this.add(
      Op.ReadToc,
      onDisc('020f000000ffffff00', cdb => answer(readToc(cdb, this.blocks), u16be(cdb, 7))),
    );
    this.add(
      Op.ReadDiscInformation,
      onDisc('070000000000ffff00', cdb => dataIn(discInformation(), u16be(cdb, 7))),
    );
    this.add(
      Op.ReadDvdStructure,
      onDisc('00000000000000ffff0000', cdb =>
        isDvd(this.blocks) ? answer(dvdStructure(cdb, this.blocks), u16be(cdb, 8)) : check(INVALID_OPCODE),
      ),
    );
  }

  private addTray() {
    const sense = (cdb: Uint8Array) => modeSense(cdb, this.modeData());
    this.add(Op.ModeSense6, { usage: '08ffffff00', run: sense });
    this.add(Op.ModeSense10, { usage: '08ffff000000ffff00', run: sense });
    this.add(Op.StartStopUnit, { usage: '010000f300', run: cdb => this.startStop(cdb) });
    this.add(Op.PreventAllowRemoval, { usage: '0000000100', run: cdb => this.prevent(cdb) });
    this.add(Op.GetEventStatus, { usage: '010000ff0000ffff00', run: cdb => this.eventStatus(cdb) });
    this.add(Op.MechanismStatus, { usage: '00000000000000ffff0000', run: cdb => this.mechanismStatus(cdb) });
    this.add(Op.GetConfiguration, {
      usage: '03ffff000000ffff00',
      run: cdb => dataIn(getConfiguration(cdb, this.blocks), u16be(cdb, 7)),
    });
  }

  // --- medium -------------------------------------------------------------------------------------------------------

  /** What reads are submitted to; undefined without a disc that can be read. */
  get drive(): Drive | undefined {
    return this.trayOpen ? undefined : this.medium;
  }
  private get blocks() {
    return Math.floor((this.drive?.sizeBytes ?? 0) / BLOCK_BYTES);
  }

  get isLocked() {
    return this.locked;
  }
  get isOpen() {
    return this.trayOpen;
  }

  /** The user puts a disc in and closes the tray, or takes it out; a lock does not hinder who has the drive in hand. What is pending ends on the old one before. */
  insert(medium: Drive | undefined) {
    this.drain();
    this.medium = medium;
    this.trayOpen = false;
    this.mediumChanged();
  }

  /** Also of a disc in an open tray. */
  override drain() {
    this.medium?.drain();
  }

  /** The button of a tray that the guest has locked: it is told, and may let go of it. */
  pressEject() {
    this.event = Event.EjectRequest;
  }

  private mediumChanged() {
    this.event = this.drive ? Event.NewMedia : Event.MediaRemoval;
    if (this.drive) this.attend(MEDIUM_CHANGED);
  }

  protected ready(): ScsiStep {
    if (this.blocks > 0) return GOOD;
    return check(this.trayOpen ? NO_MEDIUM_TRAY_OPEN : NO_MEDIUM);
  }

  private read({ first, count }: Blocks): ScsiStep {
    if (this.blocks === 0) return this.ready();
    if (first + count > this.blocks) return check(OUT_OF_RANGE);
    return count === 0 ? GOOD : { kind: 'read', offset: first * BLOCK_BYTES, length: count * BLOCK_BYTES };
  }

  /** Only user data of data sectors: sync, headers and error correction are not in an image. */
  private readCd(cdb: Uint8Array): ScsiStep {
    if ((cdb[9]! & 0xf8) === 0) return this.ready();
    if ((cdb[9]! & 0xf8) !== USER_DATA || cdb[10] !== 0) return check(INVALID_FIELD_IN_CDB);
    return this.read({ first: u32be(cdb, 2), count: u24be(cdb, 6) });
  }

  private seek(cdb: Uint8Array): ScsiStep {
    if (this.blocks === 0) return this.ready();
    return u32be(cdb, 2) < this.blocks ? GOOD : check(OUT_OF_RANGE);
  }

  // --- tray ---------------------------------------------------------------------------------------------------------

  private startStop(cdb: Uint8Array): ScsiStep {
    const what = cdb[4]!;
    if (what >> 4 !== 0 || (what & LOEJ) === 0) return GOOD; // a power condition, or spinning up and down
    const open = (what & START) === 0;
    if (open && this.locked) return check(REMOVAL_PREVENTED);
    if (open === this.trayOpen) return GOOD;
    this.trayOpen = open;
    this.mediumChanged();
    return GOOD;
  }

  private prevent(cdb: Uint8Array): ScsiStep {
    this.locked = (cdb[4]! & PREVENT) !== 0;
    return GOOD;
  }

  private eventStatus(cdb: Uint8Array): ScsiStep {
    if ((cdb[1]! & POLLED) === 0) return check(INVALID_FIELD_IN_CDB); // events are not waited for
    const allocation = u16be(cdb, 7);
    if ((cdb[4]! & (1 << MEDIA_CLASS)) === 0) return dataIn(Uint8Array.of(0, 2, NO_EVENT_AVAILABLE, 1 << MEDIA_CLASS), allocation);
    const status = (this.trayOpen ? 1 : 0) | (this.drive ? 2 : 0);
    const bytes = Uint8Array.of(0, 6, MEDIA_CLASS, 1 << MEDIA_CLASS, this.event, status, 0, 0);
    this.event = Event.None;
    return dataIn(bytes, allocation);
  }

  private mechanismStatus(cdb: Uint8Array): ScsiStep {
    return dataIn(Uint8Array.of(0, this.trayOpen ? DOOR_OPEN : 0, 0, 0, 0, 0, 0, 0), u16be(cdb, 8));
  }

  private modeData(): ModeData {
    const capabilities = capabilitiesPage(this.locked);
    return {
      mediumType: 0,
      deviceSpecific: 0,
      blockDescriptor: new Uint8Array(0),
      pages: [fixedPage(0x01, 0x06, 0, 0, 0, 0, 0, 0), fixedPage(...capabilities)],
    };
  }

  protected vitalProductData() {
    return new Map(this.identification());
  }
  /** No command has a parameter list. */
  parameters(): ScsiStep {
    return check(INVALID_OPCODE);
  }

  // --- state --------------------------------------------------------------------------------------------------------

  /** The tray stays as it is. */
  override reset() {
    super.reset();
    this.locked = false;
    this.event = Event.None;
  }
  save() {
    const { locked, trayOpen, event } = this;
    const { sizeBytes = 0, fingerprint = '' } = this.medium ?? {};
    return { unit: this.saveUnit(), locked, trayOpen, event, mediumBytes: sizeBytes, medium: fingerprint };
  }
  /** Another disc than the saved one is as if it had just been put in. True then: what was being read is nowhere any more. */
  load(raw: unknown): boolean {
    const state = ScsiCdromState.parse(raw, 'scsi-cdrom');
    this.loadUnit(state.unit);
    this.locked = state.locked;
    this.trayOpen = state.trayOpen;
    this.event = state.event;
    const { sizeBytes = 0, fingerprint = '' } = this.medium ?? {};
    const isSame = sizeBytes === state.mediumBytes && (fingerprint === state.medium || state.medium === '');
    if (!isSame) {
      this.trayOpen = false;
      this.mediumChanged();
    }
    return !isSame;
  }
}

function answer(bytes: Uint8Array | Sense, allocation: number): ScsiStep {
  return bytes instanceof Uint8Array ? dataIn(bytes, allocation) : check(bytes);
}
