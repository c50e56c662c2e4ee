/** Which page groups of which files the checkpoints in a folder point to (§137): as their files tables say, and in old files their page indices; never kept anywhere else. */
import { CheckpointError, StorageError } from '../errors/errors.ts';
import { pointedGroups } from './format/pointed-groups.ts';
import { PointingReader } from './format/pointing-reader.ts';
import { CheckpointReader } from './format/reader.ts';
import type { Codec } from './ports.ts';
import type { CheckpointStore } from './store.ts';

/** Group numbers, or everything: when a checkpoint cannot be read, nobody knows what it needs. */
export type GroupSet = ReadonlySet<number> | 'all';
const NOBODY: ReadonlySet<string> = new Set();

export class Needs {
  private readonly store: CheckpointStore;
  private readonly codec: Codec;
  /** The files that will be asked about; undefined: any. */
  private readonly only: ReadonlySet<string> | undefined;
  /** Checkpoint → file that it points to → groups there. */
  private readonly known = new Map<string, ReadonlyMap<string, ReadonlySet<number>> | 'unknown'>();
  /** Those in the folder, once somebody has asked. */
  private there: Set<string> | undefined;

  /** `only`: nothing is remembered of other files. */
  constructor(store: CheckpointStore, codec: Codec, only?: ReadonlySet<string>) {
    this.store = store;
    this.codec = codec;
    this.only = only;
  }

  /** The checkpoint has been eliminated. */
  gone(id: string): void {
    this.there?.delete(id);
  }

  /** What the checkpoints that are in the folder, but for `id` itself and those in `without`, need of the file of `id`. */
  ofFile(id: string, without: ReadonlySet<string> = NOBODY): GroupSet {
    const groups = new Set<number>();
    for (const other of (this.there ??= new Set(this.store.list()))) {
      if (other === id || without.has(other)) continue;
      const needs = this.of(other);
      if (needs === 'unknown') return 'all';
      for (const group of needs.get(id) ?? []) groups.add(group);
    }
    return groups;
  }

  /** File → groups that the checkpoint points to there; undefined when it cannot be read. */
  ofCheckpoint(id: string): ReadonlyMap<string, ReadonlySet<number>> | undefined {
    const needs = this.of(id);
    return needs === 'unknown' ? undefined : needs;
  }

  private of(id: string): ReadonlyMap<string, ReadonlySet<number>> | 'unknown' {
    let needs = this.known.get(id);
    if (needs === undefined) {
      try {
        needs = neededGroups(this.store, id, this.codec, this.only);
      } catch (error) {
        if (!(error instanceof CheckpointError || error instanceof StorageError)) throw error;
        needs = 'unknown';
      }
      this.known.set(id, needs);
    }
    return needs;
  }
}

function neededGroups(
  store: CheckpointStore,
  id: string,
  codec: Codec,
  only: ReadonlySet<string> | undefined,
): ReadonlyMap<string, ReadonlySet<number>> {
  const path = store.pathOf(id);
  const isMeant = ([file]: readonly [string, unknown]) => only === undefined || only.has(file);
  using reader = PointingReader.openPointing(store.files, path, codec, only);
  if (!reader.neededGroups.includes(undefined))
    return new Map(reader.files.map((file, number) => [file.id, reader.neededGroups[number]!] as const).filter(isMeant));
  using whole = CheckpointReader.open(store.files, path, codec);
  const groups = pointedGroups(whole.index, whole.files.length);
  return new Map(groups.map((pointed, number) => [whole.files[number]!.id, pointed] as const).filter(isMeant));
}
