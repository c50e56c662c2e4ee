/** A disk that is one image, as it lies, for reading only: a CD-ROM, or a disk that several VMs share. Checkpoints have no part in it. */
import type { Layer } from '#engine/disk/block.ts';
import { keeping, openDisk, type DiskHost } from '#engine/disk/open.ts';
import { policyFor } from '#engine/disk/paths.ts';
import { InvariantError } from '#engine/errors/errors.ts';
import type { DiskSource } from './disk-protocol.ts';
import type { DiskBacking } from './served-disk.ts';

export class ImageBacking implements DiskBacking {
  readonly top: Layer;
  readonly inCheckpoints = false;

  constructor(host: DiskHost, { path, format, allow }: DiskSource & { kind: 'image' }) {
    this.top = openDisk(keeping(host), path, { format, writable: false, allow: policyFor(host.files, path, allow) });
  }

  switchTop(): Layer {
    throw new InvariantError(`${this.top.path} is only read: no checkpoint switches it.`);
  }

  flush(): void {}

  close(): void {
    this[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.top[Symbol.dispose]();
  }
}
