/** The parts of a checkpoint file that are CBOR, as schemas. */
import { CheckpointError } from '../../errors/errors.ts';
import { anything, bool, defineState, f64, list, optional, struct, text, u32, u53, type StateOf } from '../../state/state.ts';
import { MAX_FILES } from './layout.ts';

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
});
export type CheckpointMeta = StateOf<typeof CheckpointMeta>;

/** An earlier checkpoint file that pages are pointed to in (§137): its commit record's checksum and its length make sure that it is still the same. */
export const FileTable = defineState('files', 1, { files: list(struct({ id: text(32), sizeBytes: u53, commitChecksum: u32 }), MAX_FILES) });
export type PointedFile = StateOf<typeof FileTable>['files'][number];

export const DeviceStates = defineState('devices', 1, { devices: list(struct({ name: text(64), version: u32, state: anything }), 1024) });

/** Disk pointers (step 832). A VM has no disks yet. */
export const DiskPointers = defineState('disks', 1, { disks: list(anything, 0) });

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
