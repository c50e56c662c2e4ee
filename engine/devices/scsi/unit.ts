/**
 * A SCSI logical unit (SPC-4): what disks and CD-ROMs share – INQUIRY, REQUEST SENSE, TEST UNIT READY, unit attention. It knows no transport: execute()
 * says what is to be done.
 */
import { type Field, range, struct, u16 } from '../../state/state.ts';
import type { Drive } from '../drive.ts';
import { Op, u32be, u16be, cdbLength } from './cdb.ts';
import {
  descriptorSense,
  fixedSense,
  INVALID_FIELD_IN_CDB,
  INVALID_OPCODE,
  NO_SENSE,
  POWER_ON,
  type Sense,
  SenseKey,
  UNRECOVERED_READ,
  WRITE_ERROR,
} from './sense.ts';
import { check, dataIn, type ScsiStep } from './step.ts';

/** `usage`: the CDB's bytes from the second on, in hexadecimal, a one for each bit that is looked at (SPC-4 § 6.35.3). */
export interface Command {
  readonly usage: string;
  readonly serviceAction?: number;
  readonly run: (cdb: Uint8Array) => ScsiStep;
}

/** What INQUIRY tells (§ 6.6). */
export interface Identity {
  /** Peripheral device type. */
  readonly type: number;
  readonly removable: boolean;
  readonly product: string;
  readonly serial: string;
}

export const ScsiUnitState = struct({
  /** The unit attention condition that the next command hears of; 0 = none. */
  attention: u16,
  held: struct({ key: range(0, 15), code: u16 }),
});

const VENDOR = 'CAIRN';
const REVISION = '1.0';
const SPC_4 = 6;
const RESPONSE_FORMAT = 2;
const CMDQUE = 0x02;
const EVPD = 1;
const DESC = 1;
const SERVICE_ACTION = 0x1f;
const REPORT_OPERATION_CODES = 0x0c;

/** Commands that leave a unit attention condition where it is (SAM-5 § 5.14.1; MMC-6 § 6.7.1). */
const UNATTENDED: ReadonlySet<number> = new Set([Op.Inquiry, Op.RequestSense, Op.ReportLuns, Op.GetConfiguration, Op.GetEventStatus]);

export abstract class ScsiUnit {
  private attention = POWER_ON;
  private held = NO_SENSE;
  protected readonly identity: Identity;
  private readonly commands = new Map<number, Command>();

  constructor(identity: Identity) {
    this.identity = identity;
    this.add(Op.TestUnitReady, { usage: '0000000000', run: () => this.ready() });
    this.add(Op.RequestSense, { usage: '010000ff00', run: cdb => this.requestSense(cdb) });
    this.add(Op.Inquiry, { usage: '01ffffff00', run: cdb => this.inquiry(cdb) });
  }

  protected add(opcode: number, command: Command) {
    this.commands.set(opcode, command);
  }
  protected addReportOperationCodes() {
    this.add(Op.MaintenanceIn, {
      usage: '1f87ffffffffffffff0000',
      serviceAction: REPORT_OPERATION_CODES,
      run: cdb => this.reportOperationCodes(cdb),
    });
  }

  abstract readonly blockBytes: number;
  /** What its commands are about; undefined without a medium. */
  abstract readonly drive: Drive | undefined;
  /** What save() gives and load() takes. */
  abstract readonly stateField: Field<object>;
  abstract save(): object;
  /** True when the medium is another one than the saved. */
  abstract load(raw: unknown): boolean | void;

  /** The vital product data pages, without their header. */
  protected abstract vitalProductData(): ReadonlyMap<number, Uint8Array>;
  /** TEST UNIT READY. */
  protected abstract ready(): ScsiStep;
  /** The parameter list that a `data-out` step asked for. */
  abstract parameters(cdb: Uint8Array, list: Uint8Array): ScsiStep;

  /** `cdb` has CDB_BYTES, zeros after what the transport carried. */
  execute(cdb: Uint8Array): ScsiStep {
    const opcode = cdb[0]!;
    if (opcode !== Op.RequestSense) this.held = NO_SENSE;
    if (this.attention !== 0 && !UNATTENDED.has(opcode)) return check(this.takeAttention());
    const command = this.commands.get(opcode);
    if (!command) return check(INVALID_OPCODE);
    if (command.serviceAction !== undefined && (cdb[1]! & SERVICE_ACTION) !== command.serviceAction) return check(INVALID_FIELD_IN_CDB);
    return command.run(cdb);
  }

  /** The sense data when the drive could not do `step`. */
  failure(step: ScsiStep): Sense {
    const block = 'offset' in step ? Math.floor(step.offset / this.blockBytes) : undefined;
    const sense = step.kind === 'read' ? UNRECOVERED_READ : WRITE_ERROR;
    return block === undefined ? sense : { ...sense, block };
  }

  /** For a transport that does not deliver sense data with the status: REQUEST SENSE, if it is the next command, does. */
  hold(sense: Sense) {
    this.held = sense;
  }

  /** Something that the initiator must hear of; a power-on says it all. */
  protected attend(code: number) {
    if (this.attention !== POWER_ON) this.attention = code;
  }

  private takeAttention(): Sense {
    const code = this.attention;
    this.attention = 0;
    return { key: SenseKey.UnitAttention, code };
  }

  private requestSense(cdb: Uint8Array): ScsiStep {
    const sense = this.held === NO_SENSE && this.attention !== 0 ? this.takeAttention() : this.held;
    this.held = NO_SENSE;
    return dataIn((cdb[1]! & DESC) === 0 ? fixedSense(sense) : descriptorSense(sense), cdb[4]!);
  }

  private inquiry(cdb: Uint8Array): ScsiStep {
    const allocation = u16be(cdb, 3);
    const page = cdb[2]!;
    if ((cdb[1]! & EVPD) === 0) return page === 0 ? dataIn(this.standardInquiry(), allocation) : check(INVALID_FIELD_IN_CDB);
    const pages = this.vitalProductData();
    const body = page === 0 ? Uint8Array.of(0, ...pages.keys()) : pages.get(page);
    if (!body) return check(INVALID_FIELD_IN_CDB);
    return dataIn(Uint8Array.of(this.identity.type, page, body.length >> 8, body.length & 0xff, ...body), allocation);
  }

  private standardInquiry() {
    const bytes = new Uint8Array(36);
    bytes[0] = this.identity.type;
    bytes[1] = this.identity.removable ? 0x80 : 0;
    bytes[2] = SPC_4;
    bytes[3] = RESPONSE_FORMAT;
    bytes[4] = bytes.length - 5;
    bytes[7] = CMDQUE;
    bytes.set(ascii(VENDOR.padEnd(8)), 8);
    bytes.set(ascii(this.identity.product.padEnd(16)), 16);
    bytes.set(ascii(REVISION.padEnd(4)), 32);
    return bytes;
  }

  /** Pages 80h and 83h (§ 7.8.15, § 7.8.5): the serial number, alone and after the vendor. */
  protected identification(): [number, Uint8Array][] {
    const serial = ascii(this.identity.serial);
    const designator = Uint8Array.of(...ascii(VENDOR.padEnd(8)), ...serial);
    const ASCII = 0x02;
    const T10_VENDOR = 0x01;
    return [
      [0x80, serial],
      [0x83, Uint8Array.of(ASCII, T10_VENDOR, 0, designator.length, ...designator)],
    ];
  }

  /** SPC-4 § 6.35: all commands, or one with the bits of its CDB. */
  private reportOperationCodes(cdb: Uint8Array): ScsiStep {
    const allocation = u32be(cdb, 6);
    const options = cdb[2]! & 7;
    if (options === 0) {
      const list = [...this.commands].flatMap(([opcode, { serviceAction }]) => {
        const flags = serviceAction === undefined ? 0 : 1;
        return [opcode, 0, 0, serviceAction ?? 0, 0, flags, 0, cdbLength(opcode) ?? 0];
      });
      const bytes = Uint8Array.of(0, 0, 0, 0, ...list);
      new DataView(bytes.buffer).setUint32(0, list.length);
      return dataIn(bytes, allocation);
    }
    const command = this.commands.get(cdb[3]!);
    const hasAction = command?.serviceAction !== undefined;
    if (options > 3 || (command && options !== 3 && hasAction !== (options === 2))) return check(INVALID_FIELD_IN_CDB);
    const supported = command !== undefined && (!hasAction || command.serviceAction === u16be(cdb, 4));
    const usage = supported ? [cdb[3]!, ...fromHex(command.usage)] : [];
    return dataIn(Uint8Array.of(0, supported ? 3 : 1, 0, usage.length, ...usage), allocation);
  }

  /** What it has asked of a medium ends, as it would have. */
  drain() {
    this.drive?.drain();
  }
  /** As after power-on. */
  reset() {
    this.attention = POWER_ON;
    this.held = NO_SENSE;
  }
  protected saveUnit() {
    return { attention: this.attention, held: { key: this.held.key, code: this.held.code } };
  }
  /** State already parsed. */
  protected loadUnit({ attention, held }: ReturnType<ScsiUnit['saveUnit']>) {
    this.attention = attention;
    this.held = held.key === NO_SENSE.key && held.code === NO_SENSE.code ? NO_SENSE : held;
  }
}

export const ascii = (text: string) => Uint8Array.from(text, char => char.charCodeAt(0));
const fromHex = (hex: string) => Array.from({ length: hex.length / 2 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16));
