/** The rules of a VM's disks in the form: what a file's name tells, what a CD-ROM can be, and what checkpoints forbid to change. */
import type { Checkpoint, VmDisk } from '../../main/ipc/contract.ts';

export const NEW_DISK: VmDisk = {
  path: '',
  format: 'qcow2',
  interface: 'virtio',
  media: 'disk',
  readonly: false,
  cache: 'writeback',
  writeBase: false,
};

/** A disk with another file. What its name tells is taken over, and stays the user's to change. */
export function withPath(disk: VmDisk, path: string): VmDisk {
  const suffix = /\.([a-z0-9]+)$/i.exec(path)?.[1]?.toLowerCase();
  if (suffix === 'iso') return withMedia({ ...disk, path, format: 'raw' }, 'cdrom');
  if (suffix === 'raw' || suffix === 'img') return { ...disk, path, format: 'raw' };
  if (suffix === 'qcow2') return { ...disk, path, format: 'qcow2' };
  return { ...disk, path };
}

/** A CD-ROM is never written, virtio has none, and discs are seldom anything but raw. */
export function withMedia(disk: VmDisk, media: VmDisk['media']): VmDisk {
  if (media === disk.media) return disk;
  if (media === 'disk') return { ...disk, media, readonly: false };
  const kind = disk.interface === 'virtio' ? 'ide' : disk.interface;
  return { ...disk, media, format: disk.path === '' ? 'raw' : disk.format, readonly: true, writeBase: false, interface: kind };
}

/** A CD-ROM drive is there also without a disc; at virtio there are only disks. */
export const canBeEmpty = ({ media, interface: kind }: VmDisk): boolean => media === 'cdrom' && kind !== 'virtio';

/** The last part of a path, of any system. */
export const fileName = (path: string): string => path.split(/[\\/]/).at(-1) || path;

/** So many disks, from the first on, must stay what and where they are: checkpoints hold them by their place. */
export function heldDisks(checkpoints: readonly Checkpoint[]): number {
  const held = checkpoints.flatMap(({ disks }) => disks.map(({ disk }) => Number(/^disk([0-9]+)$/.exec(disk)?.[1] ?? -1) + 1));
  return Math.max(0, ...held);
}

/** Files that guests will write and that they have not been allowed to write before. */
export function newlyWritten(before: readonly VmDisk[], after: readonly VmDisk[]): string[] {
  const allowed = new Set(before.filter(({ writeBase }) => writeBase).map(({ path }) => path));
  return after.filter(({ path, writeBase }) => writeBase && !allowed.has(path)).map(({ path }) => path);
}
