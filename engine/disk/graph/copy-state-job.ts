/**
 * A state gets another file: the copy of the base that checkpoints lie on (METHOD.md 830, fig. 5A), or a new base of the disk's own. The host's storage
 * does the copy where it can (reflink); else what is not zero is copied. The file is written aside, and gets its name when it is whole.
 */
import { ConfigError } from '../../errors/errors.ts';
import type { Layer } from '../block.ts';
import { CopyJob } from '../copy-job.ts';
import { clustersThatDo } from '../qcow2/cluster-size.ts';
import { createQcow2 } from '../qcow2/create.ts';
import { idBytes, type Identity } from '../qcow2/identity.ts';
import { Qcow2Image } from '../qcow2/image.ts';
import type { LayerId } from './descriptor.ts';
import { progressOf, type DiskJob, type JobProgress } from './job.ts';
import type { GraphHost } from './disk-folder.ts';
import { closeAlone } from './open-layers.ts';
import type { VirtualDiskFiles } from './virtual-disk-files.ts';

/** A new file without a parent that reads as `source` does. Until it is finished nothing may rely on it. */
export class FlatCopy implements Disposable {
  private readonly target: Qcow2Image;
  /** undefined: the storage has copied all. */
  private readonly copy: CopyJob | undefined;

  /** `path` is replaced. */
  constructor(host: GraphHost, source: Layer, path: string, identity: Identity, clusterBytes: number) {
    const { files, codec } = host;
    files.remove(path);
    const cloned = cloneFile(host, source, path, identity);
    if (!cloned)
      createQcow2(files, codec, path, {
        sizeBytes: source.sizeBytes,
        clusterBytes: clustersThatDo(clusterBytes, source.sizeBytes),
        identity: { id: idBytes(identity.id) },
      });
    this.target = new Qcow2Image(files, codec, path, { writable: true });
    if (!cloned) this.copy = CopyJob.convert(source, this.target);
  }

  get progress(): JobProgress {
    return progressOf(this.copy);
  }

  /** True when the file is whole and durable. */
  step(bytes: number): boolean {
    this.copy?.step(bytes);
    if (this.copy?.finished === false) return false;
    this.target.settle();
    this.target.file.sync();
    return true;
  }

  [Symbol.dispose](): void {
    closeAlone(this.target);
  }
}

/** Only an image that is whole by itself can be taken as it is. */
function cloneFile({ files, codec }: GraphHost, source: Layer, path: string, identity: Identity): boolean {
  if (!(source instanceof Qcow2Image) || source.parent !== undefined || source.header.backing !== undefined) return false;
  if (!files.clone(source.path, path)) return false;
  try {
    using image = new Qcow2Image(files, codec, path, { writable: true });
    image.setIdentity(identity);
    return true;
  } catch (error) {
    files.remove(path);
    // Somebody else's image may have no room in its header.
    if (error instanceof ConfigError) return false;
    throw error;
  }
}

/** The base's state gets a layer's file of its own. */
export class CopyBaseJob implements DiskJob {
  private readonly disk: VirtualDiskFiles;
  private readonly path: string;
  private readonly copy: FlatCopy;

  constructor(disk: VirtualDiskFiles, state: LayerId) {
    this.disk = disk;
    this.path = disk.folder.layerPath(state);
    const { clusterBytes } = disk.descriptor;
    const identity = { id: state, parentId: undefined };
    this.copy = new FlatCopy(disk.folder.host, disk.layers.open('base'), `${this.path}.new`, identity, clusterBytes);
  }

  get progress(): JobProgress {
    return this.copy.progress;
  }

  step(bytes: number): boolean {
    if (!this.copy.step(bytes)) return false;
    const { files } = this.disk.folder.host;
    files.rename(`${this.path}.new`, this.path);
    files.syncFolder(this.disk.folder.folder);
    return true;
  }

  [Symbol.dispose](): void {
    this.copy[Symbol.dispose]();
  }
}

/** A base of the disk's own takes the place of the one before, on which nothing lies. */
export class NewBaseJob implements DiskJob {
  private readonly disk: VirtualDiskFiles;
  private readonly state: LayerId;
  private readonly name: string;
  private readonly copy: FlatCopy;

  constructor(disk: VirtualDiskFiles, state: LayerId) {
    this.disk = disk;
    this.state = state;
    const { folder, descriptor } = disk;
    this.name = `${folder.disk}.base.${folder.host.newLayerId()}.qcow2`;
    const identity = { id: state, parentId: undefined };
    this.copy = new FlatCopy(folder.host, disk.openState(state), `${folder.folder}/${this.name}`, identity, descriptor.clusterBytes);
  }

  get progress(): JobProgress {
    return this.copy.progress;
  }

  step(bytes: number): boolean {
    if (!this.copy.step(bytes)) return false;
    const { disk } = this;
    disk.folder.host.files.syncFolder(disk.folder.folder);
    disk.changeBase({ path: this.name, format: 'qcow2', kind: 'own', content: this.state });
    disk.layers.close('base');
    return true;
  }

  [Symbol.dispose](): void {
    this.copy[Symbol.dispose]();
  }
}
