/** What a bus master under test is plugged into: a PCI bus and memory on a device bench. */
import type { GuestMemory } from '#engine/devices/device.ts';
import { Command, Reg } from '#engine/devices/pci-function.ts';
import { Pci } from '#engine/devices/pci.ts';
import type { AccessSize } from '#engine/devices/device.ts';
import type { Bench } from './device-contract.ts';

const RAM_BYTES = 1 << 20;

/** 1 MiB. Above it reads give ones and writes are dropped, as on a real bus. */
export class BusRam implements GuestMemory {
  readonly bytes = new Uint8Array(RAM_BYTES);
  /** While set, the next so many writes succeed and then one throws it, as when there is no page for a copy. */
  failAfter: number | undefined;

  read(gpa: number, into: Uint8Array) {
    into.fill(0xff);
    if (gpa < RAM_BYTES) into.set(this.bytes.subarray(gpa, gpa + into.length));
  }
  write(gpa: number, bytes: Uint8Array) {
    if (this.failAfter === 0) throw new PoolExhausted();
    if (this.failAfter !== undefined) this.failAfter--;
    if (gpa < RAM_BYTES) this.bytes.set(bytes.subarray(0, RAM_BYTES - gpa), gpa);
  }
  get view() {
    return new DataView(this.bytes.buffer);
  }
}

export class PoolExhausted extends Error {}

interface Board {
  readonly pci: Pci;
  readonly ram: BusRam;
}
const boards = new WeakMap<Bench, Board>();

/** The bench's own bus and memory, made when first asked for. */
export function boardOf(bench: Bench): Board {
  let board = boards.get(bench);
  if (!board) {
    const pci = new Pci({ ports: bench.ports, memory: bench.mmio, line: irq => bench.irq(irq), requestReset: () => {} });
    board = { pci, ram: new BusRam() };
    boards.set(bench, board);
  }
  return board;
}

/** A function's configuration space through the ports, as a guest sees it. */
export class PciAccess {
  private readonly bench: Bench;
  private readonly devfn: number;

  constructor(bench: Bench, device: number, fn = 0) {
    this.bench = bench;
    this.devfn = (device << 3) | fn;
  }

  read(offset: number, size: AccessSize = 4) {
    this.select(offset);
    return this.bench.ports.in(0xcfc + (offset & 3), size);
  }
  write(offset: number, value: number, size: AccessSize = 4) {
    this.select(offset);
    this.bench.ports.out(0xcfc + (offset & 3), size, value >>> 0);
  }
  /** The I/O window of BAR `bar` at `base`, and bus mastering. */
  enable(base: number, bar = 0) {
    this.write(Reg.Bars + 4 * bar, base);
    this.write(Reg.Command, Command.Io | Command.Memory | Command.Master, 2);
  }

  private select(offset: number) {
    this.bench.ports.out(0xcf8, 4, (0x80000000 | (this.devfn << 8) | (offset & 0xfc)) >>> 0);
  }
}
