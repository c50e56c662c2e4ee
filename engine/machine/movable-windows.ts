/** The windows of one bus that devices can move: looked through in the order in which they were made. */
import type { BusWindow, WindowHandlers } from '../devices/device.ts';

export interface PlacedWindow {
  readonly base: number;
  readonly handlers: WindowHandlers;
}

export class MovableWindows {
  private readonly windows: { base: number; readonly bytes: number; readonly handlers: WindowHandlers }[] = [];

  add(bytes: number, handlers: WindowHandlers): BusWindow {
    const window = { base: Infinity, bytes, handlers };
    this.windows.push(window);
    return {
      place: base => {
        window.base = base ?? Infinity;
      },
    };
  }

  /** The window that holds `size` bytes from `address`. */
  find(address: number, size: number): PlacedWindow | undefined {
    for (const window of this.windows) {
      if (address >= window.base && address + size <= window.base + window.bytes) return window;
    }
    return undefined;
  }
}
