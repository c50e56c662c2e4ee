/** From what a VM is to a world of it that has come as far as its first slice, and the way out of one. */
import { CairnError, InvariantError } from '#engine/errors/errors.ts';
import type { DiskSpec } from '#worker/disk-protocol.ts';
import { newGeneration } from '#worker/outside.ts';
import * as protocol from '#worker/protocol.ts';
import type { RunOptions, WorldEnd } from '#worker/protocol.ts';
import { readBootFiles } from './boot-files.ts';
import type { Bundle } from './bundle.ts';
import { memoryMiBOf } from './checkpoint-files.ts';
import type { Checkpoint } from './ipc/contract.ts';
import type { World, WorldListener } from './world.ts';
import type { WorldManager } from './world-manager.ts';

/** What is particular to one start: what `cairn run` and exact tests ask for. */
export interface LaunchOptions extends Partial<Pick<RunOptions, 'pacing' | 'inputs' | 'untilCount' | 'startPaused'>> {
  /** All memory of the checkpoint is loaded and checked before the guest runs. */
  readonly whole?: boolean;
}

export interface LaunchParts {
  readonly bundle: Bundle;
  readonly worlds: WorldManager;
  readonly disks: readonly DiskSpec[];
  /** Undefined: from the kernel. */
  readonly from: Checkpoint | undefined;
  readonly options: LaunchOptions;
  /** Of the checkpoint, when it is encrypted. */
  readonly passphrase: string | undefined;
}

/** As WorldListener; a reset waits until what `resetting` promises is done. */
export type LaunchListener = Omit<WorldListener, 'resetHeld'> & { resetting(): Promise<void> };

/** `follow` is given the world, once there is one. Throws CairnError when it cannot start. */
export async function launchWorld(parts: LaunchParts, follow: (world: () => World | undefined) => LaunchListener): Promise<World> {
  const { bundle, from } = parts;
  let world: World | undefined;
  let tellReady: (end: WorldEnd | undefined) => void = () => {};
  const ready = new Promise<WorldEnd | undefined>(resolve => (tellReady = resolve));
  const { resetting, ...listener } = follow(() => world);
  world = await parts.worlds.start(await specOf(parts), {
    ...listener,
    state: (paused, reason) => {
      tellReady(undefined);
      listener.state(paused, reason);
    },
    resetHeld: number => {
      const goOn = () => world?.post(protocol.ACTION_GO_ON_WITH_RESET, protocol.encodeNumber(number));
      void resetting().then(goOn, goOn); // what could not be kept has been told
    },
    ended: end => {
      tellReady(end);
      listener.ended(end);
    },
  });
  const end = await ready;
  if (end?.kind === 'refused')
    throw new CairnError(end.code, `${bundle.name} cannot start${from ? ` from the checkpoint ${from.id}` : ''}: ${end.message}`);
  if (end?.kind === 'crashed') throw new InvariantError(`${bundle.name} crashed while starting: ${end.reason}`);
  return world; // or so short a life is over, but was one
}

async function specOf({ bundle, from, options, disks, passphrase }: LaunchParts): Promise<Parameters<WorldManager['start']>[0]> {
  const { config } = bundle;
  const { pacing = 'host' } = options;
  // A VM that goes on from a checkpoint needs its boot files only for a reset: they may have gone.
  const boot = await readBootFiles(config).catch((error: unknown) => {
    if (from) return { kind: 'none' } as const;
    throw error;
  });
  const restore = from && {
    path: bundle.checkpointPath(from.id),
    folder: bundle.checkpointsPath,
    ...(options.whole && { whole: true }),
    ...(passphrase !== undefined && { passphrase }),
    ...(pacing === 'host' && { generation: newGeneration() }),
  };
  return {
    config,
    memoryMiB: restore ? await memoryMiBOf(restore.path) : config.memoryMiB,
    boot,
    run: {
      pacing,
      rtc: config.rtc ?? 'host',
      noReboot: config.noReboot,
      holdResets: true,
      startPaused: options.startPaused ?? false,
      shareMemory: config.shareMemory ?? false,
      inputs: options.inputs ?? [],
      untilCount: options.untilCount,
    },
    disks,
    restore,
  };
}

/** A world that does not answer is ended all the same. */
const PLUG_PATIENCE_MS = 2000;

export async function unplug(world: World): Promise<void> {
  world.post(protocol.ACTION_STOP);
  const timer = setTimeout(() => void world.terminate(), PLUG_PATIENCE_MS);
  await world.ended;
  clearTimeout(timer);
}
