/** A driver for a virtio device under test: it finds the structures by their capabilities, sets queues up in the bench's memory, and makes requests. */
import type { AccessSize } from '#engine/devices/device.ts';
import type { Bench } from './device-contract.ts';
import { boardOf, type BusRam, PciAccess } from './pci-bench.ts';

const BAR = 0xc000;
/** Each queue has an area of its own; buffers lie above. */
const QUEUES = 0x10000;
const QUEUE_AREA = 0x4000;
const AVAILABLE = 0x2000;
const USED = 0x3000;
const BUFFERS = 0x40000;
const VENDOR_CAPABILITY = 9;

export const VERSION_1 = 32;
export const EVENT_IDX = 29;
export const INDIRECT_DESC = 28;

export class VirtioDriver {
  readonly ram: BusRam;
  readonly config: PciAccess;
  /** Offset in the window of each structure, by capability type. */
  readonly structures = new Map<number, number>();
  private nextBuffer = BUFFERS;
  private readonly bench: Bench;

  constructor(bench: Bench, slot: number) {
    this.bench = bench;
    this.ram = boardOf(bench).ram;
    this.config = new PciAccess(bench, slot);
    this.config.enable(BAR);
    for (let at = this.config.read(0x34, 1); at !== 0; at = this.config.read(at + 1, 1)) {
      if (this.config.read(at, 1) === VENDOR_CAPABILITY) this.structures.set(this.config.read(at + 3, 1), this.config.read(at + 8));
    }
  }

  private port(structure: number, offset: number) {
    return BAR + this.structures.get(structure)! + offset;
  }
  common(offset: number, size: AccessSize) {
    return this.bench.ports.in(this.port(1, offset), size);
  }
  setCommon(offset: number, size: AccessSize, value: number) {
    this.bench.ports.out(this.port(1, offset), size, value >>> 0);
  }
  deviceConfig(offset: number, size: AccessSize) {
    return this.bench.ports.in(this.port(4, offset), size);
  }
  setDeviceConfig(offset: number, size: AccessSize, value: number) {
    this.bench.ports.out(this.port(4, offset), size, value);
  }
  /** Reading clears it. */
  isr() {
    return this.bench.in(this.port(3, 0));
  }
  get status() {
    return this.common(0x14, 1);
  }
  set status(value: number) {
    this.setCommon(0x14, 1, value);
  }

  offered(): number[] {
    const bits: number[] = [];
    for (const select of [0, 1]) {
      this.setCommon(0x00, 4, select);
      const word = this.common(0x04, 4);
      for (let bit = 0; bit < 32; bit++) if ((word & (1 << bit)) !== 0) bits.push(32 * select + bit);
    }
    return bits;
  }

  /** Reset, features (VERSION_1 among them), queues of `size`, DRIVER_OK. */
  start(features: readonly number[], queues: number, size = 16): DriverQueue[] {
    this.status = 0;
    this.status = 1;
    this.status = 3;
    this.accept([VERSION_1, ...features]);
    this.status = 0x0b;
    if ((this.status & 8) === 0) throw new Error('the device refused the features');
    const made = Array.from({ length: queues }, (_, i) => this.setUp(i, size, features));
    this.status = 0x0f;
    return made;
  }

  accept(features: readonly number[]) {
    for (const select of [0, 1]) {
      this.setCommon(0x08, 4, select);
      this.setCommon(
        0x0c,
        4,
        features.reduce((word, bit) => (bit >> 5 === select ? word | (1 << (bit & 31)) : word), 0),
      );
    }
  }

  private setUp(index: number, size: number, features: readonly number[]) {
    const base = QUEUES + index * QUEUE_AREA;
    this.ram.bytes.fill(0, base, base + QUEUE_AREA);
    this.setCommon(0x16, 2, index);
    this.setCommon(0x18, 2, size);
    this.setCommon(0x20, 4, base);
    this.setCommon(0x28, 4, base + AVAILABLE);
    this.setCommon(0x30, 4, base + USED);
    this.setCommon(0x1c, 2, 1);
    return new DriverQueue(this, base, size, features.includes(EVENT_IDX), () => this.notify(index));
  }

  notify(queue: number) {
    this.bench.ports.out(this.port(2, 0), 2, queue);
  }
  /** Lets the device do what it does between instructions. */
  settle() {
    this.bench.time.fireDue();
  }

  /** A piece of memory for a request. */
  buffer(content: Uint8Array | number): { gpa: number; length: number } {
    const bytes = typeof content === 'number' ? new Uint8Array(content).fill(0xee) : content;
    const gpa = this.nextBuffer;
    this.nextBuffer += (bytes.length + 15) & ~15;
    this.ram.write(gpa, bytes);
    return { gpa, length: bytes.length };
  }
  bytesAt({ gpa, length }: { gpa: number; length: number }) {
    return this.ram.bytes.slice(gpa, gpa + length);
  }
}

export class DriverQueue {
  readonly base: number;
  readonly size: number;
  private readonly driver: VirtioDriver;
  private readonly notify: () => void;
  private nextDescriptor = 0;
  private seen = 0;

  constructor(driver: VirtioDriver, base: number, size: number, eventIndex: boolean, notify: () => void) {
    this.driver = driver;
    this.base = base;
    this.size = size;
    this.notify = notify;
    if (eventIndex) this.usedEvent = 0;
  }

  /** Interrupt once `used index` passes it. */
  set usedEvent(index: number) {
    this.driver.ram.view.setUint16(this.base + AVAILABLE + 4 + 2 * this.size, index, true);
  }
  get availEvent() {
    return this.driver.ram.view.getUint16(this.base + USED + 4 + 8 * this.size, true);
  }
  set noInterrupt(value: boolean) {
    this.driver.ram.view.setUint16(this.base + AVAILABLE, value ? 1 : 0, true);
  }

  descriptor(index: number, gpa: number, length: number, flags: number, next = 0) {
    const view = this.driver.ram.view;
    const at = this.base + 16 * index;
    view.setUint32(at, gpa, true);
    view.setUint32(at + 4, Math.floor(gpa / 2 ** 32), true);
    view.setUint32(at + 8, length, true);
    view.setUint16(at + 12, flags, true);
    view.setUint16(at + 14, next, true);
  }

  /** A chain of what the device reads (bytes) and what it writes (lengths), without making it available. */
  chain(readable: readonly Uint8Array[], writable: readonly number[]) {
    const buffers = [...readable, ...writable].map(content => this.driver.buffer(content));
    const head = this.nextDescriptor;
    for (const [i, { gpa, length }] of buffers.entries()) {
      const last = i === buffers.length - 1;
      const flags = (i < readable.length ? 0 : 2) | (last ? 0 : 1);
      this.descriptor((head + i) % this.size, gpa, length, flags, (head + i + 1) % this.size);
    }
    this.nextDescriptor = (head + buffers.length) % this.size;
    return { head, buffers };
  }

  offer(head: number) {
    const view = this.driver.ram.view;
    const index = view.getUint16(this.base + AVAILABLE + 2, true);
    view.setUint16(this.base + AVAILABLE + 4 + 2 * (index % this.size), head, true);
    view.setUint16(this.base + AVAILABLE + 2, (index + 1) & 0xffff, true);
  }

  /** Makes a chain available and lets the device look at it. */
  request(readable: readonly Uint8Array[], writable: readonly number[]) {
    const made = this.chain(readable, writable);
    this.offer(made.head);
    this.notify();
    this.driver.settle();
    return made;
  }

  /** What the device gave back since this was called last: [head, bytes written]. */
  used(): [head: number, length: number][] {
    const view = this.driver.ram.view;
    const index = view.getUint16(this.base + USED + 2, true);
    const given: [number, number][] = [];
    for (; this.seen !== index; this.seen = (this.seen + 1) & 0xffff) {
      const at = this.base + USED + 4 + 8 * (this.seen % this.size);
      given.push([view.getUint32(at, true), view.getUint32(at + 4, true)]);
    }
    return given;
  }
}
