/**
 * The devices that the configuration puts on the PCI bus, each in its slot (the table is in pc.ts). A slot does not depend on which other
 * devices there are: a guest finds its disks where they were.
 */
import type { GuestMemory, IrqLine, PortBus, Timers } from '../devices/device.ts';
import type { Drive } from '../devices/drive.ts';
import { AtapiDrive } from '../devices/ide/atapi-drive.ts';
import { Ide, type IdeDevice, type IdePlace, IdeState } from '../devices/ide/ide.ts';
import type { PciBus } from '../devices/pci-function.ts';
import type { Pci } from '../devices/pci.ts';
import { ScsiCdrom } from '../devices/scsi/cdrom.ts';
import { ScsiDisk } from '../devices/scsi/disk.ts';
import { type BalloonPorts, VirtioBalloon, VirtioBalloonState } from '../devices/virtio/balloon.ts';
import { VirtioBlock, VirtioBlockState } from '../devices/virtio/block.ts';
import { type RandomSource, VirtioRng, VirtioRngState } from '../devices/virtio/rng.ts';
import { VirtioScsi } from '../devices/virtio/scsi.ts';
import { ConfigError } from '../errors/errors.ts';
import type { AttachedDrive, MachineConfig, SavedDevice } from './machine.ts';
import type { StatefulDevice } from './saved-machine.ts';

export const RNG_SLOT = 2;
const BALLOON_SLOT = 3;
const SCSI_SLOT = 4;
const FIRST_BLOCK_SLOT = 5;
const SLOTS = 32;
/** How many drives each interface takes. */
const MOST = { ide: 4, scsi: 256, virtio: SLOTS - FIRST_BLOCK_SLOT } as const;

export interface PciParts {
  readonly bus: PciBus & Pick<Pci, 'isPlugged'>;
  readonly ports: PortBus;
  readonly memory: GuestMemory;
  readonly time: Timers;
  /** A new driver of an ISA interrupt line. */
  readonly line: (irq: number) => IrqLine;
  readonly releasePages: BalloonPorts['releasePages'];
  readonly random: RandomSource;
}

export interface PciDevices {
  /** In the order in which their states are loaded. */
  readonly devices: readonly StatefulDevice[];
  /** Not in its slot where the configuration, or a saved machine, has none. */
  readonly rng: VirtioRng;
  readonly balloon: VirtioBalloon | undefined;
  readonly cdroms: readonly CdromDrive[];
}

export interface CdromDrive {
  readonly disk: string;
  readonly unit: ScsiCdrom;
  insert(medium: Drive | undefined): void;
}

/** The states of one interface's devices, and the CD-ROM drives among them. */
interface Plugged {
  readonly devices: readonly StatefulDevice[];
  readonly cdroms: readonly CdromDrive[];
}
const NOTHING: Plugged = { devices: [], cdroms: [] };

export function pciDevices(parts: PciParts, { drives, balloon: wanted }: Pick<MachineConfig, 'drives' | 'balloon'>): PciDevices {
  const { bus, memory, time } = parts;
  const rng = new VirtioRng({ bus, memory, time, slot: RNG_SLOT, isOptional: true }, parts.random);
  const balloon = wanted ? new VirtioBalloon({ ...parts, slot: BALLOON_SLOT }, parts) : undefined;
  const ide = ideDevices(parts, drivesBy(drives, 'ide'));
  const scsi = scsiHost(parts, drivesBy(drives, 'scsi'));
  const devices = [
    {
      name: 'virtio-rng',
      definition: VirtioRngState,
      device: rng,
      optional: { isIn: hasRng, loadNothing: () => rng.reset() },
      isThere: () => bus.isPlugged(RNG_SLOT),
    },
    ...(balloon ? [{ name: 'virtio-balloon', definition: VirtioBalloonState, device: balloon }] : []),
    ...ide.devices,
    ...scsi.devices,
    ...blockDevices(parts, drivesBy(drives, 'virtio')),
  ];
  return { devices, rng, balloon, cdroms: [...ide.cdroms, ...scsi.cdroms] };
}

/** By the functions of the saved bus. What is wrong with that is its own affair. */
function hasRng(saved: ReadonlyMap<string, SavedDevice>): boolean {
  const { functions } = (saved.get('pci')?.state ?? {}) as { functions?: Record<string, unknown> };
  return functions?.['02.0'] !== undefined;
}

function drivesBy(drives: readonly AttachedDrive[], kind: AttachedDrive['interface']) {
  const chosen = drives.filter(each => each.interface === kind);
  if (chosen.length > MOST[kind])
    throw new ConfigError('TOO_MANY_DISKS', `A machine can have ${MOST[kind]} ${kind} disks, but ${chosen.length} were asked for.`);
  return chosen;
}

/** Primary device 0 and 1, secondary device 0 and 1, in the order of the configuration; the channels before what hangs on them. */
function ideDevices(parts: PciParts, drives: readonly AttachedDrive[]): Plugged {
  if (drives.length === 0) return NOTHING;
  const plugged = drives.map((attached, i): [IdePlace, IdeDevice] => [
    i as IdePlace,
    attached.media === 'disk'
      ? { kind: 'disk', drive: attached.drive }
      : { kind: 'cdrom', serial: attached.serial, medium: attached.drive },
  ]);
  const { bus, ports, memory, time, line } = parts;
  const ide = new Ide({ pci: bus, ports, memory, time, irq14: line(14), irq15: line(15) }, new Map(plugged));
  const cdroms = ide.devices.flatMap(({ device }, i): CdromDrive[] => {
    const attached = drives[i]!;
    if (attached.media === 'disk' || !(device instanceof AtapiDrive)) return [];
    return [{ disk: attached.name, unit: device.unit, insert: medium => device.insert(medium) }];
  });
  return { devices: [{ name: 'ide', definition: IdeState, device: ide }, ...ide.devices], cdroms };
}

/** One host; each drive is a target of its own. */
function scsiHost({ bus, memory, time }: PciParts, drives: readonly AttachedDrive[]): Plugged {
  if (drives.length === 0) return NOTHING;
  const cdroms: CdromDrive[] = [];
  const units = drives.map((attached, target) => {
    const address = { target, lun: 0 };
    if (attached.media === 'disk') return [address, new ScsiDisk(attached.drive)] as const;
    const unit = new ScsiCdrom(attached.serial, attached.drive);
    cdroms.push({ disk: attached.name, unit, insert: medium => unit.insert(medium) });
    return [address, unit] as const;
  });
  const device = new VirtioScsi({ bus, memory, time, slot: SCSI_SLOT }, units);
  return { devices: [{ name: 'virtio-scsi', definition: device.definition, device }], cdroms };
}

function blockDevices({ bus, memory, time }: PciParts, drives: readonly AttachedDrive[]): StatefulDevice[] {
  return drives.map(({ drive }, i) => {
    if (drive === undefined)
      throw new ConfigError(
        'VIRTIO_CDROM',
        'A virtio block device is no drive that can be empty: give a CD-ROM the interface ide or scsi.',
      );
    return {
      name: `virtio-blk-${i}`,
      definition: VirtioBlockState,
      device: new VirtioBlock({ bus, memory, time, slot: FIRST_BLOCK_SLOT + i }, drive),
    };
  });
}
