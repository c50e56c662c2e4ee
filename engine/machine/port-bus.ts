/** The I/O address space: dispatches IN and OUT to device handlers; a port nobody decodes reads as ones, as on an ISA bus with pull-ups. */
import type { AccessSize, BusWindow, PortBus, WindowHandlers } from '../devices/device.ts';
import { InvariantError } from '../errors/errors.ts';
import { MovableWindows } from './movable-windows.ts';

type Read = () => number;
type Write = (value: number) => void;

const MASK: Record<AccessSize, number> = { 1: 0xff, 2: 0xffff, 4: 0xffffffff };

/** Handlers are keyed by port and size: `port * 8 + size`. */
const key = (port: number, size: AccessSize) => port * 8 + size;

export class IoPorts implements PortBus {
  private readonly reads = new Map<number, Read>();
  private readonly writes = new Map<number, Write>();
  private readonly movable = new MovableWindows();

  onRead(port: number, handler: Read, size: AccessSize = 1) {
    claim(this.reads, port, size, handler);
  }

  onWrite(port: number, handler: Write, size: AccessSize = 1) {
    claim(this.writes, port, size, handler);
  }

  window(bytes: number, handlers: WindowHandlers): BusWindow {
    return this.movable.add(bytes, handlers);
  }

  in(port: number, size: AccessSize): number {
    const exact = this.reads.get(key(port, size));
    if (exact) return (exact() & MASK[size]) >>> 0;
    const window = this.movable.find(port, size);
    if (window) return (window.handlers.read(port - window.base, size) & MASK[size]) >>> 0;
    const wider = this.widerRegister(this.reads, port, size);
    if (wider) return ((wider.handler() >>> wider.shift) & MASK[size]) >>> 0;
    if (size === 1) return 0xff;
    const half = size === 4 ? 2 : 1;
    return (this.in(port, half) | (this.in((port + half) & 0xffff, half) << (half * 8))) >>> 0;
  }

  out(port: number, size: AccessSize, value: number) {
    const exact = this.writes.get(key(port, size));
    if (exact) {
      exact((value & MASK[size]) >>> 0);
      return;
    }
    const window = this.movable.find(port, size);
    if (window) {
      window.handlers.write(port - window.base, size, (value & MASK[size]) >>> 0);
      return;
    }
    const wider = this.widerRegister(this.writes, port, size);
    if (wider) {
      const lane = (MASK[size] << wider.shift) >>> 0;
      const old = this.reads.get(key(wider.port, wider.size))?.() ?? 0;
      wider.handler(((old & ~lane) | ((value << wider.shift) & lane)) >>> 0);
      return;
    }
    if (size === 1) return;
    const half = size === 4 ? 2 : 1;
    this.out(port, half, value & MASK[half]);
    this.out((port + half) & 0xffff, half, value >>> (half * 8));
  }

  in8(port: number) {
    return this.in(port, 1);
  }
  out8(port: number, value: number) {
    this.out(port, 1, value);
  }

  /** A naturally aligned 16- or 32-bit register that holds the byte or word asked for. */
  private widerRegister<H>(handlers: Map<number, H>, port: number, size: AccessSize) {
    for (const wide of [2, 4] as const) {
      if (wide <= size) continue;
      const base = port & ~(wide - 1);
      const handler = handlers.get(key(base, wide));
      if (handler) return { handler, port: base, size: wide, shift: (port - base) * 8 };
    }
    return undefined;
  }
}

function claim<H>(handlers: Map<number, H>, port: number, size: AccessSize, handler: H) {
  if (handlers.has(key(port, size))) throw new InvariantError(`I/O port ${port.toString(16)}h is decoded by two devices`);
  handlers.set(key(port, size), handler);
}
