/** Exact conversion between virtual nanoseconds and the ticks of an oscillator, without 64-bit overflow of a double (rates below 9 MHz). */
const SECOND_NS = 1e9;

/** Whole ticks of a `hertz` oscillator in `ns` nanoseconds. */
export function ticksAt(ns: number, hertz: number): number {
  const seconds = Math.floor(ns / SECOND_NS);
  return seconds * hertz + Math.floor(((ns - seconds * SECOND_NS) * hertz) / SECOND_NS);
}

/** The first nanosecond at which `ticksAt` gives `tick`. */
export function nsOfTick(tick: number, hertz: number): number {
  const seconds = Math.floor(tick / hertz);
  return seconds * SECOND_NS + Math.ceil(((tick - seconds * hertz) * SECOND_NS) / hertz);
}
