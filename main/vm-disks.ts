/**
 * The virtual disks of one VM that this process owns: their descriptors in the bundle, the locks on files outside it, what checkpoints and linked clones need of
 * them, and, for a VM that is off, a disk worker for as long as something is done to them.
 */
import { join } from 'node:path';
import type { DiskPointer } from '#engine/checkpoint/format/schemas.ts';
import { attachDisk } from '#engine/disk/graph/create.ts';
import { DiskFolder } from '#engine/disk/graph/disk-folder.ts';
import { policyFor } from '#engine/disk/paths.ts';
import { ConfigError } from '#engine/errors/errors.ts';
import type { DiskNeeds, DiskSpec } from '#worker/disk-protocol.ts';
import { nodeFiles } from '#worker/node-files.ts';
import { nodeFolders } from '#worker/node-folders.ts';
import { storedFiles } from '#worker/stored-files.ts';
import { Thread } from '#worker/thread.ts';
import { offlineMemory } from '#worker/world-block.ts';
import type { Bundle } from './bundle.ts';
import { FileLocks, type FileLock } from './file-locks.ts';
import type { Checkpoint, VmDisk } from './ipc/contract.ts';
import { graphHost } from '#worker/node-graph-host.ts';
import { formatOfDisk } from './image-format.ts';
import { finishReverts } from './interrupted.ts';
import { linkedStates } from './linked-clones.ts';
import { problem } from './problem.ts';
import { WorldDisks } from './world-disks.ts';
import type { World } from './world.ts';

/** The names that the descriptors, the machine and checkpoints have for the disks of a configuration. */
export const diskName = (index: number) => `disk${index}`;

/** Only these are held by checkpoints. */
const isWritten = ({ readonly, media }: VmDisk) => !readonly && media === 'disk';

export class VmDisks {
  private readonly bundle: Bundle;
  private readonly entry: URL;
  private readonly locks: FileLocks;
  private readonly notice: (text: string) => void;
  /** On the files that are only read, by disk, while they are open. */
  private readonly media = new Map<string, FileLock>();
  /** States that somebody copies now. */
  private readonly lent = new Set<readonly DiskPointer[]>();

  /** `entry`: the disk worker's program. `notice`: sentences for the user. */
  constructor(bundle: Bundle, entry: URL, notice: (text: string) => void, locks = new FileLocks()) {
    this.bundle = bundle;
    this.entry = entry;
    this.locks = locks;
    this.notice = notice;
  }

  get folder(): string {
    return join(this.bundle.path, 'disks');
  }

  private get written(): readonly (readonly [name: string, disk: VmDisk])[] {
    return this.bundle.config.disks.map((disk, index) => [diskName(index), disk] as const).filter(([, disk]) => isWritten(disk));
  }

  /** Whether checkpoints hold a disk of this VM. */
  get any(): boolean {
    return this.written.length > 0;
  }

  /** Throws ConfigError when the checkpoint holds other disks than the VM has now: memory that knows the ones must not meet the others. */
  checkFits({ title, id, disks }: Checkpoint): void {
    const [held, now] = [disks.map(({ disk }) => disk).toSorted(), this.written.map(([name]) => name).toSorted()];
    if (held.join() === now.join()) return;
    const words = (names: readonly string[]) => (names.length === 0 ? 'no disk' : names.join(', '));
    throw new ConfigError(
      'OTHER_DISKS',
      `the checkpoint “${title}” (${id}) of ${this.bundle.name} holds ${words(held)}, and the VM has ${words(now)} now: give it the disks it had back, or choose another checkpoint. Nothing was changed.`,
    );
  }

  /** Ends a revert that was interrupted (after which the VM may stand elsewhere), makes the descriptors of new disks, and takes the locks that a session with the disks needs. Throws ConfigError, StorageError, DiskFormatError. */
  open(): DisposableStack {
    const taken = new DisposableStack();
    taken.defer(() => {
      for (const disk of this.media.keys()) this.holdMedium(disk, undefined);
    });
    try {
      if (this.any) {
        nodeFolders.make(this.folder);
        for (const text of finishReverts(this.bundle)) this.notice(text);
      }
      for (const [index, disk] of this.bundle.config.disks.entries())
        if (!isWritten(disk) && disk.path !== '') this.holdMedium(diskName(index), this.lockMedium(disk.path));
      for (const [name, disk] of this.written) this.attach(name, disk, taken);
      return taken;
    } catch (error) {
      taken.dispose();
      throw error;
    }
  }

  /** On a file that is only read. Throws ConfigError and StorageError. */
  lockMedium(path: string): FileLock {
    return this.locks.take(path, 'shared', this.bundle.name);
  }

  /** Of what `disk` reads from now on; the lock on what it read before is let go. */
  holdMedium(disk: string, lock: FileLock | undefined): void {
    this.media.get(disk)?.[Symbol.dispose]();
    if (lock) this.media.set(disk, lock);
    else this.media.delete(disk);
  }

  /** The files of these states stay as they are, once a session has been told, until this is disposed of. */
  lend(pointers: readonly DiskPointer[]): DisposableStack {
    const lent = [...pointers];
    const stack = new DisposableStack();
    this.lent.add(lent);
    stack.defer(() => void this.lent.delete(lent));
    return stack;
  }

  /** `startAt`: the disks of the checkpoint that the VM goes back to. */
  specs(startAt: readonly DiskPointer[] = []): DiskSpec[] {
    return this.bundle.config.disks.map((disk, index): DiskSpec => {
      const name = diskName(index);
      const { path, media, cache } = disk;
      const state = startAt.find(pointer => pointer.disk === name)?.layer;
      return {
        ...{ name, interface: disk.interface, media, cache, serial: `CAIRN-DISK-${index}` },
        source: isWritten(disk)
          ? { kind: 'graph', folder: this.folder, startAt: state }
          : path === ''
            ? { kind: 'none' }
            : { kind: 'image', path, format: formatOfDisk(disk), allow: disk.allow ?? [] },
      };
    });
  }

  /** What must be kept; undefined while a checkpoint file is there that the catalogue does not know, for nobody can say what it needs. */
  needs(): DiskNeeds[] | undefined {
    const checkpoints = this.bundle.catalog.list();
    const known = new Set(checkpoints.map(({ id }) => `${id}.ckpt`));
    if (storedFiles.list(this.bundle.checkpointsPath).some(name => name.endsWith('.ckpt') && !known.has(name))) return undefined;
    const linked = linkedStates(this.bundle.path);
    const lent = [...this.lent].flat();
    const { chainDepth } = this.bundle.config;
    return this.written.map(([disk]) => {
      const statesIn = (pointers: readonly DiskPointer[]) => pointers.filter(pointer => pointer.disk === disk).map(({ layer }) => layer);
      return {
        disk,
        ...(chainDepth === undefined ? {} : { depth: chainDepth }),
        pointed: checkpoints.flatMap(checkpoint => statesIn(checkpoint.disks)),
        pinned: [...linked.filter(state => state.disk === disk).map(({ state }) => state), ...statesIn(lent)],
      };
    });
  }

  /** Tells a session what is needed, and the mode that the files are to have. Where it cannot be said, nothing is tidied up. */
  async tell(session: WorldDisks): Promise<void> {
    if (!this.any) return;
    let disks: DiskNeeds[] | undefined;
    try {
      disks = this.needs();
    } finally {
      await session.request('needs', { disks, mode: this.bundle.config.checkpointMode });
    }
  }

  /** Does something to the disks of a VM that is off. Undefined when checkpoints hold none of its disks. */
  async whileOff<T>(work: (session: WorldDisks) => Promise<T>): Promise<T | undefined> {
    if (!this.any) return undefined;
    const held = this.open();
    try {
      const graphs = this.specs().filter(({ source }) => source.kind === 'graph');
      const session = await WorldDisks.open(new Thread(this.entry, 'disk'), offlineMemory(), graphs, false);
      session.listen({ notice: this.notice, progress: () => {}, crashed: () => {} }); // a crash is the answer to what was asked
      return await work(session).finally(() => session.finish());
    } finally {
      held.dispose();
    }
  }

  private attach(name: string, disk: VmDisk, locks: DisposableStack): void {
    const { path, writeBase } = disk;
    const folder = new DiskFolder(graphHost, this.folder, name);
    const isNew = !nodeFiles.exists(folder.descriptorPath);
    const base = isNew ? undefined : folder.read().base;
    if (isNew || base?.kind === 'attached') locks.use(this.locks.take(path, writeBase ? 'exclusive' : 'shared', this.bundle.name));
    const allow = isNew ? policyFor(nodeFiles, path, disk.allow ?? []) : {};
    if (isNew) attachDisk(folder, { path, format: formatOfDisk(disk), writeBase, allow }, { mode: this.bundle.config.checkpointMode });
    if (base?.kind === 'attached' && base.path !== path)
      throw new ConfigError(
        'DISK_OTHER',
        `${this.bundle.name} has ${base.path} as its ${name}, with all that the guest has written, not ${path}: use that file, or give the other one to a new VM.`,
      );
  }
}

/** What is asked of the disks of a world that ends meanwhile needs no answer. */
export function orItHasEnded(world: World): (error: unknown) => void {
  return error => {
    if (!world.hasEnded) throw error;
  };
}

/** They are what they should be, and take more room than they need. */
export const notTidied = (name: string, error: unknown): string => `The disk files of ${name} are not tidied up: ${problem(error)}`;
