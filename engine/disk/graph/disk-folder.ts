/**
 * The files of one virtual disk in the bundle's folder of disks: `disk0.json`, layers `disk0.<layer id>.qcow2`, their checksums `disk0.<layer id>.sum`,
 * and the base when it is the disk's own. Several disks share the folder; a file belongs to the disk that its name begins with.
 */
import { ConfigError, DiskFormatError } from '../../errors/errors.ts';
import type { DiskHost } from '../open.ts';
import { backingPath, folderOf, normalise } from '../paths.ts';
import { readHeader } from '../qcow2/header.ts';
import { identityOf } from '../qcow2/identity.ts';
import { isDiskKey, isLayerId, readDescriptor, writeDescriptor, type DiskDescriptor, type LayerId } from './descriptor.ts';

export interface GraphHost extends DiskHost {
  /** 32 random hexadecimal digits. */
  newLayerId(): LayerId;
  /** CRC-32 as in zlib. */
  checksum(bytes: Uint8Array): number;
}

/** What a layer's file says of itself, without its tables. */
export interface LayerFacts {
  readonly id: LayerId;
  readonly parentId: LayerId | undefined;
  /** Whose file its backing name leads to. `nothing`: it is a root. */
  readonly on: LayerId | 'base' | 'nothing';
  /** The identity in the file: another than its name's only where a merge stopped just before its last step. */
  readonly carries: LayerId;
  readonly fileBytes: number;
  readonly sizeBytes: number;
}

export class DiskFolder {
  readonly host: GraphHost;
  readonly folder: string;
  readonly disk: string;

  constructor(host: GraphHost, folder: string, disk: string) {
    if (!isDiskKey(disk)) throw new ConfigError('DISK_NAME', `“${String(disk).slice(0, 40)}” is not the name of a disk: disk0, disk1…`);
    this.host = host;
    this.folder = normalise(folder);
    this.disk = disk;
  }

  get descriptorPath(): string {
    return `${this.folder}/${this.disk}.json`;
  }

  /** The name that stands in the files above it. */
  layerName(id: LayerId): string {
    return `${this.disk}.${id}.qcow2`;
  }

  layerPath(id: LayerId): string {
    return `${this.folder}/${this.layerName(id)}`;
  }

  sumPath(id: LayerId): string {
    return `${this.folder}/${this.disk}.${id}.sum`;
  }

  /** A path as it stands in the descriptor. */
  pathOf(named: string): string {
    return /^(?:[/\\]|[A-Za-z]:[/\\])/.test(named) ? named : normalise(`${this.folder}/${named}`);
  }

  read(): DiskDescriptor {
    const descriptor = readDescriptor(this.host.files, this.descriptorPath);
    if (descriptor.disk !== this.disk)
      throw new ConfigError('DISK_DESCRIPTOR', `${this.descriptorPath} is the descriptor of ${descriptor.disk}. Repair the VM.`);
    return descriptor;
  }

  write(descriptor: DiskDescriptor): void {
    writeDescriptor(this.host.files, this.descriptorPath, descriptor);
  }

  /** Names of the disk's files, the descriptor's own among them. */
  names(): string[] {
    return this.host.files.list(this.folder).filter(name => name.startsWith(`${this.disk}.`));
  }

  /** `names`: of names(), where they are known. */
  layerIds(names = this.names()): LayerId[] {
    return this.idsOf('.qcow2', names);
  }

  sumIds(names = this.names()): LayerId[] {
    return this.idsOf('.sum', names);
  }

  has(id: LayerId): boolean {
    return this.host.files.exists(this.layerPath(id));
  }

  /** Throws DiskFormatError when the file is no layer of this disk, ConfigError when its parent is no file of this disk. */
  look(id: LayerId, descriptor: DiskDescriptor): LayerFacts {
    const path = this.layerPath(id);
    using file = this.host.files.openRead(path);
    const header = readHeader(file);
    const identity = identityOf(header.extensions);
    if (identity === undefined) throw new DiskFormatError('DISK_LAYER', path, 'the file has no layer’s identity. Repair the VM.');
    return {
      id,
      parentId: identity.parentId,
      on: header.backing === undefined ? 'nothing' : this.fileBelow(path, header.backing, descriptor),
      carries: identity.id,
      fileBytes: file.size(),
      sizeBytes: header.sizeBytes,
    };
  }

  /** Removes files, and makes that durable. */
  remove(...paths: readonly string[]): void {
    for (const path of paths) this.host.files.remove(path);
    this.host.files.syncFolder(this.folder);
  }

  private fileBelow(path: string, name: string, { base }: DiskDescriptor): LayerId | 'base' {
    const below = backingPath(path, name);
    if (base !== undefined && below === this.pathOf(base.path)) return 'base';
    const id = folderOf(below) === folderOf(path) ? this.idIn(below.slice(folderOf(below).length + 1), '.qcow2') : undefined;
    if (id !== undefined) return id;
    throw new ConfigError(
      'DISK_BACKING_REFUSED',
      `${path} has the backing file ${below}, which is neither in its folder nor the base of ${this.disk}. Repair the VM.`,
    );
  }

  private idsOf(suffix: string, names: readonly string[]): LayerId[] {
    return names
      .map(name => this.idIn(name, suffix))
      .filter(id => id !== undefined)
      .toSorted();
  }

  private idIn(name: string, suffix: string): LayerId | undefined {
    const id = name.slice(this.disk.length + 1, -suffix.length);
    return name === `${this.disk}.${id}${suffix}` && isLayerId(id) ? id : undefined;
  }
}
