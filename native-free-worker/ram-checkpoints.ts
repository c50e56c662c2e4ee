/**
 * Checkpoints kept in RAM as well (METHOD.md, stores): frozen maps that stay frozen, so that reverting to one of the last checkpoints takes a millisecond. On the vcpu thread.
 * Pages that the guest has left since cost memory: when pages run short, the oldest copy goes first; its file is still there.
 */
import type { SavedDevice } from '#engine/machine/machine.ts';
import type { CoreExports } from '#engine/cpu/core-exports.ts';
import { InvariantError } from '#engine/errors/errors.ts';
import { FrozenMap, isNewestMap, memoryStats } from '#engine/memory/mmm.ts';

/** At most this many; the other slots are for checkpoints that are being written. */
const MOST_KEPT = 4;
/** With less than this part of the pool free, copies are given up. */
const SHORT_PART = 8;
const RECLAIM_AT_ONCE = 65536;

export interface Kept {
  readonly id: string;
  readonly slot: number;
  readonly devices: readonly SavedDevice[];
}

/** What reverting asks of the machine around it. */
export interface RevertingVm {
  readyDevices(devices: readonly SavedDevice[]): () => void;
  endPending(): void;
}

export type KeepingExports = Pick<CoreExports, 'freePages' | 'thaw' | 'reclaim' | 'restoreFrozen' | 'endEpoch' | 'resetDerived'>;

export class RamCheckpoints {
  private readonly core: KeepingExports;
  private readonly memory: SharedArrayBuffer;
  private readonly thawSlot: (slot: number) => void;
  /** Oldest first. */
  private kept: Kept[] = [];

  /** `thaw` begins to free a slot (step 828). */
  constructor(core: KeepingExports, memory: SharedArrayBuffer, thaw: (slot: number) => void) {
    this.core = core;
    this.memory = memory;
    this.thawSlot = thaw;
  }

  get ids(): string[] {
    return this.kept.map(({ id }) => id);
  }

  /** Nobody reads the map any more, for its file has been written: it stays frozen. */
  keep(checkpoint: Kept): void {
    this.kept.push(checkpoint);
    if (this.kept.length > MOST_KEPT) this.dropOldest();
  }

  /** The file is what is left of it. */
  drop(id: string): void {
    for (const { slot } of this.kept.filter(each => each.id === id)) this.thawSlot(slot);
    this.kept = this.kept.filter(each => each.id !== id);
  }

  /** Between slices, when nothing is being freed: gives a copy up when the pool is short. */
  work(): void {
    if (this.kept.length > 0 && this.core.freePages() < memoryStats(this.memory).poolPages / SHORT_PART) this.dropOldest();
  }

  /** Those of which pages still lie in the file that the machine was filled from: it is about to be filled from another one. */
  dropWaiting(): void {
    for (const { id, slot } of this.kept) if (new FrozenMap(this.memory, slot).isWaiting) this.drop(id);
  }

  /**
   * What makes the machine what it was at the checkpoint `id`; undefined when it is not in RAM, or one that is later is still being written: then it must come from its file. Later ones in RAM are
   * given up at once, whatever comes of it. No map may be being freed. Answers the epoch of its marks.
   */
  ready(id: string, vm: RevertingVm): (() => number) | undefined {
    const index = this.kept.findIndex(each => each.id === id);
    if (index < 0) return undefined;
    const { slot, devices } = this.kept[index]!;
    const later = this.kept.splice(index + 1);
    for (const each of later) {
      this.core.thaw(each.slot);
      while (this.core.reclaim(each.slot, RECLAIM_AT_ONCE) > 0);
    }
    if (!isNewestMap(this.memory, slot)) return undefined;
    const load = vm.readyDevices(devices);
    return () => {
      if (!this.core.restoreFrozen(slot)) throw new InvariantError('a map was frozen while the machine stood still');
      load();
      this.core.endEpoch();
      this.core.resetDerived();
      vm.endPending();
      return new FrozenMap(this.memory, slot).epoch;
    };
  }

  private dropOldest(): void {
    this.thawSlot(this.kept.shift()!.slot);
  }
}
