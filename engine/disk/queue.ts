/**
 * The order in which operations on one virtual disk may be executed. Pure: it knows neither files nor time. Operations may overtake each other
 * only where a guest cannot tell.
 *
 *   ranges that overlap, and one of the two changes bytes      in the order in which they came
 *   flush                                                      after all changes that came before it
 *   otherwise                                                  reads first
 *
 * A marker (METHOD.md step 810) begins a new generation: what came before it goes to the old top layer, what comes after it to the new COW disk.
 * Across a marker two more rules hold. A change that touches a COW block group of the new disk which an older change also touches waits for that
 * one (step 854), for the group is copied from the old layer. A read that came before the marker is in nobody's way: its layer stays as it is,
 * which is why it can be done again after a newer write (step 815).
 */
import { InvariantError } from '../errors/errors.ts';

export type OperationKind = 'read' | 'write' | 'write-zeroes' | 'discard' | 'flush';

/** Offset and length in bytes; both 0 for a flush. */
export interface BlockRange {
  readonly kind: OperationKind;
  readonly offset: number;
  readonly length: number;
}

export interface QueuedOperation<Op extends BlockRange> {
  readonly operation: Op;
  /** Which layer it goes to: markers that came before it. */
  readonly generation: number;
}

interface Entry<Op extends BlockRange> extends QueuedOperation<Op> {
  /** Operations before it that must end first. */
  waitsFor: number;
  readonly waiters: Entry<Op>[];
  state: 'waiting' | 'started' | 'held';
}

/** Reads that may overtake a change before it gets its turn. */
const MOST_OVERTAKEN = 32;

export class DiskQueue<Op extends BlockRange> {
  /** Markers so far. */
  generation = 0;
  private readonly entries: Entry<Op>[] = [];
  /** COW block group of each generation's layer, in bytes. */
  private readonly groupBytes: number[];
  private overtaken = 0;

  constructor(groupBytes: number) {
    this.groupBytes = [groupBytes];
  }

  /** Operations that have not ended. */
  get length(): number {
    return this.entries.length;
  }

  /** A read that is done again (step 815) says the generation it had; everything else belongs to the present one. */
  add(operation: Op, generation = this.generation): void {
    if (generation > this.generation || (generation < this.generation && operation.kind !== 'read'))
      throw new InvariantError(`a ${operation.kind} cannot go to generation ${generation} of a disk in generation ${this.generation}`);
    const entry: Entry<Op> = { operation, generation, waitsFor: 0, waiters: [], state: 'waiting' };
    for (const earlier of this.entries) {
      if (!this.mustWait(entry, earlier)) continue;
      entry.waitsFor++;
      earlier.waiters.push(entry);
    }
    this.entries.push(entry);
  }

  /** Step 810. `groupBytes` is the COW block group of the disk that takes the writes from now on. Returns the new generation. */
  marker(groupBytes: number): number {
    this.groupBytes.push(groupBytes);
    return ++this.generation;
  }

  /** What may be executed now, in any order or at once. */
  ready(): QueuedOperation<Op>[] {
    return this.entries.filter(isReady);
  }

  /** Starts the best of them. */
  next(): QueuedOperation<Op> | undefined {
    const oldest = this.entries.find(isReady);
    if (oldest === undefined) return undefined;
    const read = isRead(oldest) || this.overtaken >= MOST_OVERTAKEN ? oldest : this.entries.find(entry => isReady(entry) && isRead(entry));
    const best = read ?? oldest;
    this.overtaken = best === oldest ? 0 : this.overtaken + 1;
    best.state = 'started';
    return best;
  }

  /** The same for one of ready(). */
  start(queued: QueuedOperation<Op>): void {
    this.entryOf(queued, 'waiting').state = 'started';
  }

  ended(queued: QueuedOperation<Op>): void {
    this.remove(this.entryOf(queued, 'started'));
  }

  /** The host's storage failed: it stays, and what must wait for it waits, until retry(). */
  held(queued: QueuedOperation<Op>): void {
    this.entryOf(queued, 'started').state = 'held';
  }

  retry(): void {
    for (const entry of this.entries) if (entry.state === 'held') entry.state = 'waiting';
  }

  /** Whether the host's storage has refused one. */
  get hasHeld(): boolean {
    return this.entries.some(({ state }) => state === 'held');
  }

  /** Gives the held operations up; the caller says so to who waits for them. */
  takeHeld(): QueuedOperation<Op>[] {
    const held = this.entries.filter(({ state }) => state === 'held');
    for (const entry of held) this.remove(entry);
    return held;
  }

  /** Forgets every operation, none of which is being executed. `groupBytes`: the COW block group of the disk that this generation goes to instead. */
  drop(groupBytes: number): void {
    this.entries.length = 0;
    this.overtaken = 0;
    this.groupBytes[this.generation] = groupBytes;
  }

  /** Whether an operation of this generation or an older one has not ended. */
  uses(generation: number): boolean {
    return this.entries.some(entry => entry.generation <= generation);
  }

  private mustWait(later: Entry<Op>, earlier: Entry<Op>): boolean {
    if (later.operation.kind === 'flush') return changes(earlier.operation);
    if (earlier.operation.kind === 'flush' || !(changes(later.operation) || changes(earlier.operation))) return false;
    if (later.generation < earlier.generation || (later.generation > earlier.generation && isRead(earlier))) return false;
    const acrossMarker = later.generation > earlier.generation && changes(later.operation);
    return overlap(later.operation, earlier.operation, acrossMarker ? this.groupBytes[later.generation]! : 1); // step 854
  }

  private entryOf(queued: QueuedOperation<Op>, state: Entry<Op>['state']): Entry<Op> {
    const entry = queued as Entry<Op>;
    if (entry.state !== state || entry.waitsFor > 0 || !this.entries.includes(entry))
      throw new InvariantError(`a disk operation is ${entry.state}, not ${state}`);
    return entry;
  }

  private remove(entry: Entry<Op>): void {
    this.entries.splice(this.entries.indexOf(entry), 1);
    for (const waiter of entry.waiters) waiter.waitsFor--;
  }
}

/** Whether two ranges share a block of `unit` bytes. */
function overlap(a: BlockRange, b: BlockRange, unit: number): boolean {
  const first = (range: BlockRange) => Math.floor(range.offset / unit);
  const end = (range: BlockRange) => Math.ceil((range.offset + range.length) / unit);
  return a.length > 0 && b.length > 0 && first(a) < end(b) && first(b) < end(a);
}

export const changes = ({ kind }: BlockRange): boolean => kind === 'write' || kind === 'write-zeroes' || kind === 'discard';
const isRead = <Op extends BlockRange>({ operation }: Entry<Op>) => operation.kind === 'read';
const isReady = <Op extends BlockRange>({ state, waitsFor }: Entry<Op>) => state === 'waiting' && waitsFor === 0;

/**
 * Step 812: whether a read is followed by a change of the same blocks. Were such a read done again (step 815), it would see what came after it
 * (Fig. 3D), so the VM must not go on before all of them have ended. In the order in which they were submitted.
 */
export function hasReadThenWrite(pending: readonly (BlockRange & { readonly disk: number })[]): boolean {
  return pending.some(
    (read, index) =>
      read.kind === 'read' && pending.slice(index + 1).some(write => write.disk === read.disk && changes(write) && overlap(read, write, 1)),
  );
}
