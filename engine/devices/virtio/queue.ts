/**
 * A split virtqueue (Virtual I/O Device Specification 1.1 § 2.6). Everything in it is written by the guest: addresses, indices, lengths and links
 * are checked, loops are bounded, and what breaks the rules breaks the queue, which the device tells by DEVICE_NEEDS_RESET.
 *
 *   descriptor  gpa u64  length u32  flags u16 (NEXT 0, WRITE 1, INDIRECT 2)  next u16
 *   available   flags u16 (NO_INTERRUPT 0)  index u16  ring u16[size]  used_event u16
 *   used        flags u16  index u16  ring { id u32, length u32 }[size]  avail_event u16
 */
import { bool, type FieldType, range, struct, u16, u32 } from '../../state/state.ts';
import type { GuestMemory } from '../device.ts';
import type { GuestRange } from '../drive.ts';

export const MAX_QUEUE_SIZE = 256;
/** Of one chain, tables included: more than any queue's size, since drivers count the elements of a table only against what a device says it takes. */
export const MAX_CHAIN = 1024;
const DESCRIPTOR_BYTES = 16;
const USED_ELEMENT_BYTES = 8;
const RING_HEADER = 4;

const NEXT = 1 << 0;
const WRITE = 1 << 1;
const INDIRECT = 1 << 2;
const NO_INTERRUPT = 1 << 0;

/** A request as the driver made it available: what the device reads, then what it writes. */
export interface Chain {
  readonly head: number;
  readonly readable: readonly GuestRange[];
  readonly writable: readonly GuestRange[];
}

const Address = struct({ low: u32, high: u32 });
export const QueueState = struct({
  size: range(1, MAX_QUEUE_SIZE),
  enabled: bool,
  descriptors: Address,
  available: Address,
  used: Address,
  /** Chains taken, and chains given back, both modulo 65536. */
  taken: u16,
  returned: u16,
  /** `returned` when the driver was interrupted last. */
  signalled: u16,
});
type QueueState = FieldType<typeof QueueState>;
export type QueueArea = 'descriptors' | 'available' | 'used';

const powerOn = (size: number): QueueState => ({
  size,
  enabled: false,
  descriptors: { low: 0, high: 0 },
  available: { low: 0, high: 0 },
  used: { low: 0, high: 0 },
  taken: 0,
  returned: 0,
  signalled: 0,
});

const copy = ({ descriptors, available, used, ...rest }: QueueState): QueueState => ({
  ...rest,
  descriptors: { ...descriptors },
  available: { ...available },
  used: { ...used },
});

export class VirtQueue {
  readonly maxSize: number;
  private s: QueueState;
  private readonly memory: GuestMemory;
  /** VIRTIO_F_EVENT_IDX was negotiated. */
  eventIndex = false;
  /** VIRTIO_F_INDIRECT_DESC was negotiated. */
  indirect = false;

  constructor(memory: GuestMemory, maxSize: number) {
    this.memory = memory;
    this.maxSize = maxSize;
    this.s = powerOn(maxSize);
  }

  // --- set-up by the driver -----------------------------------------------------------------------------------------

  get size() {
    return this.s.size;
  }
  set size(size: number) {
    if (!this.s.enabled && size > 0 && size <= this.maxSize && (size & (size - 1)) === 0) this.s.size = size;
  }
  get enabled() {
    return this.s.enabled;
  }
  area(area: QueueArea) {
    return this.s[area];
  }
  setArea(area: QueueArea, half: 'low' | 'high', value: number) {
    if (!this.s.enabled) this.s[area] = { ...this.s[area], [half]: value >>> 0 };
  }

  /** False when its areas are misaligned or lie above 4 GiB, where this machine has no memory. */
  enable(): boolean {
    const { descriptors, available, used } = this.s;
    if (descriptors.high !== 0 || available.high !== 0 || used.high !== 0) return false;
    if (descriptors.low % 16 !== 0 || available.low % 2 !== 0 || used.low % 4 !== 0) return false;
    this.s.enabled = true;
    return true;
  }

  // --- requests -----------------------------------------------------------------------------------------------------

  /** The next chain that the driver made available, undefined when there is none; 'broken' when what it made available is no chain. */
  take(): Chain | undefined | 'broken' {
    const s = this.s;
    if (!s.enabled) return undefined;
    const waiting = (this.read16(s.available.low + 2) - s.taken) & 0xffff;
    if (waiting === 0) return undefined;
    const inFlight = (s.taken - s.returned) & 0xffff;
    if (waiting > s.size || inFlight >= s.size) return 'broken';
    const head = this.read16(s.available.low + RING_HEADER + 2 * (s.taken % s.size));
    const chain = this.follow(head);
    if (chain === undefined) return 'broken';
    s.taken = (s.taken + 1) & 0xffff;
    return chain;
  }

  /** The chain that was taken last is the next again. */
  putBack() {
    this.s.taken = (this.s.taken - 1) & 0xffff;
  }

  /** Nothing is available that was not taken. */
  get isEmpty() {
    const { enabled, available, taken } = this.s;
    return !enabled || this.read16(available.low + 2) === taken;
  }

  private follow(head: number): Chain | undefined {
    const readable: GuestRange[] = [];
    const writable: GuestRange[] = [];
    let table = this.s.descriptors.low;
    let entries = this.s.size;
    let inTable = false;
    let index = head;
    for (let count = 0; count < MAX_CHAIN; count++) {
      if (index >= entries) return undefined;
      const { gpa, length, flags, next } = this.descriptor(table + index * DESCRIPTOR_BYTES);
      if (gpa + length > 2 ** 32) return undefined;
      if ((flags & INDIRECT) !== 0) {
        // § 2.6.5.3: a table ends its chain, and has no table in it.
        if (!this.indirect || inTable || (flags & NEXT) !== 0 || length === 0 || length % DESCRIPTOR_BYTES !== 0) return undefined;
        table = gpa;
        entries = length / DESCRIPTOR_BYTES;
        inTable = true;
        index = 0;
        continue;
      }
      if ((flags & WRITE) !== 0) writable.push({ gpa, length });
      else if (writable.length > 0) return undefined;
      else readable.push({ gpa, length });
      if ((flags & NEXT) === 0) return { head, readable, writable };
      index = next;
    }
    return undefined;
  }

  /**
   * Gives a chain back, of which `length` bytes were written. Writes to guest memory: between instructions only. When there is no page for a
   * write, it is thrown out of with nothing changed that a second call would not do again.
   */
  giveBack(head: number, length: number) {
    const s = this.s;
    const element = new Uint8Array(USED_ELEMENT_BYTES);
    const view = new DataView(element.buffer);
    view.setUint32(0, head, true);
    view.setUint32(4, length, true);
    this.memory.write(s.used.low + RING_HEADER + USED_ELEMENT_BYTES * (s.returned % s.size), element);
    const returned = (s.returned + 1) & 0xffff;
    this.write16(s.used.low + 2, returned);
    s.returned = returned;
  }

  /** Whether the driver wants to hear of what was given back since it was told last (§ 2.6.7); it counts as told then. */
  wantsInterrupt(): boolean {
    const s = this.s;
    const fresh = (s.returned - s.signalled) & 0xffff;
    if (fresh === 0) return false;
    s.signalled = s.returned;
    if (!this.eventIndex) return (this.read16(s.available.low) & NO_INTERRUPT) === 0;
    const event = this.read16(s.available.low + RING_HEADER + 2 * s.size);
    return ((s.returned - event - 1) & 0xffff) < fresh;
  }

  /** The driver is to notify of the next chain. Writes to guest memory, as giveBack(). */
  askForNotification() {
    const s = this.s;
    if (s.enabled && this.eventIndex) this.write16(s.used.low + RING_HEADER + USED_ELEMENT_BYTES * s.size, s.taken);
  }

  private descriptor(gpa: number) {
    const bytes = new Uint8Array(DESCRIPTOR_BYTES);
    this.memory.read(gpa, bytes);
    const view = new DataView(bytes.buffer);
    return {
      gpa: view.getUint32(4, true) * 2 ** 32 + view.getUint32(0, true),
      length: view.getUint32(8, true),
      flags: view.getUint16(12, true),
      next: view.getUint16(14, true),
    };
  }
  private read16(gpa: number) {
    const bytes = new Uint8Array(2);
    this.memory.read(gpa, bytes);
    return bytes[0]! | (bytes[1]! << 8);
  }
  private write16(gpa: number, value: number) {
    this.memory.write(gpa, Uint8Array.of(value & 0xff, value >> 8));
  }

  // --- state --------------------------------------------------------------------------------------------------------

  reset() {
    this.s = powerOn(this.maxSize);
  }
  save(): QueueState {
    return copy(this.s);
  }
  /** State already parsed. */
  load(state: QueueState) {
    this.s = copy(state);
  }
}
