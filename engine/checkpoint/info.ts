/** What users are told of a checkpoint: the same from the run that took it and from its file. */
import type { HostFiles } from '../ports/host-files.ts';
import type { PageCounts } from './format/page-index.ts';
import { PagesReader } from './format/pages-reader.ts';
import { CheckpointReader } from './format/reader.ts';
import type { CheckpointMeta, DiskPointer } from './format/schemas.ts';
import type { Codec } from './ports.ts';
import type { CheckpointStore } from './store.ts';

export interface CheckpointInfo {
  readonly id: string;
  readonly title: string;
  readonly parent: string | null;
  readonly takenAt: string;
  readonly pauseMs: number;
  readonly totalMs: number;
  readonly bytesWritten: number;
  readonly pages: PageCounts;
  readonly running: boolean;
  /** The disk layers that go with it. */
  readonly disks: readonly DiskPointer[];
  readonly trigger: string;
  /** Undefined when it has no disks. */
  readonly mode: string | undefined;
  readonly poweredOnMs: number;
}

export function infoOf(meta: CheckpointMeta, disks: readonly DiskPointer[], bytesWritten: number): CheckpointInfo {
  const { id, title, parent = null, takenAt, pauseMs, totalMs, pages, running, trigger = 'user', mode, poweredOnMs = 0 } = meta;
  return { id, title, parent, takenAt, pauseMs, totalMs, bytesWritten, pages, running, disks, trigger, mode, poweredOnMs };
}

/** From the file; checks its structure, not its pages. */
export function readCheckpointInfo(files: HostFiles, path: string, codec: Codec): CheckpointInfo {
  using reader = CheckpointReader.open(files, path, codec);
  return infoOf(reader.meta, reader.disks, reader.sizeBytes);
}

/** The size of the machine that it is a checkpoint of; looks at nothing but the file's frame. */
export function readRamBytes(files: HostFiles, path: string, codec: Codec): number {
  using reader = PagesReader.openPages(files, path, codec);
  return reader.meta.ramBytes;
}

/** The paths of all files that restoring `id` takes, its own first. */
export function neededFiles(store: CheckpointStore, id: string, codec: Codec): string[] {
  using reader = CheckpointReader.open(store.files, store.pathOf(id), codec);
  return [reader.path, ...reader.files.map(file => store.findPages(file.id) ?? store.pathOf(file.id))];
}
