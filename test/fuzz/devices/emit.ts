/** A run of operations in the making, and what those who make it know of the board. */
import type { AccessSize } from '#engine/devices/device.ts';
import { ENDS } from './boards.ts';
import type { Random } from '../random.ts';
import type { Operation } from './operation.ts';

/** A function behind a window of its own. */
export interface Place {
  readonly slot: number;
  readonly vendorId: number;
  readonly deviceId: number;
  readonly base: number;
}

const EDGES = [0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0xfff, 0x1000, 0x7fff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xfffff000, 0xffffffff];

export class Emit {
  readonly operations: Operation[] = [];
  readonly random: Random;
  readonly places: readonly Place[];
  /** Resets of the whole machine: who remembers what he has set up looks whether that is still so. */
  resets = 0;

  constructor(random: Random, places: readonly Place[]) {
    this.random = random;
    this.places = places;
  }

  add(operation: Operation) {
    this.operations.push(operation);
  }
  out(port: number, size: AccessSize, value: number) {
    this.add({ kind: 'out', port: port & 0xffff, size, value: value >>> 0 });
  }
  out8(port: number, ...values: number[]) {
    for (const value of values) this.out(port, 1, value & 0xff);
  }
  in(port: number, size: AccessSize = 1) {
    this.add({ kind: 'in', port: port & 0xffff, size });
  }
  memory(gpa: number, bytes: readonly number[]) {
    this.add({ kind: 'memory', gpa, bytes });
  }
  advance(ns: number) {
    this.add({ kind: 'advance', ns });
  }
  /** Some pending request ends. */
  complete() {
    const { random } = this;
    this.add({ kind: 'complete', drive: random.below(16), index: random.oneIn(4) ? random.below(16) : 0, fails: random.oneIn(12) });
  }
  reset() {
    this.resets++;
    this.add({ kind: 'reset' });
  }

  byte() {
    return this.random.next() & 0xff;
  }
  /** Of the edges, of what is near them, or anything. */
  word() {
    const { random } = this;
    if (random.oneIn(3)) return random.next();
    return (random.pick(EDGES) + random.below(3) - 1) >>> 0;
  }
  /** A block: near the beginning, near where something ends, or anywhere. */
  block() {
    const { random } = this;
    const how = random.below(20);
    if (how === 0) return this.word();
    return how < 5 ? Math.max(0, random.pick(ENDS) - random.below(20)) : random.below(1024);
  }
  size(): AccessSize {
    return this.random.pick([1, 2, 4] as const);
  }
  chance(percent: number) {
    return this.random.below(100) < percent;
  }
}

export const le16 = (value: number) => [value & 0xff, (value >>> 8) & 0xff];
export const le32 = (value: number) => [...le16(value), ...le16(value >>> 16)];
export const le64 = (value: number) => [...le32(value >>> 0), ...le32(Math.floor(value / 2 ** 32))];
export const be16 = (value: number) => le16(value).toReversed();
export const be32 = (value: number) => le32(value).toReversed();
export const be64 = (value: number) => le64(value).toReversed();
