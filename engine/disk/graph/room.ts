/** Copies that only make chains shorter leave room for what the guest and its checkpoints write. */
import { StorageError } from '../../errors/errors.ts';
import type { LayerId } from './descriptor.ts';
import type { VirtualDiskFiles } from './virtual-disk-files.ts';

/** What stays free on the host's disk. */
const LEFT_BYTES = 256 << 20;

/** Throws StorageError DISK_FULL when a copy of what the layers below `upper` down to `lowest` say would take what the VM may need. */
export function requireRoom({ folder, layers }: VirtualDiskFiles, upper: LayerId, lowest: LayerId): void {
  const { files } = folder.host;
  const bytes = layers.openRun(upper, lowest).run.reduce((sum, { path }) => sum + files.stat(path).sizeBytes, 0);
  const free = files.freeBytes(folder.folder);
  if (free >= bytes + LEFT_BYTES) return;
  const mib = (count: number) => Math.ceil(count / 2 ** 20);
  throw new StorageError(
    'DISK_FULL',
    `${folder.folder} has ${mib(free)} MiB of room, and ${folder.disk} needs ${mib(bytes + LEFT_BYTES)} MiB for a shorter chain of files.`,
  );
}
