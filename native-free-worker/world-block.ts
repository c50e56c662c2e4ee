/** Where the doorbells and rings of a world lie in its shared memory (engine/memory/layout.ts). */
import {
  ACTION_RING,
  ACTION_RING_SIZE,
  DISK_DONE_RING,
  DISK_DONE_RING_SIZE,
  DISK_SUBMIT_RING,
  DISK_SUBMIT_RING_SIZE,
  EVENT_RING,
  EVENT_RING_SIZE,
  SERIAL_RING,
  SERIAL_RING_SIZE,
  STATICS_BASE,
  WORLD_BLOCK,
} from '#engine/memory/layout.ts';
import { Doorbell } from './doorbell.ts';
import type { RingPlace } from './ring.ts';

const VCPU_DOORBELL = WORLD_BLOCK;
const KERNEL_DOORBELL = WORLD_BLOCK + 64;
const DISK_DOORBELL = WORLD_BLOCK + 128;
/** Four words (throttle-figures.ts). */
export const THROTTLE_FIGURES = WORLD_BLOCK + 192;

/** Wakes the vcpu worker: an action, space in the event ring or the serial ring, pages freed, a checkpoint step done, a disk operation done. */
export const vcpuDoorbell = (buffer: SharedArrayBuffer): Doorbell => new Doorbell(buffer, VCPU_DOORBELL);
/** Wakes the kernel: an event, space in the action ring. */
export const kernelDoorbell = (buffer: SharedArrayBuffer): Doorbell => new Doorbell(buffer, KERNEL_DOORBELL);
/** Wakes the disk worker: an operation, a request of the kernel's, space in the completion ring. */
export const diskDoorbell = (buffer: SharedArrayBuffer): Doorbell => new Doorbell(buffer, DISK_DOORBELL);
export const actionRing = (buffer: SharedArrayBuffer): RingPlace => ({ buffer, offset: ACTION_RING, size: ACTION_RING_SIZE });
export const eventRing = (buffer: SharedArrayBuffer): RingPlace => ({ buffer, offset: EVENT_RING, size: EVENT_RING_SIZE });
/** Apart from the events: a reader that does not take serial output keeps nothing else waiting. */
export const serialRing = (buffer: SharedArrayBuffer): RingPlace => ({ buffer, offset: SERIAL_RING, size: SERIAL_RING_SIZE });
export const diskSubmitRing = (buffer: SharedArrayBuffer): RingPlace => ({ buffer, offset: DISK_SUBMIT_RING, size: DISK_SUBMIT_RING_SIZE });
export const diskDoneRing = (buffer: SharedArrayBuffer): RingPlace => ({ buffer, offset: DISK_DONE_RING, size: DISK_DONE_RING_SIZE });

/** A world's memory without a machine: the disks of a VM that is off need no more. */
export const offlineMemory = (): SharedArrayBuffer => new SharedArrayBuffer(STATICS_BASE);
