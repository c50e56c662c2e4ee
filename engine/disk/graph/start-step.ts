/** From a step of a plan to the job that does it. */
import type { Qcow2Image } from '../qcow2/image.ts';
import { CommitBaseJob } from './commit-base-job.ts';
import { CopyBaseJob, NewBaseJob } from './copy-state-job.ts';
import type { LayerId, Top } from './descriptor.ts';
import { atOnce, type DiskJob } from './job.ts';
import { LandTopJob, type Landing } from './land-top-job.ts';
import { SumJob } from './layer-sum.ts';
import { MergeJob } from './merge-job.ts';
import type { Step } from './plan.ts';
import { PullUpJob } from './pull-up-job.ts';
import { requireRoom } from './room.ts';
import type { VirtualDiskFiles } from './virtual-disk-files.ts';

export function startStep(disk: VirtualDiskFiles, step: Step, landing: Landing): DiskJob {
  switch (step.kind) {
    case 'delete':
      return atOnce(() => deleteLayer(disk, step.layer));
    case 'repoint':
      return atOnce(() => repoint(disk, step.layer, step.to));
    case 'merge':
      return new MergeJob(disk, step.layer, step.into);
    case 'pull-up':
      return new PullUpJob(disk, step.layer, step.from);
    case 'shorten':
      return shorten(disk, step.layer, step.through);
    case 'commit-base':
      return new CommitBaseJob(disk, step.layer);
    case 'copy-base':
      return new CopyBaseJob(disk, step.state);
    case 'new-base':
      return new NewBaseJob(disk, step.state);
    case 'drop-base':
      return atOnce(() => dropBase(disk));
    case 'land-top':
      return new LandTopJob(disk, landing);
    case 'checksum':
      return new SumJob(disk, step.layer);
  }
}

/** Whose files a step writes. */
export function touched(step: Step): readonly Top[] {
  switch (step.kind) {
    case 'merge':
      return [step.into, step.layer];
    case 'repoint':
    case 'pull-up':
    case 'shorten':
      return [step.layer];
    case 'commit-base':
    case 'land-top':
      return ['base'];
    default:
      return [];
  }
}

/** Whose files are others after a step, or gone. */
export function changed(step: Step): readonly Top[] {
  return step.kind === 'delete' ? [step.layer] : touched(step);
}

function deleteLayer({ folder, layers }: VirtualDiskFiles, id: LayerId): void {
  layers.close(id);
  folder.remove(folder.layerPath(id), folder.sumPath(id));
}

/** The layer is put on another file of the same state. */
function repoint(disk: VirtualDiskFiles, id: LayerId, to: Top): void {
  const layer = disk.layers.open(id) as Qcow2Image;
  const parent = disk.layers.open(to);
  layer.setWritable(true);
  layer.reparent(parent, disk.nameOf(to));
  if (layer !== disk.top) layer.setWritable(false);
}

/** On a disk that has little room left it waits: the chain works as it is. */
function shorten(disk: VirtualDiskFiles, id: LayerId, through: LayerId): DiskJob {
  requireRoom(disk, id, through);
  return new PullUpJob(disk, id, through);
}

/** A base of the disk's own is removed as rubbish once the descriptor does not name it. */
function dropBase(disk: VirtualDiskFiles): void {
  disk.changeBase(undefined);
  disk.layers.close('base');
}
