/**
 * Restoring (METHOD.md, Fig. 3G) into a machine: a fresh one of the same VM or of another, in this process or another; or the VM's own, which has run and stands still.
 *
 *   902 install device state → 904 restore VM memory → 912, 914 end what was pending → 910 run (the world's part)
 *
 * 904 may be left for later (`lazy`): then the machine can run at once, and each page comes when it is touched (lazy-pages.ts).
 */
import { CheckpointError } from '../errors/errors.ts';
import { NOT_LOADED, NOT_RAM } from '../memory/mmm-block.ts';
import { INDEX_ABSENT, INDEX_STORED } from './format/layout.ts';
import type { KnownIndex } from './format/page-index.ts';
import type { CheckpointReader } from './format/reader.ts';
import { infoOf, type CheckpointInfo } from './info.ts';
import { LazyPages } from './lazy-pages.ts';
import { PageOrder } from './page-order.ts';
import { PageSource } from './page-source.ts';
import type { Codec, RestorableVm, StepHook } from './ports.ts';
import type { CheckpointStore } from './store.ts';

export interface RestoreOptions {
  /** Memory is loaded when it is touched. */
  readonly lazy?: boolean;
  readonly step?: StepHook;
}

export interface FillOptions extends RestoreOptions {
  /** For a lazy restore into the VM's own machine: the epoch up to which what was written there is what the checkpoint has. These pages stay; all others are gone. 0: none stays. */
  readonly unchanged?: number;
}

export interface Restored {
  readonly info: CheckpointInfo;
  readonly known: KnownIndex;
  /** The epoch that the restored pages have: what the next checkpoint may point to this file for. */
  readonly epoch: number;
  /** Brings the pages of a lazy restore. The machine must not run without it. */
  readonly later: LazyPages | undefined;
}

/**
 * Fills `vm` from the checkpoint at `path`; the files that it points to are in `store`. Damage of the file's structure, or of what it points to, and a machine that does not
 * fit are found before anything changes; a damaged page group while it fills, so a machine that this throws at is thrown away.
 */
export function restoreCheckpoint(
  store: CheckpointStore,
  path: string,
  vm: RestorableVm,
  codec: Codec,
  options: RestoreOptions = {},
): Restored {
  using ready = ReadyRestore.open(store, path, vm, codec);
  return ready.restore(options);
}

/** A checkpoint that is open, whole but for its page groups, and fits the machine. */
export class ReadyRestore implements Disposable {
  private readonly source: PageSource;
  private readonly vm: RestorableVm;
  private readonly loadDevices: () => void;
  private isOpen = true;

  private constructor(source: PageSource, vm: RestorableVm) {
    this.source = source;
    this.vm = vm;
    checkFits(source.reader, vm);
    this.loadDevices = vm.readyDevices(source.reader.devices());
  }

  /** `known`: as PageSource.open() has it. Throws CheckpointError, StateError or StorageError, and nothing has changed. */
  static open(store: CheckpointStore, path: string, vm: RestorableVm, codec: Codec, known?: KnownIndex): ReadyRestore {
    using opened = new DisposableStack();
    const ready = new ReadyRestore(opened.use(PageSource.open(store, path, codec, known)), vm);
    opened.move();
    return ready;
  }

  /** Once; no frozen map may wait for a page that is not loaded. */
  restore({ lazy = false, unchanged = 0, step = () => {} }: FillOptions = {}): Restored {
    const { source, vm } = this;
    const { reader } = source;
    step(902, 0);
    this.loadDevices();
    step(904, 0);
    if (lazy) expectPages(reader, vm, unchanged);
    else fill(source, vm);
    const epoch = vm.seal();
    const later = lazy ? new LazyPages(source, vm) : undefined;
    if (later) vm.loadFrom(later);
    step(912, 1);
    vm.endPending();
    this.isOpen = later === undefined; // it is the loader's from now on
    return { info: infoOf(reader.meta, reader.disks, reader.sizeBytes), known: reader.known, epoch, later };
  }

  [Symbol.dispose](): void {
    if (this.isOpen) this.source[Symbol.dispose]();
    this.isOpen = false;
  }
}

function checkFits(reader: CheckpointReader, vm: RestorableVm): void {
  const { index, meta, path } = reader;
  if (meta.ramBytes !== vm.ramBytes) {
    throw new CheckpointError(
      'WRONG_MEMORY_SIZE',
      `The checkpoint file ${path} is of a VM with ${meta.ramBytes >> 20} MiB of memory: it cannot be restored into one with ${vm.ramBytes >> 20} MiB.`,
    );
  }
  const differs = findDifference(index.kinds, vm.liveMap.subarray(0, vm.limit));
  if (differs !== undefined)
    throw new CheckpointError(
      'WRONG_MEMORY_MAP',
      `The checkpoint file ${path} is of a machine with another memory map (page ${differs}): it cannot be restored into this one.`,
    );
}

/** The first GPPN that is RAM in one of them and not in the other. Holes are few: what lies between them is passed over at once. */
function findDifference(kinds: Uint32Array, liveMap: Uint32Array): number | undefined {
  const limit = Math.max(kinds.length, liveMap.length);
  const nextHole = (map: Uint32Array, mark: number, from: number) => {
    const at = map.indexOf(mark, from);
    return at < 0 ? Math.max(from, map.length) : at;
  };
  for (let gppn = 0; gppn < limit; gppn++) {
    const was = nextHole(kinds, INDEX_ABSENT, gppn);
    gppn = nextHole(liveMap, NOT_RAM, gppn);
    if (was !== gppn) return Math.min(was, gppn);
  }
  return undefined;
}

/** Step 904, all at once: each group is read once. */
function fill(source: PageSource, vm: RestorableVm): void {
  vm.clearRam();
  const order = new PageOrder(source);
  for (let number = 0; number < order.length; number++) {
    const gppns = order.gppnsOf(number);
    if (gppns.length === 0) continue;
    const pages = order.read(number);
    for (const gppn of gppns) vm.installPage(gppn).set(source.pageIn(pages, gppn));
  }
}

/** Step 904, put off: whatever was not written since the epoch `unchanged` is there. */
function expectPages({ index: { kinds, limit } }: CheckpointReader, vm: RestorableVm, unchanged: number): void {
  vm.forgetSince(unchanged);
  const { liveMap } = vm;
  const isMissing = (gppn: number) => kinds[gppn]! >= INDEX_STORED && liveMap[gppn] === 0;
  for (let gppn = 0; gppn < limit; gppn++) {
    if (kinds[gppn]! < INDEX_STORED && liveMap[gppn] === NOT_LOADED) vm.clearPage(gppn);
    if (!isMissing(gppn)) continue;
    const first = gppn;
    while (gppn + 1 < limit && isMissing(gppn + 1)) gppn++;
    vm.expectPages(first, gppn + 1 - first);
  }
}
