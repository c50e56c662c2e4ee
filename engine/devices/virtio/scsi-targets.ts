/**
 * The SCSI units of one host by target and LUN, and the commands that a target answers also where it has no unit (SPC-4 § 6.6.2, § 6.33).
 *
 *   address   01 | target | 40 + LUN high | LUN low | 00 00 00 00      single-level, flat space (Virtual I/O Device 1.1 § 5.6.6.1)
 */
import { Op, u16be, u32be } from '../scsi/cdb.ts';
import { INVALID_FIELD_IN_CDB, LUN_NOT_SUPPORTED } from '../scsi/sense.ts';
import { check, dataIn, type ScsiStep } from '../scsi/step.ts';
import type { ScsiUnit } from '../scsi/unit.ts';

export interface ScsiAddress {
  /** 0-255. */
  readonly target: number;
  /** 0-16383. */
  readonly lun: number;
}

interface Place {
  readonly address: ScsiAddress;
  readonly unit: ScsiUnit;
  /** In the saved state. */
  readonly name: string;
}

/** What an address leads to. */
export interface FoundUnit {
  readonly unit: ScsiUnit | undefined;
  /** All of its target. */
  readonly units: readonly ScsiUnit[];
  execute(cdb: Uint8Array): ScsiStep;
}

const FLAT = 0x40;
const LUN_HIGH = 0x3f;
/** Peripheral qualifier and type of a LUN that no unit can be at. */
const NO_UNIT = 0x7f;
const INQUIRY_BYTES = 36;

export class ScsiTargets {
  readonly all: readonly Place[];

  constructor(units: readonly (readonly [ScsiAddress, ScsiUnit])[]) {
    this.all = units.map(([address, unit]) => ({ address, unit, name: `target${address.target}-lun${address.lun}` }));
  }

  get maxTarget() {
    return Math.max(0, ...this.all.map(({ address }) => address.target));
  }
  get maxLun() {
    return Math.max(0, ...this.all.map(({ address }) => address.lun));
  }
  at(target: number, lun: number): ScsiUnit | undefined {
    return this.all.find(({ address }) => address.target === target && address.lun === lun)?.unit;
  }

  /** By the first eight bytes of `address`; undefined when there is no such target. */
  find(address: Uint8Array): FoundUnit | undefined {
    const target = address[1]!;
    const places = this.all.filter(place => place.address.target === target);
    if (address[0] !== 1 || places.length === 0) return undefined;
    const method = address[2]! & ~LUN_HIGH;
    const single = (method === FLAT || address[2] === 0) && address.subarray(4, 8).every(byte => byte === 0);
    const lun = ((address[2]! & LUN_HIGH) << 8) | address[3]!;
    const unit = single ? this.at(target, lun) : undefined;
    const luns = places.map(place => place.address.lun);
    return { unit, units: places.map(place => place.unit), execute: cdb => execute(cdb, unit, luns) };
  }
}

function execute(cdb: Uint8Array, unit: ScsiUnit | undefined, luns: readonly number[]): ScsiStep {
  if (cdb[0] === Op.ReportLuns) return reportLuns(cdb, luns);
  if (unit) return unit.execute(cdb);
  if (cdb[0] !== Op.Inquiry) return check(LUN_NOT_SUPPORTED);
  const bytes = new Uint8Array(INQUIRY_BYTES);
  bytes[0] = NO_UNIT;
  bytes[4] = INQUIRY_BYTES - 5;
  return dataIn(bytes, u16be(cdb, 3));
}

function reportLuns(cdb: Uint8Array, luns: readonly number[]): ScsiStep {
  const WELL_KNOWN = 1; // of which there are none
  const report = cdb[2]!;
  if (report > 2) return check(INVALID_FIELD_IN_CDB);
  const listed = report === WELL_KNOWN ? [] : luns.toSorted((a, b) => a - b);
  const bytes = new Uint8Array(8 + 8 * listed.length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 8 * listed.length);
  for (const [i, lun] of listed.entries()) view.setUint16(8 + 8 * i, lun < 0x100 ? lun : (FLAT << 8) | lun);
  return dataIn(bytes, u32be(cdb, 6));
}
