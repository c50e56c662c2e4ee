/**
 * The devices that the configuration puts on the PCI bus, each in its slot (the table is in pc.ts). A slot does not depend on which other
 * devices there are: a guest finds its disks where they were.
 */
import type { GuestMemory, IrqLine, PortBus, Timers } from '../devices/device.ts';
import { Ide, type IdeDevice, type IdePlace, IdeState } from '../devices/ide/ide.ts';
import type { PciBus } from '../devices/pci-function.ts';
import { ScsiCdrom } from '../devices/scsi/cdrom.ts';
import { ScsiDisk } from '../devices/scsi/disk.ts';
import { type BalloonPorts, VirtioBalloon, VirtioBalloonState } from '../devices/virtio/balloon.ts';
import { VirtioBlock, VirtioBlockState } from '../devices/virtio/block.ts';
import { VirtioScsi } from '../devices/virtio/scsi.ts';
import { ConfigError } from '../errors/errors.ts';
import type { AttachedDrive, MachineConfig } from './machine.ts';
import type { StatefulDevice } from './saved-machine.ts';

const BALLOON_SLOT = 3;
const SCSI_SLOT = 4;
const FIRST_BLOCK_SLOT = 5;
const SLOTS = 32;
/** How many drives each interface takes. */
const MOST = { ide: 4, scsi: 256, virtio: SLOTS - FIRST_BLOCK_SLOT } as const;

export interface PciParts {
  readonly bus: PciBus;
  readonly ports: PortBus;
  readonly memory: GuestMemory;
  readonly time: Timers;
  /** A new driver of an ISA interrupt line. */
  readonly line: (irq: number) => IrqLine;
  readonly releasePages: BalloonPorts['releasePages'];
}

export interface PciDevices {
  /** In the order in which their states are loaded. */
  readonly devices: readonly StatefulDevice[];
  readonly balloon: VirtioBalloon | undefined;
}

export function pciDevices(parts: PciParts, { drives, balloon: wanted }: Pick<MachineConfig, 'drives' | 'balloon'>): PciDevices {
  const balloon = wanted ? new VirtioBalloon({ ...parts, slot: BALLOON_SLOT }, parts) : undefined;
  const devices = [
    ...(balloon ? [{ name: 'virtio-balloon', definition: VirtioBalloonState, device: balloon }] : []),
    ...ideDevices(parts, drivesBy(drives, 'ide')),
    ...scsiHost(parts, drivesBy(drives, 'scsi')),
    ...blockDevices(parts, drivesBy(drives, 'virtio')),
  ];
  return { devices, balloon };
}

function drivesBy(drives: readonly AttachedDrive[], kind: AttachedDrive['interface']) {
  const chosen = drives.filter(each => each.interface === kind);
  if (chosen.length > MOST[kind])
    throw new ConfigError('TOO_MANY_DISKS', `A machine can have ${MOST[kind]} ${kind} disks, but ${chosen.length} were asked for.`);
  return chosen;
}

/** Primary device 0 and 1, secondary device 0 and 1, in the order of the configuration; the channels before what hangs on them. */
function ideDevices(parts: PciParts, drives: readonly AttachedDrive[]): StatefulDevice[] {
  if (drives.length === 0) return [];
  const plugged = drives.map(({ media, drive }, i): [IdePlace, IdeDevice] => [
    i as IdePlace,
    media === 'disk' ? { kind: 'disk', drive } : { kind: 'cdrom', serial: drive.serial, medium: drive },
  ]);
  const { bus, ports, memory, time, line } = parts;
  const ide = new Ide({ pci: bus, ports, memory, time, irq14: line(14), irq15: line(15) }, new Map(plugged));
  return [{ name: 'ide', definition: IdeState, device: ide }, ...ide.devices];
}

/** One host; each drive is a target of its own. */
function scsiHost({ bus, memory, time }: PciParts, drives: readonly AttachedDrive[]): StatefulDevice[] {
  if (drives.length === 0) return [];
  const units = drives.map(({ media, drive }, target) => {
    const unit = media === 'disk' ? new ScsiDisk(drive) : new ScsiCdrom(drive.serial, drive);
    return [{ target, lun: 0 }, unit] as const;
  });
  const device = new VirtioScsi({ bus, memory, time, slot: SCSI_SLOT }, units);
  return [{ name: 'virtio-scsi', definition: device.definition, device }];
}

function blockDevices({ bus, memory, time }: PciParts, drives: readonly AttachedDrive[]): StatefulDevice[] {
  return drives.map(({ drive }, i) => ({
    name: `virtio-blk-${i}`,
    definition: VirtioBlockState,
    device: new VirtioBlock({ bus, memory, time, slot: FIRST_BLOCK_SLOT + i }, drive),
  }));
}
