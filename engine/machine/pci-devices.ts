/**
 * The devices that the configuration puts on the PCI bus, each in its slot (the table is in pc.ts). A slot does not depend on which other
 * devices there are: a guest finds its disks where they were.
 */
import type { GuestMemory, Timers } from '../devices/device.ts';
import type { PciBus } from '../devices/pci-function.ts';
import { type BalloonPorts, VirtioBalloon, VirtioBalloonState } from '../devices/virtio/balloon.ts';
import { VirtioBlock, VirtioBlockState } from '../devices/virtio/block.ts';
import { ConfigError } from '../errors/errors.ts';
import type { AttachedDrive, MachineConfig } from './machine.ts';
import type { StatefulDevice } from './saved-machine.ts';

const BALLOON_SLOT = 3;
const FIRST_BLOCK_SLOT = 5;
const SLOTS = 32;

export interface PciParts {
  readonly bus: PciBus;
  readonly memory: GuestMemory;
  readonly time: Timers;
  readonly releasePages: BalloonPorts['releasePages'];
}

export interface PciDevices {
  /** In the order in which their states are loaded. */
  readonly devices: readonly StatefulDevice[];
  readonly balloon: VirtioBalloon | undefined;
}

export function pciDevices(parts: PciParts, { drives, balloon: wanted }: Pick<MachineConfig, 'drives' | 'balloon'>): PciDevices {
  const unserved = drives.find(({ interface: kind }) => kind !== 'virtio');
  if (unserved)
    throw new ConfigError('DISK_INTERFACE', `The disk ${unserved.drive.name} cannot be attached by ${unserved.interface}: choose virtio.`);
  const balloon = wanted ? new VirtioBalloon({ ...parts, slot: BALLOON_SLOT }, parts) : undefined;
  const stateful = balloon ? [{ name: 'virtio-balloon', definition: VirtioBalloonState, device: balloon }] : [];
  return { devices: [...stateful, ...blockDevices(parts, drives)], balloon };
}

function blockDevices(parts: PciParts, drives: readonly AttachedDrive[]): StatefulDevice[] {
  const most = SLOTS - FIRST_BLOCK_SLOT;
  if (drives.length > most)
    throw new ConfigError('TOO_MANY_DISKS', `A machine can have ${most} virtio disks, but ${drives.length} were asked for.`);
  return drives.map(({ drive }, i) => ({
    name: `virtio-blk-${i}`,
    definition: VirtioBlockState,
    device: new VirtioBlock({ ...parts, slot: FIRST_BLOCK_SLOT + i }, drive),
  }));
}
