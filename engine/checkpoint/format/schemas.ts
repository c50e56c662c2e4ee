/** The parts of a checkpoint file that are CBOR, as schemas. */
import { CheckpointError } from '../../errors/errors.ts';
import { anything, bool, bytesUpTo, defineState, f64, list, optional, struct, text, u32, u53, type StateOf } from '../../state/state.ts';
import { MAX_DISKS, MAX_FILES, SECTION_LIMIT } from './layout.ts';

export const CheckpointMeta = defineState('metadata', 1, {
  id: text(32),
  /** The checkpoint that the VM's state descended from. */
  parent: optional(text(32)),
  vmName: text(255),
  title: text(1000),
  /** ISO 8601, UTC. */
  takenAt: text(40),
  ramBytes: u53,
  /** Frozen epoch in the world that it was taken in. */
  epoch: u32,
  /** False when the VM was off. */
  running: bool,
  /** Steps 804 to 814. */
  pauseMs: f64,
  /** Steps 800 to 832. */
  totalMs: f64,
  pages: struct({ stored: u32, zero: u32, pointed: u32, absent: u32 }),
  /** What had it taken (§ 80): `user` when left out. */
  trigger: optional(text(32)),
  /** The implementation of METHOD.md that its disks were kept by. */
  mode: optional(text(32)),
  /** How long the VM had been powered on in its life, in ms, without pauses: the time that policies count in. */
  poweredOnMs: optional(f64),
});
export type CheckpointMeta = StateOf<typeof CheckpointMeta>;

/** An earlier checkpoint file that pages are pointed to in (§137): its commit record's checksum and its length make sure that it is still the same. */
export const FileTable = defineState('files', 1, {
  files: list(struct({ id: text(32), sizeBytes: u53, commitChecksum: u32, groups: optional(bytesUpTo(SECTION_LIMIT.files)) }), MAX_FILES),
});
/** `groups`: those that are pointed to (pointed-groups.ts), for who does not want to read the whole page index; left out where they would take too much room. */
export type FileTableEntry = StateOf<typeof FileTable>['files'][number];
export type PointedFile = Omit<FileTableEntry, 'groups'>;

export const DeviceStates = defineState('devices', 1, { devices: list(struct({ name: text(64), version: u32, state: anything }), 1024) });

/**
 * Disk pointers (step 832): for each virtual disk the layer that it stood on at step 810. A layer is named by its identity (docs/formats/disk-images.md), never by a path, so that
 * a checkpoint file is never rewritten when layers move or merge.
 */
export const DiskPointers = defineState('disks', 1, {
  disks: list(struct({ disk: text(64), layer: text(32), sizeBytes: u53 }), MAX_DISKS),
});
export type DiskPointer = StateOf<typeof DiskPointers>['disks'][number];

/** Whether there are not too many, every layer is an identity, and no disk is there twice. */
export function areDiskPointers(disks: readonly DiskPointer[]): boolean {
  const names = new Set(disks.map(({ disk }) => disk));
  return (
    disks.length <= MAX_DISKS &&
    names.size === disks.length &&
    disks.every(({ disk, layer }) => disk !== '' && /^[0-9a-f]{32}$/.test(layer))
  );
}

/** An id names a file: nothing else may. */
export function isCheckpointId(id: string): boolean {
  return /^[0-9a-z]{8,32}$/.test(id);
}

export function damaged(path: string, what: string, cause?: unknown): CheckpointError {
  return new CheckpointError(
    'CHECKPOINT_DAMAGED',
    `The checkpoint file ${path} is damaged (${what}): it cannot be used. Choose another checkpoint.`,
    { cause },
  );
}
