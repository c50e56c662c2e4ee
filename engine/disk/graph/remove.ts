/** A virtual disk goes for good. The user's own file, if it was attached, stays. */
import type { DiskFolder } from './disk-folder.ts';

/** The descriptor first: what a crash leaves behind is no disk, and doing it again removes the rest. */
export function removeDisk(folder: DiskFolder): void {
  folder.remove(folder.descriptorPath);
  folder.remove(...folder.names().map(name => `${folder.folder}/${name}`));
}
