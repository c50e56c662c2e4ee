/** What is going on beside the guest, in words: the steps of a checkpoint (METHOD.md) and of a disk's collector (docs/formats/disk-graph.md). */
import { formatBytes } from '../format.ts';
import type { DiskWork, VmView } from './app-state.ts';

export interface Work {
  readonly words: string;
  /** 0-1; undefined: nobody knows. */
  readonly share?: number | undefined;
}

/** All that is under way for a VM, the checkpoint first. */
export function workOf({ progress, pending, diskWork }: Pick<VmView, 'progress' | 'pending' | 'diskWork'>): Work[] {
  const checkpoint = progress ?? (pending === 'take' ? { step: 800, share: 0 } : undefined);
  return [...(checkpoint ? [checkpointWork(checkpoint.step, checkpoint.share)] : []), ...diskWork.map(diskWorkOf)];
}

function checkpointWork(step: number, share: number): Work {
  if (step < 804) return { words: 'Checkpoint: preparing' };
  if (step <= 814) return { words: 'Checkpoint: the machine stands still' };
  if (step <= 822) return { words: 'Checkpoint: writing the devices' };
  if (step < 828) return { words: 'Checkpoint: writing memory', share };
  return { words: 'Checkpoint: making it durable' };
}

const STEP_WORDS: Readonly<Record<string, string>> = {
  delete: 'removing a file that nothing needs',
  repoint: 'putting a file on another',
  merge: 'merging two files of the chain',
  'pull-up': 'shortening the chain',
  shorten: 'shortening the chain',
  'commit-base': 'merging changes into the base',
  'copy-base': 'copying the base aside',
  'new-base': 'making a base of its own',
  'drop-base': 'letting go of the old base',
  'land-top': 'going back onto the base',
  checksum: 'making checksums',
};

function diskWorkOf({ disk, step, doneBytes, totalBytes }: DiskWork): Work {
  const words = `${disk}: ${STEP_WORDS[step] ?? 'tidying up'}`;
  return totalBytes > 0
    ? { words: `${words}, ${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`, share: Math.min(1, doneBytes / totalBytes) }
    : { words };
}
