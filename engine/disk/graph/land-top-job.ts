/**
 * The VM goes back to its base (METHOD.md 834, fig. 3F). 872: is the COW file small enough? No: a second COW file is put on it (874, 876), and the plan
 * commits the first one into the base (878) before this job comes again. Yes: the VM is stopped (880), the file committed (882), the disk mapped to the
 * base (884), and the VM goes on (886).
 */
import type { Layer } from '../block.ts';
import { ownExtents } from '../chain.ts';
import { CopyJob } from '../copy-job.ts';
import { settle, type DiskJob, type JobProgress } from './job.ts';
import type { VirtualDiskFiles } from './virtual-disk-files.ts';

export interface Landing {
  /** A VM writes to the top. */
  readonly running: boolean;
  /** Not more than this is committed while the VM is stopped. A guest that writes faster than the host commits is stopped for twice as much each time. */
  thresholdBytes: number;
  /** Runs `action` while the VM stands still; the disk's top is another afterwards. */
  readonly whileStopped: (action: () => void) => void;
}

export const DEFAULT_LANDING: Omit<Landing, 'running'> = { thresholdBytes: 4 << 20, whileStopped: action => action() };

export class LandTopJob implements DiskJob {
  readonly progress: JobProgress = { doneBytes: 0, totalBytes: 0 };
  private readonly disk: VirtualDiskFiles;
  private readonly landing: Landing;

  constructor(disk: VirtualDiskFiles, landing: Landing) {
    this.disk = disk;
    this.landing = landing;
  }

  step(): boolean {
    const { disk, landing } = this;
    if (landing.running && ownBytes(disk.top) > landing.thresholdBytes) {
      landing.thresholdBytes *= 2;
      disk.pushCow();
    } else landing.whileStopped(() => land(disk));
    return true;
  }

  [Symbol.dispose](): void {}
}

function ownBytes(layer: Layer): number {
  let bytes = 0;
  for (const { kind, length } of ownExtents(layer)) if (kind === 'data') bytes += length;
  return bytes;
}

/** 882, 884. What the base is becoming is told first, and that it is the top, last. */
function land(disk: VirtualDiskFiles): void {
  const { top: cow, topId, layers } = disk;
  const base = layers.open('base');
  const { seen: _, ...described } = disk.descriptor.base!;
  cow.flush();
  if (described.becoming !== topId) disk.changeBase({ ...described, becoming: topId });
  base.setWritable(true);
  CopyJob.commit(cow).run();
  settle(base);
  const { becoming: __, ...plain } = described;
  // A new id: the base changes from now on, and the file that was committed must not be taken for it.
  disk.change({ top: 'base', base: { ...plain, content: disk.folder.host.newLayerId() } });
  disk.replaceTop(base);
  layers.close(topId);
}
