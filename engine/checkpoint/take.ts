/**
 * Taking a checkpoint (METHOD.md, Fig. 3A): the streaming part, in the checkpoint worker, while the VM runs.
 *
 *   step  where                        step  where
 *   800   the kernel's order           815   with disks: the disk worker
 *   802   with disks: before the stop  816   with disks: the disk worker
 *   804   stopped.ts                   818   memory/mmm.as.ts, copyForWrite
 *   806   stopped.ts                   820   here
 *   808   stopped.ts                   822   here, waiting for the disk worker (beforePages)
 *   810   with disks: stopped.ts       824   here
 *   812   with disks: stopped.ts       828   the vcpu thread, when this returns or throws
 *   814   stopped.ts                   832   here, once the disk worker has them (disks)
 *                                      830, 834   with disks: policies after this
 *                                      836   here
 */
import { CairnError, CheckpointError, InvariantError, StorageError } from '../errors/errors.ts';
import { NOT_LOADED, NOT_RAM } from '../memory/mmm-block.ts';
import { Pointers, type Base } from './base.ts';
import { Duplicates } from './duplicates.ts';
import { INDEX_ABSENT, INDEX_STORED, INDEX_ZERO } from './format/layout.ts';
import { PageIndex } from './format/page-index.ts';
import { areDiskPointers, type CheckpointMeta, type DiskPointer } from './format/schemas.ts';
import { CheckpointWriter } from './format/writer.ts';
import { infoOf, type CheckpointInfo } from './info.ts';
import type { Pace } from './pace.ts';
import type { Codec, FrozenPages, HostClock, StepHook } from './ports.ts';
import type { Stopped } from './stopped.ts';
import type { CheckpointStore } from './store.ts';
import { isZeroPage } from './zero-page.ts';

/** What is to be taken, as the kernel orders it. */
export interface CheckpointRequest {
  readonly id: string;
  readonly parent: string | null;
  readonly vmName: string;
  readonly title: string;
  /** ISO 8601, UTC. */
  readonly takenAt: string;
  readonly ramBytes: number;
  readonly running: boolean;
  /** Metadata that the kernel wants kept with it (format/schemas.ts). */
  readonly trigger?: string;
  readonly mode?: string;
  readonly poweredOnMs?: number;
}

export interface TakeParts {
  readonly store: CheckpointStore;
  readonly codec: Codec;
  readonly clock: HostClock;
  readonly pace: Pace;
  /** Where unchanged pages may be pointed to. */
  readonly base: Base | undefined;
  /** Host time of step 800. */
  readonly startedMs: number;
  readonly step?: StepHook;
  /** Step 822: settles once every read that was pending at the stop has ended. Before that no page is looked at. */
  readonly beforePages?: () => Promise<void>;
  /** Step 832: settles with the disk pointers once every write that was pending at the stop has ended and the layers pointed to are durable. */
  readonly disks?: () => Promise<readonly DiskPointer[]>;
  /** Pages that a pending operation reads or writes: they are not given back before the map is thawed. */
  readonly pinned?: (gppn: number) => boolean;
  /** A page that is not loaded yet, from the file that the machine was restored from: asked for only when it cannot be pointed to there. Undefined: it cannot be read any more. */
  readonly unloaded?: (gppn: number) => Uint8Array | undefined;
}

/** Looked at between two yields when nothing needs to be written. */
const SCAN_UNIT = 4096;

/** Steps 820 to 836. Throws CheckpointError or StorageError, and then there is no file. The caller thaws the map in either case (828). */
export async function takeCheckpoint(
  request: CheckpointRequest,
  stopped: Stopped,
  pages: FrozenPages,
  parts: TakeParts,
): Promise<{ info: CheckpointInfo; base: Base }> {
  const { store, codec, clock } = parts;
  let at = 820;
  const step = (number: number, share = 0) => {
    at = number;
    parts.step?.(number, share);
  };
  try {
    step(820);
    using unpublished = store.begin(request.id);
    const writer = new CheckpointWriter(unpublished.file, codec);
    writer.writeDevices(stopped.devices);
    step(822);
    await parts.beforePages?.();
    step(824);
    const pointers = new Pointers(parts.base, store, codec);
    const originals = parts.pinned ? pinning(pages, parts.pinned) : pages;
    const index = await writePages(writer, originals, pointers, parts.pace, parts.unloaded ?? (() => undefined), share => step(824, share));
    step(832, 1);
    const disks = (await parts.disks?.()) ?? [];
    if (!areDiskPointers(disks)) throw new InvariantError('the disk pointers of a checkpoint are not valid');
    writer.writeDisks(disks);
    const meta: CheckpointMeta = {
      id: request.id,
      ...(request.parent === null ? {} : { parent: request.parent }),
      vmName: request.vmName,
      title: request.title,
      takenAt: request.takenAt,
      ramBytes: request.ramBytes,
      epoch: stopped.epoch,
      running: request.running,
      pauseMs: stopped.pauseMs,
      totalMs: clock.nowMs() - parts.startedMs,
      pages: index.counts,
      ...(request.trigger === undefined ? {} : { trigger: request.trigger }),
      ...(request.mode === undefined ? {} : { mode: request.mode }),
      ...(request.poweredOnMs === undefined ? {} : { poweredOnMs: request.poweredOnMs }),
    };
    const commitChecksum = writer.finish(meta, pointers.files, index);
    step(836, 1);
    unpublished.publish();
    const self = { id: request.id, sizeBytes: writer.sizeBytes, commitChecksum };
    return {
      info: infoOf(meta, disks, writer.sizeBytes),
      base: { self, files: pointers.files, index, epoch: stopped.epoch, folder: store.folder, isEncrypted: codec.vault !== undefined },
    };
  } catch (error) {
    throw failed(error, at, request);
  }
}

function stillLoading(): never {
  throw new CheckpointError(
    'STILL_LOADING',
    'The memory is still being loaded from a checkpoint file that has been deleted meanwhile: take the checkpoint again in a moment.',
  );
}

/** The same pages, of which the pinned ones are not given back early. */
function pinning(pages: FrozenPages, pinned: (gppn: number) => boolean): FrozenPages {
  return {
    epoch: pages.epoch,
    limit: pages.limit,
    ppn: gppn => pages.ppn(gppn),
    writtenEpoch: gppn => pages.writtenEpoch(gppn),
    page: gppn => pages.page(gppn),
    freeOriginal: gppn => !pinned(gppn) && pages.freeOriginal(gppn),
  };
}

/** Step 824: unmodified (original) pages go to the file; copied originals are freed once written. */
async function writePages(
  writer: CheckpointWriter,
  pages: FrozenPages,
  pointers: Pointers,
  pace: Pace,
  unloaded: (gppn: number) => Uint8Array | undefined,
  progress: (share: number) => void,
): Promise<PageIndex> {
  const index = PageIndex.shared(pages.limit);
  const duplicates = new Duplicates(pages);
  let inGroup: number[] = [];
  let scanned = 0;
  const store = (gppn: number, place: number) => {
    index.kinds[gppn] = INDEX_STORED;
    index.places[gppn] = place;
  };
  const endUnit = async (gppn: number) => {
    writer.flushGroup();
    for (const written of inGroup) pages.freeOriginal(written);
    inGroup = [];
    scanned = 0;
    progress(gppn / pages.limit);
    await pace.unitDone();
  };
  for (let gppn = 0; gppn < pages.limit; gppn++) {
    const ppn = pages.ppn(gppn);
    if (ppn === NOT_LOADED) {
      if (!pointers.point(pages, gppn, index)) store(gppn, writer.addPage(unloaded(gppn) ?? stillLoading()));
    } else if (ppn === NOT_RAM) index.kinds[gppn] = INDEX_ABSENT;
    else if (ppn === 0) index.kinds[gppn] = INDEX_ZERO;
    else if (pointers.point(pages, gppn, index)) pages.freeOriginal(gppn);
    else if (isZeroPage(pages.page(gppn))) {
      index.kinds[gppn] = INDEX_ZERO;
      pages.freeOriginal(gppn);
    } else {
      const equal = duplicates.find(gppn);
      store(gppn, equal === undefined ? writer.addPage(pages.page(gppn)) : index.places[equal]!);
      inGroup.push(gppn);
    }
    if (writer.groupIsFull || ++scanned === SCAN_UNIT) await endUnit(gppn);
  }
  await endUnit(pages.limit);
  return index;
}

/** The user is told which checkpoint failed, why, and that the VM is unharmed. */
function failed(error: unknown, step: number, request: CheckpointRequest): Error {
  if (!(error instanceof CairnError) || error instanceof CheckpointError) return error as Error;
  const message = `The checkpoint “${request.title}” of ${request.vmName} was not taken: ${error.message} The VM runs on.`;
  return error instanceof StorageError ? new CheckpointError(error.code, message, { cause: error, step }) : error;
}
