/** A board with an IDE controller on it, driven as a host drives it: registers, data port, bus master. */
import type { Drive } from '#engine/devices/drive.ts';
import { Ide, type IdeDevice, type IdePlace } from '#engine/devices/ide/ide.ts';
import { Pci } from '#engine/devices/pci.ts';
import { Bench } from './device-contract.ts';
import { FlatRam } from './flat-ram.ts';

const BUS_MASTER = 0xc000;
const PRD_TABLE = 0x1000;

export class IdeBench extends Bench {
  readonly memory = new FlatRam(4 << 20);
  readonly pci = new Pci({ ports: this.ports, memory: this.mmio, line: irq => this.irq(irq), requestReset: () => {} });
  readonly ide: Ide;
  readonly base: number;
  readonly control: number;
  readonly busMaster: number;
  readonly line: number;

  /** `plugged`: made on this board's memory. Registers are those of the channel that `channel` names. */
  constructor(plugged: (memory: FlatRam) => ReadonlyMap<IdePlace, IdeDevice>, channel: 0 | 1 = 0) {
    super();
    const { ports, pci, memory, time } = this;
    const parts = { ports, pci, memory, time, irq14: this.irq(14), irq15: this.irq(15) };
    this.ide = new Ide(parts, plugged(memory));
    [this.base, this.control] = channel === 0 ? [0x1f0, 0x3f6] : [0x170, 0x376];
    this.busMaster = BUS_MASTER + 8 * channel;
    this.line = 14 + channel;
    this.ports.out(0xcf8, 4, 0x80000920);
    this.ports.out(0xcfc, 4, BUS_MASTER);
    this.ports.out(0xcf8, 4, 0x80000904);
    this.ports.out(0xcfc, 2, 0x05);
  }

  get status() {
    return this.in(this.control);
  }
  /** Reads the status register, and with it takes the interrupt back. */
  acknowledge() {
    return this.in(this.base + 7);
  }
  get error() {
    return this.in(this.base + 1);
  }
  get interrupting() {
    return this.levels.get(this.line) === true;
  }
  register(index: number) {
    return this.in(this.base + index);
  }

  /** Features, count, LBA low, mid, high, device, then the command. */
  command(command: number, [features = 0, count = 0, low = 0, mid = 0, high = 0, device = 0xe0]: number[] = []) {
    for (const [i, value] of [features, count, low, mid, high, device].entries()) this.out(this.base + 1 + i, value);
    this.out(this.base + 7, command);
  }

  /** A 28-bit command on sectors from `lba` on. */
  sectors(command: number, lba: number, count: number) {
    this.command(command, [0, count & 0xff, lba & 0xff, (lba >> 8) & 0xff, (lba >> 16) & 0xff, 0xe0 | (lba >>> 24)]);
  }

  /** A 48-bit command: the high halves first. */
  sectorsExt(command: number, lba: number, count: number) {
    const byte = (value: number, n: number) => Math.floor(value / 2 ** (8 * n)) & 0xff;
    this.command(0, [0]); // what was there before does not matter
    this.acknowledge();
    for (const half of [1, 0]) {
      this.out(this.base + 2, byte(count, half));
      for (const i of [0, 1, 2]) this.out(this.base + 3 + i, byte(lba, i + 3 * half));
    }
    this.out(this.base + 6, 0xe0);
    this.out(this.base + 7, command);
  }

  /** `count` bytes from the data port. */
  readData(count: number, size: 2 | 4 = 2): Uint8Array {
    const bytes = new Uint8Array(count + size);
    const view = new DataView(bytes.buffer);
    for (let at = 0; at < count; at += size) {
      const value = this.ports.in(this.base, size);
      if (size === 2) view.setUint16(at, value, true);
      else view.setUint32(at, value, true);
    }
    return bytes.subarray(0, count);
  }

  writeData(bytes: Uint8Array, size: 2 | 4 = 2) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at < bytes.length; at += size) {
      this.ports.out(this.base, size, size === 2 ? view.getUint16(at, true) : view.getUint32(at, true));
    }
  }

  /** Writes a table of [address, byte count] with the end mark on the last, and points the bus master to it. */
  regions(regions: readonly (readonly [number, number])[], { end = true, table = PRD_TABLE } = {}) {
    const view = new DataView(this.memory.bytes.buffer);
    for (const [i, [gpa, count]] of regions.entries()) {
      const last = end && i === regions.length - 1;
      view.setUint32(table + 8 * i, gpa, true);
      view.setUint32(table + 8 * i + 4, (count | (last ? 0x80000000 : 0)) >>> 0, true);
    }
    this.ports.out(this.busMaster + 4, 4, table);
  }
  start(write = false) {
    this.out(this.busMaster, write ? 0x01 : 0x09);
  }
  stop() {
    this.out(this.busMaster, 0);
  }
  /** Bits 2 interrupt, 1 error, 0 active. */
  get busMasterStatus() {
    return this.in(this.busMaster + 2) & 7;
  }

  /** An ATAPI command by PIO, up to the point where its packet has been written. */
  packet(cdb: readonly number[], { byteCount = 0xfffe, dma = false, device = 0xa0 } = {}) {
    this.command(0xa0, [dma ? 1 : 0, 0, 0, byteCount & 0xff, byteCount >> 8, device]);
    this.writeData(Uint8Array.from({ length: 12 }, (_, i) => cdb[i] ?? 0));
  }
  /** The blocks of a data-in command, as their byte counts and the bytes. */
  packetData(): { blocks: number[]; bytes: Uint8Array } {
    const blocks: number[] = [];
    const parts: number[] = [];
    while ((this.acknowledge() & 0x08) !== 0) {
      const length = this.register(4) | (this.register(5) << 8);
      blocks.push(length);
      parts.push(...this.readData(length));
    }
    return { blocks, bytes: Uint8Array.from(parts) };
  }
}

/** Sector n of `content` holds n in each of its words. */
export function numberSectors(content: Uint8Array) {
  const words = new Uint32Array(content.buffer, content.byteOffset, content.length / 4);
  for (let i = 0; i < words.length; i++) words[i] = Math.floor(i / 128);
}
export const disk = (drive: Drive): IdeDevice => ({ kind: 'disk', drive });
