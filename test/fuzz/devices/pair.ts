/** Two machines of one kind: one goes on, the other is loaded from it now and then, and must be the same and stay the same. */
import { encodeState } from '#engine/state/state.ts';
import type { Board } from './boards.ts';
import type { Coverage } from './coverage.ts';
import type { Place } from './emit.ts';
import { checkInvariants } from './invariants.ts';
import { FuzzMachine, type SavedMachine } from './machine.ts';
import type { Operation } from './operation.ts';

/** Operations between two looks at the invariants. */
const LOOK_EVERY = 16;

export class Pair {
  private machine: FuzzMachine;
  private other: FuzzMachine;
  private readonly baseline: SavedMachine;
  readonly places: readonly Place[];
  /** Operations for which the other still does what the machine does. */
  private following = 0;
  private count = 0;

  readonly board: Board;

  constructor(board: Board, coverage: Coverage) {
    this.board = board;
    this.machine = new FuzzMachine(board, coverage);
    this.other = new FuzzMachine(board, coverage);
    this.baseline = this.machine.save();
    this.places = this.machine.places;
  }

  get most() {
    return [this.machine, this.other].map(({ meter }) => meter.most);
  }

  /** As after power-on. */
  begin() {
    for (const each of [this.machine, this.other]) each.powerOn(this.baseline);
    this.following = 0;
    this.count = 0;
  }

  apply(operation: Operation) {
    if (operation.kind === 'reload') this.reload();
    else if (operation.kind === 'follow') this.follow(operation.count);
    else {
      const answer = this.machine.apply(operation);
      if (this.following > 0) this.compare(operation, answer);
    }
    if (++this.count % LOOK_EVERY === 0) checkInvariants(this.machine);
  }

  private compare(operation: Operation, answer: number) {
    const same = this.other.apply(operation);
    if (same !== answer) throw new Error(`the loaded machine answers ${same}, the other ${answer}`);
    if (--this.following > 0) return;
    this.mustBeEqual('after the same operations');
    if (this.machine.hash() !== this.other.hash()) throw new Error(`after the same operations ${this.otherMemory()}`);
  }

  /** The other becomes what this machine is; what is pending is not ended yet. */
  private copy() {
    this.machine.givePages();
    checkInvariants(this.machine);
    this.other.load(this.machine.save(), this.machine);
    this.mustBeEqual('when it is loaded');
    checkInvariants(this.other);
  }

  private mustBeEqual(when: string) {
    const others = this.other.pc.saveDevices();
    for (const [i, { name, state }] of this.machine.pc.saveDevices().entries()) {
      if (Buffer.compare(encodeState(state), encodeState(others[i]!.state)) === 0) continue;
      throw new Error(`${name} of the loaded machine differs ${when}: ${difference(state, others[i]!.state)}`);
    }
  }

  private otherMemory() {
    const [a, b] = [this.machine, this.other] as const;
    const drive = a.drives.findIndex(({ digest, ended }, i) => digest !== b.drives[i]!.digest || ended !== b.drives[i]!.ended);
    if (drive >= 0) return `the drive ${a.drives[drive]!.name} of the loaded machine has other contents`;
    const [memory, others] = [a.save().memory, b.save().memory];
    const gpa = memory.findIndex((byte, i) => byte !== others[i]);
    return `the loaded machine has ${others[gpa]} at ${gpa.toString(16)}, not ${memory[gpa]}`;
  }

  private reload() {
    if (this.following > 0) return;
    this.copy();
    [this.machine, this.other] = [this.other, this.machine];
    this.machine.pc.endPending();
    this.machine.givePages();
    checkInvariants(this.machine);
  }

  private follow(count: number) {
    this.machine.settle();
    this.copy();
    this.following = count;
  }
}

/** The first field that is not the same. */
function difference(a: unknown, b: unknown, path = ''): string {
  if (typeof a !== 'object' || a === null || typeof b !== 'object' || b === null) return `${path} is ${String(b)}, not ${String(a)}`;
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
    const [x, y] = [(a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]];
    if (Buffer.compare(encodeState([x ?? null]), encodeState([y ?? null])) !== 0) return difference(x, y, `${path}.${key}`);
  }
  return path;
}
