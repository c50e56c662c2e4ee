/** What `cairn check` says of a disk's files: is every one whole, is each checkpoint's state there, does nothing lie about. Reads only. */
import { CairnError } from '../../errors/errors.ts';
import { checkQcow2 } from '../qcow2/check.ts';
import { Qcow2Image } from '../qcow2/image.ts';
import type { DiskDescriptor, LayerId } from './descriptor.ts';
import type { DiskFolder } from './disk-folder.ts';
import { LayerSum, readSum } from './layer-sum.ts';
import { OpenLayers } from './open-layers.ts';
import { plan } from './plan.ts';
import { factsOf, scan, type Needs } from './scan.ts';

export interface DiskProblem {
  /** `damage`: a state may read wrong or not at all. `untidy`: room is lost. `pending`: work that is left to be done, and will be when the disk is used. */
  readonly kind: 'damage' | 'untidy' | 'pending';
  readonly path: string;
  readonly problem: string;
}

export interface DiskReport {
  readonly problems: readonly DiskProblem[];
  readonly layers: number;
  /** Layers whose contents were compared with their checksums. */
  readonly compared: number;
}

export interface VerifyOptions {
  /** A VM uses the disk meanwhile: its top is left out, and so is what only lies about. */
  readonly inUse?: boolean;
  /** It yields about once for so many. */
  readonly bytes?: number;
}

/** Yields the file that is being read. */
export function* verifyDisk(
  folder: DiskFolder,
  needs: Needs,
  { inUse = false, bytes = 1 << 24 }: VerifyOptions = {},
): Generator<{ readonly path: string }, DiskReport> {
  const check = new DiskCheck(folder, needs, inUse);
  if (!check.descriptorIsThere()) return check.report();
  check.states();
  check.leftOver();
  check.baseStructure();
  for (const id of check.layersToRead()) {
    yield { path: folder.layerPath(id) };
    check.structure(id);
    yield* check.contents(id, bytes);
  }
  return check.report();
}

class DiskCheck {
  private readonly folder: DiskFolder;
  private readonly needs: Needs;
  private readonly inUse: boolean;
  private readonly problems: DiskProblem[] = [];
  private descriptor!: DiskDescriptor;
  private rubbish: ReadonlySet<string> = new Set();
  private layers = 0;
  private compared = 0;

  constructor(folder: DiskFolder, needs: Needs, inUse: boolean) {
    this.folder = folder;
    this.needs = needs;
    this.inUse = inUse;
  }

  report(): DiskReport {
    return { problems: this.problems, layers: this.layers, compared: this.compared };
  }

  layersToRead(): LayerId[] {
    const { folder, descriptor, inUse, rubbish } = this;
    const ids = folder.layerIds().filter(id => !rubbish.has(folder.layerName(id)) && !(inUse && id === descriptor.top));
    this.layers = ids.length;
    return ids;
  }

  descriptorIsThere(): boolean {
    return this.attempt(this.folder.descriptorPath, () => void (this.descriptor = this.folder.read()));
  }

  /** The top, and every state that is needed, can be opened with all that is below it. */
  states(): void {
    const { descriptor, folder } = this;
    const { base } = descriptor;
    if (base?.seen !== undefined && !this.inUse) {
      const path = folder.pathOf(base.path);
      this.attempt(path, () => {
        const { sizeBytes, modifiedMs } = folder.host.files.stat(path);
        if (sizeBytes !== base.seen!.sizeBytes || modifiedMs !== base.seen!.modifiedMs)
          this.tell('damage', path, 'the base disk was changed by others since the disk was last used');
      });
    }
    using layers = new OpenLayers(folder, () => descriptor);
    if (!this.inUse) this.attempt(folder.descriptorPath, () => layers.open(descriptor.top));
    for (const id of [...this.needs.pointed, ...this.needs.pinned]) this.attempt(folder.layerPath(id), () => layers.open(layers.place(id)));
  }

  /** Files that nothing needs, and merges that are not done yet. */
  leftOver(): void {
    const { folder, descriptor, needs } = this;
    this.attempt(folder.descriptorPath, () => {
      const found = scan(folder, descriptor, needs);
      this.rubbish = new Set(found.rubbish);
      if (this.inUse) return;
      for (const name of found.rubbish) this.tell('untidy', `${folder.folder}/${name}`, 'a file that was never finished');
      for (const step of plan(factsOf(descriptor, found, needs, false))) {
        if (step.kind === 'delete') this.tell('pending', folder.layerPath(step.layer), 'nothing needs this layer');
        else if (step.kind !== 'checksum') this.tell('pending', folder.descriptorPath, `work is left to be done (${step.kind})`);
      }
    });
  }

  /** Of a linked base the bundle that it is in is checked by itself. */
  baseStructure(): void {
    const { base, top } = this.descriptor;
    if (base?.format !== 'qcow2' || base.kind === 'linked' || (this.inUse && (top === 'base' || base.becoming !== undefined))) return;
    this.structureOf(this.folder.pathOf(base.path));
  }

  structure(id: LayerId): void {
    this.structureOf(this.folder.layerPath(id));
  }

  private structureOf(path: string): void {
    const { files, codec } = this.folder.host;
    this.attempt(path, () => {
      using image = new Qcow2Image(files, codec, path, { writable: false, lenient: true });
      const { corruptions, leaks, problems } = checkQcow2(image);
      if (corruptions > 0) this.tell('damage', path, `${corruptions} errors in its tables: ${problems[0]}`);
      else if (leaks > 0) this.tell('untidy', path, `${leaks} clusters that nothing refers to`);
    });
  }

  /** The contents are what they were when the checksum was made. */
  *contents(id: LayerId, bytes: number): Generator<{ readonly path: string }, void> {
    const { folder } = this;
    const path = folder.layerPath(id);
    const { files, codec, checksum } = folder.host;
    try {
      const should = readSum(folder, id);
      if (should === undefined || id === this.descriptor.top) return;
      using image = new Qcow2Image(files, codec, path, { writable: false });
      const sum = new LayerSum(image, checksum);
      let is = sum.step(bytes);
      for (; is === undefined; is = sum.step(bytes)) yield { path };
      this.compared++;
      if (is !== should) this.tell('damage', path, 'its contents do not match its checksum');
    } catch (error) {
      this.attempt(path, () => {
        throw error;
      });
    }
  }

  private attempt(path: string, action: () => void): boolean {
    try {
      action();
      return true;
    } catch (error) {
      if (!(error instanceof CairnError)) throw error;
      const hasGone = this.inUse && !this.folder.host.files.exists(path); // merged meanwhile
      if (!hasGone) this.tell('damage', path, error.message);
      return false;
    }
  }

  private tell(kind: DiskProblem['kind'], path: string, problem: string): void {
    this.problems.push({ kind, path, problem });
  }
}
