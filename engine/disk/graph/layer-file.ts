/** New files of a disk. */
import { ConfigError } from '../../errors/errors.ts';
import { isChainFormat, refuseEmpty, type Layer } from '../block.ts';
import { clustersThatDo } from '../qcow2/cluster-size.ts';
import { createQcow2 } from '../qcow2/create.ts';
import { idBytes } from '../qcow2/identity.ts';
import type { LayerId } from './descriptor.ts';
import type { DiskFolder } from './disk-folder.ts';

export interface NewLayer {
  /** What it lies on, of which nothing is written from now on. */
  readonly parent: Layer;
  readonly parentId: LayerId;
  /** The parent's file as the new file is to call it. */
  readonly parentName: string;
  readonly clusterBytes: number;
}

/** An empty COW file, whole and durable. Nothing is left when it fails. */
export function createLayer(folder: DiskFolder, id: LayerId, { parent, parentId, parentName, clusterBytes }: NewLayer): void {
  refuseEmpty(parent);
  const { format } = parent;
  if (!isChainFormat(format))
    throw new ConfigError(
      'DISK_BACKING_FORMAT',
      `${parent.path} is a ${format} image, and only raw and qcow2 can be base disks: convert it first.`,
    );
  createQcow2(folder.host.files, folder.host.codec, folder.layerPath(id), {
    sizeBytes: parent.sizeBytes,
    clusterBytes: clustersThatDo(clusterBytes, parent.sizeBytes),
    backing: { name: parentName, format },
    identity: { id: idBytes(id), parentId: idBytes(parentId) },
  });
}
