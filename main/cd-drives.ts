/** The CD-ROM drives of one VM that this process owns: which disc lies in each, what the guest does with their trays, and the change of a disc while it runs or is off. */
import { ConfigError } from '#engine/errors/errors.ts';
import type { TrayState } from '#engine/machine/machine.ts';
import type { Medium } from '#worker/disk-protocol.ts';
import { Bundle } from './bundle.ts';
import { formatOfDisk } from './image-format.ts';
import { cdromDrives, type CdromDrive, type Params, type VmConfig, type VmDisk } from './ipc/contract.ts';
import { problem } from './problem.ts';
import { diskName, type VmDisks } from './vm-disks.ts';
import type { World } from './world.ts';

export type MediumChange = Omit<Params<'vm.media'>, 'name'>;

/** What is asked of a world. */
export type WorldWithDrives = Pick<World, 'disks' | 'changeMedium' | 'hasEnded'>;
type Outcome = Awaited<ReturnType<World['changeMedium']>>;

export class CdDrives {
  private readonly bundle: Bundle;
  private readonly disks: VmDisks;
  /** Discs that the guest has put out, by drive: they lie in the open tray, and a start later the drive is empty. */
  private readonly putOut = new Map<string, string>();
  private trays: readonly TrayState[] = [];

  constructor(bundle: Bundle, disks: VmDisks) {
    this.bundle = bundle;
    this.disks = disks;
  }

  list(): CdromDrive[] {
    return cdromDrives(this.bundle.config).map(drive => {
      const tray = this.trays.find(({ disk }) => disk === drive.disk);
      return {
        ...drive,
        path: this.putOut.get(drive.disk) ?? drive.path,
        isLocked: tray?.isLocked ?? false,
        isOpen: tray?.isOpen ?? false,
      };
    });
  }

  /** As the guest has them now. A disc that it has put out is no longer the VM's; it is again when the guest shuts the tray. */
  follow(trays: readonly TrayState[]): void {
    this.trays = trays;
    for (const { disk, isOpen } of trays) {
      const path = cdromDrives(this.bundle.config).find(drive => drive.disk === disk)?.path;
      const out = this.putOut.get(disk);
      if (isOpen && path) {
        this.putOut.set(disk, path);
        this.configure(disk, { path: '' });
      } else if (!isOpen && out !== undefined) {
        this.configure(disk, { path: out });
        this.putOut.delete(disk);
      }
    }
  }

  /** Another world goes on with the discs that lie here, also with those in open trays. */
  shutTrays(): void {
    this.follow(this.trays.map(tray => ({ ...tray, isOpen: false })));
  }

  /** The world has ended: what the guest has put out stays out. */
  ended(): void {
    this.putOut.clear();
    this.trays = [];
  }

  /**
   * Throws ConfigError when the guest has locked the tray, what opening the image throws, and nothing has changed then. When a guest has the disc and that could not be written down, answers why, in a
   * sentence with what the next start has until it is.
   */
  async change(
    world: WorldWithDrives | undefined,
    { disk, path, format: said, allow = [], force }: MediumChange,
  ): Promise<string | undefined> {
    const drive = this.choose(disk);
    const { name } = this.bundle;
    const format = formatOfDisk({ path, format: said });
    const lock = path === '' ? undefined : this.disks.lockMedium(path);
    try {
      if (world) {
        const medium = path === '' ? ({ kind: 'none' } as const) : ({ kind: 'image', path, format, allow } as const);
        const outcome = await changeIn(world, drive, medium, force);
        if (outcome !== 'changed') throw refusal(outcome, name, drive);
      }
    } catch (error) {
      lock?.[Symbol.dispose]();
      throw error;
    }
    const patch = path === '' ? { path, allow } : { path, format, allow };
    if (!world) {
      lock?.[Symbol.dispose]();
      this.configure(drive, patch);
      return undefined;
    }
    this.putOut.delete(drive);
    this.disks.holdMedium(drive, lock);
    const unwritten = this.bundle.configureAlready(this.configWith(drive, patch));
    if (unwritten === undefined) return undefined;
    const next = cdromDrives(Bundle.readConfig(this.bundle.path)).find(each => each.disk === drive)?.path;
    return `The disc in ${drive} of ${name} has been changed, and that could not be written down yet; it will be with the next change of a disc or a setting, and until then the next start has ${next || 'no disc'}: ${problem(unwritten)}`;
  }

  private choose(disk: string | undefined): string {
    const { config, name } = this.bundle;
    const drives = cdromDrives(config).map(drive => drive.disk);
    if (drives.length === 0)
      throw new ConfigError(
        'NO_DRIVE',
        `${name} has no CD-ROM drive: give it one in its settings, or with --disk none,media=cdrom when it is started with \`cairn run\`.`,
      );
    if (disk === undefined && drives.length > 1)
      throw new ConfigError('WHICH_DRIVE', `${name} has ${drives.length} CD-ROM drives: say which one of ${drives.join(', ')}.`);
    const chosen = disk ?? drives[0]!;
    if (!drives.includes(chosen))
      throw new ConfigError(
        'NO_DRIVE',
        `${name} has no CD-ROM drive ${chosen}: ${drives.join(', ')} ${drives.length === 1 ? 'is one' : 'are'}.`,
      );
    return chosen;
  }

  private configure(disk: string, patch: Partial<VmDisk>): void {
    this.bundle.configure(this.configWith(disk, patch));
  }

  private configWith(disk: string, patch: Partial<VmDisk>): VmConfig {
    const { config } = this.bundle;
    return { ...config, disks: config.disks.map((each, index) => (diskName(index) === disk ? { ...each, ...patch } : each)) };
  }
}

/** Throws what opening the disc throws. Of a world that ends meanwhile nobody answers any more. */
async function changeIn(world: WorldWithDrives, disk: string, medium: Medium, force: boolean): Promise<Outcome> {
  const { disks } = world;
  if (!disks) return 'ended';
  try {
    const opened = await disks.request('open-medium', { disk, medium });
    const outcome = await world.changeMedium({ opened, force });
    await disks.request('settle-medium', { disk, isTaken: outcome === 'changed' });
    return outcome;
  } catch (error) {
    if (!world.hasEnded) throw error;
    return 'ended';
  }
}

function refusal(outcome: Exclude<Outcome, 'changed'>, name: string, drive: string): ConfigError {
  if (outcome === 'locked')
    return new ConfigError(
      'TRAY_LOCKED',
      `the guest of ${name} has locked the tray of ${drive}, for it uses the disc: it has been asked to let go. Unmount the disc in the guest and try again, or force it.`,
    );
  if (outcome === 'busy')
    return new ConfigError(
      'VM_STANDS',
      `${name} stands still, for the host's storage failed: mend that and resume it before the disc is changed.`,
    );
  return new ConfigError('VM_OFF', `${name} ended before its disc was changed.`);
}
