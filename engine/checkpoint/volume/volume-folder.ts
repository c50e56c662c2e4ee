/** A VM's folder in a volume, as HostFiles: what is written against a folder of the host works on either. Every change is durable when it returns. */
import { StorageError } from '../../errors/errors.ts';
import type { FileFacts, HostFile, HostFiles } from '../../ports/host-files.ts';
import { findFile, withFile, withoutFile, type Folder } from './directory.ts';
import { usedUnits } from './space.ts';
import type { Volume } from './volume.ts';

export class VolumeFolder implements HostFiles {
  readonly volume: Volume;
  /** Its name in the volume. */
  readonly name: string;

  constructor(volume: Volume, name: string) {
    this.volume = volume;
    this.name = name;
  }

  openRead(path: string): HostFile {
    return this.volume.open(this.name, nameOf(path), path);
  }

  openWrite(path: string): HostFile {
    throw new StorageError('NO_ACCESS', `${path} cannot be written: a published file of a volume never changes.`);
  }

  createExclusive(path: string): HostFile {
    return this.volume.create(this.name, nameOf(path), path);
  }

  rename(from: string, to: string): void {
    if (this.volume.isPending(this.name, nameOf(from))) return this.volume.publish(this.name, nameOf(from), nameOf(to));
    this.volume.change(directory => {
      const file = findFile(directory, this.name, nameOf(from));
      if (file === undefined) throw new StorageError('NO_SUCH_FILE', `${from} cannot be renamed: it does not exist.`);
      return withFile(withoutFile(directory, this.name, nameOf(from)), this.name, nameOf(to), file);
    });
  }

  syncFolder(): void {}

  remove(path: string): void {
    const name = nameOf(path);
    if (this.volume.isPending(this.name, name)) return this.volume.abandon(this.name, name);
    if (!this.files.has(name)) return;
    this.volume.change(directory => (findFile(directory, this.name, name) ? withoutFile(directory, this.name, name) : directory));
  }

  exists(path: string): boolean {
    return this.volume.isPending(this.name, nameOf(path)) || this.files.has(nameOf(path));
  }

  stat(path: string): FileFacts {
    const file = this.files.get(nameOf(path));
    if (file === undefined) throw new StorageError('NO_SUCH_FILE', `${path} cannot be looked at: it does not exist.`);
    return { sizeBytes: file.sizeBytes, modifiedMs: 0 }; // it never changes
  }

  /** Into this folder or another one of the same volume: both have the same units from then on. */
  cloneTo(from: string, to: VolumeFolder, path: string): void {
    this.volume.change(directory => {
      const file = findFile(directory, this.name, nameOf(from));
      if (file === undefined || !directory.has(to.name))
        throw new StorageError('NO_SUCH_FILE', `${from} cannot be copied to ${path}: one of their folders has gone.`);
      if (findFile(directory, to.name, nameOf(path)) !== undefined)
        throw new StorageError('FILE_EXISTS', `${path} cannot be created: there is a file of this name already.`);
      return withFile(directory, to.name, nameOf(path), file);
    });
  }

  clone(from: string, to: string): boolean {
    this.cloneTo(from, this, to);
    return true;
  }

  realPath(path: string): string {
    return path;
  }

  list(): string[] {
    return [...this.files.keys()];
  }

  freeBytes(): number {
    const state = this.volume.look();
    return this.volume.freeUnits(state) * state.header.unitBytes;
  }

  /** What its files take, in whole units; units that two of them share count once. */
  usedBytes(): number {
    const { header, generation } = this.volume.look();
    const files = generation.directory.get(this.name);
    return files === undefined ? 0 : usedUnits(new Map([[this.name, files]]), header.units) * header.unitBytes;
  }

  private get files(): Folder {
    return this.volume.look().generation.directory.get(this.name) ?? new Map();
  }
}

const nameOf = (path: string): string => path.slice(path.replaceAll('\\', '/').lastIndexOf('/') + 1);
