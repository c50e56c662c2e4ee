/** Taking a checkpoint of a VM (METHOD.md 800 to 836) as the kernel orders it: its disks, its world or what it has without one, and its place in the tree. */
import type { CheckpointOrder } from '#worker/checkpoint-protocol.ts';
import type { Bundle } from './bundle.ts';
import { takeWhenOff } from './checkpoint-files.ts';
import type { Checkpoint, CheckpointProgress } from './ipc/contract.ts';
import { orItHasEnded, type VmDisks } from './vm-disks.ts';
import type { WorldDisks } from './world-disks.ts';
import type { World } from './world.ts';

export type TakeOrder = Omit<CheckpointOrder, 'hasDisks'>;

export class CheckpointTaker {
  private readonly bundle: Bundle;
  private readonly disks: VmDisks;

  constructor(bundle: Bundle, disks: VmDisks) {
    this.bundle = bundle;
    this.disks = disks;
  }

  /** `world`: undefined for a VM that is off. */
  async take(world: World | undefined, order: TakeOrder, progress: (progress: CheckpointProgress) => void): Promise<Checkpoint> {
    return world ? this.ofWorld(world, order, progress) : this.ofNone(order);
  }

  private async ofWorld(world: World, order: TakeOrder, progress: (progress: CheckpointProgress) => void): Promise<Checkpoint> {
    const { disks } = world;
    try {
      const mode = disks?.inCheckpoints ? this.bundle.config.checkpointMode : undefined;
      return this.bundle.add(await world.take(order, mode, progress));
    } finally {
      if (disks) await this.letGo(disks).catch(orItHasEnded(world));
    }
  }

  /** What the checkpoint points to is needed by it before the disks let go; or there is none. */
  private async letGo(disks: WorldDisks): Promise<void> {
    try {
      await this.disks.tell(disks);
    } finally {
      await disks.request('let-go', {});
    }
  }

  private async ofNone(order: TakeOrder): Promise<Checkpoint> {
    const { memoryMiB, checkpointMode: mode } = this.bundle.config;
    const taken = await this.disks.whileOff(async session => {
      const pointers = await session.request('prepare', { mode });
      try {
        await session.request('switch', {});
        await session.request('seal', {});
        return this.bundle.add(await takeWhenOff(order, memoryMiB, pointers));
      } finally {
        await this.letGo(session);
      }
    });
    return taken ?? this.bundle.add(await takeWhenOff(order, memoryMiB));
  }
}
