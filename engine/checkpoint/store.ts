/** Where checkpoint files are: a folder of ID.ckpt. A file has that name only when it is whole and durable. */
import { CheckpointError, ConfigError, StorageError } from '../errors/errors.ts';
import type { HostFile, HostFiles } from '../ports/host-files.ts';
import { isCheckpointId } from './format/schemas.ts';

const SUFFIX = '.ckpt';
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

  /** Ids of the checkpoints in the folder. */
  list(): string[] {
    return this.files
      .list(this.folder)
      .filter(name => name.endsWith(SUFFIX))
      .map(name => name.slice(0, -SUFFIX.length))
      .filter(isCheckpointId)
      .toSorted();
  }

  /** What a killed process left half-written goes. Only for who owns the folder, with nothing being taken. */
  removeUnfinished(): void {
    for (const name of this.files.list(this.folder)) if (name.endsWith(SUFFIX + UNFINISHED)) this.files.remove(`${this.folder}/${name}`);
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
      this.discard(this.path); // nobody was told of it: it must not appear later
      throw error;
    }
    this.published = true;
  }

  [Symbol.dispose](): void {
    this.file[Symbol.dispose]();
    if (!this.published) this.discard(this.writtenAs);
  }

  /** On a disk that fails, the failure that led here is what is told; what stays behind goes with removeUnfinished(). */
  private discard(path: string): void {
    try {
      this.files.remove(path);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
    }
  }
}
