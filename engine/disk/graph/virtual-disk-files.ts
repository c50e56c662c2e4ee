/**
 * One virtual disk as the disk worker holds it: the chain below `top`, open, the top for writing. Checkpoints (METHOD.md 802, 810, 830), reverts
 * (906/908, adoption.ts) and the growth of the disk change which file is the top. Each call leaves files that describe a valid disk wherever it stops, and can be
 * repeated after an error.
 *
 *   802 prepareCow(): an empty COW file on the top; the descriptor names it        the VM still writes to the old top
 *   810 switchToCow(): writes go to the new file                                    what was pending may still go to the old top
 *   830 seal(): the old top is durable and only read from now on                    832 may point to it
 */
import { ConfigError, InvariantError, StorageError } from '../../errors/errors.ts';
import type { Layer } from '../block.ts';
import { Qcow2Image } from '../qcow2/image.ts';
import type { DiskBase, DiskDescriptor, LayerId, Top } from './descriptor.ts';
import type { DiskFolder } from './disk-folder.ts';
import { createLayer } from './layer-file.ts';
import { OpenLayers, closeAlone } from './open-layers.ts';

export interface OpenDiskFilesOptions {
  /** The user knows that the attached base was changed by others, and wants the disk all the same. */
  readonly acceptChangedBase?: boolean;
  /**
   * Steps 906/908 for a VM that goes back while its old world still has the files: the disk goes on from this state in a branch, which is the top for
   * everybody only when it is adopted (adoption.ts). Before that the descriptor stays as it is, whoever has it open.
   */
  readonly branchFrom?: LayerId;
}

/** What step 802 made. */
export interface PreparedCow {
  /** The state that the checkpoint will point to: the disk at step 810. */
  readonly frozen: LayerId;
  /** The new layer. */
  readonly cow: LayerId;
}

export class VirtualDiskFiles implements Disposable {
  readonly folder: DiskFolder;
  readonly layers: OpenLayers;
  private current: DiskDescriptor;
  /** Ends what the collector is in the middle of: the open files are about to be others. */
  stopWork: (() => void) | undefined;
  /** Layers of which the header was to be changed when an error came in between. */
  readonly unsureLayers = new Set<LayerId>();
  /** The last write of the descriptor failed. */
  private unsure = false;
  private topLayer: Layer;
  private prepared: (PreparedCow & { readonly below: Top; readonly layer: Qcow2Image }) | undefined;
  /** The old top of pushCow() is still to be sealed. */
  private pushing = false;
  /** A new COW file that nobody has adopted. */
  private branch: { readonly id: LayerId; readonly layer: Qcow2Image } | undefined;
  /** Another session has the files until the branch is adopted. */
  private shared = false;
  /** Frozen states that no checkpoint points to yet. */
  private readonly held = new Set<LayerId>();
  /** The old top, from 810 to 830. */
  private sealing: { readonly frozen: LayerId; readonly layer: Layer } | undefined;

  /** Opens the chain below the top, and the top for writing. Who opens it owns the bundle. */
  constructor(folder: DiskFolder, { acceptChangedBase = false, branchFrom }: OpenDiskFilesOptions = {}) {
    this.folder = folder;
    this.current = folder.read();
    this.layers = new OpenLayers(folder, () => this.current);
    try {
      this.checkBase(acceptChangedBase);
      if (branchFrom !== undefined) {
        this.shared = true;
        this.topLayer = this.makeBranch(branchFrom);
        return;
      }
      this.topLayer = this.layers.open(this.current.top);
      this.topLayer.setWritable(true);
      if (this.current.sizeBytes !== this.topLayer.sizeBytes) this.change({ sizeBytes: this.topLayer.sizeBytes });
    } catch (error) {
      this.layers[Symbol.dispose]();
      throw error;
    }
  }

  /**
   * Steps 906/908, all that may fail: an empty COW file on the state `from`. The disk is what it was until takeBranch(); the VM may run until then. What a checkpoint that
   * failed has left prepared is given up.
   */
  startBranch(from: LayerId): void {
    if (this.branch !== undefined) throw new InvariantError(`${this.folder.disk} has a branch already.`);
    this.stopWork?.();
    this.abandonCow();
    this.makeBranch(from);
  }

  private makeBranch(from: LayerId): Layer {
    const place = this.layers.place(from);
    this.branch = this.createCow(place, from, this.layers.open(place));
    return this.branch.layer;
  }

  /** The layer that the branch is; undefined when there is none. */
  get branchId(): LayerId | undefined {
    return this.branch?.id;
  }

  /** Decides for this disk alone: the descriptor names the branch. When it throws, the file may do so or not until makeDescriptorSure(). */
  writeBranch(): void {
    if (this.branch === undefined) return;
    this.lookAgain();
    this.write(this.branched(this.branch));
  }

  private branched({ id, layer }: { readonly id: LayerId; readonly layer: Layer }): DiskDescriptor {
    return { ...this.current, top: id, sizeBytes: layer.sizeBytes };
  }

  /** The other session may have written the descriptor since. */
  lookAgain(): void {
    if (this.shared) this.current = this.folder.read();
  }

  /**
   * The branch is the disk from now on, for it is written down that it is: here in memory, and in the descriptor after the next change() or makeDescriptorSure(). The old top stays until the collector
   * finds that nothing needs it. Cannot fail.
   */
  takeBranch(): void {
    const { branch } = this;
    if (branch === undefined) return;
    this.unsure ||= this.current.top !== branch.id;
    this.current = this.branched(branch);
    if (this.sealing !== undefined) this.held.delete(this.sealing.frozen); // of a checkpoint that is not to be, on what the VM has left
    this.sealing = undefined;
    this.pushing = false;
    this.topLayer = branch.layer;
    this.branch = undefined;
    this.shared = false;
    this.layers.keepOnly(branch.layer);
  }

  /** The disk stays what it is. A file that the descriptor may name is left to the collector. */
  dropBranch(): void {
    const { branch } = this;
    this.leaveBranch();
    if (branch !== undefined && !this.unsure) this.folder.remove(this.folder.layerPath(branch.id));
  }

  /** Another session will find that it is the disk, or remove it. */
  leaveBranch(): void {
    const { branch } = this;
    if (branch === undefined) return;
    this.branch = undefined;
    this.layers.take(branch.id);
    closeAlone(branch.layer);
  }

  get descriptor(): DiskDescriptor {
    return this.current;
  }

  /** What the VM reads and writes. */
  get top(): Layer {
    return this.topLayer;
  }

  get sizeBytes(): number {
    return this.topLayer.sizeBytes;
  }

  /** The state that the top will be when it is frozen. */
  get topId(): LayerId {
    return this.current.top === 'base' ? this.current.base!.content : this.current.top;
  }

  /** Between 802 and 810. */
  get isPrepared(): boolean {
    return this.prepared !== undefined;
  }

  /** Between 802 and the end of 830, when files may not be moved about. */
  get isChanging(): boolean {
    return this.prepared !== undefined || (this.sealing !== undefined && !this.pushing);
  }

  /** A flush by the guest: also of what it wrote before the last switch. */
  flush(): void {
    this.sealing?.layer.flush();
    this.topLayer.flush();
  }

  /**
   * Step 802. The file is empty, so it reads as the top does, and may be named by the descriptor before the switch: whenever the host dies, what the
   * guest flushed is below the descriptor's top.
   */
  prepareCow(): PreparedCow {
    this.finishPush();
    if (this.sealing !== undefined) throw new InvariantError(`The last COW disk of ${this.folder.disk} has not been sealed.`);
    this.abandonCow();
    const below = this.current.top;
    const frozen = this.topId;
    const { id, layer } = this.createCow(below, frozen, this.topLayer);
    this.prepared = { frozen, cow: id, below, layer };
    this.nameTop(id);
    return { frozen, cow: id };
  }

  /** The stop was refused, or 802 failed half-way: the VM goes on in the old top. Repeat it when it throws. */
  abandonCow(): void {
    const { prepared } = this;
    if (prepared === undefined) return;
    // Only a descriptor that surely names the old top lets the new file go.
    this.change({ top: prepared.below });
    this.prepared = undefined;
    this.layers.take(prepared.cow);
    closeAlone(prepared.layer);
    this.folder.remove(this.folder.layerPath(prepared.cow));
  }

  /** Step 810: in memory only. What was begun before may still be written to the layer that this answers, until seal(). */
  switchToCow(): Layer {
    const { prepared, topLayer: old } = this;
    if (prepared === undefined) throw new InvariantError(`${this.folder.disk} has no COW disk to be switched to.`);
    this.sealing = { frozen: prepared.frozen, layer: old };
    this.held.add(prepared.frozen);
    this.topLayer = prepared.layer;
    this.prepared = undefined;
    return old;
  }

  /** Step 830: the pending writes have ended; the frozen layer becomes durable and read-only. Only then may a checkpoint point to it. */
  seal(): LayerId | undefined {
    const { sealing } = this;
    if (sealing === undefined) return undefined;
    if (sealing.layer instanceof Qcow2Image) sealing.layer.settle();
    else sealing.layer.flush();
    sealing.layer.setWritable(false);
    this.noteBase();
    this.sealing = undefined;
    return sealing.frozen;
  }

  /** Steps 874 and 876 of fig. 3F, between two operations of the disk worker, when nothing is pending: another COW file on the top. */
  pushCow(): void {
    const { frozen } = this.prepareCow();
    this.switchToCow();
    this.pushing = true;
    this.letGo(frozen);
    this.finishPush();
  }

  /** What a failed pushCow() left to be done. */
  finishPush(): void {
    if (this.pushing) this.seal();
    this.pushing = false;
  }

  /** Frozen states that are needed though no checkpoint points to them yet. */
  get heldStates(): ReadonlySet<LayerId> {
    return this.held;
  }

  /** The checkpoint points to it now (832), or there will be none: whether it is needed follows from the checkpoints. */
  letGo(frozen: LayerId): void {
    this.held.delete(frozen);
  }

  /** Makes the disk larger. */
  resize(sizeBytes: number): void {
    this.topLayer.resize(sizeBytes);
    this.change({ sizeBytes });
  }

  /** Replaces fields of the descriptor, durably. When it throws, the file may be the old one or the new one until makeSure(). */
  change(fields: Partial<DiskDescriptor>): void {
    this.write({ ...this.current, ...fields });
  }

  /** The descriptor with another base, or none. */
  changeBase(base: DiskBase | undefined): void {
    const { base: _, ...rest } = this.current;
    this.write(base === undefined ? rest : { ...rest, base });
  }

  /** The file may be another descriptor than the one in force here: another session may have written it. */
  doubtDescriptor(): void {
    this.unsure = true;
  }

  /** The descriptor is surely on the host's disk as it is in force here. */
  makeDescriptorSure(): void {
    if (this.unsure) this.write(this.current);
  }

  /** After failed changes: so are the layers' headers. */
  makeSure(): void {
    this.makeDescriptorSure();
    for (const id of this.unsureLayers) {
      this.layers.makeSure(id);
      this.unsureLayers.delete(id);
    }
  }

  private write(next: DiskDescriptor): void {
    this.unsure = true;
    this.folder.write(next);
    this.unsure = false;
    this.current = next;
  }

  /** A state of the disk for reading, with the files below it; released by release(). */
  openState(id: LayerId): Layer {
    return this.layers.open(this.layers.place(id));
  }

  /** Closes whatever the VM's own chain does not need. */
  release(): void {
    this.layers.keepOnly(this.topLayer, this.prepared?.layer, this.sealing?.layer);
  }

  /** Another layer has the top's place; for the jobs of this folder. */
  replaceTop(layer: Layer): void {
    this.topLayer = layer;
  }

  /** Durable and closed. When it throws, it is still open. */
  close(): void {
    if (this.shared) return this[Symbol.dispose]();
    this.stopWork?.();
    this.seal();
    if (this.topLayer instanceof Qcow2Image) this.topLayer.settle();
    else this.topLayer.flush();
    this.noteBase();
    this[Symbol.dispose]();
  }

  /** Closes, and loses what came after the last flush. A branch that cannot be removed is left to the collector. */
  [Symbol.dispose](): void {
    try {
      this.dropBranch();
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
    }
    this.layers[Symbol.dispose]();
  }

  private createCow(below: Top, parentId: LayerId, parent: Layer): { readonly id: LayerId; readonly layer: Qcow2Image } {
    const id = this.folder.host.newLayerId();
    const { clusterBytes } = this.current;
    createLayer(this.folder, id, { parent, parentId, parentName: this.nameOf(below), clusterBytes });
    const { files, codec } = this.folder.host;
    const layer = new Qcow2Image(files, codec, this.folder.layerPath(id), { writable: true });
    layer.attachParent(parent);
    this.layers.put(id, layer);
    return { id, layer };
  }

  /** How a file of the folder calls its parent. */
  nameOf(below: Top): string {
    return below === 'base' ? this.current.base!.path : this.folder.layerName(below);
  }

  private nameTop(id: LayerId): void {
    try {
      this.change({ top: id });
    } catch (error) {
      try {
        this.abandonCow();
      } catch {
        // The first failure is the one that is told; abandonCow() is called again by whoever gives up the checkpoint.
      }
      throw error;
    }
  }

  /** A base that others changed under its COW files is damage that nothing could tell later. */
  private checkBase(accept: boolean): void {
    const { base, top } = this.current;
    if (base?.kind !== 'attached') return;
    const path = this.folder.pathOf(base.path);
    const now = this.folder.host.files.stat(path);
    if (base.seen !== undefined && !accept && (base.seen.sizeBytes !== now.sizeBytes || base.seen.modifiedMs !== now.modifiedMs))
      throw new ConfigError(
        'DISK_BASE_CHANGED',
        `${path} was changed since ${this.folder.disk} was last used with it, and the disk and its checkpoints are made of both. ` +
          'Put the old file back, or accept the change: what the guest then finds may be damaged.',
      );
    const { seen: _, ...unseen } = base;
    if (top === 'base' && base.seen !== undefined) this.changeBase(unseen);
    else if (accept) this.changeBase({ ...base, seen: now });
  }

  /** An attached base that Cairn wrote and is done with. */
  noteBase(): void {
    const { base } = this.current;
    if (base?.kind !== 'attached' || base.seen !== undefined || base.becoming !== undefined) return;
    this.changeBase({ ...base, seen: this.folder.host.files.stat(this.folder.pathOf(base.path)) });
  }
}
