/** What a device emulator is made of: narrow ports to the machine, state that can be saved at any slice boundary. */

/** Sizes of an I/O access in bytes. */
export type AccessSize = 1 | 2 | 4;

/** What answers in a range of addresses that can move. `offset` counts from its base; an access lies inside it whole. */
export interface WindowHandlers {
  read(offset: number, size: AccessSize): number;
  write(offset: number, size: AccessSize, value: number): void;
}
/** Placed nowhere at first; `undefined` takes it off the bus. */
export interface BusWindow {
  place(base: number | undefined): void;
}

/** The I/O address space. A handler sees accesses of exactly its size; the bus splits wider ones and joins narrower ones bytewise. */
export interface PortBus {
  onRead(port: number, handler: () => number, size?: AccessSize): void;
  onWrite(port: number, handler: (value: number) => void, size?: AccessSize): void;
  /** Fixed ports answer before windows, and of windows that overlap the one made first. */
  window(bytes: number, handlers: WindowHandlers): BusWindow;
}

/** Guest physical addresses that are not RAM. */
export interface MemoryBus {
  /** RAM answers before windows, and of windows that overlap the one made first. */
  window(bytes: number, handlers: WindowHandlers): BusWindow;
}

/** One interrupt request line; level-triggered devices hold it, edge-triggered ones pulse it. */
export interface IrqLine {
  set(level: boolean): void;
}

/**
 * Virtual time. Derived from the instruction count: the only clock a device may read. Nanoseconds, an integer below 2^53: since power-on, until an era has passed, of which one is taken
 * off from time to time (Timers.onEra), so that a VM may live for any number of years.
 */
export interface Clock {
  nowNs(): number;
}

/** A one-shot deadline in virtual time; fires between instructions at an exact, repeatable count. */
export interface Timer {
  /**
   * Arms (or re-arms) the timer for the absolute virtual time `deadlineNs`. A deadline in the past fires at the next boundary.
   * `patient`: what it fires is one-shot, so that a guest told late loses nothing that it counts.
   */
  arm(deadlineNs: number, patient?: boolean): void;
  disarm(): void;
  /** Undefined when not armed. Part of the owner's saved state, which re-arms it on load. */
  readonly deadlineNs: number | undefined;
}
export interface Timers extends Clock {
  create(onExpire: (nowNs: number) => void): Timer;
  /**
   * `shift` is called when the clock is about to go back by ERA_SECONDS: every time that the caller has noted comes to be as much earlier. Armed timers are seen to. No noted
   * time is to be older than an era afterwards.
   */
  onEra(shift: () => void): void;
}

/** Whole seconds, so that every oscillator of a whole number of hertz makes whole ticks in it; 2 of them are less than 2^53 ns. */
export const ERA_SECONDS = 2 ** 22;

/** Guest physical memory as a bus master sees it. Writes respect COW, dirty tracking and self-modifying code. */
export interface GuestMemory {
  /** Copies `into.length` bytes from guest physical address `gpa`; unmapped bytes read as 0xff. */
  read(gpa: number, into: Uint8Array): void;
  /** Copies `bytes` to guest physical address `gpa`; writes outside RAM are dropped. */
  write(gpa: number, bytes: Uint8Array): void;
}

/** Every device: reset as the RESET# line does it, and plain, schema-checked state. `loadState` throws StateError before anything changes. */
export interface Device<S = unknown> {
  reset(): void;
  saveState(): S;
  loadState(raw: unknown): void;
  /** Steps 912 and 914, after every device is loaded and memory is back: ends the requests that were pending when the state was saved, and raises their interrupts. */
  restored?(): void;
}
