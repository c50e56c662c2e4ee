/**
 * Makes the files of a disk what is needed and no more: after a checkpoint in its mode, an elimination, a revert, a change of the mode, or a crash. It
 * plans from what the files say, does one step, and plans anew, so it can be dropped at any time and another goes on.
 */
import { StorageError } from '../../errors/errors.ts';
import type { Top } from './descriptor.ts';
import type { DiskJob, JobProgress } from './job.ts';
import { KnownLayers } from './known-layers.ts';
import { DEFAULT_LANDING, type Landing } from './land-top-job.ts';
import { changed, startStep, touched } from './start-step.ts';
import { plan, type Step } from './plan.ts';
import { factsOf, scan, type Needs } from './scan.ts';
import type { VirtualDiskFiles } from './virtual-disk-files.ts';

export interface CollectorOptions {
  /** How a disk of the first implementation gets back on its base while the VM runs. */
  readonly landing?: Partial<Landing>;
  /** What is needed when a plan is made; frozen states that no checkpoint points to yet are added. */
  readonly needs: () => Needs;
  /** A VM writes to the top. */
  readonly running: boolean;
}

/** `waits`: a checkpoint is between 802 and 830, and files may not be moved about. */
export type CollectorState = 'more' | 'done' | 'waits';

export class DiskCollector implements Disposable {
  private readonly disk: VirtualDiskFiles;
  private readonly options: CollectorOptions;
  private readonly landing: Landing;
  private readonly known: KnownLayers;
  private job: { readonly step: Step; readonly job: DiskJob } | undefined;
  /** Steps that found no room on the host's disk. */
  private readonly postponed = new Map<string, Step>();

  constructor(disk: VirtualDiskFiles, options: CollectorOptions) {
    this.disk = disk;
    this.options = options;
    this.known = new KnownLayers(disk.folder);
    disk.stopWork = () => this.endJob();
    this.landing = { ...DEFAULT_LANDING, running: options.running, ...options.landing };
  }

  /** What is being done, for the user. */
  get progress(): (JobProgress & { readonly step: Step }) | undefined {
    return this.job && { step: this.job.step, ...this.job.job.progress };
  }

  /** What is left undone until there is room, or retry() is called. */
  get postponedSteps(): readonly Step[] {
    return [...this.postponed.values()];
  }

  retry(): void {
    this.postponed.clear();
  }

  /** Works for about as long as copying `bytes` takes. An error ends the step, not the collector: call again when the storage is well. */
  step(bytes: number): CollectorState {
    if (this.disk.isChanging) return 'waits';
    if (this.job === undefined && !this.begin()) return 'done';
    const { step, job } = this.job!;
    this.attempt(step, () => {
      if (job.step(bytes)) this.endJob();
    });
    return 'more';
  }

  /** To the end. */
  run(): void {
    while (this.step(Infinity) === 'more');
  }

  /** What is under way ends; a valid disk is left. */
  [Symbol.dispose](): void {
    this.endJob();
  }

  /** Takes up the first step that can be done; false: there is none. */
  private begin(): boolean {
    const { disk } = this;
    const { folder } = disk;
    // Names and the descriptor first: what is seen must be what is found after a crash.
    folder.host.files.syncFolder(folder.folder);
    disk.makeSure();
    disk.finishPush();
    disk.top.setWritable(true);
    while (this.job === undefined) {
      const step = this.next();
      if (step === undefined) {
        disk.release();
        return false;
      }
      this.attempt(step, () => void (this.job = { step, job: startStep(disk, step, this.landing) }));
    }
    return true;
  }

  private next(): Step | undefined {
    const { disk } = this;
    const { folder } = disk;
    const given = this.options.needs();
    const needs = { ...given, pointed: new Set([...given.pointed, ...disk.heldStates]) };
    const found = scan(folder, disk.descriptor, needs, id => this.known.look(id, disk.descriptor));
    if (found.rubbish.length > 0) folder.remove(...found.rubbish.map(name => `${folder.folder}/${name}`));
    return plan(factsOf(disk.descriptor, found, needs, this.options.running)).find(possible => !this.postponed.has(keyOf(possible)));
  }

  /** Does a part of a step. A full disk postpones the step; any other error is told, once files are as they would be found. */
  private attempt(step: Step, action: () => void): void {
    try {
      action();
    } catch (error) {
      this.known.forgetAll();
      for (const which of touched(step)) if (which !== 'base') this.disk.unsureLayers.add(which);
      this.abandonJob(step);
      if (!(error instanceof StorageError) || error.code !== 'DISK_FULL') throw error;
      this.postponed.set(keyOf(step), step);
    }
  }

  private endJob(): void {
    const { job } = this;
    this.job = undefined;
    if (job !== undefined) this.known.forget(changed(job.step));
    job?.job[Symbol.dispose]();
    if (job !== undefined) this.disk.release();
  }

  private abandonJob(step: Step): void {
    try {
      this.endJob();
    } catch {
      this.job = undefined;
    }
    for (const which of touched(step)) this.recover(which);
  }

  /** A file that failed forgets what it had not flushed: all that the guest reads is elsewhere. */
  private recover(which: Top): void {
    const { disk } = this;
    const layer = disk.layers.opened(which);
    if (layer === undefined || layer === disk.top) return;
    try {
      layer.setWritable(false);
    } catch {
      disk.layers.reopen(which);
    }
  }
}

const keyOf = (step: Step) => JSON.stringify(step);
