/**
 * The PCI transport of a virtio device (Virtual I/O Device Specification 1.1 § 4.1): one function whose structures all lie in one I/O
 * window, so that a notification is a port write; INTA# only. No legacy interface.
 *
 *   00-37  common configuration (§ 4.1.4.3)     38  ISR status     3C  notification: the queue's number     40-7F  the device's own
 *
 * How a device uses it: it makes a VirtioPci with a model of itself. `request` is called for each chain that the driver makes available;
 * the device calls `start` with what the end of the request will look like if all goes well, and later `finish`. What has been started and
 * not finished is part of the saved state, and is finished as `start` said when that state is restored (METHOD steps 912, 914).
 *
 * Guest memory is written from a timer only, which fires between instructions: a write that finds no free page then leaves by an exception,
 * and the timer fires again (STOP_POOL_EXHAUSTED). Everything that it does can be done twice.
 */
import { bytesUpTo, type Field, type FieldsType, list, range, struct, u16, u32, u8 } from '../../state/state.ts';
import type { AccessSize, GuestMemory, Timer, Timers } from '../device.ts';
import { MAX_BUFFERED_BYTES } from '../drive.ts';
import type { GuestWrite } from '../guest-ranges.ts';
import type { BarModel, CapabilityModel, PciBus, PciSlot } from '../pci-function.ts';
import { CommonConfig, DeviceStatus } from './common-config.ts';
import { type Chain, MAX_CHAIN, MAX_QUEUE_SIZE, QueueState, VirtQueue } from './queue.ts';
import { Turns, TURN_UNITS, TurnsState } from './turns.ts';

const VENDOR = 0x1af4;
/** The device id of type 0; modern devices have revision 1 or more. */
const FIRST_DEVICE_ID = 0x1040;
const REVISION = 1;

const COMMON = 0x00;
const COMMON_BYTES = 0x38;
const ISR = 0x38;
const NOTIFY = 0x3c;
const DEVICE = 0x40;
const BAR_BYTES = 0x80;
export const MAX_CONFIG_BYTES = BAR_BYTES - DEVICE;

/** Units of requests that are under way: no further chain is taken while there are more. */
const MOST_UNDER_WAY = 8192;

const ISR_QUEUE = 1 << 0;
const ISR_CONFIG = 1 << 1;

/** § 4.1.4: vendor capability: length, type, BAR, padding, offset and length in the BAR. */
const VENDOR_CAPABILITY = 0x09;
const CapabilityType = { Common: 1, Notify: 2, Isr: 3, Device: 4, PciConfig: 5 } as const;
const CAPABILITY_BYTES = 16;
const le32 = (value: number) => [value & 0xff, (value >> 8) & 0xff, 0, 0];
const capability = (type: number, offset: number, length: number, more: readonly number[] = []): CapabilityModel => ({
  id: VENDOR_CAPABILITY,
  body: [CAPABILITY_BYTES + more.length, type, 0, 0, 0, 0, ...le32(offset), ...le32(length), ...more],
});
const CAPABILITIES: readonly CapabilityModel[] = [
  capability(CapabilityType.Common, COMMON, COMMON_BYTES),
  capability(CapabilityType.Notify, NOTIFY, 4, [0, 0, 0, 0]), // every queue notifies at the same port
  capability(CapabilityType.Isr, ISR, 1),
  capability(CapabilityType.Device, DEVICE, MAX_CONFIG_BYTES),
  {
    ...capability(CapabilityType.PciConfig, 0, 0, [0, 0, 0, 0]),
    writable: [
      [4, 4],
      [8, 19],
    ],
  },
];
/** Places in the last of them, the access through the configuration space (§ 4.1.4.8). */
const WINDOW_BAR = 4;
const WINDOW_OFFSET = 8;
const WINDOW_LENGTH = 12;
const WINDOW_DATA = 16;

export interface VirtioModel {
  /** § 5: 2 block, 4 entropy, 5 memory balloon, 8 SCSI host. */
  readonly type: number;
  readonly classCode: number;
  /** Bits 0-23, those of the type. */
  readonly features: number;
  readonly queueSizes: readonly number[];
  /** Queues whose chains are left with the driver. */
  readonly unserved?: readonly number[];
  /** At most MAX_CONFIG_BYTES. */
  readConfig(): Uint8Array;
  writeConfig?(offset: number, size: AccessSize, value: number): void;
  /**
   * Calls start() and, then or later, finish(); or says that the driver broke the rules, or that more is to be done for this chain than in one go: it is asked
   * again in the next turn. Does not write to guest memory itself.
   */
  request(queue: number, chain: Chain): 'broken' | 'more' | void;
  /** By RESET# or by the driver: returns when nothing of the device's is under way any more. What ends meanwhile is told to nobody. */
  reset(): void;
}

export interface VirtioWiring {
  readonly bus: PciBus;
  readonly memory: GuestMemory;
  readonly time: Timers;
  /** The PCI device number. */
  readonly slot: number;
  /** The function is there only while it is plugged in (pci-function.ts). */
  readonly isOptional?: boolean;
}

/** How a request ends: what is written for the driver (a status, data), and how many bytes the used ring says were written. */
export interface Ending {
  readonly length: number;
  readonly writes: readonly GuestWrite[];
}
export interface StartedRequest {
  readonly queue: number;
  readonly head: number;
  ending: Ending;
  /** Of what it has the drives do. */
  readonly units: number;
}

const StartedState = (queues: number) =>
  struct({
    queue: range(0, queues - 1),
    head: u16,
    length: u32,
    writes: list(struct({ gpa: u32, bytes: bytesUpTo(MAX_BUFFERED_BYTES) }), MAX_CHAIN),
  });
const transportFields = (queues: number) => ({
  status: u8,
  isr: range(0, ISR_QUEUE | ISR_CONFIG),
  generation: u8,
  deviceFeatureSelect: u32,
  driverFeatureSelect: u32,
  driverFeatures0: u32,
  driverFeatures1: u32,
  queueSelect: u16,
  /** A bit for each queue that the driver has notified and that has not been looked at. */
  notified: u32,
  queues: struct(Object.fromEntries(Array.from({ length: queues }, (_, i): [string, typeof QueueState] => [`queue${i}`, QueueState]))),
  started: list(StartedState(queues), queues * MAX_QUEUE_SIZE),
  turns: TurnsState,
});
type TransportState = FieldsType<ReturnType<typeof transportFields>>;

/** For the state of a device with so many queues. */
export const virtioState = (queues: number): Field<TransportState> => struct(transportFields(queues));

export class VirtioPci {
  private readonly model: VirtioModel;
  private readonly memory: GuestMemory;
  private readonly time: Timers;
  private readonly timer: Timer;
  private readonly slot: PciSlot;
  private readonly queues: readonly VirtQueue[];
  private readonly common: CommonConfig;
  private isr = 0;
  private notified = 0;
  private readonly started = new Set<StartedRequest>();
  /** Of those, the ones whose end is still to be told to the driver, in their order. */
  private finished: StartedRequest[] = [];
  private unitsUnderWay = 0;
  private readonly turns = new Turns();

  constructor({ bus, memory, time, slot, isOptional }: VirtioWiring, model: VirtioModel) {
    this.model = model;
    this.memory = memory;
    this.time = time;
    this.timer = time.create(() => this.work());
    time.onEra(() => this.turns.shiftByEra());
    this.queues = model.queueSizes.map(size => new VirtQueue(memory, size));
    this.common = new CommonConfig(this.queues, model.features, {
      reset: () => this.reset(),
      needsReset: () => this.needsReset(),
    });
    const bar: BarModel = {
      space: 'io',
      bytes: BAR_BYTES,
      read: (offset, size) => this.read(offset, size),
      write: (offset, size, value) => this.write(offset, size, value),
    };
    this.slot = bus.add({
      device: slot,
      function: 0,
      vendorId: VENDOR,
      deviceId: FIRST_DEVICE_ID + model.type,
      classCode: model.classCode,
      revision: REVISION,
      subsystem: { vendorId: VENDOR, id: FIRST_DEVICE_ID + model.type },
      intA: true,
      ...(isOptional && { isOptional }),
      bars: [bar],
      capabilities: CAPABILITIES,
      onConfigRead: offset => this.throughConfig(offset, (at, size) => this.read(at, size)),
      onConfigWrite: offset => this.throughConfig(offset, (at, size) => this.write(at, size, this.windowData(size))),
    });
  }

  /** Whether the driver has taken up this feature of the type's. */
  has(feature: number) {
    return this.common.negotiated(feature);
  }

  // --- registers ----------------------------------------------------------------------------------------------------

  private read(offset: number, size: AccessSize): number {
    if (offset >= DEVICE) return valueAt(this.model.readConfig(), offset - DEVICE, size);
    if (offset < COMMON_BYTES) return valueAt(this.common.bytes(), offset, size);
    if (offset !== ISR) return 0;
    const { isr } = this;
    this.isr = 0;
    this.drive();
    return isr;
  }

  private write(offset: number, size: AccessSize, value: number) {
    if (offset >= DEVICE) this.model.writeConfig?.(offset - DEVICE, size, value);
    else if (offset < COMMON_BYTES) this.common.write(offset, size, value);
    else if (offset === NOTIFY) this.notify(value & 0xffff);
  }

  private notify(queue: number) {
    if (queue >= this.queues.length || !this.common.running || this.model.unserved?.includes(queue) === true) return;
    this.notified |= 1 << queue;
    this.schedule();
  }

  /** An access to the BAR by way of the last capability's window; its data register is what triggers it. */
  private throughConfig<T>(offset: number, access: (at: number, size: AccessSize) => T): T | undefined {
    const capability = this.slot.capabilities[CAPABILITIES.length - 1]!;
    if (offset !== capability + WINDOW_DATA || this.slot.configByte(capability + WINDOW_BAR) !== 0) return undefined;
    const at = this.configWord(capability + WINDOW_OFFSET);
    const size = this.configWord(capability + WINDOW_LENGTH);
    if ((size !== 1 && size !== 2 && size !== 4) || at % size !== 0 || at + size > BAR_BYTES) return undefined;
    return access(at, size);
  }
  /** As much of it as the window is wide. */
  private windowData(size: AccessSize) {
    const word = this.configWord(this.slot.capabilities[CAPABILITIES.length - 1]! + WINDOW_DATA);
    return size === 4 ? word : word & (2 ** (8 * size) - 1);
  }
  private configWord(offset: number) {
    return valueAt(
      Uint8Array.from({ length: 4 }, (_, i) => this.slot.configByte(offset + i)),
      0,
      4,
    );
  }

  // --- interrupts ---------------------------------------------------------------------------------------------------

  /** The device's own configuration has changed by itself: the driver is told. */
  configChanged() {
    this.common.generation = (this.common.generation + 1) & 0xff;
    if (this.common.running) this.interrupt(ISR_CONFIG);
  }

  private needsReset() {
    const told = this.common.running;
    this.common.status |= DeviceStatus.NeedsReset;
    this.notified = 0;
    if (told) this.interrupt(ISR_CONFIG);
  }

  private interrupt(bit: number) {
    this.isr |= bit;
    this.drive();
  }
  private drive() {
    this.slot.intx.set(this.isr !== 0);
  }

  // --- requests -----------------------------------------------------------------------------------------------------

  /** The chain is being served; `ending` is how it ends if all goes well. `units`: what it has the drives do (turns.ts). */
  start(queue: number, { head }: Chain, ending: Ending, units = 0): StartedRequest {
    const request = { queue, head, ending, units };
    this.started.add(request);
    this.unitsUnderWay += units;
    this.spend(units);
    return request;
  }

  /** Told to the driver between instructions. A request from before a reset is nobody's any more. */
  finish(request: StartedRequest, ending?: Ending) {
    if (!this.started.has(request)) return;
    if (ending) request.ending = ending;
    this.finished.push(request);
    this.schedule();
  }

  /** So much has been done at this turn's expense. */
  spend(units: number) {
    this.turns.spend(units, this.time.nowNs());
  }
  private get mayGoOn() {
    const nowNs = this.time.nowNs();
    return this.turns.nextNs(nowNs) <= nowNs;
  }
  private schedule() {
    this.timer.arm(this.turns.nextNs(this.time.nowNs()));
  }

  /** Between instructions. */
  private work() {
    for (const [i, queue] of this.queues.entries()) {
      if ((this.notified & (1 << i)) === 0 || !this.serve(i, queue)) continue;
      queue.askForNotification();
      this.notified &= ~(1 << i);
    }
    this.tellFinished();
    this.timer.disarm(); // what finished while it was served has been told
    if (this.finished.length > 0 || (this.notified !== 0 && this.unitsUnderWay < MOST_UNDER_WAY)) this.schedule();
    let wanted = false;
    for (const queue of this.queues) if (queue.wantsInterrupt()) wanted = true;
    if (wanted) this.interrupt(ISR_QUEUE);
  }

  /** As much as a turn has room for, whatever else it was spent on. */
  private tellFinished() {
    for (let units = 0; this.finished.length > 0 && units < TURN_UNITS;) {
      const request = this.finished[0]!;
      const { writes, length } = request.ending;
      for (const { gpa, bytes } of writes) this.memory.write(gpa, bytes);
      this.queues[request.queue]!.giveBack(request.head, length);
      this.finished.shift();
      this.started.delete(request);
      this.unitsUnderWay -= request.units;
      units += 1 + writes.length;
      this.spend(1 + writes.length);
    }
  }

  /** False when chains are left in the queue for later. */
  private serve(index: number, queue: VirtQueue): boolean {
    for (;;) {
      if (!this.mayGoOn || this.unitsUnderWay >= MOST_UNDER_WAY) return queue.isEmpty;
      const chain = queue.take();
      if (chain === undefined) return true;
      const outcome = chain === 'broken' ? chain : this.ask(index, queue, chain);
      if (outcome === 'broken') {
        this.needsReset();
        return true;
      }
      this.spend(typeof chain === 'object' ? chain.readable.length + chain.writable.length : 1);
      if (outcome === 'more') queue.putBack();
    }
  }

  /** What a request reads may have to be loaded, and there may be no page for it: then the chain is the next again. */
  private ask(index: number, queue: VirtQueue, chain: Chain) {
    try {
      return this.model.request(index, chain);
    } catch (thrown) {
      queue.putBack();
      throw thrown;
    }
  }

  /** What has been started and not been told to the driver yet. */
  get underWay(): Iterable<StartedRequest> {
    return this.started;
  }

  // --- state --------------------------------------------------------------------------------------------------------

  reset() {
    this.started.clear();
    this.finished = [];
    this.unitsUnderWay = 0;
    this.notified = 0;
    this.isr = 0;
    this.timer.disarm();
    this.common.reset();
    for (const queue of this.queues) queue.reset();
    this.drive();
    this.model.reset();
  }

  save(): TransportState {
    const { status, generation, deviceFeatureSelect, driverFeatureSelect, driverFeatures, queueSelect } = this.common;
    return {
      status,
      isr: this.isr,
      generation,
      deviceFeatureSelect,
      driverFeatureSelect,
      driverFeatures0: driverFeatures[0],
      driverFeatures1: driverFeatures[1],
      queueSelect,
      notified: this.notified >>> 0,
      queues: Object.fromEntries(this.queues.map((queue, i) => [`queue${i}`, queue.save()])),
      started: Array.from(this.started, ({ queue, head, ending: { length, writes } }) => ({
        queue,
        head,
        length,
        writes: writes.map(({ gpa, bytes }) => ({ gpa, bytes: bytes.slice() })),
      })),
      turns: this.turns.save(),
    };
  }

  /** State already parsed. */
  load(state: TransportState) {
    const { common } = this;
    common.status = state.status;
    common.generation = state.generation;
    common.deviceFeatureSelect = state.deviceFeatureSelect;
    common.driverFeatureSelect = state.driverFeatureSelect;
    common.driverFeatures = [state.driverFeatures0, state.driverFeatures1];
    common.queueSelect = state.queueSelect;
    common.configureQueues();
    this.isr = state.isr;
    this.notified = state.notified;
    for (const [i, queue] of this.queues.entries()) queue.load(state.queues[`queue${i}`]!);
    this.finished = [];
    this.started.clear();
    this.unitsUnderWay = 0; // all of it ends before anything else happens
    for (const { queue, head, length, writes } of state.started) this.started.add({ queue, head, ending: { length, writes }, units: 0 });
    this.turns.load(state.turns);
    this.drive();
    if (this.notified !== 0) this.schedule();
    else this.timer.disarm();
  }

  /** Steps 912, 914: what was pending ends as it would have ended, before the first instruction. */
  restored() {
    for (const request of this.started) this.finish(request);
  }
}

/** Little-endian; beyond the end there are zeros. */
function valueAt(bytes: Uint8Array, offset: number, size: AccessSize): number {
  let value = 0;
  for (let i = 0; i < size; i++) value |= (bytes[offset + i] ?? 0) << (i * 8);
  return value >>> 0;
}
