/**
 * The registers that a host loads before a command. Five of them are two bytes deep for 48-bit addresses (ATA/ATAPI-7 volume 1, § 4.14): a write moves
 * the byte that was there to the "previous content", which the HOB bit shows.
 */
import { type FieldType, struct, u16, u8 } from '../../state/state.ts';
import { DEV, LBA, Reg } from './registers.ts';

export const TaskFileState = struct({ features: u16, count: u16, lbaLow: u16, lbaMid: u16, lbaHigh: u16, device: u8 });

/** The current translation of cylinders, heads and sectors. */
export interface Geometry {
  readonly heads: number;
  readonly sectors: number;
}

export class TaskFile {
  /** Previous content in the high bytes. */
  features = 0;
  count = 0;
  lbaLow = 0;
  lbaMid = 0;
  lbaHigh = 0;
  device = 0;

  write(register: number, value: number) {
    const push = (old: number) => ((old & 0xff) << 8) | value;
    switch (register) {
      case Reg.Error:
        this.features = push(this.features);
        break;
      case Reg.Count:
        this.count = push(this.count);
        break;
      case Reg.LbaLow:
        this.lbaLow = push(this.lbaLow);
        break;
      case Reg.LbaMid:
        this.lbaMid = push(this.lbaMid);
        break;
      case Reg.LbaHigh:
        this.lbaHigh = push(this.lbaHigh);
        break;
      case Reg.Device:
        this.device = value;
        break;
    }
  }

  read(register: number, previous: boolean): number {
    const byte = (value: number) => (previous ? value >> 8 : value & 0xff);
    switch (register) {
      case Reg.Count:
        return byte(this.count);
      case Reg.LbaLow:
        return byte(this.lbaLow);
      case Reg.LbaMid:
        return byte(this.lbaMid);
      case Reg.LbaHigh:
        return byte(this.lbaHigh);
      default:
        return this.device;
    }
  }

  /** Sectors: 0 stands for the largest count. */
  sectorCount(ext: boolean): number {
    return ext ? this.count || 0x10000 : this.count & 0xff || 0x100;
  }

  /** Undefined for a sector that no geometry has. */
  address(ext: boolean, { heads, sectors }: Geometry): number | undefined {
    const low = this.lbaLow & 0xff;
    const mid = this.lbaMid & 0xff;
    const high = this.lbaHigh & 0xff;
    const head = this.device & 0x0f;
    const low24 = low | (mid << 8) | (high << 16);
    if (ext) return low24 + (this.lbaLow >> 8) * 2 ** 24 + ((this.lbaMid >> 8) | (this.lbaHigh & 0xff00)) * 2 ** 32;
    if ((this.device & LBA) !== 0) return low24 | (head << 24);
    if (low === 0 || low > sectors || head >= heads) return undefined;
    return (((high << 8) | mid) * heads + head) * sectors + low - 1;
  }

  /** The address of a sector that could not be read or written. */
  setAddress(lba: number, ext: boolean, { heads, sectors }: Geometry) {
    const byte = (shift: number) => Math.floor(lba / 2 ** shift) & 0xff;
    if (ext || (this.device & LBA) !== 0) {
      this.lbaLow = byte(0) | (ext ? byte(24) << 8 : 0);
      this.lbaMid = byte(8) | (ext ? byte(32) << 8 : 0);
      this.lbaHigh = byte(16) | (ext ? byte(40) << 8 : 0);
      if (!ext) this.device = (this.device & 0xf0) | (byte(24) & 0x0f);
      return;
    }
    const track = Math.floor(lba / sectors);
    const cylinder = Math.floor(track / heads);
    this.lbaLow = (lba % sectors) + 1;
    this.lbaMid = cylinder & 0xff;
    this.lbaHigh = (cylinder >> 8) & 0xff;
    this.device = (this.device & 0xf0) | (track % heads);
  }

  /** What tells a disk from an ATAPI device after a reset (ATA/ATAPI-7 volume 2, § 9.12). */
  setSignature(mid: number, high: number) {
    this.count = 1;
    this.lbaLow = 1;
    this.lbaMid = mid;
    this.lbaHigh = high;
    this.device &= DEV;
  }

  save(): FieldType<typeof TaskFileState> {
    const { features, count, lbaLow, lbaMid, lbaHigh, device } = this;
    return { features, count, lbaLow, lbaMid, lbaHigh, device };
  }
  load(state: FieldType<typeof TaskFileState>) {
    Object.assign(this, state);
  }
}
