/** The rules of a VM's disks in the form: what a file's name tells, what a CD-ROM can be, and what checkpoints forbid to change. */
import type { Checkpoint, VmDisk } from '../../main/ipc/contract.ts';

export const NEW_DISK: VmDisk = {
  path: '',
  interface: 'virtio',
  media: 'disk',
  readonly: false,
  cache: 'writeback',
  writeBase: false,
};

/** A disk with another file. An ISO is a CD-ROM, which stays the user's to change. */
export function withPath(disk: VmDisk, path: string): VmDisk {
  const suffix = /\.([a-z0-9]+)$/i.exec(path)?.[1]?.toLowerCase();
  return suffix === 'iso' ? withMedia({ ...disk, path }, 'cdrom') : { ...disk, path };
}

/** A CD-ROM is never written, and virtio has none. */
export function withMedia(disk: VmDisk, media: VmDisk['media']): VmDisk {
  if (media === disk.media) return disk;
  if (media === 'disk') return { ...disk, media, readonly: false };
  const kind = disk.interface === 'virtio' ? 'ide' : disk.interface;
  return { ...disk, media, readonly: true, writeBase: false, interface: kind };
}

/** A disk of another format; `named`: what name and contents say together. */
export function withFormat(disk: VmDisk, format: FormatChoice): VmDisk {
  const { format: _, ...named } = disk;
  return format === 'named' ? named : { ...disk, format };
}

export type FormatChoice = NonNullable<VmDisk['format']> | 'named';

/** A disk whose backing files may also lie at `path`, in place of the first that was allowed; '': nowhere else. */
export function withAllowed({ allow = [], ...disk }: VmDisk, path: string): VmDisk {
  const allowed = [...(path === '' ? [] : [path]), ...allow.slice(1)];
  return allowed.length === 0 ? disk : { ...disk, allow: allowed };
}

/** A CD-ROM drive is there also without a disc; at virtio there are only disks. */
export const canBeEmpty = ({ media, interface: kind }: VmDisk): boolean => media === 'cdrom' && kind !== 'virtio';

/** Raw disks stand alone. */
export const mayHaveBacking = ({ path, format }: VmDisk): boolean => format === 'qcow2' || (format === undefined && /\.qcow2$/i.test(path));

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
