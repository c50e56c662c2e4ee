/** Mode parameters (SPC-4 § 7.5): the header, block descriptors and pages of MODE SENSE and MODE SELECT in their 6- and 10-byte forms. */
import { cdbLength, u16be } from './cdb.ts';
import { INVALID_FIELD_IN_CDB, INVALID_PARAMETER, PARAMETER_LIST_LENGTH, type Sense, SenseKey } from './sense.ts';
import { check, dataIn, type ScsiStep } from './step.ts';

/** One page: `current` and what of it MODE SELECT may change. The first two bytes are the code and the length after them. */
export interface ModePage {
  readonly current: Uint8Array;
  readonly initial: Uint8Array;
  readonly changeable: Uint8Array;
}

/** A page with nothing to change. */
export function fixedPage(...bytes: number[]): ModePage {
  const current = Uint8Array.from(bytes);
  return { current, initial: current, changeable: Uint8Array.from(bytes, (byte, i) => (i < 2 ? byte : 0)) };
}

const ALL_PAGES = 0x3f;
const ALL_SUBPAGES = 0xff;
const DBD = 1 << 3;
const SAVING_NOT_SUPPORTED: Sense = { key: SenseKey.IllegalRequest, code: 0x3900 };
const PAGE_FORMAT = 1 << 4;
const SAVE_PAGES = 1 << 0;

export interface ModeData {
  readonly deviceSpecific: number;
  readonly mediumType: number;
  /** The short block descriptor; empty where the device type has none. */
  readonly blockDescriptor: Uint8Array;
  readonly pages: readonly ModePage[];
}

export function modeSense(cdb: Uint8Array, data: ModeData): ScsiStep {
  const short = cdbLength(cdb[0]!) === 6;
  const code = cdb[2]! & 0x3f;
  const subpage = cdb[3]!;
  if (subpage !== 0 && !(subpage === ALL_SUBPAGES && code === ALL_PAGES)) return check(INVALID_FIELD_IN_CDB);
  const pages = data.pages.filter(page => code === ALL_PAGES || page.current[0] === code);
  if (pages.length === 0) return check(INVALID_FIELD_IN_CDB);
  const control = cdb[2]! >> 6;
  if (control === 3) return check(SAVING_NOT_SUPPORTED);
  const values = pages.map(page => (control === 0 ? page.current : control === 1 ? page.changeable : page.initial));
  const descriptor = (cdb[1]! & DBD) === 0 ? data.blockDescriptor : new Uint8Array(0);
  const body = [...descriptor, ...values.flatMap(value => [...value])];
  const { mediumType, deviceSpecific } = data;
  if (short) {
    return dataIn(Uint8Array.of(body.length + 3, mediumType, deviceSpecific, descriptor.length, ...body), cdb[4]!);
  }
  const length = body.length + 6;
  const header = [length >> 8, length & 0xff, mediumType, deviceSpecific, 0, 0, 0, descriptor.length];
  return dataIn(Uint8Array.of(...header, ...body), u16be(cdb, 7));
}

/** What MODE SELECT asks for: the length of its parameter list. */
export function modeSelectLength(cdb: Uint8Array): number | Sense {
  if ((cdb[1]! & PAGE_FORMAT) === 0 || (cdb[1]! & SAVE_PAGES) !== 0) return INVALID_FIELD_IN_CDB;
  return cdbLength(cdb[0]!) === 6 ? cdb[4]! : u16be(cdb, 7);
}

/** The pages of a parameter list, in order; nothing in them differs from the current ones but what is changeable. */
export function modeSelectPages(cdb: Uint8Array, list: Uint8Array, data: ModeData): Uint8Array[] | Sense {
  const short = cdbLength(cdb[0]!) === 6;
  const headerBytes = short ? 4 : 8;
  if (list.length < headerBytes) return PARAMETER_LIST_LENGTH;
  const descriptorBytes = short ? list[3]! : u16be(list, 6);
  if (descriptorBytes !== 0 && descriptorBytes !== data.blockDescriptor.length) return INVALID_PARAMETER;
  const chosen: Uint8Array[] = [];
  for (let at = headerBytes + descriptorBytes; at < list.length;) {
    const page = data.pages.find(({ current }) => current[0] === list[at]);
    if (!page) return INVALID_PARAMETER;
    const bytes = list.subarray(at, at + page.current.length);
    if (bytes.length < page.current.length) return PARAMETER_LIST_LENGTH;
    const fixed = bytes.every((byte, i) => i === 0 || ((byte ^ page.current[i]!) & ~page.changeable[i]!) === 0);
    if (!fixed || bytes[1] !== page.current[1]) return INVALID_PARAMETER;
    chosen.push(bytes);
    at += bytes.length;
  }
  return chosen;
}
