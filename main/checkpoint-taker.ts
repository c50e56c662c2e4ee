/** Taking a checkpoint of a VM (METHOD.md 800 to 836) as the kernel orders it: its disks, its world or what it has without one, and its place in the tree. */
import type { CheckpointOrder } from '#worker/checkpoint-protocol.ts';
import type { Bundle } from './bundle.ts';
import { takeWhenOff } from './checkpoint-files.ts';
import type { Checkpoint, CheckpointProgress } from './ipc/contract.ts';
import { notTidied, orItHasEnded, type VmDisks } from './vm-disks.ts';
import type { WorldDisks } from './world-disks.ts';
import type { World } from './world.ts';

export type TakeOrder = Omit<CheckpointOrder, 'hasDisks'>;

export class CheckpointTaker {
  private readonly bundle: Bundle;
  private readonly disks: VmDisks;

  private readonly notice: (text: string) => void;

  /** `notice`: what did not work although the checkpoint was taken, in words for the user. */
  constructor(bundle: Bundle, disks: VmDisks, notice: (text: string) => void) {
    this.bundle = bundle;
    this.disks = disks;
    this.notice = notice;
  }

  /** `world`: undefined for a VM that is off. */
  async take(world: World | undefined, order: TakeOrder, progress: (progress: CheckpointProgress) => void): Promise<Checkpoint> {
    return world ? this.ofWorld(world, order, progress) : this.ofNone(order);
  }

  private async ofWorld(world: World, order: TakeOrder, progress: (progress: CheckpointProgress) => void): Promise<Checkpoint> {
    const { disks } = world;
    const mode = disks?.inCheckpoints ? this.bundle.config.checkpointMode : undefined;
    return this.thenLetGo(
      async () => this.bundle.add(await world.take(order, mode, progress)),
      async () => disks && this.letGo(disks).catch(orItHasEnded(world)),
    );
  }

  /** A checkpoint that was taken is one, whether its disks let go or not; they do at the next opening at the latest. */
  private async thenLetGo(take: () => Promise<Checkpoint>, letGo: () => Promise<unknown>): Promise<Checkpoint> {
    let taken: Checkpoint;
    try {
      taken = await take();
    } catch (error) {
      await letGo();
      throw error;
    }
    await letGo().catch((error: unknown) => this.notice(notTidied(this.bundle.name, error)));
    return taken;
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
      const take = async () => {
        await session.request('switch', {});
        await session.request('seal', {});
        return this.bundle.add(await takeWhenOff(order, memoryMiB, pointers));
      };
      return this.thenLetGo(take, () => this.letGo(session));
    });
    return taken ?? this.bundle.add(await takeWhenOff(order, memoryMiB));
  }
}
