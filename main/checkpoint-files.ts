/** What main needs to know of checkpoint files (docs/formats): facts about one, and which others it points to. */
import { CheckpointError } from '#engine/errors/errors.ts';
import type { Checkpoint } from './ipc/contract.ts';

/** What a checkpoint file says about itself. Throws CheckpointError when it is damaged. */
export function readCheckpointInfo(path: string): Promise<Checkpoint> {
  return Promise.reject(new CheckpointError('NOT_BUILT', `${path} cannot be read: this Cairn has no checkpoint software.`));
}

/** The ids of the checkpoints in `folder` whose files restoring `id` takes, itself included. */
export function neededCheckpoints(_folder: string, id: string): Promise<string[]> {
  return Promise.resolve([id]);
}

/** The whole file checked and described, for `cairn inspect`. */
export function inspectCheckpoint(path: string): Promise<unknown> {
  return readCheckpointInfo(path);
}
