/** HostFiles over node:fs. What goes wrong becomes one sentence with the file's name. */
import * as fs from 'node:fs';
import { StorageError, messageOf } from '#engine/errors/errors.ts';
import type { HostFile, HostFiles } from '#engine/ports/host-files.ts';
import { TOO_MANY_WORDS } from './descriptors.ts';
import { filePool, FileReplaced, type PooledFile } from './file-pool.ts';

const REASONS: Readonly<Record<string, readonly [code: string, words: string]>> = {
  ENOENT: ['NO_SUCH_FILE', 'it does not exist'],
  EEXIST: ['FILE_EXISTS', 'there is a file of this name already'],
  EACCES: ['NO_ACCESS', 'access is denied'],
  EPERM: ['NO_ACCESS', 'access is denied'],
  EROFS: ['NO_ACCESS', 'the disk can only be read'],
  ENOSPC: ['DISK_FULL', 'the disk is full: make room and try again'],
  EDQUOT: ['DISK_FULL', 'your quota on the disk is used up: make room and try again'],
  EFBIG: ['TOO_LARGE', 'the file system there has no files that large'],
  EIO: ['DISK_ERROR', 'the disk reports an error'],
  EISDIR: ['NOT_A_FILE', 'it is a folder'],
  ERR_FS_EISDIR: ['NOT_A_FILE', 'it is a folder'],
  ENOTDIR: ['NOT_A_FILE', 'a part of its path is not a folder'],
  EBUSY: ['FILE_IN_USE', 'this computer uses it: unmount it, or choose another one'],
  ENXIO: ['DISK_ERROR', 'the device is not there'],
  ENODEV: ['DISK_ERROR', 'the device is not there'],
  ENOTEMPTY: ['STORAGE', 'the folder is not empty'],
  ENAMETOOLONG: ['NOT_A_FILE', 'the name is longer than this computer has them'],
  ELOOP: ['NOT_A_FILE', 'its links lead in a circle'],
  EXDEV: ['STORAGE', 'it would have to move to another disk'],
  ESTALE: ['DISK_ERROR', 'the server that has it knows it no more'],
  ETIMEDOUT: ['DISK_ERROR', 'the server that has it does not answer'],
  ENOMEM: ['STORAGE', 'this computer has no memory left for it'],
  EINVAL: ['STORAGE', 'this file system cannot do that'],
  ENOTSUP: ['STORAGE', 'this file system cannot do that'],
  EMFILE: ['TOO_MANY_FILES', TOO_MANY_WORDS],
  ENFILE: ['TOO_MANY_FILES', 'this computer has too many files open: close other programs, and try again'],
};

/** What a host says whose storage shares no blocks, or not between these two places. */
const CANNOT_CLONE: ReadonlySet<string> = new Set(['ENOTSUP', 'EOPNOTSUPP', 'EXDEV', 'EINVAL', 'ENOSYS', 'ENOTTY']);

const SECTOR = 512;
const ALLOCATE_AT_ONCE = 1 << 20;

/** Turns what node:fs throws into a StorageError. */
export function storageError(cause: unknown, path: string, doing: string): StorageError {
  if (cause instanceof FileReplaced)
    return new StorageError(
      'FILE_REPLACED',
      `${path} cannot be ${doing}: it has been replaced by another file since it was opened. Put the old one back.`,
      { cause },
    );
  const system = (cause as NodeJS.ErrnoException).code ?? '';
  const [code, words] = REASONS[system] ?? ['STORAGE', otherWords(cause, system)];
  return new StorageError(code, `${path} cannot be ${doing}: ${words}.`, { cause });
}

/** An error of the system that is not in the table has its name in it, for whoever looks it up. */
const otherWords = (cause: unknown, system: string): string =>
  /^E[A-Z0-9]+$/.test(system) ? `this computer refuses it (${system})` : messageOf(cause);

function attempt<T>(path: string, doing: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    throw storageError(cause, path, doing);
  }
}

class NodeFile implements HostFile {
  readonly path: string;
  private readonly pooled: PooledFile;

  /** `flags`: with which it may be opened again. */
  constructor(path: string, fd: number, { flags, keep = false }: { readonly flags: number; readonly keep?: boolean }) {
    this.path = path;
    this.pooled = filePool.add(path, fd, { flags, keep, elsewhere });
  }

  read(into: Uint8Array, position: number): number {
    return this.use('read', fd => {
      let done = 0;
      while (done < into.length) {
        const count = fs.readSync(fd, into, done, into.length - done, position + done);
        if (count === 0) break;
        done += count;
      }
      return done;
    });
  }

  write(bytes: Uint8Array, position: number): void {
    this.change('written', fd => {
      for (let done = 0; done < bytes.length;) done += fs.writeSync(fd, bytes, done, bytes.length - done, position + done);
    });
  }

  size(): number {
    return this.use('read', fd => {
      const stat = fs.fstatSync(fd);
      return stat.isBlockDevice() ? this.sizeOfDevice() : stat.size;
    });
  }

  truncate(sizeBytes: number): void {
    this.change('resized', fd => fs.ftruncateSync(fd, sizeBytes));
  }

  /** Node has no fallocate: zeroes are written. */
  allocate(sizeBytes: number): void {
    const zeroes = new Uint8Array(Math.min(Math.max(0, sizeBytes - this.size()), ALLOCATE_AT_ONCE));
    for (let at = this.size(); at < sizeBytes; at += zeroes.length) this.write(zeroes.subarray(0, sizeBytes - at), at);
  }

  sync(): void {
    this.secure(fs.fsyncSync);
  }

  dataSync(): void {
    this.secure(fs.fdatasyncSync);
  }

  private use<T>(doing: string, action: (fd: number) => T): T {
    return attempt(this.path, doing, () => this.pooled.use(action));
  }

  private change(doing: string, action: (fd: number) => void): void {
    this.pooled.isDirty = true;
    this.use(doing, action);
  }

  private secure(sync: (fd: number) => void): void {
    this.use('written', sync);
    this.pooled.isDirty = false;
  }

  /** Nothing but reading tells it without asking the driver: a byte is there, or it is behind the end. Block devices are whole sectors. */
  private sizeOfDevice(): number {
    const sector = new Uint8Array(SECTOR);
    let [below, above] = [0, 1];
    const isThere = (index: number) => this.read(sector, index * SECTOR) > 0;
    while (isThere(above - 1)) [below, above] = [above, above * 2];
    while (above - below > 1) {
      const middle = Math.floor((below + above) / 2);
      if (isThere(middle - 1)) below = middle;
      else above = middle;
    }
    return below * SECTOR;
  }

  [Symbol.dispose](): void {
    filePool.remove(this.pooled);
  }
}

/** An eliminated checkpoint's file has one of these names while memory is still loaded from it (engine/checkpoint/eliminate.ts). */
const elsewhere = (path: string): string[] =>
  path.endsWith('.ckpt') ? [`${path}.part`, path.replace(/ckpt$/, 'pages')] : [`${path}.part`];

type IsRight = (stat: fs.Stats) => boolean;
const isFile: IsRight = stat => stat.isFile();
const isFileOrDevice: IsRight = stat => stat.isFile() || stat.isBlockDevice();
const FILE = 'a regular file';
const FILE_OR_DEVICE = 'a regular file or a block device';

/** Opening waits for nobody, and makes no terminal this process's own. Windows has neither. */
const AT_ONCE = (fs.constants.O_NONBLOCK ?? 0) | (fs.constants.O_NOCTTY ?? 0);

/** A file or a block device. `exclusively`: a device that the host itself uses (mounted, say) is refused. */
export function openDevice(path: string, access: 'read' | 'write', { exclusively = false } = {}): HostFile {
  const { O_RDONLY, O_RDWR, O_EXCL } = fs.constants;
  const isDevice = exclusively && fs.statSync(path, { throwIfNoEntry: false })?.isBlockDevice() === true;
  const flags = (access === 'read' ? O_RDONLY : O_RDWR) | (isDevice ? O_EXCL : 0);
  return openIf(path, flags, isFileOrDevice, FILE_OR_DEVICE, true);
}

/** For what opens a file by itself: a pipe or a terminal in its place would keep it waiting for ever. No file at all is no failure. */
export function requireFile(path: string): void {
  const stat = attempt(path, 'opened', () => fs.statSync(path, { throwIfNoEntry: false }));
  if (stat !== undefined && !isFile(stat)) throw notA(FILE, path, stat);
}

/** What it is, is looked at before it is opened (which a device may notice), and again once it is: it may have been replaced in between. */
function openIf(path: string, flags: number, isRight: IsRight, what: string, keep = false): HostFile {
  const stat = attempt(path, 'opened', () => fs.statSync(path));
  if (!isRight(stat)) throw notA(what, path, stat);
  const fd = attempt(path, 'opened', () => filePool.open(() => fs.openSync(path, flags | AT_ONCE)));
  const file = new NodeFile(path, fd, { flags: flags | AT_ONCE, keep });
  const opened = fs.fstatSync(fd);
  if (isRight(opened)) return file;
  file[Symbol.dispose]();
  throw notA(what, path, opened);
}

function notA(what: string, path: string, stat: fs.Stats): StorageError {
  const is = stat.isDirectory() ? 'it is a folder' : `it is ${kindOf(stat)}, not ${what}`;
  return new StorageError('NOT_A_FILE', `${path} cannot be opened: ${is}.`);
}

function kindOf(stat: fs.Stats): string {
  if (stat.isFIFO()) return 'a pipe';
  if (stat.isSocket()) return 'a socket';
  return stat.isBlockDevice() ? 'a block device' : 'a device';
}

export const nodeFiles: HostFiles = {
  openRead: path => openIf(path, fs.constants.O_RDONLY, isFile, FILE),
  openWrite: path => openIf(path, fs.constants.O_RDWR, isFile, FILE),
  createExclusive: path =>
    new NodeFile(
      path,
      attempt(path, 'created', () => filePool.open(() => fs.openSync(path, 'wx', 0o600))),
      { flags: fs.constants.O_RDWR },
    ),
  rename(from, to) {
    filePool.removing(to);
    attempt(to, 'written', () => fs.renameSync(from, to));
    filePool.renamed(from, to);
  },
  syncFolder(folder) {
    // Windows has no such thing: a rename there is as durable as it gets.
    if (process.platform === 'win32') return;
    attempt(folder, 'written', () => {
      const fd = filePool.open(() => fs.openSync(folder, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY));
      try {
        fs.fsyncSync(fd);
      } finally {
        fs.closeSync(fd);
      }
    });
  },
  remove(path) {
    filePool.removing(path);
    attempt(path, 'removed', () => fs.rmSync(path, { force: true }));
  },
  exists: path => fs.existsSync(path),
  stat: path =>
    attempt(path, 'looked at', () => {
      const { size, mtimeMs } = fs.statSync(path);
      return { sizeBytes: size, modifiedMs: mtimeMs };
    }),
  clone(from, to) {
    requireFile(from);
    return attempt(to, 'created', () => {
      try {
        filePool.open(() => fs.copyFileSync(from, to, fs.constants.COPYFILE_EXCL | fs.constants.COPYFILE_FICLONE_FORCE));
        return true;
      } catch (error) {
        if (!CANNOT_CLONE.has((error as NodeJS.ErrnoException).code ?? '')) throw error;
        return false;
      }
    });
  },
  realPath: path => attempt(path, 'opened', () => fs.realpathSync(path)),
  list: folder =>
    attempt(folder, 'listed', () =>
      filePool
        .open(() => fs.readdirSync(folder, { withFileTypes: true }))
        .filter(entry => !entry.isDirectory())
        .map(({ name }) => name),
    ),
  freeBytes: folder =>
    attempt(folder, 'looked at', () => {
      const { bavail, bsize } = fs.statfsSync(folder);
      return bavail * bsize;
    }),
};

/** The same; what is opened keeps its descriptor: others may put another file in its place, which does not matter to who has the old one open. */
export const keptNodeFiles: HostFiles = {
  ...nodeFiles,
  openRead: path => openIf(path, fs.constants.O_RDONLY, isFile, FILE, true),
  openWrite: path => openIf(path, fs.constants.O_RDWR, isFile, FILE, true),
};
