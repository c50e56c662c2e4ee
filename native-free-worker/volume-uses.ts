/**
 * Who changes a checkpoint volume and who uses which of its units, over all threads and processes of this user: small files in the folder of locks, which say who they are of. Those of a process that is no more,
 * or of a thread that has ended (thread.ts), count for nothing and go.
 *
 *   volume-UUID.lock                 whoever makes this name (a hard link, so that it appears with its contents) changes the volume
 *   volume-UUID.lock.TOKEN.dead      who makes this one may remove the lock that TOKEN left behind: nobody else's, for a token is never used again
 *   volume-UUID.NAMESPACE-PID-THREAD-N.use   units that are read or written
 *   life-NAMESPACE-PID-BORN          that process lives (life-sign.ts)
 */
import { randomBytes } from 'node:crypto';
import { linkSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { threadId } from 'node:worker_threads';
import type { Use, VolumeUses } from '#engine/checkpoint/volume/ports.ts';
import { StorageError } from '#engine/errors/errors.ts';
import { isAlive } from './is-alive.ts';
import { BORN, bornOf, isOldSign, lifeSign, NAMESPACE, showsLife } from './life-sign.ts';
import { defaultLockFolder, makeLockFolder } from './lock-folder.ts';
import { storageError } from './node-files.ts';

/** How long another one's change is waited for: a disk may take a while to sync what several have written. */
const PATIENCE_MS = 60_000;
const WAIT_MS = 2;
const USE_SUFFIX = '.use';

/** Process ids start again with the computer, and a container's processes have the same ones each time; these tell. Only Linux says them: elsewhere a leftover whose number is taken again stays until that process ends. */
const BOOT = readBoot();
/** What names of this thread's files begin with. */
const THREAD = `${NAMESPACE}-${process.pid}-${threadId}`;

interface Owner {
  /** In which `pid` means something (pid_namespaces(7)): each container has its own. */
  readonly namespace: number;
  readonly pid: number;
  readonly thread: number;
  readonly boot: string;
  /** When the process began, in clock ticks since the boot. */
  readonly born?: string;
  /** The name of the process's sign of life, if it has one: then that tells. */
  readonly life?: string | undefined;
  readonly token: string;
}

export class NodeVolumeUses implements VolumeUses {
  private readonly given: string | undefined;
  private static made = 0;

  /** Without `folder`: that of this user, looked up when it is needed. */
  constructor(folder?: string) {
    this.given = folder;
  }

  private get folder(): string {
    return this.given ?? defaultLockFolder();
  }

  exclusively<T>(volume: string, work: () => T): T {
    makeLockFolder(this.folder);
    return this.locked(join(this.folder, `volume-${volume}.lock`), performance.now() + PATIENCE_MS, work);
  }

  hold(volume: string, use: Use): Disposable {
    makeLockFolder(this.folder);
    const path = join(this.folder, `volume-${volume}.${THREAD}-${NodeVolumeUses.made++}${USE_SUFFIX}`);
    try {
      writeFileSync(path, JSON.stringify({ ...this.newOwner(), use }), { mode: 0o600 });
    } catch (cause) {
      removeIfPossible(path);
      throw storageError(cause, path, 'written');
    }
    return { [Symbol.dispose]: () => removeIfPossible(path) };
  }

  held(volume: string): Use[] {
    return this.holders(volume).map(({ use }) => use);
  }

  /** The same, with the processes. */
  holders(volume: string): { readonly pid: number; readonly use: Use }[] {
    const found: { pid: number; use: Use }[] = [];
    for (const name of this.names()) {
      const path = join(this.folder, name);
      if (isOldSign(this.folder, name)) rmSync(path, { force: true });
      if (!name.startsWith(`volume-${volume}.`)) continue;
      if (!name.endsWith(USE_SUFFIX)) {
        if (this.isLeftover(path, name)) rmSync(path, { force: true });
        continue;
      }
      // One that is half written is of a reader that has yet to look whether its file is still there, or of a process that died.
      const said = readJson(path) as (Owner & { readonly use: Use }) | undefined;
      if (said === undefined ? isOfTheDead(name) : this.isGone(said)) rmSync(path, { force: true });
      else if (said !== undefined) found.push({ pid: said.pid, use: said.use });
    }
    return found;
  }

  /** What a thread of this process left that has ended. Only this process removes its lock, for it lives; what cannot be removed stays until it ends. */
  forgetThread(thread: number): void {
    for (const name of this.names()) {
      if (!name.startsWith('volume-')) continue;
      const path = join(this.folder, name);
      if (name.includes(`.${NAMESPACE}-${process.pid}-${thread}-`) && name.endsWith(USE_SUFFIX)) removeIfPossible(path);
      else if (name.endsWith('.lock')) {
        const owner = readJson(path) as Owner | undefined;
        if (owner?.namespace === NAMESPACE && owner.pid === process.pid && owner.thread === thread) removeIfPossible(path);
      }
    }
  }

  private names(): string[] {
    try {
      return readdirSync(this.folder);
    } catch {
      return []; // nobody has ever locked anything, or could
    }
  }

  private locked<T>(path: string, untilMs: number, work: () => T): T {
    const owner = this.newOwner();
    const mine = `${path}.${owner.token}`;
    try {
      writeFileSync(mine, JSON.stringify(owner), { mode: 0o600 });
      while (!tryLink(mine, path)) this.waitFor(path, untilMs);
    } catch (cause) {
      throw cause instanceof StorageError ? cause : storageError(cause, path, 'created');
    } finally {
      rmSync(mine, { force: true });
    }
    try {
      return work();
    } finally {
      remove(path);
    }
  }

  private waitFor(path: string, untilMs: number): void {
    const owner = readJson(path) as Owner | undefined;
    if (owner !== undefined && this.isGone(owner)) return this.removeDead(path, owner.token, untilMs);
    if (performance.now() > untilMs)
      throw new StorageError(
        'VOLUME_BUSY',
        `the checkpoint volume is being changed by the process ${owner?.pid ?? 'of another Cairn'} and does not get ready: try again. If that is no Cairn, remove ${path}.`,
      );
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, WAIT_MS);
  }

  /** Of who was killed on the way to a lock. A lock itself is left to who wants it. */
  private isLeftover(path: string, name: string): boolean {
    if (/\.lock(?:\..+)?\.\d+-\d+-\d+-[0-9a-f]{12}$/.test(name)) return isOfTheDead(name);
    const [, lock, token] = /^(volume-[0-9a-f]+\.lock)\.(.+)\.dead$/.exec(name) ?? [];
    if (lock === undefined) return false;
    const owner = readJson(path) as Owner | undefined;
    return owner !== undefined && this.isGone(owner) && (readJson(join(this.folder, lock)) as Owner | undefined)?.token !== token;
  }

  private removeDead(path: string, token: string, untilMs: number): void {
    this.locked(`${path}.${token}.dead`, untilMs, () => {
      if ((readJson(path) as Owner | undefined)?.token === token) rmSync(path, { force: true });
    });
  }

  private newOwner(): Owner {
    return {
      ...{ namespace: NAMESPACE, pid: process.pid, thread: threadId, boot: BOOT, born: BORN },
      life: lifeSign(this.folder),
      token: `${THREAD}-${randomBytes(6).toString('hex')}`,
    };
  }

  /** Never of one that lives: another container's process without a sign of life counts as living for as long as the computer runs. */
  private isGone({ namespace, pid, boot, born, life }: Owner): boolean {
    if (boot !== BOOT) return true;
    if (life !== undefined) return !showsLife(this.folder, life);
    return namespace === NAMESPACE && (!isAlive(pid) || isAnother(born, bornOf(pid)));
  }
}

const isAnother = (then: string | undefined, now: string): boolean => then !== undefined && now !== '' && then !== '' && then !== now;

/** By nothing but the name. Another container's is left. */
function isOfTheDead(name: string): boolean {
  const [, namespace, pid] = /\.(\d+)-(\d+)-\d+-(?:\d+\.use|[0-9a-f]{12})$/.exec(name) ?? [];
  return Number(namespace) === NAMESPACE && !isAlive(Number(pid));
}

function remove(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch (cause) {
    throw storageError(cause, path, 'removed');
  }
}

/** Where the folder cannot be written now it stays, and counts until this process ends. */
function removeIfPossible(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // It is tried again by whoever finds that this process has ended.
  }
}

/** False when it is there already. */
function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    return false;
  }
}

/** Undefined when it is not there, or not whole. */
function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as unknown;
  } catch {
    return undefined;
  }
}

function readBoot(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
  }
}
