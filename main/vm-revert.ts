/**
 * Going back to a checkpoint (METHOD.md, Fig. 3G), in the first of these ways that can be taken. Each leaves the VM as it was when it fails before the disks are decided, and none
 * combines memory with other disks (docs/decisions/0010).
 *
 *   off          the disks go back, and the next start goes on from the checkpoint
 *   ram, file    the world stands still, its disks go back, then its memory and devices, from its copy in RAM or from the file
 *   new-world    another world is made beside the old one, and takes the disks over: for a machine that the checkpoint does not fit
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { CheckpointStore } from '#engine/checkpoint/store.ts';
import { verifyInSteps } from '#engine/checkpoint/verify.ts';
import { CairnError, CheckpointError, ConfigError, StorageError } from '#engine/errors/errors.ts';
import { nodeCodec } from '#worker/node-codec.ts';
import { newGeneration } from '#worker/outside.ts';
import * as protocol from '#worker/protocol.ts';
import { storedFiles } from '#worker/stored-files.ts';
import type { Bundle } from './bundle.ts';
import type { Checkpoint, VmState } from './ipc/contract.ts';
import { RevertIntent } from './revert-intent.ts';
import { notTidied, orItHasEnded, type VmDisks } from './vm-disks.ts';
import type { VmPassphrase } from './vm-passphrase.ts';
import { unplug } from './world-launch.ts';
import type { World } from './world.ts';

/** Groups of pages that are checked before others get a turn. */
const STEPS_AT_ONCE = 16;

export type RevertedBy = 'off' | 'new-world' | protocol.RevertWay;

/** What reverting does with the VM around it. */
export interface RevertingVm {
  /** Undefined: it is off. */
  world(): World | undefined;
  isPaused(): boolean;
  show(state: VmState): void;
  /** A world at the checkpoint, paused, with branches of its disks. */
  launch(checkpoint: Checkpoint, passphrase: string | undefined): Promise<World>;
  /** The VM runs in it from now on; paused. */
  adopt(world: World): void;
  /** What launch() has noted of the discs is not so: they are as the guest that still runs has them. */
  followTrays(): void;
  /** The collector begins with what is not needed any more. */
  tellDisks(world: World): void;
  notice(text: string): void;
}

export class VmReverter {
  private readonly bundle: Bundle;
  private readonly disks: VmDisks;
  private readonly passphrase: VmPassphrase;
  private readonly vm: RevertingVm;

  constructor(bundle: Bundle, disks: VmDisks, passphrase: VmPassphrase, vm: RevertingVm) {
    this.bundle = bundle;
    this.disks = disks;
    this.passphrase = passphrase;
    this.vm = vm;
  }

  /** A VM that is off goes on from the checkpoint at its next start; one that runs does so at once, and its consoles stay. */
  async revert(checkpoint: Checkpoint, passphrase: string | undefined): Promise<void> {
    this.disks.checkFits(checkpoint);
    const begun = performance.now();
    const { id, title, running } = checkpoint;
    const intent = new RevertIntent(this.bundle, { id, resume: this.vm.world() === undefined && running });
    const way = await this.goBack(checkpoint, passphrase, intent);
    // A world may have ended when its disks were the checkpoint's already: then the VM is off, and has gone back.
    const isOff = this.vm.world() === undefined;
    const ms = Math.round(performance.now() - begun);
    this.bundle.standAlready(id, isOff && running ? id : undefined, () => this.bundle.catalog.record('reverted', id, { title, way, ms }));
    intent.end();
    const now = this.vm.world();
    if (now) this.vm.tellDisks(now);
  }

  private async goBack(checkpoint: Checkpoint, passphrase: string | undefined, intent: RevertIntent): Promise<RevertedBy> {
    const world = this.vm.world();
    if (world === undefined || !checkpoint.running) {
      await verify(this.bundle, checkpoint);
      if (world) await unplug(world);
      await this.whileOff(checkpoint, intent);
      return 'off';
    }
    const way = await this.inside(world, checkpoint, passphrase, intent);
    if (way !== undefined) return way;
    this.checkIsOn(world);
    intent.begin();
    await this.inNewWorld(world, checkpoint, passphrase, intent);
    return 'new-world';
  }

  private async whileOff({ disks }: Checkpoint, intent: RevertIntent): Promise<void> {
    await this.disks.whileOff(async session => {
      intent.begin();
      try {
        await session.request('branch', { disks });
        await session.request('adopt', { drop: true });
      } catch (error) {
        intent.endOnceSettled(session);
        throw error;
      }
      await this.disks.tell(session).catch((error: unknown) => this.vm.notice(notTidied(this.bundle.name, error))); // they have gone back
    });
  }

  /** Undefined: this world cannot do it. */
  private async inside(
    world: World,
    checkpoint: Checkpoint,
    given: string | undefined,
    intent: RevertIntent,
  ): Promise<protocol.RevertWay | undefined> {
    const { id, disks } = checkpoint;
    const passphrase = this.unlockIfReadable(checkpoint, given);
    const files = { path: this.bundle.checkpointPath(id), folder: this.bundle.checkpointsPath };
    try {
      return await world.revert({ id, ...files, generation: newGeneration(), ...(passphrase !== undefined && { passphrase }) }, disks, () =>
        intent.begin(),
      );
    } catch (error) {
      intent.endOnceSettled(world.disks);
      throw error;
    }
  }

  /** What is in RAM needs no file; where the file is needed, what is wrong with it is said then. */
  private unlockIfReadable(checkpoint: Checkpoint, given: string | undefined): string | undefined {
    try {
      return this.passphrase.unlock(given, checkpoint);
    } catch (error) {
      if (error instanceof StorageError || (error instanceof CheckpointError && error.code === 'CHECKPOINT_DAMAGED')) return undefined;
      throw error;
    }
  }

  /** The old world is given up only when the new one stands: a checkpoint that can't be read leaves the VM as it was. */
  private async inNewWorld(old: World, checkpoint: Checkpoint, passphrase: string | undefined, intent: RevertIntent): Promise<void> {
    const wasPaused = this.vm.isPaused();
    this.vm.show('reverting');
    old.post(protocol.ACTION_PAUSE);
    let fresh: World;
    try {
      await old.disks?.request('hold', { hold: true });
      fresh = await this.replacement(old, checkpoint, passphrase);
    } catch (error) {
      await this.goOnWith(old, wasPaused);
      intent.endOnceSettled(old.disks);
      throw error;
    }
    if (this.vm.world() !== old) {
      await unplug(fresh);
      return;
    }
    this.vm.adopt(fresh);
    if (!wasPaused) fresh.post(protocol.ACTION_RESUME);
    await unplug(old);
  }

  /** A world at the checkpoint, paused, that has taken the disks over from the old one. */
  private async replacement(old: World, checkpoint: Checkpoint, passphrase: string | undefined): Promise<World> {
    const fresh = await this.vm.launch(checkpoint, passphrase);
    try {
      this.checkIsOn(old);
      await fresh.disks?.request('adopt', { drop: false });
      await old.disks?.request('release', {}).catch(() => {}); // one that does not answer has no files open
      return fresh;
    } catch (error) {
      await unplug(fresh);
      throw error;
    }
  }

  private checkIsOn(world: World): void {
    if (this.vm.world() === world) return;
    throw new ConfigError('VM_OFF', `${this.bundle.name} was stopped before it had gone back to the checkpoint.`);
  }

  /** After a revert that failed: as if it had not begun. */
  private async goOnWith(old: World, wasPaused: boolean): Promise<void> {
    await old.disks
      ?.request('hold', { hold: false })
      .catch(orItHasEnded(old))
      .catch((error: unknown) => this.vm.notice(notTidied(this.bundle.name, error)));
    if (this.vm.world() !== old) return;
    this.vm.followTrays();
    if (!wasPaused) old.post(protocol.ACTION_RESUME);
    this.vm.show(wasPaused ? 'paused' : 'running');
  }
}

/** A VM that is off finds out at its next start what is in a checkpoint: then it is too late to choose another. Others get their turn meanwhile. */
async function verify({ name, checkpointsPath }: Bundle, { id, title }: Checkpoint): Promise<void> {
  try {
    let step = 0;
    for (const _ of verifyInSteps(new CheckpointStore(storedFiles, checkpointsPath), id, nodeCodec))
      if (++step % STEPS_AT_ONCE === 0) await nextTurn();
  } catch (cause) {
    if (!(cause instanceof CairnError)) throw cause;
    throw new CheckpointError(cause.code, `${name} has not gone back, for the checkpoint “${title}” cannot be restored: ${cause.message}`, {
      cause,
    });
  }
}
