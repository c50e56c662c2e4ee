/** Guest memory as one array, for loaders under test. */
import type { GuestMemory } from '#engine/devices/device.ts';

export class FlatRam implements GuestMemory {
  readonly bytes: Uint8Array;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
  }
  read(gpa: number, into: Uint8Array) {
    into.set(this.bytes.subarray(gpa, gpa + into.length));
  }
  write(gpa: number, bytes: Uint8Array) {
    this.bytes.set(bytes, gpa);
  }
  u32(gpa: number) {
    return new DataView(this.bytes.buffer).getUint32(gpa, true);
  }
  u16(gpa: number) {
    return new DataView(this.bytes.buffer).getUint16(gpa, true);
  }
  text(gpa: number) {
    return new TextDecoder().decode(this.bytes.subarray(gpa, this.bytes.indexOf(0, gpa)));
  }
}
