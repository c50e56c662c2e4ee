/**
 * One channel's bus master (82371SB PIIX3 data sheet § 2.7, § 5.3): where in memory the data of a DMA command goes to or comes from.
 *
 *   0 BMICX   bit 3 RWCON, bit 0 SSBM start/stop
 *   2 BMISX   bit 6-5 drive can do DMA, bit 2 IDEINTS, bit 1 error, bit 0 BMIDEA active
 *   4 BMIDTPX address of the table of physical region descriptors
 *
 *   descriptor   base 31:1 0 | EOT ----------------------- byte count 15:1 0      a count of 0 is 64 KiB
 */
import { oneOf, struct, u32, u8, type FieldType } from '../../state/state.ts';
import type { GuestMemory } from '../device.ts';
import type { GuestRange } from '../drive.ts';

const Offset = { Command: 0, Status: 2, Table: 4 } as const;
export const BUS_MASTER_PORTS = 8;

const START = 1 << 0;
const DIRECTION = 1 << 3;
const ACTIVE = 1 << 0;
const ERROR = 1 << 1;
const INTERRUPT = 1 << 2;
const DRIVES_CAN_DMA = 3 << 5;

const DESCRIPTOR_BYTES = 8;
const EOT = 0x80000000;
/** A table does not cross a 64 KiB boundary. */
const TABLE_BOUNDARY = 0x10000;

export const BusMasterState = struct({
  command: u8,
  status: u8,
  table: u32,
  /** How the table's lengths compare with the transfer under way. */
  match: oneOf('exact', 'longer', 'shorter'),
});

export interface BusMasterEvents {
  started(): void;
  /** The host has cleared the start bit: nothing may move any more when this returns. */
  stopped(): void;
}

export class BusMaster {
  private command = 0;
  private status = 0;
  private table = 0;
  private match: 'exact' | 'longer' | 'shorter' = 'exact';
  private readonly memory: GuestMemory;

  constructor(memory: GuestMemory) {
    this.memory = memory;
  }

  read(offset: number): number {
    switch (offset) {
      case Offset.Command:
        return this.command;
      case Offset.Status:
        return this.status;
      default:
        return offset < Offset.Table ? 0 : (this.table >>> (8 * (offset - Offset.Table))) & 0xff;
    }
  }

  /** Bytes; wider accesses come as several. */
  write(offset: number, value: number, events: BusMasterEvents) {
    switch (offset) {
      case Offset.Command:
        this.writeCommand(value, events);
        break;
      case Offset.Status:
        this.status = (value & DRIVES_CAN_DMA) | (this.status & ACTIVE) | (this.status & ~value & (ERROR | INTERRUPT));
        break;
      default:
        if (offset >= Offset.Table) {
          const shift = 8 * (offset - Offset.Table);
          this.table = ((this.table & ~(0xff << shift)) | (value << shift)) & ~3;
          this.table >>>= 0;
        }
    }
  }

  private writeCommand(value: number, events: BusMasterEvents) {
    const was = this.command;
    this.command = value & (START | DIRECTION);
    const change = (was ^ value) & START;
    if (change === 0) return;
    if ((value & START) !== 0) {
      this.status |= ACTIVE;
      events.started();
    } else {
      events.stopped();
      this.status &= ~ACTIVE;
    }
  }

  get active() {
    return (this.status & ACTIVE) !== 0;
  }

  /** The regions for a transfer of `length` bytes, in order: less than that if the table is shorter. Neighbours are joined. */
  regions(length: number): GuestRange[] {
    const regions: { gpa: number; length: number }[] = [];
    const end = (Math.floor(this.table / TABLE_BOUNDARY) + 1) * TABLE_BOUNDARY;
    const descriptor = new Uint8Array(DESCRIPTOR_BYTES);
    const view = new DataView(descriptor.buffer);
    let left = length;
    this.match = 'shorter';
    for (let at = this.table; at + DESCRIPTOR_BYTES <= end && left > 0; at += DESCRIPTOR_BYTES) {
      this.memory.read(at, descriptor);
      const gpa = (view.getUint32(0, true) & ~1) >>> 0;
      const room = view.getUint16(4, true) & ~1 || 0x10000;
      const last = (view.getUint32(4, true) & EOT) !== 0;
      const taken = Math.min(room, left);
      left -= taken;
      const before = regions.at(-1);
      if (before && before.gpa + before.length === gpa) before.length += taken;
      else regions.push({ gpa, length: taken });
      if (left === 0) this.match = taken === room && last ? 'exact' : 'longer';
      if (last) break;
    }
    return regions;
  }

  /** The table held all of the transfer that regions() was asked for. */
  get holdsAll() {
    return this.match !== 'shorter';
  }

  /** The transfer has ended: past the last descriptor the bus master stops by itself, before it it stays active (table 16 of § 5.3.2). */
  transferred() {
    if (this.match !== 'longer') this.status &= ~ACTIVE;
  }

  /** The device's interrupt has arrived, and all its data before it. */
  interrupt() {
    this.status |= INTERRUPT;
  }

  reset() {
    this.command = 0;
    this.status = 0;
    this.table = 0;
    this.match = 'exact';
  }
  save(): FieldType<typeof BusMasterState> {
    const { command, status, table, match } = this;
    return { command, status, table, match };
  }
  /** State already parsed. */
  load({ command, status, table, match }: FieldType<typeof BusMasterState>) {
    this.command = command & (START | DIRECTION);
    this.status = status & (DRIVES_CAN_DMA | ACTIVE | ERROR | INTERRUPT);
    this.table = (table & ~3) >>> 0;
    this.match = match;
  }
}
