/** A VM that is nothing but memory (the real MMM) and one device: what the checkpoint software needs to be tested with. */
import { createHash } from 'node:crypto';
import { Pace } from '#engine/checkpoint/pace.ts';
import type { HostClock, PagesToLoad, RestorableVm, StoppableVm } from '#engine/checkpoint/ports.ts';
import type { SavedDevice } from '#engine/machine/machine.ts';
import { LIVE_MAP, PAGE_SIZE } from '#engine/memory/layout.ts';
import { MAP_ENTRIES } from '#engine/memory/mmm-block.ts';
import { findEmptySlot, FrozenMap } from '#engine/memory/mmm.ts';
import { defineState, u53, type StateOf } from '#engine/state/state.ts';
import { loneMmm, type LoneMmm } from './lone-mmm.ts';

const Counter = defineState('counter', 1, { value: u53 });

export class FakeVm implements StoppableVm, RestorableVm {
  readonly lone: LoneMmm;
  readonly ramPages: number;
  counter: StateOf<typeof Counter> = { value: 0 };
  /** How often steps 912 and 914 were done. */
  endedPending = 0;

  private constructor(lone: LoneMmm, ramPages: number) {
    this.lone = lone;
    this.ramPages = ramPages;
  }

  /** RAM at GPPN 0 and on, but for a hole of one page at GPPN 2. */
  static async create(ramPages: number, poolPages = ramPages * 4): Promise<FakeVm> {
    const vm = new FakeVm(await loneMmm(poolPages), ramPages);
    vm.reset(poolPages);
    return vm;
  }

  reset(poolPages = this.ramPages * 4): void {
    this.lone.mmm.initMemory(poolPages);
    this.lone.mmm.mapRam(0, 2);
    this.lone.mmm.mapRam(3, this.ramPages - 2);
    this.counter = { value: 0 };
  }

  get ramBytes(): number {
    return this.ramPages * PAGE_SIZE;
  }
  get limit(): number {
    return this.ramPages + 1;
  }

  /** The `index`th page of RAM. */
  gppn(index: number): number {
    return index < 2 ? index : index + 1;
  }

  /** Fills a page with noise that `seed` makes, with zeros when it is 0. */
  write(index: number, seed: number): void {
    const page = new Uint32Array(this.lone.memory, this.lone.mmm.pageForWrite(this.gppn(index)) >>> 0, PAGE_SIZE / 4);
    let word = seed;
    for (let i = 0; i < page.length; i++)
      page[i] = word = seed === 0 ? 0 : i % 3 === 0 ? (Math.imul(word, 1664525) + 1013904223 + i) >>> 0 : seed;
  }

  page(index: number): Uint8Array {
    return new Uint8Array(this.lone.memory, this.lone.mmm.pageForRead(this.gppn(index)) >>> 0, PAGE_SIZE);
  }

  /** Everything that a checkpoint must bring back; of the RAM a hash. */
  contents(): { ram: string; counter: number } {
    const hash = createHash('sha1');
    for (let index = 0; index < this.ramPages; index++) hash.update(this.page(index));
    return { ram: hash.digest('hex'), counter: this.counter.value };
  }

  freeze(): { slot: number; epoch: number } | undefined {
    const slot = findEmptySlot(this.lone.memory);
    return slot === undefined ? undefined : { slot, epoch: this.lone.mmm.freeze(slot) };
  }
  frozen(slot: number): FrozenMap {
    return new FrozenMap(this.lone.memory, slot);
  }
  /** Step 828 and all of what follows it. */
  thaw(slot: number): void {
    this.lone.mmm.thaw(slot);
    while (this.lone.mmm.reclaim(slot, 5) > 0);
  }
  saveDevices(): SavedDevice[] {
    return [{ name: 'counter', version: 1, state: { ...this.counter } }];
  }

  get liveMap(): Uint32Array {
    return new Uint32Array(this.lone.memory, LIVE_MAP, MAP_ENTRIES);
  }
  installPage(gppn: number): Uint8Array {
    return new Uint8Array(this.lone.memory, this.lone.mmm.installPage(gppn) >>> 0, PAGE_SIZE);
  }
  clearRam(): void {
    this.lone.mmm.clearRam();
  }
  clearPage(gppn: number): void {
    this.lone.mmm.clearPage(gppn);
  }
  forgetSince(epoch: number): void {
    this.lone.mmm.forgetSince(epoch);
  }
  expectPages(gppn: number, count: number): void {
    this.lone.mmm.expectPages(gppn, count);
  }
  placePage(gppn: number): Uint8Array | undefined {
    const address = this.lone.mmm.placePage(gppn) >>> 0;
    return address === 0 ? undefined : new Uint8Array(this.lone.memory, address, PAGE_SIZE);
  }
  hasRoom(): boolean {
    return this.lone.mmm.freePages() > 0;
  }
  loadFrom(pages: PagesToLoad): void {
    this.lone.loadPage = gppn => pages.load(gppn);
  }
  endPending(): void {
    this.endedPending++;
  }
  readyDevices(devices: readonly SavedDevice[]): () => void {
    const counter = Counter.parse(devices[0]?.state);
    return () => void (this.counter = counter);
  }
  seal(): number {
    return this.lone.mmm.endEpoch();
  }
}

/** A clock that a test moves: each sleep is a turn of the VM. */
export function testClock(turn: () => void = () => {}): HostClock {
  let nowMs = 0;
  return {
    nowMs: () => (nowMs += 0.25),
    sleep: async () => {
      nowMs++;
      turn();
    },
  };
}

export const fullSpeed = (clock: HostClock): Pace => new Pace(clock, [{ afterMs: 0, share: 1 }]);
