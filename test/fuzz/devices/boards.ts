/** What is plugged into the machines under test. Cases take them in turn. */
import type { AttachedDrive } from '#engine/machine/machine.ts';
import type { DriveShape } from './fuzz-drive.ts';

type Interface = AttachedDrive['interface'];
export type Fitting =
  | { readonly interface: Interface; readonly media: 'disk'; readonly shape: DriveShape }
  | { readonly interface: Interface; readonly media: 'cdrom'; readonly name: string };
export type Board = readonly Fitting[];

const MIB = 1 << 20;
const GIB = 2 ** 30;
const disk = (kind: Interface, name: string, sizeBytes: number, more: Partial<DriveShape> = {}): Fitting => ({
  interface: kind,
  media: 'disk',
  shape: { name, sizeBytes, ...more },
});
const cdrom = (kind: Interface, name: string): Fitting => ({ interface: kind, media: 'cdrom', name });

/** What is put into CD-ROM drives: nothing, a CD, a DVD, another CD, less than a block. */
export const DISCS = [0, 600 * MIB, 5 * GIB, 600 * MIB, 512] as const;

export const BOARDS: readonly Board[] = [
  [
    disk('ide', 'ide0', 64 * MIB),
    cdrom('ide', 'ide1'),
    disk('ide', 'ide2', 3072 * GIB, { writeThrough: true }),
    cdrom('ide', 'ide3'),
    disk('scsi', 'scsi0', 16 * MIB),
    disk('scsi', 'scsi1', 3072 * GIB, { readOnly: true }),
    cdrom('scsi', 'scsi2'),
    disk('virtio', 'virtio0', GIB),
    disk('virtio', 'virtio1', 8 * MIB, { readOnly: true }),
  ],
  // Channels with one device and with none.
  [disk('ide', 'ide0', 8 * MIB), disk('scsi', 'scsi0', GIB, { writeThrough: true }), cdrom('scsi', 'scsi1'), cdrom('scsi', 'scsi2')],
  [
    cdrom('ide', 'ide0'),
    disk('ide', 'ide1', 16 * MIB),
    disk('ide', 'ide2', GIB),
    disk('virtio', 'virtio0', 64 * MIB, { writeThrough: true }),
  ],
];

/** Where something ends: in blocks of disks and discs, and of 28 and 32 bits. */
export const ENDS: readonly number[] = [
  ...[8 * MIB, 16 * MIB, 64 * MIB, GIB, 3072 * GIB].map(bytes => bytes / 512),
  ...[600 * MIB, 5 * GIB].map(bytes => bytes / 2048),
  ...[2 ** 28, 2 ** 32],
];
