/** Where a checkpoint's pages lie: in its own file and in those that it points to, all open. */
import { CheckpointError } from '../errors/errors.ts';
import { PAGE_SIZE } from '../memory/layout.ts';
import { INDEX_ABSENT, INDEX_POINTED, INDEX_STORED } from './format/layout.ts';
import { groupOf, slotOf, type KnownIndex } from './format/page-index.ts';
import { PagesReader } from './format/pages-reader.ts';
import { CheckpointReader } from './format/reader.ts';
import { damaged } from './format/schemas.ts';
import type { Codec } from './ports.ts';
import type { CheckpointStore } from './store.ts';

/** Keeps its files open, so that it goes on when they are eliminated. */
export class PageSource implements Disposable {
  readonly reader: CheckpointReader;
  /** Its own file, then those pointed to, in the order of its table. */
  private readonly readers: readonly PagesReader[];
  private opened = new DisposableStack();

  private constructor(reader: CheckpointReader, readers: readonly PagesReader[], known: KnownIndex | undefined) {
    this.reader = reader;
    this.readers = readers;
    if (reader.isOf(known)) return; // the files pointed to are those that it was made for
    const pointed = readers.slice(1).map(file => file.groupPages());
    const misplaced = reader.index.findMisplaced(INDEX_POINTED, pointed);
    if (misplaced !== undefined) throw damaged(reader.path, `the page ${misplaced} is nowhere`);
  }

  /**
   * Opens the checkpoint at `path` and what it points to; every place is known to be there. `known`: the page index of this file or another, which is not read again if it is of this one. Throws
   * CheckpointError, and then nothing is left open.
   */
  static open(store: CheckpointStore, path: string, codec: Codec, known?: KnownIndex): PageSource {
    using opened = new DisposableStack();
    const reader = opened.use(CheckpointReader.open(store.files, path, codec, known));
    const source = new PageSource(reader, [reader, ...openPointedFiles(reader, store, codec, opened)], known);
    source.opened = opened.move();
    return source;
  }

  /** The number of files. */
  get fileCount(): number {
    return this.readers.length;
  }
  groupsIn(file: number): number {
    return this.readers[file]!.groups.length;
  }
  takenAt(file: number): string {
    return this.readers[file]!.meta.takenAt;
  }

  /** The file that has the page at `gppn`; negative for a page that is zero or absent. */
  fileOf(gppn: number): number {
    return (this.reader.index.kinds[gppn] ?? INDEX_ABSENT) - INDEX_STORED;
  }
  /** The page group there. */
  groupOf(gppn: number): number {
    return groupOf(this.reader.index.places[gppn]!);
  }

  /** Reads a group and checks it: throws CheckpointError when it is damaged, StorageError when it cannot be read now. */
  read(file: number, group: number): Uint8Array {
    const reader = this.readers[file];
    if (reader === undefined) throw damaged(this.reader.path, `it has no file ${file}`);
    return reader.readGroup(group);
  }

  /** The page at `gppn` out of the pages of its group. */
  pageIn(pages: Uint8Array, gppn: number): Uint8Array {
    const start = slotOf(this.reader.index.places[gppn]!) * PAGE_SIZE;
    return pages.subarray(start, start + PAGE_SIZE);
  }

  [Symbol.dispose](): void {
    this.opened.dispose();
  }
}

function openPointedFiles(reader: CheckpointReader, store: CheckpointStore, codec: Codec, opened: DisposableStack): PagesReader[] {
  return reader.files.map(file => {
    const path = store.findPages(file.id);
    if (path === undefined) {
      throw new CheckpointError(
        'CHECKPOINT_INCOMPLETE',
        `The checkpoint file ${reader.path} needs ${store.pathOf(file.id)}, which is gone: put that file back, or choose another checkpoint.`,
      );
    }
    const pointed = opened.use(PagesReader.openPages(store.files, path, codec));
    if (pointed.commitChecksum !== file.commitChecksum || pointed.sizeBytes !== file.sizeBytes || pointed.meta.id !== file.id) {
      throw new CheckpointError(
        'CHECKPOINT_INCOMPLETE',
        `The checkpoint file ${reader.path} needs ${pointed.path} as it was: that is another file now. Put the old one back, or choose another checkpoint.`,
      );
    }
    return pointed;
  });
}
