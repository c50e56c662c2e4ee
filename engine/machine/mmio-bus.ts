/** Guest physical addresses that are not RAM: windows that devices decode; elsewhere reads give ones and writes are dropped. */
import type { AccessSize } from '../devices/device.ts';

export interface MmioWindow {
  readonly first: number;
  readonly last: number;
  read(gpa: number, size: AccessSize): number;
  write(gpa: number, size: AccessSize, value: number): void;
}

const ONES: Record<AccessSize, number> = { 1: 0xff, 2: 0xffff, 4: 0xffffffff };

export class MmioBus {
  private readonly windows: MmioWindow[] = [];

  add(window: MmioWindow) {
    this.windows.push(window);
  }

  read(gpa: number, size: AccessSize): number {
    const window = this.find(gpa);
    return window ? (window.read(gpa, size) & ONES[size]) >>> 0 : ONES[size];
  }

  write(gpa: number, size: AccessSize, value: number) {
    this.find(gpa)?.write(gpa, size, value);
  }

  private find(gpa: number) {
    return this.windows.find(window => gpa >= window.first && gpa <= window.last);
  }
}
