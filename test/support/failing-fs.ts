/**
 * The real node:fs, whose nth change of something in a folder fails with an errno, for code of this thread that imports it. Named imports follow what is put into the module's default
 * export (module.syncBuiltinESMExports). What SQLite writes is counted by its transactions.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import Database from 'better-sqlite3';

export type Errno = 'ENOSPC' | 'EIO' | 'EROFS' | 'EDQUOT' | 'EMFILE';

type Call = (...args: never[]) => unknown;

const OF_PATHS = [
  'renameSync',
  'rmSync',
  'rmdirSync',
  'unlinkSync',
  'mkdirSync',
  'symlinkSync',
  'linkSync',
  'copyFileSync',
  'cpSync',
] as const;
const OF_FILES = ['writeSync', 'writeFileSync', 'fsyncSync', 'fdatasyncSync', 'ftruncateSync'] as const;
const SQLITE_OF: Record<Errno, string> = {
  ENOSPC: 'SQLITE_FULL',
  EDQUOT: 'SQLITE_FULL',
  EIO: 'SQLITE_IOERR_WRITE',
  EROFS: 'SQLITE_IOERR',
  EMFILE: 'SQLITE_CANTOPEN',
};

/** While it is in use every change within `folder` counts; dispose() gives the real functions back. */
export class FailingFs implements Disposable {
  changes = 0;
  /** What failed, in words for a message. */
  readonly failed: string[] = [];
  private readonly folder: string;
  private readonly fails: (change: number) => boolean;
  private readonly errno: Errno;
  private readonly undo: (() => void)[] = [];
  private readonly files = new Set<number>();

  /** `fails`: whether the change of this number, from 1, does. */
  constructor(folder: string, errno: Errno, fails: (change: number) => boolean) {
    this.folder = folder;
    this.fails = fails;
    this.errno = errno;
    for (const name of OF_PATHS)
      this.replace(name, (real, args) => {
        if (args.some(arg => this.isWithin(arg))) this.count(`${name} ${args.filter(arg => typeof arg === 'string').join(' ')}`);
        return real(...(args as never[]));
      });
    for (const name of OF_FILES)
      this.replace(name, (real, args) => {
        if (this.files.has(args[0] as number) || this.isWithin(args[0])) this.count(`${name} ${String(args[0])}`);
        return real(...(args as never[]));
      });
    this.replace('openSync', (real, args) => {
      const flags = args[1] as string | number | undefined;
      const isChange =
        typeof flags === 'number' ? (flags & (fs.constants.O_CREAT | fs.constants.O_TRUNC)) !== 0 : /^[wax]/.test(flags ?? 'r');
      if (isChange && this.isWithin(args[0])) this.count(`openSync ${String(args[0])}`);
      const fd = real(...(args as never[])) as number;
      if (this.isWithin(args[0])) this.files.add(fd);
      return fd;
    });
    this.replace('closeSync', (real, args) => {
      this.files.delete(args[0] as number);
      return real(...(args as never[]));
    });
    this.failTransactions();
    syncBuiltinESMExports();
  }

  [Symbol.dispose](): void {
    for (const undo of this.undo.splice(0)) undo();
    syncBuiltinESMExports();
  }

  private isWithin(path: unknown): boolean {
    return typeof path === 'string' && (path === this.folder || path.startsWith(`${this.folder}/`));
  }

  private count(what: string): void {
    if (!this.fails(++this.changes)) return;
    this.failed.push(`${this.changes}: ${what}`);
    throw Object.assign(new Error(`${this.errno}: ${what}`), { code: this.errno });
  }

  private replace(name: keyof typeof fs, by: (real: Call, args: unknown[]) => unknown): void {
    const real = fs[name] as Call;
    (fs as unknown as Record<string, unknown>)[name] = (...args: unknown[]) => by(real, args);
    this.undo.push(() => ((fs as unknown as Record<string, unknown>)[name] = real));
  }

  /** A transaction on a file in the folder is one change: it happens whole, or not. */
  private failTransactions(): void {
    const { prototype } = Database as unknown as { prototype: Database.Database };
    const real = prototype.transaction;
    const count = (path: string) => {
      if (!this.isWithin(path) || !this.fails(++this.changes)) return;
      this.failed.push(`${this.changes}: a transaction on ${path}`);
      throw new Database.SqliteError('it cannot be written', SQLITE_OF[this.errno]);
    };
    prototype.transaction = function transaction(this: Database.Database, work: (...args: unknown[]) => unknown) {
      const made = real.call(this, (...args: unknown[]) => {
        const result = work(...args);
        count(this.name);
        return result;
      });
      return made;
    } as typeof real;
    this.undo.push(() => (prototype.transaction = real));
  }
}
