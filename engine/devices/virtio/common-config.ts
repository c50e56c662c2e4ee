/**
 * The common configuration structure of a virtio PCI device (Virtual I/O Device Specification 1.1 § 4.1.4.3): features, status, queues.
 *
 *   00 device_feature_select  04 device_feature   08 driver_feature_select  0C driver_feature
 *   10 msix_config u16        12 num_queues u16   14 device_status u8       15 config_generation u8
 *   16 queue_select u16       18 queue_size u16   1A queue_msix_vector u16  1C queue_enable u16   1E queue_notify_off u16
 *   20 queue_desc u64         28 queue_driver u64 30 queue_device u64
 */
import type { AccessSize } from '../device.ts';
import type { QueueArea, VirtQueue } from './queue.ts';

const BYTES = 0x38;
const Reg = {
  DeviceFeatureSelect: 0x00,
  DeviceFeature: 0x04,
  DriverFeatureSelect: 0x08,
  DriverFeature: 0x0c,
  MsixConfig: 0x10,
  NumQueues: 0x12,
  Status: 0x14,
  Generation: 0x15,
  QueueSelect: 0x16,
  QueueSize: 0x18,
  QueueMsixVector: 0x1a,
  QueueEnable: 0x1c,
  QueueAreas: 0x20,
} as const;
const AREAS: readonly QueueArea[] = ['descriptors', 'available', 'used'];
const NO_VECTOR = 0xffff;

/** § 2.1. */
export const DeviceStatus = { DriverOk: 4, FeaturesOk: 8, NeedsReset: 64 } as const;
/** § 6, of every device here. */
export const Feature = { IndirectDescriptors: 28, EventIndex: 29, Version1: 32 } as const;

export interface CommonEvents {
  /** The driver wrote 0 to the status. */
  reset(): void;
  /** The driver broke the rules. */
  needsReset(): void;
}

export class CommonConfig {
  status = 0;
  generation = 0;
  deviceFeatureSelect = 0;
  driverFeatureSelect = 0;
  driverFeatures: [low: number, high: number] = [0, 0];
  queueSelect = 0;
  private readonly offered: readonly [low: number, high: number];
  private readonly queues: readonly VirtQueue[];
  private readonly events: CommonEvents;

  constructor(queues: readonly VirtQueue[], features: number, events: CommonEvents) {
    this.queues = queues;
    this.events = events;
    this.offered = [(features | (1 << Feature.IndirectDescriptors) | (1 << Feature.EventIndex)) >>> 0, 1 << (Feature.Version1 - 32)];
  }

  /** The driver is at work and has broken nothing. */
  get running() {
    return (this.status & (DeviceStatus.DriverOk | DeviceStatus.NeedsReset)) === DeviceStatus.DriverOk;
  }
  negotiated(feature: number) {
    return (this.driverFeatures[feature >> 5]! & (1 << (feature & 31))) !== 0;
  }

  bytes(): Uint8Array {
    const bytes = new Uint8Array(BYTES);
    const view = new DataView(bytes.buffer);
    view.setUint32(Reg.DeviceFeatureSelect, this.deviceFeatureSelect, true);
    view.setUint32(Reg.DeviceFeature, this.offered[this.deviceFeatureSelect] ?? 0, true);
    view.setUint32(Reg.DriverFeatureSelect, this.driverFeatureSelect, true);
    view.setUint32(Reg.DriverFeature, this.driverFeatures[this.driverFeatureSelect] ?? 0, true);
    view.setUint16(Reg.MsixConfig, NO_VECTOR, true);
    view.setUint16(Reg.NumQueues, this.queues.length, true);
    bytes[Reg.Status] = this.status;
    bytes[Reg.Generation] = this.generation;
    view.setUint16(Reg.QueueSelect, this.queueSelect, true);
    const queue = this.queues[this.queueSelect];
    if (!queue) return bytes;
    view.setUint16(Reg.QueueSize, queue.size, true);
    view.setUint16(Reg.QueueMsixVector, NO_VECTOR, true);
    view.setUint16(Reg.QueueEnable, queue.enabled ? 1 : 0, true);
    for (const [i, area] of AREAS.entries()) {
      view.setUint32(Reg.QueueAreas + 8 * i, queue.area(area).low, true);
      view.setUint32(Reg.QueueAreas + 8 * i + 4, queue.area(area).high, true);
    }
    return bytes;
  }

  /** § 4.1.3.1: fields are written whole; 64-bit ones in two halves. Anything else is dropped. */
  write(offset: number, size: AccessSize, value: number) {
    if (size === 4) this.write32(offset, value);
    else if (size === 2) this.write16(offset, value);
    else if (offset === Reg.Status) this.setStatus(value);
  }

  private write32(offset: number, value: number) {
    if (offset === Reg.DeviceFeatureSelect) this.deviceFeatureSelect = value;
    else if (offset === Reg.DriverFeatureSelect) this.driverFeatureSelect = value;
    else if (offset === Reg.DriverFeature) {
      const frozen = (this.status & DeviceStatus.FeaturesOk) !== 0;
      if (!frozen && this.driverFeatureSelect < 2) this.driverFeatures[this.driverFeatureSelect] = value;
    } else if (offset >= Reg.QueueAreas && offset % 4 === 0) {
      const area = AREAS[(offset - Reg.QueueAreas) >> 3]!;
      this.queues[this.queueSelect]?.setArea(area, (offset & 4) === 0 ? 'low' : 'high', value);
    }
  }

  private write16(offset: number, value: number) {
    if (offset === Reg.QueueSelect) this.queueSelect = value;
    const queue = this.queues[this.queueSelect];
    if (!queue) return;
    if (offset === Reg.QueueSize) queue.size = value;
    else if (offset === Reg.QueueEnable && value === 1 && !queue.enable()) this.events.needsReset();
  }

  /** § 3.1.1: bits are only ever added; FEATURES_OK stays off unless the features are ones that were offered, version 1 among them. */
  private setStatus(value: number) {
    if (value === 0) {
      this.events.reset();
      return;
    }
    const [low, high] = this.driverFeatures;
    const acceptable = (low & ~this.offered[0]) === 0 && (high & ~this.offered[1]) === 0 && this.negotiated(Feature.Version1);
    const settable = ~DeviceStatus.NeedsReset & (acceptable ? ~0 : ~DeviceStatus.FeaturesOk);
    this.status |= value & 0xff & settable;
    if ((this.status & DeviceStatus.FeaturesOk) !== 0) this.configureQueues();
  }

  /** Features are in force once both sides have agreed on them. */
  configureQueues() {
    const agreed = (this.status & DeviceStatus.FeaturesOk) !== 0;
    for (const queue of this.queues) {
      queue.indirect = agreed && this.negotiated(Feature.IndirectDescriptors);
      queue.eventIndex = agreed && this.negotiated(Feature.EventIndex);
    }
  }

  reset() {
    this.status = 0;
    this.generation = 0;
    this.deviceFeatureSelect = 0;
    this.driverFeatureSelect = 0;
    this.driverFeatures = [0, 0];
    this.queueSelect = 0;
    this.configureQueues();
  }
}
