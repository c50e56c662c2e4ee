/** Whether the host's disk is nearly full, with a gap between "low" and "enough again" so that the two do not take turns. */

export type Room = 'enough' | 'low';
const ENOUGH_FACTOR = 1.25;
const MIB = 1024 * 1024;

export class DiskRoom {
  room: Room = 'enough';

  /** True when it has changed. */
  looked(freeBytes: number, lowMiB: number | null): boolean {
    const before = this.room;
    if (lowMiB === null) this.room = 'enough';
    else if (freeBytes < lowMiB * MIB) this.room = 'low';
    else if (freeBytes >= lowMiB * MIB * ENOUGH_FACTOR) this.room = 'enough';
    return this.room !== before;
  }
}
