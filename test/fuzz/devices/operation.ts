/** What is done to a machine, as plain data: a run can be shortened, printed and repeated. */
import type { AccessSize } from '#engine/devices/device.ts';

export type Operation =
  | { readonly kind: 'out'; readonly port: number; readonly size: AccessSize; readonly value: number }
  | { readonly kind: 'in'; readonly port: number; readonly size: AccessSize }
  /** As REP INS and REP OUTS. */
  | { readonly kind: 'ins' | 'outs'; readonly port: number; readonly size: 2 | 4; readonly count: number }
  | { readonly kind: 'store'; readonly gpa: number; readonly size: AccessSize; readonly value: number }
  | { readonly kind: 'load'; readonly gpa: number; readonly size: AccessSize }
  /** The guest fills memory. */
  | { readonly kind: 'memory'; readonly gpa: number; readonly bytes: readonly number[] }
  /** The processor takes an interrupt. */
  | { readonly kind: 'acknowledge' }
  | { readonly kind: 'advance'; readonly ns: number }
  /** A drive ends its `index`-th pending request, modulo how many there are. */
  | { readonly kind: 'complete'; readonly drive: number; readonly index: number; readonly fails: boolean }
  | { readonly kind: 'serial'; readonly index: 0 | 1; readonly bytes: readonly number[] }
  | { readonly kind: 'keys'; readonly bytes: readonly number[] }
  | { readonly kind: 'power-button' }
  | { readonly kind: 'balloon'; readonly pages: number }
  /** Another disc, or none, for the `drive`-th CD-ROM drive. */
  | { readonly kind: 'disc'; readonly drive: number; readonly disc: number }
  | { readonly kind: 'eject'; readonly drive: number }
  | { readonly kind: 'reset' }
  /** So many bus master accesses succeed, and then there is no page until the next operation of this kind. */
  | { readonly kind: 'pages'; readonly left: number }
  /** The machine is saved, and goes on as the one that was loaded from it. */
  | { readonly kind: 'reload' }
  /** What was asked of the drives ends well. From here on a machine that was loaded from this one does the same, and after `count` operations must be the same. */
  | { readonly kind: 'follow'; readonly count: number };

/** As a line of a reproducer. */
export const printed = (operation: Operation) => JSON.stringify(operation);
