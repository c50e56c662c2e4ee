/**
 * A disk that checkpoints hold: its files in the bundle, and the collector that keeps them what is needed. Steps 802, 810, 830 and 832 of METHOD.md as the
 * disk worker takes them.
 */
import type { Layer } from '#engine/disk/block.ts';
import { DiskCollector, type CollectorState } from '#engine/disk/graph/collector.ts';
import type { DiskMode, LayerId } from '#engine/disk/graph/descriptor.ts';
import { DiskFolder, type GraphHost } from '#engine/disk/graph/disk-folder.ts';
import type { Needs } from '#engine/disk/graph/scan.ts';
import { VirtualDiskFiles } from '#engine/disk/graph/virtual-disk-files.ts';
import type { DiskPointer } from '#engine/checkpoint/format/schemas.ts';
import type { DiskNeeds, DiskProgress } from './disk-protocol.ts';
import type { DiskBacking } from './served-disk.ts';

/** What a collector copies between two operations of a guest. */
const PIECE_BYTES = 1 << 20;

export class GraphBacking implements DiskBacking {
  readonly inCheckpoints = true;
  readonly name: string;
  readonly files: VirtualDiskFiles;
  private readonly collector: DiskCollector;
  private needs: Needs | undefined;
  /** The state that a checkpoint under way will point to. */
  private frozen: LayerId | undefined;
  private held = false;
  private idle = true;

  /** `startAt`: the state to branch from. `running`: a guest writes to it. */
  constructor(
    host: GraphHost,
    folder: string,
    name: string,
    options: { readonly startAt: LayerId | undefined; readonly running: boolean },
  ) {
    this.name = name;
    const { startAt, running } = options;
    this.files = new VirtualDiskFiles(new DiskFolder(host, folder, name), startAt === undefined ? {} : { branchFrom: startAt });
    this.collector = new DiskCollector(this.files, { needs: () => this.needs!, running });
  }

  get top(): Layer {
    return this.files.top;
  }

  /** Between 802 and 810. */
  get awaitsSwitch(): boolean {
    return this.files.isPrepared;
  }

  /** Step 802. */
  prepare(mode: DiskMode | undefined): DiskPointer {
    this.files.seal(); // what failed the last time
    if (mode !== undefined && mode !== this.files.descriptor.mode) this.files.change({ mode });
    const { frozen } = this.files.prepareCow();
    this.frozen = frozen;
    return { disk: this.name, layer: frozen, sizeBytes: this.files.sizeBytes };
  }

  switchTop(): Layer {
    return this.files.switchToCow();
  }

  /** Step 830: operations from before the switch have ended. */
  seal(): void {
    this.files.seal();
  }

  letGo(): void {
    this.files.abandonCow();
    if (this.frozen !== undefined) this.files.letGo(this.frozen);
    this.frozen = undefined;
    this.idle = false;
  }

  /** Undefined: everything, so that nothing is collected. */
  need(needs: DiskNeeds | undefined, mode: DiskMode): void {
    if (mode !== this.files.descriptor.mode && !this.files.isChanging) this.files.change({ mode });
    this.needs = needs && {
      pointed: new Set(needs.pointed),
      pinned: new Set(needs.pinned),
      ...(needs.depth === undefined ? {} : { depth: needs.depth }),
    };
    this.collector.retry();
    this.idle = false;
  }

  hold(hold: boolean): void {
    this.held = hold;
    this.idle = hold;
  }

  /** The files have another top since an adoption (engine/disk/graph/adoption.ts). */
  wentBack(): void {
    this.frozen = undefined;
    this.idle = false;
  }

  /** Nothing is left that can be done now. */
  get isCollected(): boolean {
    return this.idle || this.held || this.needs === undefined || this.files.branchId !== undefined; // a branch looks like rubbish
  }

  /** A piece of the collector's work: not while a checkpoint is under way, for a read from before its stop may be done again from the frozen file (815). An error ends it until there are other needs. */
  collect(): CollectorState {
    if (this.isCollected) return 'done';
    if (this.frozen !== undefined) return 'waits';
    try {
      const state = this.collector.step(PIECE_BYTES);
      this.idle = state === 'done';
      return state;
    } catch (error) {
      this.idle = true;
      throw error;
    }
  }

  /** In a sentence: chains are longer than they are to be, and stay so until there is more room. */
  get tooLong(): string | undefined {
    const waits = this.collector.postponedSteps.some(({ kind }) => kind === 'shorten');
    if (!waits) return undefined;
    const { folder } = this.files.folder;
    return `${this.name}: checkpoints make its chain of files long, and there is too little room in ${folder} to keep it short. It works, and is read a little more slowly. Make room, or delete checkpoints.`;
  }

  get progress(): DiskProgress | undefined {
    const { progress } = this.collector;
    return progress && { disk: this.name, step: progress.step.kind, doneBytes: progress.doneBytes, totalBytes: progress.totalBytes };
  }

  flush(): void {
    this.files.flush();
  }

  close(): void {
    this.collector[Symbol.dispose]();
    this.files.close();
  }

  /** Closed as it is: nothing more is written. */
  [Symbol.dispose](): void {
    this.files[Symbol.dispose]();
  }
}
