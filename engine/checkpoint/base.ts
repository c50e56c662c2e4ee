/** The earlier checkpoint that a new one may point into (§137): the last one published in, or restored into, this world. */
import { CheckpointError } from '../errors/errors.ts';
import { INDEX_POINTED, INDEX_STORED, INDEX_ZERO, MAX_FILES } from './format/layout.ts';
import { groupOf, type PageIndex } from './format/page-index.ts';
import { PagesReader } from './format/pages-reader.ts';
import type { CheckpointReader } from './format/reader.ts';
import type { PointedFile } from './format/schemas.ts';
import type { Codec, FrozenPages } from './ports.ts';
import type { CheckpointStore } from './store.ts';

export interface Base {
  readonly self: PointedFile;
  readonly files: readonly PointedFile[];
  readonly index: PageIndex;
  /** Pages whose epoch is not newer are as they were in it. */
  readonly epoch: number;
  readonly folder: string;
  /** Checkpoints that are encrypted do not point to plain ones, nor the other way round. */
  readonly isEncrypted: boolean;
}

/** The base that a restored checkpoint is. `epoch`: the one that ended when the machine had been filled. */
export function baseOf(reader: CheckpointReader, epoch: number, folder: string): Base {
  return {
    self: { id: reader.meta.id, sizeBytes: reader.sizeBytes, commitChecksum: reader.commitChecksum },
    files: reader.files,
    index: reader.index,
    epoch,
    folder,
    isEncrypted: reader.isEncrypted,
  };
}

/**
 * A checkpoint points to no more files than this: a restore opens all of them, and deleting one asks of all checkpoints what they point to. When there are more, the pages that lie in the
 * files with the fewest are stored anew, a quarter of the files at once.
 */
export const MOST_POINTED = 128;
const POINTED_AFTERWARDS = 96;

/** Points the unchanged pages of one checkpoint to where they were stored: always to the file that has them, so chains have depth 1. */
export class Pointers {
  /** The files table of the new checkpoint: those of the base that are pointed to. */
  readonly files: PointedFile[] = [];
  private readonly base: Base | undefined;
  /** For each kind from INDEX_STORED on, whether the file has that page group. */
  private readonly has: readonly ((group: number) => boolean)[];
  private readonly numbers = new Map<string, number>();

  /** A base of another folder is not pointed to, nor is what has gone of its files. */
  constructor(base: Base | undefined, store: CheckpointStore, codec: Codec) {
    this.base = base?.folder === store.folder && base.isEncrypted === (codec.vault !== undefined) ? base : undefined;
    const pointed = this.base && filesToPointTo(this.base);
    this.has = this.base
      ? [this.base.self, ...this.base.files].map((file, n) => (pointed!.has(n) ? presence(file, store, codec) : () => false))
      : [];
  }

  /** Puts the entry of `gppn` into `index` if it can be had from the base; false when the page must be looked at. */
  point(pages: FrozenPages, gppn: number, index: PageIndex): boolean {
    const { base } = this;
    if (base === undefined || gppn >= base.index.limit || pages.writtenEpoch(gppn) > base.epoch) return false;
    const kind = base.index.kinds[gppn]!;
    if (kind === INDEX_ZERO) {
      index.kinds[gppn] = INDEX_ZERO;
      return true;
    }
    if (kind < INDEX_STORED || !this.has[kind - INDEX_STORED]!(groupOf(base.index.places[gppn]!))) return false;
    const number = this.number(kind === INDEX_STORED ? base.self : base.files[kind - INDEX_POINTED]!);
    if (number === undefined) return false;
    index.kinds[gppn] = INDEX_POINTED + number;
    index.places[gppn] = base.index.places[gppn]!;
    return true;
  }

  private number(file: PointedFile): number | undefined {
    const known = this.numbers.get(file.id);
    if (known !== undefined || this.files.length === MAX_FILES) return known;
    this.numbers.set(file.id, this.files.length);
    return this.files.push(file) - 1;
  }
}

/** Of the base's own file, 0, and those that it points to, from 1 on. */
function filesToPointTo({ files, index }: Base): ReadonlySet<number> {
  const all = [...files.keys()].map(file => file + 1);
  if (files.length < MOST_POINTED) return new Set([0, ...all]);
  const pages = new Uint32Array(files.length + 1);
  for (const kind of index.kinds) if (kind >= INDEX_POINTED) pages[kind - INDEX_STORED]!++;
  return new Set([0, ...all.toSorted((a, b) => pages[b]! - pages[a]!).slice(0, POINTED_AFTERWARDS - 1)]);
}

/** Whether a page group can be read: any of a checkpoint that is there, those that are left of an eliminated one, none if the file is another one. */
function presence(file: PointedFile, store: CheckpointStore, codec: Codec): (group: number) => boolean {
  const path = store.findPages(file.id);
  if (path === store.pathOf(file.id)) {
    using opened = store.files.openRead(path);
    return opened.size() === file.sizeBytes ? () => true : () => false;
  }
  if (path === undefined) return () => false;
  try {
    using reader = PagesReader.openPages(store.files, path, codec);
    if (reader.commitChecksum !== file.commitChecksum || reader.sizeBytes !== file.sizeBytes) return () => false;
    const groups = reader.groups.map((_, group) => reader.hasGroup(group));
    return group => groups[group] === true;
  } catch (error) {
    if (error instanceof CheckpointError) return () => false; // it is damaged
    throw error;
  }
}
