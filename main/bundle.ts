/**
 * A VM on disk: the folder NAME.cairn (docs/formats/bundle.md). An open Bundle owns the VM; opening mends what a killed process left behind.
 *
 *   vm.json  configuration    catalog.db  checkpoint tree    checkpoints/ID.ckpt    logs/    owner.json  while somebody has it open
 */
import { existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { CairnError, ConfigError, StorageError } from '#engine/errors/errors.ts';
import { Catalog } from './catalog.ts';
import { checkpointId, vmConfig, type Checkpoint, type VmConfig } from './ipc/contract.ts';
import { readOwner, removeOwner, writeOwner } from './owner.ts';

const CONFIG_FILE = 'vm.json';
const CATALOG_FILE = 'catalog.db';
const CHECKPOINTS = 'checkpoints';
const CHECKPOINT_SUFFIX = '.ckpt';
const UNFINISHED_SUFFIX = `${CHECKPOINT_SUFFIX}.part`;
const CONFIG_VERSION = 1;
/** How long a bundle that somebody holds without listening (a command that is about to end) is waited for. */
const PATIENCE_MS = 4000;

const vmFile = z.object({ version: z.literal(CONFIG_VERSION), config: vmConfig });

/** Reads what a checkpoint file says about itself, or throws. */
export type ReadCheckpointInfo = (path: string) => Promise<Checkpoint>;

export class Bundle {
  readonly path: string;
  readonly catalog: Catalog;
  /** What was mended at opening, in words for the user. */
  readonly notices: string[] = [];
  private currentConfig: VmConfig;
  private closed = false;

  private constructor(path: string, catalog: Catalog, config: VmConfig) {
    this.path = path;
    this.catalog = catalog;
    this.currentConfig = config;
  }

  static exists(path: string): boolean {
    return existsSync(join(path, CONFIG_FILE));
  }

  /** A new VM. The folder appears whole or not at all. */
  static create(path: string, config: VmConfig): void {
    if (existsSync(path))
      throw new ConfigError('VM_EXISTS', `there is a VM ${nameOf(path)} already: choose another name, or delete it first.`);
    const building = `${path}.new-${process.pid}`;
    mkdirSync(join(building, CHECKPOINTS), { recursive: true, mode: 0o700 });
    mkdirSync(join(building, 'logs'));
    writeConfig(building, config);
    try {
      renameSync(building, path);
    } catch (cause) {
      rmSync(building, { recursive: true, force: true });
      throw new ConfigError('VM_EXISTS', `there is a VM ${nameOf(path)} already: choose another name, or delete it first.`, { cause });
    }
  }

  /** Undefined when another Cairn has it and listens (readOwner says where). Throws ConfigError when it holds it and does not listen. */
  static async open(path: string, readInfo: ReadCheckpointInfo, patienceMs = PATIENCE_MS): Promise<Bundle | undefined> {
    for (let waited = 0; ; waited += 50) {
      const config = Bundle.readConfig(path);
      const catalog = openCatalog(path);
      if (catalog !== undefined) {
        try {
          const bundle = new Bundle(path, catalog.opened, config);
          if (catalog.notice) bundle.notices.push(catalog.notice);
          writeOwner(path, { pid: process.pid });
          await bundle.reconcile(readInfo);
          return bundle;
        } catch (error) {
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
    const file = join(path, CONFIG_FILE);
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch (cause) {
      throw new ConfigError('NO_SUCH_VM', `there is no VM ${nameOf(path)}: \`cairn vm list\` shows those there are.`, { cause });
    }
    try {
      return vmFile.parse(JSON.parse(text)).config;
    } catch (cause) {
      throw new ConfigError(
        'BAD_VM_JSON',
        `${file} is not a valid VM configuration: ${problem(cause)}. Mend it by hand or restore it from a copy.`,
        { cause },
      );
    }
  }

  get name(): string {
    return nameOf(this.path);
  }

  get config(): VmConfig {
    return this.currentConfig;
  }

  configure(config: VmConfig): void {
    writeConfig(this.path, config);
    this.currentConfig = config;
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

  close(): void {
    if (this.closed) return; // the next owner's owner.json is not ours to remove
    this.closed = true;
    removeOwner(this.path);
    this.catalog.close();
  }

  /** Deletes the VM with all its checkpoints. The bundle is closed by it. */
  delete(): void {
    const doomed = `${this.path}.deleted-${process.pid}`;
    this.close();
    renameSync(this.path, doomed); // from here on it is in nobody's library
    rmSync(doomed, { recursive: true, force: true });
  }

  /** The files are the truth: half files go, the catalogue learns of whole files it does not know, and forgets those that have gone. */
  private async reconcile(readInfo: ReadCheckpointInfo): Promise<void> {
    mkdirSync(this.checkpointsPath, { recursive: true });
    const known = new Set(this.catalog.list().map(({ id }) => id));
    const found = new Set<string>();
    const added: Checkpoint[] = [];
    for (const entry of readdirSync(this.checkpointsPath, { withFileTypes: true })) {
      const file = entry.name;
      if (!entry.isFile()) continue;
      if (file.endsWith(UNFINISHED_SUFFIX)) rmSync(join(this.checkpointsPath, file), { force: true }); // never published
      const id = file.endsWith(CHECKPOINT_SUFFIX) ? file.slice(0, -CHECKPOINT_SUFFIX.length) : '';
      if (!checkpointId.safeParse(id).success) continue; // the user's own
      found.add(id);
      if (known.has(id)) continue;
      try {
        added.push({ ...(await readInfo(this.checkpointPath(id))), id });
      } catch (error) {
        this.notices.push(`${this.name}: the checkpoint file ${file} is left out, for it cannot be read: ${problem(error)}`);
      }
    }
    this.catalog.together(() => {
      for (const checkpoint of added) this.catalog.add(checkpoint);
    });
    for (const id of known) {
      if (found.has(id)) continue;
      this.notices.push(
        `${this.name}: the checkpoint “${this.catalog.get(id)?.title ?? id}” is gone, for its file ${id}${CHECKPOINT_SUFFIX} is.`,
      );
      this.catalog.forget(id);
    }
  }
}

/** A damaged catalogue is put aside and made anew: everything in it but changed titles is in the files. */
function openCatalog(path: string): { opened: Catalog; notice?: string } | undefined {
  const file = join(path, CATALOG_FILE);
  try {
    const opened = Catalog.tryOpen(file);
    return opened && { opened };
  } catch (error) {
    if (!(error instanceof StorageError) || error.code !== 'CATALOG_DAMAGED') throw error;
    renameSync(file, `${file}.damaged-${process.pid}`);
    rmSync(`${file}-journal`, { force: true });
    const opened = Catalog.tryOpen(file);
    return opened && { opened, notice: `${nameOf(path)}: its catalogue was damaged and has been rebuilt from the checkpoint files.` };
  }
}

export function inUse(path: string, pid: number | undefined): ConfigError {
  const who = pid === undefined ? '' : ` (process ${pid})`;
  return new ConfigError(
    'VM_IN_USE',
    `${nameOf(path)} is open in another Cairn${who}; close it there, or give it commands from here with \`cairn vm\` and \`cairn checkpoint\`.`,
  );
}

export const nameOf = (bundlePath: string): string => basename(bundlePath, '.cairn');

function writeConfig(folder: string, config: VmConfig): void {
  const file = join(folder, CONFIG_FILE);
  writeFileSync(`${file}.tmp`, `${JSON.stringify(vmFile.parse({ version: CONFIG_VERSION, config }), undefined, 2)}\n`);
  renameSync(`${file}.tmp`, file);
}

function problem(error: unknown): string {
  if (error instanceof z.ZodError) return error.issues.map(issue => `${issue.path.join('.')}: ${issue.message}`).join('; ');
  return error instanceof CairnError || error instanceof Error ? error.message : String(error);
}
