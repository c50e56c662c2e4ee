/**
 * What a power failure would leave of files that this process writes: contents of files, and names in folders, as they were when they were last synced. Only sync calls
 * of node:fs are seen. Blocks that are shared (reflink) are copied meanwhile, so that storage which cannot share them is tested like one that can.
 */
import fs, { constants, readdirSync, readFileSync, statSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';

export class SyncWatch implements Disposable {
  private readonly undo = new DisposableStack();
  /** By inode, for names change. */
  private readonly durable = new Map<number, string>();
  /** Of open files, by descriptor. */
  private readonly paths = new Map<number, string>();

  /** `renamed`: called before each renaming. */
  constructor(renamed: (from: string, to: string) => void = () => {}) {
    const { openSync, fsyncSync, fdatasyncSync, copyFileSync, renameSync } = fs;
    this.replace({
      openSync: (path, flags = 'r', mode = 0o666) => {
        const fd = openSync(path, flags, mode);
        this.paths.set(fd, String(path));
        return fd;
      },
      fsyncSync: fd => {
        fsyncSync(fd);
        this.note(fd);
      },
      fdatasyncSync: fd => {
        fdatasyncSync(fd);
        this.note(fd);
      },
      copyFileSync: (from, to, mode = 0) => copyFileSync(from, to, mode & ~constants.COPYFILE_FICLONE_FORCE),
      renameSync: (from, to) => {
        renamed(String(from), String(to));
        renameSync(from, to);
      },
    });
  }

  /** Paths at and below `path` that would not be there, or not as they are now. */
  lost(path: string): string[] {
    const stat = statSync(path);
    const isFolder = stat.isDirectory();
    const below = isFolder ? readdirSync(path).flatMap(name => this.lost(join(path, name))) : [];
    return (this.durable.get(stat.ino) ?? '') === contents(path, isFolder) ? below : [path, ...below];
  }

  /** Whether `folder` would have the name. */
  hasName(folder: string, name: string): boolean {
    return (this.durable.get(statSync(folder).ino) ?? '').split('\n').includes(name);
  }

  [Symbol.dispose](): void {
    this.undo.dispose();
  }

  private note(fd: number): void {
    const path = this.paths.get(fd);
    if (path === undefined) return; // opened before
    const stat = statSync(path);
    this.durable.set(stat.ino, contents(path, stat.isDirectory()));
  }

  private replace(others: Partial<typeof fs>): void {
    const before = Object.fromEntries(Object.keys(others).map(name => [name, fs[name as keyof typeof fs]]));
    const put = (functions: object) => {
      Object.assign(fs, functions);
      syncBuiltinESMExports();
    };
    this.undo.defer(() => put(before));
    put(others);
  }
}

const contents = (path: string, isFolder: boolean): string =>
  isFolder ? readdirSync(path).toSorted().join('\n') : readFileSync(path, 'latin1');
