/**
 * That a revert has begun, in the catalogue from before its disks are decided until it is known what has become of them. Where that cannot be known yet, it stays for whoever has the disks
 * next (interrupted.ts).
 */
import type { Bundle } from './bundle.ts';
import { diskFolderOf, topsIn } from './disk-graph.ts';
import type { WorldDisks } from './world-disks.ts';

export class RevertIntent {
  private readonly bundle: Bundle;
  private readonly details: { readonly id: string; readonly resume: boolean };
  private entry: number | undefined;

  /** `resume`: the VM's next start goes on from the checkpoint `id`. */
  constructor(bundle: Bundle, details: { readonly id: string; readonly resume: boolean }) {
    this.bundle = bundle;
    this.details = details;
  }

  begin(): void {
    this.entry ??= this.bundle.begin('revert', { ...this.details, tops: topsIn(diskFolderOf(this.bundle.path)) });
  }

  end(): void {
    if (this.entry !== undefined) this.bundle.end(this.entry);
    this.entry = undefined;
  }

  /** It has failed: it is at its end when `disks`, the session that was to adopt, are surely what they were. */
  endOnceSettled(disks: WorldDisks | undefined): void {
    const settled = disks?.request('settled', {}) ?? Promise.resolve();
    settled.then(() => this.end()).catch(() => {}); // the session ended first: then whoever has the disks next ends it
  }
}
