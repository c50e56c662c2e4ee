/**
 * The open files of one disk: each layer once, so that whoever reads or writes it sees the same tables. Chains share what they have in common.
 * Every file is checked to be what its name and the layer above it say.
 */
import { ConfigError, DiskFormatError, InvariantError } from '../../errors/errors.ts';
import type { Layer } from '../block.ts';
import { keeping, openDisk } from '../open.ts';
import { Qcow2Image } from '../qcow2/image.ts';
import { RawImage } from '../raw.ts';
import type { DiskDescriptor, LayerId, Top } from './descriptor.ts';
import { DiskFolder, type LayerFacts } from './disk-folder.ts';

export class OpenLayers implements Disposable {
  readonly folder: DiskFolder;
  private readonly descriptor: () => DiskDescriptor;
  private readonly layers = new Map<LayerId, Qcow2Image>();
  private openBase: Layer | undefined;
  /** Of a linked base: the files of the bundle that it is in. */
  private source: OpenLayers | undefined;

  /** `descriptor`: the one in force now. */
  constructor(folder: DiskFolder, descriptor: () => DiskDescriptor) {
    this.folder = folder;
    this.descriptor = descriptor;
  }

  /** The file of a layer or the base, with its parents below it. Opened for reading unless it is open already. */
  open(which: Top): Layer {
    return which === 'base' ? this.base() : this.layer(which);
  }

  /** Two layers of which the upper lies on the lower. */
  openPair(upperId: LayerId, lowerId: LayerId): { upper: Qcow2Image; lower: Qcow2Image } {
    const [upper, lower] = [this.layer(upperId), this.layer(lowerId)];
    if (upper.parent !== lower) throw new InvariantError(`${upper.path} is not on ${lower.path}.`);
    return { upper, lower };
  }

  /** A layer, and those below it down to `lowestId`. */
  openRun(upperId: LayerId, lowestId: LayerId): { readonly upper: Qcow2Image; readonly run: readonly Layer[] } {
    const [upper, lowest] = [this.layer(upperId), this.layer(lowestId)];
    const run: Layer[] = [];
    for (let layer = upper.parent; layer !== undefined && run.at(-1) !== lowest; layer = layer.parent) run.push(layer);
    if (run.at(-1) !== lowest) throw new InvariantError(`${upper.path} is not above ${lowest.path}.`);
    return { upper, run };
  }

  /** Where the bytes of a state can be read: the base when it has them, else the layer's own file. */
  place(id: LayerId): Top {
    const { base, top } = this.descriptor();
    if (base?.content === id && base.becoming === undefined && top !== 'base') return 'base';
    if (this.folder.has(id)) return id;
    throw new ConfigError(
      'DISK_LAYER_MISSING',
      `${this.folder.layerPath(id)} is missing, and ${this.folder.disk} cannot be read at this state without it. Restore the file from a backup.`,
    );
  }

  /** The file, if it is open. */
  opened(which: Top): Layer | undefined {
    return which === 'base' ? this.openBase : this.layers.get(which);
  }

  /** A new layer's file, or one that has the place of another. */
  put(id: LayerId, image: Qcow2Image): void {
    this.layers.set(id, image);
  }

  /** Takes a layer off the list, still open. */
  take(id: LayerId): Qcow2Image | undefined {
    const image = this.layers.get(id);
    this.layers.delete(id);
    return image;
  }

  /** Whatever lay on `old` lies on `by`, which reads the same. In memory only. */
  replace(old: Layer, by: Layer): void {
    for (const image of this.layers.values()) if (image.parent === old && image !== by) image.attachParent(by);
  }

  /** Opens a file anew, for reading, after an error that it does not recover from. What was not flushed is forgotten. */
  reopen(which: Top): void {
    const old = which === 'base' ? this.openBase : this.layers.get(which);
    if (old === undefined) return;
    const anew = which === 'base' ? this.openBaseFile() : this.openFile(which, old.parent);
    this.replace(old, anew);
    if (which === 'base') this.openBase = anew;
    else this.layers.set(which, anew as Qcow2Image);
    closeAlone(old);
  }

  /** After a change of a layer's parent or identity that failed half-way: what its file says is made durable, and is what is here, too. */
  makeSure(id: LayerId): void {
    if (!this.folder.has(id)) return;
    const image = this.layer(id);
    const { writable } = image;
    image.setWritable(true);
    image.settleNames();
    const { on } = this.folder.look(id, this.descriptor());
    image.attachParent(on === 'nothing' ? undefined : this.open(on));
    image.setWritable(writable);
  }

  /** Closes one file. Nothing open may be above it. */
  close(which: Top): void {
    if (which === 'base') {
      // The files of another bundle are closed by whom they were opened by.
      (this.source ?? this.openBase)?.[Symbol.dispose]();
      this.openBase = undefined;
      this.source = undefined;
    } else closeAlone(this.take(which));
  }

  /** Closes whatever is not in one of these chains. */
  keepOnly(...tops: readonly (Layer | undefined)[]): void {
    const kept = new Set<Layer>();
    for (const top of tops) for (let layer = top; layer !== undefined; layer = layer.parent) kept.add(layer);
    for (const [id, image] of this.layers) if (!kept.has(image)) this.close(id);
    if (this.openBase !== undefined && !kept.has(this.openBase)) this.close('base');
  }

  [Symbol.dispose](): void {
    this.keepOnly();
  }

  /** A chain has as many files as there are: only a circle is refused. */
  private layer(id: LayerId): Qcow2Image {
    const { above, on } = this.lookDown(id);
    let below = on === 'nothing' ? undefined : on === 'base' ? this.base() : this.layers.get(on);
    for (const each of above.toReversed()) {
      const image = this.openFile(each, below);
      this.layers.set(each, image);
      below = image;
    }
    return this.layers.get(id)!;
  }

  /** The layers from `id` down that are not open yet, each looked at, and what the lowest of them lies on. */
  private lookDown(id: LayerId): { readonly above: readonly LayerId[]; readonly on: LayerFacts['on'] } {
    const above = new Set<LayerId>();
    let on: LayerFacts['on'] = id;
    while (on !== 'nothing' && on !== 'base' && !this.layers.has(on)) {
      if (above.has(on))
        throw new ConfigError('DISK_CHAIN', `${this.folder.layerPath(on)} is its own parent, through ${above.size} others. Repair the VM.`);
      above.add(on);
      this.place(on);
      const facts = this.folder.look(on, this.descriptor());
      this.checkIdentity(facts);
      on = facts.on;
    }
    return { above: [...above], on };
  }

  private openFile(id: LayerId, parent: Layer | undefined): Qcow2Image {
    const { files, codec } = this.folder.host;
    const image = new Qcow2Image(files, codec, this.folder.layerPath(id), { writable: false });
    image.attachParent(parent);
    return image;
  }

  /** The file is the layer that its name says, and lies on the state that it was made on. */
  private checkIdentity({ id, carries, on, parentId }: LayerFacts): void {
    const path = this.folder.layerPath(id);
    const wrong = (problem: string) => new DiskFormatError('DISK_LAYER', path, `${problem}. A file was exchanged: repair the VM.`);
    if (on === id || (carries !== id && !this.isMerging(id, carries))) throw wrong(`the file is the layer ${carries}`);
    if (on === 'nothing' ? parentId === undefined : on === parentId) return;
    if (on !== 'base') throw wrong(`it was made on ${parentId ?? 'nothing'}, and lies on ${on}`);
    const { content, becoming } = this.descriptor().base!;
    // A layer that was, or is being, committed into the base hides all that it changed there.
    const fits = becoming === undefined ? content === parentId || content === id : becoming === id;
    if (!fits) throw wrong(`it was made on ${parentId ?? 'nothing'}, and the base is ${becoming ?? content}`);
  }

  /** Does the layer that was committed into this file, which has its identity already, still lie on it under its own name? */
  private isMerging(id: LayerId, carries: LayerId): boolean {
    return this.folder.has(carries) && this.folder.look(carries, this.descriptor()).on === id;
  }

  private base(): Layer {
    return (this.openBase ??= this.openBaseFile());
  }

  private openBaseFile(): Layer {
    const { base } = this.descriptor();
    if (base === undefined) throw new ConfigError('DISK_BASE', `${this.folder.descriptorPath} names no base. Repair the VM.`);
    const host = base.kind === 'own' ? this.folder.host : keeping(this.folder.host);
    if (base.source !== undefined) {
      const source = new DiskFolder(host, this.folder.pathOf(base.source.folder), base.source.disk);
      const descriptor = source.read();
      this.source = new OpenLayers(source, () => descriptor);
      return this.source.open(this.source.place(base.content));
    }
    const path = this.folder.pathOf(base.path);
    const file =
      base.format === 'raw'
        ? new RawImage(host.files, path, false)
        : openDisk(host, path, { format: 'qcow2', writable: false, allow: { files: base.allow ?? [] } });
    try {
      this.checkLength(file);
      return file;
    } catch (error) {
      file[Symbol.dispose]();
      throw error;
    }
  }

  /** A raw base that was cut reads as zeroes where it ends: only the descriptor knows how long it was. */
  private checkLength({ path, sizeBytes }: Layer): void {
    const { base, top, sizeBytes: known } = this.descriptor();
    const was = base!.seen && base!.format === 'raw' ? base!.seen.sizeBytes : top === 'base' ? known : 0;
    if (sizeBytes >= was) return;
    throw new DiskFormatError(
      'DISK_CUT',
      path,
      `the base disk has ${sizeBytes} bytes, and had ${was} when ${this.folder.disk} was last used: a part of it is missing. Restore the file from a backup.`,
    );
  }
}

/** Closes a file, but not its parents. */
export function closeAlone(layer: Layer | undefined): void {
  if (layer instanceof Qcow2Image) layer.attachParent(undefined);
  layer?.[Symbol.dispose]();
}
