/**
 * Where checkpoint files are: a folder of ID.ckpt, and of ID.pages, which is what later checkpoints need of an eliminated one. A file has such a name only when it is
 * whole and durable.
 */
import { CheckpointError, ConfigError, StorageError } from '../errors/errors.ts';
import type { HostFile, HostFiles } from '../ports/host-files.ts';
import { isCheckpointId } from './format/schemas.ts';

const SUFFIX = '.ckpt';
const PAGES_SUFFIX = '.pages';
const UNFINISHED = '.part';

export class CheckpointStore {
  readonly files: HostFiles;
  readonly folder: string;

  constructor(files: HostFiles, folder: string) {
    this.files = files;
    this.folder = folder.replace(/[/\\]+$/, '');
  }

  pathOf(id: string): string {
    if (!isCheckpointId(id))
      throw new ConfigError('BAD_CHECKPOINT_ID', `“${id}” is not a checkpoint id: 8 to 32 lower-case letters and digits.`);
    return `${this.folder}/${id}${SUFFIX}`;
  }

  has(id: string): boolean {
    return this.files.exists(this.pathOf(id));
  }

  /** Where pages of the checkpoint `id` are kept once it is eliminated. */
  pagesPathOf(id: string): string {
    return this.pathOf(id).slice(0, -SUFFIX.length) + PAGES_SUFFIX;
  }

  /** The file that has the pages of `id`: the checkpoint's own, or what is left of it; undefined when neither is there. */
  findPages(id: string): string | undefined {
    return [this.pathOf(id), this.pagesPathOf(id)].find(path => this.files.exists(path));
  }

  /** Ids of the checkpoints in the folder. */
  list(): string[] {
    return this.idsOf(SUFFIX);
  }

  /** Ids of the eliminated checkpoints of which something is left. */
  listPages(): string[] {
    return this.idsOf(PAGES_SUFFIX);
  }

  /** What a killed process left half-written, or not yet removed, goes. Only for who owns the folder, with nothing being taken. */
  removeUnfinished(): void {
    for (const name of this.files.list(this.folder)) {
      if (name.endsWith(SUFFIX + UNFINISHED) || name.endsWith(PAGES_SUFFIX + UNFINISHED)) this.files.remove(`${this.folder}/${name}`);
    }
    for (const id of this.listPages()) if (this.has(id)) this.files.remove(this.pagesPathOf(id));
  }

  /** The checkpoint is gone. Who has its file open finds it as ID.ckpt.part until that is removed, at the next opening of the folder at the latest. */
  setAside(id: string): void {
    this.files.rename(this.pathOf(id), this.pathOf(id) + UNFINISHED);
  }

  /** Between two takes. */
  removeSetAside(): void {
    for (const name of this.files.list(this.folder)) if (name.endsWith(SUFFIX + UNFINISHED)) this.files.remove(`${this.folder}/${name}`);
  }

  /** Writes ID.pages (`path`), replacing it at once; when this throws, there is the old one or the new one, and nothing else. */
  replacePages(path: string, write: (file: HostFile) => void): void {
    const writtenAs = path + UNFINISHED;
    this.files.remove(writtenAs);
    let file: HostFile | undefined;
    try {
      file = this.files.createExclusive(writtenAs);
      write(file);
      file.sync();
      file[Symbol.dispose]();
      this.files.rename(writtenAs, path);
    } catch (error) {
      file?.[Symbol.dispose]();
      removeQuietly(this.files, writtenAs);
      throw error;
    }
    this.files.syncFolder(this.folder);
  }

  private idsOf(suffix: string): string[] {
    return this.files
      .list(this.folder)
      .filter(name => name.endsWith(suffix))
      .map(name => name.slice(0, -suffix.length))
      .filter(isCheckpointId)
      .toSorted();
  }

  /** A file to write a checkpoint to. Not published = deleted. */
  begin(id: string): UnpublishedFile {
    const path = this.pathOf(id);
    if (this.files.exists(path))
      throw new CheckpointError('CHECKPOINT_EXISTS', `There is a checkpoint ${id} already: ${path} is not overwritten.`);
    this.files.remove(path + UNFINISHED);
    return new UnpublishedFile(this.files, this.folder, path, path + UNFINISHED);
  }
}

export class UnpublishedFile implements Disposable {
  readonly path: string;
  readonly file: HostFile;
  private readonly files: HostFiles;
  private readonly folder: string;
  private readonly writtenAs: string;
  private published = false;

  constructor(files: HostFiles, folder: string, path: string, writtenAs: string) {
    this.files = files;
    this.folder = folder;
    this.path = path;
    this.writtenAs = writtenAs;
    this.file = files.createExclusive(writtenAs);
  }

  /** The only durable moment: what it holds is on the disk, then it gets its name, then the name is on the disk. */
  publish(): void {
    this.file.sync();
    this.file[Symbol.dispose]();
    this.files.rename(this.writtenAs, this.path);
    try {
      this.files.syncFolder(this.folder);
    } catch (error) {
      removeQuietly(this.files, this.path); // nobody was told of it: it must not appear later
      throw error;
    }
    this.published = true;
  }

  [Symbol.dispose](): void {
    this.file[Symbol.dispose]();
    if (!this.published) removeQuietly(this.files, this.writtenAs);
  }
}

/** On a disk that fails, the failure that led here is what is told; what stays behind goes with removeUnfinished(). */
function removeQuietly(files: HostFiles, path: string): void {
  try {
    files.remove(path);
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
  }
}
