/** A checkpoint volume on a disk in memory, with as many processes on it as a test wants. */
import { makeVolume } from '#engine/checkpoint/volume/make.ts';
import type { Use, VolumeHost, VolumeUses } from '#engine/checkpoint/volume/ports.ts';
import { Volume } from '#engine/checkpoint/volume/volume.ts';
import { VolumeFolder } from '#engine/checkpoint/volume/volume-folder.ts';
import { withFolder } from '#engine/checkpoint/volume/directory.ts';
import type { HostFiles } from '#engine/ports/host-files.ts';
import { nodeCodec } from '#worker/node-codec.ts';
import { MemoryFiles } from './memory-files.ts';

export const VOLUME = '/stores/volume';

/** One host's: a process that dies takes its own along. */
export class MemoryUses implements VolumeUses {
  readonly uses = new Set<Use>();

  exclusively<T>(_volume: string, work: () => T): T {
    return work();
  }
  hold(_volume: string, use: Use): Disposable {
    this.uses.add(use);
    return { [Symbol.dispose]: () => void this.uses.delete(use) };
  }
  held(): Use[] {
    return [...this.uses];
  }
}

export function volumeHost(files: HostFiles, uses: VolumeUses = new MemoryUses()): VolumeHost {
  return { openRead: path => files.openRead(path), openWrite: path => files.openWrite(path), checksum: nodeCodec.checksum, uses };
}

/** The file of a new volume, filled with what was on the disk before. */
export function putVolume(files: MemoryFiles, sizeBytes: number): void {
  files.put(VOLUME, new Uint8Array(sizeBytes).fill(0xdd));
  using device = files.openWrite(VOLUME);
  makeVolume(device, sizeBytes, new Uint8Array(16).fill(7), nodeCodec.checksum);
}

/** Another process: it shares nothing with others but the disk, and who uses what. */
export function openVolume(files: HostFiles, uses?: VolumeUses): Volume {
  return new Volume(volumeHost(files, uses), VOLUME);
}

/** A folder of it, made when it is not there. */
export function folderIn(volume: Volume, name = 'a.checkpoints'): VolumeFolder {
  volume.change(directory => (directory.has(name) ? directory : withFolder(directory, name, new Map())));
  return new VolumeFolder(volume, name);
}
