/**
 * A VM on disk: the folder NAME.cairn (docs/formats/bundle.md). An open Bundle owns the VM; opening mends what a killed process left behind.
 *
 *   vm.json  configuration    state.json  what only the user can say, and where the machine stands    catalog.db  checkpoint tree, history
 *   checkpoints/ID.ckpt    disks/    logs/    owner.json  while somebody has it open
 */
import { existsSync, renameSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { CairnError, ConfigError, StorageError } from '#engine/errors/errors.ts';
import { readBoundedText } from '#worker/bounded-read.ts';
import { nodeFiles, storageError } from '#worker/node-files.ts';
import { nodeFolders } from '#worker/node-folders.ts';
import { Catalog, type Intent } from './catalog.ts';
import {
  CHECKPOINTS,
  checkpointStoreOf,
  finishMove,
  makeCheckpointFolder,
  moveCheckpointFolder,
  removeCheckpointFolder,
  requireCheckpointFolder,
  useCheckpointVolume,
} from './checkpoint-folder.ts';
import { removeDeadBuilds } from './dead-builds.ts';
import {
  checkpointId,
  NO_POLICY,
  policy,
  vmConfig,
  type Policy,
  type Checkpoint,
  type CheckpointFacts,
  type VmConfig,
} from './ipc/contract.ts';
import { readOwner, removeOwner, writeOwner } from './owner.ts';
import { problem } from './problem.ts';
import { linksTo, realPath } from './library.ts';
import { howToEnd, isStopped } from './process-state.ts';
import { replaceFile } from './replace-file.ts';
import { followRenamedBases } from './renamed-bases.ts';
import { mirrorLayers, reconcile, type ReadCheckpointInfo } from './reconcile.ts';
import { checkMarks, goneParents, livingParent, NEW_STATE, writeVmState, type Marks, type StateOfVm } from './vm-state.ts';

const CONFIG_FILE = 'vm.json';
const CATALOG_FILE = 'catalog.db';
const CHECKPOINT_SUFFIX = '.ckpt';
const CONFIG_VERSION = 1;
const MOST_CONFIG_BYTES = 64 << 20;
/** What is there cannot be a configuration. */
const NO_CONFIG: ReadonlySet<string> = new Set(['FILE_TOO_LARGE', 'NOT_A_FILE']);
const MEND_CONFIG = 'Mend it by hand or restore it from a copy.';
/** How long a bundle that somebody holds without listening (a command that is about to end) is waited for. */
const PATIENCE_MS = 4000;

const vmFile = z.object({ version: z.literal(CONFIG_VERSION), config: vmConfig, policy: policy.optional() });
type VmFile = Omit<z.infer<typeof vmFile>, 'version'>;

export class Bundle {
  readonly path: string;
  readonly catalog: Catalog;
  /** What was mended at opening, in words for the user. */
  readonly notices: string[] = [];
  private file: VmFile;
  private state: StateOfVm = NEW_STATE;
  /** Of the checkpoint volume, if there is one. */
  private volumeUse: Disposable | undefined;
  /** Why state.json is older than `state`; undefined when it is not. */
  private unwritten: unknown;
  private isTold = true;
  /** What has ended, and is in the catalogue until that can be written. */
  private ended: number[] = [];
  private closed = false;

  private constructor(path: string, catalog: Catalog, file: VmFile) {
    this.path = path;
    this.catalog = catalog;
    this.file = file;
  }

  static exists(path: string): boolean {
    return existsSync(join(path, CONFIG_FILE));
  }

  /** A new VM. The folder appears whole or not at all. */
  static create(path: string, config: VmConfig): void {
    appear(build(path, config), path);
  }

  /** The same, with what `fill` puts, durably, into the folder that is to be it. When that throws there is no VM. */
  static async createFilled(path: string, config: VmConfig, fill: (building: string) => Promise<void>): Promise<void> {
    const building = build(path, config);
    try {
      await fill(building);
      nodeFiles.syncFolder(building);
    } catch (error) {
      discard(building);
      throw error;
    }
    appear(building, path);
  }

  /** Undefined when another Cairn has it and listens (readOwner says where). Throws ConfigError when it holds it and does not listen. */
  static async open(path: string, readInfo: ReadCheckpointInfo, patienceMs = PATIENCE_MS): Promise<Bundle | undefined> {
    for (let waited = 0; ; waited += 50) {
      const file = readVmFile(path);
      const catalog = openCatalog(path);
      if (catalog !== undefined) {
        const bundle = new Bundle(path, catalog.opened, file);
        try {
          if (catalog.notice) bundle.notices.push(catalog.notice);
          sayWhoOwns(path);
          finishMove(path);
          bundle.file = readVmFile(path); // where the checkpoints have been moved to
          requireCheckpointFolder(path, nameOf(path));
          bundle.volumeUse = useCheckpointVolume(path, nameOf(path));
          bundle.notices.push(...followRenamedBases(path));
          const { state, notices, unwritten } = await reconcile(path, nameOf(path), catalog.opened, readInfo);
          bundle.state = state;
          bundle.unwritten = unwritten;
          bundle.notices.push(...notices);
          return bundle;
        } catch (error) {
          bundle.volumeUse?.[Symbol.dispose]();
          catalog.opened.close();
          throw error;
        }
      }
      const owner = readOwner(path);
      if (owner?.socket !== undefined && owner.pid !== process.pid) return undefined;
      if (waited >= patienceMs) throw inUse(path, owner?.pid);
      await sleep(50);
    }
  }

  /** Needs no ownership: vm.json is replaced whole. */
  static readConfig(path: string): VmConfig {
    return readVmFile(path).config;
  }

  static readPolicy(path: string): Policy {
    return readVmFile(path).policy ?? NO_POLICY;
  }

  get name(): string {
    return nameOf(this.path);
  }

  get config(): VmConfig {
    return this.file.config;
  }

  get policy(): Policy {
    return this.file.policy ?? NO_POLICY;
  }

  configure(config: VmConfig): void {
    if (config.checkpointStore !== this.config.checkpointStore) {
      moveCheckpointFolder(this.path, this.name, config.checkpointStore);
      this.file = { ...this.file, config: { ...this.config, checkpointStore: checkpointStoreOf(this.path) } };
      this.volumeUse?.[Symbol.dispose]();
      this.volumeUse = useCheckpointVolume(this.path, this.name);
    }
    this.changeFile({ ...this.file, config });
  }

  /** What is so already, whether it can be written down or not: if not, the next change of vm.json does it, and this answers why. The store must be the same. */
  configureAlready(config: VmConfig): unknown {
    const file = { ...this.file, config };
    try {
      this.changeFile(file);
      return undefined;
    } catch (error) {
      this.file = file;
      return error;
    }
  }

  setPolicy(wanted: Policy): void {
    this.changeFile({ ...this.file, policy: wanted });
  }

  /** Tells other processes where this one listens. */
  announce(socket: string): void {
    writeOwner(this.path, { pid: process.pid, socket });
  }

  checkpointPath(id: string): string {
    return join(this.path, CHECKPOINTS, checkpointId.parse(id) + CHECKPOINT_SUFFIX);
  }

  get checkpointsPath(): string {
    return join(this.path, CHECKPOINTS);
  }

  checkpoint(id: string): Checkpoint {
    const found = this.catalog.get(id);
    if (!found)
      throw new ConfigError(
        'NO_SUCH_CHECKPOINT',
        `${this.name} has no checkpoint ${id}: \`cairn checkpoint list ${this.name}\` shows those it has.`,
      );
    return found;
  }

  /** The checkpoint that the machine's present state descends from ("you are here"). */
  get current(): string | undefined {
    return this.state.current;
  }

  /** The checkpoint that the next start goes on from. */
  get resume(): string | undefined {
    return this.state.resume;
  }

  get poweredOnMs(): number {
    return this.state.poweredOnMs;
  }

  setPoweredOn(poweredOnMs: number): void {
    this.note({ ...this.state, poweredOnMs }, () => {});
  }

  /** Where the machine stands from now on. */
  stand(current: string | undefined, resume: string | undefined): void {
    this.decide(this.standing(current, resume), () => {});
  }

  /** Where the machine stands already, whether it can be written down or not. `inCatalog`: what the catalogue is told with it, all of it or nothing. */
  standAlready(current: string | undefined, resume: string | undefined, inCatalog: () => void): void {
    this.note(this.standing(current, resume), inCatalog);
  }

  /** Checkpoints that later ones have taken the place of and that could not be removed yet. */
  get replaced(): readonly string[] {
    return this.state.replaced ?? [];
  }

  rememberReplaced(ids: readonly string[]): void {
    const { replaced: _replaced, ...rest } = this.state;
    this.note(ids.length === 0 ? rest : { ...rest, replaced: [...ids] }, () => {});
  }

  private standing(current: string | undefined, resume: string | undefined): StateOfVm {
    const { current: _current, resume: _resume, ...rest } = this.state;
    return { ...rest, ...(current === undefined ? {} : { current }), ...(resume === undefined ? {} : { resume }) };
  }

  /** A checkpoint whose file has just been published; the machine descends from it now. */
  add(facts: CheckpointFacts): Checkpoint {
    const checkpoint = { ...facts, pinned: false, note: '' };
    const { bytesWritten, pauseMs, totalMs, trigger, poweredOnMs } = facts;
    this.note({ ...this.state, current: facts.id, poweredOnMs: Math.max(poweredOnMs, this.state.poweredOnMs) }, () => {
      this.catalog.add(checkpoint);
      this.catalog.record('taken', facts.id, { title: facts.title, trigger, pauseMs, totalMs, bytesWritten });
    });
    return checkpoint;
  }

  /** What the user says of a checkpoint. */
  mark(id: string, said: Marks): Checkpoint {
    const { title, note, pinned } = { ...this.checkpoint(id), ...said };
    const state = { ...this.state, marks: { ...this.state.marks, [id]: { ...this.state.marks[id], ...said } } };
    checkMarks(this.path, state);
    this.decide(state, () => this.catalog.mark(id, { title, note, pinned }));
    return this.checkpoint(id);
  }

  /** To be called before the files of `ids` are removed: what would be forgotten with them is written down first. */
  prepareToForget(ids: readonly string[]): void {
    this.decide({ ...this.state, gone: { ...this.state.gone, ...goneParents(this.catalog.parents(), new Set(ids)) } }, () => {});
  }

  /** To be called when the files of `ids` are gone. Their children are their parents' from now on, and the machine descends from the nearest that is left. */
  forget(ids: readonly string[]): void {
    const doomed = new Set(ids);
    const parents = this.catalog.parents();
    const living = new Set(parents.map(({ id }) => id).filter(id => !doomed.has(id)));
    const old = Object.fromEntries(parents.map(({ id, parent }) => [id, parent]));
    const { current, resume, marks, ...rest } = this.state;
    const stands = livingParent(current ?? null, id => living.has(id), old);
    this.note(
      {
        ...rest,
        ...(stands === null ? {} : { current: stands }),
        ...(resume === undefined || doomed.has(resume) ? {} : { resume }),
        marks: Object.fromEntries(Object.entries(marks).filter(([id]) => living.has(id))),
        gone: goneParents(parents, doomed),
      },
      () => {
        this.catalog.forget(ids);
      },
    );
  }

  private changeFile(file: VmFile): void {
    writeVmFile(this.path, file);
    this.file = file;
  }

  /** Reads everything anew from the files. Answers what was mended, in words for the user. */
  async rebuild(readInfo: ReadCheckpointInfo): Promise<string[]> {
    this.catalog.clear();
    const { state, notices, unwritten } = await reconcile(this.path, this.name, this.catalog, readInfo);
    this.state = state;
    this.unwritten = unwritten;
    return notices;
  }

  /** Before it is done. Throws StorageError, and then it is not begun. */
  begin(operation: Intent['operation'], details: Intent['details']): number {
    if (this.unwritten !== undefined) this.decide(this.state, () => {});
    return this.catalog.begin(operation, details);
  }

  /** Is written once what it has led to is. */
  end(intent: number): void {
    if (this.unwritten === undefined) this.catalog.end(intent);
    else this.ended.push(intent);
  }

  /** A sentence about what is so and could not be written down, once. */
  tellUnwritten(): string | undefined {
    if (this.unwritten === undefined || this.isTold) return undefined;
    this.isTold = true;
    return `What was just done to ${this.name} is done, but could not be written down yet; it will be with its next change: ${problem(this.unwritten)}`;
  }

  /**
   * state.json first: the catalogue mirrors it, and takes over what it says at the next opening if this ends between the two. Throws StorageError, and nothing is changed.
   */
  private decide(state: StateOfVm, inCatalog: () => void): void {
    writeVmState(this.path, state);
    this.unwritten = undefined;
    this.catalog.hold(false);
    const ended = this.ended.splice(0);
    this.adopt(state, () => {
      inCatalog();
      for (const intent of ended) this.catalog.end(intent);
    });
  }

  /** What has happened, whether it can be written down or not; if not, the next change does it, and until then the files say what the catalogue says: how it was before. */
  private note(state: StateOfVm, inCatalog: () => void): void {
    try {
      this.decide(state, inCatalog);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      this.unwritten = error;
      this.isTold = false;
      this.catalog.hold(true);
      this.adopt(state, inCatalog);
    }
  }

  private adopt(state: StateOfVm, inCatalog: () => void): void {
    this.state = state;
    this.catalog.together(() => {
      inCatalog();
      this.catalog.setMeta('current', state.current);
      this.catalog.setMeta('resume', state.resume);
    });
  }

  close(): void {
    if (this.closed) return; // the next owner's owner.json is not ours to remove
    this.closed = true;
    try {
      if (this.unwritten !== undefined) this.decide(this.state, () => {}); // there may be room again
      mirrorLayers(this.path, this.catalog);
    } catch {
      // The files say how it is: the next opening looks again.
    }
    removeOwner(this.path);
    this.volumeUse?.[Symbol.dispose]();
    this.catalog.close();
  }

  /** The folder, or the link to it, has another name from now on. The bundle is closed by it. Throws ConfigError or StorageError, and it has the old name. */
  rename(path: string): void {
    this.close();
    if (existsSync(path)) throw exists(path);
    removeDeadBuilds(path);
    nodeFiles.rename(this.path, path);
    try {
      nodeFiles.syncFolder(dirname(path));
    } catch (error) {
      if (tryRename(path, this.path)) throw error; // else it has the new name
    }
  }

  /** Deletes the VM with all its checkpoints. The bundle is closed by it. Answers what there is to tell when something of it stays. Throws StorageError, and nothing is deleted. */
  delete(): string | undefined {
    this.close();
    const place = realPath(this.path) ?? this.path;
    const links = linksTo(dirname(this.path), place);
    const doomed = `${place}.deleted-${process.pid}`;
    nodeFiles.rename(place, doomed); // from here on it is in nobody's library
    try {
      for (const link of links) nodeFiles.remove(link); // they lead nowhere now
      nodeFiles.syncFolder(dirname(this.path));
      nodeFiles.syncFolder(dirname(place)); // before its checkpoints go, which may lie on another disk
      removeCheckpointFolder(doomed);
      nodeFolders.removeTree(doomed);
      return undefined;
    } catch (error) {
      if (!(error instanceof CairnError)) throw error;
      return `${this.name} is deleted, but not all of its files could be removed: ${problem(error)} Remove the folder ${doomed} yourself.`;
    }
  }
}

/** Others only know from it whom to ask: on a full disk room must be made all the same. */
function sayWhoOwns(path: string): void {
  try {
    writeOwner(path, { pid: process.pid });
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    removeOwner(path); // of another process
  }
}

function build(path: string, config: VmConfig): string {
  if (existsSync(path)) throw exists(path);
  nodeFolders.make(dirname(path));
  removeDeadBuilds(path);
  const building = `${path}.new-${process.pid}`;
  try {
    nodeFolders.makeNew(building);
  } catch (cause) {
    throw (cause as StorageError).code === 'FILE_EXISTS' ? exists(path, cause) : cause;
  }
  try {
    makeCheckpointFolder(building, nameOf(path), config.checkpointStore);
    nodeFolders.makeNew(join(building, 'logs'));
    writeVmFile(building, { config });
    return building;
  } catch (error) {
    discard(building);
    throw error;
  }
}

function appear(building: string, path: string): void {
  try {
    renameSync(building, path);
  } catch (cause) {
    discard(building);
    const { code = '' } = cause as NodeJS.ErrnoException;
    throw ['EEXIST', 'ENOTEMPTY', 'ENOTDIR', 'EPERM'].includes(code) ? exists(path, cause) : storageError(cause, path, 'created');
  }
  try {
    nodeFiles.syncFolder(dirname(path));
  } catch (error) {
    if (!tryRename(path, building)) return; // it is there
    discard(building);
    throw error;
  }
}

function tryRename(from: string, to: string): boolean {
  try {
    nodeFiles.rename(from, to);
    return true;
  } catch {
    return false;
  }
}

/** Where storage fails it stays until the name is taken: what led here is what is told. */
function discard(building: string): void {
  try {
    removeCheckpointFolder(building);
    nodeFolders.removeTree(building);
  } catch (error) {
    if (!(error instanceof CairnError)) throw error;
  }
}

const exists = (path: string, cause?: unknown): ConfigError =>
  new ConfigError('VM_EXISTS', `there is a VM ${nameOf(path)} already: choose another name, or delete it first.`, { cause });

/** A damaged catalogue is put aside and made anew: everything in it but changed titles is in the files. */
function openCatalog(path: string): { opened: Catalog; notice?: string } | undefined {
  const file = join(path, CATALOG_FILE);
  try {
    const opened = Catalog.tryOpen(file);
    return opened && { opened };
  } catch (error) {
    if (!(error instanceof StorageError) || error.code !== 'CATALOG_DAMAGED') throw error;
    const aside = `${file}.damaged-${process.pid}`;
    nodeFolders.removeTree(aside);
    if (nodeFiles.exists(file)) nodeFiles.rename(file, aside);
    for (const suffix of ['-journal', '-wal', '-shm']) nodeFolders.removeTree(file + suffix);
    const opened = Catalog.tryOpen(file);
    return opened && { opened, notice: `${nameOf(path)}: its catalogue was damaged and has been rebuilt from the checkpoint files.` };
  }
}

export function inUse(path: string, pid: number | undefined): ConfigError {
  if (pid !== undefined && isStopped(pid))
    return new ConfigError('VM_IN_USE', `${nameOf(path)} is open in process ${pid}, which is stopped. ${howToEnd(pid)}.`);
  const who = pid === undefined ? '' : ` (process ${pid})`;
  return new ConfigError(
    'VM_IN_USE',
    `${nameOf(path)} is open in another Cairn${who}; close it there, or give it commands from here with \`cairn vm\` and \`cairn checkpoint\`.`,
  );
}

export const nameOf = (bundlePath: string): string => basename(bundlePath, '.cairn');

/** Where the checkpoints are kept, their link says: vm.json may not have been told (docs/formats/bundle.md). */
function readVmFile(path: string): VmFile {
  const file = join(path, CONFIG_FILE);
  let text: string;
  try {
    text = readBoundedText(file, MOST_CONFIG_BYTES);
  } catch (cause) {
    if (!(cause instanceof StorageError)) throw cause;
    if (NO_CONFIG.has(cause.code)) throw new ConfigError('BAD_VM_JSON', `${cause.message} ${MEND_CONFIG}`, { cause });
    if (cause.code !== 'NO_SUCH_FILE') throw cause; // nothing is known of what is in it
    throw new ConfigError('NO_SUCH_VM', `there is no VM ${nameOf(path)}: \`cairn vm list\` shows those there are.`, { cause });
  }
  try {
    const said = vmFile.parse(JSON.parse(text));
    return { ...said, config: { ...said.config, checkpointStore: checkpointStoreOf(path) } };
  } catch (cause) {
    throw new ConfigError('BAD_VM_JSON', `${file} is not a valid VM configuration: ${problem(cause)}. ${MEND_CONFIG}`, { cause });
  }
}

function writeVmFile(folder: string, parts: VmFile): void {
  replaceFile(join(folder, CONFIG_FILE), `${JSON.stringify(vmFile.parse({ ...parts, version: CONFIG_VERSION }), undefined, 2)}\n`);
}
