/**
 * Restoring (METHOD.md, Fig. 3G) into a fresh machine: that of the same VM, of another one, in this process or another.
 *
 *   902 install device state → 904 restore VM memory → 910 run (the world's part) → 912, 914 with disks: pending I/O is completed
 */
import { CheckpointError } from '../errors/errors.ts';
import { PAGE_SIZE } from '../memory/layout.ts';
import { INDEX_ABSENT, INDEX_POINTED, INDEX_STORED } from './format/layout.ts';
import { groupOf, slotOf } from './format/page-index.ts';
import { PagesReader } from './format/pages-reader.ts';
import { CheckpointReader } from './format/reader.ts';
import { damaged } from './format/schemas.ts';
import { infoOf, type CheckpointInfo } from './info.ts';
import type { Codec, RestorableVm, StepHook } from './ports.ts';
import type { CheckpointStore } from './store.ts';

/** A place and a GPPN in one exact float, so that they can be sorted: 2^26 places × 2^20 GPPNs. */
const GPPN_RANGE = 1 << 20;

/**
 * Fills `vm` from the checkpoint at `path`; the files that it points to are in `store`. Damage of the file's structure, or of what it points to, and a machine that does not
 * fit are found before anything changes; a damaged page group while it fills, so a machine that this throws at is thrown away. Returns the epoch that
 * the restored pages have: what the next checkpoint may point to this file for.
 */
export function restoreCheckpoint(
  store: CheckpointStore,
  path: string,
  vm: RestorableVm,
  codec: Codec,
  step: StepHook = () => {},
): { info: CheckpointInfo; epoch: number } {
  using opened = new DisposableStack();
  const reader = opened.use(CheckpointReader.open(store.files, path, codec));
  const readers: PagesReader[] = [reader, ...openPointedFiles(reader, store, codec, opened)];
  const wanted = sortByFile(reader, readers);
  checkFits(reader, vm);
  const devices = reader.devices();
  step(902, 0);
  vm.loadDevices(devices);
  step(904, 0);
  vm.clearRam();
  wanted.forEach((entries, file) => fill(readers[file]!, entries, vm));
  const epoch = vm.seal();
  return { info: infoOf(reader.meta, reader.disks, reader.sizeBytes), epoch };
}

function openPointedFiles(reader: CheckpointReader, store: CheckpointStore, codec: Codec, opened: DisposableStack): PagesReader[] {
  return reader.files.map(file => {
    const path = store.findPages(file.id);
    if (path === undefined) {
      throw new CheckpointError(
        'CHECKPOINT_INCOMPLETE',
        `The checkpoint file ${reader.path} needs ${store.pathOf(file.id)}, which is gone: put that file back, or choose another checkpoint.`,
      );
    }
    const pointed = opened.use(PagesReader.openPages(store.files, path, codec));
    if (pointed.commitChecksum !== file.commitChecksum || pointed.sizeBytes !== file.sizeBytes || pointed.meta.id !== file.id) {
      throw new CheckpointError(
        'CHECKPOINT_INCOMPLETE',
        `The checkpoint file ${reader.path} needs ${pointed.path} as it was: that is another file now. Put the old one back, or choose another checkpoint.`,
      );
    }
    return pointed;
  });
}

/** For each file its pages in the order of their places, so that each group is read once. */
function sortByFile(reader: CheckpointReader, readers: readonly PagesReader[]): Float64Array[] {
  const entries = readers.map((): number[] => []);
  const { kinds, places, limit } = reader.index;
  for (let gppn = 0; gppn < limit; gppn++) {
    const kind = kinds[gppn]!;
    if (kind < INDEX_STORED) continue;
    const file = kind === INDEX_STORED ? 0 : kind - INDEX_POINTED + 1;
    if (!readers[file]!.hasPlace(places[gppn]!)) throw damaged(reader.path, `the page ${gppn} is nowhere`);
    entries[file]!.push(places[gppn]! * GPPN_RANGE + gppn);
  }
  return entries.map(list => Float64Array.from(list).sort());
}

function checkFits(reader: CheckpointReader, vm: RestorableVm): void {
  const { index, meta, path } = reader;
  if (meta.ramBytes !== vm.ramBytes) {
    throw new CheckpointError(
      'WRONG_MEMORY_SIZE',
      `The checkpoint file ${path} is of a VM with ${meta.ramBytes >> 20} MiB of memory: it cannot be restored into one with ${vm.ramBytes >> 20} MiB.`,
    );
  }
  for (let gppn = 0; gppn < Math.max(index.limit, vm.limit); gppn++) {
    const saved = gppn < index.limit && index.kinds[gppn] !== INDEX_ABSENT;
    if (saved !== vm.isRam(gppn)) {
      throw new CheckpointError(
        'WRONG_MEMORY_MAP',
        `The checkpoint file ${path} is of a machine with another memory map (page ${gppn}): it cannot be restored into this one.`,
      );
    }
  }
}

/** Step 904 for the pages that one file has. */
function fill(reader: PagesReader, entries: Float64Array, vm: RestorableVm): void {
  let group = -1;
  let pages: Uint8Array = new Uint8Array();
  for (const entry of entries) {
    const place = Math.floor(entry / GPPN_RANGE);
    if (groupOf(place) !== group) {
      group = groupOf(place);
      pages = reader.readGroup(group);
    }
    const start = slotOf(place) * PAGE_SIZE;
    vm.installPage(entry % GPPN_RANGE).set(pages.subarray(start, start + PAGE_SIZE));
  }
}
