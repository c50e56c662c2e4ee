/** Guest physical addresses that are not RAM: windows that devices decode; elsewhere reads give ones and writes are dropped. */
import type { AccessSize, BusWindow, MemoryBus, WindowHandlers } from '../devices/device.ts';
import { MovableWindows } from './movable-windows.ts';

export interface MmioWindow {
  readonly first: number;
  readonly last: number;
  read(gpa: number, size: AccessSize): number;
  write(gpa: number, size: AccessSize, value: number): void;
}

const ONES: Record<AccessSize, number> = { 1: 0xff, 2: 0xffff, 4: 0xffffffff };

export class MmioBus implements MemoryBus {
  private readonly windows: MmioWindow[] = [];
  private readonly movable = new MovableWindows();

  add(window: MmioWindow) {
    this.windows.push(window);
  }

  window(bytes: number, handlers: WindowHandlers): BusWindow {
    return this.movable.add(bytes, handlers);
  }

  read(gpa: number, size: AccessSize): number {
    const window = this.find(gpa);
    if (window) return (window.read(gpa, size) & ONES[size]) >>> 0;
    const moved = this.movable.find(gpa, size);
    return moved ? (moved.handlers.read(gpa - moved.base, size) & ONES[size]) >>> 0 : ONES[size];
  }

  write(gpa: number, size: AccessSize, value: number) {
    const window = this.find(gpa);
    if (window) {
      window.write(gpa, size, value);
      return;
    }
    const moved = this.movable.find(gpa, size);
    moved?.handlers.write(gpa - moved.base, size, value);
  }

  private find(gpa: number) {
    return this.windows.find(window => gpa >= window.first && gpa <= window.last);
  }
}
